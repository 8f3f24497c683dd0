/**
 * What this is for: the answer to "why" (policy-language, sections 8 and 10): for every deployment of the catalog, every
 * rule that removes it, with file, line, law and the facts that decided.
 *
 * What it promises: it is derived from the same frame and the same judgement as the decision, so the two cannot differ.
 */
import { decideUnderstood, judge, type Judgement } from './decide.ts'
import { NOT_COLLECTED, type Facts, type Value } from './facts.ts'
import { frameAt, hasBit, type CombinedDuties, type Frame, type FrameRule } from './frame.ts'
import { decisiveFacts, evaluate, factsIn } from './match.ts'
import { understand, type Asked, type Understood } from './request.ts'
import type { Instant, Rulebook } from './rule.ts'
import { inUtc, inZone } from './time.ts'
import { UNKNOWN } from './truth.ts'

export type Reason = {
  readonly rule: string
  readonly effect: 'forbid' | 'require'
  readonly file: string
  readonly line: number
  readonly law: string | null
  readonly facts: readonly string[]
  /** The deployment block was unknown: the removal is for want of a fact. */
  readonly unknown: boolean
}

export type Row = {
  readonly deployment: string
  readonly verdict: 'allowed' | 'excluded'
  readonly granted: boolean
  readonly because: readonly Reason[]
  readonly 'would-exclude': readonly (Reason & { readonly mode: 'warn' | 'shadow' })[]
  readonly exceptions: readonly { readonly exception: string; readonly rule: string; readonly ends: string }[]
}

/** A value that nobody stated and a rule in force asked for. */
export type AssumptionUsed = {
  readonly fact: string
  readonly value: Value
  readonly from: 'may-carry' | 'assume'
  readonly basis?: string
  readonly owner?: string
  /** The first instant at which it no longer holds. */
  readonly until?: string
}

export type DutiesInWords = {
  readonly redact?: readonly string[]
  readonly log?: string
  readonly 'log-in'?: readonly string[]
  readonly cache?: string | readonly string[]
  readonly notify?: readonly string[]
  readonly 'retain-evidence'?: string
  readonly rescue?: 'no'
  readonly 'request-digest'?: 'yes'
  readonly header?: { readonly [name: string]: string }
}

/** The machine form of section 10, but for `bundle`, which the law does not know. */
export type Explanation = {
  readonly outcome: 'permit' | 'refuse'
  readonly code?: 'data_not_registered'
  readonly at: string
  readonly request: { readonly [fact: string]: Value }
  readonly permitted: readonly string[]
  /** The whole catalog, in catalog order. */
  readonly deployments: readonly Row[]
  readonly duties: DutiesInWords
  readonly assumptions: readonly AssumptionUsed[]
  readonly 'next-change': string | null
}

export function explain(rulebook: Rulebook, asked: Asked, at: Instant): Explanation {
  const frame = frameAt(rulebook, at)
  const understood = understand(rulebook, asked, at)
  const decision = decideUnderstood(rulebook, understood, at)
  const refusedOutright = decision.code === 'data_not_registered'
  const judgements = refusedOutright ? [] : understood.readings.map(facts => judge(frame, facts, understood.sources['data'] === 'may-carry'))
  const permitted = new Set(decision.permitted)
  const granted = understood.app && frame.grants.get(understood.app.name)
  return {
    outcome: decision.outcome,
    ...(refusedOutright && { code: 'data_not_registered' }),
    at: inUtc(at),
    request: requestInWords(understood),
    permitted: decision.permitted,
    deployments: rulebook.deployments.map((d, i) => ({
      deployment: d.name,
      verdict: permitted.has(d.name) ? 'allowed' : 'excluded',
      granted: granted !== undefined && hasBit(granted, i),
      ...reasonsFor(frame, judgements, i),
    })),
    duties: dutiesInWords(decision.duties),
    assumptions: refusedOutright ? [] : assumptionsUsed(frame, understood),
    'next-change': frame.next === undefined ? null : inZone(frame.next.at, frame.next.zone),
  }
}

