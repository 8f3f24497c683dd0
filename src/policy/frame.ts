/**
 * What this is for: the rulebook at one stretch of time between two edges, compiled to masks (policy-language, section 5).
 *
 * What it assumes: nothing in a rulebook changes between two of its edges.
 * What it promises: every question of time (windows, modes, exceptions, group members, stale facts) is answered here,
 * once per stretch, so that no decision, report or explanation can answer it differently.
 */
import { countryOf } from './countries.ts'
import type { Facts } from './facts.ts'
import { evaluate, factsIn, resolve, type Condition, type Members } from './match.ts'
import type { Block, Duties, Edge, Exception, Instant, Rule, Rulebook, Window } from './rule.ts'
import { FALSE, TRUE } from './truth.ts'

/** One bit per deployment, in catalog order. */
export type Mask = Uint32Array

export const emptyMask = (deployments: number): Mask => new Uint32Array((deployments + 31) >>> 5)
export const hasBit = (mask: Mask, i: number): boolean => ((mask[i >>> 5]! >>> (i & 31)) & 1) === 1
export const setBit = (mask: Mask, i: number): void => { mask[i >>> 5]! |= 1 << (i & 31) }

export type FrameException = { readonly exception: Exception; readonly for: Condition; readonly models: Mask }

export type FrameRule = {
  readonly rule: Rule
  readonly when: Condition
  /** Where this is not known false, the rule enforces; undefined without a ring. */
  readonly ring: Condition | undefined
  /** By mode and date alone. */
  readonly enforces: boolean
  readonly blocks: readonly Condition[]
  /** The deployments it removes when it is active; empty for prefer. */
  readonly removes: Mask
  /** For prefer: each deployment's rank; otherwise undefined. */
  readonly ranks: readonly number[] | undefined
  readonly exceptions: readonly FrameException[]
  readonly hasDuties: boolean
}

export type Frame = {
  readonly rulebook: Rulebook
  /** The stretch [from, until) in which this frame holds. */
  readonly from: Instant
  readonly until: Instant
  readonly next: Edge | undefined
  readonly members: Members
  /** Facts of each deployment as they may be believed in this stretch. */
  readonly facts: readonly Facts[]
  /** Rules in force, those that bite as well as those that only watch. */
  readonly rules: readonly FrameRule[]
  /** Request facts that some rule, ring or exception in force asks for, sorted. */
  readonly asks: readonly string[]
  /** Deployments by price, then name: how ties are broken. */
  readonly ties: readonly number[]
  /** The deployments each app is granted. */
  readonly grants: ReadonlyMap<string, Mask>
}

const FRAMES_MAX = 32
const frames = new WeakMap<Rulebook, Map<number, Frame>>()

/** The frame that holds at an instant; built when first asked for. */
export function frameAt(rulebook: Rulebook, at: Instant): Frame {
  let known = frames.get(rulebook)
  if (known === undefined) frames.set(rulebook, known = new Map())
  const index = edgesPassed(rulebook.edges, at)
  let frame = known.get(index)
  if (frame === undefined) {
    if (known.size >= FRAMES_MAX) known.delete(known.keys().next().value!)
    known.set(index, frame = build(rulebook, index))
  }
  return frame
}

/** How many edges lie at or before an instant. */
function edgesPassed(edges: readonly Edge[], at: Instant): number {
  let low = 0, high = edges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (edges[middle]!.at <= at) low = middle + 1
    else high = middle
  }
  return low
}

