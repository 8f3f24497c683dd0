/**
 * A gateway behind a listening server, in front of a provider that listens as well: nothing between a real client and a
 * real provider is pretended. What the provider does is said by the name of the model that it is asked for.
 */
import { serve, type ServerType } from '@hono/node-server'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { MakeBreakers } from '../../src/breaker/breaker.ts'
import { createBreakers } from '../../src/breaker/opossum.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { createMetrics } from '../../src/gateway/metrics.ts'
import { createApp, type HttpOptions } from '../../src/http/app.ts'
import { providers } from '../../src/provider/providers.ts'
import type { Entry, Recorder } from '../../src/record/record.ts'
import { nodeTransport } from '../../src/runtime/node-transport.ts'
import { app, bundleOf, keyHash, policy, provider, rule } from '../support/tree.ts'

export const ADMIN_TOKEN = 'admin-token-for-tests'
export const KEYS = { crm: 'key-of-crm', lab: 'key-of-lab', once: 'key-of-once', home: 'key-of-home', nobody: 'key-of-nobody' }
/** Stands in every prompt and in the raw error texts of the provider; must come back nowhere. */
export const CANARY = 'canary-7f3c'
export const LIMIT_MB = 32

/** What the provider saw and what it is still doing. */
export type FakeProvider = {
  readonly url: string
  readonly asked: { readonly path: string; readonly body: Record<string, unknown>; readonly closed: Promise<void> }[]
  close(): Promise<void>
}

export async function startProvider(): Promise<FakeProvider> {
  const asked: FakeProvider['asked'] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
      asked.push({ path: request.url ?? '', body, closed: new Promise(resolve => { response.on('close', resolve) }) })
      answer(request, response, body)
    })
  })
  const url = await listening(server)
  return { url: `${url}/v1`, asked, close: () => closed(server) }
}

function answer(request: IncomingMessage, response: ServerResponse, body: Record<string, unknown>): void {
  const model = String(body['model'])
  const json = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  if (model === 'refusing') return json(400, { error: { message: `cannot take ${JSON.stringify(body)}`, type: 'odd', param: null, code: 'content_filter' } })
  if (model === 'failing') return json(500, { error: { message: `failed on ${JSON.stringify(body)}`, type: 'server_error', param: null, code: null } })
  if (request.url === '/v1/embeddings') {
    return json(200, { object: 'list', model, data: [{ object: 'embedding', index: 0, embedding: [0.25, -0.5] }], usage: { prompt_tokens: 3, total_tokens: 3 } })
  }
  if (request.url === '/v1/completions') {
    return json(200, { id: 'c', object: 'text_completion', created: 1, model, choices: [{ index: 0, text: 'Yes.', finish_reason: 'stop', logprobs: null }], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } })
  }
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
  if (model === 'hanging' && body['stream'] !== true) return
  if (body['stream'] !== true) {
    return json(200, { id: 'c', object: 'chat.completion', created: 1, model, choices: [{ index: 0, message: { role: 'assistant', content: 'Good day.' }, finish_reason: 'stop' }], usage })
  }
  const chunk = (delta: unknown, finish: string | null = null): string =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(chunk({ role: 'assistant', content: 'Good' }))
  // Says no more until somebody leaves.
  if (model === 'hanging') return
  if (model === 'cutting') return void response.write(chunk({ content: ' d' }), () => response.destroy())
  response.end(`${chunk({ content: ' day.' })}${chunk({}, 'stop')}data: [DONE]\n\n`)
}

export type LogLine = { readonly level: string; readonly event: string; readonly fields: Readonly<Record<string, unknown>> }

export type World = {
  readonly url: string
  readonly port: number
  readonly provider: FakeProvider
  readonly gateway: Gateway
  /** The same without a host: a request whose signal nobody aborts. */
  readonly fetch: (request: Request) => Response | Promise<Response>
  readonly logged: LogLine[]
  readonly recorded: Entry[]
  close(): Promise<void>
}

