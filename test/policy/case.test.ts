/** Judging one case: each expectation holds and fails, complaints say why, and the independent judge agrees on the whole corpus. */
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/bundle/compile.ts'
import { readTests } from '../../src/bundle/test-file.ts'
import { bookFor, coverageOf, isExercised, judgeCase, type Expectations, type PolicyCase } from '../../src/policy/case.ts'
import { explain } from '../../src/policy/explain.ts'
import { mutationsOf } from '../../src/policy/mutations.ts'
import type { Rulebook } from '../../src/policy/rule.ts'
import { complaints, readPolicyCases, treeOf } from '../support/policy-cases.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'

const { rulebook } = await bundleOf({
  'apps/desk.yaml': app('desk', 'grants:\n  - deployment: [home, far]\nmay-carry: [personal]'),
  'catalog/all.yaml': provider('all', '', [
    '{ deployment: home, model: all/home, hosting: local, processed-in: [FR], retention: 0d }',
    '{ deployment: far, model: all/far, hosting: cloud, processed-in: [US], retention: 30d }',
    '{ deployment: spare, model: all/spare, processed-in: [FR], retention: 0d }',
  ]),
  'rules/place.policy.yaml': policy('place', [
    rule('stays', 'when: { data: [personal] }\nrequire:\n  processed-in: { only: [FR] }\nthen: { redact: [iban, email], log: metadata, cache: none, retain-evidence: 2d, rescue: no, request-digest: yes, header: { x-why: law } }'),
    rule('not-kept', 'forbid:\n  retention: { at-least: 30d }\nmode: shadow\nmode-until: 2030-01-01'),
    rule('home-first', 'prefer:\n  - hosting: local'),
    rule('never', 'when: { team: [nobody] }\nforbid: all'),
  ].join('\n')),
})
const AT = Date.parse('2026-11-22T11:00:00Z')
const place = { file: 'rules/place.test.yaml', line: 5, column: 5 }
const caseOf = (trusted: Readonly<Record<string, unknown>>, expects: Expectations, more: Partial<PolicyCase> = {}): PolicyCase =>
  ({ name: 'a case', place, at: AT, asked: { trusted: { app: 'desk', team: 'sales', ...trusted } }, mayCarry: undefined, expects, ...more })
const reason = (deployment: string, ...rules: string[]): Expectations['excluded'] => [{ deployment, written: rules[0]!.split('/')[1]!, rules }]
const told = (trusted: Readonly<Record<string, unknown>>, expects: Expectations, more?: Partial<PolicyCase>): readonly string[] => judgeCase(rulebook, caseOf(trusted, expects, more)).complaints
const PERSONAL = { data: ['personal'] }, NONE = { data: ['none'] }

describe('an expectation holds, and its twin does not', () => {
  test('allowed is the exact set, in any order', () => {
    expect(told(NONE, { allowed: ['far', 'home'] })).toEqual([])
    expect(told(NONE, { allowed: ['home'] })).toEqual(['Allowed were to be home; allowed are home, far.'])
  })

  test('what is wrongly excluded is told with every rule that excludes it, and where it stands', () => {
    expect(told(PERSONAL, { allowed: ['home', 'far'] })).toEqual([
      'Allowed were to be home, far; allowed are home.', 'far is excluded by place/stays (rules/place.policy.yaml:8: processed-in).',
    ])
  })

  test('what is excluded alike is told in one sentence, with what the rule applies for want of', () => {
    expect(told({ ...NONE, team: 'unknown' }, { allowed: ['home', 'far'] })[1]).toBe('home, far are excluded by place/never (rules/place.policy.yaml:27; it applies because it is not known: team).')
  })

  test('what was never granted is told so', () => {
    expect(told(NONE, { allowed: ['home', 'far', 'spare'] })).toContain('spare is not granted to the app.')
  })

  test('excluded names a rule that must be among the reasons', () => {
    expect(told(PERSONAL, { excluded: reason('far', 'place/stays')! })).toEqual([])
    expect(told(NONE, { excluded: reason('far', 'place/stays')! })).toEqual(['far was to be excluded by stays, and is allowed.'])
    expect(told(PERSONAL, { excluded: reason('far', 'place/never')! })).toEqual([
      'far was to be excluded by never.', 'far is excluded by place/stays (rules/place.policy.yaml:8: processed-in).',
    ])
  })

  test('an id that two policies have is satisfied by either', () => {
    expect(told(PERSONAL, { excluded: reason('far', 'other/stays', 'place/stays')! })).toEqual([])
    expect(told(PERSONAL, { excluded: reason('far', 'other/stays')! })).not.toEqual([])
  })

  test('would-exclude is what a dry run reports, until it bites', () => {
    const expects: Expectations = { wouldExclude: reason('far', 'place/not-kept')! }
    expect(told(NONE, expects)).toEqual([])
    expect(told(NONE, expects, { at: Date.parse('2030-01-02T00:00:00Z') })).toEqual(['The dry run of not-kept was to report far, and the rule excludes it already.'])
    expect(told(NONE, { wouldExclude: reason('home', 'place/not-kept')! })).toEqual(['The dry run of not-kept was to report home, and does not.'])
  })

  test('first', () => {
    expect(told(NONE, { first: 'home' })).toEqual([])
    expect(told(NONE, { first: 'far' })).toEqual(['First was to be far; the order is home, far.'])
    expect(told(PERSONAL, { first: 'far' })[1]).toContain('far is excluded by place/stays')
  })

  test('refused', () => {
    expect(told({ data: ['phi'] }, { refused: true })).toEqual([])
    expect(told(NONE, { refused: false })).toEqual([])
    expect(told(NONE, { refused: true })).toEqual(['The request was to be refused, and may use home, far.'])
    expect(told({ data: ['phi'] }, { refused: false })).toEqual(['The request was not to be refused, and nothing is allowed.'])
    expect(told({ data: ['phi'] }, { allowed: ['home'] })).toContain('home is excluded: the app is not registered to carry this data.')
  })

  test.each<[string, Expectations['mustDo'], Expectations['mustDo']]>([
    ['redact holds at least these', { redact: ['iban'] }, { redact: ['iban', 'phone'] }],
    ['log is this level', { log: 'metadata' }, { log: 'none' }],
    ['cache is exactly this', { cache: [] }, { cache: ['app'] }],
    ['evidence is kept this long', { retainEvidence: 48 }, { retainEvidence: 24 }],
    ['a header has this value', { header: { 'x-why': 'law' } }, { header: { 'x-why': 'habit' } }],
  ])('must-do: %s', (_, holds, fails) => {
    expect(told(PERSONAL, { mustDo: holds! })).toEqual([])
    expect(told(PERSONAL, { mustDo: fails! })).toHaveLength(1)
    expect(told(NONE, { mustDo: holds! })).toHaveLength(1)
  })

  test('must-do: rescue is no, which no rule can turn into yes', () => {
    expect(told(PERSONAL, { mustDo: { rescue: 'no' } })).toEqual([])
    expect(told(NONE, { mustDo: { rescue: 'no' } })).toEqual(['The duty rescue was to be no; it is absent.'])
  })

  test('must-do: request-digest is yes, which no rule can turn into no', () => {
    expect(told(PERSONAL, { mustDo: { requestDigest: 'yes' } })).toEqual([])
    expect(told(NONE, { mustDo: { requestDigest: 'yes' } })).toEqual(['The duty request-digest was to be yes; it is absent.'])
  })

  test('may-carry of a case stands for that of the app', () => {
    expect(told({ data: ['phi'] }, { allowed: ['home'] }, { mayCarry: ['phi'] })).toEqual([])
    expect(told({}, { allowed: ['home', 'far'] }, { mayCarry: ['none'] })).toEqual([])
    expect(told({}, { allowed: ['home'] }, { mayCarry: 'unknown' })).toEqual([])
    expect(told({}, { allowed: ['home', 'far'] }, { mayCarry: 'unknown' })).not.toEqual([])
  })
})

