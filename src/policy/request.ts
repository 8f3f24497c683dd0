/**
 * What this is for: from facts as they were stated to facts as the law reads them (policy-language, sections 3, 4 and 15).
 *
 * What it assumes: somebody else vouched for `trusted` (registration, a signed claim, an officer at the command line)
 * and nobody for `stated`. What it promises: what cannot be read is unknown, and a caller's statement only ever adds a
 * further reading of the request, under which a deployment must be permitted as well.
 */
import { isCountry } from './countries.ts'
import { CLASSIFICATIONS, REGISTERED_FACTS, REQUEST_FACTS, type FactDefinition, type Facts, type Value } from './facts.ts'
import type { App, Assumption, Block, Rulebook } from './rule.ts'

/** Facts as JSON gives them: text, lists, numbers, null. Absent, null, "unknown" and unreadable are the same. */
export type RawFacts = { readonly [name: string]: unknown }

export type Asked = {
  /** From the registration's own back end, a signed claim or the gateway itself. */
  readonly trusted: RawFacts
  /** From the caller: may only narrow. */
  readonly stated?: RawFacts
}

export type Source = 'request' | 'caller' | 'registration' | 'may-carry' | 'assume'

export type Understood = {
  readonly app: App | undefined
  /**
   * The readings of the request; a deployment must be permitted under each. The first holds what is vouched for; a
   * further one is there where the request contradicts its registration, or the caller adds to what is known.
   */
  readonly readings: readonly Facts[]
  /** The labels of the first reading before their parents joined them; undefined when unknown. */
  readonly labels: readonly string[] | undefined
  /** Where each known fact of the first reading comes from. */
  readonly sources: { readonly [fact: string]: Source | undefined }
  /** A label was stated that the app did not declare that it may carry. */
  readonly dataNotRegistered: boolean
  readonly assumed: readonly Assumption[]
}

const DEFINITIONS: readonly FactDefinition[] = REQUEST_FACTS
const byName = new Map(DEFINITIONS.map(d => [d.name, d]))

/** Reads one stated request fact; undefined when it is unknown, unreadable or outside its vocabulary. */
export function readRequestFact(name: string, raw: unknown, rulebook: Rulebook): Value | undefined {
  const definition = byName.get(name)
  if (definition === undefined || raw === undefined || raw === null) return undefined
  if (definition.shape === 'one') return readElement(definition, raw, rulebook)
  const read = new Set<string>()
  for (const element of Array.isArray(raw) ? raw as readonly unknown[] : [raw]) {
    const value = readElement(definition, element, rulebook)
    if (typeof value !== 'string') return undefined
    read.add(value)
  }
  if (definition.type !== 'label') return [...read].sort()
  if (read.size === 0) return ['none']
  return read.has('none') && read.size > 1 ? undefined : [...read].sort()
}

