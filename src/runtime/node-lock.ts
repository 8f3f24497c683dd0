/**
 * One process for a data folder: a lock that the system lets go of when the process ends, however it ends. It is that of an empty SQLite
 * file in an exclusive transaction, which Node gives us on every system.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const LOCK_FILE = 'records.lock'
/** Of SQLite's result codes: somebody else has the lock. */
const BUSY = 5

/** Throws where another process holds it; the returned function lets go. */
export function lockFolder(data: string): () => void {
  const database = new DatabaseSync(join(data, LOCK_FILE), { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === BUSY) throw new Error('another gateway uses it. Every gateway has a data folder of its own; stop the other one, or choose another folder with --data.', { cause: error })
    throw error
  }
  return () => { database.close() }
}
