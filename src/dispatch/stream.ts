/**
 * What this is for: a stream that has been committed to: its first content is known, and the caller is about to get it.
 *
 * What it promises: bytes go on as they came; a stream that breaks is gone on with by another deployment or ends with an
 * in-band error and no `[DONE]`, which comes when the end is on record; `ended` is told exactly once; leaving early aborts the attempt.
 */
import { envelopeOf, failure, type Failure } from '../failure.ts'
import { DONE, errorEvent } from '../openai/sse.ts'
import type { Clock } from '../ports.ts'
import { failureOf } from '../provider/broken.ts'
import { leave, type Source } from './open.ts'

export type StreamEnd = {
  readonly outcome: 'answered' | 'cut' | 'cancelled'
  readonly failure: Failure | undefined
  /** The source that gave the last of it. */
  readonly source: Source
}

export type Committed = {
  readonly first: Source
  readonly clock: Clock
  /** Milliseconds until the request's own deadline. */
  readonly left: () => number
  /** Whether the caller hung up. */
  readonly hasLeft: () => boolean
  /** Somebody else who goes on from where this source broke, after the text that the caller has; undefined when nobody can. */
  readonly rescue: (broken: Source, why: Failure) => Promise<Source | undefined>
  /** A source that will not be read on, and why; undefined when it gave all it had to give. */
  readonly over: (source: Source, why: Failure | undefined) => void
  readonly ended: (end: StreamEnd) => void
  /** Whether the end that was told is on record. */
  readonly kept: () => Promise<boolean>
}

/** After the last choice has finished, `[DONE]` and the usage may follow; a server that keeps them is not waited for. */
const AFTER_FINISH_MS = 2_000
const NOT_KEPT = failure('cannot_record', 'The end of this answer cannot be recorded, so it is not told complete.')
/** A break met after a longer pause of the caller's is not held against the server. */
const UNREAD_MS_MAX = 1_000

export function committedStream({ first, clock, left, hasLeft, rescue, over, ended, kept }: Committed): AsyncIterable<Uint8Array> {
  let source = first
  let isOver = false
  /** Whom the stream waits for: a caller who does not read says nothing about the provider. */
  let waitsFor: 'caller' | 'provider' = 'caller'

  const part = (why: Failure | undefined): void => {
    source.attempt.signal.removeEventListener('abort', onAbort)
    leave(source, failure('cancelled', 'The answer is over.'))
    over(source, why)
  }
  const finish = (outcome: StreamEnd['outcome'], why: Failure | undefined): void => {
    if (isOver) return
    isOver = true
    part(why)
    ended({ outcome, failure: why, source })
  }
  /** A caller may hang up, or let the deadline pass, while nobody is reading; the end is told all the same. */
  const onAbort = (): void => {
    const why = failureOf(undefined, source.attempt.signal, source.deployment.name)
    if (why.code === 'cancelled') finish('cancelled', why)
    else if (waitsFor === 'caller') finish('cancelled', failure('cancelled', 'The caller did not read its answer in time.'))
  }
  const attend = (): void => {
    source.attempt.signal.addEventListener('abort', onAbort)
    if (source.attempt.signal.aborted) onAbort()
  }
  attend()

  const waitForCaller = (): void => {
    waitsFor = 'caller'
    source.attempt.allow(left(), 'The caller')
  }
  const waitForProvider = (patience: number): Promise<IteratorResult<Uint8Array>> => {
    waitsFor = 'provider'
    source.attempt.allow(Math.min(patience, left()), `The next piece of ${source.deployment.name}'s answer`, { isCutShort: left() < patience })
    return source.rest.next()
  }

  /** Passes on what the source gives, and says why it ended before it was complete. */
  async function* pass(): AsyncGenerator<Uint8Array, Failure | undefined, undefined> {
    const { scanner, held, timeouts, deployment: { name } } = source
    // Comments show that a server's edge lives, not that its model does: they use up the patience that events renew.
    let patience = scanner.finished ? AFTER_FINISH_MS : timeouts.idle
    /** How long the caller left the answer unread last: a server may give up on one that is not taken from it. */
    let unreadMs = 0
    const blame = (): { readonly noSign?: true } => (unreadMs > UNREAD_MS_MAX || scanner.isFewer ? { noSign: true } : {})
    try {
      for (const chunk of held) {
        if (isOver) return undefined
        const given = clock.now()
        waitForCaller()
        yield chunk
        unreadMs = clock.now() - given
      }
      while (!scanner.done) {
        if (isOver) return undefined
        const asked = clock.now(), before = scanner.events
        const next = await waitForProvider(patience)
        const whole = next.done === true ? scanner.end() : scanner.feed(next.value)
        if (scanner.events > before) patience = scanner.finished ? AFTER_FINISH_MS : timeouts.idle
        else patience -= clock.now() - asked
        if (whole !== undefined) {
          const given = clock.now()
          waitForCaller()
          yield whole
          unreadMs = clock.now() - given
        }
        if (scanner.error !== undefined) return scanner.finished ? undefined : failure('upstream_error', `${name} ended its answer with an error.`, { upstream: { status: 200, ...scanner.error } })
        if (scanner.overflow) return failure('upstream_error', `${name} sent an event that is too large.`, { noSign: true })
        if (next.done === true) break
      }
    } catch (thrown) {
      const why = failureOf(thrown, source.attempt.signal, name)
      // Every choice had finished: what is missing is only the mark that says so.
      return scanner.finished && why.code !== 'cancelled' ? undefined : { ...why, ...blame() }
    }
    return scanner.finished ? undefined : failure('unreachable', `${name} stopped before its answer was complete.`, blame())
  }

  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const why = yield* pass()
        if (isOver) {
          // The end was told while nobody read; whoever reads on must not take a bare end for a clean one.
          if (!hasLeft()) yield errorEvent(envelopeOf(failure('deadline_exceeded', 'The time for this request ran out before its answer was read.')))
          return
        }
        if (why === undefined) {
          finish('answered', undefined)
          yield await kept() ? DONE : errorEvent(envelopeOf(NOT_KEPT))
          return
        }
        if (why.code === 'cancelled') return finish('cancelled', why)
        const broken = source
        part(why)
        waitsFor = 'provider'
        const next = await rescue(broken, why)
        if (next === undefined) {
          isOver = true
          ended({ outcome: hasLeft() ? 'cancelled' : 'cut', failure: hasLeft() ? failure('cancelled', 'The caller hung up.') : why, source: broken })
          if (!hasLeft()) yield errorEvent(envelopeOf(why))
          return
        }
        source = next
        attend()
        if (isOver) return
      }
    } finally {
      finish('cancelled', failure('cancelled', 'The caller stopped reading.'))
    }
  }
  return { [Symbol.asyncIterator]: bytes }
}
