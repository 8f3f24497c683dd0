import { inspect } from 'node:util'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { failure, type Failure } from '../../src/failure.ts'
import { failureOf } from '../../src/provider/broken.ts'
import type { ProviderCall } from '../../src/provider/provider.ts'
import { providers } from '../../src/provider/providers.ts'
import { isWithdrawn } from '../../src/provider/refusal.ts'
import { callFor, deployment, KEY, listen, NOW, PROMPT, testPorts, textOf, type Listening } from './support.ts'

const ports = testPorts()
const provider = providers(ports)
const never = (): AbortSignal => new AbortController().signal
const open: Listening[] = []
afterEach(async () => { await Promise.all(open.splice(0).map(server => server.close())) })
afterAll(() => ports.transport.close())

async function serve(...args: Parameters<typeof listen>): Promise<Listening> {
  const server = await listen(...args)
  open.push(server)
  return server
}

const asked = { model: 'asked', messages: [{ role: 'user', content: PROMPT }] }

/** The failure of one call, checked for what must never be in one. */
async function failing(server: Pick<Listening, 'url'>, call: ProviderCall = callFor(asked), signal = never(), key = 'env:KEY'): Promise<Failure> {
  const result = await provider.send(deployment(server.url, { key }), call, signal)
  if (result.ok) throw new Error('was answered')
  const shown = inspect(result.failure, { depth: null, showHidden: true })
  expect(shown).not.toContain(PROMPT)
  expect(shown).not.toContain(KEY)
  expect(shown).not.toContain('raw text')
  return result.failure
}

/** The failure for an answer with this status, body and headers; the body always repeats the prompt. */
async function refusedWith(status: number, error: object = {}, headers: Record<string, string> = {}): Promise<Failure> {
  const server = await serve((_, response) => response.writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify({ error: { message: `raw text ${PROMPT} ${KEY}`, ...error } })))
  return failing(server)
}

