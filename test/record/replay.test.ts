/** A decision that the gateway records is decided the same again, over random worlds; and what a replay says of one that is not. */
import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { classify, STATABLE } from '../../src/classify/classify.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { openRecord } from '../../src/gateway/recording.ts'
import { decideUnderstood } from '../../src/policy/decide.ts'
import { OPERATIONS } from '../../src/policy/facts.ts'
import { understand } from '../../src/policy/request.ts'
import type { App, Rulebook } from '../../src/policy/rule.ts'
import { BEFORE_ALL, lineOf } from '../../src/record/line.ts'
import type { DecisionEntry, Entry } from '../../src/record/record.ts'
import { decideAgain, decisionIn, differingParts, type Replayable } from '../../src/record/replay.ts'
import { APPS, instant, rulebook, seed, settings, statements } from '../policy/worlds.ts'

const RUNS = 3_000
const digest = (): Uint8Array => new Uint8Array(32)

/** Some of what a caller can state is believed; facts that only the gateway knows are among the words, to see that they are not. */
const asserting = fc.array(fc.subarray([...STATABLE, 'model-asked', 'agent-depth', 'operation']), { minLength: APPS.length, maxLength: APPS.length })
const world = fc.tuple(rulebook, asserting).map(([book, may]): Rulebook => ({
  ...book, apps: new Map([...book.apps].map(([name, app], n): [string, App] => [name, { ...app, mayAssert: may[n]! }])),
}))
const call = fc.record({
  app: fc.constantFrom(...APPS), operation: fc.constantFrom(...OPERATIONS), agentDepth: fc.nat(3), stated: statements,
  // A caller may ask for a model that is called as what is not known.
  modelAsked: fc.constantFrom('auto', 'v1/a', 'v2/a', 'unknown', 'something else'),
})

/** The entry as it stands on disk, written by the gateway's own code. */
async function recorded(book: Rulebook, asked: typeof call extends fc.Arbitrary<infer T> ? T : never, now: number): Promise<{ readonly text: string; readonly entry: DecisionEntry; readonly readings: number }> {
  const understood = understand(book, classify(book, asked), now), decision = decideUnderstood(book, understood, now)
  const entries: Entry[] = []
  const gateway = { nextId: () => 'd-1', keep: (entry: Entry) => Promise.resolve(entries.push(entry) > 0), salting: { sha256: digest, randomBytes: (length: number) => new Uint8Array(length) } } as unknown as Gateway
  const bundle = { digest: 'b', catalogDigest: 'c', rulebook: book }
  await openRecord(gateway, { call: { ...asked, requestId: 'r-1', body: { bytes: new Uint8Array() } }, epoch: { number: 1, bundle }, understood, decision, now } as unknown as Parameters<typeof openRecord>[1])
  const [entry] = entries as [DecisionEntry]
  return { entry, text: lineOf(entry, { seq: 1, prev: BEFORE_ALL, salt: '0'.repeat(32) }, digest).text, readings: understood.readings.length }
}

function replayable(text: string): Replayable {
  const found = decisionIn(text)
  if (found.kind !== 'decision') throw new Error(JSON.stringify(found))
  return found.entry
}

