/**
 * What this is for: random rulebooks, requests and times. The vocabularies are small on purpose, so that rules,
 * facts, exceptions and windows keep meeting each other; instants stand on an edge, a millisecond beside it, or between.
 * What it promises: every rulebook is one that the compiler could have made, and `seed` says how to make it again.
 */
import * as fc from 'fast-check'
import { BUILT_IN_LABELS, NOT_COLLECTED, REGISTERED_FACTS, deploymentFacts, requestFacts } from '../../src/policy/facts.ts'
import type { FactDefinition, Value } from '../../src/policy/facts.ts'
import type { Asked } from '../../src/policy/request.ts'
import type {
  App, Assumption, Block, DatedFact, Duties, Edge, Exception, Grant, Group, Instant, Matcher, Rule, RuledDeployment, Rulebook, Term, Window,
} from '../../src/policy/rule.ts'

/** Fixed, so that a run can be repeated; BAILIWICK_SEED chooses another. */
export const seed = Number(process.env['BAILIWICK_SEED'] ?? 20261122)
/** Settings for one property. fast-check prints the seed and the path of a failure. */
export const settings = (numRuns: number): fc.Parameters<unknown> => ({ seed, numRuns })

/** The world's clock: everything that starts or ends does so at one of these. */
const HOUR = 3_600_000
export const TICKS: readonly Instant[] = [1, 2, 3, 4].map(n => Date.UTC(2026, 10, 22) + n * HOUR)
export const instant: fc.Arbitrary<Instant> = fc.oneof(
  fc.constantFrom(...TICKS.flatMap(tick => [tick - 1, tick, tick + 1])),
  fc.constantFrom(...TICKS.map(tick => tick + HOUR / 2), TICKS[0]! - HOUR),
)
/** A year on: what most dates in a real tree look like from today. */
const FAR = TICKS[3]! + 8760 * HOUR
/** After everything has ended. */
export const afterAll: Instant = FAR + 1
const later = fc.constantFrom(...TICKS)
const dueDate: fc.Arbitrary<Instant> = fc.oneof({ weight: 3, arbitrary: fc.constant(FAR) }, { weight: 2, arbitrary: later })
const window: fc.Arbitrary<Window> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ from: -Infinity, until: Infinity }) },
  { weight: 1, arbitrary: fc.record({ from: fc.constant(-Infinity), until: later }) },
  { weight: 1, arbitrary: fc.record({ from: later, until: fc.constant(Infinity) }) },
  { weight: 2, arbitrary: fc.constantFrom<[number, number][]>([0, 1], [0, 2], [1, 2], [1, 3], [2, 3]).map(([from, until]) => ({ from: TICKS[from]!, until: TICKS[until]! })) },
)

// Words.

export const COUNTRIES = ['CA', 'CA-QC', 'CA-ON', 'US', 'FR', 'DE', 'CN']
const COUNTRY_GROUPS = ['north', 'parts', 'fading']
const CERTIFICATE_GROUPS = ['attestations']
export const LABELS: ReadonlyMap<string, string | undefined> = new Map([...BUILT_IN_LABELS, ['survey', 'special-category']])
const SOME_LABELS = ['personal', 'special-category', 'phi', 'itar', 'survey']
export const APPS = ['plain', 'registered', 'silent'] as const
const MODELS = ['v1/a', 'v1/b', 'v2/a']
/** Names that a comparison by letters alone, or by a language's alphabet, would put in another order. */
const DEPLOYMENTS = ['d-2', 'd10', 'd2', 'dB', 'da', 'd-a', 'd', 'D']

const WORDS: { readonly [fact: string]: readonly string[] } = {
  app: APPS, team: ['red', 'blue'], environment: ['production', 'test'], operation: ['chat', 'embedding'],
  data: ['none', ...SOME_LABELS], classification: ['public', 'internal', 'confidential', 'restricted'],
  'governed-by': ['gdpr', 'hipaa'], 'user-us-person': ['yes', 'no'], purpose: ['care', 'sales'], 'model-asked': ['v1/a', 'auto'],
  deployment: DEPLOYMENTS, model: MODELS, provider: ['p1', 'p2'], weights: ['open', 'closed'], licence: ['free', 'own'],
  hosting: ['local', 'sovereign', 'cloud'], staff: ['any', 'us-persons'], 'trains-on-data': ['yes', 'no'], 'human-review': ['yes', 'no'],
  certificates: ['dpf', 'soc', 'iso'], contracts: ['dpa', 'scc'], evidence: ['scope'], operations: ['chat', 'embedding'], 'embedding-space': ['s1', 's2'],
}
const NUMBERS: { readonly [fact: string]: readonly number[] } = { 'agent-depth': [0, 1, 2], retention: [0, 12, 24, 720] }
const REQUEST = ['app', 'team', 'data', 'classification', 'governed-by', 'people-in', 'user-in', 'user-nationality', 'user-us-person', 'operation', 'environment', 'purpose', 'agent-depth', 'user-resident-of', 'model-asked']
const DEPLOYMENT = ['deployment', 'model', 'provider', 'hosting', 'processed-in', 'entity-in', 'controlled-from', 'subprocessors-in', 'retention', 'certificates', 'trains-on-data', 'staff', 'weights', 'licence-bars', 'operations', 'developer-in']

