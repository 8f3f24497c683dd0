/** The decisions of a records file, for questions about what was asked. The file is opened to be read and never changed. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { ReadRecorded, RecordedRequests } from '../cli/host.ts'
import { RECORDS_FILE } from './node-recorder.ts'

const BUSY_TIMEOUT_MS = 2_000

/** Decisions from an instant on, those alike in the facts asked for as one. `file` may be the data folder that holds the records. */
export async function readRecorded(file: string, since: number, facts: readonly string[]): Promise<ReadRecorded> {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) return { ok: false, wrong: `${file} does not exist.` }
  try {
    const database = new DatabaseSync(found.isDirectory() ? join(file, RECORDS_FILE) : file, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
    try {
      const paths = ['$.request', '$.stated'].flatMap(part => facts.map(fact => `${part}."${fact}"`))
      // A path to nothing at the end: with a single path SQLite gives the value, with several a list.
      const decisions = database.prepare(`SELECT json_extract(body, ${'?, '.repeat(paths.length)}'$.none') FROM entries WHERE kind = 'decision' AND at >= ?`)
      decisions.setReturnArrays(true)
      // Counted here: the database would sort a hundred thousand texts on disk to count them.
      const alike = new Map<string, number>()
      for (const [text] of decisions.iterate(...paths, Math.trunc(since)) as unknown as Iterable<[string]>) alike.set(text, (alike.get(text) ?? 0) + 1)
      // Read one at a time when they are asked for: all of them at once keep the collector busy.
      return { ok: true, requests: { *[Symbol.iterator]() { for (const [text, count] of alike) yield requestsOf(text, count, facts) } } }
    } finally {
      database.close()
    }
  } catch (error) {
    return { ok: false, wrong: `${file} cannot be read as records (${error instanceof Error ? error.message : String(error)}).` }
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
