import { describe, expect, it } from 'vitest'
import type { AppConnection } from '../../src/bundle/bundle.ts'
import { statusOf } from '../../src/failure.ts'
import { createLimits } from '../../src/gateway/limits.ts'
import type { Clock } from '../../src/ports.ts'

const NOON = Date.parse('2026-11-22T12:00:00Z')

function at(start: number): { clock: Clock; set: (now: number) => void } {
  let now = start
  return { clock: { now: () => now, after: () => () => undefined }, set: next => { now = next } }
}

const app = (limits: AppConnection['limits'], name = 'crm'): AppConnection =>
  ({ app: name, keyHashes: [], substitutes: 'yes', ladder: undefined, limits, loopbackOnly: false, streamRescue: true, onContentFilter: 'return', timeouts: {} })

describe('requests per minute', () => {
  it('lets the allowed number through and refuses the next, saying when to come back', () => {
    const { clock, set } = at(NOON)
    const limits = createLimits(clock)
    const crm = app({ requestsPerMinute: 2 })
    expect(limits.admit(crm).ok).toBe(true)
    set(NOON + 10_000)
    expect(limits.admit(crm).ok).toBe(true)
    set(NOON + 20_500)
    const refused = limits.admit(crm)
    if (refused.ok) throw new Error('a third request was admitted')
    expect(statusOf(refused.failure)).toBe(429)
    expect(refused.failure.code).toBe('rate_limit_exceeded')
    set(NOON + 20_500 + refused.failure.retryAfterMs! - 1)
    expect(limits.admit(crm).ok).toBe(false)
    set(NOON + 20_500 + refused.failure.retryAfterMs!)
    expect(limits.admit(crm).ok).toBe(true)
    expect(limits.admit(crm).ok).toBe(false)
  })

  it('never admits more than the limit in any sixty seconds', () => {
    const { clock, set } = at(NOON)
    const limits = createLimits(clock)
    const crm = app({ requestsPerMinute: 5 })
    const admitted: number[] = []
    for (let now = NOON; now < NOON + 300_000; now += 700) {
      set(now)
      if (limits.admit(crm).ok) admitted.push(now)
    }
    for (const start of admitted) expect(admitted.filter(t => t >= start && t < start + 60_000).length).toBeLessThanOrEqual(5)
    expect(admitted.length).toBeGreaterThanOrEqual(24)
  })

  it('counts each app for itself, and an app without limits not at all', () => {
    const limits = createLimits(at(NOON).clock)
    expect(limits.admit(app({ requestsPerMinute: 1 })).ok).toBe(true)
    expect(limits.admit(app({ requestsPerMinute: 1 })).ok).toBe(false)
    expect(limits.admit(app({ requestsPerMinute: 1 }, 'hr')).ok).toBe(true)
    for (let i = 0; i < 100; i++) expect(limits.admit(app({}, 'desk')).ok).toBe(true)
  })

  it('does not open again when the clock is set back', () => {
    const { clock, set } = at(NOON)
    const limits = createLimits(clock)
    expect(limits.admit(app({ requestsPerMinute: 1 })).ok).toBe(true)
    set(NOON - 3_600_000)
    expect(limits.admit(app({ requestsPerMinute: 1 })).ok).toBe(false)
  })

  it('a limit of nothing admits nothing', () => {
    expect(createLimits(at(NOON).clock).admit(app({ requestsPerMinute: 0 })).ok).toBe(false)
  })
})

describe('tokens per minute', () => {
  it('refuses from the answer that reached the limit until it has slid out of the minute', () => {
    const { clock, set } = at(NOON)
    const limits = createLimits(clock)
    const crm = app({ tokensPerMinute: 1000 })
    limits.spent('crm', { tokens: 999 })
    expect(limits.admit(crm).ok).toBe(true)
    limits.spent('crm', { tokens: 1 })
    const refused = limits.admit(crm)
    expect(refused.ok).toBe(false)
    set(NOON + 59_999)
    expect(limits.admit(crm).ok).toBe(false)
    set(NOON + 61_000)
    expect(limits.admit(crm).ok).toBe(true)
  })
})

describe('spending per day', () => {
  const crm = app({ spendPerDay: { amount: 50, currency: 'USD' } })

  it('refuses when the money of the UTC day is gone, and opens with the next day', () => {
    const { clock, set } = at(NOON)
    const limits = createLimits(clock)
    limits.spent('crm', { tokens: 10, cost: { amount: 49.99, currency: 'USD' } })
    expect(limits.admit(crm).ok).toBe(true)
    limits.spent('crm', { tokens: 10, cost: { amount: 0.02, currency: 'USD' } })
    const refused = limits.admit(crm)
    expect(refused.ok ? 0 : refused.failure.retryAfterMs).toBe(12 * 3_600_000)
    set(Date.parse('2026-11-22T23:59:59.999Z'))
    expect(limits.admit(crm).ok).toBe(false)
    set(Date.parse('2026-11-23T00:00:00Z'))
    expect(limits.admit(crm).ok).toBe(true)
  })

  it('guesses no exchange rate: money in another currency stops the app until the next day, and says so', () => {
    const { clock, set } = at(NOON)
    const limits = createLimits(clock)
    limits.spent('crm', { tokens: 10, cost: { amount: 0.01, currency: 'EUR' } })
    const refused = limits.admit(crm)
    expect(refused.ok ? '' : refused.failure.message).toMatch(/USD.*EUR/)
    set(Date.parse('2026-11-23T00:00:00Z'))
    expect(limits.admit(crm).ok).toBe(true)
  })

  it('an answer without a price, or for nothing, stops nobody', () => {
    const limits = createLimits(at(NOON).clock)
    limits.spent('crm', { tokens: 10 })
    limits.spent('crm', { tokens: 10, cost: { amount: 0, currency: 'EUR' } })
    expect(limits.admit(crm).ok).toBe(true)
  })

  it('a clock set back does not give the money again', () => {
    const { clock, set } = at(NOON)
    const limits = createLimits(clock)
    limits.spent('crm', { tokens: 10, cost: { amount: 50, currency: 'USD' } })
    set(NOON - 86_400_000)
    expect(limits.admit(crm).ok).toBe(false)
  })
})
