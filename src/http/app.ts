/**
 * What this is for: the way in. Paths, keys, headers and bodies become calls of the gateway; answers and failures become
 * responses. The only folder that knows Hono (in XACML's words: the PEP).
 *
 * What it assumes: a host that listens, speaks HTTP/1.1 or later and aborts a request's signal when its caller is gone.
 * What it promises: nobody reaches the gateway without a key; nothing half-read reaches it at all; every response has an
 * x-request-id, every failure one shape; nothing of a prompt, an answer or a key is in a log, a metric or an error.
 */
import { Hono, type Context } from 'hono'
import { failure } from '../failure.ts'
import { coverageMeter } from '../gateway/coverage.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { visibleModels } from '../gateway/visible.ts'
import type { Operation } from '../policy/facts.ts'
import type { RecordsPort } from '../record/record.ts'
import { ask } from './ask.ts'
import { readJson } from './body.ts'
import { liveCoverage } from './coverage.ts'
import { NO_RECORDS, showDecision, showKey, showReceipt, type Reader } from './decisions.ts'
import type { Outcome } from './changing.ts'
import { enactDirective, liftDirective, listDirectives, type DirectivesPort } from './directives.ts'
import { beginDrill, endDrill, listDrills, type DrillsPort } from './drills.ts'
import { eventStreams } from './events.ts'
import { explainFacts } from './explain.ts'
import { appOf, refuseAdmin } from './key.ts'
import { listModels, type Model } from './models.ts'
import { listQuarantine, releaseDeployment } from './quarantine.ts'
import { BUG, failed, json, statusOfReply, toResponse, type Reply } from './respond.ts'
import { poolState, readiness } from './state.ts'
import { readStated, type Stated } from './stated.ts'

export type HttpOptions = {
  /** The most that a request body may hold. */
  readonly bodyBytesMax: number
  /** Undefined: the admin paths refuse everybody. */
  readonly adminToken: string | undefined
  /** Whether a request comes from this machine; only the host knows. */
  readonly clientIsLoopback: (context: Context) => boolean
  readonly version: string
  /** When the gateway began, in milliseconds since 1970. */
  readonly started: number
  /** Names of the providers that only pretend; empty when none does. */
  readonly rehearsing: () => readonly string[]
  /** Absent on a host whose policies are no folder that can be written to. */
  readonly directives?: DirectivesPort
  /** Absent on a host that lays nothing over the law. */
  readonly drills?: DrillsPort
  /** Absent on a host whose records cannot be read while it serves. */
  readonly records?: RecordsPort
  /** Aborts when the gateway stops serving: streams of events, which have no end of their own, end then. */
  readonly stopping: AbortSignal
  /** Closes the connection that a request came on, whatever is still to be read from it; only the host can. */
  readonly cut: (context: Context) => void
}

export const DEFAULT_HTTP_OPTIONS: HttpOptions = {
  bodyBytesMax: 32 * 1024 * 1024, adminToken: undefined, clientIsLoopback: () => false, version: '', started: 0, rehearsing: () => [],
  stopping: new AbortController().signal, cut: () => undefined,
}

/** One request on its way: its id, and a signal that aborts when the caller has hung up. */
type Exchange = { readonly context: Context; readonly requestId: string; readonly receivedAt: number; readonly signal: AbortSignal }
/** The exchange of a caller whose key was good. */
type AppExchange = Exchange & { readonly app: string } & Pick<Extract<Stated, { ok: true }>, 'facts' | 'dryRun'>

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/
const STACK_LINES_MAX = 20

