/**
 * The sixteen faults, each as a stream and as a whole answer. What a stream does by its events a whole answer does by its body:
 * a cut is a JSON body that is cut, a stall one that stalls, a malformed chunk a body that is no JSON, and no `[DONE]` a body
 * that says no length and ends with its connection, or whose connection breaks before the last chunk.
 *
 * Every case has a first place that fails. Most have a second one that is well; `alone` is what the same fault means where
 * nobody else could answer.
 */
import { becomesTrue, MODES, SOON_MS, type Case, type Expected, type Mode, type Place, type Trial } from './trial.ts'
import { OTHER, PROMPT, type Does, type Script } from './wall.ts'

export type Fault = { readonly id: string; readonly title: string; readonly cases: readonly Case[] }

/** Of every place, unless it says otherwise. Milliseconds, as the catalog of the wall has them. */
export const TIMEOUTS = { connect: 1_000, 'first-token': 1_000, idle: 600, whole: 1_000, total: 8_000 } as const

const always = (does: Does): Script => () => does
const well: Place = { script: always({ does: 'answer' }) }
const failing = (does: Does): Place => ({ script: always(does) })
/** Fails so many times, then is well. */
const failingFirst = (times: number, does: Does): Place => ({ script: ({ nth }) => (nth <= times ? does : { does: 'answer' }) })

type Shape = Omit<Case, 'mode' | 'run'> & { readonly expected: Expected }
const once = (mode: Mode, { expected, ...shape }: Shape): Case => ({ ...shape, mode, run: async trial => { await trial.ask(expected) } })
const inBoth = (...shapes: readonly Shape[]): readonly Case[] => MODES.flatMap(mode => shapes.map(shape => once(mode, shape)))

const byTheFirst = (times: number): Expected => ({ kind: 'complete', served: 0, asked: [times, 0] })
const byTheSecond = (times: number): Expected => ({ kind: 'complete', served: 1, asked: [times, 1] })
const UNAVAILABLE = { kind: 'refused', status: 503, code: 'permitted_models_unavailable', retryAfter: [1, 60] } as const satisfies Expected
/** After a limit has passed, and what follows it is done. */
const after = (ms: number): number => ms + SOON_MS

const BUSY: Does = { does: 'refuse', status: 429, code: 'rate_limit_exceeded' }
const MANY = 30
/** What one place may see of thirty requests while it does nothing but fail: its breaker opens long before. */
const HAMMER_MOST = 10
/** By when a place that is well again, or has waited as long as it said, is asked again. */
const RETURN_MS = 20_000

/** Many requests, one after the other, each of which must come to the same. */
async function askMany(trial: Trial, expected: Expected, times = MANY): Promise<void> {
  for (let n = 0; n < times; n++) await trial.ask(expected)
}

const S01: Fault = {
  id: 'S01', title: '429 with Retry-After',
  cases: MODES.flatMap((mode): readonly Case[] => [
    {
      name: 'fallback', mode, places: [failingFirst(1, { ...BUSY, retryAfter: 1 }), well],
      async run(trial) {
        await trial.ask(byTheSecond(1))
        const refusedAt = trial.asked(0)[0]?.at ?? 0
        trial.must((trial.asked(1)[0]?.at ?? Infinity) - refusedAt < 900, 'it waited although another place could answer')
        // Left alone for a second, and asked again after it: both in the place's own account.
        const isAskedAgain = await becomesTrue(async () => (await trial.ask({ kind: 'complete', asked: [[0, 1], [0, 1]] })).asked[0] === 1, RETURN_MS)
        trial.must(isAskedAgain, 'it was not asked again once its time had come')
        trial.must((trial.asked(0)[1]?.at ?? Infinity) - refusedAt >= 990, `it was asked again after ${(trial.asked(0)[1]?.at ?? 0) - refusedAt} ms, and had said one second`)
      },
    },
    {
      name: 'alone', mode, places: [{ ...failingFirst(1, { ...BUSY, retryAfter: 1 }), timeouts: '{ first-token: 3s, whole: 3s }' }],
      async run(trial) {
        await trial.ask({ ...byTheFirst(2), within: after(1_000) })
        const [first, second] = trial.asked(0)
        trial.must((second?.at ?? 0) - (first?.at ?? 0) >= 990, 'it did not wait as long as it was told')
      },
    },
    once(mode, { name: 'alone-too-long', places: [failing({ ...BUSY, retryAfter: 30 })], expected: { ...UNAVAILABLE, asked: [1], retryAfter: [25, 30] } }),
  ]),
}

