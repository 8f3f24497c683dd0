/** The law and the wish of one request, read naively: what no attempt may leave, whatever happens. */
import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Deployment } from '../../src/catalog/catalog.ts'
import { reference } from '../policy/reference.ts'
import type { Ask } from './history.ts'

export type Lawful = { readonly code: string | undefined; readonly permitted: ReadonlySet<string>; readonly mayRescue: boolean }

/** What the law permits this request at this instant. What the app may assert is vouched for, everything else of the caller is not. */
export function lawful({ rulebook }: Bundle, ask: Ask, at: number): Lawful {
  const mayAssert = rulebook.apps.get(ask.app)?.mayAssert ?? []
  const part = (isVouched: boolean): Record<string, unknown> => Object.fromEntries(Object.entries(ask.stated).filter(([fact]) => mayAssert.includes(fact) === isVouched))
  const trusted = { ...part(true), app: ask.app, operation: ask.operation, 'model-asked': ask.needs.model, 'agent-depth': 0 }
  const law = reference(rulebook, { trusted, stated: part(false) }, at)
  return { code: law.code, permitted: new Set(law.permitted), mayRescue: law.duties.rescue !== 'no' }
}

/** What the caller and the app let stand in for the model that was asked for. */
export function wished({ catalog }: Bundle, { needs, connection, operation }: Ask): ReadonlySet<string> {
  const vendor = (model: string): string => model.split('/')[0]!
  const isWished = ({ model }: Deployment): boolean => {
    if (needs.models !== undefined) return [needs.model, ...needs.models].some(asked => asked === 'auto' || asked === model)
    if (needs.model === 'auto' || needs.model === model) return true
    return connection.substitutes === 'yes' || (connection.substitutes === 'same-developer' && vendor(model) === vendor(needs.model))
  }
  const space = (catalog.byModel.get(needs.model) ?? []).map(d => d.embeddingSpace)[0]
  return new Set(catalog.deployments.filter(d => isWished(d) && (operation !== 'embedding' || d.embeddingSpace === space)).map(d => d.name))
}

/** Whether a deployment can carry the request out at all. */
export function isFit(d: Deployment, { needs, operation }: Ask): boolean {
  const tokens = needs.promptTokensAtLeast + (needs.maxTokens ?? 0)
  return d.operations.includes(operation) && (!needs.tools || d.can.includes('tools')) && tokens <= (d.context ?? Infinity)
}
