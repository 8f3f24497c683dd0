/**
 * What this is for: a gateway on Node from its start to its end.
 *
 * What it assumes: it is the only user of its data folder.
 * What it promises: `ready` is printed when it can answer and not before; policies that do not compile are never half
 * applied, neither at the start nor while it runs; told to stop, it finishes what it began.
 */
import { randomBytes } from 'node:crypto'
import { createBreakers } from '../breaker/opossum.ts'
import { compile } from '../bundle/compile.ts'
import { printProblems, short } from '../cli/compiled.ts'
import { EXIT } from '../cli/exit.ts'
import type { Host, ServeOptions } from '../cli/host.ts'
import { CONTENT_ALARM } from '../gateway/content.ts'
import { createGateway } from '../gateway/gateway.ts'
import { createMetrics } from '../gateway/metrics.ts'
import { createApp, DEFAULT_HTTP_OPTIONS } from '../http/app.ts'
import type { Quarantined } from '../pool/quarantine.ts'
import { providers } from '../provider/providers.ts'
import { adminToken } from './node-admin-token.ts'
import { createBundles } from './node-bundles.ts'
import { createClasses } from './node-classes.ts'
import { clientIsLoopback, cutConnection } from './node-client.ts'
import { createConnections } from './node-connections.ts'
import { openContent } from './node-content.ts'
import { directivesIn } from './node-directives.ts'
import { createDrills } from './node-drills.ts'
import { sha256 } from './node-key.ts'
import { listen, type Listening } from './node-listen.ts'
import { readPolicies } from './node-policies.ts'
import { nodePorts, type NodePorts } from './node-ports.ts'
import { openRecorder, type NodeRecorder } from './node-recorder.ts'
import { sharedNewsIn } from './node-shared-news.ts'
import { toldToStop, type Stop } from './node-stop.ts'
import { nodeTransport } from './node-transport.ts'
import { logProblem, watch } from './node-watch.ts'

const DISCOVERY_AT_START_MS = 1_000
const STOP_WITHIN_MS = 30_000
/** After connections were cut: for the records of what was cut. */
const CUT_WITHIN_MS = 1_000

