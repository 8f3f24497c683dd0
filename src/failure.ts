import type { ErrorEnvelope } from './openai/error.ts'

/**
 * The closed set of failures. Each has a stable code, the HTTP status that says it, whether trying the same again
 * can help, and whether it says something about the health of the deployment it came from.
 */
export const FAILURES = {
  invalid_request: { status: 400, type: 'invalid_request_error', retryable: false, health: false },
  invalid_api_key: { status: 401, type: 'authentication_error', retryable: false, health: false },
  no_permitted_model: { status: 403, type: 'permission_error', retryable: false, health: false },
  data_not_registered: { status: 403, type: 'permission_error', retryable: false, health: false },
  unknown_url: { status: 404, type: 'invalid_request_error', retryable: false, health: false },
  model_not_found: { status: 404, type: 'invalid_request_error', retryable: false, health: false },
  request_too_large: { status: 413, type: 'invalid_request_error', retryable: false, health: false },
  /** The provider read the request and refused it (4xx that is about the request): an answer, in our shape. */
  refused_by_provider: { status: 400, type: 'invalid_request_error', retryable: false, health: false },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', retryable: true, health: false },
  internal_error: { status: 500, type: 'api_error', retryable: false, health: false },
  /** The provider answered with an error of its own, or with something that is no answer. */
  upstream_error: { status: 502, type: 'api_error', retryable: true, health: true },
  /** Asked to go on with another's answer, it gave one of its own: nothing is wrong with it. */
  diverged: { status: 502, type: 'api_error', retryable: true, health: false },
  /** Connect failure, reset, or a body that ended early. */
  unreachable: { status: 502, type: 'api_error', retryable: true, health: true },
  /** Our key or account at the provider is wrong: a configuration alarm, not ill health. */
  misconfigured: { status: 502, type: 'api_error', retryable: false, health: false },
  /** The provider says busy (429). */
  busy: { status: 503, type: 'api_error', retryable: true, health: true },
  /** The law changed before the first byte left: the request is decided anew. */
  overtaken: { status: 503, type: 'api_error', retryable: true, health: false },
  /** What a server is, or says of its own work, does not agree with the catalog's facts: nothing of it is used. */
  compliance_mismatch: { status: 502, type: 'api_error', retryable: true, health: false },
  permitted_models_unavailable: { status: 503, type: 'api_error', retryable: true, health: false },
  cannot_record: { status: 503, type: 'api_error', retryable: true, health: false },
  /** What was kept cannot be read or signed now. */
  records_unavailable: { status: 503, type: 'api_error', retryable: true, health: false },
  deadline_exceeded: { status: 504, type: 'api_error', retryable: true, health: true },
  /** The caller hung up. Nobody reads this status. */
  cancelled: { status: 499, type: 'api_error', retryable: false, health: false },
} as const

export type Code = keyof typeof FAILURES

/** An expected failure, as a value. `message` is ours: never prompt text, a key, or a provider's raw body. */
export type Failure = {
  readonly code: Code
  readonly message: string
  /** The request field or header at fault. */
  readonly param?: string
  readonly retryAfterMs?: number
  /** The HTTP status, code and type the provider gave: short tokens, never its message. */
  readonly upstream?: { readonly status: number; readonly code?: string; readonly type?: string }
  /** Overrides the table's status where a provider's 4xx is handed on in our shape. */
  readonly status?: number
  /** A request can bring this about at a server that is well, by its deadline, or by the size or number of the answers it asks for: no evidence about health. */
  readonly noSign?: true
  /** For us, never for a caller or a log line of a caller. */
  readonly cause?: unknown
}

export const failure = (code: Code, message: string, more: Omit<Failure, 'code' | 'message'> = {}): Failure => ({ code, message, ...more })
export const statusOf = (f: Failure): number => f.status ?? FAILURES[f.code].status

/** What the caller sees as `code`: how a provider failed is ours to know, that it failed is not. */
export function publicCode(f: Failure): string {
  if (f.code === 'refused_by_provider') {
    // A provider's word must not be taken for ours.
    const theirs = f.upstream?.code
    return theirs === undefined || Object.hasOwn(FAILURES, theirs) ? 'invalid_request' : theirs
  }
  return f.code === 'unreachable' || f.code === 'diverged' || f.code === 'busy' || f.code === 'misconfigured' || f.code === 'compliance_mismatch' ? 'upstream_error' : f.code
}

/** OpenAI's error shape: the one shape on every path, in a response as in a stream. */
export const envelopeOf = (f: Failure): ErrorEnvelope =>
  ({ error: { message: f.message, type: FAILURES[f.code].type, param: f.param ?? null, code: publicCode(f) } })
