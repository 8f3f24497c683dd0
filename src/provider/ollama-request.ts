/**
 * OpenAI's request as Ollama's. Everything that the caller said is carried, is known to change nothing about the answer,
 * or is refused by its name; nothing is dropped in silence.
 */
import type { ChatRequest, EmbedRequest, Message, Options, Tool } from 'ollama/browser'
import type { Deployment } from '../catalog/catalog.ts'
import type { VectorFormat } from '../openai/embedding.ts'
import { token } from '../openai/error.ts'

/** Long enough that a talk finds its model still loaded, short enough that an idle one gives the memory back. */
const KEEP_ALIVE = '10m'
export const CONTEXT_MIN = 4_096
/** Room for an answer whose length the caller left open. */
const OUTPUT_ASSUMED = 2_048
/** More room than this is never reserved for an answer: memory grows with it. A longer answer then ends with `length`. */
const OUTPUT_ROOM_MAX = 16_384
const TOKENS_PER_IMAGE = 2_048
const TOKENS_PER_MESSAGE = 16

/** `param` is what cannot be carried, in the caller's own words where they are plain. */
export type Translated<T> = { readonly ok: true; readonly request: T } | { readonly ok: false; readonly param: string }

/** `truncate` and `shift` are younger than the package's types: without them a long prompt loses its beginning unseen. */
export type OllamaChat = ChatRequest & { readonly truncate: false; readonly shift: false }

/** They name the caller, the bill, a cache or a wish about speed; the answer is the same without them. */
const HARMLESS = new Set([
  'model', 'messages', 'stream', 'stream_options', 'user', 'store', 'metadata', 'parallel_tool_calls', 'service_tier',
  'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention', 'prediction',
])
const NUMBERS = {
  temperature: 'temperature', top_p: 'top_p', seed: 'seed', frequency_penalty: 'frequency_penalty', presence_penalty: 'presence_penalty',
  top_k: 'top_k', min_p: 'min_p', max_tokens: 'num_predict', max_completion_tokens: 'num_predict',
} as const satisfies Readonly<Record<string, keyof Options>>
const ROLES: Readonly<Record<string, string>> = { system: 'system', developer: 'system', user: 'user', assistant: 'assistant', tool: 'tool' }

type Json = Readonly<Record<string, unknown>>
type Refuse = (param: string) => undefined

export function ollamaChat(body: Json, deployment: Pick<Deployment, 'upstreamModel' | 'context' | 'maxOutput'>): Translated<OllamaChat> {
  const refused: string[] = []
  const refuse: Refuse = param => void refused.push(param)
  const options: Partial<Options> = {}
  const chat: { format?: string | object; tools?: Tool[]; think?: boolean | 'high' | 'medium' | 'low' } = {}
  for (const [name, value] of Object.entries(body)) {
    if (value === null || HARMLESS.has(name)) continue
    if (Object.hasOwn(NUMBERS, name)) {
      if (typeof value === 'number') options[NUMBERS[name as keyof typeof NUMBERS]] = value
      else refuse(name)
    } else if (name === 'stop') {
      const stop: readonly unknown[] = Array.isArray(value) ? value : [value]
      if (stop.every(word => typeof word === 'string')) options.stop = [...stop]
      else refuse(name)
    } else if (name === 'response_format') {
      const format = formatOf(value)
      if (format === undefined) refuse(name)
      else if (format !== 'text') chat.format = format
    } else if (name === 'tools') {
      const tools = toolsOf(value, refuse)
      if (tools.length > 0 && body['tool_choice'] !== 'none') chat.tools = tools
    } else if (name === 'reasoning_effort') {
      if (value === 'none') chat.think = false
      else if (value === 'low' || value === 'medium' || value === 'high') chat.think = value
      else refuse(name)
    } else if (!changesNothing(name, value)) refuse(token(name) ?? 'a parameter')
  }
  if (typeof body['max_completion_tokens'] === 'number') options.num_predict = body['max_completion_tokens']
  if (options.num_predict === undefined && deployment.maxOutput !== undefined) options.num_predict = deployment.maxOutput
  const messages = messagesOf(body['messages'], refuse)
  if (refused[0] !== undefined) return { ok: false, param: refused[0] }
  options.num_ctx = contextFor({ messages, extra: [chat.tools, chat.format], output: options.num_predict, context: deployment.context })
  return {
    ok: true,
    request: { model: deployment.upstreamModel, messages, ...chat, options, keep_alive: KEEP_ALIVE, truncate: false, shift: false },
  }
}

