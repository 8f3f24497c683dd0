/**
 * What this is for: what a change of the policies does (policy-language, section 9): two rulebooks asked the same classes
 * of requests, and every answer that differs.
 *
 * What it assumes: classes are as exact as the records they come from; a class of weight 0 is registered and was not seen.
 * What it promises: every figure comes from two calls of the one decision. What is newly permitted is never left out, never
 * summed away by something newly removed, and always comes first.
 */
import { registeredClasses } from './classes.ts'
import { decide, decideClassAt } from './decide.ts'
import { differences, readAlike, type Difference } from './difference.ts'
import { exceptionsInUse } from './exceptions-in-use.ts'
import type { Facts, Value } from './facts.ts'
import { frameAt } from './frame.ts'
import { understand, type Asked, type Understood } from './request.ts'
import type { Edge, Exception, Instant, Rulebook } from './rule.ts'

export type WeightedClass = {
  readonly asked: Asked
  /** The same request as the new registration sorts what its caller said, where that differs. */
  readonly askedAnew?: Asked
  /** How many requests were of this class; 0 for one that is registered and had none. */
  readonly weight: number
  readonly at: Instant
}

/** A class by what can change its decision. */
export type NamedClass = {
  readonly app: string | undefined
  readonly data: readonly string[] | 'unknown'
  /** Further facts of the request that some rule asks for: vouched for, and stated by the caller alone. */
  readonly facts: Facts
  readonly stated: Facts
}

export type ClassImpact = NamedClass & {
  readonly asked: Asked
  readonly askedAnew: Asked
  readonly at: Instant
  readonly weight: number
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly newlyPermitted: readonly string[]
  readonly newlyRemoved: readonly string[]
  /** It had a deployment and has none. */
  readonly empty: boolean
  /** It had a fallback and has none. */
  readonly single: boolean
  /** Another deployment comes first; the price of each per million tokens in and out, as the catalog has it. */
  readonly first: { readonly from: string; readonly to: string; readonly priceFrom: number | undefined; readonly priceTo: number | undefined } | undefined
}

export type Impact = {
  readonly differences: readonly Difference[]
  /** Rules among them that no compared class meets: of what they do to others nothing was found out. */
  readonly unmet: readonly Difference[]
  /** Classes whose answer differs: those with newly permitted deployments first, then by weight. */
  readonly classes: readonly ClassImpact[]
  /** Different classes that were compared, and requests behind them. */
  readonly compared: { readonly classes: number; readonly weight: number }
  /** Compared classes without traffic, and how many of them would have no deployment. */
  readonly unseen: { readonly classes: number; readonly empty: number }
  /** Live exceptions that change nothing under the new rulebook. */
  readonly pointless: readonly Exception[]
}

/** Compares what two rulebooks permit. Classes that no rule in force can tell apart are counted as one. */
export function impact(old: Rulebook, next: Rulebook, classes: Iterable<WeightedClass>): Impact {
  const { compared, met } = compareAll(old, next, classes)
  const unseen = compared.filter(c => c.weight === 0)
  const changed = compared.filter(differs).map(c => describe(old, next, c))
  const between = differences(old, next)
  return {
    differences: between,
    unmet: between.filter(d => d.kind === 'rule' && !met.has(d.name)),
    classes: changed.sort((a, b) => Number(b.newlyPermitted.length > 0) - Number(a.newlyPermitted.length > 0) || b.weight - a.weight),
    compared: { classes: compared.length, weight: compared.reduce((sum, c) => sum + c.weight, 0) },
    unseen: { classes: unseen.length, empty: unseen.filter(c => c.is.length === 0).length },
    pointless: pointless(old, next, compared),
  }
}

/** Request facts that a rule in force at an instant asks for under either rulebook: no other changes a decision then. */
export const asksAt = (old: Rulebook, next: Rulebook, at: Instant): readonly string[] => [...new Set([old, next].flatMap(r => frameAt(r, at).asks))].sort()

type Compared = { readonly like: WeightedClass; readonly was: readonly string[]; readonly is: readonly string[]; weight: number }

/**
 * Every class with both answers, those that no rule in force can tell apart as one, in the order in which they first come;
 * and the rules that were active for any of them.
 */
function compareAll(old: Rulebook, next: Rulebook, classes: Iterable<WeightedClass>): { readonly compared: readonly Compared[]; readonly met: ReadonlySet<string> } {
  const alike = readAlike(old, next)
  const asks = new Map<Instant, readonly string[]>()
  const known = new Map<string, Compared>(), met = new Set<string>()
  for (const like of classes) {
    const { at, asked, askedAnew, weight } = like
    let relevant = asks.get(at)
    if (relevant === undefined) asks.set(at, relevant = asksAt(old, next, at))
    const before = understand(old, asked, at)
    const after = alike && askedAnew === undefined ? before : understand(next, askedAnew ?? asked, at)
    const key = `${at}${keyOf(before, relevant)}${after === before ? '' : keyOf(after, relevant)}`
    const same = known.get(key)
    if (same !== undefined) {
      same.weight += weight
      continue
    }
    const was = decideClassAt(old, before, at), is = decideClassAt(next, after, at)
    known.set(key, { like, weight, was: was.permitted, is: is.permitted })
    for (const { active } of [was, is]) for (const rule of active) met.add(rule)
  }
  return { compared: [...known.values()], met }
}

