import { describe, expect, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { dispatch, type Dispatched, type Ended } from '../../src/dispatch/dispatch.ts'
import type { Failure } from '../../src/failure.ts'
import { DONE } from '../../src/openai/sse.ts'
import { readRequest, type Needs } from '../../src/openai/request.ts'
import { decide, type Decision, type Permit } from '../../src/policy/decide.ts'
import { buildPool } from '../../src/pool/pool.ts'
import { fakeClock, type FakeClock } from '../support/clock.ts'
import { bytes, failing, scripted, silent, streamed, text, whole, type Behaviour, type Scripted } from '../support/provider.ts'
import { app, bundleOf, provider } from '../support/tree.ts'

const START = Date.parse('2026-11-22T12:00:00Z')
const names = ['a', 'b', 'c', 'd', 'e']
const bundle: Promise<Bundle> = bundleOf({
  'apps/any.yaml': app('any'),
  'catalog/p.yaml': provider('p', 'dialect: openai\nbase-url: http://127.0.0.1:1', names.map((n, i) => `{ deployment: ${n}, model: p/${n}, context: ${1000 * (i + 1)} }`)),
})

type Setup = { stream?: boolean; bundle?: Promise<Bundle>; start?: number; script: Record<string, Behaviour>; epochNow?: () => number; choices?: number; signal?: AbortSignal; clock?: FakeClock }

async function run({ stream = false, bundle: given = bundle, start = START, script, epochNow = () => 1, choices = 1, signal = new AbortController().signal, clock = fakeClock(start) }: Setup): Promise<{
  sent: Dispatched; ports: Scripted; ended: Ended[]; reports: [string, Failure['code'] | undefined][]; clock: FakeClock
}> {
  const b = await given
  const body = { model: 'auto', messages: [{ role: 'user', content: 'x' }], stream }
  const { needs } = readRequest('chat', body, 0) as { ok: true; needs: Needs }
  const decision = decide(b.rulebook, { trusted: { app: 'any' } }, start) as Decision & { permit: Permit }
  const built = buildPool({ operation: 'chat', needs, decision, app: b.apps.get('any')!, bundle: b, epoch: 1, connected: () => undefined, mayTry: () => true })
  if (!built.ok) throw new Error('no pool')
  const ports = scripted(script), ended: Ended[] = [], reports: [string, Failure['code'] | undefined][] = []
  const sent = await dispatch({
    pool: built.pool, choices, call: { operation: 'chat', stream, body: new Uint8Array(), requestId: 'r' }, receivedAt: start, signal, clock, epochNow,
    providers: ports, breakers: { mayTry: () => true, report: (d, f) => { reports.push([d, f?.code]) }, state: () => 'closed' },
    ended: end => { ended.push(end) },
  })
  return { sent, ports, ended, reports, clock }
}

const tried = (ports: Scripted): string[] => ports.sent.map(s => s.deployment)
async function read(sent: Dispatched): Promise<string> {
  if (sent.kind !== 'stream') throw new Error(`expected a stream, got ${sent.kind}`)
  const parts: Uint8Array[] = []
  for await (const part of sent.body) parts.push(part)
  return text(parts)
}
const finish = new TextEncoder().encode('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
/** Lets promises settle; no time passes. */
const settle = async (): Promise<void> => { for (let i = 0; i < 20; i++) await Promise.resolve() }

describe('fallback', () => {
  test('the next of the pool answers when the first fails, and the record says both', async () => {
    const { sent, ports, ended, reports } = await run({ script: { a: failing('unreachable'), b: whole('hello') } })
    expect(tried(ports)).toEqual(['a', 'b'])
    expect(sent).toMatchObject({ kind: 'whole', attempts: [{ deployment: 'a', code: 'unreachable' }, { deployment: 'b', code: 'ok' }] })
    expect(ended).toEqual([{ outcome: 'answered', failure: undefined, usage: { input: 3, output: 2 }, pieces: 0, servedModel: 'served' }])
    expect(reports).toEqual([['a', 'unreachable'], ['b', undefined]])
  })
  test('attempts are bounded, and the last word is unavailable with a time to come back', async () => {
    const dead = failing('unreachable')
    const { sent, ports } = await run({ script: { a: dead, b: dead, c: dead, d: dead, e: whole('never asked') } })
    expect(tried(ports)).toEqual(['a', 'b', 'c', 'd'])
    expect(sent).toMatchObject({ kind: 'failed', failure: { code: 'permitted_models_unavailable', retryAfterMs: expect.any(Number) as number } })
  })
  test('a refusal of the request is an answer: nobody else is asked', async () => {
    const { sent, ports } = await run({ script: { a: failing('refused_by_provider', { status: 400, upstream: { status: 400, code: 'content_filter' } }), b: whole('x') } })
    expect(tried(ports)).toEqual(['a'])
    expect(sent).toMatchObject({ kind: 'failed', failure: { code: 'refused_by_provider' } })
  })
  test('too long for one goes to a larger context only', async () => {
    const tooLong = failing('refused_by_provider', { status: 400, upstream: { status: 400, code: 'context_length_exceeded' } })
    const { ports, sent } = await run({ script: { a: tooLong, b: whole('fits') } })
    expect(tried(ports)).toEqual(['a', 'b'])
    expect(sent.kind).toBe('whole')
  })
  test('an answer that is no JSON, is empty, or is an error in disguise, is no answer', async () => {
    const { ports, sent } = await run({ script: { a: bytes('application/json', '{"choices": [{'), b: bytes('application/json', '{}'), c: bytes('application/json', '{"error": {"message": "secret", "code": "boom"}}'), d: whole('x') } })
    expect(tried(ports)).toEqual(['a', 'b', 'c', 'd'])
    expect(JSON.stringify(sent.attempts)).not.toContain('secret')
  })
})

describe('what the breaker hears', () => {
  test.each([
    ['our key is wrong', failing('misconfigured'), []],
    ['the request is refused', failing('refused_by_provider', { status: 400, upstream: { status: 400 } }), []],
    ['the model is gone', failing('upstream_error', { upstream: { status: 404, code: 'model_not_found' } }), []],
    ['the server failed', failing('upstream_error', { upstream: { status: 500 } }), ['upstream_error']],
    ['nobody answers', failing('unreachable'), ['unreachable']],
    ['it is busy', failing('busy'), ['busy']],
  ])('%s', async (_, behaviour, heard) => {
    const { reports } = await run({ script: { a: behaviour, b: whole('x') } })
    expect(reports.filter(([deployment]) => deployment === 'a').map(([, code]) => code)).toEqual(heard)
  })
})

describe('streams', () => {
  test('bytes arrive as they were sent, and the end is told once', async () => {
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['Hel', 'lo']) } })
    const got = await read(sent)
    expect(got).toContain('"content":"Hel"')
    expect(got.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(ended).toEqual([{ outcome: 'answered', failure: undefined, usage: undefined, pieces: 2, servedModel: 'served' }])
  })
  test('a stream that dies before its first content is invisible: the next one answers whole', async () => {
    const { sent, ports } = await run({ stream: true, script: { a: streamed([], [new Error('reset')]), b: streamed(['ok']) } })
    const got = await read(sent)
    expect(tried(ports)).toEqual(['a', 'b'])
    expect(got.match(/"role":"assistant"/g)).toHaveLength(1)
  })
  test('no-truncated-success: a stream cut after content ends with an error in it, without [DONE], and nobody else is asked', async () => {
    const { sent, ports, ended, reports } = await run({ stream: true, script: { a: streamed(['par'], [new Error('reset')]), b: streamed(['never']) } })
    const got = await read(sent)
    expect(tried(ports)).toEqual(['a'])
    expect(got).toContain('event: error')
    expect(got).not.toContain('[DONE]')
    expect(ended).toMatchObject([{ outcome: 'cut', failure: { code: 'unreachable' } }])
    expect(reports).toEqual([['a', 'unreachable']])
  })
  test('no-truncated-success: a stream that simply stops without a finish is cut, not complete', async () => {
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['par'], []) } })
    expect(await read(sent)).not.toContain('[DONE]')
    expect(ended).toMatchObject([{ outcome: 'cut' }])
  })
  test.each([
    ['[DONE] without a finish after content', streamed(['par'], [DONE])],
    ['one of two answers cut', streamed(['one'], [finish, DONE]), 2],
  ])('no-truncated-success: %s is cut, not complete', async (_, behaviour, choices = 1) => {
    const { sent, ended } = await run({ stream: true, choices, script: { a: behaviour } })
    const got = await read(sent)
    expect(got).toContain('event: error')
    expect(got).not.toContain('[DONE]')
    expect(ended).toMatchObject([{ outcome: 'cut' }])
  })
  test('nothing but [DONE] is no answer: the next one is asked', async () => {
    const { ports } = await run({ stream: true, script: { a: bytes('text/event-stream', 'data: [DONE]\n\n'), b: streamed(['b']) } })
    expect(tried(ports)).toEqual(['a', 'b'])
  })
  test('no-truncated-success: an event too large to be read is a hole, and a hole is no answer', async () => {
    const huge = new TextEncoder().encode(`data: {"choices":[{"index":0,"delta":{"content":"${'x'.repeat(1_100_000)}"}}]}\n\n`)
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['par'], [huge, finish, DONE]) } })
    expect(await read(sent)).not.toContain('[DONE]')
    expect(ended).toMatchObject([{ outcome: 'cut' }])
  })
  test('endless events without content do not fill the memory: the next one is asked', async () => {
    const empty = new TextEncoder().encode(`: ${'x'.repeat(100_000)}\n\n`)
    const { ports } = await run({ stream: true, script: { a: streamed([], Array.from({ length: 20 }, () => empty)), b: streamed(['b']) } })
    expect(tried(ports)).toEqual(['a', 'b'])
  })
  test('an answer that has finished is complete, whatever happens to its last words', async () => {
    const { sent, ended, reports } = await run({ stream: true, script: { a: streamed(['all'], [finish, new Error('reset')]) } })
    expect((await read(sent)).endsWith('data: [DONE]\n\n')).toBe(true)
    expect(ended).toMatchObject([{ outcome: 'answered', failure: undefined }])
    expect(reports).toEqual([['a', undefined]])
  })
  test('a caller who stops reading is noticed at the deadline, and it says nothing about health', async () => {
    const clock = fakeClock(START)
    const { sent, ended, reports } = await run({ stream: true, clock, script: { a: streamed(['one', 'two', 'three']) } })
    if (sent.kind !== 'stream') throw new Error('no stream')
    await sent.body[Symbol.asyncIterator]().next()
    clock.advance(600_000)
    expect(ended).toMatchObject([{ outcome: 'cancelled', failure: { code: 'deadline_exceeded' } }])
    expect(reports).toEqual([])
  })
  test('a missing [DONE] after a complete finish is supplied', async () => {
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['all'], [finish]) } })
    expect((await read(sent)).endsWith('data: [DONE]\n\n')).toBe(true)
    expect(ended).toMatchObject([{ outcome: 'answered' }])
  })
  test("a provider's own error event is not passed on", async () => {
    const raw = new TextEncoder().encode('data: {"error":{"message":"your prompt was CANARY","code":"server_error"}}\n\n')
    const { sent } = await run({ stream: true, script: { a: streamed(['par'], [raw]) } })
    const got = await read(sent)
    expect(got).not.toContain('CANARY')
    expect(got).toContain('event: error')
  })
  test('a caller who stops reading aborts the attempt', async () => {
    const { sent, ports, ended } = await run({ stream: true, script: { a: streamed(['one', 'two', 'three']) } })
    if (sent.kind !== 'stream') throw new Error('no stream')
    for await (const _ of sent.body) break
    expect(ported(ports).aborted).toBe(true)
    expect(ended).toMatchObject([{ outcome: 'cancelled' }])
  })
  test('a caller who hangs up while nobody reads is noticed, and says nothing about health', async () => {
    const caller = new AbortController()
    const { ports, ended, reports } = await run({ stream: true, signal: caller.signal, script: { a: streamed(['one', 'two']) } })
    caller.abort()
    expect(ported(ports).aborted).toBe(true)
    expect(ended).toMatchObject([{ outcome: 'cancelled' }])
    expect(reports).toEqual([])
  })
})

