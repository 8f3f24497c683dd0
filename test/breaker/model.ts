/**
 * The breaker's rules once more, as plainly as they can be written: it keeps every outcome and counts anew each time.
 * Half a failure is a half here. Time is what has really passed; when it is read is not its business.
 */
import type { BreakerState } from '../../src/breaker/breaker.ts'
import { BREAKER } from '../../src/breaker/opossum.ts'
import type { Failure } from '../../src/failure.ts'

type Begun = { readonly inPeriod: number; over: boolean }

export class Model {
  now = 0
  readonly changes: string[] = []
  #state: BreakerState = 'closed'
  /** Goes up each time it half-opens: what was begun in an earlier period is not heard. */
  #period = 0
  #heard: { readonly at: number; readonly failure: number }[] = []
  #row = 0
  #openedAt = 0
  #busyUntil = 0
  #probe: { readonly trial: Begun; readonly at: number } | undefined

  state(): BreakerState {
    if (this.#state === 'open' && this.now >= this.#openedAt + BREAKER.resetMs) {
      this.#period++
      this.#to('half-open')
    }
    return this.#state
  }

  mayTry(): boolean {
    if (this.state() === 'open' || this.now < this.#busyUntil) return false
    return this.#state === 'closed' || this.#probe === undefined || this.now >= this.#probe.at + BREAKER.probeMs
  }

  notBefore(): number | undefined {
    const at = Math.max(this.state() === 'open' ? this.#openedAt + BREAKER.resetMs : 0, this.#busyUntil)
    return at > this.now ? at : undefined
  }

  doubt(how: 'failing' | 'unproven'): void {
    if (this.state() !== 'closed') return
    if (how === 'unproven') this.#period++
    this.#to(how === 'failing' ? 'open' : 'half-open')
  }

  begin(): Begun | undefined {
    if (!this.mayTry()) return undefined
    const trial: Begun = { inPeriod: this.#period, over: false }
    if (this.#state === 'half-open') this.#probe = { trial, at: this.now }
    return trial
  }

  end(trial: Begun, said: 'dropped' | Failure | undefined): void {
    if (trial.over) return
    trial.over = true
    const isProbe = this.#probe?.trial === trial
    if (isProbe) this.#probe = undefined
    if (said === 'dropped') return
    // When to come back is heard from anybody, whatever else the outcome is worth.
    this.#hearBusy(said)
    if (trial.inPeriod !== this.#period) return
    if (this.#state === 'closed') this.#hearClosed(said)
    else if (isProbe) this.#hearProbe(said)
  }

  #hearProbe(failed: Failure | undefined): void {
    this.#to(failed === undefined ? 'closed' : 'open')
    // The probe that closed it is the first of the new window.
    if (failed === undefined) this.#heard.push({ at: this.now, failure: 0 })
  }

  #hearClosed(failed: Failure | undefined): void {
    const weight = failed === undefined ? 0 : failed.code === 'busy' ? 0.5 : 1
    this.#row = weight === 0 ? 0 : this.#row + weight
    this.#heard.push({ at: this.now, failure: weight })
    const step = BREAKER.windowMs / BREAKER.buckets
    const inWindow = this.#heard.filter(({ at }) => Math.floor(this.now / step) - Math.floor(at / step) < BREAKER.buckets)
    const failures = inWindow.reduce((sum, { failure }) => sum + failure, 0)
    const isOverRate = weight > 0 && inWindow.length >= BREAKER.trialsMin && failures / inWindow.length * 100 > BREAKER.failurePercent
    const isLongWait = failed?.code === 'busy' && (failed.retryAfterMs ?? 0) > BREAKER.resetMs
    if (isOverRate || isLongWait || this.#row >= BREAKER.failuresInARow) this.#to('open')
  }

  #hearBusy(failed: Failure | undefined): void {
    if (failed?.code === 'busy') this.#busyUntil = Math.max(this.#busyUntil, this.now + (failed.retryAfterMs ?? 0))
  }

  #to(state: BreakerState): void {
    this.changes.push(`${this.#state} → ${state}`)
    this.#state = state
    this.#heard = []
    this.#row = 0
    if (state === 'open') this.#openedAt = this.now
  }
}
