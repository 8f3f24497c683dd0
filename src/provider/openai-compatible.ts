/**
 * A server that speaks OpenAI's dialect: the bytes go out as they came but for the model's name, and the answer comes
 * back untouched.
 */
import { failure, type Code, type Failure } from '../failure.ts'
import { editBody } from '../openai/body.ts'
import type { Operation } from '../policy/facts.ts'
import type { Ports, TransportResponse } from '../ports.ts'
import { failureOf } from './broken.ts'
import { transportFor } from './local.ts'
import type { ProviderPort, ProviderResult } from './provider.ts'
import { refusal } from './refusal.ts'
import { repeatsOf } from './repeat.ts'
import { keyOf } from './secret.ts'

const PATHS: { readonly [operation in Operation]?: string } = { chat: '/chat/completions', completion: '/completions', embedding: '/embeddings' }

export function openaiCompatible({ transport, secrets, clock }: Pick<Ports, 'transport' | 'secrets' | 'clock'>): ProviderPort {
  return {
    async send(deployment, call, signal) {
      const { name, connection } = deployment
      const path = PATHS[call.operation]
      if (connection === undefined) return failed('misconfigured', `${name} has no connection.`)
      if (path === undefined) return failed('refused_by_provider', `${name} cannot be asked for ${call.operation}.`)
      const key = keyOf(connection, secrets)
      if (!key.ok) return failed('misconfigured', `The key of ${name} is not set.`)
      const repeats = repeatsOf(call.body, key.isIn)
      let response: TransportResponse
      try {
        response = await transportFor(deployment, call, transport).send({
          method: 'POST',
          url: `${connection.baseUrl}${path}`,
          headers: { 'content-type': 'application/json', accept: call.stream ? 'text/event-stream' : 'application/json', ...key.headers },
          body: editBody(call.body, { set: { model: deployment.upstreamModel } }),
          connectTimeoutMs: deployment.timeouts.connect,
        }, signal)
      } catch (error) {
        return { ok: false, failure: failureOf(error, signal, name) }
      }
      if (response.status !== 200) return { ok: false, failure: await refusal(response, { name, clock, repeats }) }
      const contentType = call.stream ? 'text/event-stream' : 'application/json'
      if (!speaks(response.headers, contentType)) {
        await drop(response)
        return failed('upstream_error', `${name} answered with another kind of content than ${contentType}.`, { upstream: { status: 200 } })
      }
      return { ok: true, contentType, headers: response.headers, repeats, body: response.body }
    },
  }
}

const failed = (code: Code, message: string, more: Omit<Failure, 'code' | 'message'> = {}): ProviderResult =>
  ({ ok: false, failure: failure(code, message, more) })

/** A missing content type is no promise, and compressed bytes were not asked for and cannot be passed on. */
function speaks(headers: Readonly<Record<string, string>>, contentType: string): boolean {
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') return false
  return type === contentType || (contentType === 'application/json' && /^application\/[a-z0-9.-]+\+json$/.test(type))
}

/** Leaving the body unread would keep its connection; ending the iteration closes it. */
async function drop(response: TransportResponse): Promise<void> {
  await response.body[Symbol.asyncIterator]().return?.()
}
