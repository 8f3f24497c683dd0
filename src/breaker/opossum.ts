/**
 * What this is for: the breaker of resilience, section 3: opossum decides by its window, and this file adds what it lacks:
 * a count of failures in a row, a busy answer that weighs half, Retry-After, one probe at a time, outcomes that come too late.
 *
 * What it assumes: a clock; one that is set back does no harm.
 * What it promises: the state is settled when `report` returns; nothing here waits, so nothing is left behind when a request
 * ends, and every wait ends by itself when the breaker is next asked.
 */
import type { Failure } from '../failure.ts'
import type { BreakerChange, BreakerState, MakeBreakers, Trial } from './breaker.ts'
import { createCircuit, MARKS_PER_TRIAL, type CircuitSettings, type Mark } from './circuit.ts'
import { steadyClock, type SteadyClock } from './steady-clock.ts'

export type BreakerSettings = CircuitSettings & {
  /** So many failures without a success between them open it, however far apart: with little traffic the window never fills. */
  readonly failuresInARow: number
  /** Milliseconds from opening until one trial may begin. */
  readonly resetMs: number
  /**
   * Milliseconds after which a probe of which nothing was heard no longer keeps others out: it may be somebody's long stream, and a host
   * may end a request in its middle.
   */
  readonly probeMs: number
  /** The longest that a deployment is left alone because it asked for it. */
  readonly busyMsMax: number
}

export const BREAKER: BreakerSettings = {
  windowMs: 10_000, buckets: 10, failurePercent: 50, trialsMin: 5, failuresInARow: 3, resetMs: 10_000, probeMs: 30_000, busyMsMax: 600_000,
}

/** Breakers for a gateway; settings are given by tests only. A breaker exists from the first trial of its deployment. */
export function createBreakers(given: Partial<BreakerSettings> = {}): MakeBreakers {
  const settings = { ...BREAKER, ...given }
  return ({ clock, changed }) => {
    const steady = steadyClock(clock)
    const known = new Map<string, Breaker>()
    const make = (deployment: string): Breaker => {
      const breaker = createBreaker(settings, steady, (from, to) => {
        // One that was forgotten may still hear how its last trials went, and is nobody's any more.
        if (known.get(deployment) === breaker) changed({ deployment, from, to })
      })
      known.set(deployment, breaker)
      return breaker
    }
    return {
      mayTry: deployment => known.get(deployment)?.mayTry() ?? true,
      begin: deployment => (known.get(deployment) ?? make(deployment)).begin(),
      state: deployment => known.get(deployment)?.state() ?? 'closed',
      notBefore: deployment => known.get(deployment)?.notBefore(),
      doubt: (deployment, how) => (known.get(deployment) ?? make(deployment)).doubt(how),
      keep(deployments) {
        for (const deployment of known.keys()) if (!deployments.has(deployment)) known.delete(deployment)
      },
    }
  }
}

type Breaker = {
  mayTry(): boolean
  begin(): Trial | undefined
  state(): BreakerState
  notBefore(): number | undefined
  doubt(how: 'failing' | 'unproven'): void
}

function createBreaker(settings: BreakerSettings, clock: SteadyClock, changed: (from: BreakerChange['from'], to: BreakerChange['to']) => void): Breaker {
  let circuit = createCircuit('closed', settings)
  let marksInARow = 0
  let openedAt = 0
  /** Undefined: nobody asked us to wait. */
  let busyUntil: number | undefined
  let probe: { readonly trial: Trial; readonly begunAt: number } | undefined

  const state = (): BreakerState => {
    if (circuit.state() === 'open' && clock.now() - openedAt >= settings.resetMs) {
      circuit = createCircuit('half-open', settings)
      changed('open', 'half-open')
    }
    return circuit.state()
  }

  const mayTry = (): boolean => {
    const now = state()
    if (now === 'open') return false
    if (busyUntil !== undefined) {
      if (clock.now() < busyUntil) return false
      busyUntil = undefined
    }
    return now === 'closed' || probe === undefined || clock.now() - probe.begunAt >= settings.probeMs
  }

  const hear = (failed: Failure | undefined): void => {
    const from = circuit.state()
    const at = clock.now()
    const marks = marksOf(failed, from)
    marksInARow = failed === undefined ? 0 : marksInARow + marks.filter(mark => mark === 'failure').length
    circuit.count(marks, at)
    // Who asks to be left alone for longer than an open breaker would be is out of the pool, and is seen to be.
    const isLongWait = failed?.code === 'busy' && (failed.retryAfterMs ?? 0) > settings.resetMs
    if (isLongWait || marksInARow >= settings.failuresInARow * MARKS_PER_TRIAL) circuit.open()
    const to = circuit.state()
    if (to === from) return
    if (to === 'open') openedAt = at
    changed(from, to)
  }

  const begin = (): Trial | undefined => {
    if (!mayTry()) return undefined
    const begunIn = circuit
    let isOver = false
    /** Whether what is said now is still news: the first word, of the probe or of a trial begun since the breaker last opened. */
    const isNews = (): boolean => {
      if (isOver) return false
      isOver = true
      const isProbe = probe?.trial === trial
      if (isProbe) probe = undefined
      return begunIn === circuit && (isProbe || circuit.state() === 'closed')
    }
    const trial: Trial = {
      report(failed) {
        // When to come back is news also from a trial that says nothing new about health.
        if (!isOver && failed?.code === 'busy' && failed.retryAfterMs !== undefined) busyUntil = Math.max(busyUntil ?? 0, clock.now() + Math.min(failed.retryAfterMs, settings.busyMsMax))
        if (isNews()) hear(failed)
      },
      drop: () => void isNews(),
    }
    if (circuit.state() === 'half-open') probe = { trial, begunAt: clock.now() }
    return trial
  }

  return {
    state, mayTry, begin,
    notBefore() {
      const opensAt = state() === 'open' ? openedAt + settings.resetMs : 0
      const at = Math.max(opensAt, busyUntil ?? 0)
      return at > clock.now() ? clock.toWallClock(at) : undefined
    },
    doubt(how) {
      if (state() !== 'closed') return
      if (how === 'unproven') circuit = createCircuit('half-open', settings)
      else circuit.open()
      openedAt = clock.now()
      changed('closed', circuit.state())
    },
  }
}

/** Busy says less than broken. Half-open there is one trial to judge by, and busy is not well. */
function marksOf(failed: Failure | undefined, state: BreakerState): readonly Mark[] {
  if (failed === undefined) return ['success', 'success']
  if (failed.code !== 'busy') return ['failure', 'failure']
  return state === 'closed' ? ['success', 'failure'] : ['failure']
}
