/* oxlint-disable unicorn/no-thenable -- JSON Schema spells its branches if and then, and a rule has a then. */
/**
 * The schemas as editors read them: those of schema.ts with an example on every word, and with what holds between words,
 * which the compiler says in sentences of its own.
 */
import { LANGUAGE, SCHEMAS, type Kind, type Schema } from './schema.ts'

/** An example of every word, as JSON would hold it; `block: word` where a word means something of its own in one block. */
const EXAMPLES: { readonly [word: string]: unknown } = {
  language: LANGUAGE, title: 'Personal data stays in the EEA', owner: 'dpo@example.eu', timezone: 'Europe/Brussels',

  // The request.
  app: 'crm', team: 'sales', environment: 'production', operation: 'chat', data: ['personal'], classification: 'confidential', 'governed-by': ['gdpr'],
  'people-in': ['BE', 'FR'], 'user-in': 'FR', 'user-nationality': ['FR', 'CA'], 'user-resident-of': ['FR'], 'user-us-person': 'no', purpose: 'support',
  'model-asked': 'vendor-x/large-5', 'agent-depth': 1,

  // The deployment.
  deployment: 'eu-sov', model: 'vendor-x/large-5', provider: 'vendor-x', 'developer-in': 'FR', weights: 'open', licence: 'apache-2.0', 'licence-bars': ['CU', 'KP'],
  hosting: 'local', 'processed-in': ['DE', 'FR'], 'stored-in': ['DE'], 'logs-in': ['DE'], 'entity-in': 'IE', 'controlled-from': ['US'],
  'subprocessors-in': ['IE', 'US'], staff: 'eu-residents', retention: '30d', 'trains-on-data': 'no', 'human-review': 'no', certificates: ['eu-us-dpf'],
  contracts: ['dpa', 'scc'], evidence: ['transfer-assessment'], operations: ['chat', 'embedding'], 'embedding-space': 'large-5-v1',

  'one-of': [{ hosting: 'local' }, { weights: 'open' }], 'a block about the request (when, for, enforce-for): one-of': [{ data: ['personal'] }, { purpose: 'support' }],

  // A policy file.
  policy: 'gdpr-transfers', effective: { from: '2026-11-01', timezone: 'Europe/Brussels' }, from: '2026-11-01', until: '2027-10-31', 'review-by': '2027-01-31',
  rules: [{ id: 'near', title: 'Everything stays near', require: { hosting: 'local' }, because: 'We promised so' }],
  id: 'special-categories-stay-home', when: { data: ['special-category'], 'governed-by': ['gdpr'] }, forbid: { 'processed-in': { any: ['CU', 'KP'] } },
  require: { 'processed-in': { only: ['DE', 'FR'] } }, prefer: [{ hosting: 'local' }, { weights: 'open' }], because: 'The strictest data stays at home',
  law: 'GDPR Art. 9, Art. 32', then: { log: 'metadata', cache: 'none' }, exceptions: { allowed: 'yes', 'at-most': '90d', approver: ['dpo'] },
  allowed: 'yes', approver: ['dpo'], mode: 'shadow', 'mode-until': '2027-01-15', 'enforce-for': { app: ['crm'] },
  redact: ['iban', 'national-id'], log: 'metadata', 'log-in': ['FR'], cache: 'none', notify: ['dpo'], 'retain-evidence': '730d', header: { 'x-data-class': 'restricted' }, rescue: 'no', 'request-digest': 'yes',

  // An app file.
  grants: [{ model: ['vendor-x/*'] }], 'may-carry': ['personal'], 'may-assert': ['data', 'user-in'],
  assume: [{ 'user-us-person': 'no', basis: 'Offered to the Brussels office only', owner: 'hr@example.eu', until: '2027-03-31' }], basis: 'Offered to the Brussels office only',
  'key-hashes': [`sha256:${'0'.repeat(64)}`], substitutes: 'same-developer', ladder: ['local/*', 'vendor-x/*'],
  limits: { 'requests-per-minute': 600, 'spend-per-day': '50 USD' }, 'requests-per-minute': 600, 'tokens-per-minute': 400_000, 'spend-per-day': '50 USD', 'loopback-only': 'yes',
  'stream-rescue': 'no', 'on-content-filter': 'next',

  // A catalog file.
  source: 'Data processing agreement of 2026-03-01, annex 2', 'facts-as-of': '2026-10-30', 'as-of': '2026-11-02', 'good-until': '2027-01-31', value: 'unknown',
  dialect: 'openai', 'base-url': 'https://eu.api.example.com/v1', key: 'env:VENDOR_X_KEY', discover: 'models', rehearsal: 'local',
  deployments: [{ deployment: 'eu-sov', model: 'eu/large', 'processed-in': ['FR'] }], 'upstream-model': 'large-5-2026-05', context: 200_000, 'max-output': 32_000,
  can: ['tools', 'json-schema'], price: { input: '2.50', output: '10.00', currency: 'EUR' }, input: '2.50', output: '10.00', currency: 'EUR', quality: 80,
  timeouts: { 'first-token': '20s', total: '10m' }, connect: '5s', 'first-token': '20s', idle: '30s', whole: '60s', total: '10m',
  'local-hosts': ['gpu.example.internal', '203.0.113.7'], pull: 'yes', reports: { model: ['large-5-*'] }, 'reports: model': ['large-5-*'],
  region: { header: 'x-served-from', means: { 'eu-central-1': 'DE' } }, 'region: header': 'x-served-from', means: { 'eu-central-1': 'DE' },

  // Groups and labels.
  group: 'gdpr-adequate', of: 'countries', members: ['CH', 'GB', 'NZ'], 'a group file: from': { GB: '2021-06-28' }, 'a group file: until': { GB: '2031-12-27' },
  labels: [{ label: 'patient-survey', parent: 'special-category' }], label: 'patient-survey', parent: 'special-category',

  // Exceptions.
  exception: 'EX-2026-014', rule: 'gdpr-transfers/special-categories-stay-home', for: { app: ['crm'] }, models: { deployment: ['us-global'] }, category: 'waiver',
  reason: 'The supplier moves us to its EU zone', ticket: 'GRC-4411', 'requested-by': 'crm-lead@example.eu', 'approved-by': 'dpo@example.eu',
  'exceptions: at-most': '90d',

  // Tests.
  'tests-for': ['gdpr-transfers'], clock: '2026-11-22T12:00:00+01:00', catalog: 'small-catalog.yaml', people: { anna: { 'user-in': 'FR' } },
  cases: [{ name: 'health data stays at home', given: { app: 'crm', data: ['special-category'] }, allowed: ['eu-sov'] }], name: 'health data stays at home',
  at: '2027-11-22T12:00:00+01:00', given: { who: 'anna', app: 'crm', data: ['special-category'] }, who: 'anna', 'a case: allowed': ['eu-sov'],
  excluded: { 'us-global': 'special-categories-stay-home' }, 'would-exclude': { 'us-global': 'qualified-cloud' }, first: 'eu-sov', 'must-do': { log: 'metadata' },
  'used-exceptions': ['EX-2026-014'], refused: 'yes',
}