const valuesOf = (definition: FactDefinition): readonly (string | number)[] =>
  definition.type === 'country' ? COUNTRIES : WORDS[definition.name] ?? NUMBERS[definition.name] ?? []

/** A known value of a fact, as it is held inside a rulebook. */
function value(definition: FactDefinition): fc.Arbitrary<Value> {
  const element = fc.constantFrom(...valuesOf(definition))
  if (definition.shape === 'one') return element
  if (definition.name === 'data') return fc.uniqueArray(fc.constantFrom(...SOME_LABELS), { maxLength: 2 }).map(labels => (labels.length === 0 ? ['none'] : labels))
  return fc.uniqueArray(element as fc.Arbitrary<string>, { maxLength: 2 })
}

// Rules.

function term(definition: FactDefinition): fc.Arbitrary<Term> {
  const plain = fc.constantFrom(...valuesOf(definition)).map(v => ({ value: v }))
  const groups = definition.type === 'country' ? COUNTRY_GROUPS : definition.name === 'certificates' ? CERTIFICATE_GROUPS : []
  if (groups.length > 0) return fc.oneof({ weight: 2, arbitrary: plain }, { weight: 1, arbitrary: fc.constantFrom(...groups).map(group => ({ group })) })
  return definition.type === 'model' ? fc.oneof(plain, fc.constant({ value: 'v1/*' })) : plain
}

function matcher(definition: FactDefinition): fc.Arbitrary<Matcher> {
  const terms = fc.array(term(definition), { minLength: 1, maxLength: 3 })
  const words = fc.oneof(
    { weight: 5, arbitrary: terms.map((any): Matcher => ({ any })) },
    { weight: 2, arbitrary: fc.oneof({ weight: 5, arbitrary: terms }, { weight: 1, arbitrary: fc.constant<Term[]>([]) }).map((only): Matcher => ({ only })) },
    { weight: 2, arbitrary: terms.map((none): Matcher => ({ none })) },
    { weight: 1, arbitrary: fc.tuple(terms, terms).map(([any, none]): Matcher => ({ any, none })) },
    { weight: 1, arbitrary: fc.tuple(terms, terms).map(([only, any]): Matcher => ({ only, any })) },
  )
  if (definition.ordered !== true) return words
  const bound = fc.constantFrom(...(NUMBERS[definition.name] ?? [0, 1, 2, 3]))
  return fc.oneof(
    bound.map((atLeast): Matcher => ({ atLeast })),
    bound.map((atMost): Matcher => ({ atMost })),
    fc.tuple(bound, bound).map(([atLeast, atMost]): Matcher => ({ atLeast, atMost })),
    words,
  )
}

export function block(of: 'request' | 'deployment', facts: readonly string[] = of === 'request' ? REQUEST : DEPLOYMENT): fc.Arbitrary<Block> {
  const definitions = of === 'request' ? requestFacts : deploymentFacts
  const leaf = fc.constantFrom(...facts).chain(fact => matcher(definitions.get(fact)!).map((match): Block => ({ kind: 'fact', fact, match })))
  return fc.letrec<{ block: Block }>(tie => ({
    block: fc.oneof({ maxDepth: 2, withCrossShrink: true },
      { weight: 6, arbitrary: leaf },
      { weight: 2, arbitrary: fc.array(tie('block'), { minLength: 1, maxLength: 3 }).map((parts): Block => ({ kind: 'and', parts })) },
      { weight: 2, arbitrary: fc.array(tie('block'), { minLength: 1, maxLength: 3 }).map((parts): Block => ({ kind: 'or', parts })) },
      { weight: 1, arbitrary: fc.constant<Block>({ kind: 'all' }) }),
  })).block
}