describe(`a recorded decision (seed ${seed})`, () => {
  test('is decided the same again', async () => {
    const met = { permits: 0, refusals: 0, outright: 0, readings: 0, assumed: 0, asserted: 0, exceptions: 0, duties: 0 }
    await fc.assert(fc.asyncProperty(world, call, instant, async (book, asked, now) => {
      const { text, readings, entry: { outcome, code, assumptions, exceptions, duties, request } } = await recorded(book, asked, now)
      const entry = replayable(text)
      expect(differingParts(entry, decideAgain(book, entry))).toEqual([])
      met.permits += Number(outcome === 'permit')
      met.refusals += Number(outcome === 'refuse')
      met.outright += Number(code === 'data_not_registered')
      met.readings += Number(readings > 1)
      met.assumed += Number(assumptions.length > 0)
      met.asserted += Number(Object.values(request).some(({ source }) => source === 'request'))
      met.exceptions += Number(exceptions.length > 0)
      met.duties += Number(Object.keys(duties as object).length > 0)
    }), settings(RUNS))
    for (const [what, times] of Object.entries(met)) expect(times, what).toBeGreaterThan(20)
  })

  test('under another law it differs where the law does, and nothing of that goes unnoticed', async () => {
    let differing = 0
    await fc.assert(fc.asyncProperty(world, world, call, instant, async (book, other, asked, now) => {
      const entry = replayable((await recorded(book, asked, now)).text)
      const { entry: would } = await recorded(other, asked, now)
      const parts = differingParts(entry, decideAgain(other, entry))
      expect(parts.includes('permitted')).toBe(String(would.permitted) !== String(entry.permitted))
      expect(parts.includes('outcome')).toBe(would.outcome !== entry.outcome)
      expect(parts.includes('activeRules')).toBe(String(would.activeRules) !== String(entry.activeRules))
      differing += Number(parts.length > 0)
    }), settings(500))
    expect(differing).toBeGreaterThan(200)
  })
})

describe('a replay', () => {
  const line = (open: object, closed: unknown): string => JSON.stringify({ closed, open, prev: '', salt: '', seq: 1 })
  const OPEN = { kind: 'decision', id: 'd-1', at: 1, bundle: 'b', catalog: 'c', outcome: 'refuse' }
  const CLOSED = { request: {}, stated: {}, permitted: [], activeRules: [], exceptions: [], assumptions: [], duties: {} }
  const same: Replayable = replayable(line(OPEN, CLOSED))

  it.each([
    ['outcome', { outcome: 'permit' }], ['code', { code: 'no_permitted_model' }], ['permitted', { permitted: ['one'] }], ['activeRules', { activeRules: ['a/b'] }], ['exceptions', { exceptions: ['EX-1'] }],
    ['duties', { duties: { log: 'none' } }], ['assumptions', { assumptions: ['user-in'] }], ['request', { request: { app: { value: 'desk', source: 'key' } } }],
  ])('sees another %s', (part, change) => {
    expect(differingParts(same, same)).toEqual([])
    expect(differingParts(same, { ...same, ...change } as Replayable)).toEqual([part])
    expect(differingParts({ ...same, ...change } as Replayable, same)).toEqual([part])
  })

  it('sees another order of preference', () => {
    expect(differingParts({ ...same, permitted: ['one', 'two'] }, { ...same, permitted: ['two', 'one'] })).toEqual(['permitted'])
  })

  it.each([
    ['no JSON', '{', undefined, 'lines are not JSON'],
    ['a word', '"decision"', undefined, 'lines are no entries'],
    ['no open part', '{"closed":{}}', undefined, 'lines are no entries'],
    ['a closed part that is a digest', line(OPEN, 'f'.repeat(64)), 'd-1', 'the closed part is not there'],
    ['an entry without what was asked', line(OPEN, { ...CLOSED, request: undefined }), 'd-1', 'the entry lacks what decided'],
    ['facts without a source', line(OPEN, { ...CLOSED, request: { app: 'desk' } }), 'd-1', 'the entry lacks what decided'],
    ['no time', line({ ...OPEN, at: 'now' }, CLOSED), 'd-1', 'the entry lacks what decided'],
  ])('names %s as what cannot be replayed', (_, text, id, wrong) => {
    expect(decisionIn(text)).toEqual({ kind: 'unreadable', id, wrong })
  })

  it.each([['an outcome', line({ kind: 'outcome', id: 'd-1', at: 1 }, {})], ['a seal', '{"seal":{},"signature":""}']])('passes over %s', (_, text) => {
    expect(decisionIn(text)).toEqual({ kind: 'other' })
  })
})
