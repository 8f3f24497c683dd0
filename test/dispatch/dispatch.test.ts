import { array, assert, asyncProperty, boolean, nat, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Attempt } from '../../src/dispatch/attempt.ts'
import { dispatch, type Dispatch, type Dispatched, type Ended } from '../../src/dispatch/dispatch.ts'
import type { Failure } from '../../src/failure.ts'
import { DONE } from '../../src/openai/sse.ts'
import { readRequest, type Needs } from '../../src/openai/request.ts'
import { decide, type Decision, type Permit } from '../../src/policy/decide.ts'
import { buildPool, type Pool } from '../../src/pool/pool.ts'
import { fakeClock, type FakeClock } from '../support/clock.ts'
import { bytes, failing, scripted, silent, streamed, text, whole, type Behaviour, type Scripted } from '../support/provider.ts'
import { app, bundleOf, provider } from '../support/tree.ts'

const START = Date.parse('2026-11-22T12:00:00Z')
const names = ['a', 'b', 'c', 'd', 'e']
const bundle: Promise<Bundle> = bundleOf({
  'apps/any.yaml': app('any'),
  'catalog/p.yaml': provider('p', 'dialect: openai\nbase-url: http://127.0.0.1:1', names.map((n, i) => `{ deployment: ${n}, model: p/${n}, context: ${1000 * (i + 1)} }`)),
})

type Setup = {
  stream?: boolean; bundle?: Promise<Bundle>; start?: number; script: Record<string, Behaviour>; renew?: (pool: Pool) => Pool | undefined; choices?: number
  signal?: AbortSignal; clock?: FakeClock; wishes?: Partial<Dispatch['wishes']>; body?: Record<string, unknown>; attest?: Dispatch['attest']; isSetAside?: Dispatch['isSetAside']; kept?: Dispatch['kept']; before?: readonly Attempt[]
}
type Ran = { sent: Dispatched; ports: Scripted; ended: Ended[]; reports: [string, Failure['code'] | undefined][]; noticed: [string, Failure['code'] | undefined][]; clock: FakeClock }

async function run({
  stream = false, bundle: given = bundle, start = START, script, renew = pool => pool, choices = 1, signal = new AbortController().signal, clock = fakeClock(start),
  wishes = {}, body: more = {}, attest = () => undefined, isSetAside = () => false, kept = () => Promise.resolve(true), before = [],
}: Setup): Promise<Ran> {
  const b = await given
  const body = { model: 'auto', messages: [{ role: 'user', content: 'x' }], stream, ...more }
  const { needs } = readRequest('chat', body, 0) as { ok: true; needs: Needs }
  const decision = decide(b.rulebook, { trusted: { app: 'any' } }, start) as Decision & { permit: Permit }
  const built = buildPool({
    operation: 'chat', needs, decision, app: b.apps.get('any')!, bundle: b, epoch: 1, connected: () => undefined, health: () => 'well', notBefore: () => undefined, now: start,
  })
  if (!built.ok) throw new Error('no pool')
  const ports = scripted(script), ended: Ended[] = [], reports: Ran['reports'] = [], noticed: Ran['noticed'] = []
  const sent = await dispatch({
    pool: built.pool, choices, call: { operation: 'chat', stream, body: new TextEncoder().encode(JSON.stringify(body)), requestId: 'r' }, receivedAt: start, signal, clock, renew, attest, before,
    random: () => 1, isSetAside, wishes: { timeouts: {}, onContentFilter: 'return', mayRescue: true, ...wishes },
    providers: ports, breakers: {
      mayTry: () => true, state: () => 'closed', notBefore: () => undefined, doubt: () => undefined, keep: () => undefined,
      begin: d => ({ report: f => { reports.push([d, f?.code]) }, drop: () => undefined }),
    },
    noticed: (d, f) => { noticed.push([d.name, f?.code]) },
    ended: end => { ended.push(end) }, kept,
  })
  return { sent, ports, ended, reports, noticed, clock }
}

/** Everything that can go on without time passing has gone on. */
const turn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
const tried = (ports: Scripted): string[] => ports.sent.map(s => s.deployment)
async function read(sent: Dispatched): Promise<string> {
  if (sent.kind !== 'stream') throw new Error(`expected a stream, got ${sent.kind}`)
  const parts: Uint8Array[] = []
  for await (const part of sent.body) parts.push(part)
  return text(parts)
}
/** The text that a client puts together. */
const said = (sse: string): string => sse.split('\n').filter(line => line.startsWith('data: {')).map(line => JSON.parse(line.slice(6)) as { choices?: { delta?: { content?: string } }[] })
  .map(event => event.choices?.[0]?.delta?.content ?? '').join('')