export type Embedding = { readonly embed: EmbedRequest; readonly format: VectorFormat; readonly count: number }

export function ollamaEmbed(body: Json, { upstreamModel }: Pick<Deployment, 'upstreamModel'>): Translated<Embedding> {
  const input: readonly unknown[] = Array.isArray(body['input']) ? body['input'] : [body['input']]
  if (input.length === 0 || !input.every(text => typeof text === 'string')) return { ok: false, param: 'input' }
  const { dimensions, encoding_format: format } = body
  if (dimensions !== undefined && dimensions !== null && typeof dimensions !== 'number') return { ok: false, param: 'dimensions' }
  if (format !== undefined && format !== null && format !== 'float' && format !== 'base64') return { ok: false, param: 'encoding_format' }
  const unknown = Object.keys(body).find(name => !['model', 'input', 'dimensions', 'encoding_format', 'user'].includes(name) && body[name] !== null)
  if (unknown !== undefined) return { ok: false, param: token(unknown) ?? 'a parameter' }
  const embed: EmbedRequest = { model: upstreamModel, input: [...input], truncate: false, keep_alive: KEEP_ALIVE }
  if (typeof dimensions === 'number') embed.dimensions = dimensions
  return { ok: true, request: { embed, format: format ?? 'float', count: input.length } }
}

/**
 * Tokens of context to ask for. The estimate errs high (a third of a token per ASCII character, one and a half for any
 * other), because a context that is too small costs the beginning of the prompt and one that is too large only memory.
 */
export function contextFor({ messages, extra, output, context }: {
  readonly messages: readonly Message[]
  readonly extra: readonly unknown[]
  readonly output: number | undefined
  readonly context: number | undefined
}): number {
  let tokens = Math.min(output !== undefined && output > 0 ? output : OUTPUT_ASSUMED, OUTPUT_ROOM_MAX)
  for (const message of messages) {
    tokens += TOKENS_PER_MESSAGE + tokensOf(message.content) + tokensOf(message.thinking ?? '') + (message.images?.length ?? 0) * TOKENS_PER_IMAGE
    if (message.tool_calls !== undefined) tokens += tokensOf(JSON.stringify(message.tool_calls))
  }
  for (const part of extra) if (part !== undefined) tokens += tokensOf(JSON.stringify(part))
  const rounded = Math.max(CONTEXT_MIN, 2 ** Math.ceil(Math.log2(tokens)))
  return context === undefined ? rounded : Math.min(rounded, context)
}

function tokensOf(text: string): number {
  let ascii = 0
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) < 0x80) ascii += 1
  return Math.ceil(ascii / 3 + (text.length - ascii) * 1.5)
}