const ported = (ports: Scripted): AbortSignal => ports.sent[0]!.signal

describe('time', () => {
  test('a silent first token gives way to the next deployment after its deadline', async () => {
    const clock = fakeClock(START)
    const running = run({ stream: true, clock, script: { a: silent, b: streamed(['b']) } })
    await settle()
    clock.advance(20_000)
    const { sent, ports } = await running
    expect(tried(ports)).toEqual(['a', 'b'])
    expect(sent).toMatchObject({ kind: 'stream', attempts: [{ code: 'deadline_exceeded', ms: 20_000 }, { code: 'ok' }] })
  })
  test('when the time of the whole request is over nothing more is sent', async () => {
    const clock = fakeClock(START)
    const running = run({ clock, script: { a: silent, b: whole('never') } })
    await settle()
    clock.advance(600_000)
    const { sent, ports } = await running
    expect(tried(ports)).toEqual(['a'])
    expect(sent).toMatchObject({ kind: 'failed', failure: { code: 'deadline_exceeded' } })
  })
  test('no timer is left behind', async () => {
    const clock = fakeClock(START)
    const { sent, ended } = await run({ stream: true, clock, script: { a: streamed(['x']) } })
    await read(sent)
    clock.advance(3_600_000)
    expect(ended).toHaveLength(1)
  })
})

