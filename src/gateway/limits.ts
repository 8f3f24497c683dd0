/**
 * What this is for: an app's own limits: requests a minute, tokens a minute, spending a day.
 *
 * What it assumes: one process. The counts live in memory: another process counts for itself, and a restart begins at nothing.
 * What it promises: the minute slides in steps of a second and is never counted shorter than it is; the day is UTC's;
 * memory is bounded by the number of apps. Limits are about cost and load; the law does not depend on them.
 */
import type { AppConnection } from '../bundle/bundle.ts'
import { failure, type Failure } from '../failure.ts'
import type { Price } from '../catalog/catalog.ts'
import type { Clock } from '../ports.ts'
import type { Usage } from '../provider/provider.ts'

export type Spent = {
  /** Input and output together. */
  readonly tokens: number
  /** Absent where the catalog gives no price: then nothing is added. */
  readonly cost?: { readonly amount: number; readonly currency: string }
}

export type Limits = {
  /** Counts the request when it may go on. */
  admit(app: AppConnection): { readonly ok: true } | { readonly ok: false; readonly failure: Failure }
  /** What an answer used, told when it has ended. */
  spent(app: string, used: Spent): void
}

/** What an answer used, and cost where the catalog gives a price. */
export function costOf({ input, output }: Usage, price: Price | undefined): Spent {
  const tokens = input + output
  return price === undefined ? { tokens } : { tokens, cost: { amount: (input * price.input + output * price.output) / 1e6, currency: price.currency } }
}

const SECOND_MS = 1_000
const DAY_MS = 86_400_000
/** Sixty whole seconds and the one that has begun. */
const SLOTS = 61

export function createLimits(clock: Clock): Limits {
  const states = new Map<string, State>()
  const stateOf = (app: string): State => {
    let state = states.get(app)
    if (state === undefined) states.set(app, state = { requests: slidingMinute(), tokens: slidingMinute(), day: -Infinity, spending: new Map() })
    return state
  }
  return {
    admit({ app, limits }) {
      const { requestsPerMinute, tokensPerMinute, spendPerDay } = limits
      const now = clock.now()
      const state = stateOf(app)
      const refuse = (message: string, retryAfterMs: number): { ok: false; failure: Failure } =>
        ({ ok: false, failure: failure('rate_limit_exceeded', message, { retryAfterMs: Math.max(1, retryAfterMs) }) })

      if (spendPerDay !== undefined) {
        const spending = spendingToday(state, now)
        const untilTomorrow = DAY_MS - now % DAY_MS
        const other = [...spending].find(([currency, amount]) => currency !== spendPerDay.currency && amount > 0)?.[0]
        if (other !== undefined) {
          return refuse(`This app has a daily limit in ${spendPerDay.currency} and has spent in ${other} today. No exchange rate is guessed, so its requests wait until 00:00 UTC.`, untilTomorrow)
        }
        if ((spending.get(spendPerDay.currency) ?? 0) >= spendPerDay.amount) {
          return refuse(`This app has spent its ${spendPerDay.amount} ${spendPerDay.currency} for today; the next day begins at 00:00 UTC.`, untilTomorrow)
        }
      }
      if (tokensPerMinute !== undefined) {
        const wait = state.tokens.waitFor(tokensPerMinute, now)
        if (wait > 0) return refuse(`This app has used its ${tokensPerMinute} tokens per minute.`, wait)
      }
      if (requestsPerMinute !== undefined) {
        const wait = state.requests.waitFor(requestsPerMinute, now)
        if (wait > 0) return refuse(`This app has used its ${requestsPerMinute} requests per minute.`, wait)
      }
      state.requests.add(1, now)
      return { ok: true }
    },
    spent(app, { tokens, cost }) {
      const now = clock.now()
      const state = stateOf(app)
      state.tokens.add(tokens, now)
      if (cost === undefined) return
      const spending = spendingToday(state, now)
      spending.set(cost.currency, (spending.get(cost.currency) ?? 0) + cost.amount)
    },
  }
}

type State = {
  readonly requests: SlidingMinute
  readonly tokens: SlidingMinute
  /** Days since 1970, UTC. */
  day: number
  /** Of that day, by currency. */
  spending: Map<string, number>
}

/** A clock set back does not give the day's money again. */
function spendingToday(state: State, now: number): Map<string, number> {
  const today = Math.floor(now / DAY_MS)
  if (today > state.day) {
    state.day = today
    state.spending = new Map()
  }
  return state.spending
}

type SlidingMinute = {
  add(amount: number, now: number): void
  /** Milliseconds until less than `most` was used in the last minute; 0 when that is so now. */
  waitFor(most: number, now: number): number
}

/** One sum a second, in a ring. */
function slidingMinute(): SlidingMinute {
  const seconds: number[] = Array.from({ length: SLOTS }, () => -Infinity)
  const sums: number[] = Array.from({ length: SLOTS }, () => 0)
  const secondOf = (now: number): number => Math.floor(now / SECOND_MS)
  return {
    add(amount, now) {
      const second = secondOf(now)
      const slot = second % SLOTS
      if (seconds[slot] !== second) {
        seconds[slot] = second
        sums[slot] = 0
      }
      sums[slot]! += amount
    },
    waitFor(most, now) {
      const current = secondOf(now)
      // A second of the future is one that a clock set back has yet to reach: it counts.
      const counted = seconds.map((second, slot) => ({ second, sum: sums[slot]! })).filter(s => s.second > current - SLOTS).sort((a, b) => a.second - b.second)
      let used = counted.reduce((sum, s) => sum + s.sum, 0)
      if (used < most) return 0
      for (const { second, sum } of counted) {
        used -= sum
        if (used < most) return (second + SLOTS) * SECOND_MS - now
      }
      // A limit of nothing never opens: come back after a minute and be told again.
      return SLOTS * SECOND_MS
    },
  }
}
