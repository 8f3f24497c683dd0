/**
 * What this is for: the lines of the records as requests: each decision with its outcome.
 *
 * What it assumes: nothing of what it reads; that the lines are those that were written is for verify.ts.
 * What it promises: one pass, and never more decisions in memory than may be waiting for their outcome; every decision of the period
 * comes out once. A line that cannot be read ends the reading: a report that silently lacks a request would be worse than none.
 */
import type { Attempt } from '../dispatch/attempt.ts'
import { readSeal } from './checkpoint.ts'
import type { DecisionEntry, OutcomeEntry } from './record.ts'

export type Joined = {
  readonly decision: DecisionEntry
  /** Undefined where none is on record: the answer goes on, or the gateway stopped before it had ended. */
  readonly outcome: OutcomeEntry | undefined
}

export type Period = {
  /** By the time of the decision, in milliseconds since 1970; the first instant and the one after the last. */
  readonly from: number
  readonly to: number
}

/** What was met on the way and is in no request. Complete when the reading has ended. */
export type Met = {
  /** Lines up to here were deleted when their time was over. */
  deletedTo: number
  /** Outcomes whose decision is not on record: it was deleted before them. */
  withoutDecision: number
}

/** The records cannot be gone on with at this place. */
export class NotWhole extends Error {}

/** Above what a gateway can have under way: whatever waits longer has lost its outcome. */
const WAITING_MAX = 100_000

/** Each request when its outcome has come, or when it is known that none comes. Throws NotWhole. */
export function* joined(lines: Iterable<{ readonly text: string; readonly where: string }>, { from, to }: Period, met: Met): Generator<Joined> {
  const waiting = new Map<string, DecisionEntry>()
  const isIn = ({ at }: DecisionEntry): boolean => at >= from && at < to
  for (const { text, where } of lines) {
    const entry = entryIn(text, where)
    if (entry === undefined) continue
    if (entry.kind === 'decision') {
      waiting.set(entry.id, entry)
      if (waiting.size <= WAITING_MAX) continue
      const [oldest] = waiting.values()
      waiting.delete(oldest!.id)
      if (isIn(oldest!)) yield { decision: oldest!, outcome: undefined }
    } else if (entry.kind === 'outcome') {
      const decision = waiting.get(entry.id)
      waiting.delete(entry.id)
      if (decision === undefined) met.withoutDecision += 1
      else if (isIn(decision)) yield { decision, outcome: entry }
    } else if (entry.kind === 'start') {
      // What an earlier process had not ended never came to its end.
      for (const decision of waiting.values()) if (isIn(decision)) yield { decision, outcome: undefined }
      waiting.clear()
    } else {
      met.deletedTo = Math.max(met.deletedTo, entry.last)
    }
  }
  for (const decision of waiting.values()) if (isIn(decision)) yield { decision, outcome: undefined }
}

type Read = DecisionEntry | OutcomeEntry | { readonly kind: 'start' } | { readonly kind: 'retired'; readonly last: number }

/** Undefined for an entry that is about no request, and for a seal. Throws NotWhole. */
function entryIn(text: string, where: string): Read | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Said below: it is no object.
  }
  if (!isObject(value)) throw new NotWhole(`${where} is no line of records`)
  const { open, closed } = value
  if (!isObject(open)) {
    if (readSeal(text) !== undefined) return undefined
    throw new NotWhole(`${where} is no line of records`)
  }
  const { kind } = open
  if (kind === 'start') return { kind }
  if (kind === 'retired') return { kind, last: Number(open['last']) }
  if (kind !== 'decision' && kind !== 'outcome') return undefined
  if (!isObject(closed)) throw new NotWhole(`${where} does not show its closed part`)
  const entry = { ...open, ...closed }
  if (!(kind === 'decision' ? isDecision(entry) : isOutcome(entry))) throw new NotWhole(`${where} is no ${kind} as a gateway records it`)
  return entry as unknown as DecisionEntry | OutcomeEntry
}

const isDecision = (entry: Members): boolean => areTexts(entry, ['id', 'app', 'requestId', 'bundle', 'catalog', 'outcome']) && areNumbers(entry, ['at', 'epoch'])
  && ['permitted', 'activeRules', 'exceptions', 'assumptions'].every(name => isTexts(entry[name]))
  && isObject(entry['request']) && Object.values(entry['request']).every(fact => isObject(fact) && typeof fact['source'] === 'string') && isObject(entry['duties'])
const isOutcome = (entry: Members): boolean => areTexts(entry, ['id', 'outcome']) && areNumbers(entry, ['at', 'ms'])
  && Array.isArray(entry['attempts']) && entry['attempts'].every(attempt => isObject(attempt) && areTexts(attempt, ['deployment', 'code']) && areNumbers(attempt, ['epoch', 'at']))
  && ['processedIn', 'deployments', 'duties'].every(name => entry[name] === undefined || isTexts(entry[name]))
  && (entry['usage'] === undefined || (isObject(entry['usage']) && areNumbers(entry['usage'], ['input', 'output'])))

type Members = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value)
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(item => typeof item === 'string')
const areTexts = (of: Members, names: readonly string[]): boolean => names.every(name => typeof of[name] === 'string')
const areNumbers = (of: Members, names: readonly string[]): boolean => names.every(name => Number.isFinite(of[name]))

/** Attempts of this decision. An outcome lists those of the decisions before it as well, where the law changed on the way; their pool was an earlier one. */
export const attemptsOf = ({ decision, outcome }: Joined): readonly Attempt[] => outcome?.attempts.filter(({ epoch }) => epoch >= decision.epoch) ?? []

/**
 * Deployments to which something of the request was sent. True: it answered something, so that it has received the request. False: the
 * attempt ended without an answer, and it may have received it. One that was overtaken by the law was sent nothing.
 */
export function receiversOf(one: Joined): ReadonlyMap<string, boolean> {
  const receivers = new Map<string, boolean>()
  for (const { deployment, code, upstreamStatus, afterContent } of attemptsOf(one)) {
    if (code === 'overtaken') continue
    const hasAnswered = code === 'ok' || upstreamStatus !== undefined || afterContent === true
    receivers.set(deployment, hasAnswered || receivers.get(deployment) === true)
  }
  return receivers
}
