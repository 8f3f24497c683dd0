/**
 * What a host supplies: time, randomness, network, secrets, background work, a log. Everything else in the product
 * is pure or takes one of these as an argument, so that it runs alike on Node, on Workers and under a test's clock.
 */
export type Clock = {
  /** Milliseconds since 1970, UTC. */
  now(): number
  /** Calls `then` once after `ms`; the returned function forgets it. */
  after(ms: number, then: () => void): () => void
}

/** A number in [0, 1). Seeded in tests. */
export type Random = () => number

export type TransportRequest = {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly connectTimeoutMs?: number
  /**
   * Set: the connection is made only where the address that the name resolves to is loopback, private or link-local, or
   * the name or address is one of `hosts`. A refusal rejects with an error whose code is `ENOTLOCAL`.
   */
  readonly onlyLocal?: { readonly hosts: readonly string[] }
  /**
   * Asked when a connection is there and the first byte is about to leave, which may be seconds after `send`. False: nothing leaves,
   * and `send` rejects with an error whose code is `EOVERTAKEN`.
   */
  readonly mayLeave?: () => boolean
}

export type TransportResponse = {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** May be iterated once. Leaving the loop early, or aborting the signal, closes the connection. */
  readonly body: AsyncIterable<Uint8Array>
}

export type Transport = {
  /** Resolves when the status line and headers are here. Rejects when the connection fails or the signal aborts. */
  send(request: TransportRequest, signal: AbortSignal): Promise<TransportResponse>
}

/** The value of a secret by its written name (`env:NAME`), or undefined when there is none. */
export type Secrets = (name: string) => string | undefined

/** Work that goes on after the answer: waitUntil on Workers, a tracked promise on Node. */
export type Background = (work: Promise<unknown>) => void

/** One JSON line. Never prompt, answer, key or raw upstream text. */
export type Log = (level: 'info' | 'warn' | 'error', event: string, fields?: Readonly<Record<string, unknown>>) => void

export type Ports = {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly secrets: Secrets
  readonly background: Background
  readonly log: Log
}
