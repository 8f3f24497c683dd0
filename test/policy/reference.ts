/**
 * What this is for: the oracle. The meaning of the policy language in naive lines: every rule is walked for every
 * deployment, nothing is shared, cached or compiled. Sentences that carry a number carry that of policy-language,
 * section 4; the others name their section.
 * What it assumes: a rulebook as the compiler makes it. What it promises: it shares no evaluation code with src/policy,
 * only the vocabulary and the list of countries; where the two disagree, one of them misreads the page.
 */
import { isCountry } from '../../src/policy/countries.ts'
import { CLASSIFICATIONS, NOT_COLLECTED, REGISTERED_FACTS, deploymentFacts, requestFacts } from '../../src/policy/facts.ts'
import type { FactDefinition, Value } from '../../src/policy/facts.ts'
import type { App, Block, Exception, Instant, LogLevel, Matcher, Rule, RuledDeployment, Rulebook, Term, Window } from '../../src/policy/rule.ts'

type Raw = { readonly [name: string]: unknown }
export type ReferenceAsked = { readonly trusted: Raw; readonly stated?: Raw }

export type ReferenceRow = {
  readonly granted: boolean
  /** Full names of the rules that remove the deployment, granted or not. */
  readonly removedBy: Set<string>
  /** Those among them whose deployment block was unknown. */
  readonly unknownIn: Set<string>
  /** By removing rule: the facts named by the parts that did not hold (for a forbid: that were not known false). */
  readonly factsIn: Map<string, Set<string>>
  readonly wouldExclude: Set<string>
  /** "EX-1 policy/rule" for each exception that lifted a removal. */
  readonly exceptions: Set<string>
}

export type ReferenceDuties = {
  redact?: Set<string>
  log?: LogLevel
  /** Whether a place lies inside every list of places that a rule in force gives. */
  mayLogIn?: (place: string) => boolean
  cache?: Set<string>
  notify?: Set<string>
  /** Hours. */
  retainEvidence?: number
  rescue?: 'no'
  requestDigest?: 'yes'
  header?: Map<string, string>
}

export type Reference = {
  readonly outcome: 'permit' | 'refuse'
  readonly code: 'no_permitted_model' | 'data_not_registered' | undefined
  readonly permitted: readonly string[]
  readonly rows: ReadonlyMap<string, ReferenceRow>
  readonly duties: ReferenceDuties
  readonly assumptions: ReadonlySet<string>
  /** Full names of the rules in force whose when is not known to be false, whatever their mode. */
  readonly active: ReadonlySet<string>
}

/** Read facts by name; a fact that is not in the map is unknown. */
type Known = Map<string, Value>
/** The facts that nobody stated, and what spoke for them. */
type Filled = Map<string, 'may-carry' | 'assume'>

export function reference(rulebook: Rulebook, asked: ReferenceAsked, at: Instant): Reference {
  const claimed = readFacts(rulebook, asked.trusted)
  const said = readFacts(rulebook, asked.stated ?? {})
  const appName = claimed.get('app')
  const app = typeof appName === 'string' ? rulebook.apps.get(appName) : undefined

  // Sentence 8: a request that states a label outside its app's declared may-carry is refused outright.
  // Section 15: every row is then excluded with an empty because.
  if (app?.mayCarry !== undefined && [claimed, said].some(facts => !labelsInside(rulebook, facts.get('data'), app.mayCarry!))) {
    return { outcome: 'refuse', code: 'data_not_registered', permitted: [], rows: emptyRows(rulebook, app), duties: {}, assumptions: new Set(), active: new Set() }
  }

  // Section 3: A holds what the registration says, which outranks a claim, and what the claims say beside it.
  const stated: Known = new Map(claimed)
  for (const name of REGISTERED_FACTS) {
    const registered = app?.registered[name]
    if (registered !== undefined) stated.set(name, registered)
  }
  const { facts: a, filled } = fillIn(rulebook, app, stated, at)
  // Section 15: for a registered fact that the request also states, the narrowing rule holds. Section 3: B is the same
  // with the caller's statements put in. Each step may only narrow, so the request is decided under every reading.
  const b = putIn(a, claimed)
  const c = putIn(b, said)
  const decided = [a, b, c].map(facts => decideOneReading(rulebook, app, facts, filled, at))

  // Section 3: permitted = permitted(A) and permitted(B), and the duties of both apply.
  // Section 15: rows show the union of reasons and the order is that of A.
  const rows = new Map(rulebook.deployments.map(d => [d.name, unite(decided.map(one => one.rows.get(d.name)!))]))
  const permitted = decided[0]!.ordered.filter(name => rows.get(name)!.granted && rows.get(name)!.removedBy.size === 0)

  // Sentence 7: permitted = granted and not removed by any rule in force. Empty = refusal.
  return {
    outcome: permitted.length > 0 ? 'permit' : 'refuse',
    code: permitted.length > 0 ? undefined : 'no_permitted_model',
    permitted,
    rows,
    duties: combine(rulebook, decided.flatMap(one => one.dutiesFrom), at),
    assumptions: new Set(decided.flatMap(one => one.assumptions)),
    active: new Set(decided.flatMap(one => one.active)),
  }
}

