/** Puts the models that servers say they hold into a bundle. */
import { catalogOf, type Deployment, type DiscoveredModel } from '../catalog/catalog.ts'
import type { RuledDeployment } from '../policy/rule.ts'
import type { Bundle } from './bundle.ts'
import { deploymentOf, fitOf } from './catalog-file.ts'
import { byBytes, digestOf } from './digest.ts'
import { Edges } from './edges.ts'
import { deepFreeze } from './freeze.ts'

/** What a server may call a model; anything else is not taken up. */
const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,149}$/
/** Of one provider. A server that lists more is not believed further. */
export const DISCOVERED_MAX = 1_000

/** The compiled bundle that an extended one was made of, so that a later discovery replaces an earlier one. */
const compiled = new WeakMap<Bundle, Bundle>()

/**
 * A bundle with one more deployment for each found model, after those of the catalog and in an order that does not
 * depend on the servers. Only providers with `discover` are listened to. A found model has the facts that its
 * provider's file states for everything; what is written only on deployments (developer, licence) stays unknown.
 */
export async function withDiscovered(bundle: Bundle, found: readonly DiscoveredModel[]): Promise<Bundle> {
  const base = compiled.get(bundle) ?? bundle
  const { catalog, rulebook } = base
  const names = new Set(catalog.deployments.map(d => d.name))
  const listed = new Set(catalog.deployments.map(d => `${d.provider} ${d.upstreamModel}`))
  const counts = new Map<string, number>()
  const taken: DiscoveredModel[] = [], deployments: Deployment[] = [], ruled: RuledDeployment[] = [], parts: [string, string][] = []
  const edges = new Edges()
  for (const edge of rulebook.edges) edges.add(edge.at, edge.zone)

  for (const model of found.toSorted((a, b) => byBytes(`${a.provider} ${a.upstreamModel}`, `${b.provider} ${b.upstreamModel}`))) {
    const provider = catalog.providers.get(model.provider)
    const key = `${model.provider} ${model.upstreamModel}`
    if (provider?.discover === undefined || provider.defaults === undefined || !MODEL_NAME.test(model.upstreamModel) || listed.has(key)) continue
    const count = counts.get(provider.name) ?? 0
    // Two names that differ in case only keep their case apart.
    const name = [`${provider.name}:${model.upstreamModel.toLowerCase()}`, `${provider.name}:${model.upstreamModel}`].find(n => !names.has(n))
    if (name === undefined || count === DISCOVERED_MAX) continue
    counts.set(provider.name, count + 1)
    names.add(name)
    taken.push(model)
    listed.add(key)
    const { defaults } = provider
    const named = { name, model: `${provider.name}/${model.upstreamModel}`, provider: provider.name }
    const fit = { ...fitOf(defaults), ...(model.context !== undefined && { context: model.context }), ...(model.can && { can: model.can }) }
    deployments.push(deploymentOf({
      ...named, upstreamModel: model.upstreamModel, connection: provider.connection, localHosts: provider.localHosts,
      rehearsal: provider.rehearsal !== undefined, discovered: true, pull: false,
      facts: defaults.facts, fit, ...(model.operations && { operations: model.operations }),
    }))
    ruled.push({ ...named, facts: defaults.facts, price: defaults.price && defaults.price.input + defaults.price.output })
    edges.addFacts(defaults.facts, defaults.zone)
    // The name at the server as it is spelt: rules and grants read it, and a deployment's name does not always keep it.
    parts.push([name, JSON.stringify([model.upstreamModel, model.context, model.can, model.operations])])
  }
  if (deployments.length === 0) return base
  const extended = deepFreeze({
    ...base,
    catalogDigest: await digestOf([['catalog', base.catalogDigest], ...parts]),
    catalog: catalogOf(catalog.providers, [...catalog.deployments, ...deployments]),
    rulebook: { ...rulebook, deployments: [...rulebook.deployments, ...ruled], edges: edges.inOrder() },
    madeOf: { ...base.madeOf, discovered: taken },
  })
  compiled.set(extended, base)
  return extended
}
