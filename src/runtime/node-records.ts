/**
 * Reading records: of a data folder with all its files, of one file, or of an export. Never more than a few lines are held at a time.
 *
 * What it promises: nothing that is read is changed, and a gateway that writes meanwhile neither waits for this nor changes what is read.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as after } from 'node:timers/promises'
import type { ReadRecords, RecordsLine } from '../cli/host.ts'
import { readPublicKey } from './node-key.ts'
import { LINES_TABLE, olderFiles, openToRead, RECORDS_FILE } from './node-segment.ts'

/** Lines that are read from a file at a time. */
const AT_A_TIME = 500
const CHUNK_BYTES = 262_144
const SQLITE = 'SQLite format 3\0'
/** A file is put aside between two looks at the folder: it is looked at again. */
const LOOKS = 5, BETWEEN_LOOKS_MS = 20

/** What a text that is not UTF-8 is read as: no line. */
const NO_LINE = ''

export async function readRecords(path: string): Promise<ReadRecords> {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return { ok: false, wrong: `${path} does not exist.` }
    if (found.isDirectory()) return await readFolder(path)
    if (!isDatabase(path)) return { ok: true, kind: 'export', lines: linesOfExport(path) }
    return fromFiles([openFile(path)], dirname(path))
  } catch (error) {
    return { ok: false, wrong: `${path} cannot be read as records (${messageOf(error)}).` }
  }
}

/** An open file, and how far it is read: what is added later is for the next reader. */
type OpenFile = { readonly file: string; readonly database: DatabaseSync; readonly first: number; readonly last: number; readonly head: { readonly seq: number; readonly digest: string } | undefined }

function openFile(file: string): OpenFile {
  const database = openToRead(file)
  try {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all().map(row => row['name'])
    if (!tables.includes('lines') || !tables.includes('head')) throw new Error(tables.includes('entries') ? 'it has the format of an earlier version' : 'it holds no table of lines')
    // In another table several rows may have one number, or none, and are not read here; other readers of the file would find them.
    if (database.prepare("SELECT sql FROM sqlite_schema WHERE name = 'lines'").get()?.['sql'] !== LINES_TABLE) throw new Error('its table of lines is not the one that a gateway makes')
    // One statement sees one moment.
    const row = database.prepare('SELECT (SELECT min(seq) FROM lines) AS first, (SELECT max(seq) FROM lines) AS last, (SELECT seq FROM head) AS seq, (SELECT digest FROM head) AS digest').get()!
    const seq = Number(row['seq'] ?? 0)
    return { file, database, first: Number(row['first'] ?? seq + 1), last: Number(row['last'] ?? seq), head: row['digest'] === null ? undefined : { seq, digest: String(row['digest']) } }
  } catch (error) {
    database.close()
    throw error
  }
}

async function readFolder(data: string): Promise<ReadRecords> {
  for (let look = 1; ; look++) {
    const files: OpenFile[] = []
    try {
      // The newest first: a file that is put aside now would else be missed.
      for (const file of [join(data, RECORDS_FILE), ...olderFiles(data).toReversed()]) files.unshift(openFile(file))
      const isWhole = files.every((file, i) => i === 0 || file.first === files[i - 1]!.last + 1)
      if (isWhole || look === LOOKS) return fromFiles(files, data)
    } catch (error) {
      if (look === LOOKS) throw error
    }
    for (const { database } of files) database.close()
    await after(BETWEEN_LOOKS_MS)
  }
}

function fromFiles(files: readonly OpenFile[], data: string): ReadRecords {
  const head = files.at(-1)!.head, publicKey = readPublicKey(data)
  return {
    ok: true, kind: 'database', ...(head !== undefined && { head }), ...(publicKey !== undefined && { publicKey }),
    lines: { * [Symbol.iterator]() { for (const file of files) yield* linesOfFile(file) } },
  }
}

/** A few at a time: a reader that takes hours keeps no gateway from tidying its file. As bytes, for SQLite would mend what is no UTF-8. */
function* linesOfFile({ file, database, first, last }: OpenFile): Generator<RecordsLine> {
  try {
    const few = database.prepare('SELECT seq, CAST(text AS BLOB) AS text FROM lines WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?')
    for (let from = first; from <= last;) {
      const rows = few.all(from, last, AT_A_TIME)
      for (const { seq, text } of rows) yield { text: textOf(text as Uint8Array), where: `${basename(file)} seq ${Number(seq)}` }
      if (rows.length < AT_A_TIME) return
      from = Number(rows.at(-1)!['seq']) + 1
    }
  } finally {
    if (database.isOpen) database.close()
  }
}

function* linesOfExport(file: string): Generator<RecordsLine> {
  const opened = openSync(file, 'r')
  try {
    let rest: readonly Uint8Array[] = [], number = 0
    const line = (bytes: Uint8Array): RecordsLine => ({ text: textOf(bytes), where: `${basename(file)}:${++number}` })
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES), length = readSync(opened, chunk)
      if (length === 0) break
      let from = 0
      for (let end = chunk.indexOf(10); end >= 0 && end < length; end = chunk.indexOf(10, from)) {
        yield line(Buffer.concat([...rest, chunk.subarray(from, end)]))
        rest = []
        from = end + 1
      }
      if (from < length) rest = [...rest, chunk.subarray(from, length)]
    }
    if (rest.length > 0) yield line(Buffer.concat(rest))
  } finally {
    closeSync(opened)
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    return NO_LINE
  }
}

function isDatabase(file: string): boolean {
  const opened = openSync(file, 'r'), begin = Buffer.alloc(SQLITE.length)
  try {
    readSync(opened, begin)
    return begin.toString('latin1') === SQLITE
  } finally {
    closeSync(opened)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