describe('never under a law that has passed', () => {
  test('an attempt does not start when the epoch has moved on: the request must be decided anew', async () => {
    let epoch = 1
    const { sent, ports } = await run({ epochNow: () => epoch, script: { a: () => { epoch = 2; return failing('unreachable')({} as never, new AbortController().signal) }, b: whole('never') } })
    expect(tried(ports)).toEqual(['a'])
    expect(sent.kind).toBe('stale')
  })
  test('asserted where the socket opens: a permit whose stretch of time is over stops the request', async () => {
    const start = Date.parse('2026-11-22T23:59:30Z')
    const clock = fakeClock(start)
    const expiring = bundleOf({
      'apps/any.yaml': app('any', 'grants: all\nassume:\n  - user-in: FR\n    basis: b\n    owner: o\n    until: 2026-11-22'),
      'catalog/p.yaml': provider('p', 'dialect: openai\nbase-url: http://127.0.0.1:1', ['{ deployment: a, model: p/a }', '{ deployment: b, model: p/b }']),
    })
    const late: Behaviour = call => {
      clock.advance(60_000)
      return failing('unreachable')(call, new AbortController().signal)
    }
    await expect(run({ bundle: expiring, start, clock, script: { a: late, b: whole('never') } })).rejects.toThrow('without a permit')
  })
})
