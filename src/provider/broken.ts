/** Failures that only a throw can carry: out of a body that is being read, or through a client package. */
import { FAILURES, failure, type Failure } from '../failure.ts'

/** Thrown while an answer is read, when the answer cannot be trusted to be whole. */
export class BrokenAnswer extends Error {
  override readonly name = 'BrokenAnswer'
  readonly failure: Failure

  constructor(broken: Failure) {
    super(broken.message)
    this.failure = broken
  }
}

/**
 * What a throw means that came from sending to a deployment or a provider (`name`) or from reading its answer. Of the
 * thrown error only its code is kept: its text may hold anything.
 */
export function failureOf(thrown: unknown, signal: AbortSignal, name: string): Failure {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 8; error = error.cause, depth += 1) {
    if (error instanceof BrokenAnswer) return error.failure
  }
  if (signal.aborted) return abortion(signal)
  if (thrown instanceof SyntaxError) return failure('upstream_error', `${name} answered with something that is not JSON.`)
  const code = codeOf(thrown)
  if (code === 'UND_ERR_INVALID_ARG' || code === 'ERR_INVALID_URL') {
    return failure('misconfigured', `The address or the key of ${name} cannot be sent as it is written.`, { cause: code })
  }
  if (code === 'EOVERTAKEN') return failure('overtaken', `The law changed before the request to ${name} had left.`, { cause: code })
  if (code === 'ENOTLOCAL') {
    return failure('compliance_mismatch', `${name} is said to be hosted locally, and its address is not a local one; nothing was sent to it.`, { cause: 'its address is not a local one' })
  }
  if (code?.startsWith('HPE_') === true) return failure('upstream_error', `${name} answered with something that is not HTTP.`, { cause: code })
  return failure('unreachable', `${name} could not be reached, or closed the connection before its answer ended.`, { cause: code })
}

/** Why the signal was aborted: the failure given as its reason, a deadline, or else the caller who hung up. */
export function abortion(signal: AbortSignal): Failure {
  const reason: unknown = signal.reason
  if (isFailure(reason)) return reason
  if (reason instanceof Error && reason.name === 'TimeoutError') return failure('deadline_exceeded', 'The time for this answer ran out.')
  return failure('cancelled', 'The caller hung up.')
}

const isFailure = (value: unknown): value is Failure =>
  typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string' && Object.hasOwn(FAILURES, value.code)
  && 'message' in value && typeof value.message === 'string' && !(value instanceof Error)

function codeOf(thrown: unknown): string | undefined {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 8; error = error.cause, depth += 1) {
    if ('code' in error && typeof error.code === 'string') return error.code
  }
  return undefined
}
