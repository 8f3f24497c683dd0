/* oxlint-disable unicorn/no-thenable -- JSON Schema spells its branches if, then and else. */
/**
 * What this is for: the shape of every policy file as JSON Schema (draft-07), for the check here and for editors.
 *
 * What it assumes: the fact tables of policy/facts.ts; no fact is named twice. What it promises: a word that is not in a
 * schema is not in the language. No `anyOf`: one mistake must give one error, so the written form picks the branch.
 * `title` names a block as a message would ("a rule"); `description` explains a word or a kind of value to its writer.
 */
import { CAPABILITIES } from '../catalog/catalog.ts'
import { DEPLOYMENT_FACTS, NAME_FACTS, REGISTERED_FACTS, REQUEST_FACTS, type FactDefinition } from '../policy/facts.ts'

export type Schema = { readonly [keyword: string]: unknown }
export const LANGUAGE = 'bailiwick/v1'
export const KINDS = ['app', 'catalog', 'group', 'labels', 'exceptions', 'policy', 'test'] as const
export type Kind = (typeof KINDS)[number]

const ref = (name: string, description?: string): Schema =>
  (description === undefined ? { $ref: `#/definitions/${name}` } : { description, allOf: [{ $ref: `#/definitions/${name}` }] })
const oneOf = (words: readonly string[], description?: string): Schema => ({ type: 'string', enum: words, ...(description !== undefined && { description }) })
const pattern = (description: string, source: string): Schema => ({ type: 'string', description, pattern: source })
/** Text that an editor may take for a number. The checker sees text and its pattern; the bounds are for the editor. */
const digits = (description: string, source: string, bounds: Schema = {}): Schema => ({ type: ['string', 'number'], description, pattern: source, ...bounds })

/**
 * One value without brackets, or a list of them. Items of any size are references, so that no shape is compiled twice.
 */
const oneOrMany = (item: Schema, more: Schema = {}): Schema =>
  ({ if: { type: 'array' }, then: { type: 'array', items: item, ...more }, else: item })

type BlockOptions = { readonly required?: readonly string[]; readonly more?: Schema }
const block = (title: string, properties: { readonly [word: string]: Schema }, { required = [], more = {} }: BlockOptions = {}): Schema =>
  ({ type: 'object', title, additionalProperties: false, properties, ...(required.length > 0 && { required }), ...more })

