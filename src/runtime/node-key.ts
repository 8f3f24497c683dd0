/**
 * The key with which this gateway signs its records: made at the first start, kept in the data folder.
 *
 * What it promises: a key that is there is never replaced, whatever is wrong with it, for records signed with one key and then
 * with another would look like the work of two gateways; what is wrong with it is said instead.
 */
import { hash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sha256 } from '../record/hash.ts'
import { isSignedBy, newKey, readPublicJwk, signingKey, type PrivateJwk, type PublicJwk, type SigningKey } from '../record/signing.ts'

export const KEY_FILE = 'signing-key.json'
export const PUBLIC_KEY_FILE = 'signing-key.pub.json'

export const sha256: Sha256 = of => hash('sha256', of, 'buffer')

/** The key of a data folder. Rejects, with words for people, where there is none or it is no key. */
export async function readSigningKey(data: string): Promise<SigningKey> {
  const file = join(data, KEY_FILE)
  const jwk = readJson(file) as Partial<PrivateJwk> | null
  const named = readPublicJwk(jwk)
  try {
    if (named === undefined || typeof jwk?.d !== 'string') throw new Error('no private key')
    const key = await signingKey({ ...named, d: jwk.d }, sha256)
    // The two halves of a key that somebody put together do not fit each other.
    if (!await isSignedBy(named, file, await key.sign(file))) throw new Error('two halves')
    return key
  } catch (error) {
    throw new Error(`${file} is no Ed25519 key. Put the right one back; a new key would make the records that are there look like somebody else's.`, { cause: error })
  }
}

/** The key of a data folder, made where there is none. */
export async function openSigningKey(data: string): Promise<SigningKey> {
  const file = join(data, KEY_FILE), publicFile = join(data, PUBLIC_KEY_FILE)
  if (!existsSync(file)) writeNew(file, await newKey(), 0o600)
  const key = await readSigningKey(data)
  writeNew(publicFile, key.publicJwk, 0o644)
  if (readPublicKey(data)?.x !== key.publicJwk.x) throw new Error(`${publicFile} is not the public half of ${file}. Remove it, and it is written again at the next start.`)
  return key
}

/** What lies beside the records as their public key: a convenience, and no proof of whose it is. Undefined where there is none. */
export function readPublicKey(data: string): PublicJwk | undefined {
  try {
    return readPublicJwk(readJson(join(data, PUBLIC_KEY_FILE)))
  } catch {
    return undefined
  }
}

/** Undefined where the text is no JSON. */
function readJson(file: string): unknown {
  const text = readFileSync(file, 'utf8')
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** On disk, whole, when it returns, and only where there is nothing of that name; whoever opens the folder holds its lock. */
function writeNew(file: string, value: unknown, mode: number): void {
  if (existsSync(file)) return
  const whole = `${file}.new`
  rmSync(whole, { force: true })
  const opened = openSync(whole, 'wx', mode)
  try {
    writeFileSync(opened, `${JSON.stringify(value)}\n`)
    fsyncSync(opened)
  } finally {
    closeSync(opened)
  }
  renameSync(whole, file)
}
