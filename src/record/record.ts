/**
 * What this is for: the log of decisions. One entry before the first attempt, one when the answer has ended.
 * What it assumes: nothing about storage; a recorder is a port, implemented in runtime/.
 * What it promises: no field of an entry can hold a prompt, an answer or a key.
 * Chain and receipts come with an issue of their own.
 */
import type { Attempt } from '../dispatch/attempt.ts'
import type { Code } from '../failure.ts'

export type DecisionEntry = {
  readonly kind: 'decision'
  /** The decision id that the caller sees in x-bailiwick-decision. */
  readonly id: string
  readonly at: number
  readonly requestId: string
  readonly bundle: string
  readonly catalog: string
  readonly epoch: number
  readonly outcome: 'permit' | 'refuse'
  readonly code?: Code
  /** Request facts as decided on, each with where it came from. */
  readonly request: { readonly [fact: string]: { readonly value: unknown; readonly source: string } }
  /** What the caller stated in headers, trusted or not: words of the vocabulary. */
  readonly stated: unknown
  readonly permitted: readonly string[]
  readonly activeRules: readonly string[]
  readonly exceptions: readonly string[]
  readonly assumptions: readonly string[]
  readonly duties: unknown
}

export type OutcomeEntry = {
  readonly kind: 'outcome'
  readonly id: string
  readonly at: number
  /** superseded: the law changed before the next attempt, and the request was decided anew under another id. */
  readonly outcome: 'answered' | 'failed' | 'refused' | 'cancelled' | 'cut' | 'superseded'
  readonly code?: Code
  readonly deployment?: string
  readonly model?: string
  /** What the server said it served, when it said so. */
  readonly servedModel?: string
  readonly attempts: readonly Attempt[]
  readonly usage?: { readonly input: number; readonly output: number }
  /** Duties done to the request, in short words: `redact iban: 2`. */
  readonly duties?: readonly string[]
  readonly ms: number
}

export type Entry = DecisionEntry | OutcomeEntry

/** Append or throw. INVARIANT: when `append` has returned, the entry is kept; a throw refuses the request. */
export type Recorder = { append(entry: Entry): void | Promise<void> }
