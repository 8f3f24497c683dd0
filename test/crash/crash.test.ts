/** A few kills of what `npm run crash` does 200 times, and many of a process that changes files all the time. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { openRecorder } from '../../src/runtime/node-recorder.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'
import { follow } from './follow.ts'
import { killAgainAndAgain, seeded } from './kills.ts'

const SEED = 20_261_123
const WRITER = fileURLToPath(new URL('writer-process.ts', import.meta.url))

describe(`what is kept when the process is killed (seed ${SEED})`, () => {
  afterEach(cleanUp)

  it('holds every answer that somebody received', async () => {
    const report = await killAgainAndAgain(5, SEED)
    expect(report).toMatchObject({ kills: 5, missing: 0, wrong: [] })
    expect(report.answered).toBeGreaterThan(0)
  }, 60_000)

  it('is a whole chain with every entry that was said to be kept, also while files are changed', async () => {
    const data = freshFolder(), random = seeded(SEED), following = follow(data)
    for (let kill = 0; kill < 25; kill++) {
      const writer = spawn(process.execPath, [WRITER, data], { stdio: ['ignore', 'pipe', 'inherit'] })
      const lines = Math.ceil(random() * 120)
      let said = ''
      writer.stdout.on('data', (bytes: Buffer) => {
        said += bytes.toString()
        if (said.split('\n').length > lines) writer.kill('SIGKILL')
      })
      await once(writer, 'close')
      await (await openRecorder(data)).close()
      const { wrong, entries } = await following.on()
      expect(wrong).toEqual([])
      const kept = new Set(entries.map(e => e.id)), told = said.split('\n').slice(1, -1)
      expect(said.startsWith('open')).toBe(true)
      expect(told.filter(id => !kept.has(id))).toEqual([])
    }
    expect(readdirSync(data).length).toBeGreaterThan(20)
  }, 60_000)

  it('would be found out: a line that is changed, and one that is taken out', async () => {
    const data = freshFolder(), recorder = await openRecorder(data)
    for (const id of ['a', 'b', 'c']) await recorder.append({ kind: 'outcome', id, at: 1, outcome: 'answered', attempts: [], ms: 0 })
    await recorder.close()
    const { DatabaseSync } = await import('node:sqlite')
    const database = new DatabaseSync(`${data}/records.sqlite`)
    database.exec(`UPDATE lines SET text = replace(text, '"ms":0', '"ms":1') WHERE seq = 3`)
    expect((await follow(data).on()).wrong).toEqual(['line 4 does not follow line 3', 'the checkpoint of lines 1 to 4 is wrong'])
    database.exec('DELETE FROM lines WHERE seq = 5')
    expect((await follow(data).on()).wrong).toContain('the head is line 5, the last line is 4')
    database.close()
  })
})
