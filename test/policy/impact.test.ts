/** Impact against two calls of `decide`, over random worlds; and what it says of small ones. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { registeredClasses } from '../../src/policy/classes.ts'
import { decide } from '../../src/policy/decide.ts'
import { exceptionsInUse } from '../../src/policy/exceptions-in-use.ts'
import { impact, laterImpact } from '../../src/policy/impact.ts'
import { app, bundleOf, policy, rule } from '../support/tree.ts'
import { AT, FOLDER, NOT_KEPT, STAYS, exception, withRules } from '../cli/officer-folder.ts'
import { asked, instant, namelessRule, numbered, rulebook, seed, settings, withEdges } from './worlds.ts'

const RUNS = 150
const weighted = fc.array(fc.record({ asked, weight: fc.nat(9), at: instant }), { maxLength: 12 })
const at = Date.parse(AT)
const bookOf = async (files: Record<string, string>): Promise<Awaited<ReturnType<typeof bundleOf>>['rulebook']> => (await bundleOf(files)).rulebook

describe(`over random worlds (seed ${seed})`, () => {
  test('a rulebook compared with itself differs in nothing', () => {
    fc.assert(fc.property(rulebook, weighted, (book, classes) => {
      const found = impact(book, withEdges({ ...book, rules: book.rules.toReversed() }), classes)
      expect(found).toMatchObject({ differences: [], classes: [] })
      expect(found.compared.weight).toBe(classes.reduce((sum, c) => sum + c.weight, 0))
      expect(laterImpact(book, book, at)).toEqual([])
    }), settings(RUNS))
  })

  test('nothing is newly permitted where rules were only added', () => {
    let removed = 0
    fc.assert(fc.property(rulebook, fc.array(namelessRule('any'), { minLength: 1, maxLength: 3 }), weighted, (book, more, classes) => {
      const next = withEdges({ ...book, rules: [...book.rules, ...more.map((rule, i) => numbered(rule, 100 + i))] })
      const found = impact(book, next, classes)
      expect(found.classes.flatMap(c => c.newlyPermitted)).toEqual([])
      expect(found.differences.map(d => [d.kind, d.change])).toEqual(more.map(() => ['rule', 'added']))
      expect(laterImpact(book, next, at).flatMap(l => l.newlyPermitted)).toEqual([])
      removed += found.classes.length
    }), settings(RUNS))
    expect(removed).toBeGreaterThan(40)
  })

  test('agrees with two calls of decide, class by class, and loses no request on the way', () => {
    let widened = 0
    fc.assert(fc.property(rulebook, rulebook, weighted, (old, next, classes) => {
      const found = impact(old, next, classes)
      const differing = classes.filter(c => decide(old, c.asked, c.at).permitted.join() !== decide(next, c.asked, c.at).permitted.join()
        && (decide(old, c.asked, c.at).permitted[0] !== decide(next, c.asked, c.at).permitted[0] || decide(old, c.asked, c.at).permitted.toSorted().join() !== decide(next, c.asked, c.at).permitted.toSorted().join()))
      expect(found.classes.reduce((sum, c) => sum + c.weight, 0)).toBe(differing.reduce((sum, c) => sum + c.weight, 0))
      for (const c of found.classes) {
        const before = decide(old, c.asked, c.at).permitted, after = decide(next, c.askedAnew, c.at).permitted
        expect([c.before, c.after]).toEqual([before, after])
        expect(c.newlyPermitted).toEqual(after.filter(d => !before.includes(d)))
        expect(c.newlyRemoved).toEqual(before.filter(d => !after.includes(d)))
        expect(c.empty).toBe(before.length > 0 && after.length === 0)
        widened += c.newlyPermitted.length
      }
      const firstNarrower = found.classes.findIndex(c => c.newlyPermitted.length === 0)
      expect(firstNarrower < 0 || found.classes.slice(firstNarrower).every(c => c.newlyPermitted.length === 0), 'what is newly permitted comes first').toBe(true)
    }), settings(RUNS))
    expect(widened).toBeGreaterThan(40)
  })

  test('an exception is in use exactly where the law without it permits less', () => {
    let used = 0
    fc.assert(fc.property(rulebook, weighted, (book, classes) => {
      const inUse = exceptionsInUse(book, classes)
      for (const { name } of book.exceptions) {
        const without = withEdges({ ...book, exceptions: book.exceptions.filter(e => e.name !== name) })
        expect(inUse.has(name)).toBe(classes.some(c => decide(without, c.asked, c.at).permitted.length < decide(book, c.asked, c.at).permitted.length))
      }
      used += inUse.size
    }), settings(RUNS * 4))
    expect(used).toBeGreaterThan(10)
  })
})

describe('of a small change', () => {
  const over = (book: Awaited<ReturnType<typeof bookOf>>): Parameters<typeof impact>[2] => registeredClasses(book).map(c => ({ asked: c.asked, weight: 0, at }))

  test('names what was removed from the rules, what is newly permitted, the new first choice and its price', async () => {
    const old = await bookOf(withRules(STAYS, NOT_KEPT)), next = await bookOf(withRules(NOT_KEPT))
    const found = impact(old, next, over(next))
    expect(found.differences).toMatchObject([{ kind: 'rule', name: 'home/stays', change: 'removed', place: { file: 'rules/home.policy.yaml', line: 8 } }])
    expect(found.classes).toMatchObject([
      { app: 'desk', data: ['personal'], newlyPermitted: ['us'], newlyRemoved: [], first: { from: 'fr', to: 'us', priceFrom: 4, priceTo: 2 } },
      { app: 'desk', data: 'unknown', newlyPermitted: ['us'] },
    ])
    expect(impact(next, old, over(next)).classes).toMatchObject([{ newlyPermitted: [], newlyRemoved: ['us'], single: true, empty: false }, {}])
  })

  test('says which words of a rule changed, and not that it moved', async () => {
    const old = await bookOf(withRules(STAYS, NOT_KEPT)), moved = await bookOf(withRules(NOT_KEPT, STAYS))
    expect(impact(old, moved, []).differences).toEqual([])
    const changed = await bookOf(withRules(STAYS, NOT_KEPT.replace('odd', 'us')))
    expect(impact(old, changed, []).differences).toMatchObject([{ name: 'home/not-kept', change: 'changed', parts: ['forbid'] }])
  })

  test('a digest that is asked for, or no longer, is said and permits nothing', async () => {
    const old = await bookOf(withRules(STAYS)), next = await bookOf(withRules(`${STAYS}\n    then: { request-digest: yes }`))
    for (const [before, after] of [[old, next], [next, old]] as const) {
      const { differences: found, classes } = impact(before, after, over(after))
      expect(found).toEqual([expect.objectContaining({ name: 'home/stays', change: 'changed', parts: ['then'] })])
      expect(found[0]).not.toHaveProperty('wider')
      expect(classes.flatMap(c => [...c.newlyPermitted, ...c.newlyRemoved])).toEqual([])
    }
  })

  test.each([
    ['{ redact: [iban, email] }', '{ redact: [iban] }', ['redact']], ['{ redact: [iban] }', '{ redact: [iban, email] }', undefined],
    ['{ log: metadata }', '{ log: full }', ['log']], ['{ log: metadata }', '{ log: none }', undefined], ['{ notify: [dpo] }', '{ notify: [dpo], log: full }', ['log']],
    ['{ log-in: [FR] }', '{ log-in: [FR, US] }', ['log-in']], ['{ log-in: [FR, US] }', '{ log-in: [FR] }', undefined], ['{ log-in: [FR], log: none }', '{ log: none }', ['log-in']],
    ['{ rescue: no, log: none }', '{ log: none }', ['rescue']],
  ])('a duty that asks for less is wider, although nothing more is permitted: %s, then %s', async (before, after, wider) => {
    const old = await bookOf(withRules(`${STAYS}\n    then: ${before}`)), next = await bookOf(withRules(`${STAYS}\n    then: ${after}`))
    expect(impact(old, next, over(next)).differences.map(d => [d.name, d.change, d.wider])).toEqual([['home/stays', 'changed', wider]])
  })

  test('a rule that is gone takes its duties with it, and one that comes brings them', async () => {
    const old = await bookOf(withRules(STAYS, `${NOT_KEPT}\n    then: { redact: [iban], log: full }`)), next = await bookOf(withRules(STAYS))
    expect(impact(old, next, over(next)).differences.map(d => [d.name, d.change, d.wider])).toEqual([['home/not-kept', 'removed', ['redact']]])
    expect(impact(next, old, over(old)).differences.map(d => [d.name, d.change, d.wider])).toEqual([['home/not-kept', 'added', ['log']]])
  })

  test('says which changed rule no compared class meets', async () => {
    const night = 'when: { team: [night] }\nforbid: { deployment: us }'
    const old = await bookOf({ ...FOLDER, 'rules/night.policy.yaml': policy('night', rule('shift', night)) }), next = await bookOf(FOLDER)
    const registered = { 'apps/night.yaml': app('night', 'grants: all\nteam: night'), 'apps/desk.yaml': app('desk', 'grants: all\nteam: day') }
    const met = await bookOf({ ...FOLDER, ...registered, 'rules/night.policy.yaml': policy('night', rule('shift', night)) })
    const day = await bookOf({ ...FOLDER, 'apps/desk.yaml': registered['apps/desk.yaml'], 'rules/night.policy.yaml': policy('night', rule('shift', night)) })
    expect(impact(day, await bookOf({ ...FOLDER, 'apps/desk.yaml': registered['apps/desk.yaml'] }), over(day)).unmet.map(d => d.name)).toEqual(['night/shift'])
    expect(impact(met, next, over(met)).unmet).toEqual([])
    expect(impact(old, next, over(old)).unmet, 'a team that is not known is met').toEqual([])
  })

  test('classes that no rule in force tells apart are one', async () => {
    const book = await bookOf(FOLDER)
    const classes = ['FR', 'DE'].map(country => ({ asked: { trusted: { app: 'desk', data: ['personal'], 'user-in': country } }, weight: 2, at }))
    expect(impact(book, book, classes).compared).toEqual({ classes: 1, weight: 4 })
    expect(impact(book, book, [...classes, { ...classes[0]!, asked: { trusted: { app: 'desk', data: ['source-code'] } } }]).compared).toEqual({ classes: 2, weight: 6 })
  })

  test('an exception is pointless once its rule lets through what it lifted, and not before', async () => {
    const files = { 'exceptions/2026.yaml': exception('EX-1', '2026-11-01', '2026-12-01') }
    const old = await bookOf({ ...FOLDER, ...files }), next = await bookOf({ ...withRules(STAYS.replace('[FR]', '[FR, US]')), ...files })
    expect(impact(old, next, over(old)).pointless.map(e => e.name)).toEqual(['EX-1'])
    expect(impact(old, old, over(old)).pointless).toEqual([])
  })

  test('a rule that ends earlier is wider later, although nothing changes today', async () => {
    const old = await bookOf(FOLDER), next = await bookOf({ ...FOLDER, 'rules/home.policy.yaml': FOLDER['rules/home.policy.yaml'].replace('from: 2026-01-01', 'from: 2026-01-01, until: 2026-12-31') })
    expect(impact(old, next, over(old)).classes).toEqual([])
    // What comes in 2040, when the facts of the folder are no longer to be believed, is another matter.
    expect(laterImpact(old, next, at).filter(l => l.at < Date.parse('2040-01-01T00:00:00Z'))).toMatchObject([
      { at: Date.parse('2027-01-01T00:00:00Z'), data: ['personal'], newlyPermitted: ['us'] }, { data: 'unknown', newlyPermitted: ['us'] },
    ])
    expect(laterImpact(next, old, at).flatMap(l => l.newlyPermitted)).toEqual([])
  })
})
