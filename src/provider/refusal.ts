/**
 * A status that is not 200, as a failure (resilience, section 4). What decides is the status and, where the server gives
 * one, the code: servers differ in which status they put around the same code.
 */
import { failure, type Failure } from '../failure.ts'
import { readProviderError, type ProviderError } from '../openai/error.ts'
import type { Clock, TransportResponse } from '../ports.ts'
import type { Repeats } from './repeat.ts'

/** An error body is read to here, for its code and type, and then dropped. */
const ERROR_BODY_BYTES_MAX = 64 * 1024
/** What a failed server says about it is worth this long and no longer: the next deployment is waiting. */
const ERROR_BODY_MS_MAX = 1_000
const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000

/**
 * Codes that say: not here, or not any more. They are the servers' own words or read out of their messages by openai/error.ts;
 * none is given for anything that a caller writes, or a caller could take a deployment away from everybody.
 */
const WITHDRAWN = new RegExp([
  '^model_?(not_?found|not_?available|deprecated|decommissioned|retired|removed)$', '^invalid_model$', '^deployment_?not_?found$',
  '^(account|organization|workspace)_(suspended|deactivated|disabled|restricted|terminated)$', '^deactivated_workspace$', '^access_terminated$',
  '^unsupported_(country|region|territory|location)(_|$)', '^(country|region|territory|location)_(not_(supported|available|allowed)|unsupported|blocked|restricted)$',
].join('|'), 'i')
/** Codes that say: our key or our bill. */
const OUR_ACCOUNT = /^(invalid_api_key|incorrect_api_key|insufficient_quota|billing_hard_limit_reached|billing_not_active|invalid_organization)$/i

/** Codes that say: too long, or filtered. */
const ABOUT_REQUEST = /^(?:context_length_exceeded|(?:responsible_ai_)?content_(?:filter|policy)(?:_violation)?)$/i

/** Whether a code is one of those that mean something here: nobody's key and nobody's prompt. */
export const isKnownCode = (code: string): boolean => WITHDRAWN.test(code) || OUR_ACCOUNT.test(code) || ABOUT_REQUEST.test(code)

/** What is kept of an error: not what only gives back what was sent, unless it is a code that means something. */
export function withoutRepeats({ code, type }: ProviderError, repeats: Repeats): ProviderError {
  const isFit = (word: string | undefined): boolean => word !== undefined && (isKnownCode(word) || !repeats(word))
  return { ...(isFit(code) && { code: code! }), ...(isFit(type) && { type: type! }) }
}

/** Reads the error body of an answer, bounded, and says what it means. Never throws. */
export async function refusal(response: TransportResponse, { name, clock, repeats }: { readonly name: string; readonly clock: Clock; readonly repeats: Repeats }): Promise<Failure> {
  const { status, headers } = response
  const error = withoutRepeats(await readError(response, clock), repeats)
  const said = { upstream: { status, ...error } }
  const code = error.code ?? ''
  const wait = retryAfterMs(headers, clock)
  const waiting = wait === undefined ? said : { ...said, retryAfterMs: wait }
  if (saysWithdrawn(status, code)) return failure('upstream_error', `${name} does not offer this model, or not to us.`, said)
  if (isAboutRequest(code)) return aboutRequest(name, { status, ...error })
  if (status === 404 || status === 405) {
    return failure('misconfigured', `${name} has no such path: its address, or what the catalog says it can be asked for, is wrong.`, said)
  }
  if (status === 401 || status === 402 || status === 403 || (status >= 400 && OUR_ACCOUNT.test(code))) {
    return failure('misconfigured', `${name} refused our key or our account.`, said)
  }
  if (status === 408) return failure('upstream_error', `${name} gave up waiting.`, waiting)
  if (status === 429) return failure('busy', `${name} is busy.`, waiting)
  if (status >= 400 && status < 500) {
    return failure('refused_by_provider', refused(name, code), { ...said, status })
  }
  if (status >= 300 && status < 400) return failure('upstream_error', `${name} answered with a redirect, which is never followed.`, said)
  if (status >= 500) return failure('upstream_error', `${name} failed with status ${status}.`, waiting)
  return failure('upstream_error', `${name} answered with status ${status}, which is no answer.`, said)
}

/** Too long, or filtered: the request was read and refused, whatever status stands around that. */
export const isAboutRequest = (code: string): boolean => code === 'context_length_exceeded' || /content_(filter|policy)/.test(code)
export const aboutRequest = (name: string, upstream: NonNullable<Failure['upstream']>): Failure =>
  failure('refused_by_provider', refused(name, upstream.code ?? ''), { upstream, status: 400 })

/**
 * Whether a failure says that the model is gone, or closed to us, rather than ill: a reason to set the deployment
 * aside, and no evidence about health (resilience, section 3).
 */
export function isWithdrawn(failed: Failure): boolean {
  const { upstream } = failed
  return upstream !== undefined && failed.code === 'upstream_error' && saysWithdrawn(upstream.status, upstream.code ?? '')
}

/** A 404 alone says only that there is no such path; a 5xx, whatever its code, that something is broken. */
const saysWithdrawn = (status: number, code: string): boolean =>
  status === 410 || status === 451 || (status < 500 && WITHDRAWN.test(code))

/** Whether a failure says that our key or account is not accepted, whatever is asked: whoever else has that key need not be asked. */
export const isKeyRefused = ({ code, upstream }: Failure): boolean => code === 'misconfigured' && (upstream?.status === 401 || OUR_ACCOUNT.test(upstream?.code ?? ''))

function refused(name: string, code: string): string {
  if (code === 'context_length_exceeded') return `The request is longer than the context of ${name}.`
  if (/content_(filter|policy)/.test(code)) return `The content filter of ${name} refused the request.`
  return `${name} refused the request${code === '' ? '' : ` (${code})`}.`
}

async function readError(response: TransportResponse, clock: Clock): Promise<ProviderError> {
  const late = Promise.withResolvers<ProviderError>()
  const forget = clock.after(ERROR_BODY_MS_MAX, () => late.resolve({}))
  const iterator = response.body[Symbol.asyncIterator]()
  try {
    return await Promise.race([late.promise, readAll({ [Symbol.asyncIterator]: () => iterator }, response.status)])
  } finally {
    forget()
    // Ends the connection where the body has not ended by itself.
    iterator.return?.().catch(() => undefined)
  }
}

async function readAll(body: AsyncIterable<Uint8Array>, status: number): Promise<ProviderError> {
  const bytes = new Uint8Array(ERROR_BODY_BYTES_MAX)
  let length = 0
  try {
    for await (const chunk of body) {
      const part = chunk.subarray(0, ERROR_BODY_BYTES_MAX - length)
      bytes.set(part, length)
      length += part.length
      if (length === ERROR_BODY_BYTES_MAX) break
    }
  } catch {
    return {}
  }
  return readProviderError(bytes.subarray(0, length), status)
}

/** Retry-After as seconds or as a date (RFC 9110, section 10.2.3), or in milliseconds as OpenAI and Azure also send it. */
function retryAfterMs(headers: Readonly<Record<string, string>>, clock: Clock): number | undefined {
  const precise = headers['retry-after-ms']?.trim()
  const plain = headers['retry-after']?.trim()
  let ms: number
  if (precise !== undefined && /^\d+(\.\d+)?$/.test(precise)) ms = Number(precise)
  else if (plain === undefined || plain === '') return undefined
  else if (/^\d+(\.\d+)?$/.test(plain)) ms = Number(plain) * 1000
  else ms = Date.parse(plain) - clock.now()
  return Number.isNaN(ms) ? undefined : Math.ceil(Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX))
}
