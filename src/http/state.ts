/** What the gateway says of itself: to whoever asks whether it is well, and to its operator. */
import type { Gateway } from '../gateway/gateway.ts'
import { inUtc } from '../policy/time.ts'
import { unfitFor } from '../pool/pool.ts'

/** Whether a request could be answered now, and what an operator should look at. */
export function readiness(gateway: Gateway, { version, rehearsing }: { readonly version: string; readonly rehearsing: () => readonly string[] }): unknown {
  const { number, bundle } = gateway.epochs.current()
  const alarms = gateway.alarms()
  const pretending = rehearsing()
  return {
    status: alarms.length === 0 ? 'ready' : 'degraded',
    version,
    bundle: bundle.digest,
    epoch: number,
    alarms: alarms.map(a => ({ name: a.name, message: a.message, since: inUtc(a.since) })),
    rehearsal: pretending.length === 0 ? false : pretending,
  }
}

/** Every deployment as it stands, what every profile could be answered by, and the latest rebuilds of the pool, oldest first. */
export function poolState({ epochs, breakers, quarantine }: Gateway): unknown {
  const { number, bundle, since } = epochs.current()
  return {
    epoch: number,
    since: inUtc(since),
    bundle: bundle.digest,
    deployments: bundle.catalog.deployments.map(d => {
      const notBefore = breakers.notBefore(d.name), aside = quarantine.of(d.name)
      return {
        deployment: d.name, provider: d.provider, model: d.model, unfit: unfitFor(d, epochs.connected),
        breaker: breakers.state(d.name), notBefore: notBefore === undefined ? null : inUtc(notBefore),
        quarantine: aside === undefined ? null : { reason: aside.reason, detail: aside.detail, since: inUtc(aside.since) },
      }
    }),
    profiles: epochs.profiles().map(({ app, data, available }) => ({ app, data, available })),
    events: epochs.events(),
  }
}
