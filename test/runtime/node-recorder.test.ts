import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import type { OutcomeEntry, QuarantineEntry } from '../../src/record/record.ts'
import { openRecorder, RECORDS_FILE, type NodeRecorder, type RecorderOptions } from '../../src/runtime/node-recorder.ts'
import { entriesIn } from '../support/kept.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'

const entry = (id: string): OutcomeEntry => ({ kind: 'outcome', id, at: 1_700_000_000_000, outcome: 'answered', attempts: [], ms: 3 })
const idsIn = async (data: string): Promise<readonly string[]> => (await entriesIn(data)).map(e => e.id)

describe('the records on disk', () => {
  const open: NodeRecorder[] = []
  const recorderIn = async (data: string, options?: RecorderOptions): Promise<NodeRecorder> => {
    const recorder = await openRecorder(data, options)
    open.push(recorder)
    return recorder
  }
  afterEach(async () => {
    for (const recorder of open.splice(0)) await recorder.close()
    await cleanUp()
  })

  it('keeps an entry before its append is fulfilled', async () => {
    const data = freshFolder()
    await (await recorderIn(data)).append(entry('a'))
    expect(await idsIn(data)).toEqual(['a'])
  })

  it('keeps entries over a restart, in their order', async () => {
    const data = freshFolder()
    const first = await recorderIn(data)
    await Promise.all([first.append(entry('a')), first.append(entry('b'))])
    await first.close()
    await (await recorderIn(data)).append(entry('c'))
    expect(await idsIn(data)).toEqual(['a', 'b', 'c'])
  })

  it('keeps the whole entry', async () => {
    const data = freshFolder()
    await (await recorderIn(data)).append(entry('a'))
    expect(await entriesIn(data)).toEqual([entry('a')])
  })

  it('refuses an entry while another process holds the file, and keeps the next one', async () => {
    const data = freshFolder()
    const recorder = await recorderIn(data)
    const other = new DatabaseSync(join(data, RECORDS_FILE))
    other.exec('BEGIN EXCLUSIVE')
    await expect(recorder.append(entry('lost'))).rejects.toThrow(/locked/)
    other.exec('ROLLBACK')
    other.close()
    await recorder.append(entry('kept'))
    expect(await idsIn(data)).toEqual(['kept'])
  })

  it('waits once for whoever holds the file, and not with every entry: nothing else goes on while it waits', async () => {
    const data = freshFolder()
    const recorder = await recorderIn(data)
    const other = new DatabaseSync(join(data, RECORDS_FILE))
    other.exec('BEGIN IMMEDIATE')
    await expect(recorder.append(entry('waited'))).rejects.toThrow(/locked/)
    const began = performance.now()
    for (let i = 0; i < 20; i++) await expect(recorder.append(entry('not'))).rejects.toThrow(/locked/)
    expect(performance.now() - began).toBeLessThan(2_000)
    other.exec('ROLLBACK')
    other.close()
    await recorder.append(entry('kept'))
    expect(await idsIn(data)).toEqual(['kept'])
  })

  it('refuses every entry of a turn when one of them cannot be written', async () => {
    const data = freshFolder()
    const recorder = await recorderIn(data)
    const other = new DatabaseSync(join(data, RECORDS_FILE))
    other.exec("CREATE TRIGGER no BEFORE INSERT ON lines WHEN json_extract(NEW.text, '$.open.id') = 'bad' BEGIN SELECT RAISE(ABORT, 'full'); END")
    other.close()
    const ends = await Promise.allSettled([recorder.append(entry('good')), recorder.append(entry('bad'))])
    expect(ends.map(e => e.status)).toEqual(['rejected', 'rejected'])
    expect(await idsIn(data)).toEqual([])
  })

  it('refuses when the data folder is gone and cannot be made again', async () => {
    const data = join(freshFolder(), 'data')
    const recorder = await recorderIn(data)
    rmSync(data, { recursive: true })
    mkdirSync(join(data, RECORDS_FILE), { recursive: true })
    await expect(recorder.append(entry('a'))).rejects.toThrow()
  })

  it('refuses after it was closed', async () => {
    const recorder = await recorderIn(freshFolder())
    await recorder.close()
    await expect(recorder.append(entry('a'))).rejects.toThrow(/closed/)
  })

  it('writes what was appended just before it was closed', async () => {
    const data = freshFolder()
    const recorder = await recorderIn(data)
    const kept = recorder.append(entry('a'))
    const closed = recorder.close()
    await kept
    await closed
    expect(await idsIn(data)).toEqual(['a'])
  })

  it('is readable for its owner alone', async () => {
    const data = join(freshFolder(), 'data')
    await (await recorderIn(data)).append(entry('a'))
    expect(statSync(data).mode & 0o777).toBe(0o700)
    expect(statSync(join(data, RECORDS_FILE)).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(data, RECORDS_FILE)).length).toBeGreaterThan(0)
  })

  describe('deployments that only a person may release', () => {
    const set = (deployment: string, more: Partial<QuarantineEntry> = {}): QuarantineEntry =>
      ({ kind: 'quarantine', id: 'q', at: 1_000, deployment, reason: 'compliance-mismatch', action: 'set', detail: 'elsewhere', ...more })
    const released = (deployment: string, more: Partial<QuarantineEntry> = {}): QuarantineEntry => set(deployment, { action: 'released', author: 'Ada Adler', ...more })

    async function afterwards(...entries: readonly QuarantineEntry[]): Promise<ReturnType<NodeRecorder['quarantined']>> {
      const data = freshFolder()
      const first = await recorderIn(data)
      expect(first.quarantined()).toEqual([])
      for (const e of entries) await first.append(e)
      await first.append(entry('other'))
      await first.close()
      return (await recorderIn(data)).quarantined()
    }

    it('are still aside after a restart, the first one first', async () => {
      expect(await afterwards(set('b', { at: 1 }), set('a', { at: 2 }))).toEqual([
        { deployment: 'b', reason: 'compliance-mismatch', detail: 'elsewhere', since: 1 }, { deployment: 'a', reason: 'compliance-mismatch', detail: 'elsewhere', since: 2 },
      ])
    })

    it('are not once they were released, but are when they were set aside again', async () => {
      expect(await afterwards(set('a'), released('a'))).toEqual([])
      expect(await afterwards(set('a'), released('a'), set('a', { at: 9 }))).toMatchObject([{ since: 9 }])
    })

    it('are, whatever else was released or nobody signed for', async () => {
      expect(await afterwards(set('a'), released('b'))).toMatchObject([{ deployment: 'a' }])
      expect(await afterwards(set('a'), released('a', { reason: 'withdrawn' }))).toMatchObject([{ deployment: 'a' }])
      const { author: _, ...unsigned } = released('a')
      expect(await afterwards(set('a'), unsigned)).toMatchObject([{ deployment: 'a' }])
    })

    it('are not those that were withdrawn', async () => {
      expect(await afterwards(set('a', { reason: 'withdrawn' }))).toEqual([])
    })
  })
})
