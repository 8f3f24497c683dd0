import { inspect } from 'node:util'
import type { ChatCompletion, ChatCompletionChunk, CreateEmbeddingResponse } from 'openai/resources'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import type { Deployment } from '../../src/catalog/catalog.ts'
import type { Failure } from '../../src/failure.ts'
import { failureOf } from '../../src/provider/broken.ts'
import type { ProviderCall } from '../../src/provider/provider.ts'
import { providers } from '../../src/provider/providers.ts'
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

/** A server that gives these lines as a stream, or the last of them as a whole answer. */
const lines = (...values: (object | string)[]): Promise<Listening> => serve((_, response, body) => {
  const written = values.map(value => (typeof value === 'string' ? value : JSON.stringify(value)))
  const streamed = (JSON.parse(body) as { stream?: boolean }).stream === true
  response.writeHead(200, { 'content-type': streamed ? 'application/x-ndjson' : 'application/json' })
  response.end(streamed ? written.join('\n') : written.at(-1))
})

const said = (message: object): object => ({ model: 'served', message: { role: 'assistant', content: '', ...message }, done: false })
const end = (more: object = {}): object => ({ model: 'served', message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', prompt_eval_count: 4, eval_count: 2, ...more })
const asked = { model: 'asked', messages: [{ role: 'user', content: PROMPT }] }
const streaming = (more: object = {}): ProviderCall => callFor({ ...asked, stream: true, ...more }, { stream: true })

async function answer(server: Listening, call: ProviderCall, more: Partial<Deployment> = {}): Promise<string> {
  const result = await provider.send(deployment(server.url, { dialect: 'ollama', ...more }), call, never())
  if (!result.ok) throw new Error(result.failure.message)
  return textOf(result.body)
}

const whole = async (server: Listening, body: object = asked): Promise<ChatCompletion> => JSON.parse(await answer(server, callFor(body))) as ChatCompletion
const chunks = (text: string): ChatCompletionChunk[] => text.split('\n\n').filter(event => event !== '' && event !== 'data: [DONE]').map(event => JSON.parse(event.slice(6)) as ChatCompletionChunk)

/** The failure of one call, at once or while its answer is read, checked for what must never be in one. */
async function failing(server: Listening, call: ProviderCall = callFor(asked), signal = never()): Promise<Failure> {
  const result = await provider.send(deployment(server.url, { dialect: 'ollama', key: 'env:KEY' }), call, signal)
  let failed: Failure
  if (result.ok) {
    const thrown: unknown = await textOf(result.body).then(text => { throw new Error(`was answered: ${text}`) }, (error: unknown) => error)
    failed = failureOf(thrown, signal, 'test-deployment')
  } else failed = result.failure
  const shown = inspect(failed, { depth: null, showHidden: true })
  for (const secret of [PROMPT, KEY, 'raw text']) expect(shown).not.toContain(secret)
  return failed
}

/** What the server was sent for a body. */
async function sent(body: object, more: Partial<Deployment> = {}): Promise<Record<string, unknown>> {
  const server = await lines(end())
  await answer(server, callFor(body), more)
  return JSON.parse(server.requests[0]?.body ?? '') as Record<string, unknown>
}

describe('a whole answer', () => {
  test('is a chat completion', async () => {
    const completion = await whole(await lines(end({ message: { role: 'assistant', content: 'Hello', thinking: 'hm' } })))
    expect(completion).toMatchObject({
      object: 'chat.completion', created: NOW / 1000, model: 'served',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello', reasoning_content: 'hm' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 },
    })
    expect(completion.id).toMatch(/^chatcmpl-[0-9a-z]{24}$/)
  })

  test('with calls of tools has ids, arguments as text, and says so', async () => {
    const server = await lines(end({ message: { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }, { function: { name: 'g', arguments: {} } }] } }))
    const choice = (await whole(server)).choices[0]
    expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: null, tool_calls: [{ type: 'function', function: { name: 'f', arguments: '{"a":1}' } }, { function: { name: 'g', arguments: '{}' } }] } })
    expect(new Set(choice?.message.tool_calls?.map(call => call.id)).size).toBe(2)
  })

  test('that was cut by its length says so', async () => {
    expect((await whole(await lines(end({ done_reason: 'length' })))).choices[0]?.finish_reason).toBe('length')
  })

  test('that is not done, or no JSON, is none', async () => {
    expect((await failing(await lines(said({ content: 'half' })))).code).toBe('upstream_error')
    expect((await failing(await lines(`raw text ${PROMPT}`))).code).toBe('upstream_error')
    expect((await failing(await lines('null'))).code).not.toBe('cancelled')
  })
})

