/** The real client of OpenAI against a listening gateway: its classes of error, its answers, its streams. */
import OpenAI, {
  APIError, APIUserAbortError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError, PermissionDeniedError, RateLimitError,
} from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_TOKEN, CANARY, KEYS, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => { world = await startWorld() })
afterAll(() => world.close())

const client = (apiKey: string = KEYS.crm, defaultHeaders: Record<string, string> = {}): OpenAI =>
  new OpenAI({ baseURL: `${world.url}/v1`, apiKey, maxRetries: 0, defaultHeaders })
const chat = (model: string, more: object = {}): OpenAI.ChatCompletionCreateParamsNonStreaming => ({ model, messages: [{ role: 'user', content: CANARY }], ...more })

type ErrorClass = new (...given: never[]) => APIError
async function raised(asked: PromiseLike<unknown>, as: ErrorClass): Promise<APIError> {
  const thrown: unknown = await asked.then(() => new Error('nothing was raised'), (e: unknown) => e)
  expect(thrown).toBeInstanceOf(as)
  const error = thrown as APIError
  expect(error.requestID).toMatch(/^[A-Za-z0-9._-]{1,128}$/)
  expect(`${error.message}${JSON.stringify(error.error)}`).not.toContain(CANARY)
  return error
}

describe('answers', () => {
  test('a whole chat completion, with where it came from', async () => {
    const { data, response, request_id } = await client().chat.completions.create(chat('vendor-x/good')).withResponse()
    expect(data.choices[0]?.message.content).toBe('Good day.')
    expect(request_id).toBe(response.headers.get('x-request-id'))
    expect(response.headers.get('x-bailiwick-deployment')).toBe('good')
    expect(response.headers.get('x-bailiwick-processed-in')).toBe('FR')
    expect(response.headers.get('x-bailiwick-decision')).toMatch(/^d-/)
  })

  test('the best permitted one', async () => {
    const answered = await client().chat.completions.create(chat('auto', { models: ['auto'] }))
    expect(answered.choices[0]?.message.content).toBe('Good day.')
  })

  test('a completion and an embedding', async () => {
    expect((await client().completions.create({ model: 'vendor-x/good', prompt: CANARY })).choices[0]?.text).toBe('Yes.')
    const embedded = await client().embeddings.create({ model: 'vendor-x/vectors', input: CANARY, encoding_format: 'float' })
    expect(embedded.data[0]?.embedding).toEqual([0.25, -0.5])
  })

  test('a stream, piece by piece', async () => {
    const { data, response } = await client().chat.completions.create({ ...chat('vendor-x/good'), stream: true }).withResponse()
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('cache-control')).toBe('no-cache')
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    const pieces: string[] = []
    for await (const chunk of data) pieces.push(chunk.choices[0]?.delta.content ?? '')
    expect(pieces).toEqual(['Good', ' day.', ''])
  })

  test('a request id of the caller comes back; one that is no id does not', async () => {
    const id = async (given: string): Promise<string | null | undefined> => (await client(KEYS.crm, { 'x-request-id': given }).chat.completions.create(chat('vendor-x/good')).withResponse()).request_id
    expect(await id('trace.1_a-B')).toBe('trace.1_a-B')
    expect(await id('no id')).toMatch(/^req_[0-9a-f]{32}$/)
    expect(await id('x'.repeat(129))).toMatch(/^req_[0-9a-f]{32}$/)
  })
})