const S02: Fault = {
  id: 'S02', title: '429, persistent',
  cases: MODES.flatMap((mode): readonly Case[] => [
    {
      name: 'fallback', mode, places: [failing(BUSY), well],
      async run(trial) {
        await askMany(trial, { kind: 'complete', served: 1, asked: [[0, 1], 1] })
        trial.must(trial.askedAtAll(0) <= HAMMER_MOST, `hammering: ${trial.askedAtAll(0)} attempts of ${MANY} requests`)
      },
    },
    {
      name: 'alone', mode, places: [failing(BUSY)],
      async run(trial) {
        await askMany(trial, { ...UNAVAILABLE, asked: [[0, 2]] })
        trial.must(trial.askedAtAll(0) <= HAMMER_MOST, `hammering: ${trial.askedAtAll(0)} attempts of ${MANY} requests`)
        // A request asks twice: each second time comes after a wait.
        const times = trial.asked(0).map(a => a.at)
        const closest = Math.min(...times.slice(1).map((at, i) => at - times[i]!).filter((_, i) => i % 2 === 0))
        trial.must(closest >= 100, `hammering: the same busy place again after ${closest} ms`)
      },
    },
    once(mode, { name: 'both', places: [failing(BUSY), failing(BUSY)], expected: { ...UNAVAILABLE, asked: [[1, 2], [1, 2]] } }),
  ]),
}

const S03: Fault = {
  id: 'S03', title: '500, once',
  cases: inBoth(
    { name: 'fallback', places: [failingFirst(1, { does: 'refuse', status: 500 }), well], expected: byTheFirst(2) },
    { name: 'fallback-twice', places: [failing({ does: 'refuse', status: 500 }), well], expected: byTheSecond(2) },
    { name: 'alone', places: [failingFirst(1, { does: 'refuse', status: 500 })], expected: byTheFirst(2) },
    { name: 'alone-twice', places: [failing({ does: 'refuse', status: 500 })], expected: { ...UNAVAILABLE, asked: [2] } },
  ),
}

const S04: Fault = {
  id: 'S04', title: '503, persistent',
  cases: MODES.flatMap((mode): readonly Case[] => [
    {
      name: 'fallback', mode, places: [failing({ does: 'refuse', status: 503 }), well],
      async run(trial) {
        await askMany(trial, { kind: 'complete', served: 1, asked: [[0, 1], 1] })
        trial.must(trial.askedAtAll(0) <= HAMMER_MOST, `hammering: ${trial.askedAtAll(0)} attempts of ${MANY} requests`)
      },
    },
    {
      name: 'alone', mode, places: [failing({ does: 'refuse', status: 503 })],
      async run(trial) {
        await askMany(trial, { ...UNAVAILABLE, asked: [[0, 2]] })
        trial.must(trial.askedAtAll(0) <= HAMMER_MOST, `hammering: ${trial.askedAtAll(0)} attempts of ${MANY} requests`)
      },
    },
    once(mode, { name: 'both', places: [failing({ does: 'refuse', status: 503 }), failing({ does: 'refuse', status: 503 })], expected: { ...UNAVAILABLE, asked: [[1, 2], [1, 2]] } }),
  ]),
}