type OneReading = {
  readonly rows: Map<string, ReferenceRow>
  readonly ordered: readonly string[]
  readonly dutiesFrom: readonly Rule[]
  readonly assumptions: readonly string[]
  readonly active: readonly string[]
}

function decideOneReading(rulebook: Rulebook, app: App | undefined, facts: Known, filled: Filled, at: Instant): OneReading {
  const judge = (block: Block, about: Known, definitions: ReadonlyMap<string, FactDefinition>): Truth => truthOf(rulebook, block, about, definitions, at)

  // Sentence 4: a rule outside its effective window is not in force.
  const inForce = rulebook.rules.filter(rule => inside(rule.window, at))
  // Sentence 1: a rule is active unless its when is known to be false.
  const active = inForce.filter(rule => judge(rule.when, facts, requestFacts) !== 'false')
  // Sentence 6: warn and shadow enforce once mode-until has passed. Section 15: inside the ring, or where nobody knows
  // whether we are inside it, a rule enforces; outside it keeps its mode.
  const enforces = (rule: Rule): boolean => rule.mode === 'enforce' || at >= rule.modeUntil
    || (rule.enforceFor !== undefined && judge(rule.enforceFor, facts, requestFacts) !== 'false')

  // Section 15: an exception never matches on data that is only taken from may-carry.
  const factsForExceptions = new Map(facts)
  if (filled.get('data') === 'may-carry') factsForExceptions.delete('data')
  // Sentence 5: it suspends one rule for a deployment only if for and models are both known true and now is inside its dates.
  const suspends = (exception: Exception, rule: Rule, deployment: Known): boolean => exception.rule === rule.name
    && inside(exception.window, at)
    && judge(exception.for, factsForExceptions, requestFacts) === 'true'
    && judge(exception.models, deployment, deploymentFacts) === 'true'

  const rows = new Map<string, ReferenceRow>()
  for (const deployment of rulebook.deployments) {
    const row = emptyRow(isGranted(app, deployment))
    const itsFacts = factsOf(deployment, at)
    for (const rule of active) {
      if (rule.effect === 'prefer') continue
      // Sentence 2: forbid removes unless the block is known false; require removes unless it is known true.
      const block = rule.blocks[0]!
      const holds = judge(block, itsFacts, deploymentFacts)
      const removes = rule.effect === 'forbid' ? holds !== 'false' : holds !== 'true'
      if (!removes) continue
      const suspending = rulebook.exceptions.filter(exception => suspends(exception, rule, itsFacts))
      for (const exception of suspending) row.exceptions.add(`${exception.name} ${rule.name}`)
      if (suspending.length > 0) continue
      if (!enforces(rule)) { row.wouldExclude.add(rule.name); continue }
      row.removedBy.add(rule.name)
      if (holds === 'unknown') row.unknownIn.add(rule.name)
      const lets = rule.effect === 'forbid' ? 'false' : 'true'
      row.factsIn.set(rule.name, new Set(factsAgainst(block, part => judge(part, itsFacts, deploymentFacts) !== lets)))
    }
    rows.set(deployment.name, row)
  }

  // Sentence 3: the rank under a prefer is the index of the first block known true, or the number of blocks; ranks add up.
  // Ties: cheaper first (section 15: no price is dearest), then deployment id.
  const rankOf = (deployment: RuledDeployment): number => {
    let sum = 0
    for (const rule of active) {
      if (rule.effect !== 'prefer') continue
      const first = rule.blocks.findIndex(block => judge(block, factsOf(deployment, at), deploymentFacts) === 'true')
      sum += first === -1 ? rule.blocks.length : first
    }
    return sum
  }
  const ordered = [...rulebook.deployments].sort((x, y) =>
    compare(rankOf(x), rankOf(y)) || compare(x.price ?? Infinity, y.price ?? Infinity) || compare(x.name, y.name))

  return {
    rows,
    ordered: ordered.map(deployment => deployment.name),
    // Section 15: duties come from every active, enforcing rule.
    dutiesFrom: active.filter(enforces),
    active: active.map(rule => rule.name),
    // Section 15: assumptions lists each value taken from may-carry or assume that a rule in force asked for.
    assumptions: [...filled.keys()].filter(name => inForce.some(rule => names(rule.when, name) || (rule.enforceFor !== undefined && names(rule.enforceFor, name)))),
  }
}

