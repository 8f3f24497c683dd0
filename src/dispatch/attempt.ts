/** One attempt: what is recorded of it, and the signal that bounds it. */
import { failure, type Code } from '../failure.ts'
import type { Clock } from '../ports.ts'

/** One try at one deployment, as it goes on record. */
export type Attempt = {
  readonly deployment: string
  readonly epoch: number
  /** `ok`, or the code it failed with. */
  readonly code: 'ok' | Code
  readonly ms: number
  readonly upstreamStatus?: number
}

/**
 * Aborted by the caller's hang-up, by a phase that takes too long, or by us. One timer at a time, nothing left behind
 * after `release`.
 */
export type AttemptSignal = {
  readonly signal: AbortSignal
  /** Starts the next phase: abort with `deadline_exceeded` unless another phase or the release comes within `ms`. */
  allow(ms: number, what: string): void
  abort(reason: unknown): void
  release(): void
}

export function attemptSignal(caller: AbortSignal, clock: Clock): AttemptSignal {
  const controller = new AbortController()
  const hangUp = (): void => controller.abort(failure('cancelled', 'The caller hung up.'))
  if (caller.aborted) hangUp()
  else caller.addEventListener('abort', hangUp, { once: true })
  let forget: (() => void) | undefined
  return {
    signal: controller.signal,
    allow(ms, what) {
      forget?.()
      forget = clock.after(Math.max(0, ms), () => controller.abort(failure('deadline_exceeded', `${what} took longer than allowed.`)))
    },
    abort: reason => controller.abort(reason),
    release() {
      forget?.()
      forget = undefined
      caller.removeEventListener('abort', hangUp)
    },
  }
}