const ALL: Block = { kind: 'all' }
const logPlace: fc.Arbitrary<Term> = fc.oneof(fc.constantFrom(...COUNTRIES).map(v => ({ value: v })), fc.constantFrom(...COUNTRY_GROUPS).map(group => ({ group })))
const fullDuties: fc.Arbitrary<Duties> = fc.record({
  redact: fc.uniqueArray(fc.constantFrom('iban', 'email'), { minLength: 1 }),
  log: fc.constantFrom('none', 'metadata', 'full'),
  logIn: fc.uniqueArray(logPlace, { minLength: 1, maxLength: 3, selector: t => JSON.stringify(t) }),
  cache: fc.uniqueArray(fc.constantFrom('app', 'region')),
  notify: fc.uniqueArray(fc.constantFrom('platform', 'counsel'), { minLength: 1 }),
  retainEvidence: fc.constantFrom(12, 24, 720),
  header: fc.constantFrom<{ [name: string]: string }[]>({ 'x-one': '1' }, { 'x-two': '2' }, { 'x-one': '1', 'x-two': '2' }),
  rescue: fc.constant('no' as const),
  requestDigest: fc.constant('yes' as const),
}, { requiredKeys: [] })
const duties: fc.Arbitrary<Duties> = fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fullDuties })
const when: fc.Arbitrary<Block> = fc.oneof({ weight: 1, arbitrary: fc.constant(ALL) }, { weight: 3, arbitrary: block('request') })
const mode: fc.Arbitrary<Pick<Rule, 'mode' | 'modeUntil'>> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ mode: 'enforce' as const, modeUntil: Infinity }) },
  { weight: 1, arbitrary: fc.record({ mode: fc.constantFrom('warn' as const, 'shadow' as const), modeUntil: fc.oneof(later, fc.constant(TICKS[3]! + 30 * HOUR)) }) },
)
const ring = fc.option(block('request', ['app', 'team', 'user-in', 'environment']), { nil: undefined })

/** A rule without its number; `numbered` gives it a name and a place. */
type Nameless = Omit<Rule, 'name' | 'policy' | 'id' | 'place'>
const fixed = { title: 'a rule', because: 'a reason', law: undefined }
const restricting: fc.Arbitrary<Nameless> = fc.record({
  effect: fc.constantFrom('forbid' as const, 'require' as const), when, block: block('deployment'), window, mode, ring, duties, directive: fc.nat(7), allowed: fc.nat(3),
}).map(r => ({
  ...fixed, effect: r.effect, when: r.when, blocks: [r.block], window: r.window, ...r.mode, duties: r.duties, directive: r.directive === 0,
  enforceFor: r.mode.mode === 'enforce' ? undefined : r.ring,
  exceptions: { allowed: r.directive !== 0 && r.allowed !== 0, atMostDays: undefined, approvers: ['dpo'] },
}))
const preferring: fc.Arbitrary<Nameless> = fc.record({ when, blocks: fc.array(block('deployment'), { minLength: 1, maxLength: 3 }), window, duties }).map(r => ({
  ...fixed, effect: 'prefer', directive: false, mode: 'enforce', modeUntil: Infinity, enforceFor: undefined, ...r,
  exceptions: { allowed: false, atMostDays: undefined, approvers: [] },
}))
export const numbered = (rule: Nameless, n: number): Rule =>
  ({ ...rule, policy: `p${n % 3}`, id: `r${n}`, name: `p${n % 3}/r${n}`, place: { file: `rules/p${n % 3}.policy.yaml`, line: n + 1, column: 5 } })
export const namelessRule = (effects: 'restricting' | 'preferring' | 'any'): fc.Arbitrary<Nameless> =>
  effects === 'restricting' ? restricting : effects === 'preferring' ? preferring : fc.oneof({ weight: 4, arbitrary: restricting }, { weight: 1, arbitrary: preferring })

/** An exception without its name and rule; its two dates are compulsory. */
const scope = fc.record({
  for: fc.oneof({ weight: 1, arbitrary: fc.constant(ALL) }, { weight: 2, arbitrary: block('request', ['app', 'team', 'data', 'user-in', 'classification', 'user-nationality']) }),
  models: fc.oneof({ weight: 1, arbitrary: fc.constant(ALL) }, { weight: 2, arbitrary: block('deployment', ['deployment', 'model', 'hosting', 'processed-in']) }),
  window: fc.constantFrom<[number, number][]>([0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]).map(([from, until]) => ({ from: TICKS[from]! - (from === 0 ? 2 * HOUR : 0), until: TICKS[until]! })),
})
export type Scope = { readonly for: Block; readonly models: Block; readonly window: Window }
export const exceptionScope: fc.Arbitrary<Scope> = scope
export const exceptionFor = (rule: string, where: Scope, n: number): Exception => ({
  name: `EX-${n}`, rule, ...where, category: 'waiver', reason: 'a reason', ticket: 'T-1',
  requestedBy: 'one@example.eu', approvedBy: 'dpo@example.eu', place: { file: 'exceptions/2026.yaml', line: n + 1, column: 3 },
})

