/** What the machine gives the command line, so that commands are plain functions of it and tests can stand in for it. */
import type { Sources } from '../bundle/bundle.ts'

export type ReadFolder = { readonly ok: true; readonly sources: Sources } | { readonly ok: false; readonly wrong: string }

export type ServeOptions = {
  readonly hostname: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly policies: string
  readonly data: string
  /** The country where the records are kept; undefined when nobody said. */
  readonly place: string | undefined
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

export const PRETENDS = ['us-cloud', 'eu-cloud', 'local'] as const
export type Pretends = (typeof PRETENDS)[number]

export type Host = {
  readonly version: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Milliseconds since 1970, UTC. */
  readonly now: () => number
  /** Standard output and standard error; text as it is, with its line ends. */
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** All of standard input. */
  readonly readInput: () => Promise<string>
  /** Bytes nobody can guess. */
  readonly randomBytes: (length: number) => Uint8Array
  /** All policy files under a folder; every read of policies goes through here. */
  readonly readFolder: (folder: string) => Promise<ReadFolder>
  /** The policies that come with Bailiwick, which `init` copies. */
  readonly starterFolder: string
  /** Runs until it is told to stop; the number is the exit code. */
  readonly serve: (options: ServeOptions) => Promise<number>
  readonly rehearse: (options: RehearseOptions) => Promise<number>
}
