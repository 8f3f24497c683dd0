/**
 * The machine form of a decision (policy-language, section 10) with what the law does not know: the bundle, and per
 * deployment what keeps it from serving and how it stands, now.
 */
import type { BreakerState } from '../breaker/breaker.ts'
import { nearest } from '../bundle/nearest.ts'
import { failure, type Failure } from '../failure.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Needs } from '../openai/request.ts'
import { explain, type Explanation, type Row } from '../policy/explain.ts'
import { OPERATIONS, requestFacts, type Operation } from '../policy/facts.ts'
import type { RawFacts } from '../policy/request.ts'
import type { Epoch } from '../pool/epochs.ts'
import { unfitFor, type Wish } from '../pool/pool.ts'
import type { QuarantineReason } from '../pool/quarantine.ts'

/** `health`: why the deployment is set aside, where it is; else how its breaker stands. */
export type LiveRow = Row & { readonly unfit: readonly string[]; readonly health: QuarantineReason | BreakerState }
export type LiveExplanation = Omit<Explanation, 'deployments'> & { readonly bundle: string; readonly deployments: readonly LiveRow[] }
export type Explained = { readonly ok: true; readonly explanation: LiveExplanation } | { readonly ok: false; readonly failure: Failure }

const NOTHING_SPECIAL: Omit<Needs, 'model'> = {
  models: undefined, preferences: undefined, stream: false, choices: 1, tools: false, vision: false, jsonSchema: false, promptTokensAtLeast: 0, maxTokens: undefined,
}
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/

/** Explains request facts as stated by a trusted source; `at` and `model` beside them are optional. */
export function explainFacts(gateway: Gateway, body: Readonly<Record<string, unknown>>): Explained {
  const refuse = (param: string, message: string): Explained => ({ ok: false, failure: failure('invalid_request', message, { param }) })
  const { at, model, ...facts } = body
  for (const name of Object.keys(facts)) {
    if (requestFacts.has(name)) continue
    const meant = nearest(name, [...requestFacts.keys(), 'at', 'model'])
    return refuse(name.slice(0, 64), `The body holds a name that is no request fact.${meant === undefined ? '' : ` Did you mean ${meant}?`}`)
  }
  const instant = at === undefined ? gateway.ports.clock.now() : typeof at === 'string' && INSTANT.test(at) ? Date.parse(at) : Number.NaN
  if (Number.isNaN(instant)) return refuse('at', "'at' must be an instant such as 2026-11-22T12:00:00+01:00.")
  if (model !== undefined && (typeof model !== 'string' || model === '')) return refuse('model', "'model' must be the name of a model.")

  const trusted: RawFacts = model === undefined ? facts : { 'model-asked': model, ...facts }
  const { operation } = facts
  const wish = isOperation(operation) ? { operation, needs: { ...NOTHING_SPECIAL, model: model ?? '' } } : undefined
  const epoch = gateway.epochs.current()
  return { ok: true, explanation: withLiveState(gateway, epoch, explain(epoch.bundle.rulebook, { trusted }, instant), wish) }
}

const isOperation = (value: unknown): value is Operation => (OPERATIONS as readonly unknown[]).includes(value)

export function withLiveState(gateway: Gateway, { bundle }: Epoch, { outcome, code, at, ...rest }: Explanation, wish?: Wish): LiveExplanation {
  const unfit = (name: string): readonly string[] => {
    const listed = bundle.catalog.byName.get(name)
    return listed === undefined ? ['not-in-catalog'] : unfitFor(listed, gateway.epochs.connected, wish)
  }
  const healthOf = (name: string): LiveRow['health'] => gateway.quarantine.of(name)?.reason ?? gateway.breakers.state(name)
  return {
    outcome, ...(code !== undefined && { code }), at, bundle: bundle.digest, ...rest,
    deployments: rest.deployments.map(row => ({ ...row, unfit: unfit(row.deployment), health: healthOf(row.deployment) })),
  }
}

/** The same for the app that asked: of the deployments granted to it, and of no other's. */
export const forItsApp = (explanation: LiveExplanation): LiveExplanation =>
  ({ ...explanation, deployments: explanation.deployments.filter(row => row.granted) })
