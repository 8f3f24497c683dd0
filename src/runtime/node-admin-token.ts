/** The admin token when none was given: made at the first start, kept in the data folder, shown once. */
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDataFolder } from './node-recorder.ts'

const TOKEN_BYTES = 32

/** Throws when the token can be neither read nor kept: a token that nobody can look up again is of no use. */
export function adminToken(data: string): { readonly token: string; readonly isNew: boolean } {
  makeDataFolder(data)
  const file = join(data, 'admin-token')
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  try {
    writeFileSync(file, `${token}\n`, { flag: 'wx', mode: 0o600 })
    return { token, isNew: true }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  const kept = readFileSync(file, 'utf8').trim()
  if (kept === '') throw new Error(`${file} is empty. Remove it, and a new token is made at the next start.`)
  return { token: kept, isNew: false }
}
