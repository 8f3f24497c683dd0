/**
 * What this is for: the law as data. A rulebook is what the compiler makes of `policies/` and what `decide` reads.
 * What it assumes: everything in it was checked when it was compiled: names exist, lists are not empty, dates are instants.
 * What it promises: it is frozen; it holds no text that still needs reading.
 */
import type { Facts, Value } from './facts.ts'

/** Milliseconds since 1970 in UTC. -Infinity and Infinity stand for a window without that end. */
export type Instant = number

/** A window holds from its first instant to just before its last (section 15). */
export type Window = { readonly from: Instant; readonly until: Instant }

/** Where something is written: file relative to the policies folder, line and column from 1. */
export type Place = { readonly file: string; readonly line: number; readonly column: number }

/** One element of a list in a matcher: a value, or a group that stands for its members at the time of the decision. */
export type Term = { readonly value: string | number } | { readonly group: string }

/** What a rule asks of one fact; several words in one matcher mean "and". Absent words ask nothing. */
export type Matcher = {
  readonly any?: readonly Term[]
  readonly only?: readonly Term[]
  readonly none?: readonly Term[]
  /** Classification as its index in CLASSIFICATIONS, durations in hours. */
  readonly atLeast?: number
  readonly atMost?: number
}

/** A condition over request facts or over deployment facts. */
export type Block =
  | { readonly kind: 'all' }
  | { readonly kind: 'fact'; readonly fact: string; readonly match: Matcher }
  | { readonly kind: 'and'; readonly parts: readonly Block[] }
  | { readonly kind: 'or'; readonly parts: readonly Block[] }

export type LogLevel = 'none' | 'metadata' | 'full'
export type CacheScope = 'app' | 'region'

/** Duties as written on one rule. An absent duty asks nothing; `cache: none` is the empty list. */
export type Duties = {
  readonly redact?: readonly string[]
  readonly log?: LogLevel
  /** Countries and country groups where records of this request may be kept. */
  readonly logIn?: readonly Term[]
  readonly cache?: readonly CacheScope[]
  readonly notify?: readonly string[]
  /** Hours. */
  readonly retainEvidence?: number
  /** No: a stream that breaks ends there; no other deployment goes on with it. */
  readonly rescue?: 'no'
  /** Yes: the record of the decision holds a salted digest of the request's body. */
  readonly requestDigest?: 'yes'
  /** Headers to put on the answer, name in lower case to value. */
  readonly header?: { readonly [name: string]: string }
}

export type Rule = {
  /** policy/id: the full name, unique in the rulebook. */
  readonly name: string
  readonly policy: string
  readonly id: string
  readonly title: string
  readonly because: string
  readonly law: string | undefined
  readonly place: Place
  readonly directive: boolean
  /** forbid B removes unless B is known false; require B removes unless B is known true; prefer only orders. */
  readonly effect: 'forbid' | 'require' | 'prefer'
  /** Over request facts; `all` when the rule has no `when`. */
  readonly when: Block
  /** Over deployment facts: one block for forbid and require, one or more for prefer. */
  readonly blocks: readonly Block[]
  readonly window: Window
  readonly mode: 'enforce' | 'warn' | 'shadow'
  /** From this instant a warn or shadow rule enforces. Infinity for mode enforce. */
  readonly modeUntil: Instant
  /** The ring, over request facts: where it is not known false, the rule enforces whatever its mode. */
  readonly enforceFor: Block | undefined
  readonly duties: Duties
  readonly exceptions: { readonly allowed: boolean; readonly atMostDays: number | undefined; readonly approvers: readonly string[] }
}

export type Exception = {
  readonly name: string
  /** The full name of the one rule it suspends. */
  readonly rule: string
  readonly for: Block
  readonly models: Block
  readonly category: 'waiver' | 'mitigated'
  readonly reason: string
  readonly ticket: string
  readonly requestedBy: string
  readonly approvedBy: string
  readonly window: Window
  readonly place: Place
}

export type Group = {
  readonly name: string
  readonly of: 'countries' | 'certificates'
  /** Each member and when it counts. */
  readonly members: readonly { readonly value: string; readonly window: Window }[]
  readonly source: string
  /** Bare dates, YYYY-MM-DD, that never change a decision. */
  readonly asOf: string
  readonly reviewBy: string
  readonly place: Place
}

/** A declared value for a fact that nobody states, until a date (section 4, rule 8). */
export type Assumption = {
  readonly fact: string
  readonly value: Value
  readonly basis: string
  readonly owner: string
  readonly until: Instant
  readonly place: Place
}

export type Grant = { readonly model: readonly string[] } | { readonly deployment: readonly string[] }

export type App = {
  readonly name: string
  readonly title: string | undefined
  readonly owner: string
  readonly grants: 'all' | readonly Grant[]
  /** Registered facts; an absent one is not registered. */
  readonly registered: Facts
  /** Labels closed upward, `none` left out; undefined when the app does not say. */
  readonly mayCarry: readonly string[] | undefined
  readonly mayAssert: readonly string[]
  readonly assumptions: readonly Assumption[]
  readonly place: Place
}

/** One fact of a deployment and until when it may be believed; after that it is unknown. */
export type DatedFact = { readonly value: Value; readonly goodUntil: Instant }

export type RuledDeployment = {
  readonly name: string
  readonly model: string
  readonly provider: string
  /** By fact name, without deployment, model, provider. An absent fact is unknown. */
  readonly facts: { readonly [fact: string]: DatedFact | undefined }
  /** Input plus output price per million tokens, for ties; undefined is dearest. */
  readonly price: number | undefined
  /** Where the catalog lists it; absent for one that was discovered. */
  readonly place?: Place
}

/** A moment at which decisions may change, and the zone in which it is written. */
export type Edge = { readonly at: Instant; readonly zone: string }

export type Rulebook = {
  /** In catalog order. */
  readonly deployments: readonly RuledDeployment[]
  readonly rules: readonly Rule[]
  readonly exceptions: readonly Exception[]
  readonly groups: ReadonlyMap<string, Group>
  /** Every label, built in and defined, with its parent. */
  readonly labels: ReadonlyMap<string, string | undefined>
  readonly apps: ReadonlyMap<string, App>
  /** Every instant at which anything above starts or ends, ascending, without duplicates. */
  readonly edges: readonly Edge[]
}