describe('refusals raise the class that callers know', () => {
  test('BadRequestError: a wrong field, a wrong header, an unfit model', async () => {
    expect(await raised(client().chat.completions.create({ ...chat('vendor-x/good'), stream: 'yes' as never }), BadRequestError)).toMatchObject({ code: 'invalid_request', param: 'stream' })
    expect(await raised(client(KEYS.crm, { 'x-bailiwick-user-in': 'nowhere' }).chat.completions.create(chat('vendor-x/good')), BadRequestError)).toMatchObject({ code: 'invalid_request', param: 'x-bailiwick-user-in' })
    await raised(client().chat.completions.create(chat('vendor-x/vectors')), BadRequestError)
  })

  test('BadRequestError: the provider read it and refused it; its words stay there, its code comes', async () => {
    expect(await raised(client().chat.completions.create(chat('vendor-x/refusing')), BadRequestError)).toMatchObject({ status: 400, code: 'content_filter', type: 'invalid_request_error' })
  })

  test('AuthenticationError', async () => {
    expect(await raised(client('wrong').chat.completions.create(chat('vendor-x/good')), AuthenticationError)).toMatchObject({ code: 'invalid_api_key' })
    expect(await raised(client(ADMIN_TOKEN).models.list(), AuthenticationError)).toMatchObject({ code: 'invalid_api_key' })
  })

  test('PermissionDeniedError: the policies permit it for nothing and refuse it for personal data', async () => {
    const personal = { 'x-bailiwick-data': 'personal' }
    const refused = await raised(client(KEYS.crm, personal).chat.completions.create(chat('vendor-x/far')), PermissionDeniedError)
    expect(refused).toMatchObject({ status: 403, code: 'no_permitted_model' })
    expect(refused.headers?.get('x-bailiwick-decision')).toMatch(/^d-/)
    const permitted = await client(KEYS.crm, personal).chat.completions.create(chat('vendor-x/good'))
    expect(permitted.choices[0]?.message.content).toBe('Good day.')
    expect((await client(KEYS.lab).chat.completions.create(chat('vendor-x/far'))).choices).toHaveLength(1)
  })

  test('PermissionDeniedError: data that the app is not registered to carry', async () => {
    expect(await raised(client(KEYS.lab, { 'x-bailiwick-data': 'personal' }).chat.completions.create(chat('vendor-x/good')), PermissionDeniedError)).toMatchObject({ code: 'data_not_registered' })
  })

  test('NotFoundError: no such model, no such path', async () => {
    expect(await raised(client().chat.completions.create(chat(CANARY)), NotFoundError)).toMatchObject({ code: 'model_not_found' })
    expect(await raised(client().models.retrieve('vendor-z/lab-only'), NotFoundError)).toMatchObject({ code: 'model_not_found', param: 'model' })
    expect(await raised(client().get('/nothing-here'), NotFoundError)).toMatchObject({ code: 'unknown_url' })
  })

  test('RateLimitError, once the one request of the minute is spent, with how long to wait', async () => {
    await client(KEYS.once).chat.completions.create(chat('vendor-x/good'))
    const refused = await raised(client(KEYS.once).chat.completions.create(chat('vendor-x/good')), RateLimitError)
    expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded' })
    expect(refused.headers?.get('retry-after')).toMatch(/^[1-9]\d?$/)
  })

  test('InternalServerError: the provider failed, or nothing permitted can be reached', async () => {
    const failing = await raised(client().chat.completions.create(chat('vendor-x/failing')), InternalServerError)
    expect(failing).toMatchObject({ status: 503, code: 'permitted_models_unavailable' })
    expect(failing.message).toContain('failing: upstream_error')
    const unreachable = await raised(client().chat.completions.create(chat('vendor-x/facts-only')), InternalServerError)
    expect(unreachable).toMatchObject({ status: 503, code: 'permitted_models_unavailable' })
    expect(unreachable.headers?.get('retry-after')).toMatch(/^\d+$/)
  })
})

