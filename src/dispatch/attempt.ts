/** One attempt: what is recorded of it, and the signal that bounds it. */
import { failure, type Code } from '../failure.ts'
import type { Clock } from '../ports.ts'

/** One try at one deployment, as it goes on record. */
export type Attempt = {
  readonly deployment: string
  readonly epoch: number
  /** When it began, in milliseconds since 1970. */
  readonly at: number
  /** `ok`, or the code it failed with. */
  readonly code: 'ok' | Code
  readonly ms: number
  readonly upstreamStatus?: number
  /** It failed after the caller had been given the beginning of its answer. */
  readonly afterContent?: true
  /** It was to go on with a stream that another deployment had begun, from the text already said or by saying it again. */
  readonly rescue?: 'prefill' | 'restart'
}

/**
 * Aborted by the caller's hang-up, by a phase that takes too long, or by us. One timer at a time, nothing left behind
 * after `release`.
 */
export type AttemptSignal = {
  readonly signal: AbortSignal
  /**
   * Starts the next phase: abort with `deadline_exceeded` unless another phase or the release comes within `ms`. `isCutShort`: the
   * request's own time leaves less than a server is otherwise given, so that its silence says nothing about it.
   */
  allow(ms: number, what: string, more?: { readonly isCutShort: boolean }): void
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
    allow(ms, what, { isCutShort } = { isCutShort: false }) {
      forget?.()
      forget = clock.after(Math.max(0, ms), () => controller.abort(failure('deadline_exceeded', `${what} took longer than allowed.`, isCutShort ? { noSign: true } : {})))
    },
    abort: reason => controller.abort(reason),
    release() {
      forget?.()
      forget = undefined
      caller.removeEventListener('abort', hangUp)
    },
  }
}

/** Waits, unless the signal aborts before; it is for the caller of this to look which it was. */
export function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const go = (): void => {
      forget()
      signal.removeEventListener('abort', go)
      resolve()
    }
    const forget = clock.after(ms, go)
    signal.addEventListener('abort', go, { once: true })
  })
}