const S05: Fault = {
  id: 'S05', title: 'TCP reset',
  cases: inBoth(
    { name: 'fallback', places: [failing({ does: 'reset' }), well], expected: byTheSecond(1) },
    { name: 'after-headers', places: [failing({ does: 'break', how: 'reset', afterWords: 0 }), well], expected: byTheSecond(1) },
    { name: 'alone-once', places: [failingFirst(1, { does: 'reset' })], expected: byTheFirst(2) },
    { name: 'alone', places: [failing({ does: 'reset' })], expected: { ...UNAVAILABLE, asked: [2] } },
  ),
}

const S06: Fault = {
  id: 'S06', title: 'silence',
  cases: inBoth(
    { name: 'fallback', places: [failing({ does: 'nothing' }), well], expected: { ...byTheSecond(1), within: after(TIMEOUTS['first-token']) } },
    { name: 'alone', places: [failing({ does: 'nothing' })], expected: { ...UNAVAILABLE, asked: [1], within: after(TIMEOUTS['first-token']) } },
  ),
}

/** A whole answer has begun with its headers; from there the idle limit bounds it. */
const SLOW = 6_000
const S07: Fault = {
  id: 'S07', title: 'slow first token',
  cases: inBoth(
    { name: 'fallback', places: [failing({ does: 'answer', slowMs: SLOW }), well], expected: { ...byTheSecond(1), within: after(TIMEOUTS['first-token']) } },
    { name: 'alone', places: [failing({ does: 'answer', slowMs: SLOW })], expected: { ...UNAVAILABLE, asked: [1], within: after(TIMEOUTS['first-token']) } },
    { name: 'beating', places: [failing({ does: 'answer', slowMs: SLOW, isBeating: true }), well], expected: { ...byTheSecond(1), within: after(TIMEOUTS['first-token']) } },
    { name: 'in-time', places: [failing({ does: 'answer', slowMs: TIMEOUTS['first-token'] / 5 }), well], expected: byTheFirst(1) },
  ),
}

/** How a stream that broke may be gone on with, and how it may not. */
function rescued(breaks: readonly Does[], within: number): readonly Case[] {
  const shapes = (does: Does, name: string): readonly Case[] => {
    const first = failing(does)
    const together: Expected = { kind: 'complete', served: 0, together: [0, 1], asked: [1, 1], within }
    return [
      once('stream', { name: `${name}-prefill`, places: [first, { ...well, prefill: true }], expected: together }),
      once('stream', { name: `${name}-restart`, places: [first, well], expected: together }),
      // Nobody can tell that another text goes on with the first: it is not shown.
      once('stream', { name: `${name}-other-text`, places: [first, failing({ does: 'answer', text: OTHER })], expected: { kind: 'broken-off', asked: [1, [0, 1]], within } }),
      once('stream', { name: `${name}-then-ill`, places: [first, failing({ does: 'refuse', status: 503 })], expected: { kind: 'broken-off', asked: [1, [0, 2]], within } }),
      once('stream', { name: `${name}-third`, places: [first, failing({ does: 'answer', text: OTHER }), well], expected: { kind: 'complete', served: 0, together: [0, 2], asked: [1, [0, 1], 1], within } }),
      // The rescuer breaks too, and somebody goes on from there.
      once('stream', { name: `${name}-twice`, places: [first, { ...failing({ does: 'break', how: 'reset', afterWords: 16 }), prefill: true }, well], expected: { kind: 'complete', served: 0, together: [0, 1, 2], asked: [1, 1, 1], within } }),
      once('stream', { name: `${name}-alone`, places: [first], expected: { kind: 'broken-off', asked: [[1, 2]], within } }),
    ]
  }
  return breaks.flatMap((does, i) => shapes(does, `${i + 1}`))
}

