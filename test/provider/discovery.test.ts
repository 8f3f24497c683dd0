import { inspect } from 'node:util'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { DEFAULT_TIMEOUTS, type Dialect, type Provider } from '../../src/catalog/catalog.ts'
import type { Transport, TransportRequest } from '../../src/ports.ts'
import { discover } from '../../src/provider/discovery.ts'
import { KEY, listen, testPorts, type Listening } from './support.ts'

const ports = testPorts()
const never = (): AbortSignal => new AbortController().signal
const open: Listening[] = []
afterEach(async () => { await Promise.all(open.splice(0).map(server => server.close())) })
afterAll(() => ports.transport.close())

async function serve(...args: Parameters<typeof listen>): Promise<Listening> {
  const server = await listen(...args)
  open.push(server)
  return server
}

const providerAt = (baseUrl: string, dialect: Dialect, key?: string): Provider =>
  ({ name: 'house', title: undefined, connection: { dialect, baseUrl, key }, discover: 'models', rehearsal: undefined, localHosts: [] })

/** The same, said to stand at home. */
const localAt = (baseUrl: string, dialect: Dialect): Provider => ({
  ...providerAt(baseUrl, dialect),
  defaults: {
    facts: { hosting: { value: 'local', goodUntil: Infinity } }, zone: 'UTC', price: undefined, context: undefined, maxOutput: undefined, can: [],
    quality: undefined, timeouts: DEFAULT_TIMEOUTS, reports: undefined,
  },
})

/** An Ollama server that holds these models: what the list says beside the name, and what it shows of each. */
const holding = (models: Readonly<Record<string, { listed?: object; shown?: object | undefined }>>): Promise<Listening> => serve((request, response, body) => {
  const json = (value: object, status = 200): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  if (request.url === '/api/tags') return json({ models: Object.entries(models).map(([name, { listed }]) => ({ name, model: name, ...listed })) })
  const shown = models[(JSON.parse(body) as { model: string }).model]?.shown
  return shown === undefined ? json({ error: 'not found' }, 404) : json(shown)
})

describe('an Ollama server', () => {
  test('says what it holds: context, capabilities, operations', async () => {
    const server = await holding({
      'qwen3:8b': { shown: { capabilities: ['completion', 'tools', 'thinking'], model_info: { 'general.architecture': 'qwen3', 'qwen3.context_length': 40_960 } } },
      'nomic-embed-text': { shown: { capabilities: ['embedding'], model_info: { 'nomic-bert.context_length': 2_048 } } },
      'old:7b': { shown: {} },
      'gone:1b': {},
    })
    expect(await discover(providerAt(server.url, 'ollama'), ports, never())).toEqual({ ok: true, models: [
      { provider: 'house', upstreamModel: 'qwen3:8b', context: 40_960, can: ['tools', 'json-schema', 'reasoning'], operations: ['chat'] },
      { provider: 'house', upstreamModel: 'nomic-embed-text', context: 2_048, can: [], operations: ['embedding'] },
      { provider: 'house', upstreamModel: 'old:7b' },
    ], elsewhere: [], isWhole: true })
  })

  test('never lists what it passes on to a cloud, and lists its own twin', async () => {
    const shown = { capabilities: ['completion'] }
    const server = await holding({
      'gpt-oss:20b': { shown }, 'gpt-oss:120b-cloud': { shown }, 'glm-4.6:cloud': { shown }, 'CAPS:1b-CLOUD': { shown },
      'alias:1b': { listed: { remote_host: 'https://elsewhere.example' }, shown }, 'alias:2b': { listed: { remote_model: 'big' }, shown },
      'alias:3b': { shown: { ...shown, remote_host: 'https://elsewhere.example' } }, 'cloudy:1b': { listed: { remote_host: '' }, shown },
    })
    const found = await discover(providerAt(server.url, 'ollama'), ports, never())
    expect(found.ok && found.models.map(model => model.upstreamModel)).toEqual(['gpt-oss:20b', 'cloudy:1b'])
    expect(found.ok && found.elsewhere).toEqual(['gpt-oss:120b-cloud', 'glm-4.6:cloud', 'CAPS:1b-CLOUD', 'alias:1b', 'alias:2b', 'alias:3b'])
    // What is in its cloud by name or by the list is not even asked about.
    expect(server.requests.filter(r => r.path === '/api/show').map(r => (JSON.parse(r.body) as { model: string }).model).sort()).toEqual(['alias:3b', 'cloudy:1b', 'gpt-oss:20b'])
  })
})

describe('an Ollama server that holds many models', () => {
  test('says them all, in its order, whichever it shows first', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `m${i}:1b`)
    const server = await holding(Object.fromEntries(names.map(name => [name, { shown: { capabilities: ['completion'] } }])))
    const found = await discover(providerAt(server.url, 'ollama'), ports, never())
    expect(found.ok && found.models.map(model => model.upstreamModel)).toEqual(names)
  })

  test.each([[500, ['well:1b']], [503, undefined]])('and answers %i for one of them: found are %j', async (status, names) => {
    const server = await serve((request, response, body) => {
      const json = (value: object, code = 200): void => void response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(value))
      if (request.url === '/api/tags') return json({ models: [{ model: 'ill:1b' }, { model: 'well:1b' }] })
      return body.includes('ill') ? json({ error: 'raw text' }, status) : json({})
    })
    const found = await discover(providerAt(server.url, 'ollama'), ports, never())
    expect(found.ok ? found.models.map(model => model.upstreamModel) : undefined).toEqual(names)
  })
})