describe('answers that do not end well', () => {
  test('one that is cut raises in the middle, and gives what came before', async () => {
    const stream = await client().chat.completions.create({ ...chat('vendor-x/cutting'), stream: true })
    const pieces: string[] = []
    const thrown: unknown = await (async () => { for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? '') })().then(() => undefined, (e: unknown) => e)
    expect(thrown).toBeInstanceOf(APIError)
    expect(pieces[0]).toBe('Good')
  })

  test('a caller who hangs up before anything came ends the call at the provider', async () => {
    const before = world.provider.asked.length
    const controller = new AbortController()
    const asked = client(KEYS.crm, { 'x-request-id': 'hung-up-early' }).chat.completions.create(chat('vendor-x/hanging'), { signal: controller.signal })
    const ended = expect(asked).rejects.toBeInstanceOf(APIUserAbortError)
    await expect.poll(() => world.provider.asked.length).toBe(before + 1)
    controller.abort()
    await ended
    await world.provider.asked[before]!.closed
    await expect.poll(() => world.logged.find(line => line.event === 'request' && line.fields['id'] === 'hung-up-early')?.fields).toMatchObject({ code: 'cancelled' })
  })

  test('a caller who hangs up in the middle of a stream ends the call at the provider', async () => {
    const before = world.provider.asked.length
    const stream = await client(KEYS.crm, { 'x-request-id': 'hung-up' }).chat.completions.create({ ...chat('vendor-x/hanging'), stream: true })
    for await (const chunk of stream) {
      expect(chunk.choices[0]?.delta.content).toBe('Good')
      break
    }
    stream.controller.abort()
    await world.provider.asked[before]!.closed
    await expect.poll(() => world.logged.find(line => line.event === 'request' && line.fields['id'] === 'hung-up')?.fields).toMatchObject({ code: 'cancelled' })
    await expect.poll(() => world.recorded.find(entry => entry.kind === 'outcome' && entry.outcome === 'cancelled')).toBeDefined()
  })
})

test('a caller who leaves a stream that says nothing ends the call, even where no host aborts the signal', async () => {
  const before = world.provider.asked.length
  const response = await world.fetch(new Request('http://gateway.test/v1/chat/completions', {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEYS.crm}` }, body: JSON.stringify({ ...chat('vendor-x/hanging'), stream: true }),
  }))
  const reader = response.body!.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toContain('Good')
  const waiting = reader.read()
  // Once the stream has asked its source, leaving it cannot end the source by itself.
  await new Promise(resolve => { setImmediate(resolve) })
  await reader.cancel()
  expect(await waiting).toEqual({ done: true, value: undefined })
  await world.provider.asked[before]!.closed
})

describe('models', () => {
  test('are those that this key may use, `auto` first, with where they answer', async () => {
    const listed = (await client().models.list()).data as (OpenAI.Model & { deployments: unknown })[]
    expect(listed.map(m => m.id)[0]).toBe('auto')
    expect(listed.map(m => m.id).sort()).toEqual(['auto', 'vendor-x/cutting', 'vendor-x/failing', 'vendor-x/good', 'vendor-x/hanging', 'vendor-x/refusing', 'vendor-x/vectors'])
    expect(listed.find(m => m.id === 'vendor-x/good')).toEqual({
      id: 'vendor-x/good', object: 'model', created: 1_790_000_000, owned_by: 'vendor-x',
      deployments: [{ deployment: 'good', provider: 'france', processed_in: ['FR'], hosting: 'cloud' }],
    })
  })

  test('differ from key to key', async () => {
    const ids = async (key: string): Promise<readonly string[]> => (await client(key).models.list()).data.map(m => m.id)
    expect(await ids(KEYS.lab)).toContain('vendor-z/lab-only')
    expect(await ids(KEYS.lab)).toContain('vendor-x/far')
    expect(await ids(KEYS.crm)).not.toContain('vendor-z/lab-only')
    expect(await ids(KEYS.nobody)).toEqual([])
  })

  test('are fewer when the request says what forbids them, as the call itself would be refused', async () => {
    const inIran = { 'x-bailiwick-user-in': 'IR' }
    expect((await client(KEYS.lab, { 'x-bailiwick-user-in': 'FR' }).models.list()).data.length).toBeGreaterThan(1)
    expect((await client(KEYS.lab, inIran).models.list()).data).toEqual([])
    expect(await raised(client(KEYS.lab, inIran).chat.completions.create(chat('vendor-x/good')), PermissionDeniedError)).toMatchObject({ code: 'no_permitted_model' })
  })

  test('answer by name, the slash written or encoded', async () => {
    expect((await client().models.retrieve('vendor-x/good')).id).toBe('vendor-x/good')
    expect((await client().models.retrieve('auto')).id).toBe('auto')
    for (const path of ['vendor-x/good', 'vendor-x%2Fgood']) {
      const response = await fetch(`${world.url}/v1/models/${path}`, { headers: { authorization: `Bearer ${KEYS.crm}` } })
      expect(await response.json()).toMatchObject({ id: 'vendor-x/good' })
    }
  })
})
