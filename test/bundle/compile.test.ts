/** What a tree means once it is compiled: dates, inheritance, names, digests, discovery. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { compile, withDiscovered } from '../../src/bundle/compile.ts'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { combineDuties } from '../../src/policy/frame.ts'
import { bundleChanged, changed, compileChanged } from './tree.ts'

const RULES = 'rules/gdpr.policy.yaml', CATALOG = 'catalog/vendor.yaml', APP = 'apps/crm.yaml', EXCEPTIONS = 'exceptions/2026.yaml', GROUP = 'groups/eea.yaml'
const utc = (text: string): number => Date.parse(text)
const ruleOf = (bundle: Bundle, name: string) => bundle.rulebook.rules.find(r => r.name === name)!
const deploymentOf = (bundle: Bundle, name: string) => bundle.rulebook.deployments.find(d => d.name === name)!
const listed = (bundle: Bundle, name: string) => bundle.catalog.byName.get(name)!

describe('the worked example', () => {
  const root = fileURLToPath(new URL('../fixtures/worked/', import.meta.url))
  const files = (readdirSync(root, { recursive: true }) as string[]).filter(f => statSync(join(root, f)).isFile())
  const sources = new Map(files.map(f => [f, readFileSync(join(root, f), 'utf8')]))

  test('compiles, with its eleven rules at the lines they are written on', async () => {
    const compiled = await compile(sources)
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
    const { rulebook } = compiled.bundle
    expect(rulebook.rules.map(r => [r.name, r.place.line])).toEqual([
      ['directive-2026-06-12/foreign-persons-lose-two-models', 9],
      ['gdpr-transfers/no-transfer-without-a-basis', 9], ['gdpr-transfers/special-categories-stay-home', 31], ['gdpr-transfers/processor-contract', 45],
      ['fr-public-sector-sovereign/no-foreign-control', 9], ['fr-public-sector-sovereign/qualified-cloud', 20], ['fr-public-sector-sovereign/local-first', 32],
      ['us-export/embargoed-people-and-places', 9], ['us-export/controlled-technology-stays-with-us-persons', 20],
      ['us-export/deemed-export', 35], ['us-export/bulk-sensitive-us-data', 45],
    ])
    expect(rulebook.deployments.map(d => d.name)).toEqual(['eu-sov', 'local-a', 'us-cloud-eu-zone', 'us-global', 'us-gov', 'cn-api', 'local-y'])
    expect(rulebook.deployments[3]!.facts['processed-in']).toBeUndefined()
    expect(rulebook.deployments[1]!.facts['subprocessors-in']?.value).toEqual([])
    expect(rulebook.exceptions.map(e => e.window)).toEqual([{ from: utc('2026-11-01T00:00:00+01:00'), until: utc('2026-12-01T00:00:00+01:00') }])
    expect(ruleOf(compiled.bundle, 'gdpr-transfers/special-categories-stay-home').duties)
      .toEqual({ redact: ['national-id', 'iban'], log: 'metadata', logIn: [{ group: 'eea' }], cache: [] })
  })

  test('does not compile without one of the groups that it names', async () => {
    const without = new Map([...sources].filter(([f]) => f !== 'groups/ear-d5.yaml'))
    const compiled = await compile(without)
    expect(compiled.ok ? [] : compiled.problems.filter(p => p.severity === 'error').map(p => `${p.file} ${p.wrong}`))
      .toEqual(['rules/us-export.policy.yaml ear-d5 is not a country code. Did you mean the group ear-e1?'])
  })
})

describe('all problems in one run', () => {
  test('sorted by file, line and column, one for each mistake', async () => {
    const compiled = await compileChanged(
      { file: RULES, from: 'effective:', to: 'effectve:' },
      { file: RULES, from: '[eea]', to: '[UK, no]' },
      { file: GROUP, from: 'source: The agreement', to: 'source: "The agreement' },
      { file: APP, from: 'vendor/*', to: 'vendor/lage' },
      { file: CATALOG, from: 'hosting: cloud', to: 'hosting: clod' },
      { file: 'labels.yaml', from: 'label: survey', to: 'labl: survey' },
    )
    expect(compiled.ok ? [] : compiled.problems.map(p => `${p.file}:${p.line}:${p.column} ${p.rule}`)).toEqual([
      'apps/crm.yaml:6:12 unknown-model', 'catalog/vendor.yaml:7:10 unknown-value', 'groups/eea.yaml:4:9 open-quote', 'labels.yaml:3:5 unknown-word',
      'rules/gdpr.policy.yaml:5:1 unknown-word', 'rules/gdpr.policy.yaml:11:39 not-a-country', 'rules/gdpr.policy.yaml:11:43 not-a-country',
    ])
  })

  test('a name in a file that cannot be read is not called missing', async () => {
    const compiled = await compileChanged({ file: CATALOG, from: 'provider: vendor', to: 'provider: "vendor' })
    expect(compiled.ok ? [] : compiled.problems.map(p => `${p.file} ${p.rule}`)).toEqual(['catalog/vendor.yaml open-quote'])
  })
})

describe('dates', () => {
  const rule = async (effective: string) => ruleOf(await bundleChanged({ file: RULES, from: 'from: 2026-11-01, timezone: Europe/Brussels', to: effective }), 'gdpr/home')
  const exception = async (from: string, until: string) => (await bundleChanged(
    { file: EXCEPTIONS, from: 'from: 2026-11-01\n  until: 2026-11-30', to: `from: ${from}\n  until: ${until}` })).rulebook.exceptions[0]!.window

  test('a bare from is local midnight, a bare until lasts to the next one, a timed until is outside at once', async () => {
    expect((await rule('from: 2026-11-01, until: 2026-11-01, timezone: Europe/Brussels')).window)
      .toEqual({ from: utc('2026-10-31T23:00:00Z'), until: utc('2026-11-01T23:00:00Z') })
    expect((await rule('from: 2026-11-01T08:00:00, until: 2026-11-01T09:00:00, timezone: Asia/Kolkata')).window)
      .toEqual({ from: utc('2026-11-01T02:30:00Z'), until: utc('2026-11-01T03:30:00Z') })
    expect((await rule('from: 2026-11-01, timezone: UTC')).window).toEqual({ from: utc('2026-11-01T00:00:00Z'), until: Infinity })
  })

  test('in the hour that comes twice a rule takes the longer reading and an exception the shorter', async () => {
    // Brussels leaves summer time on 2026-10-25: 02:30 is 00:30 UTC and again 01:30 UTC.
    expect((await rule('from: 2026-10-25T02:30:00, until: 2027-10-31T02:30:00, timezone: Europe/Brussels')).window)
      .toEqual({ from: utc('2026-10-25T00:30:00Z'), until: utc('2027-10-31T01:30:00Z') })
    expect(await exception('2026-10-25T02:30:00', '2026-11-20')).toEqual({ from: utc('2026-10-25T01:30:00Z'), until: utc('2026-11-20T23:00:00Z') })
    expect(await exception('2026-10-20', '2026-10-25T02:30:00')).toEqual({ from: utc('2026-10-19T22:00:00Z'), until: utc('2026-10-25T00:30:00Z') })
  })

  test('in the hour that is skipped the readings of both offsets count', async () => {
    // Brussels enters summer time on 2027-03-28: 02:30 would be 00:30 UTC or 01:30 UTC.
    expect((await rule('from: 2027-03-28T02:30:00, timezone: Europe/Brussels')).window.from).toBe(utc('2027-03-28T00:30:00Z'))
    expect((await exception('2027-03-28T02:30:00', '2027-03-30')).from).toBe(utc('2027-03-28T01:30:00Z'))
  })

  test('an exception that both readings leave nothing of does not compile, a rule does', async () => {
    const compiled = await compileChanged({ file: EXCEPTIONS, from: 'from: 2026-11-01\n  until: 2026-11-30', to: 'from: 2026-10-25T02:30:00\n  until: 2026-10-25T02:45:00' })
    expect(compiled.ok ? [] : compiled.problems.map(p => p.rule)).toEqual(['empty-window'])
    expect((await rule('from: 2026-10-25T02:30:00, until: 2026-10-25T02:45:00, timezone: Europe/Brussels')).window)
      .toEqual({ from: utc('2026-10-25T00:30:00Z'), until: utc('2026-10-25T01:45:00Z') })
  })

  test('mode-until, assumptions and members of groups take the shorter reading', async () => {
    const bundle = await bundleChanged(
      { file: RULES, from: '    because:', to: '    mode: shadow\n    mode-until: 2027-10-31T02:30:00\n    because:' },
      { file: APP, from: 'until: 2027-03-31', to: 'until: 2027-10-31T02:30:00' },
      { file: GROUP, from: 'source:', to: 'from: { DE: 2026-11-01 }\nuntil: { FR: 2026-12-31 }\ntimezone: Europe/Brussels\nsource:' },
    )
    expect(ruleOf(bundle, 'gdpr/home')).toMatchObject({ mode: 'shadow', modeUntil: utc('2027-10-31T00:30:00Z') })
    expect(bundle.rulebook.apps.get('crm')!.assumptions[0]).toMatchObject({ fact: 'user-us-person', value: 'no', until: utc('2027-10-31T00:30:00Z') })
    expect(bundle.rulebook.groups.get('eea')!.members).toEqual([
      { value: 'DE', window: { from: utc('2026-10-31T23:00:00Z'), until: Infinity } },
      { value: 'FR', window: { from: -Infinity, until: utc('2026-12-31T23:00:00Z') } },
      { value: 'NO', window: { from: -Infinity, until: Infinity } },
    ])
  })

  test('every start and end is an edge, once and in order, with its zone', async () => {
    const { rulebook } = await bundleChanged()
    expect(rulebook.edges.map(e => [new Date(e.at).toISOString(), e.zone])).toEqual([
      ['2026-06-12T21:21:00.000Z', 'America/New_York'], ['2026-10-31T23:00:00.000Z', 'Europe/Brussels'], ['2026-11-30T23:00:00.000Z', 'Europe/Brussels'],
      ['2027-01-31T23:00:00.000Z', 'Europe/Brussels'], ['2027-03-31T22:00:00.000Z', 'Europe/Brussels'],
    ])
  })

  test('reviews and facts fall due at the end of their day', async () => {
    const { due } = await bundleChanged()
    expect(due.map(d => [d.file, d.line, d.what, new Date(d.at).toISOString()])).toEqual([
      ['directives/notice.policy.yaml', 6, 'review-by of policy notice', '2026-06-20T00:00:00.000Z'],
      ['catalog/vendor.yaml', 5, 'good-until of provider vendor', '2027-01-31T23:00:00.000Z'],
      ['rules/gdpr.policy.yaml', 6, 'review-by of policy gdpr', '2027-02-01T00:00:00.000Z'],
      ['groups/eea.yaml', 6, 'review-by of group eea', '2027-05-02T00:00:00.000Z'],
    ])
  })
})

describe('facts of deployments', () => {
  const catalog = (top: string, ...deployments: readonly string[]) => ({
    file: CATALOG, from: 'hosting: cloud\ndeployments:\n', to: `hosting: cloud\n${top}deployments:\n${deployments.map((d, i) => `  - deployment: d${i}\n    model: vendor/m${i}\n${d}`).join('')}`,
  })
  const end = (day: string): number => utc(`${day}T23:00:00Z`)

  test('the date that counts is the nearest around the place where the fact is written', async () => {
    const bundle = await bundleChanged(catalog(
      'stored-in: { value: [DE], good-until: 2026-12-01 }\nentity-in: DE\ncontracts: [dpa, scc]\n',
      '    good-until: 2026-12-20\n    staff: any\n    weights: { value: open, good-until: 2026-12-10 }\n    stored-in: FR\n    contracts: [dpa, scc]\n',
      '    staff: any\n',
    ))
    const { facts } = deploymentOf(bundle, 'd0')
    expect(facts['staff']).toEqual({ value: 'any', goodUntil: end('2026-12-20') })
    expect(facts['weights']).toEqual({ value: 'open', goodUntil: end('2026-12-10') })
    expect(facts['stored-in']).toEqual({ value: ['FR'], goodUntil: end('2026-12-20') })
    // Inherited: its own date, else the provider's, never the deployment's.
    expect(facts['entity-in']).toEqual({ value: 'DE', goodUntil: end('2027-01-31') })
    const inherited = deploymentOf(bundle, 'd1').facts
    expect(inherited['stored-in']).toEqual({ value: ['DE'], goodUntil: end('2026-12-01') })
    expect(inherited['staff']).toEqual({ value: 'any', goodUntil: end('2027-01-31') })
    expect(inherited['weights']).toBeUndefined()
  })

  test('a deployment replaces an inherited value whole, also by unknown; an empty list is a statement', async () => {
    const bundle = await bundleChanged(catalog('subprocessors-in: [IE, US]\nretention: 12h\n',
      '    subprocessors-in: unknown\n    retention: unknown\n', '    subprocessors-in: []\n    retention: 30d\n', '    subprocessors-in: [IE, unknown]\n', ''))
    const of = (i: number) => [deploymentOf(bundle, `d${i}`).facts['subprocessors-in']?.value, deploymentOf(bundle, `d${i}`).facts['retention']?.value]
    expect([0, 1, 2, 3].map(of)).toEqual([[undefined, undefined], [[], 720], [undefined, 12], [['IE', 'US'], 12]])
  })

  test('connection and fit: the deployment overrides, waits one by one', async () => {
    const bundle = await bundleChanged(catalog(
      'dialect: openai\nbase-url: https://eu.example.com/v1/\nkey: env:KEY\ntimeouts: { idle: 10s, total: 5m }\nprice: { input: 1, output: 2.50, currency: EUR }\ncan: tools\n',
      '    base-url: http://127.0.0.1:9\n    upstream-model: m-2026\n    timeouts: { idle: 500ms }\n    context: 200000\n    operations: [embedding]\n    quality: 80\n', '    processed-in: [DE, FR]\n'))
    expect(bundle.catalog.byName.get('d0')).toMatchObject({
      upstreamModel: 'm-2026', connection: { dialect: 'openai', baseUrl: 'http://127.0.0.1:9', key: 'env:KEY' }, operations: ['embedding'], context: 200_000, quality: 80,
      can: ['tools'], price: { input: 1, output: 2.5, currency: 'EUR' }, timeouts: { connect: 5_000, firstToken: 20_000, idle: 500, total: 300_000 },
    })
    expect(bundle.catalog.byName.get('d1')).toMatchObject({
      upstreamModel: 'm1', connection: { baseUrl: 'https://eu.example.com/v1' }, operations: ['chat', 'completion'], context: undefined, processedIn: ['DE', 'FR'], hosting: 'cloud',
    })
    expect(deploymentOf(bundle, 'd1').price).toBe(3.5)
    expect((await bundleChanged()).catalog.byName.get('cloud-eu')!.connection).toBeUndefined()
  })

  test('hosts in our own hands are those of the provider, in one spelling', async () => {
    const bundle = await bundleChanged(catalog('local-hosts: [GPU.example.internal, "2001:DB8::7", "::ffff:203.0.113.7", 203.0.113.8]\n', ''))
    const hosts = ['gpu.example.internal', '2001:db8::7', '203.0.113.7', '203.0.113.8']
    expect([bundle.catalog.providers.get('vendor')!.localHosts, listed(bundle, 'd0').localHosts]).toEqual([hosts, hosts])
    const none = await bundleChanged()
    expect([none.catalog.providers.get('vendor')!.localHosts, listed(none, 'cloud-eu').localHosts]).toEqual([[], []])
  })

  test('reports: the deployment overrides, the model and the region each', async () => {
    const bundle = await bundleChanged(catalog(
      'reports: { model: large-5-*, region: { header: X-Served-From, means: { eu-central-1: DE, EU-North-1: SE } } }\n',
      '', '    reports: { model: [small, tiny-*] }\n', '    reports: { region: { header: x-geo, means: { us: US } } }\n'))
    const inherited = { header: 'x-served-from', countries: new Map([['eu-central-1', 'DE'], ['eu-north-1', 'SE']]) }
    expect(['d0', 'd1', 'd2'].map(name => listed(bundle, name).reports)).toEqual([
      { models: ['large-5-*'], region: inherited }, { models: ['small', 'tiny-*'], region: inherited },
      { models: ['large-5-*'], region: { header: 'x-geo', countries: new Map([['us', 'US']]) } },
    ])
    expect(bundle.catalog.providers.get('vendor')!.defaults!.reports).toEqual({ models: ['large-5-*'], region: inherited })
    expect(listed(await bundleChanged(), 'cloud-eu').reports).toBeUndefined()
    const one = await bundleChanged(catalog('', '    reports: { model: small }\n', ''))
    expect(['d0', 'd1'].map(name => listed(one, name).reports)).toEqual([{ models: ['small'], region: undefined }, undefined])
  })

  test('a model may be fetched where the file says so, and not elsewhere', async () => {
    const bundle = await bundleChanged(catalog('dialect: ollama\nbase-url: http://127.0.0.1:11434\ndiscover: models\n', '    pull: yes\n', '    pull: no\n', '',
      '    pull: yes\n    base-url: http://127.0.0.1:11434/\n'))
    expect(['d0', 'd1', 'd2', 'd3'].map(name => listed(bundle, name).pull)).toEqual([true, false, false, true])
  })

  test('a wait for an answer in one piece is stated or left to the gateway', async () => {
    const bundle = await bundleChanged(catalog('timeouts: { whole: 60s }\n', '', '    timeouts: { whole: 5s }\n'))
    expect(['d0', 'd1'].map(name => listed(bundle, name).timeouts.whole)).toEqual([60_000, 5_000])
    expect(listed(await bundleChanged(), 'cloud-eu').timeouts).not.toHaveProperty('whole')
  })

  test('a wait of one hour is the longest, in whatever unit', async () => {
    const bundle = await bundleChanged(catalog('timeouts: { total: 1h }\n', '', '    timeouts: { total: 60m }\n', '    timeouts: { total: 3600s }\n'))
    expect(['d0', 'd1', 'd2'].map(name => listed(bundle, name).timeouts.total)).toEqual([3_600_000, 3_600_000, 3_600_000])
  })

  test('a rehearsal provider has a dialect and no address yet', async () => {
    const bundle = await bundleChanged(catalog('dialect: openai\nrehearsal: eu-cloud\n', ''))
    expect(bundle.catalog.byName.get('d0')).toMatchObject({ rehearsal: true, connection: { dialect: 'openai', baseUrl: '' } })
    expect(bundle.catalog.providers.get('vendor')!.rehearsal).toBe('eu-cloud')
  })
})

describe('rules and apps', () => {
  test('blocks: several words are and, one-of is or, words in one matcher stay together', async () => {
    const bundle = await bundleChanged({
      file: RULES, from: '    when: { data: [personal] }\n    require: { processed-in: { only: [eea] } }',
      to: '    when: { classification: { at-least: confidential, any: restricted }, agent-depth: { at-most: 2 } }\n    forbid: { one-of: [{ retention: [12h] }, all], model: vendor/* }',
    })
    expect(ruleOf(bundle, 'gdpr/home')).toMatchObject({
      effect: 'forbid',
      when: { kind: 'and', parts: [
        { kind: 'fact', fact: 'classification', match: { atLeast: 2, any: [{ value: 'restricted' }] } }, { kind: 'fact', fact: 'agent-depth', match: { atMost: 2 } },
      ] },
      blocks: [{ kind: 'and', parts: [
        { kind: 'or', parts: [{ kind: 'fact', fact: 'retention', match: { any: [{ value: 12 }] } }, { kind: 'all' }] },
        { kind: 'fact', fact: 'model', match: { any: [{ value: 'vendor/*' }] } },
      ] }],
    })
  })

  test('groups of certificates stand for certificates', async () => {
    const group = { file: 'groups/us.yaml', to: 'language: bailiwick/v1\ngroup: us-cleared\nof: certificates\nmembers: [fedramp-high, dod-il5]\nsource: x\nas-of: 2026-11-01\nreview-by: 2027-05-01\n' }
    const bundle = await bundleChanged(group, { file: RULES, from: '{ processed-in: { only: [eea] } }', to: '{ certificates: us-cleared }' })
    expect(ruleOf(bundle, 'gdpr/home').blocks).toEqual([{ kind: 'fact', fact: 'certificates', match: { any: [{ group: 'us-cleared' }] } }])
    const wrong = await compileChanged(group, { file: RULES, from: '[eea]', to: '[us-cleared]' })
    expect(wrong.ok).toBe(false)
  })

  test('an app: what it may carry is closed upward, unknown is not registered, a caller list of one needs no brackets', async () => {
    const hash = `sha256:${'0f'.repeat(32)}`
    const bundle = await bundleChanged({
      file: APP, from: 'may-carry: [personal]',
      to: `may-carry: [survey, none]\nmay-assert: user-in\nteam: unknown\npeople-in: BE\ngoverned-by: []\nkey-hashes: ${hash}\nsubstitutes: same-developer\nladder: [vendor/*]\nloopback-only: yes\nlimits: { requests-per-minute: 600, spend-per-day: 50 USD }`,
    }, { file: APP, from: 'user-us-person: no', to: 'user-nationality: not-collected' })
    const app = bundle.rulebook.apps.get('crm')!
    expect(app).toMatchObject({ mayCarry: ['personal', 'special-category', 'survey'], mayAssert: ['user-in'], registered: { 'people-in': ['BE'], 'governed-by': [] } })
    expect(app.registered).not.toHaveProperty('team')
    expect(app.assumptions.map(a => [a.fact, a.value])).toEqual([['user-nationality', ['not-collected']]])
    expect(app.grants).toEqual([{ model: ['vendor/*'] }])
    expect(bundle.appByKeyHash.get(hash)).toBe('crm')
    expect(bundle.apps.get('crm')).toEqual({
      app: 'crm', keyHashes: [hash], substitutes: 'same-developer', ladder: ['vendor/*'], loopbackOnly: true,
      limits: { requestsPerMinute: 600, spendPerDay: { amount: 50, currency: 'USD' } }, streamRescue: true, onContentFilter: 'return', timeouts: {},
    })
  })

  test('an app: what happens when an answer does not come as it should', async () => {
    const own = 'stream-rescue: no\non-content-filter: next\ntimeouts: { connect: 1s, first-token: 500ms, idle: 2s, whole: 60m, total: 3600s }'
    expect((await bundleChanged({ file: APP, from: 'may-carry: [personal]', to: `may-carry: [personal]\n${own}` })).apps.get('crm')).toMatchObject({
      streamRescue: false, onContentFilter: 'next', timeouts: { connect: 1_000, firstToken: 500, idle: 2_000, whole: 3_600_000, total: 3_600_000 },
    })
    const words = 'stream-rescue: yes\non-content-filter: return\ntimeouts: { idle: 2s }'
    expect((await bundleChanged({ file: APP, from: 'may-carry: [personal]', to: `may-carry: [personal]\n${words}` })).apps.get('crm'))
      .toMatchObject({ streamRescue: true, onContentFilter: 'return', timeouts: { idle: 2_000 } })
  })

  test('the duty rescue: no is there where it is written, and stays when one rule of several says it', async () => {
    const { duties } = ruleOf(await bundleChanged({ file: RULES, from: '    because: It is the rule\n', to: '    because: It is the rule\n    then: { rescue: no }\n' }), 'gdpr/home')
    expect(duties).toEqual({ rescue: 'no' })
    expect(combineDuties([{ log: 'full' }, duties, {}], new Map())).toEqual({ log: 'full', rescue: 'no' })
    expect(combineDuties([{ log: 'full' }, {}], new Map())).not.toHaveProperty('rescue')
  })

  test('the duty request-digest: yes is there where it is written, and stays when one rule of several says it', async () => {
    const { duties } = ruleOf(await bundleChanged({ file: RULES, from: '    because: It is the rule\n', to: '    because: It is the rule\n    then: { request-digest: yes }\n' }), 'gdpr/home')
    expect(duties).toEqual({ requestDigest: 'yes' })
    expect(combineDuties([{ log: 'none' }, duties, {}], new Map())).toEqual({ log: 'none', requestDigest: 'yes' })
    expect(combineDuties([{ log: 'none' }, {}], new Map())).not.toHaveProperty('requestDigest')
  })
})

describe('the bundle as a thing', () => {
  test('its digest does not depend on the order of files, on tests or on what is no policy; a space in a policy changes it', async () => {
    const { digest, catalogDigest } = await bundleChanged()
    const reversed = await compile(new Map([...changed()].reverse()))
    expect(reversed.ok && reversed.bundle.digest).toBe(digest)
    const beside = await bundleChanged({ file: 'README.md', to: 'hello' },
      { file: 'rules/x.test.yaml', to: 'language: bailiwick/v1\ntests-for: gdpr\nclock: 2026-11-22T12:00:00Z\ncases: [{ name: x, given: {}, allowed: [] }]\n' })
    expect(beside.digest).toBe(digest)
    const spaced = await bundleChanged({ file: RULES, from: 'It is the rule', to: 'It is the  rule' })
    expect(spaced.digest).not.toBe(digest)
    expect(spaced.catalogDigest).toBe(catalogDigest)
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
    expect((await bundleChanged({ file: CATALOG, from: '0d', to: '1d' })).catalogDigest).not.toBe(catalogDigest)
  })

  test('cannot be written to', async () => {
    const bundle = await bundleChanged()
    expect(() => { (bundle as { digest: string }).digest = 'x' }).toThrow(TypeError)
    expect(() => { (bundle.rulebook.rules[0]!.duties as { log?: string }).log = 'full' }).toThrow(TypeError)
    expect(() => { (bundle.apps as Map<string, unknown>).delete('crm') }).toThrow(TypeError)
    expect(bundle.apps.has('crm')).toBe(true)
  })
})

describe('discovered models', () => {
  const local = { file: 'catalog/local.yaml', to: `language: bailiwick/v1
provider: local
source: Our machines
facts-as-of: 2026-10-30
good-until: 2027-06-30
timezone: UTC
hosting: local
processed-in: [DE]
dialect: ollama
base-url: http://127.0.0.1:11434
discover: models
local-hosts: [gpu.example.internal]
reports: { model: [a:*, qwen3:*] }
deployments:
  - deployment: local-a
    pull: yes
    model: open/a-70b
    upstream-model: a:70b
    developer-in: FR
` }

  test('follow the catalog in an order of their own, with the facts that hold for all of the provider', async () => {
    const bundle = await bundleChanged(local)
    const extended = await withDiscovered(bundle, [
      { provider: 'local', upstreamModel: 'Qwen3:8b', context: 32_768, can: ['tools'] }, { provider: 'local', upstreamModel: 'a:70b' },
      { provider: 'local', upstreamModel: 'bge', operations: ['embedding'] }, { provider: 'local', upstreamModel: 'bge' },
      { provider: 'vendor', upstreamModel: 'sneaked-in' }, { provider: 'nobody', upstreamModel: 'x' }, { provider: 'local', upstreamModel: 'a b\n' },
    ])
    expect(extended.catalog.deployments.map(d => [d.name, d.model, d.upstreamModel, d.discovered])).toEqual([
      ['local-a', 'open/a-70b', 'a:70b', false], ['cloud-eu', 'vendor/large', 'large', false], ['cloud-us', 'vendor/small', 'small', false],
      ['local:qwen3:8b', 'local/Qwen3:8b', 'Qwen3:8b', true], ['local:bge', 'local/bge', 'bge', true],
    ])
    expect(extended.rulebook.deployments.map(d => d.name)).toEqual(extended.catalog.deployments.map(d => d.name))
    expect(extended.catalog.byName.get('local:qwen3:8b')).toMatchObject({
      connection: { dialect: 'ollama', baseUrl: 'http://127.0.0.1:11434' }, context: 32_768, can: ['tools'], operations: ['chat', 'completion'], hosting: 'local',
      localHosts: ['gpu.example.internal'], reports: { models: ['a:*', 'qwen3:*'], region: undefined }, pull: false,
    })
    expect(extended.catalog.byName.get('local-a')!.pull).toBe(true)
    expect(extended.catalog.byName.get('local:bge')!.operations).toEqual(['embedding'])
    expect(deploymentOf(extended, 'local:bge').facts).toEqual({
      hosting: { value: 'local', goodUntil: utc('2027-07-01T00:00:00Z') }, 'processed-in': { value: ['DE'], goodUntil: utc('2027-07-01T00:00:00Z') },
    })
    expect(extended.digest).toBe(bundle.digest)
    expect(extended.catalogDigest).not.toBe(bundle.catalogDigest)
    expect(Object.isFrozen(extended.rulebook.deployments)).toBe(true)
  })

  test('a later discovery replaces an earlier one; finding nothing gives the compiled bundle back', async () => {
    const bundle = await bundleChanged(local)
    const once = await withDiscovered(bundle, [{ provider: 'local', upstreamModel: 'old' }])
    const twice = await withDiscovered(once, [{ provider: 'local', upstreamModel: 'new' }])
    expect(twice.catalog.byName.has('local:old')).toBe(false)
    expect(twice.catalog.byName.has('local:new')).toBe(true)
    expect(twice.catalogDigest).toBe((await withDiscovered(bundle, [{ provider: 'local', upstreamModel: 'new' }])).catalogDigest)
    expect(await withDiscovered(twice, [])).toBe(bundle)
  })

  test('a policy may speak of what a discovering provider may hold, and of nothing else that is not there', async () => {
    const speak = (to: string) => compileChanged(local, { file: APP, from: 'vendor/*', to })
    expect((await speak('[local/*, local/qwen3:8b]')).ok).toBe(true)
    expect((await speak('vendor/qwen3:8b')).ok).toBe(false)
    expect((await compileChanged({ file: APP, from: 'vendor/*', to: 'local/*' })).ok).toBe(false)
  })
})

test('a tree of one empty folder compiles to a bundle that grants nothing', async () => {
  const compiled = await compile(new Map())
  expect(compiled.ok && compiled.bundle.rulebook.apps.size).toBe(0)
})
