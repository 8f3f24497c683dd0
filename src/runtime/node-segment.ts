/**
 * What this is for: the files in which lines are kept. Lines are added to `records.sqlite`; when it is full it is put aside under a number
 * and a new one goes on with the same chain.
 *
 * What it promises: lines are added all together or not at all, and only after the very line that the caller believes to be the last.
 */
import { chmodSync, closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'

export const RECORDS_FILE = 'records.sqlite'
/** The file that is about to become `records.sqlite`, whole. */
const NEXT_FILE = 'records-next.sqlite'
/** How long a write waits for another process, such as a copy being made, before the entry counts as not kept. */
const BUSY_TIMEOUT_MS = 250
const READ_TIMEOUT_MS = 2_000

/** Of a line's text: nothing of it is stored a second time. */
export const KIND = "json_extract(text, '$.open.kind')"
const ID = "json_extract(text, '$.open.id')"
/** Two entries of every request stand between the few others, which are looked for at the start and by officers. */
const RARE = `${KIND} NOT IN ('decision', 'outcome')`
/** One line of each number: what is read by numbers is then all that is there. */
export const LINES_TABLE = 'CREATE TABLE lines (seq INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT'
const SCHEMA = `
  ${LINES_TABLE};
  CREATE TABLE head (seq INTEGER NOT NULL, digest TEXT NOT NULL, segment INTEGER NOT NULL, newest INTEGER NOT NULL, evidence_hours INTEGER NOT NULL) STRICT;`
const INDEXES = `
  CREATE INDEX IF NOT EXISTS lines_by_id ON lines (${ID});
  CREATE INDEX IF NOT EXISTS rare_entries ON lines (${KIND}) WHERE ${RARE};`

/** Where the chain stands at the end of a file, and what retention asks about the file. */
export type Head = {
  readonly seq: number
  readonly digest: string
  /** The number of the file, from 1. */
  readonly segment: number
  /** The latest `at` of its entries, in milliseconds since 1970. */
  readonly newest: number
  /** The longest time for which one of its decisions must be kept. */
  readonly evidenceHours: number
}

export type Stored = { readonly seq: number; readonly text: string }

/** A file to read from. */
export type Segment = {
  readonly file: string
  head(): Head
  /** Lines from one to another, both counted in, in their order. */
  lines(from: number, to: number): IterableIterator<Stored>
  /** The first line's number; undefined where there is none yet. */
  first(): number | undefined
  /** How many lines there are. */
  count(): number
  byId(id: string): readonly string[]
  /** Of a kind of which there are few, oldest first, as many as asked for. */
  rare(kind: string, after?: number, most?: number): readonly string[]
  lastRare(kind: string): string | undefined
  close(): void
}

/** The file to which lines are added. */
export type Current = Segment & {
  isOpen(): boolean
  /** Whether the open file, and what is written beside it, are still those of their names. */
  isInPlace(): boolean
  insert(lines: readonly Stored[], before: Head, after: Head): void
  /** Takes the file out of the way of a renaming. False while somebody reads it. */
  settle(): boolean
}

export const segmentFile = (data: string, segment: number): string => join(data, `records-${String(segment).padStart(6, '0')}.sqlite`)

/** Files of the log before the current one, oldest first. */
export const olderFiles = (data: string): readonly string[] =>
  readdirSync(data).filter(name => /^records-\d{6,}\.sqlite$/.test(name)).sort((a, b) => numberIn(a) - numberIn(b)).map(name => join(data, name))
const numberIn = (name: string): number => Number.parseInt(name.slice('records-'.length), 10)

/** Opens a file to be read alone. */
export function openSegment(file: string): Segment {
  if (!isThere(file)) throw coded('ENOENT', `${file} does not exist`)
  const database = openToRead(file)
  try {
    return reading(database, file)
  } catch (error) {
    database.close()
    throw error
  }
}

/** SQLite wants to write beside a file that is in write-ahead mode; from a disk that cannot be written to, it is read as it lies. */
export function openToRead(file: string): DatabaseSync {
  const look = (database: DatabaseSync): DatabaseSync => {
    try {
      database.prepare('SELECT count(*) FROM sqlite_schema').get()
      return database
    } catch (error) {
      database.close()
      throw error
    }
  }
  try {
    return look(new DatabaseSync(file, { readOnly: true, timeout: READ_TIMEOUT_MS }))
  } catch (error) {
    const wal = statSync(`${file}-wal`, { throwIfNoEntry: false })
    if (!['ENOENT', 'EROFS'].includes(codeOf(error)) || (wal?.size ?? 0) > 0) throw error
    const asItLies = pathToFileURL(file)
    asItLies.search = 'immutable=1'
    return look(new DatabaseSync(asItLies, { readOnly: true }))
  }
}

function reading(database: DatabaseSync, file: string): Segment {
  const head = database.prepare('SELECT seq, digest, segment, newest, evidence_hours AS evidenceHours FROM head')
  return {
    file,
    head() {
      const row = head.get()
      if (row === undefined) throw coded('EBADMSG', `${file} does not say where its chain ends`)
      return row as unknown as Head
    },
    * lines(from, to) {
      for (const row of database.prepare('SELECT seq, text FROM lines WHERE seq BETWEEN ? AND ? ORDER BY seq').iterate(from, to)) yield { seq: Number(row['seq']), text: String(row['text']) }
    },
    first: () => (database.prepare('SELECT min(seq) AS seq FROM lines').get()?.['seq'] ?? undefined) as number | undefined,
    count: () => Number(database.prepare('SELECT count(*) AS n FROM lines').get()!['n']),
    byId: id => database.prepare(`SELECT text FROM lines WHERE ${ID} = ? ORDER BY seq`).all(id).map(textOf),
    rare: (kind, after = 0, most = -1) => database.prepare(`SELECT text FROM lines WHERE ${KIND} = ? AND ${RARE} AND seq > ? ORDER BY seq LIMIT ?`).all(kind, after, most).map(textOf),
    lastRare: kind => database.prepare(`SELECT text FROM lines WHERE ${KIND} = ? AND ${RARE} ORDER BY seq DESC LIMIT 1`).all(kind).map(textOf)[0],
    close: () => { if (database.isOpen) database.close() },
  }
}
const textOf = (row: Readonly<Record<string, unknown>>): string => String(row['text'])

/** Makes a file of the log that holds nothing yet but where the chain stands. It is on disk, whole, when this returns. */
function makeFile(file: string, head: Head): void {
  const database = new DatabaseSync(file)
  try {
    database.exec(`PRAGMA synchronous = FULL; BEGIN IMMEDIATE; ${SCHEMA} ${INDEXES}`)
    const { seq, digest, segment, newest, evidenceHours } = head
    database.prepare('INSERT INTO head (seq, digest, segment, newest, evidence_hours) VALUES (?, ?, ?, ?, ?)').run(seq, digest, segment, newest, evidenceHours)
    database.exec('COMMIT')
    chmodSync(file, 0o600)
  } finally {
    database.close()
  }
}

export type Found = { readonly file: string; readonly kind: 'lines' | 'nothing' }

/** What lies in a folder, after a beginning or a change of files that was cut off has been brought to its end. Throws, for people, what a person must decide. */
export function findRecords(data: string): Found {
  const file = join(data, RECORDS_FILE), next = join(data, NEXT_FILE)
  if (isThere(next)) {
    // Put in place only when the full file had already been put aside; else it is made again when it is needed.
    if (isThere(file) || olderFiles(data).length === 0) rmSync(next)
    else renameSync(next, file)
  }
  const older = olderFiles(data)
  if (!isThere(file)) {
    const beside = `${file}-wal`
    if ((statSync(beside, { throwIfNoEntry: false })?.size ?? 0) > 0) throw coded('ENOENT', `${file} is missing, and ${beside} holds its last lines: the two belong together. Put the file back; or move ${RECORDS_FILE}-wal and ${RECORDS_FILE}-shm to where it is, and a new log is begun.`)
    if (older.length > 0) throw coded('ENOENT', `${file} is missing, and ${older.at(-1)} says that there was one. Put it back; or move the older files away too, and a new log is begun.`)
    return { file, kind: 'nothing' }
  }
  const database = openToRead(file)
  try {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all().map(row => String(row['name']))
    if (tables.includes('entries')) throw coded('ESTALE', `${file} has the format of an earlier version (table entries). Nothing is lost: move it away to keep it, and a new log is begun.${asideIn(database)}`)
    if (tables.length === 0 && older.length === 0) return { file, kind: 'nothing' }
    if (!tables.includes('lines') || !tables.includes('head')) throw coded('ESTALE', `${file} holds no records.`)
    return { file, kind: 'lines' }
  } finally {
    database.close()
  }
}

/** What only a person may release is not known to a new log. */
function asideIn(database: DatabaseSync): string {
  const rows = database.prepare("SELECT DISTINCT json_extract(body, '$.deployment') AS name FROM entries WHERE kind = 'quarantine' AND json_extract(body, '$.reason') = 'compliance-mismatch'").all()
  return rows.length === 0 ? '' : ` It says that these were set aside at some time because they were not what the catalog says; look at them first: ${rows.map(row => String(row['name'])).join(', ')}.`
}

/** Makes the first file of a log in place. */
export function makeFirst(data: string, head: Head): void {
  const file = join(data, RECORDS_FILE), next = join(data, NEXT_FILE)
  for (const name of [next, file]) rmSync(name, { force: true })
  makeFile(next, head)
  renameSync(next, file)
  syncFolder(data)
}

/** Opens the current file to be added to. */
export function openCurrent(data: string): Current {
  const file = join(data, RECORDS_FILE)
  if (!isThere(file)) throw coded('ENOENT', `${file} was moved away: nothing is kept until it is back`)
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${INDEXES}`)
    const segment = reading(database, file)
    segment.head()
    const insert = database.prepare('INSERT INTO lines (seq, text) VALUES (?, ?)')
    const move = database.prepare('UPDATE head SET seq = ?, digest = ?, newest = ?, evidence_hours = ? WHERE seq = ? AND digest = ?')
    const files = [file, `${file}-wal`], places = files.map(placeOf)
    let isWaitedFor = true, hasGoneThrough = true
    /** Waiting stops the event loop: whoever holds the file for longer is waited for once, until a write goes through again. */
    const waitFor = (isSo: boolean): void => {
      if (isSo !== isWaitedFor) database.exec(`PRAGMA busy_timeout = ${isSo ? BUSY_TIMEOUT_MS : 0}`)
      isWaitedFor = isSo
    }
    return {
      ...segment,
      isOpen: () => database.isOpen,
      isInPlace: () => database.isOpen && files.every((name, i) => placeOf(name) === places[i]),
      insert(lines, before, after) {
        try {
          // Before it and not after it: nothing may fail any more when the lines are kept.
          waitFor(hasGoneThrough)
          database.exec('BEGIN IMMEDIATE')
          const { changes } = move.run(after.seq, after.digest, after.newest, after.evidenceHours, before.seq, before.digest)
          if (changes !== 1) throw coded('ESTALE', `${file} was changed by somebody else: its last line is not the one that was written last`)
          for (const { seq, text } of lines) insert.run(seq, text)
          database.exec('COMMIT')
          hasGoneThrough = true
        } catch (error) {
          if (database.isTransaction) database.exec('ROLLBACK')
          if (codeOf(error) === 'EBUSY') hasGoneThrough = false
          throw error
        }
      },
      settle() {
        database.exec('PRAGMA busy_timeout = 0')
        try {
          database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
          return database.prepare('PRAGMA journal_mode = DELETE').get()?.['journal_mode'] === 'delete'
        } catch (error) {
          if (codeOf(error) === 'EBUSY') return false
          throw error
        } finally {
          database.exec(`PRAGMA busy_timeout = ${isWaitedFor ? BUSY_TIMEOUT_MS : 0}`)
        }
      },
    }
  } catch (error) {
    database.close()
    throw error
  }
}

const ANCHOR_FILE = 'records.head'

/** The last line that was signed, beside the files that hold it: an older copy of them in their place ends before it. */
export type Anchor = { readonly log: string; readonly seq: number; readonly digest: string }

export function keepAnchor(data: string, { log, seq, digest }: Anchor): void {
  const file = join(data, ANCHOR_FILE), next = `${file}.next`
  writeFileSync(next, `${JSON.stringify({ log, seq, digest })}\n`, { mode: 0o600 })
  renameSync(next, file)
}

/** Undefined where there is none, or none that can be read: it is made again with the next signature. */
export function readAnchor(data: string): { readonly file: string; readonly anchor: Anchor } | undefined {
  const file = join(data, ANCHOR_FILE)
  try {
    const { log, seq, digest } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Anchor>
    return typeof log === 'string' && typeof seq === 'number' && typeof digest === 'string' ? { file, anchor: { log, seq, digest } } : undefined
  } catch {
    return undefined
  }
}

/** Puts the full file aside and a new one in its place; the full one has been settled and closed. */
export function putAside(data: string, head: Head): void {
  const file = join(data, RECORDS_FILE), next = join(data, NEXT_FILE), aside = segmentFile(data, head.segment)
  // INVARIANT: no file of the log ever takes the place of another.
  if (isThere(aside)) throw coded('EEXIST', `${aside} is there already, and ${file} cannot be put aside under its name`)
  renameSync(file, aside)
  renameSync(next, file)
  syncFolder(data)
}

/** The file that will follow, prepared beside the one that is full. */
export function makeNext(data: string, head: Head): void {
  const next = join(data, NEXT_FILE)
  rmSync(next, { force: true })
  makeFile(next, { ...head, segment: head.segment + 1, newest: 0, evidenceHours: 0 })
}

/** A name is on disk when its folder is. */
function syncFolder(data: string): void {
  // Windows opens no folders, and needs none of this.
  if (process.platform === 'win32') return
  const folder = openSync(data, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

const isThere = (file: string): boolean => statSync(file, { throwIfNoEntry: false }) !== undefined

/** Which file it is that has a name. */
function placeOf(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}

/** SQLite's primary result codes, as the system would call them. */
const CODES: { readonly [result: number]: string } = { 1: 'EBADMSG', 3: 'EACCES', 5: 'EBUSY', 6: 'EBUSY', 8: 'EROFS', 10: 'EIO', 11: 'EBADMSG', 13: 'ENOSPC', 14: 'ENOENT', 19: 'ESTALE', 26: 'EBADMSG' }

/** The system's name for what went wrong; SQLite has numbers of its own. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if ('errcode' in error && typeof error.errcode === 'number') return CODES[error.errcode & 0xFF] ?? 'EIO'
  return 'code' in error ? String(error.code) : 'unknown'
}

export const coded = (code: string, message: string, cause?: unknown): Error => Object.assign(new Error(message, { cause }), { code })