// Groups, deployments, apps.

const alwaysOr = fc.oneof({ weight: 2, arbitrary: fc.constant({ from: -Infinity, until: Infinity }) }, { weight: 1, arbitrary: window })
const group = (name: string, of: Group['of'], members: readonly string[]): fc.Arbitrary<Group> =>
  fc.tuple(...members.map(v => fc.record({ value: fc.constant(v), window: alwaysOr }))).map(dated => ({
    name, of, members: dated, source: 'a list', asOf: '2026-11-01', reviewBy: '2027-05-01', place: { file: `groups/${name}.yaml`, line: 1, column: 1 },
  }))
const groups = fc.tuple(
  group('north', 'countries', ['CA', 'US']), group('parts', 'countries', ['CA-QC', 'FR']), group('fading', 'countries', ['FR', 'DE', 'CN']),
  group('attestations', 'certificates', ['dpf', 'soc']),
).map(all => new Map(all.map(one => [one.name, one])))

const datedFact = (definition: FactDefinition): fc.Arbitrary<DatedFact> => fc.record({ value: value(definition), goodUntil: dueDate })
const factNames = [...deploymentFacts.keys()].filter(name => !['deployment', 'model', 'provider'].includes(name))
const deployment: fc.Arbitrary<Omit<RuledDeployment, 'name'>> = fc.record({
  model: fc.constantFrom(...MODELS), provider: fc.constantFrom('p1', 'p2'), price: fc.option(fc.constantFrom(0, 1, 2), { nil: undefined }),
  facts: fc.record(Object.fromEntries(factNames.map(name => [name, fc.option(datedFact(deploymentFacts.get(name)!), { nil: undefined, freq: 5 })]))),
})

const grant: fc.Arbitrary<Grant> = fc.oneof(
  fc.uniqueArray(fc.constantFrom('v1/*', ...MODELS), { minLength: 1, maxLength: 2 }).map(model => ({ model })),
  fc.uniqueArray(fc.constantFrom(...DEPLOYMENTS), { minLength: 1, maxLength: 3 }).map(deployments => ({ deployment: deployments })),
)
const grants: fc.Arbitrary<App['grants']> = fc.oneof({ weight: 3, arbitrary: fc.constant('all' as const) }, { weight: 1, arbitrary: fc.array(grant, { minLength: 1, maxLength: 2 }) })
const app = (name: string): fc.Arbitrary<App> => grants.map(granted => ({
  name, title: undefined, owner: 'lead@example.eu', grants: granted, registered: {}, mayCarry: undefined, mayAssert: [], assumptions: [],
  place: { file: `apps/${name}.yaml`, line: 1, column: 1 },
}))

const assumable = REQUEST.filter(name => !['app', 'data'].includes(name))
const assumption: fc.Arbitrary<Assumption> = fc.constantFrom(...assumable).chain(fact => fc.record({
  fact: fc.constant(fact),
  value: fc.oneof({ weight: 3, arbitrary: value(requestFacts.get(fact)!) }, { weight: 1, arbitrary: fc.constant(NOT_COLLECTED) }),
  basis: fc.constant('a basis'), owner: fc.constant('hr@example.eu'), until: later, place: fc.constant({ file: 'apps/registered.yaml', line: 9, column: 3 }),
}))
const closeUpward = (labels: readonly string[]): string[] => {
  const all = new Set<string>()
  for (const label of labels) for (let next: string | undefined = label; next !== undefined; next = LABELS.get(next)) all.add(next)
  return [...all]
}
const registeredApp = (name: string): fc.Arbitrary<App> => fc.record({
  app: app(name),
  registered: fc.record(Object.fromEntries(REGISTERED_FACTS.map(fact => [fact, value(requestFacts.get(fact)!)])), { requiredKeys: [] }),
  mayCarry: fc.option(fc.oneof({ weight: 4, arbitrary: fc.subarray(SOME_LABELS, { minLength: 2 }) }, { weight: 1, arbitrary: fc.constant<string[]>([]) }).map(closeUpward), { nil: undefined }),
  assumptions: fc.uniqueArray(assumption, { minLength: 1, maxLength: 6, selector: one => one.fact }),
}).map(r => ({
  ...r.app, registered: r.registered, mayCarry: r.mayCarry,
  assumptions: r.assumptions.filter(one => r.registered[one.fact] === undefined),
}))

