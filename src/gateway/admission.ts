/** What is asked of a call before it is decided: a registered app, models that the catalog knows, and room within the app's limits. */
import { failure, type Failure } from '../failure.ts'
import { isKnownModel } from '../pool/pool.ts'
import type { Call } from './call.ts'
import type { Gateway } from './gateway.ts'

/** Undefined lets the call in, and counts it. A dry run counts for nothing. */
export function admit(gateway: Gateway, { app: name, needs, dryRun }: Call): Failure | undefined {
  const { bundle } = gateway.epochs.current()
  const app = bundle.apps.get(name)
  if (app === undefined) return failure('invalid_api_key', 'The app of this key is no longer registered.')
  if (![needs.model, ...needs.models ?? []].every(model => isKnownModel(bundle, model))) {
    return failure('model_not_found', 'No model of this name is in the catalog. GET /v1/models lists those that this key may use.', { param: 'model' })
  }
  const admitted = dryRun ? { ok: true as const } : gateway.limits.admit(app)
  return admitted.ok ? undefined : admitted.failure
}
