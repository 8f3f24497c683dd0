/**
 * Replies to web responses: the one place that writes HTTP statuses.
 *
 * What it promises: one error shape; `x-request-id` on everything; after the first byte of a stream nothing is thrown at
 * the caller, a failure is an event of the stream.
 */
import { envelopeOf, failure, statusOf, type Failure } from '../failure.ts'
import type { Answer, Headers } from '../gateway/call.ts'
import { errorEvent } from '../openai/sse.ts'

/** What a path answers, before it is HTTP. */
export type Reply =
  | Exclude<Answer, { kind: 'dry-run' }>
  | { readonly kind: 'json'; readonly headers: Headers; readonly value: unknown }

export type Responding = {
  readonly requestId: string
  /** Told once, when the last byte was handed over or the caller has left. */
  readonly ended: (how: 'sent' | 'left') => void
  /** A stream broke its promise never to throw. */
  readonly broke: (thrown: unknown) => void
}

const HEADER_LENGTH_MAX = 1_024
export const BUG: Failure = failure('internal_error', 'The gateway failed to answer this request. Its log has the reason under the x-request-id of this answer.')

export const json = (value: unknown, headers: Headers = {}): Reply => ({ kind: 'json', headers, value })
export const failed = (f: Failure): Reply => ({ kind: 'failed', headers: {}, failure: f })

/** What a host answers that could not even make a web request of what came: the same shape, from the same place. */
export function notHttp(requestId: string): { readonly status: number; readonly headers: Headers; readonly body: string } {
  const why = failure('invalid_request', 'This is not a complete and well-formed HTTP request.')
  return { status: statusOf(why), headers: { 'content-type': 'application/json', 'x-request-id': requestId, connection: 'close' }, body: JSON.stringify(envelopeOf(why)) }
}

export const statusOfReply = (reply: Reply): number => (reply.kind === 'failed' ? statusOf(reply.failure) : 200)

export function toResponse(reply: Reply, responding: Responding): Response {
  const headers: Record<string, string> = { 'x-request-id': responding.requestId }
  for (const [name, value] of Object.entries(reply.headers)) headers[name] = plain(value)
  const response = new Response(bodyOf(reply, responding, headers), { status: statusOfReply(reply), headers })
  if (reply.kind !== 'stream') responding.ended('sent')
  return response
}

/** The body, and in `headers` what is to be said about it. */
function bodyOf(reply: Reply, responding: Responding, headers: Record<string, string>): string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
  switch (reply.kind) {
    case 'stream':
      headers['content-type'] = reply.contentType
      headers['cache-control'] = 'no-cache'
      headers['x-accel-buffering'] = 'no'
      return streamOf(reply.body, responding)
    case 'whole':
      headers['content-type'] = reply.contentType
      // INVARIANT: never a view of shared memory, which is all that the narrower type excludes.
      return reply.body as Uint8Array<ArrayBuffer>
    case 'json':
      headers['content-type'] = 'application/json'
      return JSON.stringify(reply.value)
    case 'failed': {
      const { retryAfterMs } = reply.failure
      headers['content-type'] = 'application/json'
      if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterMs / 1_000))
      // RFC 9110, section 11.6.1: a 401 says which scheme would do.
      if (statusOfReply(reply) === 401) headers['www-authenticate'] = 'Bearer'
      return JSON.stringify(envelopeOf(reply.failure))
    }
  }
}

/** A header can hold neither line ends nor letters outside ASCII; a name that a caller or a policy wrote may. */
const plain = (value: string): string => value.slice(0, HEADER_LENGTH_MAX).replace(/[^\x20-\x7e]/g, '?')

/** Bytes as they are asked for; nothing is read ahead of the caller. */
function streamOf(body: AsyncIterable<Uint8Array>, { ended, broke }: Responding): ReadableStream<Uint8Array> {
  const bytes = body[Symbol.asyncIterator]()
  let over = false
  const end = (how: 'sent' | 'left'): void => {
    if (over) return
    over = true
    ended(how)
  }
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await bytes.next()
        if (over) return
        if (next.done !== true) return controller.enqueue(next.value)
      } catch (thrown) {
        broke(thrown)
        if (over) return
        controller.enqueue(errorEvent(envelopeOf(BUG)))
      }
      controller.close()
      end('sent')
    },
    async cancel() {
      end('left')
      await bytes.return?.()
    },
  }, { highWaterMark: 0 })
}
