/**
 * A stand-in for a provider, for a first run without keys, network or models: a server in OpenAI's dialect that says in
 * every answer that it is none. It repeats nothing of what it was asked.
 */
import { concat } from '../openai/bytes.ts'
import { readBody } from '../openai/body.ts'
import { encodeVector } from '../openai/embedding.ts'
import type { ErrorEnvelope } from '../openai/error.ts'
import { DONE, encodeEvent } from '../openai/sse.ts'
import type { Clock } from '../ports.ts'

const STAND_INS = {
  'us-cloud': 'a cloud in the United States',
  'eu-cloud': 'a cloud in the European Union',
  local: 'an open-weight model on a machine of your own',
} as const
export type Pretence = keyof typeof STAND_INS

const BODY_BYTES_MAX = 32 * 1024 * 1024
const DIMENSIONS = 16
const DIMENSIONS_MAX = 4_096
const INPUTS_MAX = 2_048
/** Between two chunks, so that a stream can be seen to be one. */
const CHUNK_GAP_MS = 10
const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function'])

export type RehearsalSettings = {
  readonly pretends: Pretence
  readonly models: readonly string[]
  readonly clock: Pick<Clock, 'now'>
  readonly after: Clock['after']
  /** Told the path of every request, before it is answered. */
  readonly seen?: (path: string) => void
}

type Json = Readonly<Record<string, unknown>>

/** A web-standard server function: chat completions (whole and streamed), embeddings, models. */
export function rehearsal(settings: RehearsalSettings): (request: Request) => Promise<Response> {
  let answers = 0
  return async request => {
    const path = new URL(request.url).pathname
    settings.seen?.(path)
    if (request.method === 'GET' && path === '/v1/models') return json(modelList(settings))
    if (request.method !== 'POST' || (path !== '/v1/chat/completions' && path !== '/v1/embeddings')) {
      return wrong(404, 'The rehearsal answers chat completions, embeddings and the list of models only.', { code: 'unknown_url' })
    }
    const bytes = await bodyOf(request)
    if (bytes === undefined) return wrong(413, 'The body is too large.')
    const read = readBody(bytes)
    if (!read.ok) return wrong(400, read.wrong, { param: read.param ?? null })
    const body = read.body.value
    if (typeof body['model'] !== 'string') return wrong(400, 'The body must name a model.', { param: 'model' })
    if (!settings.models.includes(body['model'])) return wrong(404, 'The rehearsal does not pretend to hold this model.', { param: 'model', code: 'model_not_found' })
    answers += 1
    const opening = { id: `rehearsal-${answers}`, created: Math.floor(settings.clock.now() / 1000), model: body['model'], system_fingerprint: 'rehearsal' }
    return path === '/v1/embeddings' ? embed(body) : chat(body, opening, settings)
  }
}

type Opening = { readonly id: string; readonly created: number; readonly model: string; readonly system_fingerprint: string }

