/**
 * What this is for: a stream that has been committed to: its first content is known, and the caller is about to get it.
 *
 * What it promises: bytes go on as they came; a stream that does not finish ends with an in-band error and no `[DONE]`;
 * `ended` is told exactly once; leaving early aborts the attempt.
 */
import { envelopeOf, failure, type Failure } from '../failure.ts'
import { DONE, errorEvent, type StreamScanner } from '../openai/sse.ts'
import { failureOf } from '../provider/broken.ts'
import type { AttemptSignal } from './attempt.ts'

export type StreamEnd = { readonly outcome: 'answered' | 'cut' | 'cancelled'; readonly failure: Failure | undefined }

export type Committed = {
  readonly name: string
  readonly held: readonly Uint8Array[]
  readonly rest: AsyncIterator<Uint8Array>
  readonly scanner: StreamScanner
  readonly attempt: AttemptSignal
  /** Milliseconds that may pass without a byte, asked anew before each wait: the request's own deadline may be nearer. */
  readonly patience: () => number
  readonly ended: (end: StreamEnd) => void
}

export function committedStream({ name, held, rest, scanner, attempt, patience, ended }: Committed): AsyncIterable<Uint8Array> {
  let over = false
  const finish = (end: StreamEnd): void => {
    if (over) return
    over = true
    attempt.signal.removeEventListener('abort', onAbort)
    attempt.release()
    ended(end)
  }
  /** A caller may hang up while nobody is reading; the end is told all the same. */
  const onAbort = (): void => {
    const why = failureOf(undefined, attempt.signal, name)
    if (why.code === 'cancelled') finish({ outcome: 'cancelled', failure: why })
  }
  attempt.signal.addEventListener('abort', onAbort)
  if (attempt.signal.aborted) onAbort()

  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (const chunk of held) yield chunk
      while (!scanner.done) {
        attempt.allow(patience(), `The next piece of ${name}'s answer`)
        const next = await rest.next()
        const whole = next.done === true ? scanner.end() : scanner.feed(next.value)
        if (scanner.error !== undefined) throw failure('upstream_error', `${name} ended its answer with an error.`, { upstream: { status: 200, ...scanner.error } })
        if (whole !== undefined) yield whole
        if (next.done === true) break
      }
      if (!scanner.done && !scanner.finished) throw failure('unreachable', `${name} stopped before its answer was complete.`)
      if (!scanner.done) yield DONE
      finish({ outcome: 'answered', failure: undefined })
    } catch (thrown) {
      const why = isFailure(thrown) ? thrown : failureOf(thrown, attempt.signal, name)
      const cancelled = why.code === 'cancelled'
      finish({ outcome: cancelled ? 'cancelled' : 'cut', failure: why })
      if (!cancelled) yield errorEvent(envelopeOf(why))
    } finally {
      finish({ outcome: 'cancelled', failure: failure('cancelled', 'The caller stopped reading.') })
      // Ends the connection where the server has not: an unread body would keep it.
      attempt.abort(failure('cancelled', 'The answer is over.'))
      await rest.return?.()
    }
  }
  return { [Symbol.asyncIterator]: bytes }
}

const isFailure = (thrown: unknown): thrown is Failure =>
  typeof thrown === 'object' && thrown !== null && !(thrown instanceof Error) && 'code' in thrown && 'message' in thrown
