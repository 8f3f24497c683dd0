/**
 * The transport port on Node: undici's `dispatch` with a pool of connections per origin. No retry, no redirect, no
 * proxy, no decompression, no timeout but the one for connecting: how long an answer may take is the caller's to say,
 * through the signal.
 */
import type { LookupFunction } from 'node:net'
import { Pool, type Dispatcher } from 'undici'
import { concat } from '../openai/bytes.ts'
import type { Transport, TransportRequest, TransportResponse } from '../ports.ts'
import { bySystem, lookupNearby } from './node-lookup.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** Idle connections are closed before common servers close them, so that a request seldom meets a dying socket. */
const KEEP_ALIVE_MS = 4_000
const CONNECTIONS_PER_ORIGIN_MAX = 1_024
const POOLS_MAX = 512
/** Bytes waiting for the reader at which the socket is told to wait. */
const WAITING_BYTES_MAX = 256 * 1024

export type NodeTransport = Transport & {
  /** Refuses new requests and closes every connection; what is under way fails. */
  close(): Promise<void>
}

/** `lookup` resolves the names of hosts; it is asked for every new connection. */
export function nodeTransport({ lookup = bySystem }: { readonly lookup?: LookupFunction } = {}): NodeTransport {
  const pools = new Map<string, Pool>()
  let closed = false

  /**
   * INVARIANT: origins come from the catalog, so there are few; past the bound the oldest finishes its work and goes. A
   * connection is checked when it is made, so those of requests that must stay nearby are never shared with others.
   */
  function poolFor({ origin, hostname }: URL, { connectTimeoutMs = CONNECT_TIMEOUT_MS, onlyLocal }: TransportRequest): Pool {
    const key = JSON.stringify([origin, connectTimeoutMs, onlyLocal?.hosts])
    const known = pools.get(key)
    if (known !== undefined) return known
    const [oldest] = pools
    if (pools.size >= POOLS_MAX && oldest !== undefined) {
      pools.delete(oldest[0])
      void oldest[1].close()
    }
    const pool = new Pool(origin, {
      connections: CONNECTIONS_PER_ORIGIN_MAX,
      connect: { timeout: connectTimeoutMs, lookup: onlyLocal === undefined ? lookup : lookupNearby(hostname, onlyLocal, lookup) },
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
    })
    pools.set(key, pool)
    return pool
  }

  return {
    async send(request, signal) {
      if (closed) throw coded('the transport is closed', 'ECLOSED')
      if (signal.aborted) throw aborted(signal)
      const url = new URL(request.url)
      const pool = poolFor(url, request)
      const exchange = new Exchange(signal, request.mayLeave)
      pool.dispatch({
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: request.headers,
        body: request.body ?? null,
      }, exchange)
      return exchange.response
    },
    async close() {
      closed = true
      const all = [...pools.values()]
      pools.clear()
      await Promise.all(all.map(pool => pool.destroy()))
    },
  }
}

type Waiter = { readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void; readonly reject: (error: Error) => void }

/** One request and its answer: what undici tells on one side, a promise and an iterator on the other. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly response: Promise<TransportResponse>
  #answer: { resolve: (response: TransportResponse) => void; reject: (error: Error) => void }
  #controller: Dispatcher.DispatchController | undefined
  #signal: AbortSignal
  #mayLeave: TransportRequest['mayLeave']
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #reader: Waiter | undefined
  /** Set at the end: null when the answer came whole, else why it did not. */
  #ended: Error | null | undefined

  constructor(signal: AbortSignal, mayLeave: TransportRequest['mayLeave']) {
    this.#mayLeave = mayLeave
    const { promise, resolve, reject } = Promise.withResolvers<TransportResponse>()
    this.response = promise
    this.#answer = { resolve, reject }
    this.#signal = signal
    signal.addEventListener('abort', this.#abort, { once: true })
  }

  #abort = (): void => this.#close(aborted(this.#signal))

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#ended) controller.abort(this.#ended)
    else if (this.#mayLeave?.() === false) this.#close(coded('the law changed before the request left', 'EOVERTAKEN'))
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void {
    if (status < 200) return
    const flat: Record<string, string> = {}
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value
    }
    this.#answer.resolve({ status, headers: flat, body: this.#body() })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#ended !== undefined) return
    if (this.#reader !== undefined) {
      const reader = this.#reader
      this.#reader = undefined
      reader.resolve({ done: false, value: chunk })
      return
    }
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes > WAITING_BYTES_MAX) controller.pause()
  }

  onResponseEnd(): void {
    this.#finish(null)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#finish(error.name === 'HTTPParserError' ? notHttp(error) : error)
  }

  #close(error: Error): void {
    if (this.#ended !== undefined) return
    this.#waiting = []
    this.#finish(error)
    this.#controller?.abort(error)
  }

  #finish(end: Error | null): void {
    if (this.#ended !== undefined) return
    this.#ended = end
    this.#signal.removeEventListener('abort', this.#abort)
    if (end !== null) this.#answer.reject(end)
    const reader = this.#reader
    this.#reader = undefined
    if (end === null) reader?.resolve({ done: true, value: undefined })
    else reader?.reject(end)
  }

  #body(): AsyncIterable<Uint8Array> {
    const iterator: AsyncIterableIterator<Uint8Array, undefined> = {
      next: () => {
        const chunk = this.#waiting.length > 1 ? this.#together() : this.#waiting.shift()
        if (chunk !== undefined) {
          this.#waitingBytes = 0
          if (this.#controller?.paused === true) this.#controller.resume()
          return Promise.resolve({ done: false, value: chunk })
        }
        if (this.#ended === null) return Promise.resolve({ done: true, value: undefined })
        if (this.#ended !== undefined) return Promise.reject(this.#ended)
        const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Uint8Array, undefined>>()
        this.#reader = { resolve, reject }
        return promise
      },
      return: () => {
        this.#close(coded('the reader left before the end', 'ECANCELED'))
        return Promise.resolve({ done: true, value: undefined })
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  /** Chunks that came while nobody was reading leave as one: fewer writes further on. */
  #together(): Uint8Array {
    const all = concat(this.#waiting)
    this.#waiting = []
    return all
  }
}

const coded = (message: string, code: string): Error => Object.assign(new Error(message), { code })

/** The parser's own error carries the bytes that it could not read. */
const notHttp = (error: Error & { readonly code?: unknown }): Error => coded('the answer is not HTTP', typeof error.code === 'string' ? error.code : 'HPE_INVALID')

/** An abort as an error whose cause is the reason given, whatever that was. */
const aborted = (signal: AbortSignal): Error => Object.assign(new Error('the request was aborted', { cause: signal.reason }), { name: 'AbortError', code: 'ABORT_ERR' })
