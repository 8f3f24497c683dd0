/**
 * The way of a request: classify -> decide -> record -> obligation -> pool -> dispatch -> answer -> record.
 *
 * What it assumes: http/ authenticated the caller and read the request. What it promises: there is no other way from a
 * request to a deployment; nothing is sent that was not decided and recorded first.
 */
import { classify } from '../classify/classify.ts'
import { dispatch, type Ended } from '../dispatch/dispatch.ts'
import { failure, type Failure } from '../failure.ts'
import { carryOut } from '../obligation/obligation.ts'
import { decideUnderstood } from '../policy/decide.ts'
import { explain } from '../policy/explain.ts'
import { frameAt } from '../policy/frame.ts'
import { understand } from '../policy/request.ts'
import { buildPool, isKnownModel } from '../pool/pool.ts'
import { answerHeaders, refusalOf, type Story } from './answer.ts'
import type { Answer, Call } from './call.ts'
import type { Gateway } from './gateway.ts'
import { openRecord, outcomeOf, type Outcome } from './recording.ts'

/** How often one request may be decided anew because the law changed between two of its attempts. */
const REDECISIONS_MAX = 3

/** Answers one call. Expected failures are values; a throw is a broken invariant and stops the request. */
export async function handle(gateway: Gateway, call: Call, redecisions = 0): Promise<Answer> {
  const { clock, log } = gateway.ports
  const epoch = gateway.epochs.current()
  const { bundle } = epoch
  const { rulebook } = bundle
  const turnAway = (why: Failure): Answer => ({ kind: 'failed', headers: {}, failure: why })

  // 1. The app, and a model that means something.
  const app = bundle.apps.get(call.app)
  if (app === undefined) return turnAway(failure('invalid_api_key', 'The app of this key is no longer registered.'))
  if (![call.needs.model, ...call.needs.models ?? []].every(m => isKnownModel(bundle, m))) {
    return turnAway(failure('model_not_found', 'No model of this name is in the catalog. GET /v1/models lists those that this key may use.', { param: 'model' }))
  }
  const admitted = call.dryRun ? { ok: true as const } : gateway.limits.admit(app)
  if (!admitted.ok) return turnAway(admitted.failure)

  // 2. What the request is, and what the law says of it.
  const now = clock.now()
  const asked = classify(rulebook, { ...call, modelAsked: call.needs.model })
  if (call.dryRun) return { kind: 'dry-run', headers: {}, explanation: explain(rulebook, asked, now) }
  const understood = understand(rulebook, asked, now)
  const decision = decideUnderstood(rulebook, understood, now)

  // 3. The decision is on record before anything is sent.
  const record = await openRecord(gateway, { call, epoch, understood, decision, now })
  if (!record.ok) return turnAway(record.failure)
  const story: Story = { id: record.id, bundle, call, decision, now: () => clock.now() }
  const end = async (why: Failure, outcome: Outcome): Promise<Answer> => {
    await record.close({ code: why.code, ...outcome })
    return { kind: 'failed', headers: answerHeaders(story, { attempts: outcome.attempts }), failure: why }
  }
  if (decision.permit === undefined) return end(refusalOf(decision, rulebook), { outcome: 'refused', attempts: [] })

  // 4. The request as it may leave, and where it may go now.
  const duty = carryOut(decision.duties, call.operation, call.body.value, { place: gateway.place, members: group => frameAt(rulebook, now).members.get(group) ?? [] })
  if (!duty.ok) return end(duty.failure, { outcome: 'refused', attempts: [] })
  if (duty.notify.length > 0) log('warn', 'notify', { decision: record.id, to: duty.notify, app: call.app })
  const pooled = buildPool({
    operation: call.operation, needs: call.needs, decision: { ...decision, permit: decision.permit },
    app, bundle, epoch: epoch.number, connected: gateway.epochs.connected, mayTry: name => gateway.breakers.mayTry(name),
  })
  if (!pooled.ok) return end(pooled.failure, { outcome: pooled.failure.code === 'permitted_models_unavailable' ? 'failed' : 'refused', attempts: [] })

  // 5. Attempts, one deadline.
  const ending = Promise.withResolvers<Ended>()
  const sent = await dispatch({
    pool: pooled.pool, providers: gateway.providers, breakers: gateway.breakers, clock,
    call: {
      operation: call.operation, stream: call.needs.stream, requestId: call.requestId,
      body: call.body.edit({ set: duty.edit?.set ?? {}, remove: ['provider', 'models'] }),
    },
    receivedAt: call.receivedAt, signal: call.signal, epochNow: () => gateway.epochs.current().number, ended: ending.resolve,
  })
  if (sent.kind === 'stale') {
    if (redecisions === REDECISIONS_MAX) return end(failure('permitted_models_unavailable', 'The policies change faster than this request can be sent.', { retryAfterMs: 1_000 }), { outcome: 'superseded', attempts: sent.attempts })
    await record.close({ outcome: 'superseded', attempts: sent.attempts })
    return handle(gateway, call, redecisions + 1)
  }
  if (sent.kind === 'failed') return end(sent.failure, { outcome: sent.failure.code === 'cancelled' ? 'cancelled' : 'failed', attempts: sent.attempts })

  // 6. The answer, and how it ended.
  const closed = ending.promise.then(async ended => {
    if (ended.usage !== undefined) gateway.limits.spent(call.app, costOf(ended.usage, sent.deployment.price))
    return record.close({ ...outcomeOf(ended, sent), ...(duty.done.length > 0 && { duties: duty.done }) })
  })
  const headers = { ...duty.headers, ...answerHeaders(story, sent) }
  if (sent.kind === 'stream') {
    gateway.ports.background(closed)
    return { kind: 'stream', headers, contentType: 'text/event-stream', body: sent.body }
  }
  if (!await closed) return turnAway(failure('cannot_record', 'The answer cannot be recorded, so it is not given.', { retryAfterMs: 5_000 }))
  return { kind: 'whole', headers, contentType: 'application/json', body: sent.body }
}

function costOf(usage: { readonly input: number; readonly output: number }, price: { readonly input: number; readonly output: number; readonly currency: string } | undefined): { tokens: number; cost?: { amount: number; currency: string } } {
  const tokens = usage.input + usage.output
  if (price === undefined) return { tokens }
  return { tokens, cost: { amount: (usage.input * price.input + usage.output * price.output) / 1e6, currency: price.currency } }
}
