/** What an attempt's outcome means for the gateway beside the answer: a key that is wrong, a model that is gone, a server that is not what the catalog says. */
import type { Deployment } from '../catalog/catalog.ts'
import type { Failure } from '../failure.ts'
import { isKeyRefused, isKnownCode, isWithdrawn } from '../provider/refusal.ts'
import { KEY_ALARM, type Gateway } from './gateway.ts'
import { setAside } from './quarantining.ts'

/** Told of every attempt; `undefined` is success. */
export function noticed(gateway: Gateway, { name }: Deployment, failed: Failure | undefined): void {
  gateway.metrics.count('bailiwick_attempts_total', { deployment: name, code: failed?.code ?? 'ok' })
  const alarm = `${KEY_ALARM}${name}`
  if (failed === undefined) gateway.clear(alarm)
  else if (isKeyRefused(failed)) setAside(gateway, name, 'key-refused', answered(failed))
  else if (failed.code === 'misconfigured') {
    // A path that is not there may be the address of the catalog, or only what this caller asked for: no alarm that anybody can ring.
    if (failed.upstream?.status === 404 || failed.upstream?.status === 405) gateway.ports.log('warn', 'not-offered', { deployment: name, status: failed.upstream.status })
    else gateway.raise(alarm, failed.message)
  } else if (failed.code === 'compliance_mismatch') setAside(gateway, name, 'compliance-mismatch', String(failed.cause))
  else if (isWithdrawn(failed)) setAside(gateway, name, 'withdrawn', answered(failed))
}

/** On record and in readiness, which anybody may read: no word of a server's but those that mean something here. */
const answered = ({ upstream }: Failure): string => `it answered ${upstream?.code !== undefined && isKnownCode(upstream.code) ? upstream.code : String(upstream?.status)}`