const S08: Fault = {
  id: 'S08', title: 'cut after the first content',
  cases: [
    ...rescued([
      { does: 'break', how: 'reset', afterWords: 1 },
      { does: 'break', how: 'reset', afterWords: 12 },
      // The kind that looks like an end: every byte of HTTP is right, and the answer is not there.
      { does: 'break', how: 'ended', afterWords: 12 },
      { does: 'break', how: 'done', afterWords: 12 },
      { does: 'break', how: 'error', afterWords: 12 },
      { does: 'break', how: 'last-error', afterWords: 12 },
    ], SOON_MS),
    ...(['reset', 'ended', 'error'] as const).flatMap(how => [
      once('whole', { name: `${how}-fallback`, places: [failing({ does: 'break', how, afterWords: 1 }), well], expected: byTheSecond(1) }),
      once('whole', { name: `${how}-alone`, places: [failing({ does: 'break', how, afterWords: 1 })], expected: { ...UNAVAILABLE, asked: [[1, 2]] } }),
    ]),
  ],
}

const S09: Fault = {
  id: 'S09', title: 'stall after the first content',
  cases: [
    ...rescued([{ does: 'break', how: 'stalls', afterWords: 1 }, { does: 'break', how: 'stalls', afterWords: 12 }], after(TIMEOUTS.idle)),
    once('stream', {
      name: 'beating', places: [failing({ does: 'break', how: 'stalls', afterWords: 12, isBeating: true }), well],
      expected: { kind: 'complete', served: 0, together: [0, 1], asked: [1, 1], within: after(TIMEOUTS.idle) },
    }),
    once('whole', { name: 'fallback', places: [failing({ does: 'break', how: 'stalls', afterWords: 1 }), well], expected: { ...byTheSecond(1), within: after(TIMEOUTS.idle) } }),
    once('whole', { name: 'alone', places: [failing({ does: 'break', how: 'stalls', afterWords: 1 })], expected: { ...UNAVAILABLE, asked: [1], within: after(TIMEOUTS.idle) } }),
  ],
}

const S10: Fault = {
  id: 'S10', title: 'malformed chunk',
  cases: [
    once('stream', { name: 'fallback', places: [failing({ does: 'answer', isMalformed: true }), well], expected: byTheFirst(1) }),
    once('stream', { name: 'alone', places: [failing({ does: 'answer', isMalformed: true })], expected: byTheFirst(1) }),
    ...inBoth({ name: 'babble', places: [failing({ does: 'babble' }), well], expected: byTheSecond(1) }),
    ...inBoth({ name: 'babble-alone', places: [failing({ does: 'babble' })], expected: { ...UNAVAILABLE, asked: [[1, 2]] } }),
    once('whole', { name: 'fallback', places: [failing({ does: 'answer', isMalformed: true }), well], expected: byTheSecond(1) }),
    once('whole', { name: 'alone', places: [failing({ does: 'answer', isMalformed: true })], expected: { ...UNAVAILABLE, asked: [[1, 2]] } }),
  ],
}

const AFTER_FINISH_MS = 2_000
const S11: Fault = {
  id: 'S11', title: 'no [DONE]',
  cases: [
    once('stream', { name: 'closes', places: [failing({ does: 'answer', end: 'closes' }), well], expected: byTheFirst(1) }),
    once('stream', { name: 'closes-alone', places: [failing({ does: 'answer', end: 'closes' })], expected: byTheFirst(1) }),
    once('stream', { name: 'stays', places: [failing({ does: 'answer', end: 'stays' })], expected: { ...byTheFirst(1), within: after(AFTER_FINISH_MS) } }),
    // It had said that it was finished before it said that something went wrong.
    once('stream', { name: 'errs', places: [failing({ does: 'answer', end: 'errs' }), well], expected: byTheFirst(1) }),
    once('stream', { name: 'errs-alone', places: [failing({ does: 'answer', end: 'errs' })], expected: byTheFirst(1) }),
    once('stream', { name: 'lingers', places: [failing({ does: 'answer', end: 'lingers' })], expected: byTheFirst(1) }),
    once('whole', { name: 'closes', places: [failing({ does: 'answer', end: 'closes' }), well], expected: byTheFirst(1) }),
    once('whole', { name: 'closes-alone', places: [failing({ does: 'answer', end: 'closes' })], expected: byTheFirst(1) }),
    // The JSON is whole and HTTP says that something is missing: the one or the other may be believed, and the answer is whole.
    once('whole', { name: 'breaks', places: [failing({ does: 'answer', end: 'breaks' }), well], expected: { kind: 'complete', asked: [1, [0, 1]] } }),
  ],
}

