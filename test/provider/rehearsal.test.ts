import { createAdaptorServer } from '@hono/node-server'
import type { AddressInfo } from 'node:net'
import OpenAI, { NotFoundError } from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rehearsal } from '../../src/provider/rehearsal.ts'
import { NOW, PROMPT } from './support.ts'

const paths: string[] = []
const settings = {
  pretends: 'us-cloud', models: ['small', 'large'], clock: { now: () => NOW },
  after: (_: number, then: () => void) => {
    const timer = setImmediate(then)
    return () => clearImmediate(timer)
  },
  seen: (path: string) => void paths.push(path),
} as const
const server = createAdaptorServer({ fetch: rehearsal(settings) })
let client: OpenAI
let url: string

beforeAll(async () => {
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0 })
})
afterAll(() => void server.close())

const messages = [{ role: 'user' as const, content: PROMPT }]
const ask = (body: object, pretends: 'us-cloud' | 'eu-cloud' | 'local' = 'us-cloud'): Promise<Response> =>
  rehearsal({ ...settings, pretends })(new Request('http://rehearsal/v1/chat/completions', { method: 'POST', body: JSON.stringify(body) }))

describe('with the real client', () => {
  test('a whole answer says that it is a rehearsal', async () => {
    const before = paths.length
    const completion = await client.chat.completions.create({ model: 'small', messages })
    expect(completion).toMatchObject({ object: 'chat.completion', created: NOW / 1000, model: 'small', system_fingerprint: 'rehearsal', choices: [{ finish_reason: 'stop' }] })
    expect(completion.choices[0]?.message.content).toMatch(/rehearsal.*no language model.*United States/)
    expect(completion.usage?.total_tokens).toBe((completion.usage?.prompt_tokens ?? 0) + (completion.usage?.completion_tokens ?? 0))
    expect(paths.slice(before)).toEqual(['/v1/chat/completions'])
    expect(JSON.stringify(completion)).not.toContain(PROMPT)
  })

  test('a stream says the same in several chunks, with usage only when asked', async () => {
    const whole = (await client.chat.completions.create({ model: 'small', messages })).choices[0]?.message.content
    for (const usage of [true, false]) {
      let text = ''
      const chunks = []
      for await (const chunk of await client.chat.completions.create({ model: 'small', messages, stream: true, ...(usage ? { stream_options: { include_usage: true } } : {}) })) {
        chunks.push(chunk)
        text += chunk.choices[0]?.delta.content ?? ''
      }
      expect(text).toBe(whole)
      expect(chunks.filter(chunk => chunk.choices[0]?.delta.content).length).toBeGreaterThan(3)
      expect(chunks.every(chunk => chunk.system_fingerprint === 'rehearsal')).toBe(true)
      expect(chunks.filter(chunk => chunk.usage)).toHaveLength(usage ? 1 : 0)
    }
  })

  test('embeddings depend on the text alone, in both formats', async () => {
    const [same, again, other] = (await client.embeddings.create({ model: 'small', input: ['a', 'a', 'b'], encoding_format: 'float' })).data.map(item => item.embedding)
    expect(again).toEqual(same)
    expect(other).not.toEqual(same)
    expect(Math.hypot(...(same ?? []))).toBeCloseTo(1)
    // Left alone, the client asks for base64 and decodes it.
    const decoded = (await client.embeddings.create({ model: 'small', input: 'a' })).data[0]?.embedding ?? []
    expect(decoded).toHaveLength(same?.length ?? -1)
    decoded.forEach((number, index) => expect(number).toBeCloseTo(same?.[index] ?? NaN, 6))
    expect((await client.embeddings.create({ model: 'small', input: 'a', dimensions: 3, encoding_format: 'float' })).data[0]?.embedding).toHaveLength(3)
  })

  test('the models are those it was given', async () => {
    expect((await client.models.list()).data.map(model => [model.id, model.owned_by])).toEqual([['small', 'rehearsal'], ['large', 'rehearsal']])
  })

  test('another model is a 404 of the right class', async () => {
    await expect(client.chat.completions.create({ model: 'other', messages })).rejects.toBeInstanceOf(NotFoundError)
    await expect(client.chat.completions.create({ model: 'other', messages })).rejects.toMatchObject({ code: 'model_not_found', param: 'model' })
  })
})

test.each([['us-cloud', /United States/], ['eu-cloud', /European Union/], ['local', /your own/]] as const)('%s says what it stands in for', async (pretends, words) => {
  expect(await (await ask({ model: 'small', messages }, pretends)).text()).toMatch(words)
})

test('an answer asked for as JSON is JSON', async () => {
  const completion = await (await ask({ model: 'small', messages, response_format: { type: 'json_object' } })).json() as OpenAI.ChatCompletion
  expect(JSON.parse(completion.choices[0]?.message.content ?? '')).toHaveProperty('rehearsal')
})

test.each([
  [{ messages: [] }, 'messages'], [{ messages: 'x' }, 'messages'], [{ messages: [1] }, 'messages[0]'], [{ messages: [{ role: 'narrator', content: 'x' }] }, 'messages[0].role'],
  [{ messages: [{ role: 'user' }] }, 'messages[0].content'], [{ messages: [{ role: 'user', content: null }] }, 'messages[0].content'], [{ n: 2 }, 'n'], [{ stream: 'yes' }, 'stream'], [{ model: 7 }, 'model'],
])('%j is refused as a real server would', async (more, param) => {
  const response = await ask({ model: 'small', messages, ...more })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', param, message: expect.any(String) as string } })
})

test('an assistant that calls a tool needs no content', async () => {
  const calling = [...messages, { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] }, { role: 'tool', tool_call_id: 'c', content: 'r' }]
  expect((await ask({ model: 'small', messages: calling })).status).toBe(200)
})

test.each([['GET', '/v1/chat/completions'], ['POST', '/v1/other'], ['GET', '/']])('%s %s is an unknown address, in the one shape of an error', async (method, path) => {
  const response = await fetch(`${url}${path}`, { method })
  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({ error: { code: 'unknown_url' } })
})

test('a body that is no JSON is refused without being repeated', async () => {
  const response = await rehearsal(settings)(new Request('http://rehearsal/v1/embeddings', { method: 'POST', body: `{${PROMPT}` }))
  expect(response.status).toBe(400)
  expect(await response.text()).not.toContain(PROMPT)
})

test('a reader who leaves stops the clock', async () => {
  let forgotten = 0
  const waiting = rehearsal({ ...settings, after: (_, then) => { if (forgotten === 0) queueMicrotask(then); return () => { forgotten += 1 } } })
  const response = await waiting(new Request('http://rehearsal/v1/chat/completions', { method: 'POST', body: JSON.stringify({ model: 'small', messages, stream: true }) }))
  const reader = response.body?.getReader()
  expect((await reader?.read())?.done).toBe(false)
  await reader?.cancel()
  expect(forgotten).toBe(1)
})
