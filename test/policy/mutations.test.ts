/** Mutations: what is changed, in words; and that what is called noticed, left out or survived is so. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeCase, type PolicyCase } from '../../src/policy/case.ts'
import { decide } from '../../src/policy/decide.ts'
import { mutationsOf, tryMutations } from '../../src/policy/mutations.ts'
import type { Rule, Rulebook } from '../../src/policy/rule.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'
import { asked, instant, rulebook, seed, settings } from './worlds.ts'

const bookOf = async (...rules: string[]): Promise<Rulebook> => (await bundleOf({
  'apps/desk.yaml': app('desk', 'grants: all\nteam: sales'),
  'catalog/all.yaml': provider('all', '', [
    '{ deployment: home, model: all/home, hosting: local, processed-in: [FR], retention: 0d }',
    '{ deployment: both, model: all/both, hosting: cloud, processed-in: [FR, US], retention: 0d }',
    '{ deployment: far, model: all/far, hosting: cloud, processed-in: [US], retention: 30d }',
  ]),
  'rules/p.policy.yaml': policy('p', rules.join('\n')),
})).rulebook
const changesOf = async (body: string): Promise<readonly string[]> => mutationsOf((await bookOf(rule('r', body))).rules[0]!).map(m => m.change)

describe('what is changed', () => {
  test('each part and each word, once, and nothing twice', async () => {
    const changes = await changesOf('when:\n  data: [personal]\n  one-of:\n    - team: [a]\n    - user-in: [FR]\nforbid:\n  hosting: cloud\n  processed-in: { only: [US] }\nmode: shadow\nmode-until: 2030-01-01\nenforce-for: { team: [a] }')
    expect(changes).toEqual([
      'without the rule', 'require in place of forbid',
      'without its when', 'without data under when', 'without one-of under when', 'only in place of any of data under when',
      'without item 1 of one-of under when', 'without item 2 of one-of under when',
      'none in place of any of team under item 1 of one-of under when', 'none in place of any of user-in under item 2 of one-of under when',
      'without hosting under forbid', 'without processed-in under forbid', 'none in place of any of hosting under forbid', 'any in place of only of processed-in under forbid',
      'without its enforce-for', 'none in place of any of team under enforce-for',
    ])
    expect(new Set(changes).size).toBe(changes.length)
  })

  test('a rule that prefers loses items and is never turned round', async () => {
    expect(await changesOf('prefer:\n  - hosting: local\n  - processed-in: { none: [US] }')).toEqual([
      'without the rule', 'without item 1 of prefer', 'without item 2 of prefer',
      'none in place of any of hosting under item 1 of prefer', 'any in place of none of processed-in under item 2 of prefer',
    ])
  })

  test('two bounds of one fact are two conditions', async () => {
    expect(await changesOf('require: { retention: { at-least: 1d, at-most: 30d } }')).toEqual([
      'without the rule', 'forbid in place of require', 'without at-least of retention under require', 'without at-most of retention under require',
    ])
  })

  test('no word is turned into one that says the same: only and any of one value, or of none alone', async () => {
    expect(await changesOf('when: { data: { only: [none] } }\nforbid: { hosting: { only: [cloud] } }')).toEqual([
      'without the rule', 'require in place of forbid', 'without its when', 'none in place of only of data under when', 'none in place of only of hosting under forbid',
    ])
  })

  test('rule, file and line are named', async () => {
    expect(mutationsOf((await bookOf(rule('r', 'forbid: all'))).rules[0]!)[0]).toMatchObject({ rule: 'p/r', place: { file: 'rules/p.policy.yaml', line: 8 } })
  })
})

describe('what is noticed', () => {
  const AT = Date.parse('2026-11-22T11:00:00Z')
  const caseOf = (trusted: Readonly<Record<string, unknown>>, ...allowed: string[]): PolicyCase => (
    { name: 'a case', place: { file: 'rules/p.test.yaml', line: 5, column: 5 }, at: AT, asked: { trusted: { app: 'desk', ...trusted } }, mayCarry: undefined, expects: { allowed } })
  const survivorsOf = (book: Rulebook, ...cases: PolicyCase[]): readonly string[] => tryMutations([{ rulebook: book, cases }], () => true).survivors.map(m => m.change)

  test('a missing case is a survivor, and the case makes it go away', async () => {
    const book = await bookOf(rule('r', 'when: { data: [personal] }\nrequire:\n  processed-in: { only: [FR] }'))
    const bites = caseOf({ data: ['personal'] }, 'home')
    expect(survivorsOf(book, bites)).toEqual(['without its when', 'only in place of any of data under when'])
    expect(survivorsOf(book, bites, caseOf({ data: ['none'] }, 'home', 'both', 'far'))).toEqual(['only in place of any of data under when'])
    expect(survivorsOf(book, bites, caseOf({ data: ['none'] }, 'home', 'both', 'far'), caseOf({ data: ['phi'] }, 'home'))).toEqual([])
  })

  test('a rule that no case needs survives without itself, even where it removes nothing', async () => {
    const book = await bookOf(rule('r', 'forbid: { processed-in: [CN] }'))
    expect(survivorsOf(book, caseOf({}, 'home', 'both', 'far'))).toEqual(['without the rule'])
  })

  test('what changes nothing of any catalog at any time is left out and counted', async () => {
    const book = await bookOf(rule('r', 'forbid:\n  hosting: cloud\n  retention: { at-least: 1d }'))
    const report = tryMutations([{ rulebook: book, cases: [caseOf({}, 'home', 'both')] }], () => true)
    expect(report.equal.map(m => m.change)).toEqual(['without hosting under forbid'])
    expect(report).toMatchObject({ tried: 4, killed: 4, survivors: [] })
  })

  test('a second catalog in which it would show keeps it in', async () => {
    const rules = [rule('r', 'forbid:\n  hosting: cloud\n  retention: { at-least: 1d }')]
    const book = await bookOf(...rules)
    const other = { ...book, deployments: book.deployments.map(d => (d.name === 'far' ? { ...d, facts: { ...d.facts, hosting: { value: 'local', goodUntil: Infinity } } } : d)) }
    const suites = [{ rulebook: book, cases: [caseOf({}, 'home', 'both')] }, { rulebook: other, cases: [] }]
    expect(tryMutations(suites, () => true).survivors.map(m => m.change)).toEqual(['without hosting under forbid'])
  })

  test('only the rules asked for are changed, and progress is told', async () => {
    const book = await bookOf(rule('a', 'forbid: all'), rule('b', 'forbid: all'))
    const told: (readonly number[])[] = []
    const { survivors } = tryMutations([{ rulebook: book, cases: [] }], r => r.id === 'b', (...at) => told.push(at))
    expect(new Set(survivors.map(m => m.rule))).toEqual(new Set(['p/b']))
    expect(told).toEqual([[0, 1]])
  })
})

describe('over random worlds', () => {
  const withMutant = (book: Rulebook, name: string, mutant: Rule | undefined): Rulebook =>
    ({ ...book, rules: book.rules.flatMap(r => (r.name !== name ? [r] : mutant === undefined ? [] : [mutant])) })

  test(`skipping a case never hides a failure: the survivors are those of judging every case anew (seed ${seed})`, { timeout: 60_000 }, () => {
    let noticed = 0, leftOut = 0, survived = 0
    fc.assert(fc.property(rulebook, fc.array(fc.tuple(asked, instant), { minLength: 1, maxLength: 4 }), (book, requests) => {
      const cases = requests.map(([request, at], i): PolicyCase => {
        const { permitted, duties, exceptions } = decide(book, request, at)
        return {
          name: `case ${i}`, place: { file: 'rules/p.test.yaml', line: i + 1, column: 1 }, at, asked: request, mayCarry: undefined,
          expects: { allowed: permitted, usedExceptions: exceptions, ...(permitted[0] !== undefined && { first: permitted[0] }), ...(duties.log && { mustDo: { log: duties.log } }) },
        }
      })
      const report = tryMutations([{ rulebook: book, cases }], () => true)
      const isUnnoticed = (name: string, mutant: Rule | undefined): boolean => cases.every(one => judgeCase(withMutant(book, name, mutant), one).complaints.length === 0)
      const unnoticed = book.rules.flatMap(mutationsOf).filter(m => isUnnoticed(m.rule, m.mutant)).map(m => `${m.rule} ${m.change}`)
      expect([...report.survivors, ...report.equal].map(m => `${m.rule} ${m.change}`).toSorted()).toEqual(unnoticed.toSorted())
      noticed += report.killed
      leftOut += report.equal.length
      survived += report.survivors.length
    }), settings(50))
    expect(Math.min(noticed, leftOut, survived), 'each outcome was seen').toBeGreaterThan(20)
  })

  test(`what is left out decides alike for any request at any time (seed ${seed})`, { timeout: 60_000 }, () => {
    let compared = 0
    fc.assert(fc.property(rulebook, fc.array(fc.tuple(asked, instant), { minLength: 5, maxLength: 5 }), (book, requests) => {
      const { equal } = tryMutations([{ rulebook: book, cases: [] }], r => r.effect !== 'prefer')
      for (const { rule, mutant } of equal) {
        for (const [request, at] of requests) {
          const [before, after] = [decide(book, request, at), decide(withMutant(book, rule, mutant), request, at)]
          expect([after.permitted, after.duties, after.exceptions]).toEqual([before.permitted, before.duties, before.exceptions])
          compared++
        }
      }
    }), settings(150))
    expect(compared).toBeGreaterThan(100)
  })
})
