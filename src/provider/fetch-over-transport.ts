/** The transport port in the shape of fetch, for the client packages; not for the way of a caller's bytes (performance, 2). */
import type { Transport } from '../ports.ts'

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/**
 * Statuses without a body are kept, others get a stream that is read as it is asked for. Aborting `init.signal` or
 * `signal`, and cancelling the stream, close the connection.
 */
export function fetchOverTransport(
  transport: Transport,
  { signal, connectTimeoutMs }: { readonly signal: AbortSignal; readonly connectTimeoutMs?: number },
): Fetch {
  return async (input, init = {}) => {
    const method = init.method ?? 'GET'
    if (method !== 'GET' && method !== 'POST') throw new Error(`the transport does not send ${method}`)
    const headers: Record<string, string> = {}
    new Headers(init.headers).forEach((value, name) => { headers[name] = value })
    const body = bytesOf(init.body)
    const response = await transport.send({
      method,
      url: input instanceof Request ? input.url : String(input),
      headers,
      ...(body === undefined ? {} : { body }),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    }, init.signal ? AbortSignal.any([signal, init.signal]) : signal)
    const chunks = response.body[Symbol.asyncIterator]()
    const empty = response.status === 204 || response.status === 205 || response.status === 304
    if (empty) await chunks.return?.()
    return new Response(empty ? null : streamOf(chunks), { status: response.status, headers: response.headers })
  }
}

function streamOf(chunks: AsyncIterator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await chunks.return?.()
    },
  })
}

function bytesOf(body: RequestInit['body']): Uint8Array | undefined {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'string') return new TextEncoder().encode(body)
  if (body instanceof Uint8Array) return body
  throw new Error('the client packages are asked for JSON only, and send it as text')
}
