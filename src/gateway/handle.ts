/**
 * The way of a request: classify -> decide -> record -> obligation -> pool -> dispatch -> answer -> record.
 *
 * What it assumes: http/ authenticated the caller and read the request. What it promises: there is no other way from a
 * request to a deployment; nothing is sent that was not decided and recorded first.
 */
import { classify } from '../classify/classify.ts'
import type { Attempt } from '../dispatch/attempt.ts'
import { dispatch, type Ended } from '../dispatch/dispatch.ts'
import { failure, type Failure } from '../failure.ts'
import { carryOut, mayRecord } from '../obligation/obligation.ts'
import { decideUnderstood } from '../policy/decide.ts'
import { explain } from '../policy/explain.ts'
import { frameAt } from '../policy/frame.ts'
import { understand } from '../policy/request.ts'
import { attest } from '../provider/attestation.ts'
import { admit } from './admission.ts'
import { answerHeaders, refusalOf, type Story } from './answer.ts'
import type { Answer, Call } from './call.ts'
import { contentLog } from './content.ts'
import type { Gateway } from './gateway.ts'
import { costOf } from './limits.ts'
import { noticed } from './noticing.ts'
import { poolFor, poolNow } from './pooling.ts'
import { openRecord, outcomeOf, type Outcome } from './recording.ts'

/** How often one request may be decided, because the law changed between two of its attempts. */
const ROUNDS_MAX = 4
type Stale = { readonly kind: 'stale'; readonly attempts: readonly Attempt[] }

/** Answers one call. Expected failures are values; a throw is a broken invariant and stops the request. */
export async function handle(gateway: Gateway, call: Call): Promise<Answer> {
  const turnedAway = admit(gateway, call)
  if (turnedAway !== undefined) return failed(turnedAway)
  /** Attempts of all rounds: they are bounded together. */
  let attempts: readonly Attempt[] = []
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const answer = await decideAndSend(gateway, call, attempts)
    if (answer.kind !== 'stale') return answer
    attempts = answer.attempts
  }
  return failed(failure('permitted_models_unavailable', 'The policies change faster than this request can be sent.', { retryAfterMs: 1_000 }))
}

const failed = (why: Failure): Answer => ({ kind: 'failed', headers: {}, failure: why })

async function decideAndSend(gateway: Gateway, call: Call, before: readonly Attempt[]): Promise<Answer | Stale> {
  const { clock, log, random } = gateway.ports
  const epoch = gateway.epochs.current()
  const { bundle, bundle: { rulebook } } = epoch
  const app = bundle.apps.get(call.app)
  if (app === undefined) return failed(failure('invalid_api_key', 'The app of this key is no longer registered.'))

  // 1. What the request is, and what the law says of it.
  const now = clock.now()
  const asked = classify(rulebook, { ...call, modelAsked: call.needs.model })
  if (call.dryRun) return { kind: 'dry-run', headers: {}, explanation: explain(rulebook, asked, now) }
  const understood = understand(rulebook, asked, now)
  const decision = decideUnderstood(rulebook, understood, now)

  // 2. The decision is on record before anything is sent, and nowhere it may not be.
  const host = { place: gateway.place, members: (group: string): readonly string[] => frameAt(rulebook, now).members.get(group) ?? [] }
  const nowhere = mayRecord(decision.duties, host)
  if (nowhere !== undefined) {
    log('error', 'no-lawful-place-for-the-record', { id: call.requestId, app: call.app })
    return failed(decision.permit === undefined ? refusalOf(decision, rulebook) : nowhere)
  }
  const record = await openRecord(gateway, { call, epoch, understood, decision, now })
  if (!record.ok) return failed(record.failure)
  const story: Story = { id: record.id, bundle, call, decision, now: () => clock.now() }
  const end = async (why: Failure, outcome: Outcome): Promise<Answer> => {
    await record.close({ code: why.code, ...outcome })
    return { kind: 'failed', headers: answerHeaders(story, { attempts: outcome.attempts }), failure: why }
  }
  const { notify } = decision.duties
  if (notify !== undefined) log('warn', 'notify', { decision: record.id, to: notify, app: call.app, outcome: decision.outcome })
  if (decision.permit === undefined) return end(refusalOf(decision, rulebook), { outcome: 'refused', attempts: before })

  // 3. The request as it may leave, and where it may go now.
  const duty = carryOut(decision.duties, call.operation, call.body.value, host)
  if (!duty.ok) return end(duty.failure, { outcome: 'refused', attempts: before })
  const pooled = await poolFor(gateway, call, { epoch, decision: { ...decision, permit: decision.permit } })
  if (!pooled.ok) return end(pooled.failure, { outcome: pooled.failure.code === 'permitted_models_unavailable' ? 'failed' : 'refused', attempts: before })

  // 4. Attempts, one deadline.
  const body = call.body.edit({ set: duty.edit?.set ?? {}, remove: ['provider', 'models'] })
  const content = contentLog(gateway, { id: record.id, duties: decision.duties, members: host.members, request: body })
  const ending = Promise.withResolvers<Ended>()
  const sent = await dispatch({
    pool: pooled.pool, choices: call.needs.choices, providers: gateway.providers, breakers: gateway.breakers, clock, random, before,
    call: {
      operation: call.operation, stream: call.needs.stream, requestId: call.requestId, body,
    },
    receivedAt: call.receivedAt, signal: call.signal, ended: ending.resolve, kept: () => closed,
    wishes: { timeouts: app.timeouts, onContentFilter: app.onContentFilter, mayRescue: app.streamRescue && decision.duties.rescue !== 'no' },
    renew: pool => poolNow(gateway, pool, epoch), isSetAside: name => gateway.quarantine.of(name) !== undefined, noticed: (deployment, why) => noticed(gateway, deployment, why),
    attest: (deployment, said) => attest(deployment, bundle.catalog, said),
  })
  if (sent.kind === 'stale') {
    await record.close({ outcome: 'superseded', attempts: sent.attempts })
    return sent
  }
  if (sent.kind === 'failed') {
    const duties = content !== undefined && sent.attempts.length > before.length ? { duties: await content.keep(duty.done) } : {}
    return end(sent.failure, { outcome: sent.failure.code === 'cancelled' ? 'cancelled' : 'failed', attempts: sent.attempts, ...duties })
  }

  // 5. The answer, and how it ended.
  const closed = ending.promise.then(async ended => {
    // The usage is the last one's where others went on with the stream, and so is the price.
    const { price } = bundle.catalog.byName.get(ended.deployments.at(-1)!)!
    gateway.limits.spent(call.app, costOf(ended.usage ?? { input: call.needs.promptTokensAtLeast, output: ended.pieces }, price))
    const duties = content === undefined ? duty.done : await content.keep(duty.done, sent.kind === 'whole' ? sent.body : undefined)
    return record.close({ ...outcomeOf(ended, sent, bundle), ...(duties.length > 0 && { duties }) })
  })
  const headers = { ...duty.headers, ...answerHeaders(story, { ...sent, first: pooled.first }) }
  if (sent.kind === 'stream') {
    gateway.ports.background(closed)
    return { kind: 'stream', headers, contentType: 'text/event-stream', body: content === undefined ? sent.body : content.heard(sent.body) }
  }
  if (!await closed) return failed(failure('cannot_record', 'The answer cannot be recorded, so it is not given.', { retryAfterMs: 5_000 }))
  return { kind: 'whole', headers, contentType: 'application/json', body: sent.body }
}
