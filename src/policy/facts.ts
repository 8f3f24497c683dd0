/**
 * What this is for: the closed vocabulary of request facts and deployment facts (policy-language, section 3),
 * and the values they take. One table; the parser, the matcher, the schema and the messages all read it.
 *
 * What it assumes: nothing. What it promises: a fact that is not in this table does not exist.
 */

/** A value, already read and typed. Durations are hours; classification stays a word; yes and no are words. */
export type Value = string | number | readonly string[]

/** Facts by name. INVARIANT: an absent fact is unknown; there is no other way to say unknown inside. */
export type Facts = { readonly [name: string]: Value | undefined }

/** A known value that no list has: "we do not collect this" (policy-files, App). Never ordered, never a member. */
export const NOT_COLLECTED = 'not-collected'

/** How one element of a fact is written and compared. */
export type Type =
  | 'country' // ISO 3166-1 alpha-2, or 3166-2 for a part of one
  | 'label' // a label of the tree
  | 'closed' // one of `words`
  | 'yes-no'
  | 'number' // a whole number, 0 or more
  | 'duration' // a whole number of hours
  | 'open' // any word; a word used once in the tree is a warning (section 15)
  | 'free' // any word, without a warning
  | 'app' | 'deployment' | 'model' | 'provider' // a name that must exist where it is used

export type FactDefinition = {
  readonly name: string
  readonly of: 'request' | 'deployment'
  /** One value, or a set of values. A single value counts as a set of one under only and none. */
  readonly shape: 'one' | 'set'
  readonly type: Type
  /** The words of a closed fact; in ascending order where the fact is ordered. */
  readonly words?: readonly string[]
  /** Only ordered facts take at-least and at-most. */
  readonly ordered?: true
  /** One sentence for the officer: shown by the editor and by the reference. */
  readonly says: string
}

const define = <const T extends readonly FactDefinition[]>(table: T): T => table

export const CLASSIFICATIONS = ['public', 'internal', 'confidential', 'restricted'] as const
export const OPERATIONS = ['chat', 'completion', 'embedding', 'rerank', 'image', 'speech', 'transcription', 'moderation'] as const
export type Operation = (typeof OPERATIONS)[number]

export const REQUEST_FACTS = define([
  { name: 'app', of: 'request', shape: 'one', type: 'app', says: 'The registered application that sends the prompt.' },
  { name: 'team', of: 'request', shape: 'one', type: 'free', says: 'The team the application works for.' },
  { name: 'environment', of: 'request', shape: 'one', type: 'free', says: 'Where the application runs: production, test and so on.' },
  { name: 'operation', of: 'request', shape: 'one', type: 'closed', words: OPERATIONS, says: 'What is asked of the model.' },
  { name: 'data', of: 'request', shape: 'set', type: 'label', says: 'What kind of data the prompt carries, as labels. A label carries its parents.' },
  { name: 'classification', of: 'request', shape: 'one', type: 'closed', words: CLASSIFICATIONS, ordered: true, says: 'How confidential the prompt is.' },
  { name: 'governed-by', of: 'request', shape: 'set', type: 'open', says: 'The laws that govern the data, such as gdpr, uk-gdpr, hipaa.' },
  { name: 'people-in', of: 'request', shape: 'set', type: 'country', says: 'The countries where the people are whom the data is about.' },
  { name: 'user-in', of: 'request', shape: 'one', type: 'country', says: 'The country the user is in.' },
  { name: 'user-nationality', of: 'request', shape: 'set', type: 'country', says: 'Every nationality the user holds.' },
  { name: 'user-resident-of', of: 'request', shape: 'set', type: 'country', says: 'The countries where the user is a permanent resident.' },
  { name: 'user-us-person', of: 'request', shape: 'one', type: 'yes-no', says: 'Whether the user is a US person (15 CFR 772.1).' },
  { name: 'purpose', of: 'request', shape: 'one', type: 'free', says: 'What the prompt is for.' },
  { name: 'model-asked', of: 'request', shape: 'one', type: 'free', says: 'The model name the caller asked for.' },
  { name: 'agent-depth', of: 'request', shape: 'one', type: 'number', ordered: true, says: 'How many agents stand between the user and this call; 0 is the user.' },
])