describe('a server in OpenAI\'s dialect', () => {
  test('says its models, with their context where it knows, and gets the key and no other header of the package\'s', async () => {
    const server = await serve((_, response) => response.writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ object: 'list', data: [{ id: 'a', max_model_len: 8_192 }, { id: 'b', context_length: 4_096 }, { id: 'c', max_model_len: -1 }, { id: 7 }, null] })))
    expect(await discover(providerAt(`${server.url}/v1`, 'openai', 'env:KEY'), ports, never())).toEqual({ ok: true, models: [
      { provider: 'house', upstreamModel: 'a', context: 8_192 }, { provider: 'house', upstreamModel: 'b', context: 4_096 }, { provider: 'house', upstreamModel: 'c' },
    ], elsewhere: [], isWhole: true })
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]).toMatchObject({ path: '/v1/models', headers: { authorization: `Bearer ${KEY}` } })
    expect(Object.keys(server.requests[0]?.headers ?? {}).filter(name => name.startsWith('x-') || name.startsWith('openai') || name === 'user-agent')).toEqual([])
  })

  test('that stands at home never lists a model of Ollama\'s cloud; one that does not is believed', async () => {
    const server = await serve((_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: [{ id: 'gpt-oss:20b' }, { id: 'gpt-oss:120b-cloud' }] })))
    expect(await discover(localAt(server.url, 'openai'), ports, never())).toMatchObject({ models: [{ upstreamModel: 'gpt-oss:20b' }], elsewhere: ['gpt-oss:120b-cloud'] })
    expect(await discover(providerAt(server.url, 'openai'), ports, never())).toMatchObject({ models: [{ upstreamModel: 'gpt-oss:20b' }, { upstreamModel: 'gpt-oss:120b-cloud' }], elsewhere: [] })
  })

  test.each([[1_000, true], [1_001, false]])('that lists %i models was read to its end: %s', async (count, isWhole) => {
    const server = await serve((_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: Array.from({ length: count }, (_unused, i) => ({ id: `m${i}` })) })))
    const found = await discover(providerAt(server.url, 'openai'), ports, never())
    expect(found.ok && [found.models.length, found.isWhole]).toEqual([1_000, isWhole])
  })
})

describe.each(['ollama', 'openai'] as const)('whatever the dialect (%s)', dialect => {
  test('a server that is said to stand at home is asked at a local address only, another one wherever it is', async () => {
    const onlyLocal: TransportRequest['onlyLocal'][] = []
    const watching: Transport = { async send(request) { onlyLocal.push(request.onlyLocal); throw new Error('not sent') } }
    await discover({ ...localAt('http://house.test', dialect), localHosts: ['house.test'] }, { ...ports, transport: watching }, never())
    await discover(providerAt('http://house.test', dialect), { ...ports, transport: watching }, never())
    expect(onlyLocal).toEqual([{ hosts: ['house.test'] }, undefined])
  })

  test('nobody there is an ordinary result', async () => {
    const gone = await listen(() => undefined)
    await gone.close()
    expect(await discover(providerAt(gone.url, dialect), ports, never())).toMatchObject({ ok: false, failure: { code: 'unreachable' } })
  })

  test('a missing key sends nothing', async () => {
    const server = await serve((_, response) => response.end('{}'))
    expect(await discover(providerAt(server.url, dialect, 'env:MISSING'), ports, never())).toMatchObject({ ok: false, failure: { code: 'misconfigured' } })
    expect(server.requests).toHaveLength(0)
  })

  test.each([[401, 'misconfigured'], [500, 'upstream_error'], [302, 'upstream_error'], [429, 'busy']])('status %i is asked once and kept without its text', async (status, code) => {
    const server = await serve((_, response) => response.writeHead(status, { 'content-type': 'application/json', location: '/x' }).end(JSON.stringify({ error: `raw text ${KEY}` })))
    const found = await discover(providerAt(server.url, dialect, 'env:KEY'), ports, never())
    expect(found).toMatchObject({ ok: false, failure: { code, upstream: { status } } })
    expect(server.requests).toHaveLength(1)
    const shown = inspect(found, { depth: null, showHidden: true })
    expect(shown).not.toContain('raw text')
    expect(shown).not.toContain(KEY)
  })

  test.each(['raw text', '{"models":7,"data":7}', 'null'])('%s is no list', async text => {
    const server = await serve((_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(text))
    const found = await discover(providerAt(server.url, dialect), ports, never())
    expect(found.ok).toBe(false)
    expect(inspect(found, { depth: null, showHidden: true })).not.toContain('raw text')
  })

  test('the signal ends the asking and closes the connection', async () => {
    const closed = Promise.withResolvers<void>()
    const controller = new AbortController()
    const server = await serve(request => {
      request.socket.on('close', () => closed.resolve())
      controller.abort(new DOMException('late', 'TimeoutError'))
    })
    expect(await discover(providerAt(server.url, dialect), ports, controller.signal)).toMatchObject({ ok: false, failure: { code: 'deadline_exceeded' } })
    await closed.promise
  })
})
