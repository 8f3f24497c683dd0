/** One request's two entries: the decision before the first attempt, the outcome when the answer has ended. */
import type { Bundle } from '../bundle/bundle.ts'
import type { Dispatched, Ended } from '../dispatch/dispatch.ts'
import { failure, type Failure } from '../failure.ts'
import type { Decision } from '../policy/decide.ts'
import type { Understood } from '../policy/request.ts'
import type { Epoch } from '../pool/epochs.ts'
import { decidedOf } from '../record/decided.ts'
import { saltedDigest } from '../record/hash.ts'
import type { OutcomeEntry } from '../record/record.ts'
import type { Call } from './call.ts'
import type { Gateway } from './gateway.ts'
import { costOf } from './limits.ts'

const RETRY_AFTER_MS = 5_000

export type Outcome = Omit<OutcomeEntry, 'kind' | 'id' | 'at' | 'ms'>

export type RequestRecord = {
  readonly ok: true
  readonly id: string
  /** Writes the closing entry. False when it could not be kept: the alarm is raised and the next request is refused. */
  close(outcome: Outcome): Promise<boolean>
}

export type Decided = { readonly call: Call; readonly epoch: Epoch; readonly understood: Understood; readonly decision: Decision; readonly now: number }

/** Writes the decision. What cannot be recorded cannot proceed. */
export async function openRecord(gateway: Gateway, { call, epoch, understood, decision, now }: Decided): Promise<RequestRecord | { readonly ok: false; readonly failure: Failure }> {
  const { salting } = gateway
  const owesDigest = decision.duties.requestDigest !== undefined
  if (owesDigest && salting === undefined) return { ok: false, failure: failure('no_permitted_model', 'The policies want a digest of this request on record, which this gateway cannot make.') }
  const id = gateway.nextId()
  const kept = await gateway.keep({
    kind: 'decision', id, at: now, requestId: call.requestId, app: call.app, ...(call.parent !== undefined && { parent: call.parent }),
    bundle: epoch.bundle.digest, catalog: epoch.bundle.catalogDigest, epoch: epoch.number,
    stated: call.stated, ...decidedOf(understood, decision), ...(owesDigest && salting !== undefined && { requestDigest: saltedDigest(call.body.bytes, salting) }),
  })
  if (!kept) return { ok: false, failure: failure('cannot_record', 'The decision cannot be recorded, so nothing is sent.', { retryAfterMs: RETRY_AFTER_MS }) }
  return {
    ok: true, id,
    async close(outcome) {
      const at = gateway.ports.clock.now()
      gateway.metrics.count('bailiwick_decisions_total', { outcome: outcome.outcome, app: call.app })
      return gateway.keep({ kind: 'outcome', id, at, ms: at - call.receivedAt, ...outcome })
    },
  }
}

/** The outcome of an answer that was committed to, with what the bundle says of those whose words are in it. */
export function outcomeOf(end: Ended, { deployment, attempts }: Extract<Dispatched, { kind: 'whole' | 'stream' }>, { catalog }: Bundle): Outcome {
  const took = end.deployments.map(name => catalog.byName.get(name)!)
  const places = took.map(({ processedIn }) => processedIn)
  const cost = end.usage && costOf(end.usage, took.at(-1)!.price).cost
  return {
    outcome: end.outcome, ...(end.failure !== undefined && { code: end.failure.code }),
    deployment: deployment.name, model: deployment.model, attempts,
    ...(places.every(known => known !== undefined) && { processedIn: [...new Set(places.flat())] }),
    ...(end.deployments.length > 1 && { deployments: end.deployments }), ...(end.mismatch !== undefined && { mismatch: end.mismatch }),
    ...(end.servedModel !== undefined && { servedModel: end.servedModel }), ...(end.reportedRegion !== undefined && { reportedRegion: end.reportedRegion }),
    ...(end.usage !== undefined && { usage: end.usage }), ...(cost !== undefined && { cost: cost.amount }),
  }
}
