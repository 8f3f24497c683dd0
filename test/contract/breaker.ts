/**
 * What every breaker must do, as cases that any runtime can run: nothing here knows a test runner, and time is ours.
 * The numbers are those of the product's own settings.
 */
import type { BreakerChange, Breakers, BreakerState, MakeBreakers, Trial } from '../../src/breaker/breaker.ts'
import { failure, type Failure } from '../../src/failure.ts'

/** Throws when the breaker is not what the case says. */
export type BreakerCase = { readonly name: string; readonly run: (make: MakeBreakers) => void }

/** Milliseconds: the reset where requests run over a real clock; long enough that a slow machine still finds it open. */
export const REAL_RESET_MS = 1_000

const RESET_MS = 10_000
const WINDOW_MS = 10_000
const START = Date.UTC(2026, 5, 12, 17, 21)

const BROKEN = failure('unreachable', 'The connection was reset.')
const BUSY = failure('busy', 'It is busy.')
const busyFor = (retryAfterMs: number): Failure => failure('busy', 'It is busy.', { retryAfterMs })

/** One set of breakers, a clock that is moved by hand, and what was told of changes. */
type Bench = Breakers & { readonly changes: readonly string[]; pass(ms: number): void; now(): number; times(count: number, failed: Failure | undefined, deployment?: string): void }

function bench(make: MakeBreakers): Bench {
  let now = START
  const changes: string[] = []
  const breakers = make({
    clock: { now: () => now, after: () => () => undefined },
    changed: ({ deployment, from, to }: BreakerChange) => { changes.push(`${deployment}: ${from} → ${to}`) },
  })
  return {
    ...breakers, changes, now: () => now,
    pass(ms) { now += ms },
    times(count, failed, deployment = 'a') {
      for (let i = 0; i < count; i++) begun(breakers.begin(deployment)).report(failed)
    },
  }
}

function same(what: string, actual: unknown, expected: unknown): void {
  const [a, e] = [actual, expected].map(value => JSON.stringify(value) ?? 'undefined')
  if (a !== e) throw new Error(`${what}: ${a} instead of ${e}`)
}

function begun(trial: Trial | undefined): Trial {
  if (trial === undefined) throw new Error('A trial was refused that should have begun')
  return trial
}

function stateIs(b: Bench, expected: BreakerState, deployment = 'a'): void {
  same('state', b.state(deployment), expected)
}

/** Nothing may begin, and asking says the same as trying. */
function isShut(b: Bench, deployment = 'a'): void {
  same('may be tried', b.mayTry(deployment), false)
  same('begins', b.begin(deployment) === undefined, true)
}

function opened(make: MakeBreakers): Bench {
  const b = bench(make)
  b.times(3, BROKEN)
  stateIs(b, 'open')
  return b
}

function halfOpened(make: MakeBreakers): Bench {
  const b = opened(make)
  b.pass(RESET_MS)
  stateIs(b, 'half-open')
  return b
}

