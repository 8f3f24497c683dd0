import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import type { Dialect, Provider } from '../../src/catalog/catalog.ts'
import { failure } from '../../src/failure.ts'
import { pull, type PullProgress } from '../../src/provider/pull.ts'
import { fakeClock } from '../support/clock.ts'
import { KEY, listen, NOW, testPorts, type Listening } from './support.ts'

const ports = testPorts()
const never = (): AbortSignal => new AbortController().signal
const open: Listening[] = []
afterEach(async () => { await Promise.all(open.splice(0).map(server => server.close())) })
afterAll(() => ports.transport.close())

const providerAt = (baseUrl: string, { dialect = 'ollama', key }: { readonly dialect?: Dialect; readonly key?: string } = {}): Provider =>
  ({ name: 'house', title: undefined, connection: { dialect, baseUrl, key }, discover: 'models', rehearsal: undefined, localHosts: [] })

async function serve(answer: (response: ServerResponse) => void): Promise<Listening> {
  const server = await listen((_, response) => answer(response))
  open.push(server)
  return server
}

const NDJSON = { 'content-type': 'application/x-ndjson' }
const lines = (values: readonly (object | string)[], headers: Readonly<Record<string, string>> = NDJSON) => (response: ServerResponse): void =>
  void response.writeHead(200, headers).end(values.map(v => `${typeof v === 'string' ? v : JSON.stringify(v)}\n`).join(''))

const quiet = (): undefined => undefined

describe('fetching a model', () => {
  test('tells how far it is, in words of ours and the bytes of all parts together, until the server holds it', async () => {
    const server = await serve(lines([
      { status: 'pulling manifest' }, { status: 'pulling aabb', digest: 'sha256:aabb', total: 100 }, { status: 'pulling aabb', digest: 'sha256:aabb', total: 100, completed: 60 },
      { status: 'pulling ccdd', digest: 'sha256:ccdd', total: 10, completed: 99 }, { status: 'pulling aabb', digest: 'sha256:aabb', total: -4, completed: 'x' },
      { status: 'verifying sha256 digest' }, { status: 'writing manifest' }, { status: 'a sentence of the server' }, { status: 7 }, { status: 'success' },
    ]))
    const seen: PullProgress[] = []
    expect(await pull(providerAt(server.url), 'qwen3:8b', ports, never(), now => seen.push(now))).toBeUndefined()
    expect(seen).toEqual([
      { status: 'asking' }, { status: 'fetching', completed: 0, total: 100 }, { status: 'fetching', completed: 60, total: 100 },
      { status: 'fetching', completed: 70, total: 110 }, { status: 'fetching', completed: 70, total: 110 }, { status: 'verifying', completed: 70, total: 110 },
      { status: 'writing', completed: 70, total: 110 }, { status: 'working', completed: 70, total: 110 }, { status: 'working', completed: 70, total: 110 },
      { status: 'success', completed: 70, total: 110 },
    ])
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]).toMatchObject({ method: 'POST', path: '/api/pull' })
    expect(JSON.parse(server.requests[0]!.body)).toEqual({ name: 'qwen3:8b', stream: true })
  })

  test.each([
    ['an error line', lines([{ status: 'pulling manifest' }, { error: 'raw text: file does not exist' }])],
    ['an end without success', lines([{ status: 'pulling manifest' }])],
    ['nothing at all', lines([])],
    ['something that is not JSON', lines([{ status: 'pulling manifest' }, 'raw text'])],
    ['something that is not JSON and is not said to be lines', lines(['raw text', { status: 'pulling manifest' }], { 'content-type': 'text/plain' })],
    ['an error that is not said to be a line', lines([{ error: 'raw text' }], { 'content-type': 'application/json' })],
    ['a status', (response: ServerResponse) => void response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":"raw text"}')],
    ['a broken connection', (response: ServerResponse) => {
      response.writeHead(200, NDJSON)
      response.write('{"status":"pulling manifest"}\n', () => response.destroy())
    }],
  ])('%s is a failure, and nothing of it is passed on or printed', async (_, answer) => {
    const printed = (['log', 'warn', 'error'] as const).map(way => vi.spyOn(console, way))
    const server = await serve(answer)
    const seen: PullProgress[] = []
    const failed = await pull(providerAt(server.url), 'qwen3', ports, never(), now => seen.push(now))
    expect(failed?.code).toMatch(/^(upstream_error|unreachable)$/)
    expect(seen.some(now => now.status === 'success')).toBe(false)
    expect(inspect([failed, seen], { depth: null, showHidden: true })).not.toContain('raw text')
    for (const way of printed) {
      expect(way).not.toHaveBeenCalled()
      way.mockRestore()
    }
  })

  test('is over with success, whatever the server does then, and closes the connection', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await serve(response => {
      response.on('close', closed.resolve)
      response.writeHead(200, NDJSON)
      response.write('{"status":"success"}\n')
    })
    expect(await pull(providerAt(server.url), 'qwen3', ports, never(), quiet)).toBeUndefined()
    await closed.promise
  })

  test('ends with the signal, and closes the connection', async () => {
    const closed = Promise.withResolvers<void>()
    const controller = new AbortController()
    const server = await serve(response => {
      response.on('close', closed.resolve)
      response.writeHead(200, NDJSON)
      response.write('{"status":"pulling manifest"}\n')
    })
    expect(await pull(providerAt(server.url), 'qwen3', ports, controller.signal, () => controller.abort(failure('cancelled', 'Enough.')))).toMatchObject({ code: 'cancelled', message: 'Enough.' })
    await closed.promise
  })

  test('a server that says nothing for ten minutes is given up, one that goes on is not', async () => {
    const clock = fakeClock(NOW)
    const began = Promise.withResolvers<ServerResponse>()
    const server = await serve(response => {
      response.writeHead(200, NDJSON)
      began.resolve(response)
    })
    let heard = Promise.withResolvers<void>()
    const next = async (): Promise<void> => {
      heard = Promise.withResolvers<void>();
      (await began.promise).write('{"status":"pulling manifest"}\n')
      await heard.promise
    }
    const failed = pull(providerAt(server.url), 'qwen3', { ...ports, clock }, never(), () => heard.resolve())
    for (let i = 0; i < 3; i += 1) {
      await next()
      clock.advance(599_999)
    }
    clock.advance(1)
    expect(await failed).toMatchObject({ code: 'deadline_exceeded' })
  })

  test('sends nothing where the dialect has no word for it, the key is missing, or the model runs in the cloud of Ollama', async () => {
    const server = await serve(lines([{ status: 'success' }]))
    expect(await pull(providerAt(server.url, { dialect: 'openai' }), 'qwen3', ports, never(), quiet)).toMatchObject({ code: 'misconfigured' })
    expect(await pull(providerAt(server.url, { key: 'env:MISSING' }), 'qwen3', ports, never(), quiet)).toMatchObject({ code: 'misconfigured' })
    expect(await pull(providerAt(server.url), 'gpt-oss:120b-cloud', ports, never(), quiet)).toMatchObject({ code: 'compliance_mismatch' })
    expect(server.requests).toHaveLength(0)
    expect(await pull(providerAt(server.url, { key: 'env:KEY' }), 'qwen3', ports, never(), quiet)).toBeUndefined()
    expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${KEY}`)
  })
})
