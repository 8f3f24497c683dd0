/**
 * What this is for: the port "may I try this deployment? this is how it went". One breaker a deployment.
 *
 * What it assumes: whoever begins a trial ends it, whatever happens.
 * What it promises: a breaker never picks, never times out, never aborts; it has no timer and asks the clock when it is used
 * (a timer begun in a request on Workers dies with that request, and an open breaker would stay open for ever); half-open,
 * it lets one trial through at a time.
 */
import type { Failure } from '../failure.ts'
import type { Clock } from '../ports.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

/** One try at one deployment. The first word counts, later ones are not heard. */
export type Trial = {
  /** How it went, told when the answer has ended; `undefined` is success. Only failures that say something about health. */
  report(failed: Failure | undefined): void
  /** It ended without saying anything about health: the caller left, the request was refused. */
  drop(): void
}

export type Breakers = {
  /** Whether a trial could begin now. */
  mayTry(deployment: string): boolean
  /** Begins a trial. Undefined: the breaker is open, or somebody else is probing. */
  begin(deployment: string): Trial | undefined
  state(deployment: string): BreakerState
  /** Milliseconds since 1970 from which a trial may begin; undefined where nothing is to be waited for but a probe under way. */
  notBefore(deployment: string): number | undefined
  /**
   * Somebody else's word about one of which nothing bad is known here; any other stays as it is. failing: it opens, as enough
   * failures would have opened it. unproven: it is half-open, and the next trial decides.
   */
  doubt(deployment: string, how: 'failing' | 'unproven'): void
  /** Forgets the deployments that are not among these. */
  keep(deployments: ReadonlySet<string>): void
}

export type BreakerChange = { readonly deployment: string; readonly from: BreakerState; readonly to: BreakerState }

/** How a gateway gets its breakers: `changed` is told of every change of state, after it. */
export type MakeBreakers = (given: { readonly clock: Clock; readonly changed: (change: BreakerChange) => void }) => Breakers
