/**
 * What this is for: YAML text to a frozen, digested bundle. `compile` is the one entry.
 * What it assumes: file names are relative to the policies folder, with forward slashes.
 * What it promises: all problems of all files in one run; a bundle only when there is no error; never a half-applied file.
 */
import type { Catalog, DiscoveredModel, Timeouts } from '../catalog/catalog.ts'
import type { Rulebook } from '../policy/rule.ts'
import type { Problem } from './problem.ts'

/** What a gateway needs from an app file besides the law. */
export type AppConnection = {
  readonly app: string
  /** `sha256:` and 64 hex digits. */
  readonly keyHashes: readonly string[]
  readonly substitutes: 'yes' | 'same-developer' | 'no'
  readonly ladder: readonly string[] | undefined
  readonly limits: { readonly requestsPerMinute?: number; readonly tokensPerMinute?: number; readonly spendPerDay?: { readonly amount: number; readonly currency: string } }
  /** The key works only from a loopback address. */
  readonly loopbackOnly: boolean
  /** Whether another deployment may go on with a stream that breaks after its first content. */
  readonly streamRescue: boolean
  /** What a provider's content filter means: the answer, or a reason to ask the next deployment. */
  readonly onContentFilter: 'return' | 'next'
  /** Over those of the deployments. */
  readonly timeouts: Partial<Timeouts>
}

/** A date that makes `check` exit 5: a review-by, a good-until or an as-of that has passed. */
export type Dated = {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly what: string
  /** Overdue from this instant on. */
  readonly at: number
  /** When what should be reviewed has ended: it is not overdue any more, it is history. */
  readonly until?: number
}

/** What a bundle was made of, and can be made of again (kept.ts): nothing else enters its two digests. */
export type MadeOf = {
  /** Every file that can change a decision or a connection. */
  readonly sources: Sources
  /** What servers said they hold, as far as it was taken up. */
  readonly discovered: readonly DiscoveredModel[]
  /** Rules of the drills that lie over it, as the text that is digested. */
  readonly drills: readonly { readonly id: string; readonly rules: string }[]
}

/** Whether a date has passed for something that still matters. */
export const isOverdue = (due: Dated, now: number): boolean => due.at <= now && now < (due.until ?? Infinity)

export type Bundle = {
  /** SHA-256 over every file that can change a decision or a connection (tests left out), and the drills over them, lower-case hex. */
  readonly digest: string
  /** SHA-256 over the catalog files and what discovery added. */
  readonly catalogDigest: string
  readonly rulebook: Rulebook
  readonly catalog: Catalog
  readonly apps: ReadonlyMap<string, AppConnection>
  /** App name by key hash. */
  readonly appByKeyHash: ReadonlyMap<string, string>
  /** Reviews and facts with their due instants, for `check`. */
  readonly due: readonly Dated[]
  readonly warnings: readonly Problem[]
  readonly madeOf: MadeOf
}

/** The policies folder as text, by file name relative to it. */
export type Sources = ReadonlyMap<string, string>

export type Compiled = { readonly ok: true; readonly bundle: Bundle } | { readonly ok: false; readonly problems: readonly Problem[] }
