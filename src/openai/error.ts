/** The one shape of an error in OpenAI's dialect, ours and a provider's. */
export type ErrorEnvelope = {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
}

/** What is kept of a provider's error: tokens for machines. Its message may repeat the prompt and is never kept. */
export type ProviderError = { readonly code?: string; readonly type?: string }

const TOKEN = /^[A-Za-z0-9_.-]{1,64}$/

/** The way servers word a prompt that is too long when they have no code for it (vLLM, llama.cpp and their kin). */
const TOO_LONG = /context (length|window|size)|maximum context|exceed_context|prompt is too long/i

/**
 * The way servers say with status 404 that they do not hold the model. Only how a message begins counts: what stands later may
 * be the caller's own words. That a model cannot be asked for this operation is worded otherwise, and means something else.
 */
const NO_SUCH_MODEL = /^(?:the |requested |publisher )*model\b.{0,200}?\b(?:not (?:be )?found|not exist|no longer (?:available|exists|supported)|been (?:deprecated|retired|removed))\b|^model: \S{1,128}$/is
/** The same with another status, in servers that give no code with it: the message is nothing but this (llama.cpp, DeepSeek). */
const ONLY_NO_SUCH_MODEL = /^model(?: '[A-Za-z0-9._:/@+-]{1,128}')? not (?:found|exist)$/i
/** The whole message of servers that do not answer to where we are and give no code for it (Gemini and others). */
const NOT_FROM_HERE = /^(?:user location is not supported for the api use|country, region, or territory not supported|this model is not available in your (?:country|region))\.?$/i

/** A value that is a short plain token, or nothing. */
export const token = (value: unknown): string | undefined => (typeof value === 'string' && TOKEN.test(value) ? value : undefined)

/** Reads code and type out of the error body of an answer with this status. Tolerant: what is no such body says nothing. */
export function readProviderError(bytes: Uint8Array, status?: number): ProviderError {
  let body: unknown
  try {
    body = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return {}
  }
  // Gemini puts its error into a list, Mistral and older vLLM do not put theirs into anything.
  const first: unknown = Array.isArray(body) ? body[0] : body
  return errorIn(first, status) ?? errorIn({ error: first }, status) ?? {}
}

/**
 * Code and type of the `error` in a JSON value; undefined when it holds none. A message that speaks of the context or of a
 * model that is not there stands for a code where the server gives none that says anything, so that one token is enough to
 * recognise it everywhere. `status` is that of an answer that is all error.
 */
export function errorIn(body: unknown, status?: number): ProviderError | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const error: unknown = (body as { error?: unknown }).error
  if (error === undefined || error === null || error === false) return undefined
  const { code, type, message } = (typeof error === 'object' ? error : { message: error }) as Record<string, unknown>
  const given = token(code), typeToken = token(type)
  const isVague = given === undefined || /^\d+$/.test(given) || given === typeToken
  const codeToken = (isVague ? meaning(message, type, status) : undefined) ?? given
  return { ...(codeToken === undefined ? {} : { code: codeToken }), ...(typeToken === undefined ? {} : { type: typeToken }) }
}

/** The code that a server would have given for its message or its type. */
function meaning(message: unknown, type: unknown, status: number | undefined): string | undefined {
  const said = typeof message === 'string' ? message.trim() : ''
  if (TOO_LONG.test(said) || (typeof type === 'string' && TOO_LONG.test(type))) return 'context_length_exceeded'
  if (NOT_FROM_HERE.test(said)) return 'unsupported_country_region_territory'
  const isGone = type === 'invalid_model' || (status === 404 ? NO_SUCH_MODEL.test(said) : type === 'invalid_request_error' && ONLY_NO_SUCH_MODEL.test(said))
  return isGone ? 'model_not_found' : undefined
}