describe('an answer that another machine gave', () => {
  const HOST = { remote_host: 'https://elsewhere.example' }, MODEL = { remote_model: 'raw text' }, local = { hosting: 'local' }
  const vectors = { model: 'served', embeddings: [[1, 0.5]] }
  const embedding = callFor({ model: 'asked', input: PROMPT }, { operation: 'embedding' })
  /** What came of one call: the failure, at once or while its answer is read, and all that was passed on. */
  const outcome = async (server: Listening, call: ProviderCall, more: Partial<Deployment>): Promise<{ readonly failed: Failure | undefined; readonly passed: string }> => {
    const result = await provider.send(deployment(server.url, { dialect: 'ollama', ...more }), call, never())
    if (!result.ok) return { failed: result.failure, passed: '' }
    let passed = ''
    try {
      for await (const chunk of result.body) passed += Buffer.from(chunk).toString()
    } catch (error) {
      return { failed: failureOf(error, never(), 'test-deployment'), passed }
    }
    return { failed: undefined, passed }
  }
  const ways = [
    ['whole', callFor(asked), (sign: object): object[] => [end({ message: { role: 'assistant', content: 'elsewhere' }, ...sign })]],
    ['whole and half', callFor(asked), (sign: object): object[] => [{ ...said({ content: 'elsewhere' }), ...sign }]],
    ['streamed', streaming(), (sign: object): object[] => [{ ...said({ content: 'elsewhere' }), ...sign }, end(sign)]],
    ['vectors', embedding, (sign: object): object[] => [{ ...vectors, ...sign }]],
  ] as const

  test.each(ways.flatMap(([way, call, values]) => [HOST, MODEL].map(sign => [way, sign, call, values] as const)))('%s, which says %j: nothing of it is passed on where the catalog says local', async (_, sign, call, values) => {
    const { failed, passed } = await outcome(await lines(...values(sign)), call, local)
    expect([failed?.code, failed?.cause, passed]).toEqual(['compliance_mismatch', 'it passed the prompt on to a remote host', ''])
    expect(inspect(failed, { depth: null, showHidden: true })).not.toMatch(/elsewhere\.example|raw text/)
  })

  test.each([
    ['is local and says nothing of another', 'local', {}], ['is local and names none', 'local', { remote_host: '', remote_model: null }],
    ['is said to be a cloud', 'cloud', HOST], ['is said to be nothing', undefined, HOST],
  ])('is an answer like any other where the deployment %s', async (_, hosting, sign) => {
    for (const [, call, values] of ways.filter(([way]) => way !== 'whole and half')) {
      const { failed, passed } = await outcome(await lines(...values(sign)), call, { hosting })
      expect([failed, passed.length > 0]).toEqual([undefined, true])
    }
  })

  test('and that says so only at its end never ends well', async () => {
    const { failed, passed } = await outcome(await lines(said({ content: 'a' }), end(HOST)), streaming(), local)
    expect([failed?.code, passed.includes('"finish_reason":"'), passed.includes('[DONE]')]).toEqual(['compliance_mismatch', false, false])
  })
})

