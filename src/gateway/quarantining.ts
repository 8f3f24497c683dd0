/**
 * What this is for: setting deployments aside and releasing them, on record (resilience, section 3).
 *
 * What it promises: what is set aside is out of the pool at once, whether or not that can be recorded; what is released was
 * recorded first; the gateway itself never releases a compliance mismatch.
 */
import { failure, type Failure } from '../failure.ts'
import type { Quarantined, QuarantineReason } from '../pool/quarantine.ts'
import type { QuarantineEntry } from '../record/record.ts'
import type { Gateway } from './gateway.ts'

const RETRY_AFTER_MS = 5_000

/** Sets a deployment aside: it is lost to the pool when this returns. The entry is kept in the background, now or as soon as entries can be kept again. */
export function setAside(gateway: Gateway, deployment: string, reason: QuarantineReason, detail: string): void {
  const before = gateway.quarantine.of(deployment)
  gateway.quarantine.set(deployment, reason, detail)
  const what = gateway.quarantine.of(deployment)
  if (what === undefined || what === before) return
  recordSet(gateway, what, entryOf(gateway, what, { action: 'set', at: what.since }))
}

/** What could not be recorded when it was set aside: at the next start it would be forgotten. */
const unrecorded = new WeakMap<Quarantined, QuarantineEntry>()

function recordSet(gateway: Gateway, what: Quarantined, entry: QuarantineEntry): void {
  unrecorded.delete(what)
  gateway.ports.background(gateway.keep(entry).then(kept => {
    if (kept) return
    unrecorded.set(what, entry)
    whenRecordsAreBack(gateway, () => { if (unrecorded.has(what) && gateway.quarantine.of(what.deployment) === what) recordSet(gateway, what, entry) })
  }))
}

/** Calls `then` when the alarm that entries cannot be kept is over: some other entry has been kept. */
function whenRecordsAreBack(gateway: Gateway, then: () => void): void {
  if (!gateway.alarms().some(alarm => alarm.name === 'records')) return then()
  const forget = gateway.events.subscribe(({ kind, what }) => {
    if (kind !== 'alarm' || what['alarm'] !== 'records' || what['over'] !== true) return
    forget()
    then()
  })
}

/** A withdrawn model that lives again. False, and nothing changed, where it is not withdrawn or the release cannot be recorded. */
export async function releaseByGateway(gateway: Gateway, deployment: string): Promise<boolean> {
  const what = gateway.quarantine.of(deployment)
  return what !== undefined && what.reason !== 'compliance-mismatch' && (await release(gateway, what, undefined)).ok
}

export type Released = { readonly ok: true; readonly at: number } | { readonly ok: false; readonly failure: Failure }

/** A person releases a deployment from whatever it is set aside for. A failure has changed nothing. */
export const releaseByPerson = (gateway: Gateway, what: Quarantined, author: string): Promise<Released> => release(gateway, what, author)

async function release(gateway: Gateway, what: Quarantined, author: string | undefined): Promise<Released> {
  // The records would otherwise say of something that it ended before they say that it began.
  const late = unrecorded.get(what)
  if (late !== undefined && !await keepLate(gateway, what, late)) return UNRECORDED
  if (gateway.quarantine.of(what.deployment) !== what) return OVERTAKEN
  const at = gateway.ports.clock.now()
  // INVARIANT: nothing is awaited between that question and this entry, so that what is set from now on is recorded after it.
  if (!await gateway.keep(entryOf(gateway, what, { action: 'released', at, ...(author !== undefined && { author }) }))) return UNRECORDED
  // While it was recorded, somebody else may have released it, or something worse may have been seen.
  if (gateway.quarantine.of(what.deployment) !== what) return OVERTAKEN
  gateway.quarantine.release(what.deployment)
  return { ok: true, at }
}

const UNRECORDED: Released = { ok: false, failure: failure('cannot_record', 'The release cannot be recorded, so nothing was changed.', { retryAfterMs: RETRY_AFTER_MS }) }
const OVERTAKEN: Released = { ok: false, failure: failure('invalid_request', 'Meanwhile something else became of this deployment, and nothing was changed. Look again.', { status: 409 }) }

async function keepLate(gateway: Gateway, what: Quarantined, entry: QuarantineEntry): Promise<boolean> {
  unrecorded.delete(what)
  const kept = await gateway.keep(entry)
  if (!kept) unrecorded.set(what, entry)
  return kept
}

type Done = Pick<QuarantineEntry, 'action' | 'at' | 'author'>

const entryOf = (gateway: Gateway, { deployment, reason, detail }: Quarantined, done: Done): QuarantineEntry =>
  ({ kind: 'quarantine', id: gateway.nextId(), deployment, reason, detail, ...done })
