/** A gateway in this process, on a real port and over a real policies folder, whose records and log a test can reach into. */
import { createBreakers } from '../../src/breaker/opossum.ts'
import { compile } from '../../src/bundle/compile.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { createMetrics } from '../../src/gateway/metrics.ts'
import { createApp } from '../../src/http/app.ts'
import { providers } from '../../src/provider/providers.ts'
import type { Entry } from '../../src/record/record.ts'
import { clientIsLoopback, cutConnection } from '../../src/runtime/node-client.ts'
import { createConnections } from '../../src/runtime/node-connections.ts'
import { directivesIn } from '../../src/runtime/node-directives.ts'
import { createDrills, type Drills } from '../../src/runtime/node-drills.ts'
import { listen } from '../../src/runtime/node-listen.ts'
import { readPolicies } from '../../src/runtime/node-policies.ts'
import { nodePorts } from '../../src/runtime/node-ports.ts'
import type { NodeRecorder } from '../../src/runtime/node-recorder.ts'
import { nodeTransport } from '../../src/runtime/node-transport.ts'
import { watch, type Watching } from '../../src/runtime/node-watch.ts'
import { ADMIN_TOKEN } from '../support/processes.ts'

export type InHand = {
  readonly url: string
  readonly gateway: Gateway
  readonly watching: Watching
  readonly drills: Drills
  readonly entries: Entry[]
  readonly logged: { readonly level: string; readonly event: string; readonly [field: string]: unknown }[]
  /** While this is false nothing can be recorded. */
  keeps: boolean
  /** Ends as the host ends it: streams of events first, then the port. */
  stop(): Promise<void>
}

export async function inHand(folder: string): Promise<InHand> {
  const read = await readPolicies(folder)
  if (!read.ok) throw new Error(read.wrong)
  const compiled = await compile(read.sources, { tests: 'left-out' })
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  const transport = nodeTransport(), entries: InHand['entries'] = [], logged: InHand['logged'] = []
  const ports = { ...nodePorts(transport, {}), log: (level: string, event: string, fields: object = {}): void => { logged.push({ level, event, ...fields }) } }
  const recorder: Pick<NodeRecorder, 'append' | 'directives'> = {
    append: async entry => { if (hand.keeps) entries.push(entry); else throw new Error('the disk is full') },
    directives: () => entries.filter(e => e.kind === 'directive'),
  }
  const connections = createConnections(ports)
  const gateway = createGateway({
    ports, providers: providers(ports), breakers: createBreakers(), metrics: createMetrics(), place: undefined,
    recorder,
    bundle: await connections.wire(compiled.bundle), connected: connections.connected,
  })
  const drills = createDrills(gateway)
  const watching = watch({ gateway, connections, folder, overlay: drills.overlay, keep: () => Promise.resolve(), sources: read.sources, bundle: compiled.bundle })
  const stopping = new AbortController()
  const app = createApp(gateway, {
    adminToken: ADMIN_TOKEN, clientIsLoopback, version: 'test', started: 0, rehearsing: () => connections.rehearsing(),
    directives: directivesIn(folder, { gateway, recorder, watching }), drills: drills.port(watching), stopping: stopping.signal, cut: cutConnection,
  })
  const server = await listen(app.fetch, { hostname: '127.0.0.1', port: 0 })
  const hand: InHand = {
    url: server.url, gateway, watching, drills, entries, logged, keeps: true,
    async stop() {
      watching.end()
      stopping.abort()
      await server.close()
      await drills.close()
      await ports.settled()
      await Promise.all([connections.close(), transport.close()])
    },
  }
  return hand
}
