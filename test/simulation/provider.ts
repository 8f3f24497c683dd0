/** The providers of the simulated world behind the real code for OpenAI's dialect: what they do comes from the weather, what is seen of it goes to the checkers. */
import type { Clock, Transport, TransportResponse } from '../../src/ports.ts'
import { openaiCompatible } from '../../src/provider/openai-compatible.ts'
import type { ProviderCall, ProviderPort } from '../../src/provider/provider.ts'
import type { Chance } from './chance.ts'
import type { Ask, Seen } from './history.ts'
import { plan, type Mood, type Piece, type Plan } from './weather.ts'

export type Providers = {
  readonly gateway: number
  readonly chance: Chance
  /** How this deployment is now. */
  readonly moodOf: (deployment: string) => Mood
  /** Whose words are in a call. */
  readonly askOf: (text: string) => Ask | undefined
  readonly expected: (ask: Ask) => readonly string[]
  readonly clock: { readonly world: Clock; readonly product: Clock }
  readonly seen: (seen: Seen) => void
  /** Answers that have begun and are not over. */
  readonly bodies: Set<string>
}

export function simulatedProviders(p: Providers): ProviderPort {
  return {
    async send(deployment, call, signal) {
      const text = new TextDecoder().decode(call.body)
      const ask = p.askOf(text)
      const at = p.clock.world.now()
      p.seen({ at, kind: 'sent', gateway: p.gateway, deployment: deployment.name, ask, text })
      const chosen = plan({
        deployment, mood: p.moodOf(deployment.name), operation: call.operation === 'embedding' ? 'embedding' : 'chat', stream: call.stream, tools: ask?.needs.tools ?? false,
        begun: begunIn(call, text, ask?.prefill ?? ''), expected: ask === undefined ? ['ready'] : p.expected(ask),
      }, p.chance)
      const lied = (what: string | undefined): void => {
        // Who is asked for a sign of life only is not asked who it is.
        if (what !== undefined && ask !== undefined) p.seen({ at: p.clock.world.now(), kind: 'lied', gateway: p.gateway, deployment: deployment.name, what })
      }
      const ended = (): void => {
        const now = p.clock.world.now()
        if (chosen.kind === 'response' && chosen.waitMs !== undefined) p.seen({ at: now, kind: 'told-to-wait', gateway: p.gateway, deployment: deployment.name, until: now + chosen.waitMs })
      }
      if (chosen.kind === 'response' && ask !== undefined) for (const offer of chosen.offers) p.seen({ at, kind: 'offered', ask, text: offer })
      const transport = transportOf(chosen, { clock: p.clock.world, isStream: call.stream, lied, ended, bodies: p.bodies, name: `${ask?.id ?? 'probe'} ${deployment.name} ${p.bodies.size} ${at}` })
      return openaiCompatible({ transport, secrets: () => undefined, clock: p.clock.product }).send(deployment, call, signal)
    },
  }
}

/** The text of the answer that is to be gone on from, without what the caller itself had put before it. */
function begunIn({ operation }: ProviderCall, text: string, prefill: string): string {
  if (operation !== 'chat') return ''
  const last = (JSON.parse(text) as { readonly messages: readonly { readonly role: string; readonly content: string }[] }).messages.at(-1)
  return last?.role === 'assistant' ? last.content.slice(prefill.length) : ''
}

type Line = { readonly clock: Clock; readonly isStream: boolean; readonly lied: (what: string | undefined) => void; readonly ended: () => void; readonly bodies: Set<string>; readonly name: string }

const broken = (code: string): Error => Object.assign(new Error(code), { code })

function transportOf(chosen: Plan, line: Line): Transport {
  return {
    send: (_, signal) => new Promise<TransportResponse>((resolve, reject) => {
      const leave = (): void => {
        forget()
        reject(broken('ABORTED'))
      }
      let forget = (): void => undefined
      if (signal.aborted) return reject(broken('ABORTED'))
      signal.addEventListener('abort', leave, { once: true })
      if (chosen.kind === 'silent') return
      forget = line.clock.after(chosen.afterMs, () => {
        signal.removeEventListener('abort', leave)
        if (chosen.kind === 'no-connection') return reject(broken(chosen.code))
        line.lied(chosen.lie)
        resolve({ status: chosen.status, headers: chosen.headers, body: bodyOf(chosen.pieces, signal, line) })
      })
    }),
  }
}

/** Bytes come whether or not somebody reads; a reset or an abort is heard by the next who reads. */
function bodyOf(pieces: readonly Piece[], signal: AbortSignal, { clock, isStream, lied, ended, bodies, name }: Line): AsyncIterable<Uint8Array> {
  const queue: (Piece | 'end')[] = []
  let waiting: { readonly resolve: (next: IteratorResult<Uint8Array>) => void; readonly reject: (why: Error) => void } | undefined
  let isOpen = true
  let why: Error | undefined
  let lie: string | undefined
  let forget = (): void => undefined
  bodies.add(name)

  const close = (reason?: Error): void => {
    if (!isOpen) return
    isOpen = false
    why = reason
    forget()
    signal.removeEventListener('abort', onAbort)
    bodies.delete(name)
    // A whole answer says nothing before it is whole; a stream has said what it said.
    if (isStream || reason === undefined) lied(lie)
    ended()
    if (why === undefined) waiting?.resolve({ done: true, value: undefined })
    else waiting?.reject(why)
    waiting = undefined
  }
  const onAbort = (): void => close(broken('ABORTED'))
  const take = (): void => {
    const next = waiting === undefined ? undefined : queue.shift()
    if (next === undefined) return
    if (next === 'end') return close()
    if (next.does === 'reset') return close(broken('ECONNRESET'))
    if (next.does === 'stall') return
    lied(next.lie)
    lie = next.lieToTheEnd ?? lie
    const { resolve } = waiting!
    waiting = undefined
    resolve({ done: false, value: next.does })
  }
  const schedule = (index: number): void => {
    const piece = pieces[index]
    forget = clock.after(piece?.afterMs ?? 1, () => {
      queue.push(piece ?? 'end')
      take()
      if (piece !== undefined && typeof piece.does !== 'string') schedule(index + 1)
    })
  }
  signal.addEventListener('abort', onAbort, { once: true })
  schedule(0)
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        if (!isOpen) return why === undefined ? resolve({ done: true, value: undefined }) : reject(why)
        waiting = { resolve, reject }
        take()
      }),
      return() {
        close()
        return Promise.resolve({ done: true, value: undefined })
      },
    }),
  }
}