// Reading what a request says.

/** Sentence 10: whatever cannot be read is unknown, so it is left out. */
function readFacts(rulebook: Rulebook, raw: Raw): Known {
  const known: Known = new Map()
  for (const definition of requestFacts.values()) {
    const value = readFact(rulebook, definition, Object.hasOwn(raw, definition.name) ? raw[definition.name] : undefined)
    if (value !== undefined) known.set(definition.name, value)
  }
  return known
}

function readFact(rulebook: Rulebook, definition: FactDefinition, raw: unknown): Value | undefined {
  if (raw === undefined || raw === null || raw === 'unknown') return undefined
  if (definition.shape === 'one') return readElement(rulebook, definition, raw)
  const elements = (Array.isArray(raw) ? raw : [raw]).map(element => readElement(rulebook, definition, element))
  // Section 15: one unreadable element makes a set unknown.
  if (elements.some(element => typeof element !== 'string')) return undefined
  const set = elements as string[]
  if (definition.name !== 'data') return set
  // Section 15: an empty data is [none]; none together with another label is unreadable.
  if (set.length === 0) return ['none']
  if (set.includes('none') && set.some(label => label !== 'none')) return undefined
  // Section 3: closure happens once, on the request.
  return closed(rulebook, set)
}

function readElement(rulebook: Rulebook, definition: FactDefinition, raw: unknown): string | number | undefined {
  if (definition.type === 'number') return typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= 0 ? raw : undefined
  if (typeof raw !== 'string' || raw === '' || raw === 'unknown') return undefined
  switch (definition.type) {
    case 'country': return isCountry(raw) ? raw : undefined
    case 'label': return rulebook.labels.has(raw) ? raw : undefined
    case 'closed': return definition.words!.includes(raw) ? raw : undefined
    case 'yes-no': return raw === 'yes' || raw === 'no' ? raw : undefined
    case 'app': return rulebook.apps.has(raw) ? raw : undefined
    default: return raw
  }
}

/** A label and all its parents. */
function closed(rulebook: Rulebook, labels: readonly string[]): string[] {
  const all = new Set<string>()
  for (const label of labels) {
    for (let next: string | undefined = label; next !== undefined; next = rulebook.labels.get(next)) all.add(next)
  }
  return [...all]
}

/** Section 15: none is always inside may-carry. */
function labelsInside(rulebook: Rulebook, data: Value | undefined, mayCarry: readonly string[]): boolean {
  if (data === undefined) return true
  const inside = closed(rulebook, mayCarry)
  return (data as readonly string[]).every(label => label === 'none' || inside.includes(label))
}

/**
 * Section 3: labels and sets united, classification the higher, single values replaced. What is not known to be said
 * changes nothing. A set united with an unknown one, and the higher of a level and an unknown one, are unknown: else a
 * caller could put its own word where nobody vouches for anything, and a fact that becomes unknown would enlarge.
 */
function putIn(facts: Known, statements: Known): Known {
  const result: Known = new Map(facts)
  for (const [name, said] of statements) {
    const before = facts.get(name)
    const piles = name === 'classification' || requestFacts.get(name)!.shape === 'set'
    if (before === undefined && piles) continue
    if (before === undefined || before === NOT_COLLECTED || !piles) result.set(name, said)
    else if (name === 'classification') result.set(name, level(said) > level(before) ? said : before)
    else result.set(name, united(name, listed(before), listed(said)))
  }
  return result
}

/** "Carries nothing" united with a label is that label. */
function united(name: string, a: readonly (string | number)[], b: readonly (string | number)[]): string[] {
  const all = [...new Set([...a, ...b] as string[])]
  return name === 'data' && all.length > 1 ? all.filter(label => label !== 'none') : all
}

