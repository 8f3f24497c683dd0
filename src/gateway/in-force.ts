/** Putting another bundle in force, and forgetting what is only true of deployments that it does not hold. */
import type { Bundle } from '../bundle/bundle.ts'
import { KEY_ALARM, type Gateway } from './gateway.ts'
import { releaseByGateway } from './quarantining.ts'

/** A compliance mismatch stays: the deployment may come back, and only a person releases it. */
export function putInForce(gateway: Gateway, bundle: Bundle, cause: string): void {
  const { epochs, breakers, quarantine, metrics, ports: { background } } = gateway
  epochs.swap(bundle, cause)
  const { byName } = bundle.catalog
  breakers.keep(new Set(byName.keys()))
  metrics.replace('bailiwick_breaker_open', [...byName.keys()].map(deployment => ({ labels: { deployment }, value: breakers.state(deployment) === 'closed' ? 0 : 1 })))
  for (const { name } of gateway.alarms()) if (name.startsWith(KEY_ALARM) && !byName.has(name.slice(KEY_ALARM.length))) gateway.clear(name)
  for (const { deployment } of quarantine.all()) if (!byName.has(deployment)) background(releaseByGateway(gateway, deployment))
}
