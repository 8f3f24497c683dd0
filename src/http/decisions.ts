/**
 * What was decided and what came of it, out of the records: to the app that asked, and to an admin; and both as a receipt that can
 * be checked without this gateway (docs/records.md).
 *
 * What it promises: an app learns of its own decisions alone, and of them what is open to it; of another app's it is told what it
 * would be told of none.
 */
import { failure, type Failure } from '../failure.ts'
import type { Headers } from '../gateway/call.ts'
import { entryOf, withoutClosed, type Line } from '../record/line.ts'
import { makeReceipt } from '../record/receipt.ts'
import type { RecordsPort } from '../record/record.ts'
import { json, type Reply } from './respond.ts'

/** Who asks: an app, by its name, sees what is open of its own; an admin sees all of it. */
export type Reader = { readonly app: string } | 'admin'

const ID_CHARACTERS_MAX = 64
const RETRY_AFTER_MS = 5_000
/** What is read here changes when an answer ends, and is one app's alone. */
const NOT_STORED: Headers = { 'cache-control': 'no-store' }

const refused = (why: Failure): Reply => ({ kind: 'failed', headers: NOT_STORED, failure: why })
/** INVARIANT: the same for an id of another app's and for one that never was. */
const NONE = refused(failure('invalid_request', 'There is no decision of this id that you may read. Ids are in the header x-bailiwick-decision of answers, with the key that asked.', { param: 'id', status: 404 }))
const UNREADABLE = refused(failure('records_unavailable', 'The records cannot be read now.', { retryAfterMs: RETRY_AFTER_MS }))
const UNPROVEN = refused(failure('records_unavailable', 'The receipt cannot be made now: what it is about cannot be signed.', { retryAfterMs: RETRY_AFTER_MS }))
export const NO_RECORDS = refused(failure('unknown_url', 'This gateway keeps no records that can be read here.'))

/** The decision, and its outcome where the answer has ended. */
export function showDecision(records: RecordsPort, id: string, reader: Reader): Reply {
  const found = linesFor(records, id, reader)
  if (!Array.isArray(found)) return found
  const shown = (kind: 'decision' | 'outcome'): unknown => {
    const line = found.find(({ open }) => open.kind === kind)
    if (line === undefined) return null
    return reader === 'admin' ? entryOf(line) : line.open
  }
  const path = `${reader === 'admin' ? '/admin' : '/v1'}/decisions/${id}`
  return json({ id, decision: shown('decision'), outcome: shown('outcome'), receipt: `${path}/receipt` }, NOT_STORED)
}

/** The same, signed. What the answer still going on will have for an outcome is not in it. */
export async function showReceipt(records: RecordsPort, id: string, { reader, at }: { readonly reader: Reader; readonly at: number }): Promise<Reply> {
  const found = linesFor(records, id, reader)
  if (!Array.isArray(found)) return found
  const { key, sha256 } = records
  let receipt: string
  try {
    const proven = await records.prove(found)
    receipt = await makeReceipt(proven.map(({ line, path, checkpoint }) => ({ line: reader === 'admin' ? line : withoutClosed(line, sha256), path, checkpoint })), at, key)
  } catch {
    return UNPROVEN
  }
  return { kind: 'whole', headers: NOT_STORED, contentType: 'application/jose', body: new TextEncoder().encode(receipt) }
}

/** The public key of the records, as a JWK. */
export const showKey = ({ key: { publicJwk, name } }: RecordsPort): Reply => json({ ...publicJwk, alg: 'EdDSA', kid: name, use: 'sig' }, NOT_STORED)

function linesFor(records: RecordsPort, id: string, reader: Reader): Line[] | Reply {
  if (id.length > ID_CHARACTERS_MAX) return NONE
  let lines: readonly Line[]
  try {
    lines = records.linesOf(id)
  } catch {
    return UNREADABLE
  }
  const found = lines.filter(({ open }) => open.id === id && (open.kind === 'decision' || open.kind === 'outcome'))
  // Whose it is stands in the decision: an outcome of which the decision was deleted is no app's any more.
  const isTheirs = reader === 'admin' ? found.length > 0 : found.some(({ open }) => open.kind === 'decision' && open['app'] === reader.app)
  return isTheirs ? found : NONE
}
