/** The key of a connection, read at the moment it is needed and put nowhere but into one header. */
import type { Connection } from '../catalog/catalog.ts'
import type { Secrets } from '../ports.ts'

export type KeyHeaders = { readonly ok: true; readonly headers: Readonly<Record<string, string>> } | { readonly ok: false }

/** Not ok when the catalog names a key and the host has none: then nothing is sent at all. */
export function keyOf({ key }: Pick<Connection, 'key'>, secrets: Secrets): KeyHeaders {
  if (key === undefined) return { ok: true, headers: {} }
  const secret = secrets(key)
  if (secret === undefined || secret === '') return { ok: false }
  return { ok: true, headers: { authorization: `Bearer ${secret}` } }
}