/** Kinds of values that are one text; the description completes "is not ...". */
const definitions: { readonly [name: string]: Schema } = {
  language: oneOf([LANGUAGE], 'The version of the language the file is written in; always the first line.'),
  text: { type: ['string', 'number'], description: 'a sentence', minLength: 1 },
  word: { type: ['string', 'number'], description: 'a word', minLength: 1 },
  name: digits('a name (letters, digits and . _ - only)', '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
  'deployment-name': digits('a deployment name (letters, digits and . _ : / @ + - only)', '^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$'),
  'model-name': digits('a model name (letters, digits and . _ : / @ + - only)', '^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$'),
  'group-name': pattern('a group name (lower-case letters, digits and . - only)', '^[a-z][a-z0-9.-]{0,99}$'),
  date: pattern('a date, such as 2026-11-30', '^\\d{4}-\\d{2}-\\d{2}$'),
  time: pattern('a date or a local time to the second, such as 2026-11-30 or 2026-11-30T17:21:00', '^\\d{4}-\\d{2}-\\d{2}(?:T\\d{2}:\\d{2}:\\d{2})?$'),
  'offset-time': pattern('a time with an offset, such as 2026-11-22T12:00:00+01:00',
    '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(?::\\d{2}(?:\\.\\d{1,3})?)?(?:Z|[+-]\\d{2}:\\d{2})$'),
  duration: pattern('a duration (a whole number and d or h, such as 30d or 12h)', '^\\d{1,6}[dh]$'),
  wait: pattern('a time to wait, such as 500ms, 20s or 10m', '^\\d{1,6}(?:ms|s|m|h)$'),
  count: digits('a whole number', '^\\d{1,9}$', { minimum: 0, multipleOf: 1 }),
  amount: digits('an amount, such as 2.50', '^\\d{1,9}(?:\\.\\d{1,6})?$', { minimum: 0 }),
  'duration-or-unknown': pattern('a duration (a whole number and d or h, such as 30d or 12h) or unknown', '^(?:\\d{1,6}[dh]|unknown)$'),
  'yes-no': oneOf(['yes', 'no'], 'yes or no'),
  host: pattern('a host name or an address, such as gpu.example.internal or 203.0.113.7', '^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45})$'),
  'reported-model': digits('a model name as a server reports it (no spaces; * at its end only)', '^[^\\s*]{1,200}\\*?$'),
  words: oneOrMany({ $ref: '#/definitions/word' }),
}

const text = (description: string): Schema => ref('text', description)
const titled = { title: text('What this is, in one line.') }

/** The name of the definition that says how one element of a fact is written. */
function elementOf(fact: FactDefinition): string {
  switch (fact.type) {
    case 'closed': return `one-${fact.name}`
    case 'yes-no': return 'yes-no'
    case 'duration': return 'duration'
    case 'number': return 'count'
    default: return 'word'
  }
}

const closed = [...REQUEST_FACTS, ...DEPLOYMENT_FACTS].filter(f => f.type === 'closed')
const elements: { readonly [name: string]: Schema } = Object.fromEntries(closed.map(f => [`one-${f.name}`, oneOf(f.words)]))

const matcherName = (fact: FactDefinition): string => `asks-${elementOf(fact)}${fact.ordered ? '-ordered' : ''}`

/** What a rule may ask of a fact (section 4); facts written alike share one. */
function matcher(fact: FactDefinition): Schema {
  const one = ref(elementOf(fact))
  const several = (description: string): Schema => ({ description, ...oneOrMany(one, { minItems: 1 }) })
  return {
    if: { type: 'object' },
    then: block('what a rule asks of a fact', {
      any: several('It is one of these; of a set, at least one element is.'),
      only: { description: 'Every element is one of these; true for an empty set.', ...oneOrMany(one) },
      none: several('No element is one of these; true for an empty set.'),
      ...(fact.ordered && { 'at-least': ref(elementOf(fact), 'It is this or more.'), 'at-most': ref(elementOf(fact), 'It is this or less.') }),
    }, { more: { minProperties: 1 } }),
    else: oneOrMany(one, { minItems: 1 }),
  }
}

const matchers = (table: readonly FactDefinition[]): { readonly [fact: string]: Schema } => Object.fromEntries(table.map(f => [f.name, ref(matcherName(f), f.says)]))

const factBlock = (name: string, title: string, table: readonly FactDefinition[]): Schema => ({
  if: { type: 'string' },
  then: oneOf(['all'], 'facts below it, one a line, such as "hosting: local"'),
  else: block(title, {
    ...matchers(table),
    'one-of': { description: 'At least one of these blocks holds.', ...oneOrMany(ref(name), { minItems: 1 }) },
  }, { more: { minProperties: 1 } }),
})

const conditions: { readonly [name: string]: Schema } = {
  'request-block': factBlock('request-block', 'a block about the request (when, for, enforce-for)', REQUEST_FACTS),
  'deployment-block': factBlock('deployment-block', 'a block about deployments (forbid, require, prefer, models)', DEPLOYMENT_FACTS),
  ...Object.fromEntries([...REQUEST_FACTS, ...DEPLOYMENT_FACTS].map(f => [matcherName(f), matcher(f)])),
}

const duties = block('then', {
  redact: { description: 'Kinds of data to take out before the prompt leaves.', ...oneOrMany(ref('word'), { minItems: 1 }) },
  log: oneOf(['none', 'metadata', 'full'], 'How much of the request may be logged.'),
  'log-in': { description: 'Countries and country groups where records of the request may be kept.', ...oneOrMany(ref('word'), { minItems: 1 }) },
  cache: { description: 'Where an answer may be kept for another request: none, app, region.', ...oneOrMany(oneOf(['none', 'app', 'region']), { minItems: 1 }) },
  notify: { description: 'Who is told.', ...oneOrMany(ref('word'), { minItems: 1 }) },
  'retain-evidence': ref('duration', 'How long the record of the decision is kept.'),
  rescue: oneOf(['no'], 'no (a stream that breaks is not continued by another deployment), or leave the word out'),
  'request-digest': oneOf(['yes'], 'yes (the record of the decision holds a salted digest of the request), or leave the word out'),
  header: {
    type: 'object', title: 'header', description: 'Headers to put on the answer.', minProperties: 1,
    propertyNames: { pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$" },
    additionalProperties: { type: ['string', 'number'], description: 'the value of a header (printable letters of ASCII)', pattern: '^[\\x21-\\x7e](?:[\\x20-\\x7e]{0,498}[\\x21-\\x7e])?$' },
  },
})

const rule = block('a rule', {
  id: ref('name', 'The name of the rule within its policy.'),
  title: text('The rule in one line, as an officer would say it.'),
  when: ref('request-block', 'The requests the rule is about; without it, all of them.'),
  forbid: ref('deployment-block', 'Removes a deployment unless this is known to be false of it.'),
  require: ref('deployment-block', 'Removes a deployment unless this is known to be true of it.'),
  prefer: { description: 'Orders deployments: those of the first block come first. Removes none.', ...oneOrMany(ref('deployment-block'), { minItems: 1 }) },
  because: text('Why, in one sentence for the audit.'),
  law: text('The citation.'),
  then: ref('duties', 'Duties that come with the rule.'),
  exceptions: {
    description: 'Whether the rule may be excepted, for how long, and who approves it.',
    allOf: [block('exceptions', {
      allowed: ref('yes-no', 'Whether there may be exceptions.'),
      'at-most': ref('duration', 'The longest exception; local days, both ends counted.'),
      approver: { description: 'Who may approve.', ...oneOrMany(ref('word'), { minItems: 1 }) },
    }, { required: ['allowed'] })],
  },
  mode: oneOf(['enforce', 'warn', 'shadow'], 'warn and shadow only report what the rule would remove; until mode-until.'),
  'mode-until': ref('time', 'When a warn or shadow rule begins to enforce.'),
  'enforce-for': ref('request-block', 'Requests for which a warn or shadow rule enforces already.'),
}, { required: ['id', 'title', 'because'] })

const policy: Schema = block('a policy file', {
  language: ref('language', 'The version of the language that the file is written in; always the first word.'),
  policy: ref('name', 'The name of the policy, unique over all files.'),
  ...titled,
  owner: text('Who answers for the policy.'),
  effective: {
    description: 'From when to when the rules are in force.',
    allOf: [block('effective', {
      from: ref('time', 'The first day, or the first second.'),
      until: ref('time', 'The last day; or the second at which it is over.'),
      timezone: ref('word', 'An IANA name, such as Europe/Brussels.'),
    }, { required: ['from', 'timezone'] })],
  },
  'review-by': ref('date', 'When somebody must have looked at it again.'),
  rules: { type: 'array', items: ref('rule'), description: 'The rules, in any order.' },
}, { required: ['language', 'policy', 'title', 'owner', 'effective', 'review-by', 'rules'] })

/** How long to wait: for a server in the catalog, for an application over it. */
const timeouts = (description: string): Schema => ({
  description,
  allOf: [block('timeouts', {
    connect: ref('wait', 'For a connection.'), 'first-token': ref('wait', 'For the first token.'),
    idle: ref('wait', 'Between two pieces of an answer.'), whole: ref('wait', 'For an answer in one piece to begin.'),
    total: ref('wait', 'For all of it, however many deployments are asked.'),
  }, { more: { minProperties: 1 } })],
})

const requestFact = (name: string): FactDefinition => REQUEST_FACTS.find(f => f.name === name)!

/** A fact as an app or a person states it. */
const stated = (fact: FactDefinition): Schema => ref(fact.shape === 'set' ? 'words' : 'word', fact.says)

const app: Schema = block('an app file', {
  language: ref('language', 'The version of the language that the file is written in; always the first word.'),
  app: ref('name', 'The name of the application.'),
  ...titled,
  owner: text('Who answers for the application.'),
  timezone: ref('word', 'An IANA name, such as Europe/Brussels; needed as soon as there is an assume.'),
  grants: {
    description: 'The models the application may use at all: all, or a list. Nothing else grants.',
    if: { type: 'string' },
    then: oneOf(['all'], 'a list below it, such as "- model: vendor/*"'),
    else: oneOrMany(block('a grant', {
      model: { description: 'Model names; vendor/* for all of a vendor.', ...oneOrMany(ref('word'), { minItems: 1 }) },
      deployment: { description: 'Deployment names.', ...oneOrMany(ref('word'), { minItems: 1 }) },
    }, { more: { minProperties: 1, maxProperties: 1 } })),
  },
  ...Object.fromEntries(REGISTERED_FACTS.map(name => [name, stated(requestFact(name))])),
  'may-carry': { description: 'The labels that its prompts may carry.', ...oneOrMany(ref('word')) },
  'may-assert': {
    description: 'Request facts for which the application is taken at its word.',
    ...oneOrMany(oneOf(REQUEST_FACTS.map(f => f.name).filter(name => name !== 'app'))),
  },
  assume: {
    description: 'Declared values for facts that nobody states, until a date.',
    ...oneOrMany(block('an assumption', {
      ...Object.fromEntries(REQUEST_FACTS.map(f => [f.name, stated(f)])),
      basis: text('Why this may be assumed.'),
      owner: text('Who answers for it.'),
      until: ref('time', 'The last day on which it is assumed.'),
    }, { required: ['basis', 'owner', 'until'] })),
  },
  'key-hashes': {
    description: 'Hashes of the keys of the application.',
    ...oneOrMany(pattern('a key hash (sha256: and 64 lower-case hex digits)', '^sha256:[0-9a-f]{64}$')),
  },
  substitutes: oneOf(['yes', 'same-developer', 'no'], 'Whether another permitted model may answer when the asked one may not or cannot.'),
  ladder: { description: 'Order of preference for substitutes.', ...oneOrMany(ref('word'), { minItems: 1 }) },
  limits: {
    description: 'How much the application may use.',
    allOf: [block('limits', {
      'requests-per-minute': ref('count', 'Requests in a minute.'),
      'tokens-per-minute': ref('count', 'Tokens in a minute, in and out.'),
      'spend-per-day': { description: 'Money in a day.', allOf: [pattern('an amount and a currency, such as 50 USD', '^\\d{1,9}(?:\\.\\d{1,6})? [A-Z]{3}$')] },
    })],
  },
  'loopback-only': ref('yes-no', 'Whether its keys work from the same machine only.'),
  'stream-rescue': ref('yes-no', 'Whether another permitted deployment may go on with a stream that breaks; yes when it is not said.'),
  'on-content-filter': oneOf(['return', 'next'], 'What to do when the content filter of a provider refuses: return that answer, or ask the next permitted deployment.'),
  timeouts: timeouts('How long to wait, each at most one hour; stands over what the catalog says.'),
}, { required: ['language', 'app', 'owner', 'grants'] })

const dated = {
  source: text('Where this is known from.'),
  'good-until': ref('time', 'The last day on which it may be believed; then it is unknown.'),
}

const factName = (fact: FactDefinition): string => `known-${fact.shape}-${elementOf(fact)}`

/** A fact of a deployment: its value, or the value with its source. Facts written alike share one. */
function known(fact: FactDefinition): Schema {
  const one = fact.type === 'closed' ? oneOf([...fact.words!, 'unknown']) : fact.type === 'yes-no' ? oneOf(['yes', 'no', 'unknown'])
    : fact.type === 'duration' ? definitions['duration-or-unknown']! : ref('word')
  const value = fact.shape === 'set' ? oneOrMany(one) : one
  return {
    if: { type: 'object' },
    then: block('a fact with its source', { value: { description: 'What is known of it; unknown when it is not known.', allOf: [value] }, 'as-of': ref('date', 'When it was looked up.'), ...dated }, { required: ['value'] }),
    else: value,
  }
}

const catalogFacts: readonly FactDefinition[] = DEPLOYMENT_FACTS.filter(f => !(NAME_FACTS as readonly string[]).includes(f.name))
const knowns: { readonly [name: string]: Schema } = Object.fromEntries(catalogFacts.map(f => [factName(f), known(f)]))
const facts: { readonly [fact: string]: Schema } = Object.fromEntries(catalogFacts.map(f => [f.name, ref(factName(f), f.says)]))

const connection: { readonly [word: string]: Schema } = {
  dialect: oneOf(['openai', 'ollama'], 'What the server speaks.'),
  'base-url': { description: 'The address of the server.', allOf: [pattern('an address that starts with http:// or https://', '^https?://[^\\s/?#@]+(?:/[^\\s?#]*)?$')] },
  key: { description: 'The name under which the key of the server is kept: env:NAME, never the key itself.', allOf: [pattern('the name of a secret (env:NAME), never the secret itself', '^env:[A-Z_][A-Z0-9_]*$')] },
  context: ref('count', 'Tokens of context.'),
  'max-output': ref('count', 'Tokens of one answer.'),
  can: { description: 'What the model can do.', ...oneOrMany(oneOf(CAPABILITIES)) },
  price: {
    description: 'Per million tokens.',
    allOf: [block('price', {
      input: ref('amount', 'For what is sent.'), output: ref('amount', 'For what is answered.'),
      currency: { description: 'The currency, in three capitals.', allOf: [pattern('a currency, such as USD', '^[A-Z]{3}$')] },
    }, { required: ['input', 'output', 'currency'] })],
  },
  quality: { description: 'How good its answers are, for the order of substitutes.', allOf: [digits('a whole number from 0 to 100', '^(?:100|\\d{1,2})$', { minimum: 0, maximum: 100, multipleOf: 1 })] },
  timeouts: timeouts('How long to wait, each at most one hour.'),
  reports: {
    description: 'What the server says of its own work; an answer that says otherwise is not used.',
    allOf: [block('reports', {
      model: { description: 'The names under which it may answer; name* for every name that begins so.', ...oneOrMany(ref('reported-model'), { minItems: 1 }) },
      region: {
        description: 'Where it says that the work was done.',
        allOf: [block('region', {
          header: { description: 'The header of its answers that names the place.', allOf: [pattern('the name of a header (letters, digits and dashes)', '^[A-Za-z0-9-]{1,100}$')] },
          means: { type: 'object', title: 'words of places', description: 'What its words mean, each as a country; any other word is refused.', minProperties: 1, additionalProperties: ref('word') },
        }, { required: ['header', 'means'] })],
      },
    }, { more: { minProperties: 1 } })],
  },
}

const catalog: Schema = block('a catalog file', {
  language: ref('language', 'The version of the language that the file is written in; always the first word.'),
  provider: ref('name', 'The name of the provider.'),
  ...titled,
  ...dated,
  'facts-as-of': ref('date', 'When the facts were looked up.'),
  timezone: ref('word', 'An IANA name, such as Europe/Brussels.'),
  ...facts,
  ...connection,
  discover: oneOf(['models'], 'Ask the server which models it holds; each becomes a deployment.'),
  rehearsal: oneOf(['us-cloud', 'eu-cloud', 'local'], 'A provider that only pretends, for a first run.'),
  'local-hosts': { description: 'Hosts in your own hands that count as local beside loopback, private and link-local addresses.', ...oneOrMany(ref('host'), { minItems: 1 }) },
  deployments: {
    type: 'array', description: 'The deployments of the provider.',
    items: block('a deployment', {
      deployment: ref('deployment-name', 'The name of the deployment, unique over all files.'),
      model: ref('model-name', 'The model name that callers ask for.'),
      'upstream-model': ref('word', 'What the server calls the model.'),
      pull: ref('yes-no', 'Whether the server may be told to fetch the model when it does not hold it; with dialect: ollama and discover: models only.'),
      ...dated,
      'facts-as-of': ref('date', 'When the facts were looked up.'),
      ...facts,
      ...connection,
    }, { required: ['deployment', 'model'] }),
  },
}, { required: ['language', 'provider', 'source', 'facts-as-of', 'good-until', 'timezone', 'deployments'] })

const memberDates = (description: string): Schema => ({ type: 'object', title: 'days of members', description, additionalProperties: ref('date') })

const group: Schema = block('a group file', {
  language: ref('language', 'The version of the language that the file is written in; always the first word.'),
  group: ref('group-name', 'The name by which rules call the group.'),
  ...titled,
  of: oneOf(['countries', 'certificates'], 'What the members are; countries when it is not said.'),
  members: { description: 'Everybody in the group.', ...oneOrMany(ref('word'), { minItems: 1 }) },
  from: memberDates('From which day a member counts.'),
  until: memberDates('To which day a member counts.'),
  timezone: ref('word', 'An IANA name; only with from or until.'),
  source: text('Where the list is from.'),
  'as-of': ref('date', 'When the list was looked up.'),
  'review-by': ref('date', 'When somebody must have looked at it again.'),
}, { required: ['language', 'group', 'members', 'source', 'as-of', 'review-by'] })

const labels: Schema = block('the labels file', {
  language: ref('language', 'The version of the language that the file is written in; always the first word.'),
  labels: {
    type: 'array', description: 'Labels beside the built-in ones.',
    items: block('a label', {
      label: ref('group-name', 'The name of the label.'),
      parent: ref('word', 'The label that this one is a kind of.'),
      ...titled,
    }, { required: ['label'] }),
  },
}, { required: ['language', 'labels'] })

const exceptionWords = {
  exception: ref('name', 'The name of the exception, unique over all files.'),
  rule: ref('word', 'The one rule it suspends, as policy/id.'),
  for: ref('request-block', 'The requests it is for.'),
  models: ref('deployment-block', 'The deployments it is for.'),
  category: oneOf(['waiver', 'mitigated'], 'waiver: the risk is accepted; mitigated: protected in another way.'),
  reason: text('Why.'),
  ticket: ref('word', 'Where it was asked for.'),
  'requested-by': ref('word', 'Who asked.'),
  'approved-by': ref('word', 'Who approved; named by the rule, and somebody else.'),
  from: ref('time', 'The first day.'),
  until: ref('time', 'The last day.'),
  timezone: ref('word', 'An IANA name, such as Europe/Brussels.'),
}
const exceptions: Schema = { type: 'array', title: 'an exceptions file', items: block('an exception', exceptionWords, { required: Object.keys(exceptionWords) }) }

const ruleNames: Schema = { type: 'object', title: 'deployments and rules', additionalProperties: oneOrMany(ref('word'), { minItems: 1 }) }
const someFacts = Object.fromEntries(REQUEST_FACTS.map(f => [f.name, stated(f)]))

const test: Schema = block('a test file', {
  language: ref('language', 'The version of the language that the file is written in; always the first word.'),
  'tests-for': { description: 'The policies under test.', ...oneOrMany(ref('word'), { minItems: 1 }) },
  clock: ref('offset-time', 'The time at which every case is decided, unless it says another.'),
  catalog: ref('word', 'A catalog file to use instead, relative to this file.'),
  people: { type: 'object', title: 'people', description: 'Facts by a short name.', additionalProperties: block('a person', someFacts) },
  cases: {
    type: 'array', minItems: 1, description: 'The cases.',
    items: block('a case', {
      name: text('What the case shows.'),
      at: ref('offset-time', 'The time of this case.'),
      given: {
        description: 'The request.',
        allOf: [block('given', {
          who: ref('word', 'A name under people.'), ...someFacts,
          'may-carry': { description: 'Stands for the may-carry of the app.', ...oneOrMany(ref('word')) },
        })],
      },
      allowed: { description: 'Exactly these deployments are permitted.', ...oneOrMany(ref('word')) },
      excluded: { description: 'Deployments, each with a rule that must be among the reasons.', ...ruleNames },
      'would-exclude': { description: 'Deployments that a warn or shadow rule would remove.', ...ruleNames },
      first: ref('word', 'The deployment that comes first.'),
      'must-do': ref('duties', 'Duties that must apply.'),
      'used-exceptions': { description: 'Exactly these exceptions are used.', ...oneOrMany(ref('word')) },
      refused: ref('yes-no', 'Whether the request is refused.'),
    }, { required: ['name', 'given'] }),
  },
}, { required: ['language', 'tests-for', 'clock', 'cases'] })

/** A schema with the definitions that it uses, directly or through one another. */
function complete(kind: Kind, schema: Schema): Schema {
  const all: { readonly [name: string]: Schema } = {
    ...definitions, ...elements, ...conditions, ...knowns, rule, duties,
  }
  const used: { [name: string]: Schema } = {}
  const collect = (part: unknown): void => {
    for (const [, name] of JSON.stringify(part).matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)) {
      if (Object.hasOwn(used, name!)) continue
      used[name!] = all[name!]!
      collect(all[name!])
    }
  }
  collect(schema)
  return { $schema: 'http://json-schema.org/draft-07/schema#', $id: `urn:bailiwick:v1:${kind}`, ...schema, definitions: used }
}

/** One schema per kind of file; directives share the one of policies. */
export const SCHEMAS: { readonly [kind in Kind]: Schema } = {
  app: complete('app', app), catalog: complete('catalog', catalog), group: complete('group', group), labels: complete('labels', labels),
  exceptions: complete('exceptions', exceptions), policy: complete('policy', policy), test: complete('test', test),
}
