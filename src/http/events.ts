/**
 * What happens in the gateway, as it happens: server-sent events (WHATWG HTML, section 9.2).
 *
 * What it promises: whoever comes back with the id it saw last misses nothing that is still kept; whoever does not read is
 * cut, and what waited for it is dropped; whoever leaves, and a gateway that stops, leaves nothing behind.
 */
import { failure } from '../failure.ts'
import type { GatewayEvent } from '../gateway/events.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { failed, type Reply } from './respond.ts'

/** Waiting for one subscriber. */
export const WAITING_MAX = 1_000
export const SUBSCRIBERS_MAX = 100
/** How long nothing is said at most, so that proxies and people see that the line is open. */
export const HEARTBEAT_MS = 15_000
const RETRY_AFTER_MS = 5_000
const ID = /^(?:([a-z0-9]{1,16})-)?(\d{1,15})$/

export type Subscribing = {
  /** The id seen last, as the header or the query says it. */
  readonly since: string | undefined
  /** Aborts when the subscriber has left. */
  readonly signal: AbortSignal
  /** Aborts when the gateway stops serving. */
  readonly stopping: AbortSignal
  /** Closes the subscriber's connection, whatever it still has to read. */
  readonly cut: () => void
}

/** Without `since` a subscriber hears what happens from now on. */
export function eventStreams(gateway: Gateway): (subscribing: Subscribing) => Reply {
  let subscribers = 0
  return subscribing => {
    const { since } = subscribing
    const named = since === undefined ? undefined : ID.exec(since)
    if (named === null) return failed(failure('invalid_request', 'An event is named by its id, such as k3x9q2-17; 0 means all that are kept.', { param: 'since' }))
    if (subscribers >= SUBSCRIBERS_MAX) return failed(failure('rate_limit_exceeded', `${SUBSCRIBERS_MAX} subscribers listen already.`, { retryAfterMs: RETRY_AFTER_MS }))
    const latest = gateway.events.since(0).at(-1)?.id ?? 0
    // Of another process, everything that is kept was missed.
    const isOfAnother = named?.[1] !== undefined && named[1] !== gateway.events.run
    const after = named === undefined ? latest : isOfAnother || Number(named[2]) > latest ? 0 : Number(named[2])
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      subscribers += 1
      try {
        yield* eventsFrom(gateway, after, subscribing)
      } finally {
        subscribers -= 1
      }
    }
    return { kind: 'stream', headers: {}, contentType: 'text/event-stream', body: counted() }
  }
}

async function* eventsFrom({ events, ports: { clock } }: Gateway, after: number, { signal, stopping, cut }: Subscribing): AsyncGenerator<Uint8Array> {
  const waiting: GatewayEvent[] = [...events.since(after)]
  const lost = new AbortController()
  const over = AbortSignal.any([signal, stopping, lost.signal])
  /** Set while there is nothing to say, and somebody to say it to. */
  let wake: (() => void) | undefined
  const end = (): void => {
    if (wake === undefined && !signal.aborted) cut()
    wake?.()
  }
  const leave = events.subscribe(event => {
    if (waiting.length < WAITING_MAX) waiting.push(event)
    else {
      waiting.length = 0
      leave()
      lost.abort()
    }
    wake?.()
  })
  over.addEventListener('abort', end, { once: true })
  try {
    yield comment('listening')
    while (!over.aborted) {
      if (waiting.length > 0) {
        yield encoder.encode(waiting.splice(0).map(event => inText(events.run, event)).join(''))
        continue
      }
      const { promise, resolve } = Promise.withResolvers<boolean>()
      wake = () => resolve(true)
      const forget = clock.after(HEARTBEAT_MS, () => resolve(false))
      const isWoken = await promise
      wake = undefined
      forget()
      if (!isWoken) yield comment('still here')
    }
  } finally {
    over.removeEventListener('abort', end)
    leave()
  }
}

const encoder = new TextEncoder()
const comment = (text: string): Uint8Array => encoder.encode(`: ${text}\n\n`)
/** JSON holds no line end, so that an event is one line of data. */
const inText = (run: string, { id, at, kind, what }: GatewayEvent): string => `id: ${run}-${id}\nevent: ${kind}\ndata: ${JSON.stringify({ at, ...what })}\n\n`
