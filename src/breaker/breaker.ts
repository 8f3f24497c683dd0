/**
 * The port "may I try this deployment? this is how it went". A breaker never picks, never times out, never aborts.
 */
import type { Failure } from '../failure.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

export type Breakers = {
  mayTry(deployment: string): boolean
  /** Told once per attempt whose outcome says something about health, when the answer has ended; `undefined` is success. */
  report(deployment: string, failed: Failure | undefined): void
  state(deployment: string): BreakerState
}

/** The stand-in until breakers open: it lets every attempt through and says so. */
export const alwaysClosed: Breakers = { mayTry: () => true, report: () => undefined, state: () => 'closed' }
