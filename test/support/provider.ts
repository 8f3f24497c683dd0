/** A provider port whose behaviour a test writes, deployment by deployment. It counts what it was sent. */
import { failure, type Failure } from '../../src/failure.ts'
import { DONE, encodeEvent } from '../../src/openai/sse.ts'
import type { ProviderCall, ProviderPort, ProviderResult } from '../../src/provider/provider.ts'

export type Behaviour = (call: ProviderCall, signal: AbortSignal) => ProviderResult | Promise<ProviderResult>

export type Scripted = ProviderPort & { readonly sent: { readonly deployment: string; readonly call: ProviderCall; readonly signal: AbortSignal }[] }

export function scripted(script: Readonly<Record<string, Behaviour>>): Scripted {
  const sent: Scripted['sent'] = []
  return {
    sent,
    async send(deployment, call, signal) {
      sent.push({ deployment: deployment.name, call, signal })
      const behave = script[deployment.name]
      if (behave === undefined) throw new Error(`no script for ${deployment.name}`)
      return behave(call, signal)
    },
  }
}

const encoder = new TextEncoder()

async function* chunks(parts: readonly (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part
    yield part
  }
}

export const whole = (text: string): Behaviour => () => ({
  ok: true, contentType: 'application/json', headers: {},
  body: chunks([encoder.encode(JSON.stringify({ model: 'served', choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 2 } }))]),
})

export const bytes = (contentType: 'application/json' | 'text/event-stream', ...parts: readonly (string | Error)[]): Behaviour =>
  () => ({ ok: true, contentType, headers: {}, body: chunks(parts.map(p => (typeof p === 'string' ? encoder.encode(p) : p))) })

const delta = (content: Record<string, unknown>, finish: string | null = null): Uint8Array =>
  encodeEvent({ model: 'served', choices: [{ index: 0, delta: content, finish_reason: finish }] })

/** A stream of these words; what follows them is up to the caller: by default a proper end. */
export const streamed = (words: readonly string[], end: readonly (Uint8Array | Error)[] = [delta({}, 'stop'), DONE]): Behaviour => () => ({
  ok: true, contentType: 'text/event-stream', headers: {},
  body: chunks([delta({ role: 'assistant', content: '' }), ...words.map(w => delta({ content: w })), ...end]),
})

export const failing = (code: Failure['code'], more: Omit<Failure, 'code' | 'message'> = {}): Behaviour => () => ({ ok: false, failure: failure(code, `scripted ${code}`, more) })

/** Never answers; gives way only to the signal. */
export const silent: Behaviour = (_, signal) => new Promise((_resolve, reject) => {
  signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
})

export const text = (parts: readonly Uint8Array[]): string => new TextDecoder().decode(Buffer.concat(parts))