function readElement(definition: FactDefinition, raw: unknown, rulebook: Rulebook): string | number | undefined {
  if (definition.type === 'number') {
    const n = typeof raw === 'string' && /^\d{1,9}$/.test(raw) ? Number(raw) : raw
    return typeof n === 'number' && Number.isSafeInteger(n) && n >= 0 ? n : undefined
  }
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

const wordsByBook = new WeakMap<Rulebook, Map<string, ReadonlySet<string>>>()

/** The words of a request fact that some rule, ring, exception or registration names. */
export function wordsNamed(rulebook: Rulebook, fact: string): ReadonlySet<string> {
  let known = wordsByBook.get(rulebook)
  if (known === undefined) wordsByBook.set(rulebook, known = new Map())
  let words = known.get(fact)
  if (words === undefined) {
    const blocks = [...rulebook.rules.flatMap(r => [r.when, ...(r.enforceFor ? [r.enforceFor] : [])]), ...rulebook.exceptions.map(e => e.for)]
    const registered = [...rulebook.apps.values()].flatMap(a => a.registered[fact] ?? [])
    known.set(fact, words = new Set([...blocks.flatMap(b => termsOf(b, fact)), ...registered.map(String)]))
  }
  return words
}

/**
 * The laws that the rulebook names. A caller who names another one has either misspelt it or speaks of a law that nothing
 * here knows; the border reads both as unknown (section 13, case 1).
 */
export const lawsNamed = (rulebook: Rulebook): ReadonlySet<string> => wordsNamed(rulebook, 'governed-by')

function termsOf(block: Block, fact: string): readonly string[] {
  if (block.kind === 'and' || block.kind === 'or') return block.parts.flatMap(part => termsOf(part, fact))
  if (block.kind !== 'fact' || block.fact !== fact) return []
  return [block.match.any, block.match.only, block.match.none].flatMap(terms => (terms ?? []).flatMap(t => ('value' in t ? [String(t.value)] : [])))
}

/** Labels with all their parents. */
export function closeUpward(labels: readonly string[], tree: Rulebook['labels']): readonly string[] {
  const closed = new Set<string>()
  for (const label of labels) for (let l: string | undefined = label; l !== undefined && !closed.has(l); l = tree.get(l)) closed.add(l)
  return [...closed].sort()
}

/** What a request says, once registration, `may-carry` and `assume` have spoken for what it does not say. */
export function understand(rulebook: Rulebook, asked: Asked, at: number): Understood {
  const stated: Record<string, Value> = {}
  for (const { name } of DEFINITIONS) {
    const value = readRequestFact(name, asked.trusted[name], rulebook)
    if (value !== undefined) stated[name] = value
  }
  const callers: Record<string, Value> = {}
  for (const name of Object.keys(asked.stated ?? {})) {
    const value = name === 'app' ? undefined : readRequestFact(name, asked.stated![name], rulebook)
    if (value !== undefined) callers[name] = value
  }

  const app = typeof stated['app'] === 'string' ? rulebook.apps.get(stated['app']) : undefined
  const carries = app?.mayCarry
  const outside = (labels: Value | undefined): boolean =>
    carries !== undefined && Array.isArray(labels) && (labels as readonly string[]).some(l => l !== 'none' && !carries.includes(l))
  const dataNotRegistered = outside(stated['data']) || outside(callers['data'])

  const first: Record<string, Value> = { ...stated }
  const sources: Record<string, Source> = Object.fromEntries(Object.keys(stated).map(name => [name, 'request']))
  const contradicting: Record<string, Value> = {}
  for (const name of REGISTERED_FACTS) {
    const registered = app?.registered[name]
    if (registered === undefined) continue
    if (stated[name] !== undefined) contradicting[name] = stated[name]
    first[name] = registered
    sources[name] = 'registration'
  }
  if (first['data'] === undefined && carries !== undefined) {
    first['data'] = carries.length === 0 ? ['none'] : carries
    sources['data'] = 'may-carry'
  }
  const assumed = (app?.assumptions ?? []).filter(a => first[a.fact] === undefined && at < a.until)
  for (const { fact, value } of assumed) {
    first[fact] = value
    sources[fact] = 'assume'
  }

  const close = (facts: Facts): Facts => {
    const labels = facts['data'] as readonly string[] | undefined
    return labels === undefined ? facts : { ...facts, data: closeUpward(labels, rulebook.labels) }
  }
  const readings = [close(first)]
  for (const further of [contradicting, callers]) {
    const next = putIn(readings.at(-1)!, further)
    if (next !== undefined) readings.push(close(next))
  }
  return { app, readings, labels: first['data'] as readonly string[] | undefined, sources, dataNotRegistered, assumed }
}

/**
 * The facts with further statements put in, or undefined when that changes nothing. Sets unite, classification takes the
 * higher, other values are replaced. A set united with an unknown one, and the higher of a level and an unknown one, stay
 * unknown: else a caller's word would stand where nobody vouches for anything.
 */
function putIn(facts: Facts, further: Facts): Facts | undefined {
  const next: Record<string, Value | undefined> = { ...facts }
  let changed = false
  for (const [name, value] of Object.entries(further)) {
    const united = unite(name, facts[name], value!)
    if (String(united) === String(facts[name])) continue
    next[name] = united
    changed = true
  }
  return changed ? next : undefined
}

function unite(name: string, known: Value | undefined, further: Value): Value | undefined {
  if (name === 'classification') {
    const rank = (v: Value): number => (CLASSIFICATIONS as readonly Value[]).indexOf(v)
    return known === undefined || rank(known) > rank(further) ? known : further
  }
  if (typeof further !== 'object') return further
  if (typeof known !== 'object') return known === undefined ? undefined : further
  const all = [...new Set([...known, ...further])].sort()
  // INVARIANT: none excludes every other label; united with one, it says nothing.
  return name === 'data' && all.length > 1 ? all.filter(l => l !== 'none') : all
}
