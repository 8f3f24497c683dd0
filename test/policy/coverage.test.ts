/** Coverage against `decide`, over random worlds; and what it counts in a small one. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coverage, coverageChanges, withRevoked } from '../../src/policy/coverage.ts'
import { decide } from '../../src/policy/decide.ts'
import { registeredClasses } from '../../src/policy/classes.ts'
import { AT, FOLDER } from '../cli/officer-folder.ts'
import { bundleOf } from '../support/tree.ts'
import { instant, rulebook, seed, settings } from './worlds.ts'

const at = Date.parse(AT)
const everything = (): boolean => true

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
    { app: 'desk', data: ['personal'], deployments: 3, fit: ['fr', 'odd'], withoutProvider: { which: 'home', left: 1 }, withoutCountry: { which: 'FR', left: 0 }, withoutCloud: { left: 1 } },
    { app: 'desk', data: ['source-code'], fit: ['us', 'fr', 'odd'], withoutProvider: { left: 2 }, withoutCountry: { which: 'FR', left: 1 }, withoutCloud: { left: 1 } },
    { app: 'desk', data: 'unknown', fit: ['fr', 'odd'] },
  ])
  expect(coverage(book, at, d => d === 'odd')).toMatchObject([{ permitted: ['fr', 'odd'], fit: ['odd'], withoutCountry: { which: 'not known', left: 0 } }, {}, {}])
  expect(coverage(book, at, () => false)[0]).toMatchObject({ permitted: ['fr', 'odd'], fit: [], withoutProvider: undefined, withoutCloud: undefined })
})
