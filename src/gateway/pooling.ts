/** The pool of one request: built from what is healthy now, and kept true while its attempts go on. */
import { probe } from '../dispatch/probe.ts'
import type { Decision, Permit } from '../policy/decide.ts'
import type { Epoch } from '../pool/epochs.ts'
import { attest } from '../provider/attestation.ts'
import { buildPool, type Health, type Pool, type PoolAnswer } from '../pool/pool.ts'
import type { Call } from './call.ts'
import type { Gateway } from './gateway.ts'
import { noticed } from './noticing.ts'

type Asked = { readonly epoch: Epoch; readonly decision: Decision & { readonly permit: Permit } }

/**
 * The pool under an epoch. Where nothing but a sign of life keeps a deployment out of an otherwise empty pool, that sign is
 * asked for first, with words of ours: nobody's prompt is the probe where no other deployment could answer in its place.
 */
export async function poolFor(gateway: Gateway, call: Call, { epoch, decision }: Asked): Promise<PoolAnswer> {
  const { providers, breakers, epochs, ports: { clock } } = gateway
  const { bundle } = epoch, app = bundle.apps.get(call.app)!
  const build = (): PoolAnswer => buildPool({
    operation: call.operation, needs: call.needs, decision, app, bundle, epoch: epoch.number, connected: epochs.connected,
    health: name => healthOf(gateway, name), notBefore: name => breakers.notBefore(name), now: clock.now(),
  })
  const pooled = build()
  if (pooled.ok || pooled.probe === undefined) return pooled
  const withinMs = call.receivedAt + (app.timeouts.total ?? pooled.probe.timeouts.total) - clock.now()
  const failed = await probe(pooled.probe, { providers, breakers, clock, requestId: call.requestId, signal: call.signal, withinMs, attest: (d, said) => attest(d, bundle.catalog, said) })
  noticed(gateway, pooled.probe, failed)
  return failed === undefined || failed.code === 'refused_by_provider' ? build() : pooled
}

/** The same pool under the epoch in force now; undefined when the law is another one by now. */
export function poolNow(gateway: Gateway, pool: Pool, decidedIn: Epoch): Pool | undefined {
  const epoch = gateway.epochs.current()
  if (epoch.number === pool.epoch) return pool
  if (epoch.law !== decidedIn.law) return undefined
  return pool.narrowed(d => gateway.epochs.connected(d) === undefined && healthOf(gateway, d.name) !== 'out', epoch.number)
}

function healthOf({ quarantine, breakers }: Gateway, name: string): Health {
  if (quarantine.of(name) !== undefined || !breakers.mayTry(name)) return 'out'
  return breakers.state(name) === 'half-open' ? 'to-be-probed' : 'well'
}
