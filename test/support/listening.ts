/** A gateway in this process that really listens, before providers that are real processes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { serve, type ServerType } from '@hono/node-server'
import type { AddressInfo } from 'node:net'
import { createBreakers } from '../../src/breaker/opossum.ts'
import type { Bundle } from '../../src/bundle/bundle.ts'
import type { ContentSink } from '../../src/gateway/content.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { createMetrics } from '../../src/gateway/metrics.ts'
import { createApp } from '../../src/http/app.ts'
import type { Quarantined } from '../../src/pool/quarantine.ts'
import type { Ports } from '../../src/ports.ts'
import { providers } from '../../src/provider/providers.ts'
import type { Salting } from '../../src/record/hash.ts'
import type { Entry, Recorder } from '../../src/record/record.ts'
import { nodeTransport } from '../../src/runtime/node-transport.ts'

export const KEY = 'bw-test-key'
export const ADMIN = 'admin-test-token'

export type Listening = {
  readonly url: string
  readonly gateway: Gateway
  readonly entries: Entry[]
  readonly logged: string[]
  /** Posts a body with the test key. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  chat(body?: Record<string, unknown>, headers?: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

export type Settings = { readonly bundle: Bundle; readonly recorder?: Recorder; readonly place?: string; readonly secrets?: Readonly<Record<string, string>>; readonly now?: () => number; readonly quarantined?: readonly Quarantined[]; readonly content?: ContentSink; readonly salting?: Salting }

export async function listening({ bundle, recorder, place, secrets = {}, now = Date.now, quarantined = [], content, salting }: Settings): Promise<Listening> {
  const entries: Entry[] = [], logged: string[] = []
  const transport = nodeTransport()
  const ports: Ports = {
    clock: { now, after: (ms, then) => { const t = setTimeout(then, ms); return () => clearTimeout(t) } },
    random: Math.random, transport, secrets: name => secrets[name], background: work => { work.catch(() => undefined) },
    log: (level, event, fields) => { logged.push(JSON.stringify({ level, event, ...fields })) },
  }
  const gateway = createGateway({
    ports, bundle, place, quarantined, content, ...(salting !== undefined && { salting }), providers: providers(ports), breakers: createBreakers(), metrics: createMetrics(),
    recorder: recorder ?? { append: entry => { entries.push(entry) } },
    connected: d => (d.connection === undefined ? 'no-connection' : undefined),
  })
  const app = createApp(gateway, { adminToken: ADMIN, version: 'test', started: now(), clientIsLoopback: () => true })
  const server = await new Promise<ServerType>(resolve => { const s = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(s)) })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const post: Listening['post'] = (path, body, headers = {}) => fetch(url + path, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}`, ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return {
    url, gateway, entries, logged, post,
    chat: (body = {}, headers = {}) => post('/v1/chat/completions', { model: 'auto', messages: [{ role: 'user', content: 'hello' }], ...body }, headers),
    async close() {
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await transport.close()
    },
  }
}

export type ProviderProcess = { readonly url: string; readonly port: number; count(): Promise<number>; kill(): Promise<void> }

/** Starts one provider as a process; it answers "from NAME". */
export async function providerProcess(name: string, port = 0): Promise<ProviderProcess> {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL('provider-process.ts', import.meta.url)), name, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout!, 'data') as [Buffer]
  const url = /ready (\S+)/.exec(line.toString())![1]!
  return {
    url, port: Number(new URL(url).port),
    count: async () => Number(await (await fetch(`${url}/count`)).text()),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** What an answer says, whole. */
export async function said(response: Response): Promise<string> {
  const body = await response.json() as { choices?: { message: { content: string } }[]; error?: { code: string } }
  return body.choices?.[0]?.message.content ?? body.error?.code ?? ''
}