function chat(body: Json, opening: Opening, { pretends, after }: RehearsalSettings): Response {
  const fault = faultIn(body)
  if (fault !== undefined) return wrong(400, fault.sentence, { param: fault.param })
  const sentence = `This is a rehearsal: no language model was asked. The words come from a stand-in for ${STAND_INS[pretends]}.`
  const format = (body['response_format'] as { type?: unknown } | null | undefined)?.type
  const text = format === 'json_object' || format === 'json_schema' ? JSON.stringify({ rehearsal: sentence }) : sentence
  const input = tokensIn(JSON.stringify(body['messages']))
  const output = tokensIn(text)
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
  if (body['stream'] !== true) {
    return json({
      ...opening,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: text, refusal: null }, logprobs: null, finish_reason: 'stop' }],
      usage,
    })
  }
  const includeUsage = (body['stream_options'] as { include_usage?: unknown } | null | undefined)?.include_usage === true
  const chunk = (delta: Json, reason: string | null = null): Uint8Array => encodeEvent({
    ...opening,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
    ...(includeUsage ? { usage: null } : {}),
  })
  const events = [
    chunk({ role: 'assistant', content: '' }),
    ...(text.match(/\S+\s*/g) ?? []).map(word => chunk({ content: word })),
    chunk({}, 'stop'),
    ...(includeUsage ? [encodeEvent({ ...opening, object: 'chat.completion.chunk', choices: [], usage })] : []),
    DONE,
  ]
  return new Response(spaced(events, after), { headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' } })
}

/** Refuses what a real server refuses, so that a mistake shows in the rehearsal already. */
function faultIn(body: Json): { readonly sentence: string; readonly param: string } | undefined {
  const { messages, n, stream } = body
  if (!Array.isArray(messages) || messages.length === 0) return { sentence: 'messages must be a list with at least one message.', param: 'messages' }
  for (const [index, message] of (messages as unknown[]).entries()) {
    const param = `messages[${index}]`
    if (typeof message !== 'object' || message === null) return { sentence: `${param} must be an object.`, param }
    const { role, content, tool_calls: calls, function_call: call } = message as Json
    if (typeof role !== 'string' || !ROLES.has(role)) return { sentence: `${param}.role is not a role.`, param: `${param}.role` }
    const calling = role === 'assistant' && (calls !== undefined || call !== undefined)
    const said = typeof content === 'string' || (Array.isArray(content) && content.length > 0)
    if (!said && !(calling && (content === null || content === undefined))) {
      return { sentence: `${param}.content must be a text or a list of parts.`, param: `${param}.content` }
    }
  }
  if (n !== undefined && n !== null && n !== 1) return { sentence: 'The rehearsal gives one answer at a time.', param: 'n' }
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') return { sentence: 'stream must be true or false.', param: 'stream' }
  return undefined
}

function embed(body: Json): Response {
  const { input, encoding_format: format, dimensions, model } = body
  const texts: readonly unknown[] = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input]
  const fit = texts.length > 0 && texts.length <= INPUTS_MAX && texts.every(text => (typeof text === 'string' || Array.isArray(text)) && text.length > 0)
  if (!fit) return wrong(400, 'input must be a text or a list of texts, none of them empty.', { param: 'input' })
  if (format !== undefined && format !== null && format !== 'float' && format !== 'base64') return wrong(400, 'encoding_format must be float or base64.', { param: 'encoding_format' })
  const length = dimensions ?? DIMENSIONS
  if (typeof length !== 'number' || !Number.isInteger(length) || length < 1 || length > DIMENSIONS_MAX) {
    return wrong(400, `dimensions must be a whole number from 1 to ${DIMENSIONS_MAX}.`, { param: 'dimensions' })
  }
  const written = texts.map(text => (typeof text === 'string' ? text : JSON.stringify(text)))
  const tokens = written.reduce((sum, text) => sum + tokensIn(text), 0)
  return json({
    object: 'list',
    model,
    system_fingerprint: 'rehearsal',
    data: written.map((text, index) => ({ object: 'embedding', index, embedding: encodeVector(vectorOf(text, length), format ?? 'float') })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  })
}

/** A vector of length one that depends on the text alone (FNV-1a, then xorshift). It means nothing. */
function vectorOf(text: string, length: number): readonly number[] {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  state ||= 1
  const numbers = Array.from({ length }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state / 0x80000000
  })
  const size = Math.hypot(...numbers)
  return numbers.map(number => number / size)
}

function modelList({ models, clock }: RehearsalSettings): unknown {
  const created = Math.floor(clock.now() / 1000)
  return { object: 'list', data: models.map(id => ({ id, object: 'model', created, owned_by: 'rehearsal' })) }
}

const tokensIn = (text: string): number => Math.ceil(text.length / 4)
const json = (value: unknown, status = 200): Response => Response.json(value, { status })

function wrong(status: number, message: string, { param = null, code = null }: { readonly param?: string | null; readonly code?: string | null } = {}): Response {
  const envelope: ErrorEnvelope = { error: { message, type: 'invalid_request_error', param, code } }
  return json(envelope, status)
}

/** Undefined when the body is longer than the bound. */
async function bodyOf(request: Request): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  return concat(chunks)
}

/** One event at a time, with a gap; a reader who leaves stops the clock. */
function spaced(events: readonly Uint8Array[], after: Clock['after']): ReadableStream<Uint8Array> {
  let next = 0
  let forget = (): void => undefined
  return new ReadableStream({
    pull(controller) {
      const event = events[next]
      if (event === undefined) return controller.close()
      next += 1
      return new Promise(resolve => {
        forget = after(next === 1 ? 0 : CHUNK_GAP_MS, () => {
          controller.enqueue(event)
          resolve()
        })
      })
    },
    cancel() {
      forget()
    },
  })
}