export const DEPLOYMENT_FACTS = define([
  { name: 'deployment', of: 'deployment', shape: 'one', type: 'deployment', says: 'One model at one provider in one place.' },
  { name: 'model', of: 'deployment', shape: 'one', type: 'model', says: 'The model name callers ask for; vendor/* stands for all of a vendor.' },
  { name: 'provider', of: 'deployment', shape: 'one', type: 'provider', says: 'Who operates the deployment.' },
  { name: 'developer-in', of: 'deployment', shape: 'one', type: 'country', says: 'The country of who made the weights.' },
  { name: 'weights', of: 'deployment', shape: 'one', type: 'closed', words: ['open', 'closed'], says: 'Whether the weights are published.' },
  { name: 'licence', of: 'deployment', shape: 'one', type: 'free', says: 'The licence of the weights.' },
  { name: 'licence-bars', of: 'deployment', shape: 'set', type: 'country', says: 'Countries where the licence does not allow use.' },
  { name: 'hosting', of: 'deployment', shape: 'one', type: 'closed', words: ['local', 'sovereign', 'cloud'], says: 'On our own machines, in a sovereign cloud, or in a cloud.' },
  { name: 'processed-in', of: 'deployment', shape: 'set', type: 'country', says: 'Every country where the prompt may be processed.' },
  { name: 'stored-in', of: 'deployment', shape: 'set', type: 'country', says: 'Every country where prompt or answer may be stored.' },
  { name: 'logs-in', of: 'deployment', shape: 'set', type: 'country', says: 'Every country where logs of the provider may be kept.' },
  { name: 'entity-in', of: 'deployment', shape: 'one', type: 'country', says: 'The country of the company the contract is with.' },
  { name: 'controlled-from', of: 'deployment', shape: 'set', type: 'country', says: 'The countries whose law reaches the ultimate owner.' },
  { name: 'subprocessors-in', of: 'deployment', shape: 'set', type: 'country', says: 'Every country of a sub-processor, over the whole chain.' },
  { name: 'staff', of: 'deployment', shape: 'one', type: 'closed', words: ['any', 'us-persons', 'eu-residents'], says: 'Who may operate the machines.' },
  { name: 'retention', of: 'deployment', shape: 'one', type: 'duration', ordered: true, says: 'How long the provider keeps prompt or answer: 0d, 30d, 12h.' },
  { name: 'trains-on-data', of: 'deployment', shape: 'one', type: 'yes-no', says: 'Whether the provider trains on what it is sent.' },
  { name: 'human-review', of: 'deployment', shape: 'one', type: 'yes-no', says: 'Whether people at the provider may read prompts.' },
  { name: 'certificates', of: 'deployment', shape: 'set', type: 'open', says: 'Certificates and attestations, such as eu-us-dpf, secnumcloud-3.2.' },
  { name: 'contracts', of: 'deployment', shape: 'set', type: 'open', says: 'Contracts signed with the provider, such as dpa, scc, baa.' },
  { name: 'evidence', of: 'deployment', shape: 'set', type: 'open', says: 'Evidence on file, such as transfer-assessment.' },
  { name: 'operations', of: 'deployment', shape: 'set', type: 'closed', words: OPERATIONS, says: 'What the deployment can be asked to do.' },
  { name: 'embedding-space', of: 'deployment', shape: 'one', type: 'free', says: 'The vector space of its embeddings; spaces are never mixed.' },
])

export type RequestFact = (typeof REQUEST_FACTS)[number]['name']
export type DeploymentFact = (typeof DEPLOYMENT_FACTS)[number]['name']

const byName = (table: readonly FactDefinition[]): ReadonlyMap<string, FactDefinition> => new Map(table.map(f => [f.name, f]))
export const requestFacts = byName(REQUEST_FACTS)
export const deploymentFacts = byName(DEPLOYMENT_FACTS)

/** Facts an app registration may state for its requests (policy-files, App). */
export const REGISTERED_FACTS = ['team', 'environment', 'purpose', 'governed-by', 'people-in'] as const satisfies readonly RequestFact[]

/** Names that carry no date and never go stale. */
export const NAME_FACTS = ['deployment', 'model', 'provider'] as const satisfies readonly DeploymentFact[]

/** The built-in labels and their parent (section 3). `none` excludes every other label. */
export const BUILT_IN_LABELS: ReadonlyMap<string, string | undefined> = new Map([
  ['none', undefined], ['personal', undefined], ['special-category', 'personal'], ['phi', 'special-category'],
  ['child', 'personal'], ['pseudonymous', 'personal'], ['payment-card', undefined], ['ear-controlled', undefined],
  ['itar', undefined], ['bulk-us-sensitive', undefined], ['trade-secret', undefined], ['source-code', undefined],
])
