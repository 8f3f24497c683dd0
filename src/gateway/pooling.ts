/** The pool of one request: built from what is healthy now, and kept true while its attempts go on. */
import type { Deployment } from '../catalog/catalog.ts'
import type { Decision, Permit } from '../policy/decide.ts'
import type { Epoch } from '../pool/epochs.ts'
import { buildPool, mayAnswer, type Health, type Pool, type PoolAnswer } from '../pool/pool.ts'
import type { Clock } from '../ports.ts'
import type { Call } from './call.ts'
import type { Gateway } from './gateway.ts'
import { signOfLife } from './sign-of-life.ts'

type Asked = { readonly epoch: Epoch; readonly decision: Decision & { readonly permit: Permit } }

/**
 * The pool under an epoch. Where nothing but a sign of life keeps a deployment out of an otherwise empty pool, that sign is
 * asked for first, with words of ours: nobody's prompt is the probe where no other deployment could answer in its place. A probe
 * that is under way already is waited for.
 */
export async function poolFor(gateway: Gateway, call: Call, { epoch, decision }: Asked): Promise<PoolAnswer> {
  const { breakers, epochs, ports: { clock } } = gateway
  const { bundle } = epoch, app = bundle.apps.get(call.app)!
  const build = (): PoolAnswer => buildPool({
    operation: call.operation, needs: call.needs, decision, app, bundle, epoch: epoch.number, connected: epochs.connected,
    health: name => healthOf(gateway, name), notBefore: name => breakers.notBefore(name), now: clock.now(),
  })
  const asked = new Set<Deployment>()
  for (;;) {
    const pooled = build()
    if (pooled.ok || pooled.probe === undefined || asked.has(pooled.probe)) return pooled
    asked.add(pooled.probe)
    const until = call.receivedAt + (app.timeouts.total ?? pooled.probe.timeouts.total)
    if (!await isInTime(signOfLife(gateway, pooled.probe), { until, signal: call.signal, clock })) return pooled
  }
}

/** False: the caller left first, or the time was over. */
async function isInTime(work: Promise<unknown>, { until, signal, clock }: { readonly until: number; readonly signal: AbortSignal; readonly clock: Clock }): Promise<boolean> {
  if (signal.aborted) return false
  const { promise: late, resolve } = Promise.withResolvers<boolean>()
  const leave = (): void => resolve(false)
  const forget = clock.after(until - clock.now(), leave)
  signal.addEventListener('abort', leave, { once: true })
  const inTime = await Promise.race([work.then(() => true), late])
  forget()
  signal.removeEventListener('abort', leave)
  return inTime
}

/** The same pool under the epoch in force now; undefined when the law is another one by now. */
export function poolNow(gateway: Gateway, pool: Pool, decidedIn: Epoch): Pool | undefined {
  const epoch = gateway.epochs.current()
  if (epoch.number === pool.epoch) return pool
  if (epoch.law !== decidedIn.law) return undefined
  return pool.narrowed(d => gateway.epochs.connected(d) === undefined && mayAnswer(healthOf(gateway, d.name)), epoch.number)
}

function healthOf({ quarantine, breakers, probing }: Gateway, name: string): Health {
  if (quarantine.of(name) !== undefined) return 'out'
  const isHalfOpen = breakers.state(name) === 'half-open'
  if (isHalfOpen && probing.has(name)) return 'being-probed'
  if (!breakers.mayTry(name)) return 'out'
  return isHalfOpen ? 'to-be-probed' : 'well'
}
