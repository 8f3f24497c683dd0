/** One caller: asks, reads at its own pace, and may hang up before, while or after it is answered. */
import type { Answer, Call } from '../../src/gateway/call.ts'
import type { Clock } from '../../src/ports.ts'
import { readBody } from '../../src/openai/body.ts'
import type { Chance } from './chance.ts'
import type { Ask, Seen } from './history.ts'

/** What a caller does beside reading. Milliseconds from the moment it asks; undefined is never. */
export type Habit = {
  readonly hangsUpAfterMs: number | undefined
  /** Between two reads of a stream. */
  readonly pauseMs: () => number
  /** It takes the stream and reads nothing of it. */
  readonly neverReads: boolean
  /** How it leaves: by the signal alone, or as a server tells it, by signal and by no longer reading. */
  readonly stopsReading: boolean
}

export const PATIENT: Habit = { hangsUpAfterMs: undefined, pauseMs: () => 0, neverReads: false, stopsReading: true }

export function habit(chance: Chance): Habit {
  const pace = chance.weighted([[6, 0], [2, 500], [1, 8_000]])
  const neverReads = chance.is(0.03)
  return {
    hangsUpAfterMs: chance.is(neverReads ? 0.6 : 0.25) ? chance.weighted([[1, 0], [4, chance.whole(1, 3_000)], [3, chance.whole(3_000, 60_000)]]) : undefined,
    pauseMs: () => (pace === 0 ? 0 : chance.whole(0, pace)), neverReads, stopsReading: chance.is(0.7),
  }
}

export type Calling = {
  readonly ask: Ask
  readonly habit: Habit
  readonly handle: (call: Call) => Promise<Answer>
  readonly clock: Clock
  readonly seen: (seen: Seen) => void
  /** Names of callers whose signal is still listened to. */
  readonly listened: Map<string, number>
}

/** Settles when the caller has what it wanted, or has left. */
export async function call({ ask, habit: { hangsUpAfterMs, pauseMs, neverReads, stopsReading }, handle, clock, seen, listened }: Calling): Promise<void> {
  const controller = new AbortController()
  countListeners(controller.signal, count => {
    if (count === 0) listened.delete(ask.id)
    else listened.set(ask.id, count)
  })
  const now = (): number => clock.now()
  let hasLeft = false
  let hasEnded = false
  let reading: AsyncIterator<Uint8Array> | undefined
  const hangUp = (): void => {
    if (hasLeft) return
    hasLeft = true
    if (hasEnded) return controller.abort()
    seen({ at: now(), kind: 'ended', ask, how: 'left' })
    controller.abort()
    if (stopsReading) void reading?.return?.()
  }
  if (hangsUpAfterMs === 0) hangUp()
  else if (hangsUpAfterMs !== undefined) clock.after(hangsUpAfterMs, hangUp)
  const pause = (ms: number): Promise<void> => (ms === 0 ? Promise.resolve() : new Promise(resolve => { clock.after(ms, resolve) }))

  const read = readBody(ask.body)
  if (!read.ok) throw new Error(read.wrong)
  seen({ at: now(), kind: 'asked', ask })
  const answer = await handle({
    requestId: ask.id, app: ask.app, operation: ask.operation, body: read.body, needs: ask.needs, stated: ask.stated, agentDepth: 0, dryRun: ask.dryRun,
    receivedAt: ask.receivedAt, signal: controller.signal,
  })
  seen({ at: now(), kind: 'answered', ask, how: answer.kind, ...(answer.kind === 'failed' && { code: answer.failure.code }) })
  const end = (how: 'complete' | 'error' | 'bare'): void => {
    hasEnded = true
    if (!hasLeft) seen({ at: now(), kind: 'ended', ask, how })
  }
  if (answer.kind === 'dry-run') return
  if (answer.kind === 'failed') return end('error')
  if (answer.kind === 'whole') {
    if (!hasLeft) seen({ at: now(), kind: 'given', ask, text: textOfWhole(new TextDecoder().decode(answer.body)) })
    return end('complete')
  }
  if (neverReads) return
  reading = answer.body[Symbol.asyncIterator]()
  const events = reader()
  for (;;) {
    await pause(pauseMs())
    if (hasLeft && stopsReading) return void await reading.return?.()
    const next = await reading.next()
    if (next.done === true) break
    const text = events.feed(next.value)
    if (text !== '') seen({ at: now(), kind: 'given', ask, text })
  }
  end(events.isDone() ? 'complete' : events.hasFailed() ? 'error' : 'bare')
}

type Delta = { readonly content?: string | null; readonly tool_calls?: readonly { readonly function: { readonly arguments: string } }[] }

function textOfWhole(json: string): string {
  const body = JSON.parse(json) as { readonly data?: readonly { readonly embedding: readonly number[] }[]; readonly choices?: readonly { readonly message: Delta }[] }
  if (body.data !== undefined) return `vector of v${body.data[0]!.embedding[0]}`
  const { content, tool_calls: calls } = body.choices![0]!.message
  return calls === undefined ? content ?? '' : `call ${calls[0]!.function.arguments}`
}

/** A naive reader of events: what a client would show. */
function reader(): { feed(bytes: Uint8Array): string; isDone(): boolean; hasFailed(): boolean } {
  const decoder = new TextDecoder()
  let rest = ''
  let isDone = false
  let hasFailed = false
  let isCalling = false
  return {
    isDone: () => isDone,
    hasFailed: () => hasFailed,
    feed(bytes) {
      const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n\n')
      rest = parts.pop()!
      let text = ''
      for (const part of parts) {
        if (part.startsWith('event: error')) hasFailed = true
        const data = part.split('\n').filter(line => line.startsWith('data: ')).map(line => line.slice(6)).join('\n')
        if (data === '[DONE]') isDone = true
        if (data === '' || data === '[DONE]' || hasFailed) continue
        const delta = (JSON.parse(data) as { readonly choices: readonly { readonly delta: Delta }[] }).choices[0]?.delta
        const call = delta?.tool_calls?.[0]
        if (call !== undefined) {
          text += `${isCalling ? '' : 'call '}${call.function.arguments}`
          isCalling = true
        } else text += delta?.content ?? ''
      }
      return text
    },
  }
}

/** Tells how many listen to a signal. One that has fired has nobody left who waits for it. */
function countListeners(signal: AbortSignal, told: (count: number) => void): void {
  const listeners = new Set<unknown>()
  const add = signal.addEventListener.bind(signal), remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (type: string, listener: EventListener, options?: AddEventListenerOptions) => {
    if (!signal.aborted) listeners.add(listener)
    told(listeners.size)
    add(type, listener, options)
  }
  signal.removeEventListener = (type: string, listener: EventListener) => {
    listeners.delete(listener)
    told(listeners.size)
    remove(type, listener)
  }
  add('abort', () => {
    listeners.clear()
    told(0)
  })
}
