/** One request's two entries: the decision before the first attempt, the outcome when the answer has ended. */
import type { Dispatched, Ended } from '../dispatch/dispatch.ts'
import { failure, type Failure } from '../failure.ts'
import type { Decision } from '../policy/decide.ts'
import { dutiesInWords } from '../policy/explain.ts'
import type { Understood } from '../policy/request.ts'
import type { Epoch } from '../pool/epochs.ts'
import type { OutcomeEntry } from '../record/record.ts'
import type { Call } from './call.ts'
import type { Gateway } from './gateway.ts'

const RETRY_AFTER_MS = 5_000
/** Facts that the gateway itself knows. */
const OURS: { readonly [fact: string]: string | undefined } = { app: 'key', operation: 'gateway', 'model-asked': 'gateway', 'agent-depth': 'gateway' }

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
  const id = gateway.nextId()
  const facts = understood.readings[0]!
  const kept = await gateway.keep({
    kind: 'decision', id, at: now, requestId: call.requestId, app: call.app,
    bundle: epoch.bundle.digest, catalog: epoch.bundle.catalogDigest, epoch: epoch.number,
    outcome: decision.outcome, ...(decision.code !== undefined && { code: decision.code }),
    request: Object.fromEntries(Object.entries(facts).map(([fact, value]) => [fact, { value, source: OURS[fact] ?? understood.sources[fact] ?? 'request' }])),
    stated: call.stated,
    permitted: decision.permitted, activeRules: decision.active, exceptions: decision.exceptions,
    assumptions: understood.assumed.map(a => a.fact), duties: dutiesInWords(decision.duties),
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

/** The outcome of an answer that was committed to. */
export const outcomeOf = (end: Ended, { deployment, attempts }: Extract<Dispatched, { kind: 'whole' | 'stream' }>): Outcome => ({
  outcome: end.outcome, ...(end.failure !== undefined && { code: end.failure.code }),
  deployment: deployment.name, model: deployment.model, attempts,
  ...(end.deployments.length > 1 && { deployments: end.deployments }), ...(end.mismatch !== undefined && { mismatch: end.mismatch }),
  ...(end.servedModel !== undefined && { servedModel: end.servedModel }), ...(end.usage !== undefined && { usage: end.usage }),
})
