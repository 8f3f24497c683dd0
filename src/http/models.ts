/**
 * GET /v1/models: what this key may use now, by what its app registered and what the request states in headers, with where
 * each would answer.
 */
import type { Deployment } from '../catalog/catalog.ts'
import { AUTO } from '../pool/pool.ts'

export type Model = {
  readonly id: string
  readonly object: 'model'
  /** Seconds since 1970: when this gateway began to serve it. */
  readonly created: number
  readonly owned_by: string
  readonly deployments: readonly { readonly deployment: string; readonly provider: string; readonly processed_in: readonly string[] | null; readonly hosting: string | null }[]
}

/** `auto` first, then each model once, in the order of its first deployment. Empty when nothing may be used: then neither can `auto`. */
export function listModels(visible: readonly Deployment[], started: number): readonly Model[] {
  if (visible.length === 0) return []
  const byModel = Map.groupBy(visible, d => d.model)
  const model = (id: string, ownedBy: string, deployments: readonly Deployment[]): Model => ({
    id, object: 'model', created: Math.floor(started / 1_000), owned_by: ownedBy,
    deployments: deployments.map(d => ({ deployment: d.name, provider: d.provider, processed_in: d.processedIn ?? null, hosting: d.hosting ?? null })),
  })
  return [model(AUTO, 'bailiwick', visible), ...[...byModel].map(([id, deployments]) => model(id, vendorOf(id) ?? deployments[0]!.provider, deployments))]
}

/** The part before the slash: who made the model. */
function vendorOf(model: string): string | undefined {
  const slash = model.indexOf('/')
  return slash > 0 ? model.slice(0, slash) : undefined
}