export async function startWorld(options: Partial<HttpOptions> = {}, { breakers = createBreakers(), recorder }: { breakers?: MakeBreakers; recorder?: Recorder } = {}): Promise<World> {
  const pretender = await startProvider()
  const transport = nodeTransport()
  const logged: LogLine[] = []
  const recorded: Entry[] = []
  let state = 42
  const ports = {
    clock: {
      now: () => Date.now(),
      after: (ms: number, then: () => void): (() => void) => { const timer = setTimeout(then, ms); return () => clearTimeout(timer) },
    },
    random: (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647,
    transport,
    secrets: () => undefined,
    background: (work: Promise<unknown>): void => { void work },
    log: (level: string, event: string, fields: Readonly<Record<string, unknown>> = {}): void => { logged.push({ level, event, fields }) },
  }
  const gateway = createGateway({
    ports, providers: providers(ports), breakers, metrics: createMetrics(), place: 'FR',
    recorder: recorder ?? { append: entry => { recorded.push(entry) } },
    bundle: await bundleOf(await files(pretender.url)),
    connected: d => (d.connection === undefined ? 'no-connection' : undefined),
  })
  const application = createApp(gateway, {
    bodyBytesMax: LIMIT_MB * 1024 * 1024, adminToken: ADMIN_TOKEN, clientIsLoopback: () => true, version: '0.0.0-test', started: 1_790_000_000_000, rehearsing: () => [], ...options,
  })
  const server = await new Promise<ServerType>(resolve => {
    const started = serve({ fetch: application.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(started))
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`, port, provider: pretender, gateway, fetch: request => application.fetch(request), logged, recorded,
    async close() {
      await closed(server as Server)
      await transport.close()
      await pretender.close()
    },
  }
}

async function files(baseUrl: string): Promise<Readonly<Record<string, string>>> {
  const facts = (place: string): string => `processed-in: [${place}]
hosting: cloud
dialect: openai
base-url: ${baseUrl}`
  const model = (name: string, upstream: string, more = 'operations: [chat, completion]'): string =>
    `{ deployment: ${name}, model: vendor-x/${name}, upstream-model: ${upstream}, ${more} }`
  return {
    'catalog/france.yaml': provider('france', facts('FR'), [
      model('good', 'good'), model('refusing', 'refusing'), model('failing', 'failing'), model('hanging', 'hanging'), model('cutting', 'cutting'),
      model('vectors', 'vectors', 'operations: [embedding], embedding-space: v1'),
    ]),
    'catalog/america.yaml': provider('america', facts('US'), [model('far', 'good')]),
    'catalog/unconnected.yaml': provider('unconnected', 'processed-in: [FR]', ['{ deployment: facts-only, model: vendor-x/facts-only, operations: [chat] }']),
    'catalog/other.yaml': provider('other', facts('FR'), ['{ deployment: lab-only, model: vendor-z/lab-only, upstream-model: good, operations: [chat] }']),
    'rules/home.policy.yaml': policy('home', [rule('personal-data-stays', `when: { data: [personal] }
require: { processed-in: { only: [FR] } }`), rule('embargo', `when: { app: [lab], user-in: [IR] }
forbid: all`)].join('\n')),
    'apps/crm.yaml': app('crm', `grants: [{ model: vendor-x/* }]
substitutes: no
may-carry: [personal]
key-hashes: ['${await keyHash(KEYS.crm)}']`),
    'apps/lab.yaml': app('lab', `grants: all
substitutes: no
may-carry: [none]
assume: { user-in: FR, basis: A test, owner: owner@example.com, until: 2039-12-31 }
key-hashes: ['${await keyHash(KEYS.lab)}']`),
    'apps/once.yaml': app('once', `grants: [{ deployment: good }]
may-carry: [none]
limits: { requests-per-minute: 1 }
key-hashes: ['${await keyHash(KEYS.once)}']`),
    'apps/home.yaml': app('home', `grants: all
may-carry: [none]
loopback-only: yes
key-hashes: ['${await keyHash(KEYS.home)}']`),
    'apps/nobody.yaml': app('nobody', `grants: [{ deployment: facts-only }]
may-carry: [none]
key-hashes: ['${await keyHash(KEYS.nobody)}']`),
  }
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function closed(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
