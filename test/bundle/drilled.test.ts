import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rulesOfDrill, layOver, laidOver, withDrills, type Drill } from '../../src/bundle/drilled.ts'
import { registeredClasses } from '../../src/policy/classes.ts'
import { REVOCABLE } from '../../src/policy/coverage.ts'
import { decide } from '../../src/policy/decide.ts'
import type { Rule, Window } from '../../src/policy/rule.ts'
import { AT, FOLDER, STAYS } from '../cli/officer-folder.ts'
import { instant, namelessRule, numbered, rulebook, seed, settings, TICKS } from '../policy/worlds.ts'
import { bundleOf, policy, rule } from '../support/tree.ts'

const at = Date.parse(AT)
const window: Window = { from: at, until: at + 60_000 }
const drill = (id: string, revoked: string, within = window): Drill => {
  const [fact, value] = revoked.split('=') as [(typeof REVOCABLE)[number], string]
  return { id, what: [revoked], author: 'Ada', window: within, rules: rulesOfDrill({ id, revocations: [{ fact, value }], notice: [], window: within }) }
}
const desk = { trusted: { app: 'desk', data: ['source-code'] } }

describe(`a drill over random worlds (seed ${seed})`, () => {
  test('never permits more while it runs, whatever its notice says, and changes nothing before and after', () => {
    let lost = 0, untouched = 0
    const revocation = fc.record({ fact: fc.constantFrom(...REVOCABLE), value: fc.constantFrom('US', 'FR', 'cloud', 'local', 'one', 'two', 'a/large') })
    const within = fc.tuple(fc.constantFrom(...TICKS), fc.integer({ min: 1, max: 7_200_000 })).map<Window>(([from, ms]) => ({ from, until: from + ms }))
    fc.assert(fc.property(rulebook, fc.array(revocation, { maxLength: 2 }), fc.array(namelessRule('any'), { maxLength: 3 }), within, instant, (book, revocations, rules, window, when) => {
      const drilled = layOver(book, rulesOfDrill({ id: 'd-1', revocations, notice: rules.map((one, n) => numbered(one, n)), window }))
      for (const now of [window.from - 1, window.from, window.until - 1, window.until, when]) {
        for (const { asked } of registeredClasses(book)) {
          const before = decide(book, asked, now).permitted, after = decide(drilled, asked, now).permitted
          if (now < window.from || now >= window.until) {
            expect(after).toEqual(before)
            untouched += before.length
          } else {
            expect(before).toEqual(expect.arrayContaining([...after]))
            lost += before.length - after.length
          }
        }
      }
    }), settings(300))
    expect(lost).toBeGreaterThan(200)
    expect(untouched).toBeGreaterThan(200)
  })
})

test('a drilled bundle has a digest of its own for every drill, the same catalog, and is frozen', async () => {
  const bundle = await bundleOf(FOLDER)
  const one = await withDrills(bundle, [drill('d-1', 'provider=abroad')]), same = await withDrills(bundle, [drill('d-1', 'provider=abroad')])
  const other = await withDrills(bundle, [drill('d-1', 'provider=home')]), both = await withDrills(bundle, [drill('d-1', 'provider=abroad'), drill('d-2', 'provider=home')])
  expect(new Set([bundle, one, other, both].map(b => b.digest)).size).toBe(4)
  expect(same.digest).toBe(one.digest)
  expect(one.catalog).toBe(bundle.catalog)
  expect(one.catalogDigest).toBe(bundle.catalogDigest)
  expect(Object.isFrozen(one.rulebook.rules)).toBe(true)
  expect(await withDrills(bundle, [])).toBe(bundle)
  expect(laidOver(both.rulebook).map(r => r.name)).toEqual(['drill:d-1/provider-abroad', 'drill:d-2/provider-home'])
  expect(laidOver(bundle.rulebook)).toEqual([])
})

test('what a drill takes away is back at its last second, and was there before its first', async () => {
  const bundle = await withDrills(await bundleOf(FOLDER), [drill('d-1', 'provider=abroad')])
  const permitted = (now: number): readonly string[] => decide(bundle.rulebook, desk, now).permitted
  expect(permitted(at - 1)).toContain('us')
  expect(permitted(at)).not.toContain('us')
  expect(permitted(at + 59_999)).not.toContain('us')
  expect(permitted(at + 60_000)).toContain('us')
})

describe('a notice that is pretended', () => {
  const noticeOf = async (body: string, effective: string): Promise<readonly Rule[]> =>
    (await bundleOf({ ...FOLDER, 'directives/n.policy.yaml': policy('n', rule('gone', body), effective) })).rulebook.rules.filter(r => r.directive)
  const drilled = (notice: readonly Rule[]): readonly Rule[] => rulesOfDrill({ id: 'd-1', revocations: [], notice, window })

  test('acts now, whenever it would, and no longer than the drill', async () => {
    const [gone] = drilled(await noticeOf('forbid: { deployment: us }', '{ from: 2027-03-01, until: 2027-03-08, timezone: UTC }'))
    expect(gone).toMatchObject({ name: 'drill:d-1/n/gone', window, mode: 'enforce' })
  })

  test('only warns where its rule would only warn, and enforces where it would by now', async () => {
    const warning = (until: string): string => `mode: warn\nmode-until: ${until}\nforbid: { deployment: us }`
    const from = '{ from: 2026-11-20, until: 2026-12-01, timezone: UTC }'
    expect(drilled(await noticeOf(warning('2026-11-30'), from))).toMatchObject([{ mode: 'warn', modeUntil: Infinity }])
    expect(drilled(await noticeOf(warning('2026-11-21'), from))).toMatchObject([{ mode: 'enforce' }])
  })

  test('that is over pretends nothing', async () => {
    expect(drilled(await noticeOf('forbid: { deployment: us }', '{ from: 2026-01-01, until: 2026-01-08, timezone: UTC }'))).toEqual([])
  })
})

test('no exception can lift a drill: none can name its rules', async () => {
  const named = { ...FOLDER, 'rules/drill.policy.yaml': policy('drill', STAYS) }
  const { rulebook: book } = await bundleOf(named)
  const names = rulesOfDrill({ id: 'd-1', revocations: [{ fact: 'provider', value: 'home' }], notice: book.rules, window }).map(r => r.name)
  expect(names.filter(name => book.rules.some(r => r.name === name))).toEqual([])
})