export function createApp(gateway: Gateway, given: Partial<HttpOptions> = {}): Hono {
  const options: HttpOptions = { ...DEFAULT_HTTP_OPTIONS, ...given }
  const { clock, random, log } = gateway.ports
  const { metrics } = gateway
  let inFlight = 0

  const note = (exchange: Exchange, thrown: unknown): void => log('error', 'internal-error', { id: exchange.requestId, ...withoutMessage(thrown) })

  /** The one way out of every path: identified, measured, logged; a bug is a reply too. `operation` undefined: not counted. */
  async function reply(context: Context, operation: string | undefined, work: (exchange: Exchange, name: (app: string) => void) => Reply | Promise<Reply>): Promise<Response> {
    const hungUp = new AbortController()
    const callers = context.req.raw.signal
    if (callers.aborted) hungUp.abort()
    else callers.addEventListener('abort', () => hungUp.abort(), { once: true })
    const exchange: Exchange = { context, requestId: requestIdOf(context.req.header('x-request-id'), random), receivedAt: clock.now(), signal: hungUp.signal }
    if (operation !== undefined) metrics.set('bailiwick_requests_in_flight', ++inFlight)

    let app: string | undefined
    let made: Reply
    try {
      made = await work(exchange, name => { app = name })
    } catch (thrown) {
      note(exchange, thrown)
      made = failed(BUG)
    }
    const respondWith = (outcome: Reply): Response => toResponse(outcome, {
      requestId: exchange.requestId,
      broke: thrown => note(exchange, thrown),
      ended: how => {
        if (how === 'left') hungUp.abort()
        if (operation === undefined) return
        metrics.set('bailiwick_requests_in_flight', --inFlight)
        const code = how === 'left' ? 'cancelled' : outcome.kind === 'failed' ? outcome.failure.code : 'ok'
        metrics.count('bailiwick_requests_total', { operation, code })
        log('info', 'request', {
          id: exchange.requestId, app, operation, status: statusOfReply(outcome), code,
          ms: clock.now() - exchange.receivedAt, decision: outcome.headers['x-bailiwick-decision'],
        })
      },
    })
    try {
      return respondWith(made)
    } catch (thrown) {
      note(exchange, thrown)
      return respondWith(failed(BUG))
    }
  }

  /** A path for apps: a good key, and headers that can be read. */
  const forApp = (operation: string, work: (exchange: AppExchange) => Reply | Promise<Reply>) => (context: Context): Promise<Response> =>
    reply(context, operation, async (exchange, name) => {
      const { bundle } = gateway.epochs.current()
      const known = await appOf(context.req.header('authorization'), { bundle, isLoopback: () => options.clientIsLoopback(context) })
      if (!known.ok) return failed(known.failure)
      name(known.app)
      const stated = readStated(context.req.raw.headers, bundle.rulebook)
      if (!stated.ok) return failed(stated.failure)
      for (const header of stated.unread) log('warn', 'bad-input', { id: exchange.requestId, app: known.app, header })
      return work({ ...exchange, app: known.app, facts: stated.facts, dryRun: stated.dryRun })
    })

  const forAdmin = (work: (exchange: Exchange) => Reply | Promise<Reply>) => (context: Context): Promise<Response> =>
    reply(context, 'admin', async exchange => {
      const refused = await refuseAdmin(context.req.header('authorization'), options.adminToken)
      return refused === undefined ? work(exchange) : failed(refused)
    })

  /** A path for what only some hosts can do. */
  const forHost = <Port>(port: Port | undefined, without: string) => (work: (port: Port, exchange: Exchange) => Reply | Promise<Reply>) =>
    forAdmin(exchange => (port === undefined ? failed(failure('unknown_url', without)) : work(port, exchange)))
  const forDirectives = forHost(options.directives, 'Notices cannot be enacted at this gateway: put them where its policies come from.')
  const forDrills = forHost(options.drills, 'This gateway cannot be drilled while it serves.')
  const changing = async ({ context }: Exchange, change: (body: Readonly<Record<string, unknown>>) => Promise<Outcome>): Promise<Reply> => {
    const read = await readJson(context.req.raw, options.bodyBytesMax)
    if (!read.ok) return failed(read.failure)
    const outcome = await change(read.body.value)
    return outcome.ok ? json(outcome.value) : failed(outcome.failure)
  }
  const named = ({ context }: Exchange, what: string): string => context.req.param(what) ?? ''

  const asking = (operation: Operation) => forApp(operation, ({ context, requestId, receivedAt, signal, app, facts, dryRun }) => ask(gateway, {
    operation, requestId, app, request: context.req.raw, stated: facts, dryRun, bodyBytesMax: options.bodyBytesMax, receivedAt, signal,
  }))

  const ofRecords = (work: (records: RecordsPort) => Reply | Promise<Reply>): Reply | Promise<Reply> => (options.records === undefined ? NO_RECORDS : work(options.records))
  const decisionFor = (reader: Reader, exchange: Exchange) => ofRecords(records => showDecision(records, named(exchange, 'id'), reader))
  const receiptFor = (reader: Reader, exchange: Exchange) => ofRecords(records => showReceipt(records, named(exchange, 'id'), { reader, at: clock.now() }))

  const events = eventStreams(gateway)
  const measureCoverage = coverageMeter(gateway)
  const measured = (): Reply => {
    measureCoverage()
    return { kind: 'whole', headers: {}, contentType: 'text/plain; version=0.0.4; charset=utf-8', body: new TextEncoder().encode(metrics.text()) }
  }
  const models = ({ app, facts }: AppExchange): readonly Model[] => listModels(visibleModels(gateway, app, facts), options.started)
  const alive = (context: Context): Promise<Response> => reply(context, undefined, () => json({ status: 'alive', version: options.version }))
  const ready = (context: Context): Promise<Response> => reply(context, undefined, () => json(readiness(gateway, options)))

  return new Hono()
    .post('/v1/chat/completions', asking('chat'))
    .post('/v1/completions', asking('completion'))
    .post('/v1/embeddings', asking('embedding'))
    .get('/v1/models', forApp('models', exchange => json({ object: 'list', data: models(exchange) })))
    .get('/v1/models/:id{.+}', forApp('models', exchange => {
      const model = models(exchange).find(m => m.id === exchange.context.req.param('id'))
      return model === undefined ? failed(failure('model_not_found', 'This key may use no model of this name. GET /v1/models lists those that it may use.', { param: 'model' })) : json(model)
    }))
    .get('/v1/decisions/:id', forApp('decisions', exchange => decisionFor({ app: exchange.app }, exchange)))
    .get('/v1/decisions/:id/receipt', forApp('decisions', exchange => receiptFor({ app: exchange.app }, exchange)))
    .get('/.well-known/bailiwick-records-key', context => reply(context, undefined, () => ofRecords(showKey)))
    .get('/health/liveliness', alive)
    .get('/healthz', alive)
    .get('/health/readiness', ready)
    .get('/readyz', ready)
    .get('/metrics', context => reply(context, undefined, measured))
    .get('/admin/pool', forAdmin(() => json(poolState(gateway))))
    .get('/admin/decisions/:id', forAdmin(exchange => decisionFor('admin', exchange)))
    .get('/admin/decisions/:id/receipt', forAdmin(exchange => receiptFor('admin', exchange)))
    .post('/admin/explain', forAdmin(async ({ context }) => {
      const read = await readJson(context.req.raw, options.bodyBytesMax)
      if (!read.ok) return failed(read.failure)
      const explained = explainFacts(gateway, read.body.value)
      return explained.ok ? json(explained.explanation) : failed(explained.failure)
    }))
    // Hono answers HEAD by GET and drops the body unread: there would be nobody to end a stream.
    .get('/admin/events', forAdmin(({ context, signal }) => (context.req.method === 'HEAD' ? { kind: 'whole', headers: {}, contentType: 'text/event-stream', body: new Uint8Array() } : events({
      since: context.req.header('last-event-id') ?? context.req.query('since'), signal, stopping: options.stopping, cut: () => options.cut(context),
    }))))
    .get('/admin/coverage', forAdmin(() => json(liveCoverage(gateway))))
    .get('/admin/directives', forDirectives(async directives => json(await listDirectives(gateway, directives))))
    .post('/admin/directives', forDirectives((directives, exchange) => changing(exchange, body => enactDirective(gateway, directives, body))))
    .delete('/admin/directives/:name', forDirectives((directives, exchange) => changing(exchange, body => liftDirective(gateway, directives, named(exchange, 'name'), body))))
    .get('/admin/drills', forDrills(drills => json(listDrills(drills))))
    .post('/admin/drills', forDrills((drills, exchange) => changing(exchange, body => beginDrill(gateway, drills, body))))
    .delete('/admin/drills/:id', forDrills((drills, exchange) => changing(exchange, body => endDrill(drills, named(exchange, 'id'), body))))
    .get('/admin/quarantine', forAdmin(() => json(listQuarantine(gateway))))
    .post('/admin/quarantine/:deployment/release', forAdmin(exchange => changing(exchange, body => releaseDeployment(gateway, named(exchange, 'deployment'), body))))
    .notFound(context => reply(context, 'unknown', () => failed(failure('unknown_url',
      'There is nothing at this path with this method. Models answer at POST /v1/chat/completions, /v1/completions and /v1/embeddings; GET /v1/models lists them.'))))
}

/** The caller's own id where it is one, else a new one. */
function requestIdOf(given: string | undefined, random: () => number): string {
  if (given !== undefined && REQUEST_ID.test(given)) return given
  return `req_${Array.from({ length: 4 }, () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, '0')).join('')}`
}

/** What may be logged of something thrown: its name and where, never its message, which may hold anything. */
function withoutMessage(thrown: unknown): { readonly error: string; readonly stack: readonly string[] } {
  if (!(thrown instanceof Error)) return { error: typeof thrown, stack: [] }
  return { error: thrown.name, stack: (thrown.stack ?? '').split('\n').filter(line => /^ +at /.test(line)).slice(0, STACK_LINES_MAX).map(line => line.trim()) }
}
