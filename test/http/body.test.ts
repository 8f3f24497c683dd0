import { describe, expect, test } from 'vitest'
import { readJson } from '../../src/http/body.ts'

const LIMIT = 1_000
const CANARY = 'canary-in-the-body'

function post(body: string | Uint8Array | ReadableStream<Uint8Array>, headers: Record<string, string> = {}): Request {
  const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: body as RequestInit['body'], duplex: 'half' }
  return new Request('http://gateway.test/', init as RequestInit)
}
async function refusal(request: Request): Promise<{ code: string; message: string; param?: string }> {
  const read = await readJson(request, LIMIT)
  if (read.ok) throw new Error('the body was accepted')
  expect(JSON.stringify(read.failure)).not.toContain(CANARY)
  return read.failure
}
const streamed = (chunks: readonly string[], end: (controller: ReadableStreamDefaultController<Uint8Array>) => void): ReadableStream<Uint8Array> => {
  const left = [...chunks]
  return new ReadableStream({ pull: controller => {
    const next = left.shift()
    if (next === undefined) end(controller)
    else controller.enqueue(new TextEncoder().encode(next))
  } })
}

describe('a body', () => {
  test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset=UTF-8'])('is read as %s', async type => {
    const read = await readJson(post('{"model":"m"}', { 'content-type': type }), LIMIT)
    expect(read.ok && read.body.value).toEqual({ model: 'm' })
  })

  test.each(['text/plain', 'application/jsonp', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', ''])('is refused as %j', async type => {
    expect(await refusal(post('{"model":"m"}', { 'content-type': type }))).toMatchObject({ code: 'invalid_request', param: 'content-type' })
  })

  test('is refused when it is compressed', async () => {
    expect(await refusal(post('{}', { 'content-encoding': 'gzip' }))).toMatchObject({ code: 'invalid_request', param: 'content-encoding' })
  })

  test('may come without its length, in pieces', async () => {
    const read = await readJson(post(streamed(['{"mod', 'el":"m"}'], c => c.close())), LIMIT)
    expect(read.ok && read.body.value).toEqual({ model: 'm' })
  })
})

describe('the limit', () => {
  const body = (bytes: number): string => `{"a":"${'x'.repeat(bytes - 8)}"}`

  test('a body of exactly the limit is read, with and without its length', async () => {
    expect((await readJson(post(body(LIMIT), { 'content-length': String(LIMIT) }), LIMIT)).ok).toBe(true)
    expect((await readJson(post(streamed([body(LIMIT)], c => c.close())), LIMIT)).ok).toBe(true)
  })

  test('one byte more is refused by its stated length, before anything is read', async () => {
    let pulled = 0
    const unread = new ReadableStream<Uint8Array>({ pull: c => { pulled += 1; c.close() } }, { highWaterMark: 0 })
    expect(await refusal(post(unread, { 'content-length': String(LIMIT + 1) }))).toMatchObject({ code: 'request_too_large' })
    expect(pulled).toBe(0)
  })

  test('one byte more is refused by counting, and the rest is not read', async () => {
    let pulled = 0, left = false
    const endless = new ReadableStream<Uint8Array>({ pull: c => { pulled += 1; c.enqueue(new Uint8Array(100)) }, cancel: () => { left = true } }, { highWaterMark: 0 })
    expect(await refusal(post(endless))).toMatchObject({ code: 'request_too_large' })
    expect(left).toBe(true)
    expect(pulled).toBeLessThanOrEqual(LIMIT / 100 + 2)
  })
})

describe('a body that ends early is refused', () => {
  test('when it has fewer bytes than it said', async () => {
    expect(await refusal(post('{"model":"m"}', { 'content-length': '14' }))).toMatchObject({ code: 'invalid_request', message: 'The body ended before it was complete.' })
  })
  test('when the connection is lost, though what came was whole JSON', async () => {
    expect(await refusal(post(streamed(['{"model":"m"}'], c => c.error(new Error(CANARY)))))).toMatchObject({ code: 'invalid_request', message: 'The body ended before it was complete.' })
  })
})

describe('what is wrong is said with its place and without its words', () => {
  test.each([
    ['{"model": "m",\n "messages": canary-in-the-body}', 'The body is not valid JSON at line 2, column 14.'],
    [`{"model": "${CANARY}`, 'The body is not valid JSON: it ends too early.'],
    ['', 'The body is not valid JSON: it ends too early.'],
    ['[1]', 'The body must be a JSON object.'],
    ['null', 'The body must be a JSON object.'],
    ['\ufeff{}', 'The body begins with a byte order mark; send UTF-8 without one.'],
  ])('%j', async (body, message) => {
    expect(await refusal(post(body))).toMatchObject({ code: 'invalid_request', message })
  })
  test('bytes that are no text', async () => {
    expect(await refusal(post(Uint8Array.from([0x7b, 0x22, 0xff, 0x22])))).toMatchObject({ message: 'The body is not valid UTF-8 at byte 3.' })
  })
  test('a member written twice', async () => {
    expect(await refusal(post(`{"model":"a","model":"${CANARY}"}`))).toMatchObject({ code: 'invalid_request', param: 'model' })
  })
})
