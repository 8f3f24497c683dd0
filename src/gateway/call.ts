/** A request as the flow takes it, and the answer it gives: the two types between http/ and gateway/. */
import type { Operation } from '../policy/facts.ts'
import type { RawFacts } from '../policy/request.ts'
import type { Explanation } from '../policy/explain.ts'
import type { RequestBody } from '../openai/body.ts'
import type { Needs } from '../openai/request.ts'
import type { Failure } from '../failure.ts'

export type Call = {
  readonly requestId: string
  /** The app whose key was shown. */
  readonly app: string
  /** The decision of the request of which this one is a step. INVARIANT: never from a caller's words. */
  readonly parent?: string
  readonly operation: Operation
  readonly body: RequestBody
  /** What the body asks for: model, stream and what a deployment must be able to do. Checked by `readRequest`. */
  readonly needs: Needs
  /** Request facts stated in x-bailiwick-* headers, well-formed but not trusted; by the names of the vocabulary. */
  readonly stated: RawFacts
  /** How many agents stand between the user and this call. */
  readonly agentDepth: number
  /** Decide and explain, send nothing (x-bailiwick-dry-run). */
  readonly dryRun: boolean
  readonly receivedAt: number
  /** Aborts when the caller hangs up. */
  readonly signal: AbortSignal
}

/** Response headers, names in lower case. */
export type Headers = Readonly<Record<string, string>>

export type Answer =
  | { readonly kind: 'whole'; readonly headers: Headers; readonly contentType: string; readonly body: Uint8Array }
  /** Bytes as they come. The stream ends by itself; leaving it early cancels the attempt. It never throws: a failure after the first byte is an SSE error event. */
  | { readonly kind: 'stream'; readonly headers: Headers; readonly contentType: string; readonly body: AsyncIterable<Uint8Array> }
  | { readonly kind: 'dry-run'; readonly headers: Headers; readonly explanation: Explanation }
  | { readonly kind: 'failed'; readonly headers: Headers; readonly failure: Failure }
