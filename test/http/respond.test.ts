import { describe, expect, test } from 'vitest'
import { failure, type Failure } from '../../src/failure.ts'
import { failed, json, toResponse, type Reply } from '../../src/http/respond.ts'

type Seen = { readonly ended: string[]; readonly broke: unknown[] }
function respond(reply: Reply): { response: Response; seen: Seen } {
  const seen: Seen = { ended: [], broke: [] }
  return { seen, response: toResponse(reply, { requestId: 'r-1', ended: how => seen.ended.push(how), broke: thrown => seen.broke.push(thrown) }) }
}
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const stream = (body: AsyncIterable<Uint8Array>): Reply => ({ kind: 'stream', headers: {}, contentType: 'text/event-stream', body })

describe('a failure', () => {
  const respondTo = (f: Failure): Response => respond(failed(f)).response

  test('has one shape, with null for what is absent', async () => {
    const response = respondTo(failure('no_permitted_model', 'No.'))
    expect(response.status).toBe(403)
    expect(Object.fromEntries(response.headers)).toEqual({ 'content-type': 'application/json', 'x-request-id': 'r-1' })
    expect(await response.json()).toEqual({ error: { message: 'No.', type: 'permission_error', param: null, code: 'no_permitted_model' } })
  })

  test('waits in whole seconds, rounded up, and only where waiting helps', () => {
    expect(respondTo(failure('permitted_models_unavailable', 'Later.', { retryAfterMs: 1_001 })).headers.get('retry-after')).toBe('2')
    expect(respondTo(failure('permitted_models_unavailable', 'Later.')).headers.get('retry-after')).toBeNull()
  })

  test("of a provider carries its status and its code, and nothing else of the provider's", async () => {
    const response = respondTo(failure('refused_by_provider', 'Refused.', { status: 413, upstream: { status: 413, code: 'context_length_exceeded', type: 'server-type' }, cause: 'canary' }))
    expect(response.status).toBe(413)
    expect(await response.json()).toEqual({ error: { message: 'Refused.', type: 'invalid_request_error', param: null, code: 'context_length_exceeded' } })
  })

  test('for want of a key says which scheme would do; another does not', () => {
    expect(respondTo(failure('invalid_api_key', 'No key.')).headers.get('www-authenticate')).toBe('Bearer')
    expect(respondTo(failure('no_permitted_model', 'No.')).headers.get('www-authenticate')).toBeNull()
  })
})

test('a header value that HTTP cannot carry is made plain, and the answer still goes out', () => {
  const { response } = respond(json({}, { 'x-bailiwick-degraded': 'modèle\r\nset-cookie: a=b' }))
  expect(response.headers.get('x-bailiwick-degraded')).toBe('mod?le??set-cookie: a=b')
  expect(response.headers.get('set-cookie')).toBeNull()
})

describe('a stream', () => {
  test('passes bytes on as they are asked for, and ends once', async () => {
    let given = 0
    const { response, seen } = respond(stream((async function* () {
      for (const text of ['a', 'b', 'c']) { given += 1; yield bytes(text) }
    })()))
    expect(Object.fromEntries(response.headers)).toEqual({ 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no', 'x-request-id': 'r-1' })
    const reader = response.body!.getReader()
    expect(given).toBe(0)
    await reader.read()
    expect(given).toBe(1)
    expect(seen.ended).toEqual([])
    expect((await reader.read()).value).toEqual(bytes('b'))
    expect((await reader.read()).value).toEqual(bytes('c'))
    expect((await reader.read()).done).toBe(true)
    expect(seen).toEqual({ ended: ['sent'], broke: [] })
  })

  test('that the caller leaves is left at its source', async () => {
    let left = false
    const { response, seen } = respond(stream((async function* () {
      try { for (;;) yield bytes('a') } finally { left = true }
    })()))
    const reader = response.body!.getReader()
    await reader.read()
    await reader.cancel()
    expect(left).toBe(true)
    expect(seen).toEqual({ ended: ['left'], broke: [] })
  })

  test('that is left while it waits ends once, and what comes late is dropped', async () => {
    const asked = Promise.withResolvers<void>()
    const late = Promise.withResolvers<IteratorResult<Uint8Array>>()
    const { response, seen } = respond(stream({ [Symbol.asyncIterator]: () => ({
      next: () => { asked.resolve(); return late.promise },
      return: () => Promise.resolve({ done: true as const, value: undefined }),
    }) }))
    const reader = response.body!.getReader()
    const waiting = reader.read()
    await asked.promise
    await reader.cancel()
    late.resolve({ done: false, value: bytes('late') })
    expect(await waiting).toEqual({ done: true, value: undefined })
    await new Promise(resolve => { setImmediate(resolve) })
    expect(seen).toEqual({ ended: ['left'], broke: [] })
  })

  test('that breaks its promise ends with an error event, without what was thrown', async () => {
    const { response, seen } = respond(stream((async function* () {
      yield bytes('data: {}\n\n')
      throw new Error('canary')
    })()))
    const text = await response.text()
    expect(text).toMatch(/^data: \{\}\n\nevent: error\ndata: .*"code":"internal_error".*\n\n$/)
    expect(text).not.toContain('canary')
    expect(text).not.toContain('[DONE]')
    expect(seen.ended).toEqual(['sent'])
    expect(seen.broke).toHaveLength(1)
  })
})
