/**
 * What this is for: the log of decisions. One entry before the first attempt, one when the answer has ended; beside them one
 * for each notice enacted or lifted, each rebuild of the pool, each deployment set aside or released, each drill, and each start.
 * What it assumes: nothing about storage; a recorder is a port, implemented in runtime/.
 * What it promises: no field of an entry can hold a prompt, an answer or a key. How entries are chained and signed is in line.ts and
 * checkpoint.ts; docs/records.md says it for whoever checks them.
 */
import type { Attempt } from '../dispatch/attempt.ts'
import type { Code } from '../failure.ts'
import type { PoolEvent } from '../pool/epochs.ts'
import type { QuarantineReason } from '../pool/quarantine.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Sha256 } from './hash.ts'
import type { Line } from './line.ts'
import type { Path } from './merkle.ts'
import type { PublicJwk, SigningKey } from './signing.ts'

/**
 * Sources of request facts that somebody vouched for, as entries name them: the key, the gateway itself, and what the app
 * may assert. The others (registration, may-carry, assume) are said again by the policies.
 */
export const VOUCHED = ['key', 'gateway', 'request'] as const

export type DecisionEntry = {
  readonly kind: 'decision'
  /** The decision id that the caller sees in x-bailiwick-decision. */
  readonly id: string
  readonly at: number
  readonly requestId: string
  /** The app whose key was shown. */
  readonly app: string
  /** The decision of the request of which this one is a step, where it is one. */
  readonly parent?: string
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
  /** Where a rule asks for it: SHA-256 of a salt and the body as it came, and that salt; both in lower-case hex. */
  readonly requestDigest?: { readonly salt: string; readonly digest: string }
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
  /** Countries where the deployment processes, by the facts; undefined where they are not known. */
  readonly processedIn?: readonly string[]
  /** What the server said it served, when it said so. */
  readonly servedModel?: string
  /** Where the server said that it ran, as it said it in a word or two, when it said so. */
  readonly reportedRegion?: string
  /** All that took part, in order, where a stream was continued by another deployment. */
  readonly deployments?: readonly string[]
  /** What the server said that does not agree with the facts, in short words of ours. */
  readonly mismatch?: string
  readonly attempts: readonly Attempt[]
  readonly usage?: { readonly input: number; readonly output: number }
  /** By the catalog's price and the usage, in the catalog's currency; absent where either is not known. */
  readonly cost?: number
  /** Duties done to the request, in short words: `redact iban: 2`. */
  readonly duties?: readonly string[]
  readonly ms: number
}

/** A notice that was enacted or lifted at the running gateway, kept before it acts. */
export type DirectiveEntry = {
  readonly kind: 'directive'
  readonly id: string
  readonly at: number
  /** The policy's name. */
  readonly name: string
  readonly action: 'enact' | 'lift'
  /** Who did it, in the words of whoever held the admin token. */
  readonly author: string
  /** The bundle in force from now on, and the one before it. */
  readonly bundle: string
  readonly previousBundle: string
  /** SHA-256 of the notice's text, in lower-case hex. */
  readonly digest: string
}

/** A rebuild of the pool: its cause, and the difference for every app and kind of data. */
export type PoolEntry = { readonly kind: 'pool'; readonly id: string; readonly at: number } & Omit<PoolEvent, 'at'>

/** A deployment that was set aside or released. */
export type QuarantineEntry = {
  readonly kind: 'quarantine'
  readonly id: string
  readonly at: number
  readonly deployment: string
  readonly reason: QuarantineReason
  readonly action: 'set' | 'released'
  readonly detail: string
  /** Who released it, in the words of whoever held the admin token; absent where the gateway did. */
  readonly author?: string
}

/** A drill on the running gateway, kept before it acts. */
export type DrillEntry = {
  readonly kind: 'drill'
  readonly id: string
  readonly at: number
  readonly action: 'begin' | 'end'
  readonly author: string
  /** What is pretended: `provider=openai`, or the notice's name. */
  readonly what: readonly string[]
  /** When it ends by itself, in milliseconds since 1970. */
  readonly until: number
  /** The bundle in force from now on, and the one before it. */
  readonly bundle: string
  readonly previousBundle: string
  /** SHA-256 of the text of the notice that is pretended, in lower-case hex. */
  readonly digest?: string
  /** Why it ends: its author was there to ask for it, its time was over, or the gateway stopped. */
  readonly ended?: 'asked' | 'time' | 'stopped'
}

/** A gateway began: whatever an earlier one had not ended (a drill, a model set aside as withdrawn) ended with that process. */
export type StartEntry = {
  readonly kind: 'start'
  readonly id: string
  readonly at: number
  readonly version: string
  readonly bundle: string
  readonly place: string | null
  /** Deployments that stay set aside from before. */
  readonly quarantined: readonly string[]
}

/** The first line of a log. */
export type LogEntry = {
  readonly kind: 'log'
  readonly id: string
  readonly at: number
  /** Of this log alone, random. */
  readonly log: string
  /** The public key with which it is signed. */
  readonly key: PublicJwk
}

/** A signature over the lines since the checkpoint before. */
export type CheckpointEntry = { readonly kind: 'checkpoint'; readonly id: string } & Checkpoint

/** Lines that were deleted because the time for which they are kept was over; what came after them still leads to their last digest. */
export type RetiredEntry = {
  readonly kind: 'retired'
  readonly id: string
  readonly at: number
  readonly first: number
  readonly last: number
  /** The digest of the last line that was deleted. */
  readonly head: string
}

export type Entry = LogEntry | CheckpointEntry | RetiredEntry | StartEntry | DecisionEntry | OutcomeEntry | DirectiveEntry | PoolEntry | QuarantineEntry | DrillEntry

/** What a host with records can say of them while it serves. */
export type RecordsPort = {
  readonly key: SigningKey
  readonly sha256: Sha256
  /** The lines of one decision, oldest first: its decision and, when its answer has ended, its outcome. Empty where there is none. Throws when they cannot be read. */
  linesOf(id: string): readonly Line[]
  /** Each with its path to a checkpoint; one is made now where none covers them yet. Rejects when that cannot be done. */
  prove(lines: readonly Line[]): Promise<readonly WholeProven[]>
}
export type WholeProven = { readonly line: Line; readonly path: Path; readonly checkpoint: Checkpoint }

/** Append or throw. INVARIANT: when `append` has returned, the entry is kept; a throw refuses the request. */
export type Recorder = { append(entry: Entry): void | Promise<void> }
