/**
 * A server that speaks Ollama's own dialect. Its OpenAI-compatible one is not used because there a prompt longer than the
 * default context loses its beginning without a word (resilience, section 2).
 */
import type { Ollama } from 'ollama/browser'
import type { Deployment } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import { readBody } from '../openai/body.ts'
import type { Ports } from '../ports.ts'
import { BrokenAnswer, failureOf } from './broken.ts'
import { transportFor } from './local.ts'
import { embeddings, streamedChat, wholeChat } from './ollama-answer.ts'
import { ollamaClient } from './ollama-client.ts'
import { isRemote } from './ollama-remote.ts'
import { ollamaChat, ollamaEmbed } from './ollama-request.ts'
import type { ProviderCall, ProviderPort, ProviderResult } from './provider.ts'

type OllamaPorts = Pick<Ports, 'transport' | 'secrets' | 'clock' | 'random'>

export function ollama(ports: OllamaPorts): ProviderPort {
  return {
    async send(deployment, call, signal) {
      const { name, connection } = deployment
      if (connection === undefined) return failed(failure('misconfigured', `${name} has no connection.`))
      if (call.operation !== 'chat' && call.operation !== 'embedding') {
        return failed(failure('refused_by_provider', `${name} cannot be asked for ${call.operation}.`, { status: 400 }))
      }
      const read = readBody(call.body)
      if (!read.ok) return failed(failure('invalid_request', read.wrong, read.param === undefined ? {} : { param: read.param }))
      const transport = transportFor(deployment, call, ports.transport)
      const made = ollamaClient(connection, { ...ports, transport }, { signal, name, connectTimeoutMs: deployment.timeouts.connect, streams: call.operation === 'chat' && call.stream, body: call.body })
      if (!made.ok) return made
      try {
        const answer = call.operation === 'chat'
          ? await chat({ client: made.client, body: read.body.value, deployment, call, signal, ports })
          : await embed({ client: made.client, body: read.body.value, deployment })
        return answer.ok ? { ...answer, repeats: made.repeats } : answer
      } catch (error) {
        return failed(failureOf(error, signal, name))
      }
    },
  }
}

const failed = (failure: Failure): ProviderResult => ({ ok: false, failure })

const uncarried = (name: string, param: string): ProviderResult =>
  failed(failure('refused_by_provider', `${name} cannot carry ${param}, and leaving it out would change the answer.`, { status: 400, param }))

async function chat({ client, body, deployment, call, signal, ports }: {
  readonly client: Ollama
  readonly body: Readonly<Record<string, unknown>>
  readonly deployment: Deployment
  readonly call: ProviderCall
  readonly signal: AbortSignal
  readonly ports: OllamaPorts
}): Promise<ProviderResult> {
  const { name } = deployment
  const translated = ollamaChat(body, deployment)
  if (!translated.ok) return uncarried(name, translated.param)
  const making = { clock: ports.clock, random: ports.random, name }
  if (!call.stream) return whole(wholeChat(atHome(await client.chat({ ...translated.request, stream: false }), deployment), making))
  const answers = await client.chat({ ...translated.request, stream: true })
  const options = body['stream_options'] as { include_usage?: unknown } | null | undefined
  const chunks = streamedChat(allAtHome(answers, deployment), { ...making, includeUsage: options?.include_usage === true })
  return { ok: true, contentType: 'text/event-stream', headers: {}, body: closing(chunks) }

  /** Whatever ends the reading closes the connection; the package alone would leave it open. */
  async function* closing(events: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* events
    } catch (error) {
      throw new BrokenAnswer(failureOf(error, signal, name))
    } finally {
      answers.abort()
    }
  }
}

async function embed({ client, body, deployment }: {
  readonly client: Ollama
  readonly body: Readonly<Record<string, unknown>>
  readonly deployment: Deployment
}): Promise<ProviderResult> {
  const translated = ollamaEmbed(body, deployment)
  if (!translated.ok) return uncarried(deployment.name, translated.param)
  const { embed: request, format, count } = translated.request
  return whole(embeddings(atHome(await client.embed(request), deployment), { format, count, name: deployment.name }))
}

/**
 * Between two looks at what it holds a name may begin to point elsewhere, so each answer is looked at before anything of it
 * is passed on. Throws BrokenAnswer when the catalog says local and the server says that it was not.
 */
function atHome<T extends object>(answer: T, { name, hosting }: Deployment): T {
  if (hosting !== 'local' || !isRemote(answer)) return answer
  throw new BrokenAnswer(failure('compliance_mismatch', `${name} is said to be hosted locally, and its answer came from elsewhere.`, { cause: 'it passed the prompt on to a remote host' }))
}

async function* allAtHome<T extends object>(answers: AsyncIterable<T>, deployment: Deployment): AsyncGenerator<T, void, undefined> {
  for await (const answer of answers) yield atHome(answer, deployment)
}

function whole(bytes: Uint8Array): ProviderResult {
  return { ok: true, contentType: 'application/json', headers: {}, body: once(bytes) }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
