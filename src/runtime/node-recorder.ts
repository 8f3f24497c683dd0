/**
 * The recorder on Node: a table of entries in SQLite, in the data folder.
 *
 * What it assumes: one process writes; several appends of one turn of the event loop may share a transaction.
 * What it promises: the promise of an append is fulfilled when the entry is on disk and rejected when it is not. Write-ahead
 * log with `synchronous = FULL`: each commit is flushed, so that a kept entry outlives a power cut and not only a crash of
 * the process. NORMAL would be faster and would make "kept" untrue for the last moments before one.
 */
import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Quarantined } from '../pool/quarantine.ts'
import type { DirectiveEntry, Entry, QuarantineEntry, Recorder } from '../record/record.ts'

export const RECORDS_FILE = 'records.sqlite'
/** How long a write waits for another process, such as a copy being made, before the entry counts as not kept. */
const BUSY_TIMEOUT_MS = 250

const SCHEMA = 'CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT'
/** Two entries of every request stand between the few others, which are looked for at the start and by officers. */
const RARE = "kind NOT IN ('decision', 'outcome')"
const INDEX = `CREATE INDEX IF NOT EXISTS rare_entries ON entries (kind) WHERE ${RARE}`

export type NodeRecorder = Recorder & {
  append(entry: Entry): Promise<void>
  /** Notices that were enacted and lifted, oldest first. Throws when they cannot be read. */
  directives(): readonly DirectiveEntry[]
  /** Compliance mismatches that nobody has released, oldest first: what is withdrawn is found out again. Throws when they cannot be read. */
  quarantined(): readonly Quarantined[]
  /** Writes what was appended before and closes the file; later appends are refused. */
  close(): void
}

type Waiting = { readonly entry: Entry; readonly kept: () => void; readonly lost: (error: unknown) => void }

/** Opens or makes the records of a data folder. Throws when they cannot be opened. */
export function openRecorder(data: string): NodeRecorder {
  let table = openTable(data)
  let waiting: Waiting[] = []
  let closed = false

  /** One transaction for all that came in this turn: kept together or lost together. */
  const write = (): void => {
    const batch = waiting
    waiting = []
    if (batch.length === 0) return
    try {
      // Whoever moves the file away while we write to it would take every later entry with it.
      if (!table.isInPlace()) {
        table.close()
        table = openTable(data)
      }
      table.insert(batch.map(w => w.entry))
    } catch (error) {
      for (const { lost } of batch) lost(error)
      return
    }
    for (const { kept } of batch) kept()
  }

  return {
    append(entry) {
      if (closed) return Promise.reject(new Error('the records are closed'))
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      if (waiting.length === 0) setImmediate(write)
      waiting.push({ entry, kept: resolve, lost: reject })
      return promise
    },
    directives: () => table.entries('directive'),
    quarantined: () => mismatches(table.entries('quarantine')),
    close() {
      if (closed) return
      closed = true
      write()
      table.close()
    },
  }
}

/** Only a person's release of the mismatch itself ends one. */
function mismatches(entries: readonly QuarantineEntry[]): readonly Quarantined[] {
  const aside = new Map<string, Quarantined>()
  for (const { deployment, reason, action, detail, at, author } of entries) {
    if (reason !== 'compliance-mismatch') continue
    if (action === 'set' && !aside.has(deployment)) aside.set(deployment, { deployment, reason, detail, since: at })
    if (action === 'released' && author !== undefined) aside.delete(deployment)
  }
  return [...aside.values()]
}

type EntryOf<Kind extends Entry['kind']> = Extract<Entry, { readonly kind: Kind }>

type Rare = Exclude<Entry['kind'], 'decision' | 'outcome'>

type Table = { isInPlace(): boolean; entries<Kind extends Rare>(kind: Kind): readonly EntryOf<Kind>[]; insert(entries: readonly Entry[]): void; close(): void }

function openTable(data: string): Table {
  makeDataFolder(data)
  const file = join(data, RECORDS_FILE)
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${SCHEMA}; ${INDEX}`)
    chmodSync(file, 0o600)
    const statement = database.prepare('INSERT INTO entries (id, kind, at, body) VALUES (?, ?, ?, ?)')
    const { ino } = statSync(file)
    return {
      isInPlace: () => database.isOpen && statSync(file, { throwIfNoEntry: false })?.ino === ino,
      entries: <Kind extends Rare>(kind: Kind) => database.prepare(`SELECT body FROM entries WHERE kind = ? AND ${RARE} ORDER BY seq`).all(kind).map(row => JSON.parse(String(row['body'])) as EntryOf<Kind>),
      insert(entries) {
        try {
          database.exec('BEGIN IMMEDIATE')
          for (const entry of entries) statement.run(entry.id, entry.kind, Math.trunc(entry.at), JSON.stringify(entry))
          database.exec('COMMIT')
        } catch (error) {
          if (database.isTransaction) database.exec('ROLLBACK')
          throw error
        }
      },
      close: () => { if (database.isOpen) database.close() },
    }
  } catch (error) {
    database.close()
    throw error
  }
}

/** The data folder holds who asked what for whom: its owner alone may read it. */
export function makeDataFolder(data: string): void {
  mkdirSync(data, { recursive: true, mode: 0o700 })
}
