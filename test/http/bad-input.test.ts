/** What callers get wrong, over a real connection: each answer has its status, its code and its field, and nothing is dispatched. */
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CANARY, KEYS, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => { world = await startWorld() })
afterAll(() => world.close())
afterEach(() => {
  expect(world.provider.asked).toEqual([])
  expect(world.recorded.filter(entry => entry.kind === 'decision' && entry.outcome === 'permit')).toEqual([])
})

const GOOD = { model: 'vendor-x/good', messages: [{ role: 'user', content: CANARY }] }
type Sent = { path?: string; method?: string; headers?: Record<string, string | undefined>; body?: RequestInit['body']; json?: unknown }

async function send({ path = '/v1/chat/completions', method = 'POST', headers = {}, json = GOOD, body = JSON.stringify(json) }: Sent): Promise<{ status: number; headers: Headers; error: Record<string, unknown> }> {
  const all = Object.entries({ 'content-type': 'application/json', authorization: `Bearer ${KEYS.crm}`, ...headers }).filter((e): e is [string, string] => e[1] !== undefined)
  const response = await fetch(world.url + path, { method, headers: all, ...(method !== 'GET' && { body: body ?? null, duplex: 'half' as const }) })
  const text = await response.text()
  for (const secret of [CANARY, ...Object.values(KEYS), 'wrong-key']) expect(text).not.toContain(secret)
  const value = JSON.parse(text) as { error: Record<string, unknown> }
  expect(Object.keys(value)).toEqual(['error'])
  expect(Object.keys(value.error)).toEqual(['message', 'type', 'param', 'code'])
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._-]{1,128}$/)
  return { status: response.status, headers: response.headers, error: value.error }
}

describe('who asks', () => {
  test.each([
    ['no key', { authorization: undefined }], ['a wrong key', { authorization: 'Bearer wrong-key' }], ['no bearer', { authorization: KEYS.crm }],
    ['a key in another header', { authorization: undefined, 'api-key': KEYS.crm }],
  ])('%s: 401', async (_, headers) => {
    const { status, headers: answered, error } = await send({ headers })
    expect([status, error['code'], error['type'], answered.get('www-authenticate')]).toEqual([401, 'invalid_api_key', 'authentication_error', 'Bearer'])
  })
})

describe('what is asked', () => {
  test.each<[string, Sent, string | null]>([
    ['invalid JSON', { body: `{"model": ${CANARY}}` }, null],
    ['an empty body', { body: '' }, null],
    ['no object', { json: [GOOD] }, null],
    ['not UTF-8', { body: Uint8Array.from([0x7b, 0xff, 0x7d]) }, null],
    ['a wrong content type', { headers: { 'content-type': 'text/plain' } }, 'content-type'],
    ['a compressed body', { headers: { 'content-encoding': 'gzip' } }, 'content-encoding'],
    ['a member twice', { body: `{"model":"vendor-x/good","model":"${CANARY}","messages":[]}` }, 'model'],
    ['no model', { json: { messages: GOOD.messages } }, 'model'],
    ['stream: "yes"', { json: { ...GOOD, stream: 'yes' } }, 'stream'],
    ['messages missing', { json: { model: GOOD.model } }, 'messages'],
    ['messages empty', { json: { ...GOOD, messages: [] } }, 'messages'],
    ['a message that is none', { json: { ...GOOD, messages: [CANARY] } }, 'messages[0]'],
    ['no input to embed', { path: '/v1/embeddings', json: { model: 'vendor-x/vectors' } }, 'input'],
    ['an unknown x-bailiwick header', { headers: { 'x-bailiwick-regoin': 'eu' } }, 'x-bailiwick-regoin'],
    ['a subject token', { headers: { 'x-bailiwick-subject': 'a.b.c' } }, 'x-bailiwick-subject'],
    ['a malformed country', { headers: { 'x-bailiwick-user-in': 'germany' } }, 'x-bailiwick-user-in'],
    ['a malformed classification', { headers: { 'x-bailiwick-classification': 'top-secret' } }, 'x-bailiwick-classification'],
    ['an empty header', { headers: { 'x-bailiwick-data': '' } }, 'x-bailiwick-data'],
    ['a repeated element', { headers: { 'x-bailiwick-data': 'personal,personal' } }, 'x-bailiwick-data'],
    ['a malformed dry run', { headers: { 'x-bailiwick-dry-run': '1' } }, 'x-bailiwick-dry-run'],
  ])('%s: 400', async (_, sent, param) => {
    const { status, error } = await send(sent)
    expect([status, error['code'], error['type'], error['param']]).toEqual([400, 'invalid_request', 'invalid_request_error', param])
  })

  test('an unknown model: 404', async () => {
    const { status, error } = await send({ json: { ...GOOD, model: CANARY } })
    expect([status, error['code'], error['param']]).toEqual([404, 'model_not_found', 'model'])
  })
})

