/** What the machine gives the command line, so that commands are plain functions of it and tests can stand in for it. */
import type { Sources } from '../bundle/bundle.ts'
import type { MadeAgain } from '../bundle/kept.ts'
import type { Sha256 } from '../record/hash.ts'
import type { DecisionEntry } from '../record/record.ts'
import type { PublicJwk, SigningKey } from '../record/signing.ts'

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
  /** Where content is kept, sealed to the public key of a file, where a duty lets it be kept; the country is undefined when nobody said. Undefined: nowhere. */
  readonly content: { readonly folder: string; readonly keyFile: string; readonly place: string | undefined } | undefined
  /** How long records are kept at least, in milliseconds; undefined deletes nothing. */
  readonly retainMs: number | undefined
}

export type RehearseOptions = {
  readonly pretends: Pretends
  readonly hostname: string
  readonly port: number
  readonly models: readonly string[]
}

/** Requests of the records that are alike in some facts: those facts with their sources, what the caller stated, and how many there were. */
export type RecordedRequests = { readonly request: DecisionEntry['request']; readonly stated: Readonly<Record<string, unknown>>; readonly count: number }
export type ReadRecorded = { readonly ok: true; readonly requests: Iterable<RecordedRequests>; readonly read?: string } | { readonly ok: false; readonly wrong: string }

/** A text that should be a line, and where it stands: `FILE:LINE` of an export, `FILE seq N` of a database. A text that is no UTF-8 is empty here. */
export type RecordsLine = { readonly text: string; readonly where: string }
/**
 * Lines in their order. They may be gone through once, and going through them throws where the file is damaged so that nothing more can be
 * read. `head` is what a database says of its own end. `publicKey` lay beside it, which does not prove whose it is.
 */
export type ReadRecords =
  | { readonly ok: true; readonly kind: 'export' | 'database'; readonly lines: Iterable<RecordsLine>; readonly head?: { readonly seq: number; readonly digest: string }; readonly publicKey?: PublicJwk }
  | { readonly ok: false; readonly wrong: string }

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
  /** Waits until standard output has taken what it was given, for whoever gives it more than fits in memory. False: nobody reads it any more. Absent where it takes everything at once. */
  readonly outTaken?: () => Promise<boolean>
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
  /** What was asked since the hour of an instant, as far as these facts go: of a data folder, a records file or a file of classes, none of which is changed. `read` says which. */
  readonly readRecorded: (file: string, since: number, facts: readonly string[]) => Promise<ReadRecorded>
  /** Records of a data folder with all its files, of one SQLite file, or of an export, read line by line without changing them. */
  readonly readRecords: (path: string) => Promise<ReadRecords>
  /** The key of a data folder, for what is signed beside the records. Rejects, with words for people, where there is none. */
  readonly readSigningKey: (data: string) => Promise<SigningKey>
  readonly sha256: Sha256
  /** The bundle that a decision names, made again from what a data folder keeps. */
  readonly readBundle: (data: string, named: Pick<DecisionEntry, 'bundle' | 'catalog'>) => Promise<MadeAgain>
  /** The policies that come with Bailiwick, which `init` copies. */
  readonly starterFolder: string
  /** Runs until it is told to stop; the number is the exit code. */
  readonly serve: (options: ServeOptions) => Promise<number>
  readonly rehearse: (options: RehearseOptions) => Promise<number>
}