/** Sentence 8: data unknown means every label the app may carry; assume replaces an unknown by a declared value until a date. */
function fillIn(rulebook: Rulebook, app: App | undefined, stated: Known, at: Instant): { readonly facts: Known; readonly filled: Filled } {
  const facts: Known = new Map(stated)
  const filled: Filled = new Map()
  if (!facts.has('data') && app?.mayCarry !== undefined) {
    facts.set('data', app.mayCarry.length === 0 ? ['none'] : closed(rulebook, app.mayCarry))
    filled.set('data', 'may-carry')
  }
  for (const assumption of app?.assumptions ?? []) {
    if (facts.has(assumption.fact) || at >= assumption.until) continue
    facts.set(assumption.fact, assumption.value)
    filled.set(assumption.fact, 'assume')
  }
  return { facts, filled }
}

// What is known of a deployment.

/** Nothing is usable without a grant (section 2); an item of grants is "or" (policy-files, App). */
function isGranted(app: App | undefined, deployment: RuledDeployment): boolean {
  if (app === undefined) return false
  if (app.grants === 'all') return true
  return app.grants.some(grant => 'model' in grant
    ? grant.model.some(model => modelMatches(deployment.model, model))
    : grant.deployment.includes(deployment.name))
}

/** Section 4: stale, past the fact's good-until, is unknown. Names never go stale. */
function factsOf(deployment: RuledDeployment, at: Instant): Known {
  const known: Known = new Map<string, Value>([['deployment', deployment.name], ['model', deployment.model], ['provider', deployment.provider]])
  for (const [name, fact] of Object.entries(deployment.facts)) {
    if (fact !== undefined && at < fact.goodUntil) known.set(name, fact.value)
  }
  return known
}

// Three-valued matching: the table of section 4.

export type Truth = 'false' | 'unknown' | 'true'

const every = (truths: readonly Truth[]): Truth => (truths.includes('false') ? 'false' : truths.includes('unknown') ? 'unknown' : 'true')
const some = (truths: readonly Truth[]): Truth => (truths.includes('true') ? 'true' : truths.includes('unknown') ? 'unknown' : 'false')
const not = (truth: Truth): Truth => (truth === 'true' ? 'false' : truth === 'false' ? 'true' : 'unknown')

export function truthOf(rulebook: Rulebook, block: Block, facts: ReadonlyMap<string, Value>, definitions: ReadonlyMap<string, FactDefinition>, at: Instant): Truth {
  switch (block.kind) {
    case 'all': return 'true'
    case 'and': return every(block.parts.map(part => truthOf(rulebook, part, facts, definitions, at)))
    case 'or': return some(block.parts.map(part => truthOf(rulebook, part, facts, definitions, at)))
    case 'fact': return matches(rulebook, definitions.get(block.fact)!, facts.get(block.fact), block.match, at)
  }
}

function matches(rulebook: Rulebook, definition: FactDefinition, value: Value | undefined, matcher: Matcher, at: Instant): Truth {
  if (value === undefined) return 'unknown'
  const inList = (terms: readonly Term[]): Truth[] => listed(value).map(element => some(terms.map(term => same(rulebook, definition, element, term, at))))
  // Section 15: two words in one matcher mean and; a fact with one value counts as a set of one.
  const words: Truth[] = []
  if (matcher.any !== undefined) words.push(some(inList(matcher.any)))
  if (matcher.only !== undefined) words.push(every(inList(matcher.only)))
  if (matcher.none !== undefined) words.push(not(some(inList(matcher.none))))
  if (matcher.atLeast !== undefined) words.push(ordered(value, x => x >= matcher.atLeast!))
  if (matcher.atMost !== undefined) words.push(ordered(value, x => x <= matcher.atMost!))
  return every(words)
}

/** Sentence 10: what has no order cannot be compared, so it is unknown. */
function ordered(value: Value, holds: (x: number) => boolean): Truth {
  if (value === NOT_COLLECTED) return 'unknown'
  return holds(level(value)) ? 'true' : 'false'
}

const level = (value: Value): number => (typeof value === 'number' ? value : (CLASSIFICATIONS as readonly string[]).indexOf(value as string))

/** Whether one element of a fact is what one term of a list names. */
function same(rulebook: Rulebook, definition: FactDefinition, element: string | number, term: Term, at: Instant): Truth {
  // Section 15: not-collected is a value that no list has.
  if (element === NOT_COLLECTED) return 'false'
  if ('group' in term) {
    // Section 4: the group stands for its members on the day of the decision.
    const members = rulebook.groups.get(term.group)!.members.filter(member => inside(member.window, at))
    return some(members.map(member => same(rulebook, definition, element, { value: member.value }, at)))
  }
  if (definition.type === 'country') return sameCountry(element as string, term.value as string)
  if (definition.type === 'model') return modelMatches(element as string, term.value as string) ? 'true' : 'false'
  return element === term.value ? 'true' : 'false'
}