const TOO_LONG: Does = { does: 'refuse', status: 400, code: 'context_length_exceeded' }
const S12: Fault = {
  id: 'S12', title: 'context length exceeded',
  cases: inBoth(
    { name: 'larger', places: [{ ...failing(TOO_LONG), context: 8_000 }, { ...well, context: 32_000 }], expected: byTheSecond(1) },
    { name: 'same-size', places: [{ ...failing(TOO_LONG), context: 8_000 }, { ...well, context: 8_000 }], expected: { kind: 'refused', status: 400, code: 'context_length_exceeded', asked: [1, 0] } },
    { name: 'larger-last', places: [{ ...failing(TOO_LONG), context: 8_000 }, { ...well, context: 4_000 }, { ...well, context: 32_000 }], expected: { kind: 'complete', served: 2, asked: [1, 0, 1] } },
    { name: 'alone', places: [{ ...failing(TOO_LONG), context: 8_000 }], expected: { kind: 'refused', status: 400, code: 'context_length_exceeded', asked: [1] } },
  ),
}

const FILTERED: Does = { does: 'refuse', status: 400, code: 'content_filter' }
const S13: Fault = {
  id: 'S13', title: 'content filter',
  cases: inBoth(
    { name: 'returned', places: [failing(FILTERED), well], expected: { kind: 'refused', status: 400, code: 'content_filter', asked: [1, 0] } },
    { name: 'next', places: [failing(FILTERED), well], asksNextWhenFiltered: true, expected: byTheSecond(1) },
    { name: 'next-alone', places: [failing(FILTERED)], asksNextWhenFiltered: true, expected: { kind: 'refused', status: 400, code: 'content_filter', asked: [1] } },
    // A filter that stopped the answer in its middle said so itself: that is how this answer ends.
    { name: 'finish', places: [failing({ does: 'answer', finish: 'content_filter' }), well], expected: { ...byTheFirst(1), finish: 'content_filter' } },
  ),
}

/** A place that refuses a request which gives the beginning of an answer. */
const noPrefill: Place = { script: ({ prefill }) => (prefill === undefined ? { does: 'answer' } : { does: 'refuse', status: 400, code: 'prefill_not_supported' }) }
const cut: Place = failing({ does: 'break', how: 'reset', afterWords: 12 })
const S14: Fault = {
  id: 'S14', title: 'prefill rejected by the fallback',
  cases: [
    once('stream', { name: 'known', places: [cut, noPrefill], expected: { kind: 'complete', served: 0, together: [0, 1], asked: [1, 1] } }),
    // The catalog is wrong about it: it is asked for the whole answer after that, which is its second and last attempt.
    once('stream', { name: 'unknown', places: [cut, { ...noPrefill, prefill: true }], expected: { kind: 'complete', served: 0, together: [0, 1], asked: [1, 2] } }),
    once('stream', { name: 'unknown-third', places: [cut, { ...noPrefill, prefill: true }, { ...well, prefill: true }], expected: { kind: 'complete', served: 0, together: [0, 2], asked: [1, 1, 1] } }),
    // It neither takes the beginning nor goes on after it, but says all of it again: nothing may be said twice.
    ...[1, 12].map(afterWords => once('stream', {
      name: `ignored-${afterWords}`, places: [failing({ does: 'break', how: 'reset', afterWords }), { script: always({ does: 'answer', ignoresPrefill: true }), prefill: true }],
      expected: { kind: 'complete', served: 0, together: [0, 1], asked: [1, [1, 2]] },
    })),
    {
      name: 'own-words', mode: 'whole', places: [cut, noPrefill],
      async run(trial) {
        await trial.ask(byTheSecond(1))
        trial.must(trial.asked(1).every(({ messages }) => messages.length === 1 && messages[0]?.content === PROMPT), 'the fallback was asked something else than the caller asked')
      },
    },
  ],
}

