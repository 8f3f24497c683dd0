/**
 * What this is for: the decision. `decide` says which deployments a request may use, at an instant, and issues the permit.
 *
 * What it assumes: a compiled rulebook. What it promises: it never throws and never guesses; whatever is unknown
 * restricts; a refusal is a value; a Permit exists only where deployments are permitted, and only this file can make one.
 */
import { combineDuties, emptyMask, frameAt, hasBit, type CombinedDuties, type Frame, type FrameRule, type Mask } from './frame.ts'
import type { Facts } from './facts.ts'
import { evaluate } from './match.ts'
import { understand, type Asked, type Understood } from './request.ts'
import type { Instant, Rulebook } from './rule.ts'
import { FALSE, TRUE, type Truth } from './truth.ts'

let issue: (deployments: readonly string[], from: Instant, until: Instant) => Permit

/**
 * Proof that named deployments may be used for a class of requests, during a stretch of time.
 * INVARIANT: made by `decide` alone. The constructor is private and a look-alike fails on its first use.
 */
export class Permit {
  readonly #deployments: readonly string[]
  /** Made when it is first asked for: most decisions are made once and used through their list. */
  #names: ReadonlySet<string> | undefined
  readonly #from: Instant
  readonly #until: Instant

  private constructor(deployments: readonly string[], from: Instant, until: Instant) {
    this.#deployments = Object.freeze(deployments)
    this.#from = from
    this.#until = until
  }

  static {
    issue = (deployments, from, until) => new Permit(deployments, from, until)
  }