/** Section 4: a part of a country matches itself and its country. Section 15: the whole is neither known in a part nor outside it. */
function sameCountry(place: string, named: string): Truth {
  if (place === named || place.startsWith(`${named}-`)) return 'true'
  return named.startsWith(`${place}-`) ? 'unknown' : 'false'
}

const modelMatches = (model: string, named: string): boolean => (named.endsWith('/*') ? model.startsWith(named.slice(0, -1)) : model === named)

/** The facts of the leaves that stand against the deployment. */
function factsAgainst(block: Block, against: (part: Block) => boolean): string[] {
  if (!against(block) || block.kind === 'all') return []
  return block.kind === 'fact' ? [block.fact] : block.parts.flatMap(part => factsAgainst(part, against))
}

// Duties: section 6, and section 15 for what an empty one means.

function combine(rulebook: Rulebook, rules: readonly Rule[], at: Instant): ReferenceDuties {
  const result: ReferenceDuties = {}
  for (const { duties } of rules) {
    if (duties.redact !== undefined) result.redact = new Set([...result.redact ?? [], ...duties.redact])
    if (duties.log !== undefined) result.log = leastLog(result.log ?? 'full', duties.log)
    if (duties.cache !== undefined) {
      const own: readonly string[] = duties.cache
      result.cache = new Set(result.cache === undefined ? own : [...result.cache].filter(scope => own.includes(scope)))
    }
    if (duties.notify !== undefined) result.notify = new Set([...result.notify ?? [], ...duties.notify])
    if (duties.retainEvidence !== undefined) result.retainEvidence = Math.max(result.retainEvidence ?? 0, duties.retainEvidence)
    if (duties.rescue !== undefined) result.rescue = 'no'
    if (duties.requestDigest !== undefined) result.requestDigest = 'yes'
    if (duties.header !== undefined) result.header = new Map([...result.header ?? [], ...Object.entries(duties.header)])
  }
  const lists = rules.flatMap(rule => (rule.duties.logIn === undefined ? [] : [rule.duties.logIn]))
  if (lists.length > 0) result.mayLogIn = place => lists.every(list => placeInside(rulebook, list, place, at))
  return result
}

const leastLog = (a: LogLevel, b: LogLevel): LogLevel => (a === 'none' || b === 'none' ? 'none' : a === 'metadata' || b === 'metadata' ? 'metadata' : 'full')

/** Whether a place is known to be one of those that a list of countries and groups names. */
export function placeInside(rulebook: Rulebook, list: readonly Term[], place: string, at: Instant): boolean {
  return some(list.map(term => same(rulebook, deploymentFacts.get('stored-in')!, place, term, at))) === 'true'
}

// Small things.

const listed = (value: Value): readonly (string | number)[] => (typeof value === 'object' ? value : [value])
/** Section 15: a window holds from its first instant to just before its last. */
const inside = (window: Window, at: Instant): boolean => window.from <= at && at < window.until
const names = (block: Block, fact: string): boolean => (block.kind === 'fact' ? block.fact === fact : block.kind !== 'all' && block.parts.some(part => names(part, fact)))
const compare = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0)

const emptyRow = (granted: boolean): ReferenceRow =>
  ({ granted, removedBy: new Set(), unknownIn: new Set(), factsIn: new Map(), wouldExclude: new Set(), exceptions: new Set() })
const emptyRows = (rulebook: Rulebook, app: App): Map<string, ReferenceRow> =>
  new Map(rulebook.deployments.map(deployment => [deployment.name, emptyRow(isGranted(app, deployment))]))

/** A rule that excludes under one reading is no mere "would exclude", whatever it does under another. */
function unite(rows: readonly ReferenceRow[]): ReferenceRow {
  const removedBy = new Set(rows.flatMap(row => [...row.removedBy]))
  return {
    granted: rows.every(row => row.granted),
    removedBy,
    unknownIn: new Set(rows.flatMap(row => [...row.unknownIn])),
    factsIn: new Map(rows.flatMap(row => [...row.factsIn])),
    wouldExclude: new Set(rows.flatMap(row => [...row.wouldExclude]).filter(rule => !removedBy.has(rule))),
    exceptions: new Set(rows.flatMap(row => [...row.exceptions])),
  }
}