/** Everything of a request that a decision hangs on, as text. No value can be taken for two others: each says how long it is. */
function keyOf(u: Understood, asks: readonly string[]): string {
  let key = `/${u.app === undefined ? '' : text(u.app.name)}${u.dataNotRegistered ? '!' : ''}${u.sources['data'] === 'may-carry' ? '?' : ''}`
  for (const reading of u.readings) {
    key += '|'
    for (const fact of asks) key += text(reading[fact])
  }
  return key
}

function text(value: Value | undefined): string {
  if (value === undefined) return '-'
  if (typeof value === 'number') return `#${value};`
  return typeof value === 'string' ? `${value.length}:${value}` : `[${value.length}${value.map(text).join('')}`
}

const differs = ({ was, is }: Compared): boolean => was[0] !== is[0] || was.length !== is.length || was.some(d => !is.includes(d))

function describe(old: Rulebook, next: Rulebook, { like: { asked, askedAnew = asked, at }, was, is, weight }: Compared): ClassImpact {
  const from = was[0], to = is[0]
  return {
    ...nameOf(old, next, { asked, askedAnew, at }), asked, askedAnew, at, weight, before: was, after: is,
    newlyPermitted: is.filter(d => !was.includes(d)),
    newlyRemoved: was.filter(d => !is.includes(d)),
    empty: was.length > 0 && is.length === 0,
    single: was.length > 1 && is.length === 1,
    first: from === undefined || to === undefined || from === to ? undefined : { from, to, priceFrom: priceOf(old, from), priceTo: priceOf(next, to) },
  }
}

function nameOf(old: Rulebook, next: Rulebook, { asked, askedAnew, at }: { readonly asked: Asked; readonly askedAnew: Asked; readonly at: Instant }): NamedClass {
  const anew = understand(next, askedAnew, at)
  const { readings: [first = {}], sources, labels } = anew.app === undefined ? understand(old, asked, at) : anew
  const further = asksAt(old, next, at).filter(fact => fact !== 'app' && fact !== 'data')
  const known = (facts: readonly string[], of: { readonly [fact: string]: unknown }): Facts =>
    Object.fromEntries(facts.filter(fact => of[fact] !== undefined && of[fact] !== null).map(fact => [fact, of[fact] as Value]))
  return {
    app: first['app'] as string | undefined,
    data: sources['data'] === 'request' ? labels ?? 'unknown' : 'unknown',
    facts: known(further.filter(fact => sources[fact] === 'request'), first),
    stated: known(['data', ...further], askedAnew.stated ?? {}),
  }
}

const priceOf = (rulebook: Rulebook, deployment: string): number | undefined => rulebook.deployments.find(d => d.name === deployment)?.price

/** Exceptions in force that change nothing any more, and new ones that never did. */
function pointless(old: Rulebook, next: Rulebook, compared: readonly Compared[]): readonly Exception[] {
  const live = next.exceptions.filter(e => compared.some(({ like: { at } }) => e.window.from <= at && at < e.window.until))
  if (live.length === 0) return []
  const inUse = exceptionsInUse(next, compared.map(({ like: { asked, askedAnew, at } }) => ({ asked: askedAnew ?? asked, at })))
  const wasInUse = exceptionsInUse(old, compared.map(c => c.like))
  const known = new Set(old.exceptions.map(e => e.name))
  return live.filter(e => !inUse.has(e.name) && (!known.has(e.name) || wasInUse.has(e.name)))
}

/** From a date on, a registered class may use more, or has nothing left: news that the comparison at one moment cannot give. */
export type LaterImpact = Edge & { readonly app: string; readonly data: readonly string[] | 'unknown'; readonly newlyPermitted: readonly string[]; readonly empty: boolean }

/**
 * The registered classes of both rulebooks at every later edge of either, so that a rule that ends a year early does not
 * pass as no change at all. Only what was not so at the edge before is told.
 */
export function laterImpact(old: Rulebook, next: Rulebook, after: Instant): readonly LaterImpact[] {
  const edges = new Map([...old.edges, ...next.edges].filter(e => e.at > after).map(e => [e.at, e]))
  return bothRegistered(old, next).flatMap(({ app, data, asked }) => {
    const compareAt = (at: Instant): { readonly gained: readonly string[]; readonly empty: boolean } => {
      const was = decide(old, asked, at).permitted, is = decide(next, asked, at).permitted
      return { gained: is.filter(d => !was.includes(d)), empty: was.length > 0 && is.length === 0 }
    }
    let last = compareAt(after)
    return [...edges.values()].sort((a, b) => a.at - b.at).flatMap<LaterImpact>(edge => {
      const now = compareAt(edge.at), before = last
      last = now
      const newlyPermitted = now.gained.filter(d => !before.gained.includes(d)), empty = now.empty && !before.empty
      return newlyPermitted.length > 0 || empty ? [{ ...edge, app, data, newlyPermitted, empty }] : []
    })
  }).sort((a, b) => a.at - b.at)
}

/** The classes that either rulebook registers, each once. */
export function bothRegistered(old: Rulebook, next: Rulebook): ReturnType<typeof registeredClasses> {
  const all = [...registeredClasses(next), ...registeredClasses(old)].map(one => [JSON.stringify(one.asked), one] as const)
  return [...new Map(all).values()]
}
