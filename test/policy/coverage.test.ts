/** Coverage against `decide`, over random worlds; and what it counts in a small one. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coverage, coverageChanges, withRevoked, type Standing } from '../../src/policy/coverage.ts'
import { decide } from '../../src/policy/decide.ts'
import { registeredClasses } from '../../src/policy/classes.ts'
import type { Operation } from '../../src/policy/facts.ts'
import { AT, FOLDER } from '../cli/officer-folder.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'
import { instant, rulebook, seed, settings } from './worlds.ts'

const at = Date.parse(AT)
const fitForText: Standing = { operations: ['chat'], isSetUp: true, isFit: true }
const everything = (): Standing => fitForText

describe(`over random worlds (seed ${seed})`, () => {
  test('every profile holds what decide permits, and no loss leaves more', () => {
    let counted = 0
    fc.assert(fc.property(rulebook, instant, (book, when) => {
      const rows = coverage(book, when, everything)
      expect(rows.map(r => r.permitted)).toEqual(registeredClasses(book).map(c => decide(book, c.asked, when).permitted))
      for (const row of rows) {
        for (const loss of [row.withoutProvider, row.withoutCountry, row.withoutCloud]) {
          expect(loss === undefined).toBe(row.fit.length === 0)
          if (loss !== undefined) expect(loss.left).toBeLessThanOrEqual(row.fit.length)
        }
        if (row.withoutProvider !== undefined) expect(row.withoutProvider.left).toBeLessThan(row.fit.length)
        counted += row.fit.length
      }
    }), settings(300))
    expect(counted).toBeGreaterThan(100)
  })

  test('a revocation never adds, and leaves exactly what is known to be none of it', () => {
    let lost = 0
    fc.assert(fc.property(rulebook, instant, fc.constantFrom('cloud', 'local', 'sovereign'), (book, when, hosting) => {
      const before = coverage(book, when, everything), after = coverage(withRevoked(book, [{ fact: 'hosting', value: hosting }]), when, everything)
      const changes = coverageChanges(before, after)
      expect(changes.flatMap(c => c.gained)).toEqual([])
      const hostingOf = (name: string): unknown => {
        const fact = book.deployments.find(d => d.name === name)!.facts['hosting']
        return fact === undefined || when >= fact.goodUntil ? undefined : fact.value
      }
      expect(after.map(r => r.fit)).toEqual(before.map(r => r.fit.filter(d => hostingOf(d) !== undefined && hostingOf(d) !== hosting)))
      lost += changes.length
    }), settings(300))
    expect(lost).toBeGreaterThan(40)
  })
})

test('counts what is left, and an owner that is not known goes with every country', async () => {
  const { rulebook: book } = await bundleOf(FOLDER)
  expect(coverage(book, at, everything)).toMatchObject([
    { app: 'desk', data: ['none'], fit: ['us', 'fr', 'odd'] },
    { app: 'desk', data: ['personal'], deployments: 3, fit: ['fr', 'odd'], withoutProvider: { which: 'home', left: 1 }, withoutCountry: { which: 'FR', left: 0 }, withoutCloud: { left: 1 } },
    { app: 'desk', data: ['source-code'], fit: ['us', 'fr', 'odd'], withoutProvider: { left: 2 }, withoutCountry: { which: 'FR', left: 1 }, withoutCloud: { left: 1 } },
    { app: 'desk', data: 'unknown', fit: ['fr', 'odd'] },
  ])
  expect(coverage(book, at, d => ({ ...fitForText, isFit: d === 'odd' }))).toMatchObject([{}, { permitted: ['fr', 'odd'], fit: ['odd'], withoutCountry: { which: 'not known', left: 0 } }, {}, {}])
  expect(coverage(book, at, () => ({ ...fitForText, isFit: false }))[1]).toMatchObject({ permitted: ['fr', 'odd'], fit: [], withoutProvider: undefined, withoutCloud: undefined })
})

describe('the operation that is worst off', () => {
  const MODELS = ['{ deployment: chat-a, model: lab/a }', '{ deployment: chat-b, model: lab/b }', '{ deployment: vectors, model: own/v }', '{ deployment: sorter, model: own/s }']
  const book = async (grants = 'all', rules = rule('no-sorting', 'forbid: { model: own/s }')): ReturnType<typeof bundleOf> => bundleOf({
    'apps/desk.yaml': app('desk', `grants: ${grants}\nmay-carry: [personal]`), 'catalog/all.yaml': provider('all', 'hosting: cloud', MODELS), 'rules/r.policy.yaml': policy('r', rules),
  })
  const OPERATIONS: Readonly<Record<string, readonly Operation[]>> = { 'chat-a': ['chat'], 'chat-b': ['completion'], vectors: ['embedding'], sorter: ['rerank'] }
  /** All are well but those named; those in `unset` never could be asked. */
  const standing = (dead: readonly string[] = [], { unset = [] as readonly string[], operations = OPERATIONS } = {}) => (name: string): Standing =>
    ({ operations: operations[name]!, isSetUp: !unset.includes(name), isFit: !dead.includes(name) && !unset.includes(name) })

  test('is text where both chat models are dead, and not the one that embeds', async () => {
    const { rulebook } = await book()
    expect(coverage(rulebook, at, standing())[0]).toMatchObject({ operation: 'embedding', permitted: ['chat-a', 'chat-b', 'vectors'], fit: ['vectors'], withoutProvider: { left: 0 } })
    expect(coverage(rulebook, at, standing(['chat-a', 'chat-b']))[0]).toMatchObject({ operation: 'text', fit: [], able: ['vectors'], withoutProvider: undefined })
    expect(coverage(rulebook, at, standing(['vectors']))[0]).toMatchObject({ operation: 'embedding', fit: [], able: ['chat-a', 'chat-b'] })
    expect(coverage(rulebook, at, standing(['chat-a', 'chat-b', 'vectors']))[0]).toMatchObject({ operation: 'text', fit: [] })
  })

  test('is text on a tie, and chat and completion are one', async () => {
    const { rulebook } = await book()
    expect(coverage(rulebook, at, standing(['chat-b']))[0]).toMatchObject({ operation: 'text', fit: ['chat-a'] })
    expect(coverage(rulebook, at, standing(['chat-a']))[0]).toMatchObject({ operation: 'text', fit: ['chat-b'] })
    const both = { ...OPERATIONS, vectors: ['chat', 'embedding'] as const }
    expect(coverage(rulebook, at, standing([], { operations: both }))[0]).toMatchObject({ operation: 'embedding', fit: ['vectors'], kinds: [{ fit: ['chat-a', 'chat-b', 'vectors'] }, {}] })
  })

  test('is none that nobody who may was set up for, and text wherever it is granted', async () => {
    const { rulebook } = await book()
    expect(coverage(rulebook, at, standing([], { unset: ['vectors'] }))[0]).toMatchObject({ operation: 'text', fit: ['chat-a', 'chat-b'] })
    expect(coverage(rulebook, at, standing([], { unset: ['chat-a', 'chat-b'] }))[0]).toMatchObject({ operation: 'text', fit: [] })
    const { rulebook: noChat } = await book('all', rule('no-chat', 'forbid: { model: lab/* }'))
    expect(coverage(noChat, at, standing())[0]).toMatchObject({ operation: 'text', permitted: ['sorter', 'vectors'], fit: [], able: ['sorter', 'vectors'] })
    const { rulebook: onlyVectors } = await book('[{ model: own/v }]')
    expect(coverage(onlyVectors, at, standing())[0]).toMatchObject({ operation: 'embedding', fit: ['vectors'] })
    const { rulebook: forbidden } = await book('[{ model: own/s }]')
    expect(coverage(forbidden, at, standing())[0]).toMatchObject({ operation: 'text', permitted: [], fit: [] })
  })

  test('is looked at again after a loss, which empties it although somebody is left for the rest', async () => {
    const { rulebook } = await book()
    const before = coverage(rulebook, at, standing()), without = withRevoked(rulebook, [{ fact: 'model', value: 'own/v' }])
    expect(coverage(without, at, standing(), before)[0]).toMatchObject({ operation: 'embedding', fit: [] })
    expect(coverageChanges(before, coverage(without, at, standing()))[0]).toMatchObject({ lost: ['vectors'], after: ['chat-a', 'chat-b'], emptied: ['embedding'] })
    const one = coverage(withRevoked(rulebook, [{ fact: 'model', value: 'lab/a' }]), at, standing(), before)
    expect(coverageChanges(before, one)[0]).toMatchObject({ lost: ['chat-a'], emptied: [] })
    expect(coverageChanges(before, coverage(rulebook, at, standing()))).toEqual([])
  })

  test('a model that can be asked nothing is nobody', async () => {
    const { rulebook } = await book('[{ model: own/v }]')
    expect(coverage(rulebook, at, standing([], { operations: { ...OPERATIONS, vectors: [] } }))[0]).toMatchObject({ operation: 'text', fit: [], able: [] })
  })
})