/** All reasons of all readings, each rule once, in the rulebook's order. */
function reasonsFor(frame: Frame, judgements: readonly Judgement[], i: number): Pick<Row, 'because' | 'would-exclude' | 'exceptions'> {
  const because = new Map<string, Reason>()
  const watching = new Map<string, Row['would-exclude'][number]>()
  const exceptions = new Map<string, Row['exceptions'][number]>()
  for (const { rule, enforcing, lifted, exceptions: applied } of judgements.flatMap(j => j.active)) {
    if (!hasBit(rule.removes, i)) continue
    const { name, mode } = rule.rule
    for (const { exception, models } of applied) {
      if (hasBit(models, i)) exceptions.set(exception.name, { exception: exception.name, rule: name, ends: inUtc(exception.window.until) })
    }
    if (hasBit(lifted, i)) continue
    const reason = reasonOf(rule, frame.facts[i]!)
    if (enforcing) because.set(name, reason)
    else if (mode !== 'enforce') watching.set(name, { ...reason, mode })
  }
  return { because: [...because.values()], 'would-exclude': [...watching.values()].filter(w => !because.has(w.rule)), exceptions: [...exceptions.values()] }
}

function reasonOf({ rule, blocks }: FrameRule, facts: Facts): Reason {
  const effect = rule.effect as Reason['effect']
  return {
    rule: rule.name, effect, file: rule.place.file, line: rule.place.line, law: rule.law ?? null,
    facts: decisiveFacts(blocks[0]!, facts, effect),
    unknown: evaluate(blocks[0]!, facts) === UNKNOWN,
  }
}

/** Facts as they were stated or registered, in the vocabulary's order; labels without their parents. */
function requestInWords(understood: Understood): Explanation['request'] {
  const facts = understood.readings[0]!
  return Object.fromEntries(Object.entries(facts).filter((e): e is [string, Value] => e[1] !== undefined)
    .map(([name, value]) => [name, name === 'data' ? understood.labels ?? value : value]))
}

function assumptionsUsed(frame: Frame, { sources, readings, assumed }: Understood): readonly AssumptionUsed[] {
  const asked = new Set(frame.rules.flatMap(r => [...factsIn(r.rule.when), ...(r.rule.enforceFor ? factsIn(r.rule.enforceFor) : [])]))
  const carried: AssumptionUsed[] = sources['data'] === 'may-carry' && asked.has('data') ? [{ fact: 'data', value: readings[0]!['data']!, from: 'may-carry' }] : []
  return [...carried, ...assumed.filter(a => asked.has(a.fact)).map<AssumptionUsed>(a => (
    { fact: a.fact, value: Array.isArray(a.value) && a.value[0] === NOT_COLLECTED ? NOT_COLLECTED : a.value, from: 'assume', basis: a.basis, owner: a.owner, until: inUtc(a.until) }))]
}

export function dutiesInWords(d: CombinedDuties): DutiesInWords {
  return {
    ...(d.redact && { redact: d.redact }),
    ...(d.log && { log: d.log }),
    ...(d.logIn && { 'log-in': d.logIn }),
    ...(d.cache && { cache: d.cache.length === 0 ? 'none' : d.cache.length === 1 ? d.cache[0]! : d.cache }),
    ...(d.notify && { notify: d.notify }),
    ...(d.retainEvidence !== undefined && { 'retain-evidence': d.retainEvidence % 24 === 0 ? `${d.retainEvidence / 24}d` : `${d.retainEvidence}h` }),
    ...(d.rescue && { rescue: d.rescue }),
    ...(d.requestDigest && { 'request-digest': d.requestDigest }),
    ...(d.header && { header: d.header }),
  }
}

/** The facts of a deployment as they may be believed at an instant, for the text that explains. */
export function factsAt(rulebook: Rulebook, deployment: string, at: Instant): Facts {
  return frameAt(rulebook, at).facts[rulebook.deployments.findIndex(d => d.name === deployment)] ?? {}
}