export async function serve(options: ServeOptions, host: Host): Promise<number> {
  const stop = toldToStop()
  const say = (text: string): number => {
    host.err(`bailiwick: ${text}\n`)
    return EXIT.other
  }
  // 1. The law.
  const read = await readPolicies(options.policies)
  if (!read.ok) {
    say(read.wrong)
    return EXIT.usage
  }
  const compiled = await compile(read.sources, { tests: 'left-out' })
  if (!compiled.ok) {
    host.err(printProblems(compiled.problems, read.sources))
    return EXIT.doesNotCompile
  }

  // 2. What must be kept.
  let recorder: NodeRecorder
  let quarantined: readonly Quarantined[]
  let token = options.adminToken
  try {
    recorder = await openRecorder(options.data, { retainMs: options.retainMs, failed: error => host.err(`bailiwick: records: ${messageOf(error)}\n`) })
    quarantined = recorder.quarantined()
    if (token === undefined) {
      const made = adminToken(options.data)
      token = made.token
      if (made.isNew) host.err(`Admin token, shown this once and kept in ${options.data}/admin-token: ${token}\n`)
    }
  } catch (error) {
    return say(`the data folder ${options.data} cannot be used: ${messageOf(error)}`)
  }

  const content = options.content === undefined ? undefined : await openContent(options.content)
  if (content?.ok === false) {
    await recorder.close()
    return say(content.wrong)
  }

  // 3. The gateway.
  const transport = nodeTransport()
  const ports = nodePorts(transport, host.environment)
  const connections = createConnections(ports)
  await connections.ask(compiled.bundle, DISCOVERY_AT_START_MS)
  const classes = createClasses({ data: options.data, ports, retainMs: options.retainMs, rulebook: () => gateway.epochs.current().bundle.rulebook })
  const gateway = createGateway({
    ports, recorder: classes.counting(recorder), providers: providers(ports), breakers: createBreakers(), metrics: createMetrics(),
    content: content?.sink, salting: { sha256, randomBytes },
    quarantined, place: options.place, bundle: await connections.wire(compiled.bundle), connected: connections.connected,
  })
  if (content?.failed !== undefined) gateway.raise(CONTENT_ALARM, `The folder for content cannot be used (${messageOf(content.failed)}); requests go on without.`)
  const { bundle } = gateway.epochs.current()
  const bundles = createBundles({ data: options.data, version: host.version, gateway })
  await bundles.keep(bundle)
  await gateway.keep({
    kind: 'start', id: gateway.nextId(), at: ports.clock.now(), version: host.version, bundle: bundle.digest, place: options.place ?? null, quarantined: quarantined.map(q => q.deployment),
  })
  const drills = createDrills(gateway)
  const watching = watch({ gateway, connections, folder: options.policies, overlay: drills.overlay, keep: bundles.keep, shared: options.state === undefined ? undefined : sharedNewsIn(options.state), sources: read.sources, bundle: compiled.bundle })
  const stopping = new AbortController()
  const app = createApp(gateway, {
    bodyBytesMax: options.bodyBytesMax ?? DEFAULT_HTTP_OPTIONS.bodyBytesMax,
    adminToken: token, clientIsLoopback, version: host.version, started: ports.clock.now(), rehearsing: () => connections.rehearsing(),
    directives: directivesIn(options.policies, { gateway, recorder, watching }), drills: drills.port(watching), records: recorder, stopping: stopping.signal, cut: cutConnection,
  })

  // 4. The port.
  let server: Listening
  try {
    server = await listen(app.fetch, options)
  } catch (error) {
    watching.end()
    classes.end()
    await recorder.close()
    await Promise.all([connections.close(), transport.close()])
    return say(whyNotListening(error, options))
  }
  for (const warning of compiled.bundle.warnings) logProblem(gateway, warning)
  if (connections.rehearsing().length > 0) ports.log('warn', 'rehearsal', { providers: connections.rehearsing(), note: 'Answers come from stand-ins; no model is connected.' })
  ports.log('info', 'ready', { url: server.url, bundle: compiled.bundle.digest, version: host.version })
  host.out(`ready ${server.url} bundle ${short(compiled.bundle.digest)}\n`)

  // 5. The end.
  await stop.first
  ports.log('info', 'stopping')
  watching.end()
  stopping.abort()
  const isInTime = await finish(server, ports, stop)
  await drills.close()
  await bundles.end()
  classes.end()
  await recorder.close()
  await Promise.all([connections.close(), transport.close()])
  ports.log('info', 'stopped', { cut: !isInTime })
  return isInTime ? EXIT.fine : EXIT.other
}

/** Lets what began finish, streams and their records too. False when that took too long, or somebody asked twice. */
async function finish(server: Listening, ports: NodePorts, stop: Stop): Promise<boolean> {
  const finished = server.close().then(() => ports.settled())
  if (await within(finished, STOP_WITHIN_MS, ports, stop.second)) return true
  server.cut()
  await within(finished, CUT_WITHIN_MS, ports)
  return false
}

async function within(work: Promise<unknown>, ms: number, { clock }: NodePorts, interrupt?: Promise<void>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const forget = clock.after(ms, resolve)
  const inTime = await Promise.race([work.then(() => true), late.then(() => false), ...(interrupt === undefined ? [] : [interrupt.then(() => false)])])
  forget()
  return inTime
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function whyNotListening(error: unknown, { hostname, port }: ServeOptions): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return `port ${port} on ${hostname} is taken. Stop what listens there, or choose another with --port (0 picks a free one).`
  if (code === 'EACCES') return `port ${port} on ${hostname} is not allowed for this user. Choose one above 1023 with --port.`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `${hostname} is not an address of this machine. Choose one with --host.`
  return `cannot listen on ${hostname}:${port}: ${messageOf(error)}`
}
