/** Test files, read: every name is looked up, a mistake is told at its place, and no gateway is kept from its policies by one. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/bundle/compile.ts'
import { readTests, type Tests } from '../../src/bundle/test-file.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'

const TREE = {
  'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [personal]'),
  'catalog/own.yaml': provider('own', 'processed-in: [FR]', ['{ deployment: ours, model: own/small }', '{ deployment: theirs, model: own/large, processed-in: [US] }']),
  'rules/place.policy.yaml': policy('place', rule('stays', 'require:\n  processed-in: { only: [FR] }\nexceptions: { allowed: yes, approver: [dpo] }')),
  'rules/other.policy.yaml': policy('other', `${rule('stays', 'require: { processed-in: [FR] }')}\n${rule('kept', 'require: all')}`),
  'exceptions/2026.yaml': `- exception: EX-1
  rule: place/stays
  for: { app: [desk] }
  models: { deployment: [theirs] }
  category: waiver
  reason: A test
  ticket: T-1
  requested-by: lead@example.com
  approved-by: dpo@example.com
  from: 2026-11-01
  until: 2026-11-30
  timezone: UTC
`,
}
const FILE = 'rules/place.test.yaml'
const page = (one: string, top = ''): string => `language: bailiwick/v1
tests-for: place
clock: 2026-11-22T12:00:00+01:00
people:
  anna: { user-in: FR, user-nationality: [FR], user-us-person: no }
${top}cases:
  - name: one
${one.split('\n').map(line => `    ${line}`).join('\n')}
`

async function read(text: string, more: Readonly<Record<string, string>> = {}): Promise<Tests> {
  const files = { ...TREE, ...more, [FILE]: text }
  return readTests(new Map(Object.entries(files)), await bundleOf(files))
}

describe('a case, read', () => {
  test('facts of a person and of the case, names of rules in full, and everything that is expected', async () => {
    const { files, problems } = await read(page(`at: 2026-11-23T00:00:00Z
given: { who: anna, app: desk, user-in: unknown, data: personal, may-carry: [phi], agent-depth: 2 }
allowed: ours
excluded: { theirs: [stays, other/kept] }
would-exclude: { ours: kept }
first: ours
must-do: { log: metadata, log-in: [FR], cache: none, retain-evidence: 2d, rescue: no, request-digest: yes, header: { X-Why: law } }
used-exceptions: []
refused: no`))
    expect(problems).toEqual([])
    expect(files).toMatchObject([{ file: FILE, testsFor: ['place'] }])
    expect(files[0]!.cases).toEqual([{
      name: 'one', place: { file: FILE, line: 7, column: 5 }, at: Date.parse('2026-11-23T00:00:00Z'),
      asked: { trusted: { app: 'desk', 'user-in': 'unknown', 'user-nationality': ['FR'], 'user-us-person': 'no', data: ['personal'], 'agent-depth': '2' } }, mayCarry: ['phi'],
      expects: {
        allowed: ['ours'], first: 'ours', refused: false, usedExceptions: [],
        // The policy under test comes first: an id is that of its own rule where there is one.
        excluded: [{ deployment: 'theirs', written: 'stays', rules: ['place/stays'] }, { deployment: 'theirs', written: 'other/kept', rules: ['other/kept'] }],
        wouldExclude: [{ deployment: 'ours', written: 'kept', rules: ['other/kept'] }],
        mustDo: { log: 'metadata', logIn: [{ value: 'FR' }], cache: [], retainEvidence: 48, rescue: 'no', requestDigest: 'yes', header: { 'x-why': 'law' } },
      },
    }])
  })

  test('the clock of the file counts where the case has none', async () => {
    const { files } = await read(page('given: { app: desk }\nallowed: []'))
    expect(files[0]!.cases[0]!.at).toBe(Date.parse('2026-11-22T11:00:00Z'))
  })
})

const GIVEN = 'given: { app: desk }'
describe('a mistake is told at its place', () => {
  test.each<[string, string, string]>([
    ['a person nobody described', 'given: { who: ana, app: desk }\nallowed: []', '8:19 There is no person ana. Did you mean anna? - write anna'],
    ['an app', 'given: { app: desc }\nallowed: []', '8:19 There is no app desc. Did you mean desk? - write desk'],
    ['a label', 'given: { app: desk, data: [personel] }\nallowed: []', '8:32 There is no label personel. Did you mean personal? - write personal'],
    ['a label that the app may carry', 'given: { app: desk, may-carry: [personel] }\nallowed: []', '8:37 There is no label personel. Did you mean personal? - write personal'],
    ['none beside another label', 'given: { app: desk, data: [personal, none] }\nallowed: []', '8:42 none beside another label says nothing - write none alone, or leave it out'],
    ['a country', 'given: { app: desk, user-in: UK }\nallowed: []', '8:34 UK is not an ISO code, use GB. - write GB'],
    ['a word of a closed fact', 'given: { app: desk, classification: intrenal }\nallowed: []', '8:41 intrenal is not a value of classification. Did you mean internal? - write internal'],
    ['yes or no', 'given: { app: desk, user-us-person: maybe }\nallowed: []', '8:41 maybe is neither yes nor no - write yes or no'],
    ['a deployment', `${GIVEN}\nallowed: [our]`, '9:15 There is no deployment our. Did you mean ours? - write ours'],
    ['the deployment that comes first', `${GIVEN}\nfirst: nowhere`, '9:12 There is no deployment nowhere. - there is ours and theirs'],
    ['a deployment before a colon', `${GIVEN}\nexcluded: { their: stays }`, '9:17 There is no deployment their. Did you mean theirs? - write theirs'],
    ['a rule by its id', `${GIVEN}\nexcluded: { theirs: stay }`, '9:25 There is no rule stay. Did you mean stays? - write stays'],
    ['a rule by its full name', `${GIVEN}\nwould-exclude: { theirs: place/kept }`, '9:30 There is no rule place/kept. - there is other/stays, other/kept and place/stays'],
    ['an exception', `${GIVEN}\nused-exceptions: [EX-2]`, '9:23 There is no exception EX-2. Did you mean EX-1? - write EX-1'],
    ['a place of a duty', `${GIVEN}\nmust-do: { log-in: [UK] }`, '9:25 UK is not an ISO code, use GB. - write GB'],
    ['a day that does not exist', `at: 2026-02-30T12:00:00Z\n${GIVEN}\nallowed: []`, '8:9 2026-02-30T12:00:00Z is not a time that exists - write a time with its offset, such as 2026-11-22T12:00:00+01:00'],
    ['a case that expects an empty block', `${GIVEN}\nexcluded: {}`, '7:5 The case expects nothing, so it can never fail - add allowed, excluded, would-exclude, first, must-do, used-exceptions or refused'],
    ['a case that expects nothing', GIVEN, '7:5 The case expects nothing, so it can never fail - add allowed, excluded, would-exclude, first, must-do, used-exceptions or refused'],
  ])('%s', async (_, one, says) => {
    const { files, problems } = await read(page(one))
    expect(problems.map(p => `${p.line}:${p.column} ${p.wrong} - ${p.write}`)).toEqual([says])
    expect(problems.every(p => p.file === FILE && p.severity === 'error')).toBe(true)
    expect(files).toEqual([])
  })

  test('a policy that does not exist', async () => {
    const { problems } = await read(page(`${GIVEN}\nallowed: []`).replace('tests-for: place', 'tests-for: [place, plaice]'))
    expect(problems).toMatchObject([{ line: 2, column: 20, rule: 'unknown-policy', wrong: 'There is no policy plaice. Did you mean place?' }])
  })

  test('a fact of a person whom no case names', async () => {
    const { problems } = await read(page(`${GIVEN}\nallowed: []`).replace('user-in: FR', 'user-in: XX'))
    expect(problems).toMatchObject([{ line: 5, rule: 'not-a-country' }])
  })

  test('all mistakes of all files come in one run', async () => {
    const { problems } = await read(page('given: { who: ana, app: desc }\nfirst: our'), { 'rules/two.test.yaml': page(`${GIVEN}\nfirst: our`) })
    expect(problems.map(p => p.file)).toEqual([FILE, FILE, FILE, 'rules/two.test.yaml'])
  })
})

describe('a catalog of its own', () => {
  const CASE = `${GIVEN}\nallowed: [lone]`
  const OTHER = provider('lone', 'processed-in: [FR]', ['{ deployment: lone, model: own/lone }'])
  const brought = (text: string): Readonly<Record<string, string>> => {
    const { 'exceptions/2026.yaml': _, ...rest } = TREE
    return { ...rest, 'rules/other.catalog.yaml': text, [FILE]: page(CASE, 'catalog: other.catalog.yaml\n') }
  }
  const readBrought = async (files: Readonly<Record<string, string>>): Promise<Tests> => readTests(new Map(Object.entries(files)), await bundleOf(files))

  test('stands alone in place of the tree\'s', async () => {
    const { files, problems } = await readBrought(brought(OTHER))
    expect(problems).toEqual([])
    expect(files[0]!.rulebook.deployments.map(d => d.name)).toEqual(['lone'])
  })

  test('that is not there is told, with what may have been meant', async () => {
    const files = brought(OTHER)
    const { problems } = await readBrought({ ...files, [FILE]: files[FILE]!.replace('catalog: other.catalog.yaml', 'catalog: ../catalog/on.yaml'), 'rules/two.test.yaml': files[FILE]! })
    expect(problems).toMatchObject([{ line: 6, column: 10, rule: 'unknown-catalog', wrong: 'There is no file catalog/on.yaml. Did you mean catalog/own.yaml?' }])
  })

  test('with a mistake is told at the word that names it, in every file that does', async () => {
    const files = brought(OTHER.replace('[FR]', '[FRA]'))
    const { problems, files: read } = await readBrought({ ...files, 'rules/two.test.yaml': files[FILE]! })
    expect(read).toEqual([])
    expect(problems).toMatchObject([FILE, 'rules/two.test.yaml'].map(file => ({ file, line: 6, column: 10, rule: 'catalog-does-not-fit', wrong: expect.stringContaining('rules/other.catalog.yaml:7:') as string })))
  })

  test('into which the policies do not fit is told so', async () => {
    const files = { ...brought(OTHER), 'apps/desk.yaml': app('desk', 'grants: [{ deployment: ours }]') }
    const { problems } = await readBrought(files)
    expect(problems).toMatchObject([{ rule: 'catalog-does-not-fit', wrong: expect.stringContaining('apps/desk.yaml:5:') as string }])
  })
})

describe('a gateway has no use for tests', () => {
  const mistaken = new Map(Object.entries({ ...TREE, [FILE]: page(`${GIVEN}\nalowed: []`) }))
  const unreadable = new Map(Object.entries({ ...TREE, [FILE]: 'language: [bailiwick/v1\n' }))

  test.each([['misspelt', mistaken], ['unreadable', unreadable]])('a %s one is an error for an officer, and nothing for a gateway', async (_, sources) => {
    expect((await compile(sources)).ok).toBe(false)
    const compiled = await compile(sources, { tests: 'left-out' })
    expect(compiled.ok && compiled.bundle.rulebook.rules.length).toBe(3)
  })

  test('what is no test is an error for both', async () => {
    expect((await compile(new Map([...mistaken, ['rules/stray.yaml', 'language: bailiwick/v1\n']]), { tests: 'left-out' })).ok).toBe(false)
  })
})
