/** The decision and the explanation against the oracle, on random worlds: one page of law, two readings that must agree. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { decide } from '../../src/policy/decide.ts'
import { explain } from '../../src/policy/explain.ts'
import type { Rulebook } from '../../src/policy/rule.ts'
import { PLACES, compare, dutiesByLaw, sorted, world } from './compare.ts'
import { reference } from './reference.ts'
import type { Reference } from './reference.ts'
import { TICKS, afterAll, asked, instant, rulebook, seed, settings, withEdges } from './worlds.ts'

const WORLDS = 2500

/** Collects what the random worlds reached, so that a generator that has become tame fails loudly. */
const reached = { decisions: 0, permits: 0, several: 0, unregistered: 0, excepted: 0, wouldExclude: 0, assumed: 0, duties: 0, logPlaces: 0, unknown: 0 }

test(`decide and explain agree with the oracle (seed ${seed})`, { timeout: 120_000 }, () => {
  fc.assert(fc.property(world, ({ book, requests, times }) => {
    for (const request of requests) {
      for (const at of times) {
        const { law, difference } = compare(book, request, at)
        count(law)
        if (difference !== undefined) expect(difference.seen, `${difference.who} against the oracle, seed ${seed}`).toEqual(difference.law)
      }
    }
  }), settings(WORLDS))
  expect(reached.permits / reached.decisions).toBeGreaterThan(0.2)
  expect(reached.several / reached.decisions).toBeGreaterThan(0.1)
  for (const [what, times] of Object.entries(reached)) expect(times, `${what} in ${reached.decisions} decisions`).toBeGreaterThan(100)
})

test(`a catalog of many deployments is decided like a small one (seed ${seed})`, { timeout: 60_000 }, () => {
  let late = 0
  fc.assert(fc.property(rulebook, fc.array(asked, { minLength: 4, maxLength: 4 }), instant, fc.constantFrom(31, 32, 33, 63, 64, 65, 96, 97), (book, requests, at, many) => {
    const deployments = Array.from({ length: many }, (_, i) => {
      const one = book.deployments[i % book.deployments.length]!
      return i < book.deployments.length ? one : { ...one, name: `copy-${i}-of-${one.name}` }
    })
    const large = { ...book, deployments }
    for (const request of requests) {
      const law = reference(large, request, at)
      if (law.permitted.length > 0 && law.permitted.length < many) late++
      expect(decide(large, request, at).permitted).toEqual(law.permitted)
      expect(explain(large, request, at).deployments.map(row => sorted(row.because.map(one => one.rule)))).toEqual(deployments.map(one => sorted(law.rows.get(one.name)!.removedBy)))
    }
  }), settings(200))
  expect(late).toBeGreaterThan(40)
})

test('a year of edges and thousands of different requests do not run into each other', { timeout: 60_000 }, () => {
  const book = fc.sample(rulebook, { seed, numRuns: 1 })[0]!
  const days = Array.from({ length: 120 }, (_, day) => TICKS[0]! + day * 86_400_000)
  const nothing = { duties: {}, directive: false, mode: 'enforce', modeUntil: Infinity, enforceFor: undefined, title: 'a rule', because: 'a reason', law: undefined, exceptions: { allowed: false, atMostDays: undefined, approvers: [] } } as const
  const { place } = book.apps.get('plain')!
  const rules = days.slice(0, -1).map((from, day) => ({
    ...nothing, name: `days/r${day}`, policy: 'days', id: `r${day}`, place, effect: 'forbid' as const, blocks: [{ kind: 'all' as const }], window: { from, until: days[day + 1]! },
    when: { kind: 'fact' as const, fact: 'purpose', match: { any: [{ value: `p${day}` }] } },
  }))
  const year = withEdges({ ...book, rules, exceptions: [], apps: new Map([...book.apps].map(([name, app]) => [name, { ...app, grants: 'all' as const }])) })
  for (const round of [1, 2]) {
    for (const [day, from] of days.slice(0, -1).entries()) {
      for (const at of [from, from + 43_200_000]) {
        expect(decide(year, { trusted: { app: 'plain', purpose: `p${day}` } }, at).outcome, `round ${round}, day ${day}`).toBe('refuse')
        expect(decide(year, { trusted: { app: 'plain', purpose: `p${day + 1}` } }, at).outcome, `round ${round}, day ${day}`).toBe('permit')
      }
    }
  }
  for (let n = 0; n < 10_000; n++) {
    expect(decide(year, { trusted: { app: 'plain', purpose: `p${n % 5000}` } }, days[7]!).outcome, `purpose p${n % 5000}`).toBe(n % 5000 === 7 ? 'refuse' : 'permit')
  }
})

test(`between from and until of a decision the law does not change (seed ${seed})`, { timeout: 60_000 }, () => {
  let inner = 0
  fc.assert(fc.property(rulebook, asked, instant, (book, request, at) => {
    const decision = decide(book, request, at)
    expect(decision.from).toBeLessThanOrEqual(at)
    expect(decision.until).toBeGreaterThan(at)
    const inside = [decision.from, decision.until - 1, ...TICKS.flatMap(tick => [tick - 1, tick])].filter(t => Number.isFinite(t) && t >= decision.from && t < decision.until)
    inner += inside.length
    for (const time of inside) expect(comparable(book, reference(book, request, time)), `at ${time}`).toEqual(comparable(book, reference(book, request, at)))
  }), settings(500))
  expect(inner).toBeGreaterThan(500)
})

test(`the next change that explain promises is not later than the next change (seed ${seed})`, { timeout: 60_000 }, () => {
  let promised = 0
  let none = 0
  fc.assert(fc.property(rulebook, asked, fc.oneof({ weight: 4, arbitrary: instant }, { weight: 1, arbitrary: fc.constant(afterAll) }), (book, request, at) => {
    const next = explain(book, request, at)['next-change']
    const until = next === null ? Infinity : Date.parse(next)
    if (next === null) none++
    else promised++
    expect(until).toBeGreaterThan(at)
    for (const time of TICKS.flatMap(tick => [tick - 1, tick]).filter(t => t > at && t < until)) {
      expect(comparable(book, reference(book, request, time)), `at ${time}`).toEqual(comparable(book, reference(book, request, at)))
    }
  }), settings(500))
  expect(promised).toBeGreaterThan(50)
  expect(none).toBeGreaterThan(50)
})

function count(law: Reference): void {
  const rows = [...law.rows.values()]
  reached.decisions++
  if (law.outcome === 'permit') reached.permits++
  if (law.permitted.length > 1) reached.several++
  if (law.code === 'data_not_registered') reached.unregistered++
  if (rows.some(row => row.exceptions.size > 0)) reached.excepted++
  if (rows.some(row => row.wouldExclude.size > 0)) reached.wouldExclude++
  if (rows.some(row => row.unknownIn.size > 0)) reached.unknown++
  if (law.assumptions.size > 0) reached.assumed++
  if (law.duties.cache !== undefined) reached.duties++
  if (law.duties.mayLogIn !== undefined && PLACES.some(law.duties.mayLogIn)) reached.logPlaces++
}

/** A reference as plain values. */
function comparable(book: Rulebook, law: Reference): unknown {
  return {
    ...law, duties: dutiesByLaw(law.duties), assumptions: sorted(law.assumptions), active: sorted(law.active),
    rows: book.deployments.map(({ name }) => law.rows.get(name)),
  }
}