/** What a rule asks of a fact, by how an element of the fact is written; closed facts take their first word. */
const ASKED: { readonly [element: string]: unknown } = { word: 'FR', 'yes-no': 'no', duration: '30d', count: 1 }

/** What holds between the words of a block, by its title. */
const BETWEEN: { readonly [block: string]: Schema } = {
  'a rule': {
    oneOf: [{ required: ['forbid'] }, { required: ['require'] }, { required: ['prefer'] }],
    dependencies: { 'mode-until': ['mode'], 'enforce-for': ['mode'], prefer: { not: { anyOf: ['mode', 'mode-until', 'enforce-for', 'exceptions'].map(word => ({ required: [word] })) } } },
    if: { properties: { mode: { enum: ['warn', 'shadow'] } }, required: ['mode'] }, then: { required: ['mode-until'] },
  },
  'an app file': { dependencies: { assume: ['timezone'] } },
  'a group file': { dependencies: { from: ['timezone'], until: ['timezone'] } },
}

/** A schema with the examples in it. Throws for a word without one: that is a gap in the table above. */
export function publishedSchema(kind: Kind): Schema {
  const definitions = SCHEMAS[kind]['definitions'] as { readonly [name: string]: Schema }
  const place = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(place)
    if (typeof part !== 'object' || part === null) return part
    const { title, properties } = part as Schema
    const more = typeof title === 'string' && typeof properties === 'object' ? BETWEEN[title] : undefined
    return Object.fromEntries(Object.entries({ ...part, ...more }).map(([keyword, inner]) => [keyword, keyword !== 'properties' || typeof properties !== 'object' ? place(inner)
      : Object.fromEntries(Object.entries(properties!).map(([word, schema]) => [word, { ...place(schema) as Schema, examples: [title === MATCHER ? askedExample(schema, definitions) : exampleOf(String(title), word)] }]))]))
  }
  return place(SCHEMAS[kind]) as Schema
}

const MATCHER = 'what a rule asks of a fact'

function askedExample(schema: unknown, definitions: { readonly [name: string]: Schema }): unknown {
  const element = /"#\/definitions\/([^"]+)"/.exec(JSON.stringify(schema))![1]!
  return ASKED[element] ?? (definitions[element]!['enum'] as readonly string[])[0]
}

function exampleOf(block: string, word: string): unknown {
  const example = EXAMPLES[`${block}: ${word}`] ?? EXAMPLES[word]
  if (example === undefined) throw new Error(`No example of ${word} in ${block}`)
  return example
}

/** The file of one kind, as it stands under `schema/`. */
export const schemaFile = (kind: Kind): readonly [name: string, text: string] => [`schema/${kind}.schema.json`, `${JSON.stringify(publishedSchema(kind), undefined, 2)}\n`]