test('coverage says where each rule was seen at work, and which never was', () => {
  const cases = [caseOf(PERSONAL, { allowed: ['home'] }), caseOf(NONE, { allowed: ['home', 'far'] })]
  const coverage = coverageOf(rulebook, cases.map(one => ({ one, verdict: judgeCase(rulebook, one) })))
  const [personal, none] = cases
  expect(coverage).toMatchObject([
    { rule: 'place/stays', place: { file: 'rules/place.policy.yaml', line: 8 }, active: [personal], bit: [personal], wouldBite: [] },
    { rule: 'place/not-kept', active: cases, bit: [], wouldBite: cases },
    { rule: 'place/home-first', active: cases, bit: [none], wouldBite: [] },
    { rule: 'place/never', active: [], bit: [], wouldBite: [] },
  ])
  expect(coverage.filter(c => !isExercised(c)).map(c => c.rule)).toEqual(['place/never'])
})

/** Of the mutations, every so many-th: all of them take long and show no more. */
const EVERY = 6

describe.each(['policies', 'test/fixtures/worked'])('the independent reader and judge agree over %s', folder => {
  const tree = treeOf(fileURLToPath(new URL(`../../${folder}`, import.meta.url)))

  test('on every case as it is, and under mutations of every rule', { timeout: 60_000 }, async () => {
    const compiled = await compile(tree)
    if (!compiled.ok) throw new Error('the folder does not compile')
    const { files, problems } = await readTests(tree, compiled.bundle)
    expect(problems).toEqual([])
    const ours = files.flatMap(f => f.cases)
    const theirs = [...tree].filter(([file]) => file.endsWith('.test.yaml')).flatMap(([file, text]) => readPolicyCases(file, text))
    expect(ours.map(one => [one.place.file, one.name, one.at])).toEqual(theirs.map(one => [one.file, one.name, one.at]))

    let failing = 0
    const { rulebook: book } = compiled.bundle
    const books: readonly Rulebook[] = [book, ...book.rules.flatMap(mutationsOf).filter((_, i) => i % EVERY === 0).map(({ rule: name, mutant }) => (
      { ...book, rules: book.rules.flatMap(other => (other.name !== name ? [other] : mutant === undefined ? [] : [mutant])) }))]
    for (const changed of books) {
      for (const [i, one] of ours.entries()) {
        const { complaints: told } = judgeCase(changed, one)
        const independent = complaints(theirs[i]!, explain(bookFor(changed, one), { trusted: theirs[i]!.request }, theirs[i]!.at))
        if (told.length > 0) failing++
        expect(told.length > 0, `${one.place.file}: ${one.name}\n${told.join('\n')}\n${independent.join('\n')}`).toBe(independent.length > 0)
        if (changed === book) expect(told).toEqual([])
      }
    }
    expect(failing).toBeGreaterThan(0)
  })
})