/** Values that say what is so anyway. */
function changesNothing(name: string, value: unknown): boolean {
  switch (name) {
    case 'n': return value === 1
    case 'logprobs': return value === false
    case 'top_logprobs': return value === 0
    case 'tool_choice': return value === 'auto' || value === 'none'
    case 'modalities': return Array.isArray(value) && value.length === 1 && value[0] === 'text'
    case 'verbosity': return value === 'medium'
    case 'logit_bias': return isObject(value) && Object.keys(value).length === 0
    case 'functions': return Array.isArray(value) && value.length === 0
    default: return false
  }
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

function formatOf(value: unknown): string | object | undefined {
  if (!isObject(value)) return undefined
  if (value['type'] === 'text') return 'text'
  if (value['type'] === 'json_object') return 'json'
  const described = value['json_schema']
  if (value['type'] === 'json_schema' && isObject(described) && isObject(described['schema'])) return described['schema']
  return undefined
}

function toolsOf(value: unknown, refuse: Refuse): Tool[] {
  if (!Array.isArray(value)) {
    refuse('tools')
    return []
  }
  return value.flatMap((tool: unknown, index) => {
    const offered = isObject(tool) && tool['type'] === 'function' && isObject(tool['function']) && typeof tool['function']['name'] === 'string'
    if (offered) return [tool as unknown as Tool]
    refuse(`tools[${index}]`)
    return []
  })
}

function messagesOf(value: unknown, refuse: Refuse): Message[] {
  if (!Array.isArray(value) || value.length === 0) {
    refuse('messages')
    return []
  }
  /** Ollama names the tool where OpenAI names the call. */
  const toolByCall = new Map<string, string>()
  return value.flatMap((said: unknown, index) => messageOf(said, `messages[${index}]`, toolByCall, refuse) ?? [])
}

function messageOf(said: unknown, at: string, toolByCall: Map<string, string>, refuse: Refuse): Message | undefined {
  if (!isObject(said)) return refuse(at)
  const role = typeof said['role'] === 'string' ? ROLES[said['role']] : undefined
  if (role === undefined) return refuse(`${at}.role`)
  const message: Message = { role, content: '' }
  for (const [name, value] of Object.entries(said)) {
    if (name === 'role' || value === null) continue
    if (name === 'content') {
      const content = contentOf(value, `${at}.content`, refuse)
      message.content = content.text
      if (content.images.length > 0) message.images = content.images
    } else if (name === 'tool_calls' && role === 'assistant') {
      const calls = callsOf(value, `${at}.tool_calls`, toolByCall, refuse)
      if (calls.length > 0) message.tool_calls = calls
    } else if (name === 'tool_call_id' && role === 'tool' && typeof value === 'string') {
      const tool = toolByCall.get(value)
      if (tool !== undefined) message.tool_name = tool
    } else if (name === 'name' && role === 'tool' && typeof value === 'string') message.tool_name = value
    else if ((name === 'reasoning_content' || name === 'reasoning') && role === 'assistant' && typeof value === 'string') message.thinking = value
    else if (name === 'refusal' && role === 'assistant' && value === '') continue
    else refuse(`${at}.${token(name) ?? 'member'}`)
  }
  return message
}

function contentOf(value: unknown, at: string, refuse: Refuse): { readonly text: string; readonly images: string[] } {
  const images: string[] = []
  const texts: string[] = []
  if (typeof value === 'string') return { text: value, images }
  if (!Array.isArray(value)) refuse(at)
  else {
    value.forEach((part: unknown, index) => {
      if (isObject(part) && part['type'] === 'text' && typeof part['text'] === 'string') texts.push(part['text'])
      else if (isObject(part) && part['type'] === 'image_url') {
        const image = isObject(part['image_url']) ? imageOf(part['image_url']['url']) : undefined
        if (image === undefined) refuse(`${at}[${index}].image_url`)
        else images.push(image)
      } else refuse(`${at}[${index}]`)
    })
  }
  return { text: texts.join('\n'), images }
}

/** Only an image that is in the request: fetching one from elsewhere would be a call that nobody decided on. */
const imageOf = (url: unknown): string | undefined =>
  typeof url === 'string' ? /^data:image\/[a-z0-9.+-]+;base64,([A-Za-z0-9+/=]+)$/.exec(url)?.[1] : undefined

function callsOf(value: unknown, at: string, toolByCall: Map<string, string>, refuse: Refuse): NonNullable<Message['tool_calls']> {
  if (!Array.isArray(value)) {
    refuse(at)
    return []
  }
  return value.flatMap((call: unknown, index) => {
    const called = isObject(call) && isObject(call['function']) ? call['function'] : undefined
    const values = argumentsOf(called?.['arguments'])
    if (!isObject(call) || typeof called?.['name'] !== 'string' || values === undefined) {
      refuse(`${at}[${index}]`)
      return []
    }
    if (typeof call['id'] === 'string') toolByCall.set(call['id'], called['name'])
    return [{ function: { name: called['name'], arguments: values } }]
  })
}

/** OpenAI writes arguments as JSON in a string, Ollama as an object. No arguments are an empty object. */
function argumentsOf(written: unknown): Record<string, unknown> | undefined {
  if (written === undefined || written === '') return {}
  if (typeof written !== 'string') return undefined
  try {
    const value: unknown = JSON.parse(written)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
