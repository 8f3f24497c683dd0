/**
 * What this is for: providers and deployments as the gateway needs them beside the law: how to connect, what fits,
 * what it costs. What it assumes: compiled by bundle/. What it promises: connection and fit never enter a decision.
 */
import type { Operation } from '../policy/facts.ts'
import type { Place, RuledDeployment } from '../policy/rule.ts'

export type Capability = 'tools' | 'vision' | 'json-schema' | 'prefill' | 'reasoning' | 'parallel-tools'
export const CAPABILITIES = ['tools', 'vision', 'json-schema', 'prefill', 'reasoning', 'parallel-tools'] as const satisfies readonly Capability[]

export type Dialect = 'openai' | 'ollama'

export type Connection = {
  readonly dialect: Dialect
  /** Without a slash at the end. For a rehearsal provider the host fills it in when it starts one. */
  readonly baseUrl: string
  /** The written name of a secret (`env:NAME`), never the secret. Absent: the server wants none. */
  readonly key: string | undefined
}

/** Milliseconds. */
export type Timeouts = {
  readonly connect: number
  /** Until the first content of a stream. */
  readonly firstToken: number
  /** Between two pieces of an answer that has begun. */
  readonly idle: number
  /** The whole request, all attempts together. */
  readonly total: number
  /** Until an answer that is no stream begins. Absent: half of the time that is left while another deployment could answer. */
  readonly whole?: number
}
export const DEFAULT_TIMEOUTS: Timeouts = { connect: 5_000, firstToken: 20_000, idle: 30_000, total: 600_000 }

export type Price = { readonly input: number; readonly output: number; readonly currency: string }

/** What a server says of its own work and how that is compared with the facts. */
export type Reports = {
  /** Names it may answer under, `*` at the end for any ending; undefined: any that the catalog does not know as another model's. */
  readonly models: readonly string[] | undefined
  /** The response header that names the place, in lower case; with what its words, in lower case too, mean. A word that is not there is a mismatch. */
  readonly region: { readonly header: string; readonly countries: ReadonlyMap<string, string> } | undefined
}

export type Deployment = {
  readonly name: string
  /** What callers ask for. */
  readonly model: string
  readonly provider: string
  /** What the server calls it. */
  readonly upstreamModel: string
  /** Absent: facts only. It is decided and explained, never dispatched to. */
  readonly connection: Connection | undefined
  readonly operations: readonly Operation[]
  /** Tokens of context; undefined when not stated, and then nothing is known to be too long for it. */
  readonly context: number | undefined
  readonly maxOutput: number | undefined
  readonly can: readonly Capability[]
  readonly price: Price | undefined
  readonly embeddingSpace: string | undefined
  /** 0 to 100, for the ladder of substitutes; undefined counts as 0. */
  readonly quality: number | undefined
  readonly timeouts: Timeouts
  /** As facts, repeated here for answers and records: undefined is unknown. */
  readonly processedIn: readonly string[] | undefined
  readonly hosting: string | undefined
  /** A provider that only pretends, for a first run; never beside a real one. */
  readonly rehearsal: boolean
  readonly discovered: boolean
  /** Those of its provider: names and addresses that count as local. Absent: none. */
  readonly localHosts?: readonly string[]
  /** Whether a server that does not hold the model may be told to fetch it. */
  readonly pull: boolean
  readonly reports: Reports | undefined
}

/** What a provider's file says for all its deployments, for those that are discovered later. */
export type ProviderDefaults = {
  readonly facts: RuledDeployment['facts']
  /** The zone in which its dates are written. */
  readonly zone: string
  readonly price: Price | undefined
  readonly context: number | undefined
  readonly maxOutput: number | undefined
  readonly can: readonly Capability[]
  readonly quality: number | undefined
  readonly timeouts: Timeouts
  readonly reports: Reports | undefined
}

export type Provider = {
  readonly name: string
  readonly title: string | undefined
  readonly connection: Connection | undefined
  readonly discover: 'models' | undefined
  /** What it pretends to be: us-cloud, eu-cloud or local. Absent for a real provider. */
  readonly rehearsal: string | undefined
  /** Names and addresses that count as local beside loopback, private and link-local ones. */
  readonly localHosts: readonly string[]
  readonly defaults?: ProviderDefaults
  /** Where its file begins. */
  readonly place?: Place
}

/** A model that a server says it holds. */
export type DiscoveredModel = {
  readonly provider: string
  /** The name the server uses: qwen3:8b. */
  readonly upstreamModel: string
  readonly context?: number
  readonly can?: readonly Capability[]
  readonly operations?: readonly Operation[]
}

export type Catalog = {
  readonly providers: ReadonlyMap<string, Provider>
  /** In catalog order, the same order and length as the rulebook's deployments. */
  readonly deployments: readonly Deployment[]
  readonly byName: ReadonlyMap<string, Deployment>
  /** Deployments by the model name that callers ask for. */
  readonly byModel: ReadonlyMap<string, readonly Deployment[]>
}

/** Builds the look-ups over a list of deployments. */
export function catalogOf(providers: ReadonlyMap<string, Provider>, deployments: readonly Deployment[]): Catalog {
  const byModel = new Map<string, Deployment[]>()
  for (const d of deployments) {
    const same = byModel.get(d.model)
    if (same === undefined) byModel.set(d.model, [d])
    else same.push(d)
  }
  return { providers, deployments, byName: new Map(deployments.map(d => [d.name, d])), byModel }
}
