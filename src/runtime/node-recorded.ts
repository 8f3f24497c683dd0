/** The decisions of records, for questions about what was asked. Files are opened to be read and never changed. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ReadRecorded, RecordedRequests } from '../cli/host.ts'
import { olderFiles, openToRead, RECORDS_FILE } from './node-segment.ts'

/** A line that may be a decision, found without reading what it says. */
const MAYBE_DECISION = `instr(text, '"kind":"decision"') > 0`

/** Decisions from an instant on, those alike in the facts asked for as one. `file` may be the data folder that holds the records. */
export async function readRecorded(file: string, since: number, facts: readonly string[]): Promise<ReadRecorded> {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) return { ok: false, wrong: `${file} does not exist.` }
  const current = join(file, RECORDS_FILE)
  const files = found.isDirectory() ? [...olderFiles(file), ...(existsSync(current) ? [current] : [])] : [file]
  if (files.length === 0) return { ok: false, wrong: `${file} holds no records.` }
  try {
    // Counted here: the database would sort a hundred thousand texts on disk to count them.
    const alike = new Map<string, number>()
    for (const one of files) countIn(one, since, facts, alike)
    // Read one at a time when they are asked for: all of them at once keep the collector busy.
    return { ok: true, requests: { *[Symbol.iterator]() { for (const [text, count] of alike) yield requestsOf(text, count, facts) } } }
  } catch (error) {
    return { ok: false, wrong: `${file} cannot be read as records (${error instanceof Error ? error.message : String(error)}).` }
  }
}

function countIn(file: string, since: number, facts: readonly string[], alike: Map<string, number>): void {
  const database = openToRead(file)
  try {
    const paths = ['$.closed.request', '$.closed.stated'].flatMap(part => facts.map(fact => `${part}."${fact}"`))
    // A path to nothing at the end: with a single path SQLite gives the value, with several a list.
    const decisions = database.prepare(`SELECT json_extract(text, ${'?, '.repeat(paths.length)}'$.none') FROM lines WHERE ${MAYBE_DECISION} AND json_extract(text, '$.open.kind') = 'decision' AND json_extract(text, '$.open.at') >= ?`)
    decisions.setReturnArrays(true)
    for (const [text] of decisions.iterate(...paths, Math.trunc(since)) as unknown as Iterable<[string]>) alike.set(text, (alike.get(text) ?? 0) + 1)
  } finally {
    database.close()
  }
}

/** `text` is a list: for each fact what was decided on, then for each what the caller stated. */
function requestsOf(text: string, count: number, facts: readonly string[]): RecordedRequests {
  const values = JSON.parse(text) as readonly unknown[]
  const request: Record<string, RecordedRequests['request'][string]> = {}, stated: Record<string, unknown> = {}
  for (const [i, fact] of facts.entries()) {
    const decided = values[i] as RecordedRequests['request'][string] | null
    if (decided !== null) request[fact] = decided
    if (values[facts.length + i] !== null) stated[fact] = values[facts.length + i]
  }
  return { request, stated, count }
}
