/** Whoever can write to the records and does not hold the key writes no history that anybody accepts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { chance } from '../simulation/chance.ts'
import { ours, theirs } from '../tamper/judge.ts'
import { keyFrom, makeLog } from '../tamper/log.ts'
import { TAMPERINGS } from '../tamper/tamperings.ts'

const folder = mkdtempSync(join(tmpdir(), 'bailiwick-history-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'export.jsonl')

const key = await keyFrom('the gateway'), stranger = await keyFrom('a stranger')
const make = (seed: number, log: string, isRetired = false): ReturnType<typeof makeLog> => makeLog({ chance: chance(seed), requests: 30, every: 12, key, log, isRetired })
const other = await make(2, 'log-two')
const isAccepted = async (): Promise<readonly boolean[]> => [(await ours(file, key.publicJwk)).wrong === 0, await theirs(file, key.publicJwk) === undefined]

test.each([['from its first line on', false], ['with its first lines deleted', true]])('the history that the gateway signed is accepted, %s', async (_, isRetired) => {
  writeFileSync(file, (await make(1, 'log-one', isRetired)).texts.map(text => `${text}\n`).join(''))
  expect(await isAccepted()).toEqual([true, true])
})

test.each(TAMPERINGS.filter(({ kind }) => /anew|seal|checkpoint/.test(kind)).map(tampering => [tampering.kind, tampering] as const))('a history that somebody else wrote is not: %s', async (_, tampering) => {
  for (const [i, log] of [await make(1, 'log-one'), await make(1, 'log-one', true)].entries()) {
    for (let round = 0; round < 4; round += 1) {
      const { bytes } = await tampering.do(chance(100 * i + round), log, other, stranger)
      writeFileSync(file, bytes)
      expect(await isAccepted()).toEqual([false, false])
    }
  }
})
