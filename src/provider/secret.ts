/** The key of a connection, read at the moment it is needed and put nowhere but into one header. */
import type { Connection } from '../catalog/catalog.ts'
import type { Secrets } from '../ports.ts'

export type KeyHeaders = {
  readonly ok: true
  readonly headers: Readonly<Record<string, string>>
  /** Whether a word of the server's gives the key back, or enough of it to matter. */
  readonly isIn: (word: string) => boolean
} | { readonly ok: false }

/** Not ok when the catalog names a key and the host has none: then nothing is sent at all. */
export function keyOf({ key }: Pick<Connection, 'key'>, secrets: Secrets): KeyHeaders {
  if (key === undefined) return { ok: true, headers: {}, isIn: () => false }
  const secret = secrets(key)
  if (secret === undefined || secret === '') return { ok: false }
  return { ok: true, headers: { authorization: `Bearer ${secret}` }, isIn: word => isPartIn(word, secret) }
}

/** What is shorter is no secret, but a word that local servers want to see in its place. */
const SECRET_CHARACTERS_MIN = 8
/** So many characters in a row are not the same by chance. */
const PART_CHARACTERS = 12

function isPartIn(word: string, secret: string): boolean {
  if (secret.length < SECRET_CHARACTERS_MIN) return false
  const [said, kept] = [word.toLowerCase(), secret.toLowerCase()]
  const part = Math.min(PART_CHARACTERS, kept.length)
  for (let at = 0; at + part <= kept.length; at++) if (said.includes(kept.slice(at, at + part))) return true
  return false
}