/** Every instant at which anything in the rulebook starts or ends (rule.ts, edges). */
export function withEdges(book: Omit<Rulebook, 'edges'>): Rulebook {
  const moments = [
    ...book.rules.flatMap(r => [r.window.from, r.window.until, r.modeUntil]),
    ...book.exceptions.flatMap(e => [e.window.from, e.window.until]),
    ...[...book.groups.values()].flatMap(g => g.members.flatMap(m => [m.window.from, m.window.until])),
    ...[...book.apps.values()].flatMap(a => a.assumptions.map(x => x.until)),
    ...book.deployments.flatMap(d => Object.values(d.facts).flatMap(f => (f === undefined ? [] : [f.goodUntil]))),
  ]
  const edges: Edge[] = [...new Set(moments.filter(Number.isFinite))].sort((x, y) => x - y).map(at => ({ at, zone: 'UTC' }))
  return { ...book, edges }
}

export const rulebook: fc.Arbitrary<Rulebook> = fc.record({
  deployments: fc.tuple(fc.shuffledSubarray(DEPLOYMENTS, { minLength: 1 }), fc.array(deployment, { minLength: DEPLOYMENTS.length, maxLength: DEPLOYMENTS.length }))
    .map(([names, bodies]) => names.map((name, i) => ({ ...bodies[i]!, name }))),
  rules: fc.array(namelessRule('any'), { maxLength: 8, size: 'small' }),
  scopes: fc.array(fc.tuple(fc.nat(7), scope), { maxLength: 3 }),
  groups,
  apps: fc.tuple(app('plain'), registeredApp('registered'), registeredApp('silent')),
}).map(w => {
  const rules = w.rules.map(numbered)
  const excusable = rules.filter(rule => rule.exceptions.allowed)
  return withEdges({
    deployments: w.deployments, rules, groups: w.groups, labels: LABELS, apps: new Map(w.apps.map(one => [one.name, one])),
    exceptions: excusable.length === 0 ? [] : w.scopes.map(([n, where], i) => exceptionFor(excusable[n % excusable.length]!.name, where, i + 1)),
  })
})

// Requests.

const garbage = fc.constantFrom<unknown>('unknown', null, 'Frnace', 'fr', 'no', '', 7, -1, 1.5, true, {}, ['XX'], ['FR', 'unknown'], ['FR', null], ['none', 'personal'], ['personal', 'persnal'], [[]], NOT_COLLECTED)
/** A fact as JSON gives it: good, or written without brackets, or nothing that anybody can read. */
function raw(definition: FactDefinition): fc.Arbitrary<unknown> {
  const bare = value(definition).map(v => (typeof v === 'object' && v.length === 1 ? v[0] : v))
  const empty = definition.shape === 'set' ? [{ weight: 1, arbitrary: fc.constant<unknown>([]) }] : []
  return fc.oneof<fc.WeightedArbitrary<unknown>[]>({ weight: 12, arbitrary: value(definition) }, { weight: 2, arbitrary: bare }, ...empty, { weight: 1, arbitrary: garbage })
}
const rawFacts = (names: readonly string[]): fc.Arbitrary<{ [fact: string]: unknown }> =>
  fc.record(Object.fromEntries(names.map(name => [name, raw(requestFacts.get(name)!)])), { requiredKeys: [] })

/** The caller never states the app: its key does. */
export const statements = rawFacts(REQUEST.filter(name => name !== 'app'))
export const claims = (appName: fc.Arbitrary<unknown>): fc.Arbitrary<{ [fact: string]: unknown }> =>
  fc.tuple(rawFacts(REQUEST.filter(name => name !== 'app')), appName).map(([facts, name]) => (name === undefined ? facts : { ...facts, app: name }))
const anyApp = fc.oneof({ weight: 12, arbitrary: fc.constantFrom<unknown>(...APPS) }, { weight: 1, arbitrary: fc.constantFrom<unknown>('unknown', 'nobody', undefined, null, ['plain']) })
export const asked: fc.Arbitrary<Asked> = fc.oneof(
  claims(anyApp).map(trusted => ({ trusted })),
  fc.tuple(claims(anyApp), statements).map(([trusted, stated]) => ({ trusted, stated })),
)
/** Requests of the app whose registration says nothing about its requests. */
export const askedPlain: fc.Arbitrary<Asked> = fc.oneof(
  claims(fc.constant('plain')).map(trusted => ({ trusted })),
  fc.tuple(claims(fc.constant('plain')), statements).map(([trusted, stated]) => ({ trusted, stated })),
)
