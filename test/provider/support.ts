/** A real server on loopback, a deployment for it, and ports with a fixed clock and seed. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { DEFAULT_TIMEOUTS, type Deployment, type Dialect } from '../../src/catalog/catalog.ts'
import type { Ports } from '../../src/ports.ts'
import type { ProviderCall } from '../../src/provider/provider.ts'
import { nodeTransport, type NodeTransport } from '../../src/runtime/node-transport.ts'

export const NOW = Date.UTC(2026, 10, 20, 12, 0, 0)
export const KEY = 'sk-canary-key'
export const PROMPT = 'canary-prompt'

export type Listening = {
  readonly url: string
  /** Requests seen so far, with their whole bodies. */
  readonly requests: readonly { readonly method: string; readonly path: string; readonly headers: IncomingMessage['headers']; readonly body: string }[]
  readonly connections: () => number
  readonly close: () => Promise<void>
}

/** Starts `answer` once the request's body was read. */
export async function listen(answer: (request: IncomingMessage, response: ServerResponse, body: string) => void): Promise<Listening> {
  const requests: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[] = []
  const sockets = new Set<Socket>()
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      requests.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body })
      answer(request, response, body)
    })
  }
  const server = createServer(listener)
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => sockets.size,
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

export type TestPorts = Ports & { readonly transport: NodeTransport }

export function testPorts(): TestPorts {
  let state = 7
  return {
    clock: { now: () => NOW, after: () => () => undefined },
    random: () => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647
    },
    transport: nodeTransport(),
    secrets: name => (name === 'env:KEY' ? KEY : name === 'env:ODD' ? 'line\nfeed' : undefined),
    background: () => undefined,
    log: () => undefined,
  }
}

export function deployment(baseUrl: string, more: Partial<Deployment> & { readonly dialect?: Dialect; readonly key?: string } = {}): Deployment {
  const { dialect = 'openai', key, ...rest } = more
  return {
    name: 'test-deployment', model: 'asked', provider: 'test', upstreamModel: 'served', connection: { dialect, baseUrl, key }, operations: ['chat'],
    context: undefined, maxOutput: undefined, can: [], price: undefined, embeddingSpace: undefined, quality: undefined, timeouts: DEFAULT_TIMEOUTS,
    processedIn: undefined, hosting: undefined, rehearsal: false, discovered: false, pull: false, reports: undefined, localHosts: [], ...rest,
  }
}

export function callFor(body: object | string, more: Partial<ProviderCall> = {}): ProviderCall {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return { operation: 'chat', stream: false, body: new TextEncoder().encode(text), requestId: 'r', ...more }
}

export async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
