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

/** A value that is a short plain token, or nothing. */
export const token = (value: unknown): string | undefined => (typeof value === 'string' && TOKEN.test(value) ? value : undefined)

/** Reads code and type out of an error body. Tolerant: what is no such body says nothing. */
export function readProviderError(bytes: Uint8Array): ProviderError {
  let body: unknown
  try {
    body = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return {}
  }
  return errorIn(body) ?? {}
}

/**
 * Code and type of the `error` in a JSON value; undefined when it holds none. Without a code, a message that speaks of
 * the context gives the code `context_length_exceeded`, so that one token is enough to recognise it everywhere.
 */
export function errorIn(body: unknown): ProviderError | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const error: unknown = (body as { error?: unknown }).error
  if (error === undefined || error === null || error === false) return undefined
  const { code, type, message } = (typeof error === 'object' ? error : { message: error }) as Record<string, unknown>
  const tooLong = (typeof message === 'string' && TOO_LONG.test(message)) || (typeof type === 'string' && TOO_LONG.test(type))
  const codeToken = token(code) ?? (tooLong ? 'context_length_exceeded' : undefined)
  const typeToken = token(type)
  return { ...(codeToken === undefined ? {} : { code: codeToken }), ...(typeToken === undefined ? {} : { type: typeToken }) }
}
