/**
 * What this is for: entries of one decision that anybody can check who has the gateway's public key, without the gateway and without the
 * other records: each with its path to a signed checkpoint, together a JWS in compact form (RFC 7515, EdDSA of RFC 8037).
 *
 * What it promises: a receipt for a caller shows the open parts alone, and is checked in the same way.
 */
import { canonical } from './canonical.ts'
import { isCheckpoint, isCheckpointBy, type Checkpoint } from './checkpoint.ts'
import { fromBase64url, inBase64url, type Sha256 } from './hash.ts'
import { digestOfLine, isShownLine, type ShownLine } from './line.ts'
import { isPath, rootFrom, type Path } from './merkle.ts'
import { printable } from './printable.ts'
import { isSignedBy, nameOfKey, type PublicJwk, type SigningKey } from './signing.ts'

export type Proven = { readonly line: ShownLine; readonly path: Path; readonly checkpoint: Checkpoint }

export type Receipt = { readonly bailiwick: 'receipt v1'; readonly at: number; readonly entries: readonly Proven[] }

const TYPE = 'bailiwick-receipt'
const encoder = new TextEncoder(), decoder = new TextDecoder('utf-8', { fatal: true })

export async function makeReceipt(entries: readonly Proven[], at: number, key: SigningKey): Promise<string> {
  const receipt: Receipt = { bailiwick: 'receipt v1', at, entries }
  const [header, payload] = [{ alg: 'EdDSA', kid: key.name, typ: TYPE }, receipt].map(part => inBase64url(encoder.encode(canonical(part))))
  return `${header}.${payload}.${await key.sign(`${header}.${payload}`)}`
}

export type ReceiptChecked = { readonly ok: true; readonly receipt: Receipt; readonly key: string } | { readonly ok: false; readonly wrong: string }

/** Checks everything that can be checked without the records. */
export async function checkReceipt(jws: string, jwk: PublicJwk, sha256: Sha256): Promise<ReceiptChecked> {
  const refuse = (wrong: string): ReceiptChecked => ({ ok: false, wrong: printable(wrong) })
  const [header, payload, signature, ...more] = jws.trim().split('.')
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) return refuse('This is no receipt: a receipt is three parts with dots between them.')
  const about = readPart(header), said = readPart(payload), key = nameOfKey(jwk, sha256)
  if (!isMembers(about) || about['alg'] !== 'EdDSA' || about['typ'] !== TYPE) return refuse('This is no receipt: its header does not say so.')
  if (about['kid'] !== key) return refuse(`It was signed with the key ${String(about['kid'])}, and the key given is ${key}.`)
  if (!await isSignedBy(jwk, `${header}.${payload}`, signature)) return refuse('Its signature is not that of the key given: it was changed, or made by somebody else.')
  if (!isReceipt(said)) return refuse('What it holds is not what a receipt holds.')
  for (const { line, path, checkpoint } of said.entries) {
    const which = `Entry ${line.seq} (${line.open.kind} ${line.open.id})`
    if (checkpoint.key !== key || !await isCheckpointBy(checkpoint, jwk)) return refuse(`${which}: its checkpoint is not signed with the key given.`)
    if (line.seq < checkpoint.from || line.seq > checkpoint.to) return refuse(`${which}: its checkpoint is about entries ${checkpoint.from} to ${checkpoint.to}.`)
    if (rootFrom(digestOfLine(line, sha256), path, sha256) !== checkpoint.root) return refuse(`${which}: it does not lead to what its checkpoint signed.`)
  }
  return { ok: true, receipt: said, key }
}

function readPart(part: string): unknown {
  const bytes = fromBase64url(part)
  try {
    return bytes === undefined ? undefined : JSON.parse(decoder.decode(bytes))
  } catch {
    return undefined
  }
}

const isMembers = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

const isReceipt = (value: unknown): value is Receipt => isMembers(value) && value['bailiwick'] === 'receipt v1' && Number.isFinite(value['at'])
  && Array.isArray(value['entries']) && value['entries'].length > 0
  && value['entries'].every(one => isMembers(one) && isShownLine(one['line']) && isPath(one['path']) && isCheckpoint(one['checkpoint']))
