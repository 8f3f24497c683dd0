/**
 * What this is for: the port "send one call to one deployment under one signal".
 * What it assumes: the caller holds a permit for the deployment; nothing here decides.
 * What it promises: the answer is in OpenAI's dialect whatever the server speaks; a failure is a value that carries
 * no text of the server's, only its status, code and type; aborting the signal closes the connection.
 */
import type { Deployment } from '../catalog/catalog.ts'
import type { Failure } from '../failure.ts'
import type { Operation } from '../policy/facts.ts'
import type { Repeats } from './repeat.ts'

export type ProviderCall = {
  readonly operation: Operation
  readonly stream: boolean
  /** The request as it may leave, OpenAI's JSON, as bytes; `model` is still what the caller wrote. */
  readonly body: Uint8Array
  readonly requestId: string
  /** Asked when the first byte is about to leave: whether the law is still the one that permitted it. Absent on probes. */
  readonly mayLeave?: () => boolean
}

export type Usage = { readonly input: number; readonly output: number }

/** An answer that has begun: status 200 was seen. Everything else is a failure. */
export type ProviderAnswer = {
  readonly ok: true
  readonly contentType: 'application/json' | 'text/event-stream'
  /** The response's headers, names in lower case; empty where the dialect gives none. */
  readonly headers: Readonly<Record<string, string>>
  /** Of the words in the headers and the body. Absent: nothing is known to be repeated. */
  readonly repeats?: Repeats
  /** JSON bytes, or SSE bytes in OpenAI's dialect, untouched where the server speaks it. Iterated once. */
  readonly body: AsyncIterable<Uint8Array>
}

export type ProviderResult = ProviderAnswer | { readonly ok: false; readonly failure: Failure }

export type ProviderPort = {
  send(deployment: Deployment, call: ProviderCall, signal: AbortSignal): Promise<ProviderResult>
}