function build(rulebook: Rulebook, index: number): Frame {
  const from = rulebook.edges[index - 1]?.at ?? -Infinity
  const next = rulebook.edges[index]
  const until = next?.at ?? Infinity
  // Any instant of the stretch gives the same answers; before the first edge there is none that starts it.
  const now = from === -Infinity ? (until === Infinity ? 0 : until - 1) : from
  const holds = (w: Window): boolean => w.from <= now && now < w.until

  const members = new Map([...rulebook.groups.values()].map(g => [g.name, g.members.filter(m => holds(m.window)).map(m => m.value)]))
  const facts = rulebook.deployments.map(d => {
    const known: Record<string, Facts[string]> = { deployment: d.name, model: d.model, provider: d.provider }
    for (const [name, fact] of Object.entries(d.facts)) if (fact !== undefined && now < fact.goodUntil) known[name] = fact.value
    return known
  })
  const maskOf = (chosen: (facts: Facts) => boolean): Mask => {
    const mask = emptyMask(facts.length)
    facts.forEach((f, i) => { if (chosen(f)) setBit(mask, i) })
    return mask
  }

  // Many rules are about the same requests: one object for equal conditions, so that a judgement evaluates it once.
  const conditions = new Map<string, Condition>()
  const shared = (block: Block): Condition => {
    const key = JSON.stringify(block)
    const known = conditions.get(key) ?? resolve(block, members)
    conditions.set(key, known)
    return known
  }

  const exceptions = rulebook.exceptions.filter(e => holds(e.window))
  const rules = rulebook.rules.filter(r => holds(r.window)).map<FrameRule>(rule => {
    const blocks = rule.blocks.map(b => resolve(b, members))
    const block = blocks[0]!
    return {
      rule, blocks, hasDuties: Object.keys(rule.duties).length > 0,
      when: shared(rule.when),
      ring: rule.enforceFor && resolve(rule.enforceFor, members),
      enforces: rule.mode === 'enforce' || now >= rule.modeUntil,
      removes: maskOf(f => (rule.effect === 'forbid' ? evaluate(block, f) !== FALSE : rule.effect === 'require' && evaluate(block, f) !== TRUE)),
      ranks: rule.effect !== 'prefer' ? undefined : facts.map(f => {
        const first = blocks.findIndex(b => evaluate(b, f) === TRUE)
        return first < 0 ? blocks.length : first
      }),
      exceptions: exceptions.filter(e => e.rule === rule.name).map(exception => {
        const models = resolve(exception.models, members)
        return { exception, for: resolve(exception.for, members), models: maskOf(f => evaluate(models, f) === TRUE) }
      }),
    }
  })

  const asks = new Set(rules.flatMap(r => [
    ...factsIn(r.rule.when), ...(r.rule.enforceFor ? factsIn(r.rule.enforceFor) : []), ...r.exceptions.flatMap(e => factsIn(e.exception.for)),
  ]))
  const priced = (i: number): number => rulebook.deployments[i]!.price ?? Infinity
  const named = (i: number): string => rulebook.deployments[i]!.name
  const ties = facts.map((_, i) => i).sort((a, b) => (priced(a) !== priced(b) ? priced(a) - priced(b) : named(a) < named(b) ? -1 : 1))
  const grants = new Map([...rulebook.apps.values()].map(app => [app.name, maskOf(f => app.grants === 'all' || app.grants.some(grant =>
    ('model' in grant
      ? grant.model.some(m => m === f['model'] || (m.endsWith('/*') && (f['model'] as string).startsWith(m.slice(0, -1))))
      : grant.deployment.includes(f['deployment'] as string))))]))

  return { rulebook, from, until, next, members, facts, rules, asks: [...asks].sort(), ties, grants }
}

/** Duties of several rules, combined (policy-language, sections 6 and 15). Lists are sorted: order never shows. */
export type CombinedDuties = {
  readonly redact?: readonly string[]
  readonly log?: Duties['log']
  /** Group names and country codes; empty: no place is allowed. */
  readonly logIn?: readonly string[]
  /** Empty: none. */
  readonly cache?: NonNullable<Duties['cache']>
  readonly notify?: readonly string[]
  /** Hours. */
  readonly retainEvidence?: number
  readonly rescue?: 'no'
  readonly requestDigest?: 'yes'
  readonly header?: { readonly [name: string]: string }
}

export function combineDuties(duties: readonly Duties[], members: Members): CombinedDuties {
  const stated = <K extends keyof Duties>(key: K): readonly NonNullable<Duties[K]>[] => duties.flatMap(d => (d[key] === undefined ? [] : [d[key]]))
  const union = (lists: readonly (readonly string[])[]): readonly string[] => [...new Set(lists.flat())].sort()
  const redact = stated('redact'), log = stated('log'), logIn = stated('logIn'), cache = stated('cache')
  const notify = stated('notify'), evidence = stated('retainEvidence'), headers = stated('header')
  const levels = ['none', 'metadata', 'full'] as const
  return {
    ...(redact.length > 0 && { redact: union(redact) }),
    ...(log.length > 0 && { log: levels[Math.min(...log.map(l => levels.indexOf(l)))]! }),
    ...(logIn.length > 0 && { logIn: commonPlaces(logIn.map(terms => terms.map(t => ('group' in t ? t.group : String(t.value)))), members) }),
    ...(cache.length > 0 && { cache: (['app', 'region'] as const).filter(scope => cache.every(c => c.includes(scope))) }),
    ...(notify.length > 0 && { notify: union(notify) }),
    ...(evidence.length > 0 && { retainEvidence: Math.max(...evidence) }),
    ...(stated('rescue').length > 0 && { rescue: 'no' as const }),
    ...(stated('requestDigest').length > 0 && { requestDigest: 'yes' as const }),
    ...(headers.length > 0 && { header: unionOfHeaders(headers) }),
  }
}

/** What all lists of places allow: the names they share, and the places they share beyond those. */
function commonPlaces(lists: readonly (readonly string[])[], members: Members): readonly string[] {
  const placesIn = (names: readonly string[]): readonly string[] => names.flatMap(n => members.get(n) ?? [n])
  const covers = (places: readonly string[], place: string): boolean => places.includes(place) || places.includes(countryOf(place))
  const all = lists.map(placesIn)
  const shared = lists[0]!.filter(name => lists.every(l => l.includes(name)))
  const beyond = all.flat().filter(place => !covers(placesIn(shared), place) && all.every(places => covers(places, place)))
  return [...new Set([...shared, ...beyond])].sort()
}

/** One header of several rules holds all their values, as HTTP lists do (RFC 9110, section 5.3). */
function unionOfHeaders(headers: readonly { readonly [name: string]: string }[]): { readonly [name: string]: string } {
  const values = new Map<string, Set<string>>()
  for (const [name, value] of headers.flatMap(h => Object.entries(h))) values.set(name, (values.get(name) ?? new Set()).add(value))
  return Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, all]) => [name, [...all].sort().join(', ')]))
}