  /** Permitted deployments in order of preference. */
  get deployments(): readonly string[] { return this.#deployments }

  /** Whether this deployment may be used at this instant. */
  covers(deployment: string, at: Instant): boolean {
    this.#names ??= new Set(this.#deployments)
    return this.#names.has(deployment) && at >= this.#from && at < this.#until
  }
}


export type Decision = {
  readonly outcome: 'permit' | 'refuse'
  /** Why it was refused; undefined on a permit. */
  readonly code: 'no_permitted_model' | 'data_not_registered' | undefined
  /** In order of preference. */
  readonly permitted: readonly string[]
  /** What the prefer rules say of each permitted deployment, lower is better; as long as `permitted`. */
  readonly ranks: readonly number[]
  readonly permit: Permit | undefined
  readonly duties: CombinedDuties
  /** Full names of the active rules: those whose `when` is not known to be false, in every mode. */
  readonly active: readonly string[]
  /** Full names of the rules that removed a deployment which the app is granted; where some of them remove all, those alone. */
  readonly bitten: readonly string[]
  /** Names of the exceptions that lifted a removal. */
  readonly exceptions: readonly string[]
  /** The stretch [from, until) in which the same request gets the same decision. */
  readonly from: Instant
  readonly until: Instant
}

/** What one reading of a request leads to. */
export type Judgement = {
  readonly removed: Mask
  readonly active: readonly { readonly rule: FrameRule; readonly enforcing: boolean; readonly lifted: Mask; readonly exceptions: readonly FrameRule['exceptions'][number][] }[]
}

/** Applies every rule in force to one reading (section 4, rules 1 to 6). */
export function judge(frame: Frame, facts: Facts, dataIsTakenFromMayCarry: boolean): Judgement {
  const removed = emptyMask(frame.facts.length), none = emptyMask(frame.facts.length)
  const active: Judgement['active'][number][] = []
  const truths = new Map<FrameRule['when'], Truth>()
  // An exception never matches on data that nobody stated (section 15).
  const factsForExceptions = dataIsTakenFromMayCarry ? { ...facts, data: undefined } : facts
  for (const rule of frame.rules) {
    let truth = truths.get(rule.when)
    if (truth === undefined) truths.set(rule.when, truth = evaluate(rule.when, facts))
    if (truth === FALSE) continue
    const enforcing = rule.enforces || (rule.ring !== undefined && evaluate(rule.ring, facts) !== FALSE)
    const exceptions = rule.exceptions.length === 0 ? rule.exceptions : rule.exceptions.filter(e => evaluate(e.for, factsForExceptions) === TRUE)
    const lifted = exceptions.length === 0 ? none : emptyMask(frame.facts.length)
    for (const e of exceptions) for (let w = 0; w < lifted.length; w++) lifted[w]! |= e.models[w]!
    if (enforcing) for (let w = 0; w < removed.length; w++) removed[w]! |= rule.removes[w]! & ~lifted[w]!
    active.push({ rule, enforcing, lifted, exceptions })
  }
  return { removed, active }
}

const CLASSES_MAX = 4096
const classes = new WeakMap<Frame, Map<string, Decision>>()

/** Which deployments this request may use at this instant. Never throws. */
export function decide(rulebook: Rulebook, asked: Asked, at: Instant): Decision {
  return decideUnderstood(rulebook, understand(rulebook, asked, at), at)
}

/** The same for a request already understood at the same instant. */
export function decideUnderstood(rulebook: Rulebook, understood: Understood, at: Instant): Decision {
  const frame = frameAt(rulebook, at)
  let known = classes.get(frame)
  if (known === undefined) classes.set(frame, known = new Map())
  const key = classOf(frame, understood)
  let decision = known.get(key)
  if (decision === undefined) {
    if (known.size >= CLASSES_MAX) known.clear()
    known.set(key, decision = decideClass(frame, understood))
  }
  return decision
}

/** The same, without looking for the class among those known: for whoever has told the classes apart already. */
export const decideClassAt = (rulebook: Rulebook, understood: Understood, at: Instant): Decision => decideClass(frameAt(rulebook, at), understood)

/** Requests of one class differ in nothing that a rule in force asks for. */
function classOf(frame: Frame, u: Understood): string {
  return JSON.stringify([u.app?.name, u.dataNotRegistered, u.sources['data'] === 'may-carry', u.readings.map(r => frame.asks.map(fact => r[fact] ?? null))])
}

function decideClass(frame: Frame, understood: Understood): Decision {
  const stretch = { from: frame.from, until: frame.until }
  if (understood.dataNotRegistered) {
    return Object.freeze({ outcome: 'refuse', code: 'data_not_registered', permitted: [], ranks: [], permit: undefined, duties: {}, active: [], bitten: [], exceptions: [], ...stretch })
  }
  const judgements = understood.readings.map(facts => judge(frame, facts, understood.sources['data'] === 'may-carry'))
  const granted = understood.app && frame.grants.get(understood.app.name)
  const left = granted?.map((word, w) => judgements.reduce((rest, j) => rest & ~j.removed[w]!, word))
  const rank = ranking(judgements[0]!)
  const chosen = left === undefined ? [] : frame.ties.filter(i => hasBit(left, i))
  const ordered = judgements[0]!.active.some(a => a.rule.ranks !== undefined)
  if (ordered) chosen.sort((a, b) => rank(a) - rank(b))
  const permitted = Object.freeze(chosen.map(i => frame.rulebook.deployments[i]!.name))
  const active = judgements.flatMap(j => j.active)
  const used = active.flatMap(a => a.exceptions.filter(e => e.models.some((word, w) => (word & a.rule.removes[w]!) !== 0)).map(e => e.exception.name))
  return Object.freeze({
    outcome: permitted.length > 0 ? 'permit' : 'refuse',
    code: permitted.length > 0 ? undefined : 'no_permitted_model',
    permitted,
    ranks: Object.freeze(ordered ? chosen.map(rank) : chosen.map(() => 0)),
    permit: permitted.length > 0 ? issue(permitted, frame.from, frame.until) : undefined,
    duties: combineDuties(active.filter(a => a.enforcing && a.rule.hasDuties).map(a => a.rule.rule.duties), frame.members),
    bitten: granted === undefined ? [] : bittenBy(granted, active),
    active: [...new Set(active.map(a => a.rule.rule.name))],
    exceptions: [...new Set(used)].sort(),
    ...stretch,
  })
}

type Active = Judgement['active'][number]

function removesSome({ rule, lifted }: Active, granted: Mask): boolean {
  for (let w = 0; w < granted.length; w++) if ((granted[w]! & rule.removes[w]! & ~lifted[w]!) !== 0) return true
  return false
}

function removesAll({ rule, lifted }: Active, granted: Mask): boolean {
  for (let w = 0; w < granted.length; w++) if ((granted[w]! & ~(rule.removes[w]! & ~lifted[w]!)) !== 0) return false
  return true
}

function bittenBy(granted: Mask, active: Judgement['active']): readonly string[] {
  const biting = active.filter(a => a.enforcing && removesSome(a, granted))
  const emptying = biting.filter(a => removesAll(a, granted))
  return [...new Set((emptying.length > 0 ? emptying : biting).map(a => a.rule.rule.name))]
}

/** The ranks of all active prefer rules, added up. */
function ranking(judgement: Judgement): (deployment: number) => number {
  const ranks = judgement.active.flatMap(a => (a.rule.ranks === undefined ? [] : [a.rule.ranks]))
  return i => ranks.reduce((sum, r) => sum + r[i]!, 0)
}