describe('a streamed answer', () => {
  test('begins with the role, ends with the reason and [DONE], and gives no usage unasked', async () => {
    const text = await answer(await lines(said({ thinking: 'hm' }), said({ content: 'Hel' }), said({ content: 'lo 😀' }), end()), streaming())
    const all = chunks(text)
    expect(all.map(chunk => chunk.choices[0]?.delta)).toEqual([{ role: 'assistant', content: '' }, { reasoning_content: 'hm' }, { content: 'Hel' }, { content: 'lo 😀' }, {}])
    expect(all.map(chunk => chunk.choices[0]?.finish_reason)).toEqual([null, null, null, null, 'stop'])
    expect(new Set(all.map(chunk => chunk.id)).size).toBe(1)
    expect(text).not.toContain('usage')
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  test('gives usage in a chunk of its own when asked', async () => {
    const all = chunks(await answer(await lines(said({ content: 'x' }), end()), streaming({ stream_options: { include_usage: true } })))
    expect(all.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 } })
    expect(all.slice(0, -1).every(chunk => chunk.usage === null)).toBe(true)
  })

  test('numbers its calls of tools over all chunks', async () => {
    const call = (name: string): object => said({ tool_calls: [{ function: { name, arguments: { x: name } } }] })
    const all = chunks(await answer(await lines(call('f'), call('g'), end()), streaming()))
    const calls = all.flatMap(chunk => chunk.choices[0]?.delta.tool_calls ?? [])
    expect(calls.map(item => [item.index, item.function?.name, item.function?.arguments])).toEqual([[0, 'f', '{"x":"f"}'], [1, 'g', '{"x":"g"}']])
    expect(all.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls')
  })

  test.each([
    ['without done', [said({ content: 'half' })]], ['with a status that only looks like an end', [{ ...said({ content: 'half' }), status: 'success' }]],
    ['with half a line', [said({ content: 'a' }), '{"model":"served","mess']], ['with garbage', [said({ content: 'a' }), `raw text ${PROMPT}`, end()]],
    ['with an error', [said({ content: 'a' }), { error: `raw text ${PROMPT}` }]], ['empty', ['']],
  ])('%s is never a complete one, and nothing of it is printed', async (_, values) => {
    const printed = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'log'), vi.spyOn(console, 'error')]
    const server = await lines(...values)
    const result = await provider.send(deployment(server.url, { dialect: 'ollama' }), streaming(), never())
    if (!result.ok) throw new Error(result.failure.message)
    let passed = ''
    const read = (async () => { for await (const chunk of result.body) passed += Buffer.from(chunk).toString() })()
    await expect(read).rejects.toHaveProperty('failure.code')
    expect(passed).not.toContain('[DONE]')
    expect(passed).not.toContain('"finish_reason":"')
    expect(await failing(server, streaming())).toHaveProperty('code')
    for (const spy of printed) {
      expect(spy).not.toHaveBeenCalled()
      spy.mockRestore()
    }
  })

  test('cut by the connection is unreachable', async () => {
    const server = await serve((request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.write(`${JSON.stringify(said({ content: 'a' }))}\n`, () => request.socket.destroy())
    })
    expect((await failing(server, streaming())).code).toBe('unreachable')
  })

  test.each(['the signal', 'leaving'] as const)('is ended by %s, which closes the connection', async way => {
    const closed = Promise.withResolvers<void>()
    const server = await serve((request, response) => {
      request.socket.on('close', () => closed.resolve())
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.write(`${JSON.stringify(said({ content: 'a' }))}\n`)
    })
    const controller = new AbortController()
    const result = await provider.send(deployment(server.url, { dialect: 'ollama' }), streaming(), controller.signal)
    if (!result.ok) throw new Error(result.failure.message)
    const read = async (): Promise<void> => {
      for await (const chunk of result.body) {
        expect(chunk.length).toBeGreaterThan(0)
        if (way === 'leaving') break
        controller.abort()
      }
    }
    if (way === 'leaving') await read()
    else await expect(read()).rejects.toMatchObject({ failure: { code: 'cancelled' } })
    await closed.promise
  })
})