const finish = new TextEncoder().encode('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
/** Lets promises settle; no time passes. */
const settle = async (): Promise<void> => { for (let i = 0; i < 20; i++) await Promise.resolve() }

describe('fallback', () => {
  test('the next of the pool answers when the first fails, and the record says both', async () => {
    const { sent, ports, ended, reports } = await run({ script: { a: failing('unreachable'), b: whole('hello') } })
    expect(tried(ports)).toEqual(['a', 'b'])
    expect(sent).toMatchObject({ kind: 'whole', attempts: [{ deployment: 'a', code: 'unreachable' }, { deployment: 'b', code: 'ok' }] })
    expect(ended).toEqual([{ outcome: 'answered', failure: undefined, usage: { input: 3, output: 2 }, pieces: 0, servedModel: 'served', deployments: ['b'], mismatch: undefined }])
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

/** Fails in this way the first time, then answers. */
function once(first: Behaviour, then: Behaviour = whole('after')): Behaviour {
  let asked = 0
  return (call, signal) => (asked++ === 0 ? first(call, signal) : then(call, signal))
}

/** Runs to the end with a clock that jumps to whatever is waited for. */
async function runThrough(setup: Setup): Promise<Ran & { waited: number }> {
  const clock = fakeClock(START)
  const state = { isOver: false }
  const running = run({ ...setup, clock }).finally(() => { state.isOver = true })
  for (let i = 0; i < 200 && !state.isOver; i++) {
    await settle()
    if (!state.isOver) clock.advance(100)
  }
  return { ...await running, waited: clock.now() - START }
}

const alone = { provider: { only: ['p'], allow_fallbacks: false } }

describe('the table of what follows a failure', () => {
  const upstream = (status: number, more: Omit<Failure, 'code' | 'message'> = {}): Behaviour => failing(status === 429 ? 'busy' : 'upstream_error', { upstream: { status }, ...more })
  test.each([
    ['500 once: the same once more', { a: once(upstream(500)) }, ['a', 'a'], {}],
    ['500 for ever: the same once, then the next', { a: upstream(500), b: whole('b') }, ['a', 'a', 'b'], {}],
    ['503: the next at once', { a: upstream(503), b: whole('b') }, ['a', 'b'], {}],
    ['503 of the last: the same once', { a: once(upstream(503)) }, ['a', 'a'], alone],
    ['a reset of the last: the same once', { a: once(failing('unreachable')) }, ['a', 'a'], alone],
    ['429 with others: the next', { a: upstream(429, { retryAfterMs: 2_000 }), b: whole('b') }, ['a', 'b'], {}],
    ['429 of the last, whose time to come back fits: the same once', { a: once(upstream(429, { retryAfterMs: 2_000 })) }, ['a', 'a'], alone],
    ['429 of the last, whose time to come back does not fit: the end', { a: upstream(429, { retryAfterMs: 60_000 }) }, ['a'], alone],
    ['a wrong key: the next', { a: failing('misconfigured'), b: whole('b') }, ['a', 'b'], {}],
    ['a wrong key of the last: the end', { a: failing('misconfigured') }, ['a'], alone],
    ['a model that is gone: the next', { a: upstream(404, { upstream: { status: 404, code: 'model_not_found' } }), b: whole('b') }, ['a', 'b'], {}],
    ['a server that is elsewhere: the next', { a: failing('compliance_mismatch'), b: whole('b') }, ['a', 'b'], {}],
  ] as const)('%s', async (_, script, asked, body) => {
    const { ports } = await runThrough({ script, body })
    expect(tried(ports)).toEqual(asked)
  })
  test('never more than two tries of one and four in all', async () => {
    const dead = upstream(500)
    expect(tried((await runThrough({ script: { a: dead, b: dead, c: dead } })).ports)).toEqual(['a', 'a', 'b', 'b'])
    expect(tried((await runThrough({ script: { a: dead }, body: alone })).ports)).toEqual(['a', 'a'])
  })
  test('Retry-After is waited for to the end, and handed on when it cannot be', async () => {
    expect((await runThrough({ script: { a: once(upstream(429, { retryAfterMs: 2_000 })) }, body: alone })).waited).toBeGreaterThanOrEqual(2_000)
    expect((await runThrough({ script: { a: upstream(429, { retryAfterMs: 60_000 }) }, body: alone })).sent).toMatchObject({ failure: { code: 'permitted_models_unavailable', retryAfterMs: 60_000 } })
  })
  test('whoever is behind a key that was refused is not asked, so that four of them do not cost the one that could answer', async () => {
    const one = bundleOf({
      'apps/any.yaml': app('any'),
      'catalog/p.yaml': provider('p', 'dialect: openai\nbase-url: http://127.0.0.1:1\nkey: env:ONE', ['a', 'b', 'c', 'd'].map(n => `{ deployment: ${n}, model: p/${n} }`)),
      'catalog/q.yaml': provider('q', 'dialect: openai\nbase-url: http://127.0.0.1:1\nkey: env:TWO', ['{ deployment: e, model: q/e }']),
    })
    const refused = failing('misconfigured', { upstream: { status: 401 } })
    expect(tried((await run({ bundle: one, script: { a: refused, e: whole('e') } })).ports)).toEqual(['a', 'e'])
    const asked = failing('misconfigured', { upstream: { status: 403 } })
    expect(tried((await run({ bundle: one, script: { a: asked, b: whole('b') } })).ports)).toEqual(['a', 'b'])
  })
  test('a content filter is an answer, unless the app asks the next', async () => {
    const filtered = failing('refused_by_provider', { status: 400, upstream: { status: 400, code: 'content_filter' } })
    expect(tried((await run({ script: { a: filtered, b: whole('b') } })).ports)).toEqual(['a'])
    expect(tried((await run({ script: { a: filtered, b: whole('b') }, wishes: { onContentFilter: 'next' } })).ports)).toEqual(['a', 'b'])
  })
  test('a caller who hangs up while it is waited sends nothing more', async () => {
    const caller = new AbortController(), clock = fakeClock(START)
    const running = run({ clock, signal: caller.signal, body: alone, script: { a: upstream(429, { retryAfterMs: 2_000 }) } })
    await settle()
    caller.abort()
    const { sent, ports } = await running
    expect(tried(ports)).toEqual(['a'])
    expect(sent).toMatchObject({ kind: 'failed', failure: { code: 'cancelled' } })
    clock.advance(3_600_000)
    expect(tried(ports)).toEqual(['a'])
  })
  test('a server that says it worked elsewhere is not listened to', async () => {
    const { sent, noticed } = await run({ attest: (d, said) => (d.name === 'a' && said.model === 'served' ? 'it answers as another model' : undefined), script: { a: whole('wrong'), b: whole('right') } })
    expect(sent).toMatchObject({ kind: 'whole', attempts: [{ deployment: 'a', code: 'compliance_mismatch' }, { deployment: 'b', code: 'ok' }] })
    expect(noticed).toEqual([['a', 'compliance_mismatch'], ['b', undefined]])
  })
})

describe('what the breaker hears', () => {
  test.each([
    ['our key is wrong', failing('misconfigured'), []],
    ['the request is refused', failing('refused_by_provider', { status: 400, upstream: { status: 400 } }), []],
    ['the model is gone', failing('upstream_error', { upstream: { status: 404, code: 'model_not_found' } }), []],
    ['the server failed', failing('upstream_error', { upstream: { status: 503 } }), ['upstream_error']],
    ['nobody answers', failing('unreachable'), ['unreachable']],
    ['it is busy', failing('busy'), ['busy']],
  ])('%s', async (_, behaviour, heard) => {
    const { reports } = await runThrough({ script: { a: behaviour, b: whole('x') } })
    expect(reports.filter(([deployment]) => deployment === 'a').map(([, code]) => code)).toEqual(heard)
  })
})

describe('a caller cannot open a breaker for everybody', () => {
  const event = (value: object): Uint8Array => new TextEncoder().encode(`data: ${JSON.stringify(value)}\n\n`)
  const inBand = (code: string): Behaviour => bytes('text/event-stream', `data: ${JSON.stringify({ error: { code } })}\n\n`)
  test.each([
    ['a prompt too long, said with status 200', { stream: true, script: { a: inBand('context_length_exceeded'), b: streamed(['b']) } }],
    ['a filtered prompt, said with status 200', { stream: true, script: { a: inBand('content_filter') } }],
    ['more answers asked for than the server gives', { stream: true, choices: 2, script: { a: streamed(['one']), b: streamed(['b'], [event({ choices: [{ index: 1, delta: { content: 'two' }, finish_reason: 'stop' }] }), finish, DONE]) } }],
    ['an event that is too large', { stream: true, script: { a: streamed([], [event({ choices: [{ index: 0, delta: { content: 'x'.repeat(1_100_000) } }] })]), b: streamed(['b']) } }],
    ['an answer that was said in other words', { stream: true, script: { b: streamed(['Good', ' day']), a: streamed(['Hello'], [new Error('reset')]), c: streamed(['Hello', '!']) } }],
  ])('%s', async (_, setup) => {
    const { sent, reports } = await run(setup)
    if (sent.kind === 'stream') await read(sent)
    const blamed = reports.filter(([, code]) => code !== undefined && code !== 'unreachable')
    expect(blamed).toEqual([])
    expect(reports.filter(([deployment, code]) => deployment !== 'a' && code !== undefined)).toEqual([])
  })
  test('a request that leaves a server less time than it is given otherwise', async () => {
    const clock = fakeClock(START)
    const running = run({ stream: true, clock, script: { a: silent }, wishes: { timeouts: { total: 3_000 } } })
    await settle()
    clock.advance(3_000)
    const { sent, reports } = await running
    expect(sent).toMatchObject({ kind: 'failed', failure: { code: 'deadline_exceeded' } })
    expect(reports).toEqual([])
  })
  test('an answer that was left unread until the server gave up on it', async () => {
    const clock = fakeClock(START)
    const { sent, reports } = await run({ stream: true, clock, wishes: { mayRescue: false }, script: { a: streamed(['one', 'two'], [new Error('reset')]) } })
    if (sent.kind !== 'stream') throw new Error('no stream')
    const reading = sent.body[Symbol.asyncIterator]()
    await reading.next()
    clock.advance(4_000)
    while ((await reading.next()).done !== true) clock.advance(2_000)
    expect(reports).toEqual([])
  })
})

describe('streams', () => {
  test('bytes arrive as they were sent, and the end is told once', async () => {
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['Hel', 'lo']) } })
    const got = await read(sent)
    expect(got).toContain('"content":"Hel"')
    expect(got.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(ended).toEqual([{ outcome: 'answered', failure: undefined, usage: undefined, pieces: 2, servedModel: 'served', deployments: ['a'], mismatch: undefined }])
  })
  test('no-complete-answer-off-the-record: a stream is told complete when its end is on record, and not before', async () => {
    const kept = Promise.withResolvers<boolean>()
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['all']) }, kept: () => kept.promise })
    if (sent.kind !== 'stream') throw new Error(sent.kind)
    const { body } = sent, got: Uint8Array[] = []
    const reading = (async () => { for await (const part of body) got.push(part) })()
    while (ended.length === 0) await turn()
    await turn()
    expect(text(got)).not.toContain('[DONE]')
    kept.resolve(true)
    await reading
    expect(text(got).endsWith('data: [DONE]\n\n')).toBe(true)
  })
  test('no-complete-answer-off-the-record: one whose end cannot be kept ends with an error in it, without [DONE]', async () => {
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['all']) }, kept: () => Promise.resolve(false) })
    const got = await read(sent)
    expect(got).toContain('"content":"all"')
    expect(got).toContain('"code":"cannot_record"')
    expect(got).not.toContain('[DONE]')
    expect(ended).toHaveLength(1)
  })
  test('how a stream went is told once, at its end', async () => {
    const { sent, noticed } = await run({ stream: true, wishes: { mayRescue: false }, script: { a: streamed(['par'], [new Error('reset')]) } })
    expect(noticed).toEqual([])
    await read(sent)
    expect(noticed).toEqual([['a', 'unreachable']])
  })
  test('a stream that dies before its first content is invisible: the next one answers whole', async () => {
    const { sent, ports } = await run({ stream: true, script: { a: streamed([], [new Error('reset')]), b: streamed(['ok']) } })
    const got = await read(sent)
    expect(tried(ports)).toEqual(['a', 'b'])
    expect(got.match(/"role":"assistant"/g)).toHaveLength(1)
  })
  test('no-truncated-success: a stream cut after content that nobody may go on with ends with an error in it, without [DONE]', async () => {
    const { sent, ports, ended, reports } = await run({ stream: true, wishes: { mayRescue: false }, script: { a: streamed(['par'], [new Error('reset')]), b: streamed(['never']) } })
    const got = await read(sent)
    expect(tried(ports)).toEqual(['a'])
    expect(got).toContain('event: error')
    expect(got).not.toContain('[DONE]')
    expect(ended).toMatchObject([{ outcome: 'cut', failure: { code: 'unreachable' } }])
    expect(reports).toEqual([['a', 'unreachable']])
  })
  test('no-truncated-success: a stream that simply stops without a finish is cut, not complete', async () => {
    const { sent, ended } = await run({ stream: true, wishes: { mayRescue: false }, script: { a: streamed(['par'], []) } })
    expect(await read(sent)).not.toContain('[DONE]')
    expect(ended).toMatchObject([{ outcome: 'cut' }])
  })
  test.each([
    ['[DONE] without a finish after content', streamed(['par'], [DONE])],
    ['one of two answers cut', streamed(['one'], [finish, DONE]), 2],
  ])('no-truncated-success: %s is cut, not complete', async (_, behaviour, choices = 1) => {
    const { sent, ended } = await run({ stream: true, choices, wishes: { mayRescue: false }, script: { a: behaviour } })
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
    const { sent, ended } = await run({ stream: true, wishes: { mayRescue: false }, script: { a: streamed(['par'], [huge, finish, DONE]) } })
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
  test('an error after the answer has finished is no second end', async () => {
    const late = new TextEncoder().encode('data: {"error":{"code":"server_error"},"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}\n\n')
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['all'], [finish, late]), b: streamed(['never']) } })
    const got = await read(sent)
    expect(got.match(/finish_reason":"/g)).toHaveLength(1)
    expect(got.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(ended).toMatchObject([{ outcome: 'answered', deployments: ['a'] }])
  })
  test('a stall behind comments is a stall', async () => {
    const clock = fakeClock(START)
    const beating: Behaviour = (_, signal) => ({
      ok: true, contentType: 'text/event-stream', headers: {},
      body: (async function* () {
        yield new TextEncoder().encode('data: {"choices":[{"index":0,"delta":{"content":"He"},"finish_reason":null}]}\n\n')
        for (let i = 0; i < 10 && !signal.aborted; i++) {
          clock.advance(7_000)
          yield new TextEncoder().encode(': still here\n\n')
        }
        throw new Error('aborted')
      })(),
    })
    const { sent } = await run({ stream: true, clock, script: { a: beating, b: streamed(['Hello']) } })
    expect(said(await read(sent))).toBe('Hello')
    expect(sent.attempts).toMatchObject([{ deployment: 'a', code: 'deadline_exceeded', afterContent: true }, { deployment: 'b', code: 'ok' }])
  })
  test('a server that goes on saying nothing after the end is not waited for', async () => {
    const clock = fakeClock(START)
    const lingering: Behaviour = (_, signal) => ({
      ok: true, contentType: 'text/event-stream', headers: {},
      body: (async function* () {
        yield new TextEncoder().encode('data: {"choices":[{"index":0,"delta":{"content":"all"},"finish_reason":"stop"}]}\n\n')
        for (let i = 0; i < 100 && !signal.aborted; i++) {
          clock.advance(500)
          yield new TextEncoder().encode(': still here\n\n')
        }
        throw new Error('aborted')
      })(),
    })
    const { sent, ended } = await run({ stream: true, clock, script: { a: lingering } })
    expect((await read(sent)).endsWith('data: [DONE]\n\n')).toBe(true)
    expect(clock.now() - START).toBeLessThan(5_000)
    expect(ended).toMatchObject([{ outcome: 'answered', failure: undefined }])
  })
  test('a caller who stops reading is noticed at the deadline, and it says nothing about health', async () => {
    const clock = fakeClock(START)
    const { sent, ended, reports } = await run({ stream: true, clock, script: { a: streamed(['one', 'two', 'three']) } })
    if (sent.kind !== 'stream') throw new Error('no stream')
    await sent.body[Symbol.asyncIterator]().next()
    clock.advance(600_000)
    expect(ended).toMatchObject([{ outcome: 'cancelled', failure: { code: 'cancelled' } }])
    expect(reports).toEqual([])
  })
  test('a missing [DONE] after a complete finish is supplied', async () => {
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['all'], [finish]) } })
    expect((await read(sent)).endsWith('data: [DONE]\n\n')).toBe(true)
    expect(ended).toMatchObject([{ outcome: 'answered' }])
  })
  test("a provider's own error event is not passed on", async () => {
    const raw = new TextEncoder().encode('data: {"error":{"message":"your prompt was CANARY","code":"server_error"}}\n\n')
    const { sent } = await run({ stream: true, wishes: { mayRescue: false }, script: { a: streamed(['par'], [raw]) } })
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
  test('a whole answer that does not begin gives way to the next at half of the time, and the last one has the rest', async () => {
    const clock = fakeClock(START)
    const running = run({ clock, script: { a: silent, b: silent, c: whole('in time') }, wishes: { timeouts: { total: 8_000 } } })
    await settle()
    clock.advance(4_000)
    await settle()
    clock.advance(2_000)
    const { sent, ports } = await running
    expect(tried(ports)).toEqual(['a', 'b', 'c'])
    expect(sent).toMatchObject({ kind: 'whole', attempts: [{ code: 'deadline_exceeded', ms: 4_000 }, { code: 'deadline_exceeded', ms: 2_000 }, { code: 'ok' }] })
  })
  test('how long a whole answer may take to begin can be said, and its body may not stall', async () => {
    const clock = fakeClock(START)
    const stalling: Behaviour = (_, signal) => ({
      ok: true, contentType: 'application/json', headers: {},
      body: (async function* () {
        yield new TextEncoder().encode('{"choices"')
        await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true }) })
      })(),
    })
    const running = run({ clock, script: { a: silent, b: stalling, c: whole('x') }, wishes: { timeouts: { whole: 1_000, idle: 3_000 } } })
    await settle()
    clock.advance(1_000)
    await settle()
    clock.advance(3_000)
    const { sent } = await running
    expect(sent).toMatchObject({ kind: 'whole', attempts: [{ code: 'deadline_exceeded', ms: 1_000 }, { code: 'deadline_exceeded', ms: 3_000 }, { code: 'ok' }] })
  })
  test('when the time of the whole request is over nothing more is sent', async () => {
    const clock = fakeClock(START)
    const late: Behaviour = (call, signal) => {
      clock.advance(600_000)
      return failing('unreachable')(call, signal)
    }
    const { sent, ports } = await run({ clock, script: { a: late, b: whole('never') } })
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
    let isOld = false
    const { sent, ports } = await run({ renew: pool => (isOld ? undefined : pool), script: { a: () => { isOld = true; return failing('unreachable')({} as never, new AbortController().signal) }, b: whole('never') } })
    expect(tried(ports)).toEqual(['a'])
    expect(sent.kind).toBe('stale')
  })
  test('a law that changes while the connection is made keeps the request back, and it is decided anew', async () => {
    let isOld = false
    const slow: Behaviour = (call, signal) => {
      expect(call.mayLeave?.()).toBe(true)
      isOld = true
      return call.mayLeave?.() === false ? failing('overtaken')(call, signal) : whole('sent under a law that had passed')(call, signal)
    }
    const { sent, ports, reports } = await run({ renew: pool => (isOld ? undefined : pool), script: { a: slow, b: whole('never') } })
    expect(tried(ports)).toEqual(['a'])
    expect(sent).toMatchObject({ kind: 'stale', attempts: [{ deployment: 'a', code: 'overtaken' }] })
    expect(reports).toEqual([])
  })
  test('what was set aside while the connection was made keeps the request back, and the next is asked', async () => {
    let isAside = false
    const slow: Behaviour = (call, signal) => {
      expect(call.mayLeave?.()).toBe(true)
      isAside = true
      return call.mayLeave?.() === false ? failing('overtaken')(call, signal) : whole('sent to what was set aside')(call, signal)
    }
    const { sent, ports } = await run({ isSetAside: name => name === 'a' && isAside, renew: pool => (isAside ? pool.narrowed(m => m.name !== 'a', 2) : pool), script: { a: slow, b: whole('b') } })
    expect(tried(ports)).toEqual(['a', 'b'])
    expect(sent).toMatchObject({ kind: 'whole', deployment: { name: 'b' } })
  })
  test('the same where there is nobody else to ask: it is decided anew and not unavailable', async () => {
    let isOld = false
    const slow: Behaviour = (call, signal) => {
      isOld = true
      return failing('overtaken')(call, signal)
    }
    const { sent } = await run({ body: alone, renew: pool => (isOld ? undefined : pool), script: { a: slow } })
    expect(sent).toMatchObject({ kind: 'stale', attempts: [{ code: 'overtaken' }] })
  })
  test('who was overtaken by the law was not asked, and can be under the new one; who failed is not asked again', async () => {
    const overtaken: Attempt = { deployment: 'a', epoch: 1, at: START, code: 'overtaken', ms: 1 }
    expect(tried((await run({ before: [overtaken], script: { a: whole('a') } })).ports)).toEqual(['a'])
    expect(tried((await run({ before: [{ ...overtaken, code: 'unreachable' }], script: { b: whole('b') } })).ports)).toEqual(['b'])
  })
  test('what the pool has lost meanwhile is not asked, and the request goes on with the rest', async () => {
    let isDown = false
    const { sent, ports } = await run({
      renew: pool => (isDown ? pool.narrowed(m => m.name !== 'b', 2) : pool),
      script: { a: () => { isDown = true; return failing('unreachable')({} as never, new AbortController().signal) }, c: whole('x') },
    })
    expect(tried(ports)).toEqual(['a', 'c'])
    expect(sent).toMatchObject({ kind: 'whole', attempts: [{ epoch: 1 }, { epoch: 2 }] })
  })
  test('a pool only ever shrinks: what the request left out does not come back with a new epoch', async () => {
    let isLate = false
    const { ports } = await runThrough({
      body: { provider: { allow_fallbacks: false } }, renew: pool => (isLate ? pool.narrowed(m => m.name !== 'a', 2) : pool),
      script: { a: () => { isLate = true; return failing('unreachable')({} as never, new AbortController().signal) } },
    })
    expect(tried(ports)).toEqual(['a'])
  })
  test('attempts under a law that has passed count', async () => {
    const earlier: Attempt = { deployment: 'z', epoch: 0, at: START, code: 'unreachable', ms: 1 }
    const { sent } = await run({ before: [earlier, earlier, earlier], script: { a: failing('unreachable'), b: whole('never') } })
    expect(sent).toMatchObject({ kind: 'failed', attempts: [{}, {}, {}, { deployment: 'a' }] })
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

describe('stream rescue: a stream that breaks after its first content', () => {
  const takers: Promise<Bundle> = bundleOf({
    'apps/any.yaml': app('any'),
    'catalog/p.yaml': provider('p', 'dialect: openai\nbase-url: http://127.0.0.1:1', ['{ deployment: a, model: p/a }', '{ deployment: b, model: p/b }', '{ deployment: c, model: p/c, can: [prefill] }', '{ deployment: d, model: p/d, can: [prefill] }']),
  })
  const reset = new Error('reset')
  const LONG = 'This sentence is long enough to be told from a coincidence'
  const asked = (ports: Scripted, at: number): { messages: { role: string; content: string }[] } => JSON.parse(new TextDecoder().decode(ports.sent[at]!.call.body)) as never
  const usage = new TextEncoder().encode('data: {"model":"served","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}\n\n')

  test.each([
    ['cut by a reset', streamed(['Hello', ' wor'], [reset])],
    ['that just stops', streamed(['Hello', ' wor'], [])],
    ['ended by an error of its own', streamed(['Hello', ' wor'], [new TextEncoder().encode('data: {"error":{"code":"server_error"}}\n\n')])],
    ['cut in the middle of an event', streamed(['Hello', ' wor'], [new TextEncoder().encode('data: {"choices":[{"index":0,"del'), reset])],
  ])('%s: who says the same again is gone on with, each character once', async (_, broken) => {
    const { sent, ports, ended, reports } = await run({ stream: true, script: { a: broken, b: streamed(['Hel', 'lo wo', 'rld', '!']) } })
    const got = await read(sent)
    expect(said(got)).toBe('Hello world!')
    expect(got.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(got).not.toContain('event: error')
    expect(tried(ports)).toEqual(['a', 'b'])
    expect(sent.attempts).toMatchObject([{ deployment: 'a', code: expect.stringMatching(/unreachable|upstream_error/) as string, afterContent: true }, { deployment: 'b', code: 'ok', rescue: 'restart' }])
    expect(ended).toMatchObject([{ outcome: 'answered', deployments: ['a', 'b'], failure: undefined }])
    expect(reports.map(([d, code]) => [d, code === undefined])).toEqual([['a', false], ['b', true]])
  })
  test('one that accepts a prefill is given the text already said, before any other is asked', async () => {
    const { sent, ports } = await run({ stream: true, bundle: takers, script: { a: streamed([LONG, ' wor'], [reset]), c: streamed(['ld', '!']) } })
    expect(said(await read(sent))).toBe(`${LONG} world!`)
    expect(tried(ports)).toEqual(['a', 'c'])
    expect(asked(ports, 1).messages).toEqual([{ role: 'user', content: 'x' }, { role: 'assistant', content: `${LONG} wor` }])
    expect(sent.attempts[1]).toMatchObject({ rescue: 'prefill', code: 'ok' })
  })
  test('one that refuses the prefill is not the end: the next is asked', async () => {
    const refused = failing('refused_by_provider', { status: 400, upstream: { status: 400 } })
    const { sent, ports } = await run({ stream: true, bundle: takers, script: { a: streamed([LONG, ' wor'], [reset]), c: refused, d: streamed(['ld!']) } })
    expect(said(await read(sent))).toBe(`${LONG} world!`)
    expect(tried(ports)).toEqual(['a', 'c', 'd'])
  })
  test('one that repeats the prefill instead of going on after it is heard from there', async () => {
    const { sent } = await run({ stream: true, bundle: takers, script: { a: streamed([LONG], [reset]), c: streamed([LONG.slice(0, 20), LONG.slice(20), ', is it not?']) } })
    expect(said(await read(sent))).toBe(`${LONG}, is it not?`)
  })
  test('a text too short to tell a repetition from an answer is asked for again, not given', async () => {
    const { sent, ports } = await run({ stream: true, bundle: takers, script: { a: streamed(['ha'], [reset]), b: streamed(['ha', 'ha']) } })
    expect(said(await read(sent))).toBe('haha')
    expect(tried(ports)).toEqual(['a', 'b'])
  })
  test.each([
    ['ignores it and comes to something else', ['This sentence is long enough to end in another way']],
    ['ignores it and stops before', ['This sentence is long enough']],
    ['answers with a list instead of text', [[{ type: 'text', text: ', is it not?' }] as unknown as string]],
  ])('no-spliced-answers: one that was given the text and %s is not used', async (_, words) => {
    const { sent } = await run({ stream: true, bundle: takers, script: { a: streamed([LONG], [reset]), c: streamed(words), d: failing('unreachable'), b: failing('unreachable') } })
    const got = await read(sent)
    expect(said(got)).toBe(LONG)
    expect(got).toContain('event: error')
    expect(got).not.toContain('[DONE]')
  })
  test('a rescue that breaks is rescued as well, from all the text said so far', async () => {
    const { sent, ports, ended } = await run({ stream: true, bundle: takers, script: { a: streamed([LONG], [reset]), c: streamed([' two'], [reset]), d: streamed([' three']) } })
    expect(said(await read(sent))).toBe(`${LONG} two three`)
    expect(asked(ports, 2).messages.at(-1)).toEqual({ role: 'assistant', content: `${LONG} two` })
    expect(ended).toMatchObject([{ outcome: 'answered', deployments: ['a', 'c', 'd'] }])
  })
  test('no-spliced-answers: another answer is not put behind the one that was begun; the stream ends with an error and no [DONE]', async () => {
    const { sent, ports, ended } = await run({ stream: true, script: { a: streamed(['Hello', ' wor'], [reset]), b: streamed(['Good', ' day']), c: streamed(['Hello']), d: streamed(['never asked: four attempts']), e: streamed(['x']) } })
    const got = await read(sent)
    expect(said(got)).toBe('Hello wor')
    expect(got).toContain('event: error')
    expect(got).not.toContain('[DONE]')
    expect(tried(ports)).toEqual(['a', 'b', 'c', 'd'])
    expect(ended).toMatchObject([{ outcome: 'cut', deployments: ['a'] }])
  })
  test.each([
    ['a tool call in flight', { tool_calls: [{ index: 0, id: 'x', function: { name: 'f', arguments: '{"a' } }] }],
    ['a refusal', { refusal: 'I can' }],
    ['a function call', { function_call: { name: 'f', arguments: '{' } }],
  ])('no-spliced-answers: %s is never gone on with', async (_, delta) => {
    const begun = new TextEncoder().encode(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`)
    const { sent, ports } = await run({ stream: true, script: { a: streamed([], [begun, reset]), b: streamed(['never']) } })
    expect(await read(sent)).toContain('event: error')
    expect(tried(ports)).toEqual(['a'])
  })
  test('no-spliced-answers: of two answers at once neither is gone on with', async () => {
    const { sent, ports } = await run({ stream: true, choices: 2, script: { a: streamed(['one'], [reset]), b: streamed(['one', 'two']) } })
    expect(await read(sent)).toContain('event: error')
    expect(tried(ports)).toEqual(['a'])
  })
  test('never under a law that has passed: when the law has changed the stream ends, and nobody else is asked', async () => {
    let isOld = false
    const { sent, ports } = await run({ stream: true, renew: pool => (isOld ? undefined : pool), script: { a: streamed(['Hello'], [reset]), b: streamed(['Hello', ' you']) } })
    isOld = true
    expect(await read(sent)).toContain('event: error')
    expect(tried(ports)).toEqual(['a'])
  })
  test('the usage chunk names all who took part, and the record counts what was spent', async () => {
    const { sent, ended } = await run({ stream: true, script: { a: streamed(['Hello', ' wor'], [reset]), b: streamed(['Hello world'], [finish, usage, DONE]) } })
    expect(await read(sent)).toContain('"bailiwick":{"deployments":["a","b"]}')
    expect(ended).toMatchObject([{ usage: { input: 7, output: 11 } }])
  })
  test('a caller who hangs up during a rescue gets nothing more, and nothing is left running', async () => {
    const caller = new AbortController()
    const { sent, ports, ended } = await run({ stream: true, signal: caller.signal, script: { a: streamed(['Hello'], [reset]), b: silent } })
    const reading = read(sent)
    await settle()
    expect(tried(ports)).toEqual(['a', 'b'])
    caller.abort()
    expect(said(await reading)).toBe('Hello')
    expect(ports.sent[1]!.signal.aborted).toBe(true)
    expect(ended).toMatchObject([{ outcome: 'cancelled' }])
  })
  test('an answer whose end alone was missing is ended, with nothing said twice', async () => {
    const { sent } = await run({ stream: true, script: { a: streamed(['All of it'], [reset]), b: streamed(['All', ' of it']) } })
    const got = await read(sent)
    expect(said(got)).toBe('All of it')
    expect(got.endsWith('data: [DONE]\n\n')).toBe(true)
  })
  test('property: however both streams are cut into pieces, the caller gets the whole text once (seed 20261122)', () => assert(asyncProperty(
    string({ minLength: 1, maxLength: 90, unit: 'grapheme' }), nat(), array(nat({ max: 7 })), array(nat({ max: 7 })), boolean(),
    async (all, at, one, two, isPrefill) => {
      const begun = all.slice(0, 1 + at % all.length)
      const isGiven = isPrefill && begun.length >= 32
      const script = isGiven ? { a: streamed(pieces(begun, one), [reset]), c: streamed(pieces(all.slice(begun.length), two)) } : { a: streamed(pieces(begun, one), [reset]), b: streamed(pieces(all, two)) }
      const { sent } = await run({ stream: true, script, ...(isGiven && { bundle: takers }) })
      const got = await read(sent)
      expect(said(got)).toBe(all)
      expect(got.endsWith('data: [DONE]\n\n')).toBe(true)
    },
  ), { seed: 20261122, numRuns: 300 }))
})

/** A text in pieces of these lengths. */
function pieces(text: string, lengths: readonly number[]): string[] {
  const parts: string[] = []
  let at = 0
  for (const length of lengths) {
    parts.push(text.slice(at, at + length))
    at += length
  }
  return [...parts, text.slice(at)]
}
