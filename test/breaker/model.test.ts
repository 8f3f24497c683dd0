/** opossum and what was put around it do what the rules say, whatever comes in whatever order; the model is the rules. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Trial } from '../../src/breaker/breaker.ts'
import { BREAKER, createBreakers } from '../../src/breaker/opossum.ts'
import { failure, type Failure } from '../../src/failure.ts'
import { Model } from './model.ts'

const SEED = 20_260_612
const START = Date.UTC(2026, 5, 12)

type Said = 'well' | 'broken' | 'busy' | 'busy-briefly' | 'busy-long' | 'dropped'
type Step =
  | { readonly do: 'pass'; readonly ms: number }
  /** The host's clock is set back; no time passes. */
  | { readonly do: 'set-back'; readonly ms: number }
  | { readonly do: 'begin' }
  | { readonly do: 'end'; readonly which: number; readonly said: Said }
  | { readonly do: 'doubt'; readonly how: 'failing' | 'unproven' }
  /** A trial that ends at once, as most do. */
  | { readonly do: 'try'; readonly said: Said }

const SAID: Record<Said, 'dropped' | Failure | undefined> = {
  'well': undefined, 'broken': failure('upstream_error', 'It failed.'), 'busy': failure('busy', 'Busy.'), 'dropped': 'dropped',
  'busy-briefly': failure('busy', 'Busy.', { retryAfterMs: 1_500 }), 'busy-long': failure('busy', 'Busy.', { retryAfterMs: BREAKER.resetMs + 5_000 }),
}
const said = fc.oneof({ arbitrary: fc.constantFrom<Said>('well', 'broken'), weight: 5 }, { arbitrary: fc.constantFrom<Said>('busy', 'busy-briefly', 'busy-long', 'dropped'), weight: 2 })
const passing = fc.oneof(fc.constantFrom(0, 1, 999, 1_000, BREAKER.resetMs - 1, BREAKER.resetMs, BREAKER.probeMs), fc.integer({ min: 0, max: 4_000 }))
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ do: fc.constant('try' as const), said }), weight: 6 },
  { arbitrary: fc.record({ do: fc.constant('begin' as const) }), weight: 3 },
  { arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(20), said }), weight: 4 },
  { arbitrary: fc.record({ do: fc.constant('pass' as const), ms: passing }), weight: 3 },
  { arbitrary: fc.record({ do: fc.constant('doubt' as const), how: fc.constantFrom('failing' as const, 'unproven' as const) }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('set-back' as const), ms: fc.integer({ min: 1, max: 100_000_000 }) }), weight: 1 },
)
const steps = fc.array(step, { minLength: 20, maxLength: 120, size: 'max' })

type Both = { readonly trial: Trial; readonly modelled: NonNullable<ReturnType<Model['begin']>> }

/** The breakers and the model side by side. */
function bench() {
  const model = new Model()
  const changes: string[] = []
  let wall = START
  let setBack = 0
  model.now = START
  const breakers = createBreakers()({ clock: { now: () => wall, after: () => () => undefined }, changed: ({ from, to }) => { changes.push(`${from} → ${to}`) } })
  // One that nothing happens to: asking about it reads the clock, so that a clock set back is seen to have been.
  breakers.begin('other')?.drop()
  const begun: Both[] = []
  const pass = (ms: number): void => {
    wall += ms
    model.now += ms
    breakers.notBefore('other')
  }
  const begin = (): Both | undefined => {
    const trial = breakers.begin('a')
    const modelled = model.begin()
    expect(trial === undefined).toBe(modelled === undefined)
    return trial === undefined || modelled === undefined ? undefined : { trial, modelled }
  }
  const end = ({ trial, modelled }: Both, how: Said): void => {
    const outcome = SAID[how]
    if (outcome === 'dropped') trial.drop()
    else trial.report(outcome)
    model.end(modelled, outcome)
  }
  const take = (one: Step): void => {
    switch (one.do) {
      case 'pass':
        pass(one.ms)
        break
      case 'set-back':
        wall -= one.ms
        setBack += one.ms
        breakers.notBefore('other')
        break
      case 'doubt':
        breakers.doubt('a', one.how)
        model.doubt(one.how)
        break
      case 'begin': {
        const both = begin()
        if (both !== undefined) begun.push(both)
        break
      }
      case 'end': {
        // Those that have ended stay among them: a second word is not heard.
        const both = begun[one.which % Math.max(begun.length, 1)]
        if (both !== undefined) end(both, one.said)
        break
      }
      case 'try': {
        const both = begin()
        if (both !== undefined) end(both, one.said)
      }
    }
  }
  const agree = (): void => {
    const earliest = model.notBefore()
    expect({ state: breakers.state('a'), mayTry: breakers.mayTry('a'), notBefore: breakers.notBefore('a'), changes })
      .toEqual({ state: model.state(), mayTry: model.mayTry(), notBefore: earliest === undefined ? undefined : earliest - setBack, changes: model.changes })
  }
  return { breakers, changes, take, agree, pass }
}

test(`it does what the rules say (seed ${SEED})`, () => {
  const seen = new Map<string, number>()
  fc.assert(fc.property(steps, fc.boolean(), (sequence, isLookedAt) => {
    const b = bench()
    for (const one of sequence) {
      b.take(one)
      // Looking moves an open breaker on, so half of the sequences are looked at in the end only.
      if (isLookedAt) b.agree()
    }
    b.agree()
    for (const change of b.changes) seen.set(change, (seen.get(change) ?? 0) + 1)
  }), { seed: SEED, numRuns: 3_000 })
  // The sequences went everywhere that a breaker can go.
  expect([...seen.keys()].sort()).toEqual(['closed → half-open', 'closed → open', 'half-open → closed', 'half-open → open', 'open → half-open'])
  for (const count of seen.values()) expect(count).toBeGreaterThan(500)
})

test(`whatever happened, it can be tried again once every wait is over, and one success closes it (seed ${SEED})`, () => {
  fc.assert(fc.property(steps, sequence => {
    const b = bench()
    for (const one of sequence) b.take(one)
    b.pass(Math.max(BREAKER.resetMs + 5_000, BREAKER.probeMs))
    const trial = b.breakers.begin('a')
    expect(trial).toBeDefined()
    trial?.report(undefined)
    expect(b.breakers.state('a')).toBe('closed')
    expect(b.breakers.mayTry('a')).toBe(true)
  }), { seed: SEED, numRuns: 1_000 })
})
