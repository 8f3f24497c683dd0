/** At the start and for officers the few entries between many are looked for: no reading of all records. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DirectiveEntry, Entry } from '../../src/record/record.ts'
import { openRecorder, RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { KIND } from '../../src/runtime/node-segment.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'

const notice = (id: string): DirectiveEntry =>
  ({ kind: 'directive', id, at: 1, name: 'notice', action: 'enact', author: 'Ada', bundle: 'new', previousBundle: 'old', digest: 'of-text' })
const outcome = (id: string): Entry => ({ kind: 'outcome', id, at: 1, outcome: 'answered', attempts: [], ms: 3 })

let data: string
beforeEach(() => { data = freshFolder() })
afterEach(async () => {
  vi.restoreAllMocks()
  await cleanUp()
})
function inFile<T>(look: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(join(data, RECORDS_FILE))
  try {
    return look(database)
  } finally {
    database.close()
  }
}
async function keep(...entries: readonly Entry[]): Promise<void> {
  const recorder = await openRecorder(data)
  for (const entry of entries) await recorder.append(entry)
  await recorder.close()
}

describe('the index of what is rare', () => {
  it.each(['directives', 'quarantined'] as const)('is what %s are found by', async read => {
    const recorder = await openRecorder(data)
    const prepared = vi.spyOn(DatabaseSync.prototype, 'prepare')
    recorder[read]()
    const [[sql]] = prepared.mock.calls as [[string]]
    prepared.mockRestore()
    await recorder.close()
    const plan = inFile(database => database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all('directive', 0, -1).map(row => String(row['detail'])))
    expect(plan).toContainEqual(expect.stringContaining('USING INDEX rare_entries'))
  })

  it('does not hold the two that every request leaves', async () => {
    await keep(outcome('o-1'), notice('n-1'))
    const indexed = (kinds: string): readonly unknown[] =>
      inFile(database => database.prepare(`SELECT json_extract(text, '$.open.id') AS id FROM lines INDEXED BY rare_entries WHERE ${kinds}`).all().map(row => row['id']))
    expect(indexed(`${KIND} NOT IN ('decision', 'outcome')`)).toContain('n-1')
    // SQLite uses an index of some rows only for a question about no others.
    for (const kind of ['outcome', 'decision']) expect(() => indexed(`${KIND} = '${kind}'`)).toThrow(/no query solution/)
  })

  it('is made for records that were begun without it', async () => {
    await keep(outcome('o-1'), notice('n-1'), outcome('o-2'), notice('n-2'))
    inFile(database => database.exec('DROP INDEX rare_entries'))
    const recorder = await openRecorder(data)
    expect(recorder.directives().map(d => d.id)).toEqual(['n-1', 'n-2'])
    await recorder.close()
    expect(inFile(database => database.prepare("SELECT name FROM sqlite_master WHERE type = 'index'").all())).toContainEqual({ name: 'rare_entries' })
  })
})