describe('no answer', () => {
  test.each([
    [404, { code: 'misconfigured', upstream: { status: 404 } }], [400, { code: 'refused_by_provider', status: 400 }],
    [500, { code: 'upstream_error' }], [503, { code: 'upstream_error' }], [429, { code: 'busy' }],
  ])('status %i', async (status, expected) => {
    const json = await serve((_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: `raw text ${PROMPT}` })))
    expect(await failing(json)).toMatchObject(expected)
    expect(await failing(json, streaming())).toMatchObject(expected)
    const printed = vi.spyOn(console, 'log')
    expect(await failing(await serve((_, response) => response.writeHead(status).end(`raw text ${PROMPT}`)))).toMatchObject(expected)
    expect(printed).not.toHaveBeenCalled()
    printed.mockRestore()
  })

  test('aborted while headers are awaited, and nobody there', async () => {
    const closed = Promise.withResolvers<void>()
    const controller = new AbortController()
    const slow = await serve(request => {
      request.socket.on('close', () => closed.resolve())
      controller.abort()
    })
    expect((await failing(slow, callFor(asked), controller.signal)).code).toBe('cancelled')
    await closed.promise
    const gone = await listen(() => undefined)
    await gone.close()
    expect(await failing(gone)).toMatchObject({ code: 'unreachable', cause: 'ECONNREFUSED' })
  })

  test('a missing key and a legacy completion send nothing', async () => {
    const server = await lines(end())
    const missing = await provider.send(deployment(server.url, { dialect: 'ollama', key: 'env:MISSING' }), callFor(asked), never())
    expect(missing).toMatchObject({ ok: false, failure: { code: 'misconfigured' } })
    expect(await failing(server, callFor(asked, { operation: 'completion' }))).toMatchObject({ code: 'refused_by_provider', status: 400 })
    expect(server.requests).toHaveLength(0)
  })
})

describe('what is asked', () => {
  test('carries the key and no other header of the package\'s', async () => {
    const server = await lines(end())
    await provider.send(deployment(server.url, { dialect: 'ollama', key: 'env:KEY' }), callFor(asked), never())
    expect(server.requests[0]).toMatchObject({ path: '/api/chat', headers: { authorization: `Bearer ${KEY}` } })
    expect(server.requests[0]?.headers['user-agent']).toBeUndefined()
  })

  test('carries options, format and tools', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
    expect(await sent({
      ...asked, temperature: 0, top_p: 0.5, seed: 3, stop: 'x', max_tokens: 9, frequency_penalty: 1, presence_penalty: 0.5, tools, tool_choice: 'auto',
      response_format: { type: 'json_schema', json_schema: { name: 's', schema: { type: 'object' } } }, user: 'u', metadata: { a: 'b' }, n: 1, logprobs: false, top_k: null,
    })).toMatchObject({
      model: 'served', stream: false, format: { type: 'object' }, tools, truncate: false, shift: false, keep_alive: '10m', messages: [{ role: 'user', content: PROMPT }],
      options: { temperature: 0, top_p: 0.5, seed: 3, stop: ['x'], num_predict: 9, frequency_penalty: 1, presence_penalty: 0.5 },
    })
    expect((await sent({ ...asked, response_format: { type: 'json_object' } }))['format']).toBe('json')
    expect(await sent({ ...asked, response_format: { type: 'text' }, tools, tool_choice: 'none' })).not.toHaveProperty('tools')
    expect(await sent({ ...asked, max_tokens: 9, max_completion_tokens: 5, stop: ['a', 'b'] })).toMatchObject({ options: { num_predict: 5, stop: ['a', 'b'] } })
  })

  test('carries messages with parts, images, calls and their results', async () => {
    const { messages } = await sent({ model: 'asked', messages: [
      { role: 'developer', content: 'be brief' },
      { role: 'user', content: [{ type: 'text', text: 'what' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } }] },
      { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }] },
      { role: 'tool', tool_call_id: 'c1', content: 'result' },
    ] })
    expect(messages).toEqual([
      { role: 'system', content: 'be brief' }, { role: 'user', content: 'what', images: ['aGk='] },
      { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }] }, { role: 'tool', content: 'result', tool_name: 'f' },
    ])
  })

  test.each([
    [{ n: 2 }, 'n'], [{ logprobs: true }, 'logprobs'], [{ audio: {} }, 'audio'], [{ modalities: ['text', 'audio'] }, 'modalities'], [{ logit_bias: { 5: 1 } }, 'logit_bias'],
    [{ tool_choice: 'required' }, 'tool_choice'], [{ temperature: 'hot' }, 'temperature'], [{ stop: [1] }, 'stop'], [{ response_format: { type: 'other' } }, 'response_format'],
    [{ tools: [{ type: 'custom' }] }, 'tools[0]'], [{ never_heard_of: 1 }, 'never_heard_of'], [{ 'canary-prompt is long': 1 }, 'a parameter'], [{ messages: [] }, 'messages'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }] }, 'messages[0].content[0].image_url'],
    [{ messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] }, 'messages[0].content[0]'], [{ messages: [{ role: 'narrator', content: '' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user', content: 'x', name: 'n' }] }, 'messages[0].name'],
    [{ messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: 'no json' } }] }] }, 'messages[0].tool_calls[0]'],
  ])('%j is refused by name and never dropped', async (more, param) => {
    const server = await lines(end())
    expect(await failing(server, callFor({ ...asked, ...more }))).toMatchObject({ code: 'refused_by_provider', status: 400, param })
    expect(server.requests).toHaveLength(0)
  })

  test('asks for a context that holds the prompt, in steps, up to what the model has', async () => {
    const contextFor = async (text: string, more: object = {}, known: Partial<Deployment> = {}): Promise<unknown> =>
      ((await sent({ model: 'asked', messages: [{ role: 'user', content: text }], ...more }, known))['options'] as { num_ctx: number }).num_ctx
    expect(await contextFor('short')).toBe(4_096)
    expect(await contextFor('x'.repeat(12_000))).toBe(8_192)
    expect(await contextFor('字'.repeat(12_000))).toBe(32_768)
    expect(await contextFor('x'.repeat(12_000), { max_tokens: 8_000 })).toBe(16_384)
    expect(await contextFor('x'.repeat(12_000), { max_tokens: 8_000 }, { context: 10_000 })).toBe(10_000)
    expect(await contextFor('short', { max_tokens: 1_000_000 })).toBe(32_768)
    expect(await contextFor('short', {}, { context: 2_048 })).toBe(2_048)
  })
})