export const breakerCases: readonly BreakerCase[] = [
  {
    name: 'a deployment of which nothing is known may be tried',
    run(make) {
      const b = bench(make)
      same('may be tried', b.mayTry('a'), true)
      same('earliest', b.notBefore('a'), undefined)
      stateIs(b, 'closed')
      b.times(100, undefined)
      stateIs(b, 'closed')
      same('changes', b.changes, [])
    },
  },
  {
    name: 'three failures in a row open it, two do not, and a success between them starts the count again',
    run(make) {
      const b = bench(make)
      b.times(2, BROKEN)
      b.times(1, undefined)
      b.times(2, BROKEN)
      // Four of five failed, but they were not three in a row when the fifth came.
      stateIs(b, 'open')
      const c = bench(make)
      c.times(20, undefined)
      c.times(2, BROKEN)
      stateIs(c, 'closed')
      c.times(1, undefined)
      c.times(2, BROKEN)
      stateIs(c, 'closed')
      c.times(1, BROKEN)
      stateIs(c, 'open')
      same('changes', c.changes, ['a: closed → open'])
    },
  },
  {
    name: 'failures in a row count however far apart they are',
    run(make) {
      const b = bench(make)
      for (let day = 0; day < 2; day++) {
        b.times(1, BROKEN)
        b.pass(86_400_000)
      }
      stateIs(b, 'closed')
      b.times(1, BROKEN)
      stateIs(b, 'open')
    },
  },
  {
    name: 'more than half of at least five failing opens it; half does not, nor does more than half of four',
    run(make) {
      const half = bench(make)
      for (let i = 0; i < 20; i++) half.times(1, i % 2 === 0 ? undefined : BROKEN)
      stateIs(half, 'closed')
      half.times(1, BROKEN)
      stateIs(half, 'open')
      const few = bench(make)
      few.times(1, BROKEN)
      few.times(1, undefined)
      few.times(2, BROKEN)
      stateIs(few, 'closed')
      const enough = bench(make)
      enough.times(1, undefined)
      enough.times(1, BROKEN)
      enough.times(1, undefined)
      enough.times(2, BROKEN)
      stateIs(enough, 'open')
    },
  },
  {
    name: 'what is older than the window does not count',
    run(make) {
      const story = (pause: number): Bench => {
        const b = bench(make)
        b.times(2, BROKEN)
        b.times(1, undefined)
        b.pass(pause)
        b.times(1, undefined)
        b.times(1, BROKEN)
        return b
      }
      stateIs(story(WINDOW_MS - 1_000), 'open')
      stateIs(story(WINDOW_MS), 'closed')
    },
  },
  {
    name: 'an open breaker lets nobody through until its reset, and says when that is',
    run(make) {
      const b = opened(make)
      same('earliest', b.notBefore('a'), START + RESET_MS)
      b.pass(RESET_MS - 1)
      isShut(b)
      stateIs(b, 'open')
      b.pass(1)
      stateIs(b, 'half-open')
      same('may be tried', b.mayTry('a'), true)
      same('earliest', b.notBefore('a'), undefined)
    },
  },
  {
    name: 'an open breaker is tried again after its reset, and closes once the deployment is healthy',
    run(make) {
      const b = opened(make)
      for (let round = 0; round < 3; round++) {
        b.pass(RESET_MS)
        b.times(1, BROKEN)
        stateIs(b, 'open')
        same('earliest', b.notBefore('a'), b.now() + RESET_MS)
        isShut(b)
      }
      b.pass(RESET_MS)
      b.times(1, undefined)
      stateIs(b, 'closed')
      same('changes', b.changes, [
        'a: closed → open', ...Array.from({ length: 3 }, () => ['a: open → half-open', 'a: half-open → open']).flat(), 'a: open → half-open', 'a: half-open → closed',
      ])
    },
  },
  {
    name: 'it half-opens also for one who only begins, without asking first',
    run(make) {
      const b = opened(make)
      b.pass(RESET_MS)
      begun(b.begin('a')).report(undefined)
      stateIs(b, 'closed')
    },
  },
  {
    name: 'one that has closed again starts anew: what was counted before does not open it',
    run(make) {
      const b = halfOpened(make)
      b.times(1, undefined)
      b.times(2, BROKEN)
      stateIs(b, 'closed')
      b.times(1, BROKEN)
      stateIs(b, 'open')
    },
  },
  {
    name: 'half-open, one probe at a time',
    run(make) {
      const b = halfOpened(make)
      const probe = begun(b.begin('a'))
      isShut(b)
      same('earliest', b.notBefore('a'), undefined)
      b.pass(RESET_MS)
      isShut(b)
      probe.report(undefined)
      stateIs(b, 'closed')
      begun(b.begin('a'))
      begun(b.begin('a'))
    },
  },
  {
    name: 'unproven, it is half-open at once: one trial decides, and what began before it says nothing',
    run(make) {
      const b = bench(make)
      const early = begun(b.begin('a'))
      b.doubt('a', 'unproven')
      early.report(undefined)
      stateIs(b, 'half-open')
      same('earliest', b.notBefore('a'), undefined)
      const probe = begun(b.begin('a'))
      isShut(b)
      probe.report(undefined)
      stateIs(b, 'closed')
      b.doubt('new', 'unproven')
      begun(b.begin('new')).report(BROKEN)
      stateIs(b, 'open', 'new')
      same('changes', b.changes, ['a: closed → half-open', 'a: half-open → closed', 'new: closed → half-open', 'new: half-open → open'])
    },
  },
  {
    name: 'said to be failing, it is open for a whole reset and is then tried again; one that is out already is no longer out for it',
    run(make) {
      const b = bench(make)
      b.doubt('a', 'failing')
      isShut(b)
      same('earliest', b.notBefore('a'), START + RESET_MS)
      b.pass(RESET_MS / 2)
      b.doubt('a', 'failing')
      b.doubt('a', 'unproven')
      isShut(b)
      b.pass(RESET_MS / 2)
      b.doubt('a', 'failing')
      begun(b.begin('a')).report(undefined)
      stateIs(b, 'closed')
      b.times(2, BROKEN)
      stateIs(b, 'closed')
    },
  },
  {
    name: 'a dropped probe leaves it half-open and makes room for the next',
    run(make) {
      const b = halfOpened(make)
      begun(b.begin('a')).drop()
      stateIs(b, 'half-open')
      begun(b.begin('a')).report(BROKEN)
      stateIs(b, 'open')
    },
  },
  {
    name: 'a probe of which nothing is ever heard does not keep others out for good, and is not heard once another took its place',
    run(make) {
      const b = halfOpened(make)
      const lost = begun(b.begin('a'))
      b.pass(30_000 - 1)
      isShut(b)
      b.pass(1)
      const probe = begun(b.begin('a'))
      lost.report(undefined)
      stateIs(b, 'half-open')
      isShut(b)
      probe.report(undefined)
      stateIs(b, 'closed')
    },
  },
  {
    name: 'a trial that says nothing about health is not counted',
    run(make) {
      const b = bench(make)
      b.times(2, BROKEN)
      for (let i = 0; i < 100; i++) begun(b.begin('a')).drop()
      stateIs(b, 'closed')
      b.times(1, BROKEN)
      stateIs(b, 'open')
    },
  },
  {
    name: 'the first word of a trial counts, later ones are not heard',
    run(make) {
      const b = bench(make)
      const first = begun(b.begin('a'))
      for (let i = 0; i < 10; i++) first.report(BROKEN)
      const second = begun(b.begin('a'))
      second.drop()
      for (let i = 0; i < 10; i++) second.report(BROKEN)
      stateIs(b, 'closed')
      b.times(2, BROKEN)
      stateIs(b, 'open')
    },
  },
  {
    name: 'what began before it opened neither closes it, nor opens it anew, nor takes the place of the probe',
    run(make) {
      const b = bench(make)
      const early = Array.from({ length: 10 }, () => begun(b.begin('a')))
      const end = (failed: Failure | undefined): void => begun(early.pop()).report(failed)
      b.times(3, BROKEN)
      b.pass(RESET_MS / 2)
      end(undefined)
      end(BROKEN)
      stateIs(b, 'open')
      same('earliest', b.notBefore('a'), START + RESET_MS)
      b.pass(RESET_MS / 2)
      // The reset has passed and nobody has looked yet.
      end(undefined)
      stateIs(b, 'half-open')
      end(undefined)
      end(BROKEN)
      begun(early.pop()).drop()
      stateIs(b, 'half-open')
      const probe = begun(b.begin('a'))
      end(undefined)
      stateIs(b, 'half-open')
      isShut(b)
      probe.report(undefined)
      for (let i = 0; i < 3; i++) end(BROKEN)
      stateIs(b, 'closed')
    },
  },
  {
    name: 'when to come back is heard also from what began before it opened',
    run(make) {
      const b = bench(make)
      const early = begun(b.begin('a'))
      b.times(3, BROKEN)
      early.report(busyFor(60_000))
      stateIs(b, 'open')
      same('earliest', b.notBefore('a'), START + 60_000)
      b.pass(RESET_MS)
      stateIs(b, 'half-open')
      isShut(b)
      b.pass(60_000 - RESET_MS)
      begun(b.begin('a')).report(undefined)
      stateIs(b, 'closed')
    },
  },
  {
    name: 'busy weighs half: five in a row do not open it, six do, and busy every time is no more than half of the window',
    run(make) {
      const b = bench(make)
      b.times(5, BUSY)
      stateIs(b, 'closed')
      b.times(1, BUSY)
      stateIs(b, 'open')
      const mixed = bench(make)
      mixed.times(2, BUSY)
      mixed.times(1, BROKEN)
      stateIs(mixed, 'closed')
      mixed.times(1, BROKEN)
      stateIs(mixed, 'open')
      const rare = bench(make)
      for (let i = 0; i < 20; i++) rare.times(1, i % 5 === 0 ? undefined : BUSY)
      stateIs(rare, 'closed')
    },
  },
  {
    name: 'busy counts as half of a failure in the window too',
    run(make) {
      // Five trials: one well, two broken, two busy: 60 of 100. With one of the two well instead: 50.
      const b = bench(make)
      b.times(1, BUSY)
      b.times(1, BROKEN)
      b.times(1, undefined)
      b.times(1, BUSY)
      stateIs(b, 'closed')
      b.times(1, BROKEN)
      stateIs(b, 'open')
      const c = bench(make)
      c.times(1, BUSY)
      c.times(1, BROKEN)
      c.times(2, undefined)
      c.times(1, BROKEN)
      stateIs(c, 'closed')
    },
  },
  {
    name: 'busy is no sign of health: half-open it opens again',
    run(make) {
      const b = halfOpened(make)
      b.times(1, BUSY)
      stateIs(b, 'open')
      same('earliest', b.notBefore('a'), b.now() + RESET_MS)
      // The same where it was the rate that opened it.
      const rate = bench(make)
      for (const outcome of [BROKEN, BROKEN, undefined, undefined, BROKEN]) rate.times(1, outcome)
      stateIs(rate, 'open')
      rate.pass(RESET_MS)
      rate.times(1, BUSY)
      stateIs(rate, 'open')
    },
  },
  {
    name: 'Retry-After is the earliest next try, and its passing is enough',
    run(make) {
      const b = bench(make)
      b.times(1, busyFor(RESET_MS))
      stateIs(b, 'closed')
      same('earliest', b.notBefore('a'), START + RESET_MS)
      isShut(b)
      b.pass(RESET_MS - 1)
      isShut(b)
      b.pass(1)
      same('earliest', b.notBefore('a'), undefined)
      begun(b.begin('a')).report(undefined)
      stateIs(b, 'closed')
      same('changes', b.changes, [])
    },
  },
  {
    name: 'who asks to be left alone for longer than a reset is seen to be out, for as long as asked and ten minutes at most',
    run(make) {
      const b = bench(make)
      b.times(1, busyFor(60_000))
      stateIs(b, 'open')
      b.pass(60_000 - 1)
      stateIs(b, 'half-open')
      isShut(b)
      b.pass(1)
      begun(b.begin('a')).report(undefined)
      stateIs(b, 'closed')
      b.times(1, busyFor(86_400_000))
      same('earliest', b.notBefore('a'), START + 60_000 + 600_000)
    },
  },
  {
    name: 'the longest Retry-After counts, a success under way does not shorten it, and busy without one makes nobody wait',
    run(make) {
      const b = bench(make)
      const underWay = Array.from({ length: 4 }, () => begun(b.begin('a')))
      for (const [i, outcome] of [busyFor(20_000), busyFor(5_000), BUSY, undefined].entries()) begun(underWay[i]).report(outcome)
      same('earliest', b.notBefore('a'), START + 20_000)
      isShut(b)
      const c = bench(make)
      c.times(1, BUSY)
      same('may be tried', c.mayTry('a'), true)
    },
  },
  {
    name: 'Retry-After longer than the reset keeps a half-open breaker from being probed until then',
    run(make) {
      const b = bench(make)
      const underWay = Array.from({ length: 6 }, () => begun(b.begin('a')))
      for (const trial of underWay) trial.report(busyFor(RESET_MS + 5_000))
      stateIs(b, 'open')
      same('earliest', b.notBefore('a'), START + RESET_MS + 5_000)
      b.pass(RESET_MS)
      stateIs(b, 'half-open')
      isShut(b)
      same('earliest', b.notBefore('a'), START + RESET_MS + 5_000)
      b.pass(5_000)
      b.times(1, undefined)
      stateIs(b, 'closed')
    },
  },
  {
    name: 'a clock set back keeps no breaker open for longer than the reset from then on',
    run(make) {
      const b = opened(make)
      b.pass(-86_400_000)
      const earliest = b.notBefore('a')
      same('earliest is no later than a reset from now', earliest !== undefined && earliest > b.now() && earliest <= b.now() + RESET_MS, true)
      isShut(b)
      b.pass(RESET_MS)
      stateIs(b, 'half-open')
      b.times(1, undefined)
      stateIs(b, 'closed')
    },
  },
  {
    name: 'a clock set back prolongs no Retry-After, stops no window and throws nothing',
    run(make) {
      const b = bench(make)
      b.times(1, busyFor(5_000))
      b.pass(-3_600_000)
      isShut(b)
      b.pass(5_000)
      same('may be tried', b.mayTry('a'), true)
      b.times(1, BROKEN)
      b.times(2, undefined)
      b.pass(-3_600_000)
      b.times(1, undefined)
      b.pass(WINDOW_MS)
      // What was counted before is out of the window by now: else these would not be more than half of it.
      b.times(2, undefined)
      b.times(2, BROKEN)
      b.times(1, undefined)
      stateIs(b, 'closed')
      b.times(2, BROKEN)
      stateIs(b, 'open')
    },
  },
  {
    name: 'deployments do not know of each other',
    run(make) {
      const b = opened(make)
      stateIs(b, 'closed', 'b')
      b.times(1, undefined, 'b')
      same('may be tried', b.mayTry('b'), true)
      isShut(b)
    },
  },
  {
    name: 'a deployment that is not kept is forgotten, one that is kept is not, and a late word about the forgotten is not told',
    run(make) {
      const b = opened(make)
      b.times(2, BROKEN, 'b')
      const late = Array.from({ length: 3 }, () => begun(b.begin('c')))
      b.keep(new Set(['b']))
      stateIs(b, 'closed')
      same('may be tried', b.mayTry('a'), true)
      for (const trial of late) trial.report(BROKEN)
      stateIs(b, 'closed', 'c')
      b.times(1, BROKEN, 'b')
      stateIs(b, 'open', 'b')
      same('changes', b.changes, ['a: closed → open', 'b: closed → open'])
    },
  },
  {
    name: 'the state is settled before anybody is told of it, and who is told may ask and try',
    run(make) {
      let now = START
      const seen: unknown[] = []
      const breakers: Breakers = make({
        clock: { now: () => now, after: () => () => undefined },
        changed({ deployment, to }) {
          seen.push([to, breakers.state(deployment), breakers.mayTry(deployment)])
          if (to === 'half-open') begun(breakers.begin(deployment)).report(undefined)
        },
      })
      for (let i = 0; i < 3; i++) begun(breakers.begin('a')).report(BROKEN)
      now += RESET_MS
      same('may be tried', breakers.mayTry('a'), true)
      same('told', seen, [['open', 'open', false], ['half-open', 'half-open', true], ['closed', 'closed', true]])
    },
  },
  {
    name: 'nothing is left to a timer',
    run(make) {
      const timers = ['setTimeout', 'setInterval'] as const
      const theirs = timers.map(name => globalThis[name])
      let begunTimers = 0
      for (const name of timers) Object.assign(globalThis, { [name]: () => { begunTimers++ } })
      try {
        const b = halfOpened(make)
        b.times(1, BROKEN)
        b.pass(RESET_MS)
        b.times(1, undefined)
        stateIs(b, 'closed')
      } finally {
        timers.forEach((name, i) => Object.assign(globalThis, { [name]: theirs[i] }))
      }
      same('timers', begunTimers, 0)
    },
  },
]