describe('an answer', () => {
  test('is asked for with the model\'s own name and the key, and nothing else is touched', async () => {
    const server = await serve((_, response) => response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end('{ "model":"m",  "x":1.0 }'))
    const result = await provider.send(deployment(`${server.url}/v1`, { key: 'env:KEY' }), callFor('{ "model" : "asked", "seed":12345678901234567890,"messages":[] }'), never())
    if (!result.ok) throw new Error(result.failure.message)
    expect(result.contentType).toBe('application/json')
    expect(await textOf(result.body)).toBe('{ "model":"m",  "x":1.0 }')
    expect(server.requests[0]).toMatchObject({
      path: '/v1/chat/completions', body: '{ "model" : "served", "seed":12345678901234567890,"messages":[] }',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    })
  })

  test('as a stream passes byte for byte', async () => {
    const bytes = 'data: {"choices":[]}\r\n\r\n: odd\n\ndata: [DONE]\n\n'
    const server = await serve((_, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(bytes))
    const result = await provider.send(deployment(server.url), callFor({ ...asked, stream: true }, { stream: true }), never())
    if (!result.ok) throw new Error(result.failure.message)
    expect(await textOf(result.body)).toBe(bytes)
    expect(server.requests[0]?.headers.authorization).toBeUndefined()
  })

  test.each([['chat', '/chat/completions'], ['completion', '/completions'], ['embedding', '/embeddings']] as const)('%s is asked at %s', async (operation, path) => {
    const server = await serve((_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
    const result = await provider.send(deployment(server.url), callFor(asked, { operation }), never())
    expect(result.ok).toBe(true)
    expect(server.requests[0]?.path).toBe(path)
  })

  test('an operation without a path is refused and sends nothing', async () => {
    const server = await serve((_, response) => response.end())
    expect((await failing(server, callFor(asked, { operation: 'image' }))).code).toBe('refused_by_provider')
    expect(server.requests).toHaveLength(0)
  })
})

describe('no answer', () => {
  test('a missing key sends nothing, and one that is no header value neither', async () => {
    const server = await serve((_, response) => response.end())
    expect((await failing(server, callFor(asked), never(), 'env:MISSING')).code).toBe('misconfigured')
    expect((await failing(server, callFor(asked), never(), 'env:ODD')).code).toBe('misconfigured')
    expect(server.connections()).toBe(0)
    expect((await failing({ url: 'no address' })).code).toBe('misconfigured')
  })

  test.each([
    [400, { code: 'bad_thing', type: 'invalid_request_error' }, { code: 'refused_by_provider', status: 400, upstream: { status: 400, code: 'bad_thing', type: 'invalid_request_error' } }],
    [400, { code: 'context_length_exceeded' }, { code: 'refused_by_provider', status: 400, upstream: { code: 'context_length_exceeded' } }],
    [400, { code: 'content_filter' }, { code: 'refused_by_provider', status: 400, upstream: { code: 'content_filter' } }],
    [422, {}, { code: 'refused_by_provider', status: 422, upstream: { status: 422 } }],
    [500, { code: 'context_length_exceeded' }, { code: 'refused_by_provider', status: 400 }],
    [403, { code: 'content_policy_violation' }, { code: 'refused_by_provider', status: 400 }],
    [413, {}, { code: 'refused_by_provider', status: 413 }],
    [401, { code: 'invalid_api_key' }, { code: 'misconfigured', upstream: { code: 'invalid_api_key' } }],
    [403, {}, { code: 'misconfigured' }],
    [404, {}, { code: 'misconfigured', upstream: { status: 404 } }],
    [402, {}, { code: 'misconfigured' }],
    [429, { code: 'insufficient_quota' }, { code: 'misconfigured' }],
    [429, {}, { code: 'busy' }],
    [408, {}, { code: 'upstream_error' }],
    [500, {}, { code: 'upstream_error' }],
    [504, {}, { code: 'upstream_error', upstream: { status: 504 } }],
    [302, {}, { code: 'upstream_error', upstream: { status: 302 } }],
    [204, {}, { code: 'upstream_error' }],
  ])('status %i with %j', async (status, error, expected) => {
    const failed = await refusedWith(status, error, status === 302 ? { location: '/elsewhere' } : {})
    expect(failed).toMatchObject(expected)
    expect(isWithdrawn(failed)).toBe(false)
  })

  test.each([
    [403, { code: 'unsupported_country_region_territory' }], [404, { code: 'model_not_found' }], [410, {}], [451, {}], [400, { code: 'model_not_found' }],
  ])('status %i with %j says withdrawn, not ill', async (status, error) => {
    const failed = await refusedWith(status, error)
    expect(failed).toMatchObject({ code: 'upstream_error', upstream: { status, ...error } })
    expect(isWithdrawn(failed)).toBe(true)
  })

  test.each([
    [{ 'retry-after': '7' }, 7_000], [{ 'retry-after': new Date(NOW + 90_000).toUTCString() }, 90_000], [{ 'retry-after': new Date(NOW - 90_000).toUTCString() }, 0],
    [{ 'retry-after-ms': '250', 'retry-after': '1' }, 250], [{ 'retry-after': 'soon' }, undefined], [{}, undefined],
  ])('busy with %j waits %s ms', async (headers, expected) => {
    expect((await refusedWith(429, {}, headers as Record<string, string>)).retryAfterMs).toBe(expected)
  })

  test('an endless error body is left after its bound', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await serve((request, response) => {
      request.socket.on('close', () => closed.resolve())
      response.writeHead(500)
      const pour = (): void => { while (!response.destroyed && response.write(Buffer.alloc(16_384, 'x'))); }
      response.on('drain', pour)
      pour()
    })
    expect((await failing(server)).code).toBe('upstream_error')
    await closed.promise
  })

  test.each([
    [true, 'application/json', {}], [true, undefined, {}], [false, 'text/html', {}], [false, 'text/event-stream', {}], [false, 'application/json', { 'content-encoding': 'gzip' }],
  ])('200 of the wrong kind (stream: %s, %s, %j)', async (stream, type, headers) => {
    const server = await serve((_, response) => response.writeHead(200, { ...(type === undefined ? {} : { 'content-type': type }), ...headers }).end(`raw text ${PROMPT}`))
    expect((await failing(server, callFor(asked, { stream }))).code).toBe('upstream_error')
  })

  test('nobody there, a reset: unreachable', async () => {
    const gone = await listen(() => undefined)
    await gone.close()
    expect(await failing(gone)).toMatchObject({ code: 'unreachable', cause: 'ECONNREFUSED' })
    const reset = await serve(request => request.socket.resetAndDestroy())
    expect((await failing(reset)).code).toBe('unreachable')
  })

  test('a body cut early throws, and the throw means unreachable', async () => {
    const server = await serve((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {}\n\n', () => request.socket.destroy())
    })
    const result = await provider.send(deployment(server.url), callFor(asked, { stream: true }), never())
    if (!result.ok) throw new Error(result.failure.message)
    const thrown: unknown = await textOf(result.body).catch((error: unknown) => error)
    expect(failureOf(thrown, never(), 'd').code).toBe('unreachable')
  })

  test.each([
    [new DOMException('late', 'TimeoutError'), 'deadline_exceeded'], [undefined, 'cancelled'], [failure('deadline_exceeded', 'no first token'), 'deadline_exceeded'],
  ])('aborted while headers are awaited: %s', async (reason, code) => {
    const closed = Promise.withResolvers<void>()
    const controller = new AbortController()
    const server = await serve(request => {
      request.socket.on('close', () => closed.resolve())
      controller.abort(reason)
    })
    expect((await failing(server, callFor(asked), controller.signal)).code).toBe(code)
    await closed.promise
  })
})
