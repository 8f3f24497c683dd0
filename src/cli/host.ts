/** What the machine gives the command line, so that commands are plain functions of it and tests can stand in for it. */
import type { Sources } from '../bundle/bundle.ts'
import type { DecisionEntry } from '../record/record.ts'

export type ReadFolder = { readonly ok: true; readonly sources: Sources } | { readonly ok: false; readonly wrong: string }

export type ServeOptions = {
  readonly hostname: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly policies: string
  readonly data: string
  /** The country where the records are kept; undefined when nobody said. */
  readonly place: string | undefined
  /** The file in which gateways of this machine tell each other their news; undefined for one that stands alone. */
  readonly state: string | undefined
  /** Undefined: the one kept in the data folder, made at first start. */
  readonly adminToken: string | undefined
  /** Bytes; undefined takes the gateway's own bound. */
  readonly bodyBytesMax: number | undefined
}

export type RehearseOptions = {
  readonly pretends: Pretends
  readonly hostname: string
  readonly port: number
  readonly models: readonly string[]
}

/** Requests of the records that are alike in some facts: those facts with their sources, what the caller stated, and how many there were. */
export type RecordedRequests = { readonly request: DecisionEntry['request']; readonly stated: Readonly<Record<string, unknown>>; readonly count: number }
export type ReadRecorded = { readonly ok: true; readonly requests: Iterable<RecordedRequests> } | { readonly ok: false; readonly wrong: string }

export const PRETENDS = ['us-cloud', 'eu-cloud', 'local'] as const
export type Pretends = (typeof PRETENDS)[number]

export type Host = {
  readonly version: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Who runs this, by the machine's own list of users; undefined where it does not know. */
  readonly userName: () => string | undefined
  /** Milliseconds since 1970, UTC. */
  readonly now: () => number
  /** Standard output and standard error; text as it is, with its line ends. */
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Shows how far something long is, in place of what it showed before; `''` clears it. Absent where standard error is no terminal. */
  readonly progress?: (text: string) => void
  /** All of standard input. */
  readonly readInput: () => Promise<string>
  /** Asks whoever sits at the terminal and gives the line they typed. Absent where nobody does. */
  readonly ask?: (question: string) => Promise<string>
  /** Bytes nobody can guess. */
  readonly randomBytes: (length: number) => Uint8Array
  /** All policy files under a folder; every read of policies goes through here. */
  readonly readFolder: (folder: string) => Promise<ReadFolder>
  /** The policies as they stand in a git revision, `REV` for the folder given or `REV:path`. */
  readonly readRevision: (revision: string, folder: string) => Promise<ReadFolder>
  /** Decisions of a records file since an instant, as far as these facts go, read without changing the file. */
  readonly readRecorded: (file: string, since: number, facts: readonly string[]) => Promise<ReadRecorded>
  /** The policies that come with Bailiwick, which `init` copies. */
  readonly starterFolder: string
  /** Runs until it is told to stop; the number is the exit code. */
  readonly serve: (options: ServeOptions) => Promise<number>
  readonly rehearse: (options: RehearseOptions) => Promise<number>
}
