/**
 * The table in which the gateways of one machine tell each other which deployments fail and which are set aside: a file that each of
 * them is given.
 *
 * What it assumes: one file system, whose locks work; a network's often do not.
 * What it promises: it is opened when it is used, so a file that is not there yet, or that was moved away, is no reason for a
 * gateway not to start; a row that cannot be read as one is no row.
 */
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { merged, readNews, type News, type SharedNews } from '../gateway/sharing.ts'

const BUSY_TIMEOUT_MS = 50
const SCHEMA = 'CREATE TABLE IF NOT EXISTS news (deployment TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT'

export function sharedNewsIn(file: string): SharedNews {
  const rowsOf = (database: DatabaseSync): readonly News[] => database.prepare('SELECT body FROM news').all().flatMap(row => readNews(String(row['body'])) ?? [])
  const within = async <T>(work: (database: DatabaseSync) => T): Promise<T> => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    // Opened anew each time, once a second: whoever replaces the file is followed, and nothing is left open.
    const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
    try {
      database.exec(`PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; ${SCHEMA}`)
      chmodSync(file, 0o600)
      const done = work(database)
      database.exec('COMMIT')
      return done
    } finally {
      database.close()
    }
  }
  return {
    read: () => within(rowsOf),
    tell: news => within(database => {
      const known = rowsOf(database).find(row => row.deployment === news.deployment)
      database.prepare('INSERT OR REPLACE INTO news (deployment, body) VALUES (?, ?)').run(news.deployment, JSON.stringify(known === undefined ? news : merged(known, news)))
    }),
  }
}
