/** The registers say what was decided and sent under the facts of that moment, and what is not known they say is not known. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { coverage } from '../../src/policy/coverage.ts'
import { article30 } from '../../src/record/article-30.ts'
import { doraInCsv, type Coverage } from '../../src/record/dora.ts'
import { joined } from '../../src/record/joined.ts'
import { NOT_KNOWN, sumUp, type HeldOf, type Summed } from '../../src/record/recipients.ts'
import type { Entry } from '../../src/record/record.ts'
import { transfersInCsv } from '../../src/record/transfers.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'
import { cellsOf } from './csv-cells.ts'
import { AT, attempt, decision, linesOf, outcome } from './requests.ts'

const DAY = 86_400_000
const home = (places = '[FR]'): string => provider('home', `title: Home Ltd\ndialect: openai\nbase-url: http://127.0.0.1:9/v1\nhosting: sovereign\nentity-in: FR\ncontrolled-from: [FR]\nprocessed-in: ${places}\nstored-in: [FR]\nlogs-in: [FR]\nsubprocessors-in: []\ncontracts: [dpa]\ncertificates: []\nretention: 30d`, ['{ deployment: fr, model: lab/large, operations: chat }'])
const exception = (name: string, models: string): string => `- exception: ${name}
  rule: place/stays
  for: { app: [desk] }
  models: { deployment: ${models} }
  category: waiver
  reason: A test
  ticket: T-${name}
  requested-by: lead@example.com
  approved-by: dpo@example.com
  from: 2026-11-01
  until: 2026-12-01
  timezone: UTC
`
const FILES = {
  'apps/desk.yaml': app('desk', 'title: The desk\ngrants: all\ngoverned-by: [gdpr]\npeople-in: [BE, FR]\npurpose: support\nmay-carry: [personal]'),
  'apps/lab.yaml': app('lab', 'grants: all\nmay-carry: []'),
  'catalog/home.yaml': home(),
  'catalog/abroad.yaml': provider('abroad', 'dialect: openai\nbase-url: http://127.0.0.1:9/v1\nhosting: cloud\nentity-in: IE\ncontrolled-from: [US]\nsubprocessors-in: [IE, US]\nstored-in: [US-CA]', [
    '{ deployment: us, model: lab/large, operations: chat, processed-in: [US], certificates: { value: [eu-us-dpf], good-until: 2026-11-23 } }',
    '{ deployment: somewhere, model: lab/small, operations: chat }']),
  'groups/eea.yaml': 'language: bailiwick/v1\ngroup: eea\nmembers: [BE, DE, FR, IE]\nsource: a test\nas-of: 2026-01-01\nreview-by: 2040-01-01\n',
  'rules/place.policy.yaml': policy('place', [
    rule('stays', 'when: { data: [personal] }\nrequire: { processed-in: { only: [eea] } }\nlaw: GDPR Art. 44\nthen: { retain-evidence: 730d }\nexceptions: { allowed: yes, at-most: 90d, approver: [dpo] }'),
    rule('watched', 'when: { data: [personal] }\nforbid: { hosting: cloud }\nmode: shadow\nmode-until: 2039-01-01'),
    rule('order', 'prefer:\n  - hosting: sovereign')].join('\n')),
  'exceptions/2026.yaml': exception('EX-1', '[us, fr]') + exception('EX-2', '[somewhere]'),
}
let bundle: Bundle, moved: Bundle
beforeAll(async () => {
  bundle = await bundleOf(FILES)
  moved = await bundleOf({ ...FILES, 'catalog/home.yaml': home('[FR, CH]') })
})

const holding = (...held: readonly Bundle[]): HeldOf => named => {
  const found = held.find(b => b.digest === named.bundle)
  return Promise.resolve(found === undefined ? { from: NOT_KNOWN } : { from: 'deciding bundle', bundle: found })
}
const sum = (entries: readonly Entry[], heldOf: HeldOf = holding(bundle, moved)): Promise<Summed> =>
  sumUp(joined(linesOf(entries), { from: -Infinity, to: Infinity }, { deletedTo: 0, withoutDecision: 0 }), heldOf)
const desk = (id: string, deployment: string, { under = bundle, data = ['personal'], at = AT }: { readonly under?: Bundle; readonly data?: readonly string[]; readonly at?: number } = {}): readonly Entry[] =>
  [decision(under, id, { app: 'desk', data }, { at }), outcome(id, [attempt(deployment)], { processedIn: ['FR'], model: 'lab/large' })]

type Row = Readonly<Record<string, string>>
function rowsOf(csv: string): readonly Row[] {
  const [header = [], ...rows] = cellsOf(csv)
  expect(new Set(header).size).toBe(header.length)
  return rows.map(cells => {
    expect(cells).toHaveLength(header.length)
    expect(cells).not.toContain('')
    return Object.fromEntries(header.map((name, i) => [name, cells[i]!]))
  })
}
const transfers = async (...of: Parameters<typeof sum>): Promise<readonly Row[]> => rowsOf(transfersInCsv((await sum(...of)).recipients))
const asText = (summed: Summed): string => article30(summed, { version: '1', at: AT, records: 'here', period: 'all', notes: [] })

describe('the transfer register', () => {
  test('has one row for requests that are alike, with how many, the first and the last', async () => {
    expect(await transfers([...desk('a', 'fr'), ...desk('b', 'fr', { at: AT + DAY }), ...desk('c', 'fr', { data: ['none'] })])).toEqual([
      expect.objectContaining({ 'app': 'desk', 'data': 'none', 'deployment': 'fr', 'rules applied': 'none', 'requests received': '1' }),
      expect.objectContaining({
        'app': 'desk', 'data': 'personal', 'governed by': 'gdpr', 'deployment': 'fr', 'model': 'lab/large', 'provider': 'home', 'provider title': 'Home Ltd', 'entity-in': 'FR',
        'processed-in': 'FR', 'subprocessors-in': 'none', 'retention': '30d', 'evidence': NOT_KNOWN, 'outside the EEA': 'none', 'contracts': 'dpa', 'pretended': 'no',
        // Of the rules, those that were in force: no dry run, no order.
        'rules applied': 'place/stays (GDPR Art. 44)', 'exceptions used': 'none',
        'requests received': '2', 'requests maybe received': '0', 'first': '2026-11-22T12:00:00.000Z', 'last': '2026-11-23T12:00:00.000Z', 'facts from': 'deciding bundle',
      }),
    ])
  })

  test('names the exception that let a deployment be used, for that deployment alone', async () => {
    const entries = [decision(bundle, 'a', { app: 'desk', data: ['personal'] }), outcome('a', [attempt('us', { code: 'upstream_error', upstreamStatus: 500 }), attempt('somewhere', { code: 'busy', upstreamStatus: 429 }), attempt('fr')])]
    expect(entries[0]).toMatchObject({ exceptions: ['EX-1', 'EX-2'] })
    const rows = await transfers(entries)
    expect(rows.map(r => [r['deployment'], r['exceptions used']])).toEqual([
      // It would have been permitted without.
      ['fr', 'none'], ['somewhere', 'EX-2 (waiver, T-EX-2, approved by dpo@example.com)'], ['us', 'EX-1 (waiver, T-EX-1, approved by dpo@example.com)'],
    ])
  })

  test('tells countries outside the EEA from those of the owner, and from those that are not known', async () => {
    const rows = await transfers([...desk('a', 'us'), ...desk('b', 'somewhere', { data: ['none'] })])
    expect(rows.map(r => [r['deployment'], r['outside the EEA'], r['controlled-from']])).toEqual([
      ['somewhere', `US US-CA; ${NOT_KNOWN}: processed-in logs-in`, 'US'], ['us', `US US-CA; ${NOT_KNOWN}: logs-in`, 'US'],
    ])
    const withoutGroup = await bundleOf(Object.fromEntries(Object.entries({ ...FILES, 'rules/place.policy.yaml': policy('place', rule('order', 'prefer:\n  - hosting: sovereign')) }).filter(([name]) => !/^(?:groups|exceptions)/.test(name))))
    expect((await transfers(desk('a', 'fr', { under: withoutGroup }), holding(withoutGroup)))[0]).toMatchObject({ 'outside the EEA': NOT_KNOWN, 'processed-in': 'FR' })
  })

  test('has a row for the facts before a change and one for those after it', async () => {
    const rows = await transfers([...desk('a', 'fr'), ...desk('b', 'fr', { under: moved, data: ['none'] }), ...desk('c', 'fr', { data: ['none'] })])
    expect(rows.map(r => [r['data'], r['processed-in'], r['outside the EEA'], r['requests received']])).toEqual([
      ['none', 'FR CH', 'CH', '1'], ['none', 'FR', 'none', '1'], ['personal', 'FR', 'none', '1'],
    ])
  })

  test('believes a fact no longer than the gateway did', async () => {
    const rows = await transfers([...desk('a', 'us'), ...desk('b', 'us', { at: AT + 2 * DAY })])
    expect(rows.map(r => [r['certificates'], r['first']])).toEqual([['eu-us-dpf', '2026-11-22T12:00:00.000Z'], [NOT_KNOWN, '2026-11-24T12:00:00.000Z']])
  })

  test('without the bundle says what is on record and not known for the rest', async () => {
    const [row] = await transfers(desk('a', 'fr'), holding())
    expect(row).toMatchObject({
      'deployment': 'fr', 'model': 'lab/large', 'processed-in': 'FR', 'provider': NOT_KNOWN, 'entity-in': NOT_KNOWN, 'outside the EEA': NOT_KNOWN, 'pretended': NOT_KNOWN, 'facts from': NOT_KNOWN,
      'rules applied': `place/stays (law ${NOT_KNOWN}); place/watched (law ${NOT_KNOWN}); place/order (law ${NOT_KNOWN})`,
    })
    // A fallback: which of the two the outcome's countries are of is known of the one that answered.
    const [first, second] = await transfers([decision(bundle, 'a', { app: 'desk', data: ['none'] }), outcome('a', [attempt('fr', { code: 'unreachable' }), attempt('us')], { processedIn: ['US'] })], holding())
    expect([first!['processed-in'], first!['requests received'], first!['requests maybe received'], second!['processed-in']]).toEqual([NOT_KNOWN, '0', '1', 'US'])
  })

  test('tells a purpose that a caller stated from one that is registered', async () => {
    const stating = (id: string, app: string, purpose: unknown): readonly Entry[] => [decision(bundle, id, { app, data: ['none'] }, { stated: { purpose } }), outcome(id, [attempt('fr')])]
    const entries = [...stating('a', 'lab', 'triage'), ...stating('b', 'lab', 'triage'), ...stating('c', 'desk', 'billing'), ...stating('d', 'desk', 'support'), ...stating('e', 'lab', undefined)]
    expect((await transfers(entries)).map(r => [r['app'], r['purposes'], r['requests received']])).toEqual([['desk', 'support; billing (as callers say)', '2'], ['lab', 'triage (as callers say)', '3']])
    const text = asText(await sum(entries))
    expect(text).toContain('- purpose: support / billing (as callers say)\n')
    expect(text).toContain('- purpose: triage (as callers say)\n')
    expect((await transfers(stating('a', 'lab', undefined)))[0]).toMatchObject({ purposes: NOT_KNOWN })
  })

  test('says of each country outside the EEA as what it is there', async () => {
    const rows = await transfers([...desk('a', 'us'), ...desk('b', 'fr')])
    expect(rows.map(r => [r['deployment'], r['outside the EEA, as what']])).toEqual([['fr', 'none'], ['us', `processed in US; stored in US-CA; sub-processors in US; ${NOT_KNOWN}: logs-in`]])
  })

  test('holds nobody where nothing was sent', async () => {
    const refused = decision(bundle, 'a', { app: 'lab', data: ['personal'] })
    expect(refused.outcome).toBe('refuse')
    const summed = await sum([refused, outcome('a', [], { outcome: 'refused' }), decision(bundle, 'b', { app: 'desk', data: ['none'] }), outcome('b', [attempt('fr', { code: 'overtaken' })], { outcome: 'superseded' })])
    expect(summed.recipients).toEqual([])
    expect(summed.apps.map(a => [a.app, a.decisions, a.refused, a.sent])).toEqual([['desk', 1, 0, 0], ['lab', 1, 1, 0]])
  })
})

describe('the record of processing activities', () => {
  test('has every point of Article 30(1) for every app', async () => {
    const text = asText(await sum([...desk('a', 'fr'), ...desk('b', 'us'), decision(bundle, 'c', { app: 'lab', data: ['none'] })]))
    for (const letter of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) expect(text.match(new RegExp(`^### \\(${letter}\\) `, 'gm'))).toHaveLength(2)
    const desks = text.slice(text.indexOf('## desk: The desk'), text.indexOf('## lab'))
    expect(desks).toContain('- owner of the app as registered: owner@example.com\n')
    expect(desks).toContain('- purpose: support\n')
    expect(desks).toContain('- countries where they are, as registered: BE FR\n')
    expect(desks).toContain('| home (Home Ltd) | fr | processor (dpa) | FR | FR | FR | none | personal | 1 | 0 |')
    expect(desks).toContain(`| us | personal | gdpr | processed in US; stored in US-CA; sub-processors in US; ${NOT_KNOWN}: logs-in | US | eu-us-dpf | ${NOT_KNOWN} | ${NOT_KNOWN} | place/stays (GDPR Art. 44) | EX-1 (waiver, T-EX-1, approved by dpo@example.com) | 1 | 0 |`)
    expect(desks.slice(desks.indexOf('### (e)'))).not.toContain('| fr |')
    expect(desks).toContain('- fr keeps prompts or answers: 30d (retention in the catalog)\n')
    expect(desks).toContain('- evidence that rules ask to be kept at least: 730d (retain-evidence in a rule)\n')
    const labs = text.slice(text.indexOf('## lab'))
    expect(labs).toContain(`- no outcome is on record, so that to whom they were sent is ${NOT_KNOWN}: 1\n`)
    expect(labs).toContain(`- purpose: ${NOT_KNOWN}: none is registered, and no caller stated one (x-bailiwick-purpose)\n`)
  })

  test('names controller and data protection officer where they were given, and else says how to give them', async () => {
    const summed = await sum(desk('a', 'fr'))
    expect(asText(summed)).toContain(`- controller: ${NOT_KNOWN} (--controller)\n- data protection officer: ${NOT_KNOWN} (--dpo)\n`)
    const given = article30(summed, { version: '1', at: AT, records: 'here', period: 'all', notes: [], controller: 'Example Ltd, 1 <High> Street', dataProtectionOfficer: 'dpo@example.com' })
    expect(given).toContain('- controller: Example Ltd, 1 &lt;High\\> Street\n- data protection officer: dpo@example.com\n')
    expect(given).not.toContain('--controller')
  })

  test('counts data of which something was sent, and tells refused requests apart', async () => {
    const refused = decision(bundle, 'b', { app: 'lab', data: ['personal'] })
    const text = asText(await sum([...desk('a', 'fr'), refused, outcome('b', [], { outcome: 'refused' }), decision(bundle, 'c', { app: 'desk', data: ['personal'] }), outcome('c', []), ...desk('d', 'fr', { data: ['none'] })]))
    const labs = text.slice(text.indexOf('## lab'), text.indexOf('## Where')), desks = text.slice(text.indexOf('## desk'), text.indexOf('## lab'))
    expect(labs).toContain('Nothing was sent of 1 request that the policies refused, which is not counted above: 1 with data personal.\n')
    expect(labs).not.toContain('| personal |')
    // The one that failed before anything was sent is in no table.
    expect(desks).toContain('| personal | 1 |\n')
    expect(desks).toContain('\nOf 1 more request something was sent, and what was said of the data in it was that it has none of the labels.')
    expect(desks).not.toContain('Nothing was sent')
  })

  test('says how long records are kept is set, and where', async () => {
    expect(asText(await sum(desk('a', 'fr')))).toContain("'bailiwick serve --retain DURATION' (BAILIWICK_RETAIN) sets it, and unless it is set they are kept for ever\n")
  })

  test('says what was done, and of redaction how much', async () => {
    const done = (id: string, duties: readonly string[]): readonly Entry[] => [decision(bundle, id, { app: 'desk', data: ['personal'] }), outcome(id, [attempt('fr')], { duties })]
    const text = asText(await sum([...done('a', ['redact iban: 2', 'log metadata', 'notify dpo']), ...done('b', ['redact iban: 0'])]))
    expect(text).toContain('- redact iban: in 2 requests, 2 values\n- ')
    expect(text).toContain('- log metadata: in 1 request\n')
    expect(text).not.toContain('notify')
    expect(text).not.toContain('(log: full)')
    expect(asText(await sum(done('a', ['log full: kept, sealed'])))).toContain(`- prompts and answers that rules had kept, sealed (log: full): ${NOT_KNOWN} here\n`)
  })

  test('says that there is no transfer only where that is known', async () => {
    expect(asText(await sum(desk('a', 'fr')))).toContain('None: everybody above')
    expect(asText(await sum(desk('a', 'fr'), holding()))).not.toContain('None: everybody above')
  })

  test('takes no markup from words that are not its own', async () => {
    const evil = '<b>|[x](y)\n# z'
    const [asked, ended] = desk('a', 'fr') as [Entry & { readonly kind: 'decision' }, Entry]
    const text = asText(await sum([{ ...asked, request: { ...asked.request, purpose: { value: evil, source: 'caller' } } }, ended]))
    expect(text).toContain('&lt;b\\>\\|\\[x\\](y) \\# z')
    expect(text).not.toContain(evil)
    expect(text).not.toMatch(/^# z/m)
  })
})

describe('what a gateway contributes to the register of information', () => {
  const covered = (): Coverage => ({
    rows: coverage(bundle.rulebook, AT, name => ({ operations: bundle.catalog.byName.get(name)!.operations, isSetUp: true, isFit: true })), providerOf: name => bundle.catalog.byName.get(name)?.provider,
  })

  test('is a row for every app and deployment, with its share and what is left without its provider', async () => {
    const summed = await sum([...desk('a', 'fr'), ...desk('b', 'fr', { data: ['none'], at: AT + DAY }), ...desk('c', 'fr'), ...desk('d', 'us', { data: ['none'] })])
    const rows = rowsOf(doraInCsv(summed, covered()))
    expect(rows.map(r => [r['deployment'], r['requests received'], r['share of the requests that the app sent (for B_02.02.0180)'], r['left for the app without the provider (for B_07.01.0050)']])).toEqual([
      // For personal data the exceptions leave two abroad, and at home there is one.
      ['fr', '3', '75.0 %', '2 of 3 (text, data personal)'], ['us', '1', '25.0 %', '1 of 3 (text, data personal)'],
    ])
    expect(rows[0]).toMatchObject({
      'app title (for B_06.01.0030)': 'The desk', 'B_02.02.0140 storage of data': 'Yes', 'B_02.02.0150 location of the data at rest': 'FR',
      'B_02.02.0160 location of management of the data': 'FR', 'service used (for B_02.02.0060)': 'inference: chat', 'last used': '2026-11-23T12:00:00.000Z',
    })
  })

  test.each([
    ['[FR]', '[FR]', '30d', 'Yes', 'stored-in is FR, retention is 30d'], ['[FR]', 'unknown', 'unknown', 'Yes', `stored-in is FR, retention is ${NOT_KNOWN}`],
    // Where something may be stored, and that nothing is kept.
    ['[FR]', '[FR]', '0d', NOT_KNOWN, 'stored-in allows FR, and retention is 0d: nothing is said to be kept there'],
    ['[]', '[]', '0d', 'No', 'stored-in and logs-in are none'], ['[]', '[FR]', '0d', NOT_KNOWN, 'stored-in is none, and logs-in is FR: a log may hold what was asked'],
    ['[]', 'unknown', '30d', NOT_KNOWN, `stored-in is none, and logs-in is ${NOT_KNOWN}: a log may hold what was asked`], ['unknown', '[]', '30d', NOT_KNOWN, `stored-in is ${NOT_KNOWN}`],
  ])('of whom it is stated that they store in %s, log in %s and keep for %s says of storage: %s', async (stored, logged, kept, says, because) => {
    const other = await bundleOf({ ...FILES, 'catalog/home.yaml': home().replace('stored-in: [FR]', `stored-in: ${stored}`).replace('logs-in: [FR]', `logs-in: ${logged}`).replace('retention: 30d', `retention: ${kept}`) })
    expect(rowsOf(doraInCsv(await sum(desk('a', 'fr', { under: other }), holding(other)), undefined))[0]).toMatchObject({ 'B_02.02.0140 storage of data': says, 'B_02.02.0140 because': because })
  })

  test('says not known where the bundle is not there', async () => {
    const [row] = rowsOf(doraInCsv(await sum(desk('a', 'fr'), holding()), undefined))
    expect(row).toMatchObject({ 'provider': NOT_KNOWN, 'B_02.02.0140 storage of data': NOT_KNOWN, 'left for the app without the provider (for B_07.01.0050)': NOT_KNOWN, 'app title (for B_06.01.0030)': NOT_KNOWN })
  })
})