describe('embeddings', () => {
  const vectors = { model: 'served', embeddings: [[1, 0.5], [0, -1]], prompt_eval_count: 3 }
  const embedding = (more: object): ProviderCall => callFor({ model: 'asked', input: ['a', PROMPT], ...more }, { operation: 'embedding' })

  test('are a list in the order asked, as numbers or as base64', async () => {
    const server = await lines(vectors)
    const list = JSON.parse(await answer(server, embedding({ dimensions: 2 }))) as CreateEmbeddingResponse
    expect(list).toMatchObject({ object: 'list', data: [{ index: 0, embedding: [1, 0.5] }, { index: 1, embedding: [0, -1] }], usage: { prompt_tokens: 3, total_tokens: 3 } })
    expect(JSON.parse(server.requests[0]?.body ?? '')).toMatchObject({ model: 'served', input: ['a', PROMPT], truncate: false, dimensions: 2 })
    const coded = JSON.parse(await answer(server, embedding({ encoding_format: 'base64' }))) as { data: { embedding: string }[] }
    expect(Buffer.from(coded.data[0]?.embedding ?? '', 'base64').readFloatLE(4)).toBe(0.5)
  })

  test.each([[{ input: [[1, 2]] }, 'input'], [{ input: [] }, 'input'], [{ encoding_format: 'x' }, 'encoding_format'], [{ odd: 1 }, 'odd']])('%j is refused by name', async (more, param) => {
    expect(await failing(await lines(vectors), embedding(more))).toMatchObject({ code: 'refused_by_provider', param })
  })

  test('fewer vectors than texts are no answer', async () => {
    expect((await failing(await lines({ ...vectors, embeddings: [[1]] }), embedding({}))).code).toBe('upstream_error')
  })
})