const ILL: Does = { does: 'refuse', status: 503 }
const PHASE = 10
const S15: Fault = {
  id: 'S15', title: 'flapping',
  cases: MODES.map((mode): Case => {
    let state: 'flaps' | 'ill' | 'well' = 'flaps'
    return {
      name: 'fallback', mode, places: [{ script: ({ nth }) => (state === 'well' || (state === 'flaps' && nth % 2 === 0) ? { does: 'answer' } : ILL) }, well],
      async run(trial) {
        const either: Expected = { kind: 'complete', asked: [[0, 1], [0, 1]] }
        const asked = (): number => trial.askedAtAll(0)
        state = 'flaps'
        await askMany(trial, either, PHASE)
        state = 'ill'
        const beforeIllness = asked()
        await askMany(trial, either, PHASE)
        trial.must(asked() - beforeIllness <= PHASE / 2, `hammering: ${asked() - beforeIllness} attempts of ${PHASE} requests while it is ill`)
        state = 'well'
        const isBack = await becomesTrue(async () => (await trial.ask(either)).asked[0] === 1, RETURN_MS, 100)
        trial.must(isBack, 'it was well again, and not asked')
        await askMany(trial, { kind: 'complete', served: 0, asked: [1, 0] }, 3)
        state = 'ill'
        const beforeRelapse = asked()
        await askMany(trial, either, PHASE)
        trial.must(asked() - beforeRelapse <= PHASE / 2, `hammering: ${asked() - beforeRelapse} attempts of ${PHASE} requests after its relapse`)
      },
    }
  }),
}

const S16: Fault = {
  id: 'S16', title: 'accounting',
  cases: [
    ...MODES.map((mode): Case => ({
      name: 'fallback', mode, places: [failing(ILL), well],
      async run(trial) {
        const told = await trial.ask({ ...byTheSecond(1), usage: [12, 102] }, { usage: true })
        const kept = await trial.kept(told)
        const { names } = trial
        trial.must(kept !== undefined, 'no outcome on record')
        trial.must(kept?.outcome === 'answered' && kept.deployment === names.deployment(1), `the record says ${kept?.outcome} by ${kept?.deployment}`)
        trial.must(kept?.servedModel === names.served(1), `the record says that the model served was ${kept?.servedModel}`)
        trial.must(kept?.usage?.input === 12 && kept.usage.output === 102, `the record says ${kept?.usage?.input}/${kept?.usage?.output} tokens`)
        const attempts = kept?.attempts.map(a => `${a.deployment} ${a.code === 'ok' ? 'ok' : 'failed'}`).join(', ')
        trial.must(attempts === `${names.deployment(0)} failed, ${names.deployment(1)} ok`, `the record says ${attempts}`)
      },
    })),
    {
      name: 'not-asked-for', mode: 'stream', places: [failing(ILL), well],
      async run(trial) {
        const { worth } = await trial.ask(byTheSecond(1))
        trial.must(worth.usage === undefined, 'usage that nobody asked for')
      },
    },
    {
      name: 'rescued', mode: 'stream', places: [cut, well],
      async run(trial) {
        const both = [0, 1].map(trial.names.deployment)
        const told = await trial.ask({ kind: 'complete', served: 0, together: [0, 1], asked: [1, 1] }, { usage: true })
        const kept = await trial.kept(told)
        trial.must(told.worth.usage !== undefined, 'no usage although it was asked for')
        trial.must(told.heard.body.includes(JSON.stringify({ deployments: both })), 'the event with the usage does not name all that took part')
        trial.must(kept?.outcome === 'answered' && kept.deployments?.join() === both.join(), `the record says ${kept?.outcome} by ${kept?.deployments?.join()}`)
        trial.must(kept?.attempts.length === 2, `the record says ${kept?.attempts.length} attempts`)
      },
    },
  ],
}

export const FAULTS: readonly Fault[] = [S01, S02, S03, S04, S05, S06, S07, S08, S09, S10, S11, S12, S13, S14, S15, S16]
