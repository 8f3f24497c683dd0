/**
 * opossum on our terms. Its circuits count calls that they make themselves, settle them a turn later, and wait by timers; this
 * one is told outcomes that have happened, has counted them when `count` returns, and starts no timer, so that it works
 * where a timer dies with the request that began it.
 */
import CircuitBreaker from 'opossum'
import type { BreakerState } from './breaker.ts'

export type CircuitSettings = {
  /** Milliseconds that an outcome counts for, in this many steps. */
  readonly windowMs: number
  readonly buckets: number
  /** A circuit opens when more than this share of the window's trials failed, */
  readonly failurePercent: number
  /** and the window holds at least this many. */
  readonly trialsMin: number
}

/** One trial is two marks, so that half a failure can be counted. */
export const MARKS_PER_TRIAL = 2
export type Mark = 'success' | 'failure'

export type Circuit = {
  state(): BreakerState
  /** Counts marks in this order, at a moment of a clock that never goes back. Open, it counts none. */
  count(marks: readonly Mark[], at: number): void
  open(): void
}

/** A circuit with an empty window. */
export function createCircuit(starts: 'closed' | 'half-open', settings: CircuitSettings): Circuit {
  const { windowMs, buckets, failurePercent, trialsMin } = settings
  let nextBucket = (): void => undefined
  // What opossum asks of the emitter that turns its window: it listens once, for one event.
  const rotation = { listenerCount: () => 0, on: (_event: 'rotate', listener: () => void) => { nextBucket = listener } }
  const options = {
    name: 'deployment', timeout: false, enableSnapshots: false, rollingPercentilesEnabled: false,
    rollingCountTimeout: windowMs, rollingCountBuckets: buckets, errorThresholdPercentage: failurePercent,
    volumeThreshold: trialsMin * MARKS_PER_TRIAL, rotateBucketController: rotation, state: { closed: starts === 'closed', halfOpen: starts === 'half-open' },
  }
  const circuit = new CircuitBreaker<[Mark], void>(settled, options as unknown as CircuitBreaker.Options<[Mark]>)
  // The listener there is the one that would start the timer.
  circuit.removeAllListeners('open')
  const bucketMs = windowMs / buckets
  let bucket = 0
  return {
    state: () => circuit.opened ? 'open' : circuit.halfOpen ? 'half-open' : 'closed',
    count(marks, at) {
      const now = Math.floor(at / bucketMs)
      for (let turns = Math.min(now - bucket, buckets); turns > 0; turns--) nextBucket()
      bucket = now
      for (const mark of marks) circuit.fire(mark).catch(expected)
    },
    open: () => circuit.open(),
  }
}

const FAILED = new Error('a mark of failure')
const expected = (): void => undefined

/** The action that opossum calls: it throws, or answers with something like a promise, that settles at once. */
function settled(mark: Mark): Promise<void> {
  if (mark === 'failure') throw FAILED
  const done = {
    // oxlint-disable-next-line unicorn/no-thenable -- A promise would settle a turn later.
    then(succeed: () => void) {
      succeed()
      return { catch: expected }
    },
  }
  return done as unknown as Promise<void>
}
