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
  /** Milliseconds that may pass without a byte from the provider. */
  readonly idleMs: number
  /** Milliseconds until the request's own deadline. */
  readonly left: () => number
  readonly ended: (end: StreamEnd) => void
}

/** After the last choice has finished, `[DONE]` and the usage may follow; a server that keeps them is not waited for. */
const AFTER_FINISH_MS = 2_000

export function committedStream({ name, held, rest, scanner, attempt, idleMs, left, ended }: Committed): AsyncIterable<Uint8Array> {
  let over = false
  /** Whom the stream waits for: a caller who does not read says nothing about the provider. */
  let waitsFor: 'caller' | 'provider' = 'caller'
  const finish = (end: StreamEnd): void => {
    if (over) return
    over = true
    attempt.signal.removeEventListener('abort', onAbort)
    attempt.release()
    ended(end)
  }
  /** A caller may hang up, or let the deadline pass, while nobody is reading; the end is told all the same. */
  const onAbort = (): void => {
    const why = failureOf(undefined, attempt.signal, name)
    if (why.code === 'cancelled' || waitsFor === 'caller') finish({ outcome: 'cancelled', failure: why })
  }
  attempt.signal.addEventListener('abort', onAbort)
  if (attempt.signal.aborted) onAbort()

  const waitForCaller = (): void => {
    waitsFor = 'caller'
    attempt.allow(left(), 'The caller')
  }
  const waitForProvider = (): Promise<IteratorResult<Uint8Array>> => {
    waitsFor = 'provider'
    attempt.allow(Math.min(scanner.finished ? AFTER_FINISH_MS : idleMs, left()), `The next piece of ${name}'s answer`)
    return rest.next()
  }

  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (const chunk of held) {
        waitForCaller()
        yield chunk
      }
      while (!scanner.done) {
        const next = await waitForProvider()
        const whole = next.done === true ? scanner.end() : scanner.feed(next.value)
        if (scanner.error !== undefined) throw failure('upstream_error', `${name} ended its answer with an error.`, { upstream: { status: 200, ...scanner.error } })
        if (scanner.overflow) throw failure('upstream_error', `${name} sent an event that is too large.`)
        if (whole !== undefined) {
          waitForCaller()
          yield whole
        }
        if (next.done === true) break
      }
      if (!scanner.finished) throw failure('unreachable', `${name} stopped before its answer was complete.`)
      finish({ outcome: 'answered', failure: undefined })
      yield DONE
    } catch (thrown) {
      const why = isFailure(thrown) ? thrown : failureOf(thrown, attempt.signal, name)
      // Every choice had finished: what is missing is only the mark that says so.
      const complete = scanner.finished && scanner.error === undefined && !scanner.overflow && why.code !== 'cancelled'
      finish({ outcome: complete ? 'answered' : why.code === 'cancelled' ? 'cancelled' : 'cut', failure: complete ? undefined : why })
      if (complete) yield DONE
      else if (why.code !== 'cancelled') yield errorEvent(envelopeOf(why))
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
