/** Putting another bundle in force, and forgetting what is only true of deployments that it does not hold. */
import type { Bundle } from '../bundle/bundle.ts'
import type { Deployment } from '../catalog/catalog.ts'
import { choicesIn } from './choices.ts'
import { KEY_ALARM, type Gateway } from './gateway.ts'
import { releaseByGateway } from './quarantining.ts'

/** A compliance mismatch stays: the deployment may come back, and only a person releases it. */
export function putInForce(gateway: Gateway, bundle: Bundle, cause: string): void {
  doubtTheNew(gateway, bundle)
  const { epochs, breakers, quarantine, metrics, ports: { background } } = gateway
  epochs.swap(bundle, cause)
  const { byName } = bundle.catalog
  breakers.keep(new Set(byName.keys()))
  for (const name of gateway.unproven) if (!byName.has(name)) gateway.unproven.delete(name)
  metrics.replace('bailiwick_breaker_open', [...byName.keys()].map(deployment => ({ labels: { deployment }, value: breakers.state(deployment) === 'closed' ? 0 : 1 })))
  for (const { name } of gateway.alarms()) if (name.startsWith(KEY_ALARM) && !byName.has(name.slice(KEY_ALARM.length))) gateway.clear(name)
  for (const { deployment } of quarantine.all()) if (!byName.has(deployment)) background(releaseByGateway(gateway, deployment))
}

/**
 * A local model that has just come and would be asked first is in the pool when it has answered and not before: it is loaded by our
 * words, not by somebody's prompt (resilience, section 1). Those behind one that is there already are left alone: a server
 * holds more models than its memory does.
 */
function doubtTheNew({ epochs, breakers, unproven }: Gateway, bundle: Bundle): void {
  const { catalog } = epochs.current().bundle
  const isReachable = (deployment: Deployment | undefined): boolean => deployment !== undefined && epochs.connected(deployment) === undefined
  const isNew = (d: Deployment): boolean => d.hosting === 'local' && !d.rehearsal && isReachable(d) && !isReachable(catalog.byName.get(d.name))
  if (!bundle.catalog.deployments.some(isNew)) return
  for (const { deployments } of choicesIn(epochs.foreseen(bundle))) {
    for (const deployment of deployments) {
      if (!isNew(deployment)) break
      if (breakers.state(deployment.name) !== 'closed') continue
      unproven.add(deployment.name)
      breakers.doubt(deployment.name, 'unproven')
    }
  }
}
