/**
 * What this is for: what a request asks for, read once at the border: its model, whether it streams, and what a deployment
 * must be able to do. What it promises: a request of the wrong shape is refused with the field at fault; nothing is
 * filled in, clamped or dropped.
 */
import type { Operation } from '../policy/facts.ts'

export type Needs = {
  readonly model: string
  /** OpenRouter's `models`: the only ones that may answer, in this order. Undefined when not stated. */
  readonly models: readonly string[] | undefined
  /** OpenRouter's `provider` object, unread; the pool reads it. */
  readonly preferences: Readonly<Record<string, unknown>> | undefined
  readonly stream: boolean
  /** How many answers are asked for (`n`). */
  readonly choices: number
  readonly tools: boolean
  readonly vision: boolean
  readonly jsonSchema: boolean
  /** A lower bound of the prompt's tokens: five bytes of text to a token. */
  readonly promptTokensAtLeast: number
  /** Undefined when not stated. */
  readonly maxTokens: number | undefined
}

export type ReadRequest = { readonly ok: true; readonly needs: Needs } | { readonly ok: false; readonly wrong: string; readonly param: string }

const BYTES_PER_TOKEN_AT_MOST = 5
const CHOICES_MAX = 128

/**
 * Members by which a caller would ask a provider to work in another place or to keep what it is sent: freedom that a caller
 * may only give up. `inference_geo` is Anthropic's, `store` and `prompt_cache_retention` are OpenAI's.
 */
const NOT_THE_CALLERS: readonly (readonly [name: string, isAllowed: (value: unknown) => boolean, what: string])[] = [
  ['inference_geo', () => false, 'a place of processing'],
  ['store', value => value === false, 'the prompt to be kept'],
  ['prompt_cache_retention', value => value === 'in_memory' || value === 'in-memory', 'the prompt to be kept for longer'],
]

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v)

/** Reads the members that routing needs from a parsed body. */
export function readRequest(operation: Operation, body: Readonly<Record<string, unknown>>, bodyBytes: number): ReadRequest {
  const wrong = (param: string, what: string): ReadRequest => ({ ok: false, wrong: what, param })
  const { model, models, provider, stream } = body
  if (typeof model !== 'string' || model === '') return wrong('model', "'model' must be the name of a model, or \"auto\".")
  if (models !== undefined && models !== null && !(Array.isArray(models) && models.every(m => typeof m === 'string' && m !== ''))) return wrong('models', "'models' must be a list of model names.")
  if (provider !== undefined && provider !== null && !isObject(provider)) return wrong('provider', "'provider' must be an object.")
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') return wrong('stream', "'stream' must be true or false.")
  const maxTokens = body['max_completion_tokens'] ?? body['max_tokens'] ?? undefined
  if (maxTokens !== undefined && !(Number.isSafeInteger(maxTokens) && (maxTokens as number) > 0)) return wrong('max_tokens', "'max_tokens' must be a whole number above 0.")

  for (const [name, isAllowed, what] of NOT_THE_CALLERS) {
    if (body[name] !== undefined && body[name] !== null && !isAllowed(body[name])) return wrong(name, `'${name}' asks for ${what}, and that is for the policies to say: leave it out.`)
  }

  const n = body['n'] ?? 1
  if (!(Number.isSafeInteger(n) && (n as number) >= 1 && (n as number) <= CHOICES_MAX)) return wrong('n', `'n' must be a whole number from 1 to ${CHOICES_MAX}.`)

  // A list of prompts is answered by as many choices, n times; a list of numbers is one prompt in tokens.
  const prompt = body['prompt']
  const choices = (n as number) * (operation === 'completion' && Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1)
  if (stream === true && choices > CHOICES_MAX) return wrong('prompt', `A stream holds at most ${CHOICES_MAX} answers.`)

  const messages = body['messages']
  if (operation === 'chat') {
    if (!Array.isArray(messages) || messages.length === 0) return wrong('messages', "'messages' must be a list with at least one message.")
    for (const [i, message] of messages.entries()) {
      if (!isObject(message) || typeof message['role'] !== 'string') return wrong(`messages[${i}]`, `'messages[${i}]' must be an object with a 'role'.`)
    }
  } else if (operation === 'embedding') {
    const input = body['input']
    if (!(typeof input === 'string' || (Array.isArray(input) && input.length > 0))) return wrong('input', "'input' must be a text or a list with at least one entry.")
    if (stream === true) return wrong('stream', "Embeddings cannot be streamed.")
  }
  const format = body['response_format']
  const parts = Array.isArray(messages) ? (messages as readonly Record<string, unknown>[]).flatMap(m => (Array.isArray(m['content']) ? m['content'] as readonly unknown[] : [])) : []
  return {
    ok: true,
    needs: {
      model,
      models: Array.isArray(models) && models.length > 0 ? models as readonly string[] : undefined,
      preferences: isObject(provider) ? provider : undefined,
      stream: stream === true,
      choices,
      tools: Array.isArray(body['tools']) && body['tools'].length > 0,
      vision: parts.some(p => isObject(p) && p['type'] === 'image_url'),
      jsonSchema: isObject(format) && format['type'] === 'json_schema',
      // Images travel as text in the body and are not tokens of it.
      promptTokensAtLeast: parts.length > 0 ? 0 : Math.floor(bodyBytes / BYTES_PER_TOKEN_AT_MOST),
      maxTokens: maxTokens as number | undefined,
    },
  }
}