describe('where it is asked', () => {
  test.each([
    ['an unknown path', { path: '/v1/chat/completion' }], ['no version', { path: '/chat/completions' }], ['a wrong method', { method: 'GET' }],
    ['another wrong method', { method: 'PUT' }], ['deleting a model', { path: '/v1/models/vendor-x/good', method: 'DELETE' }], ['posting to models', { path: '/v1/models' }],
    ['a path that cannot be decoded', { path: '/%ff' }], ['the prompt in the path', { path: `/${CANARY}` }], ['the root', { path: '/', method: 'GET' }],
  ])('%s: 404', async (_, sent) => {
    const { status, error } = await send(sent)
    expect([status, error['code'], error['type'], error['param']]).toEqual([404, 'unknown_url', 'invalid_request_error', null])
  })
})

describe('how much is asked', () => {
  const MB = 1024 * 1024
  const big = (): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(64 * MB).fill(0x20)
    bytes.set(new TextEncoder().encode(JSON.stringify(GOOD)))
    return bytes
  }

  test('64 MB with its length: 413', async () => {
    const { status, error } = await send({ body: big() })
    expect([status, error['code'], error['type']]).toEqual([413, 'request_too_large', 'invalid_request_error'])
  })

  test('64 MB without its length: 413', async () => {
    let left = 64
    const piece = new Uint8Array(MB).fill(0x20)
    const body = new ReadableStream<Uint8Array>({ pull: c => (left-- > 0 ? c.enqueue(piece) : c.close()) })
    const { status, error } = await send({ body })
    expect([status, error['code']]).toEqual([413, 'request_too_large'])
  })
})

describe('a body that ends early is never dispatched', () => {
  const HEAD = `POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\nauthorization: Bearer ${KEYS.crm}\r\n`
  const whole = JSON.stringify(GOOD)
  /** Sends, stops sending, and gives back what the server said before it closed. */
  const sendAndStop = (text: string): Promise<string> => new Promise((resolve, reject) => {
    let said = ''
    const socket = connect({ port: world.port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(text))
    socket.setEncoding('utf8').on('data', (piece: string) => { said += piece }).on('error', reject).on('end', () => resolve(said))
  })
  const lost = async (id: string): Promise<unknown> => {
    await expect.poll(() => world.logged.find(line => line.event === 'request' && line.fields['id'] === id)).toBeDefined()
    return world.logged.find(line => line.event === 'request' && line.fields['id'] === id)?.fields
  }

  test('with fewer bytes than its length, though what came is whole JSON', async () => {
    const said = await sendAndStop(`${HEAD}x-request-id: short\r\ncontent-length: ${whole.length + 1}\r\n\r\n${whole}`)
    expect(said).toMatch(/^HTTP\/1\.1 400 /)
    expect(await lost('short')).toMatchObject({ status: 400, code: 'invalid_request' })
  })

  test('in pieces without the last one', async () => {
    const said = await sendAndStop(`${HEAD}x-request-id: unended\r\ntransfer-encoding: chunked\r\n\r\n${whole.length.toString(16)}\r\n${whole}\r\n`)
    expect(said).toMatch(/^HTTP\/1\.1 400 /)
    expect(await lost('unended')).toMatchObject({ status: 400, code: 'invalid_request' })
  })

  test('because the connection is reset', async () => {
    const socket = connect({ port: world.port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    socket.write(`${HEAD}x-request-id: reset\r\ncontent-length: ${whole.length + 1}\r\n\r\n${whole}`)
    await expect.poll(() => /bailiwick_requests_in_flight (\d+)/.exec(world.gateway.metrics.text())?.[1]).toBe('1')
    socket.resetAndDestroy()
    expect(await lost('reset')).toMatchObject({ status: 400, code: 'invalid_request' })
  })
})
