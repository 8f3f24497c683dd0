/** Reading records for commands: a data folder, one file, an export. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OutcomeEntry } from '../../src/record/record.ts'
import { openRecorder, RECORDS_FILE, type NodeRecorder } from '../../src/runtime/node-recorder.ts'
import { readRecords } from '../../src/runtime/node-records.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'

const outcome = (id: string): OutcomeEntry => ({ kind: 'outcome', id, at: 1, outcome: 'answered', attempts: [], ms: 3 })
type Read = Extract<Awaited<ReturnType<typeof readRecords>>, { readonly ok: true }>
async function read(path: string): Promise<Read> {
  const found = await readRecords(path)
  if (!found.ok) throw new Error(found.wrong)
  return found
}

describe('records are read', () => {
  let data: string, recorder: NodeRecorder
  beforeEach(async () => {
    data = freshFolder()
    recorder = await openRecorder(data, { segmentLines: 4 })
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) await recorder.append(outcome(id))
  })
  afterEach(async () => {
    await recorder.close()
    await cleanUp()
  })

  it('over all files of a folder while the gateway writes, up to where they ended when they were opened', async () => {
    const found = await read(data)
    await recorder.append(outcome('later'))
    const lines = [...found.lines]
    expect(lines[0]!.where).toBe('records-000001.sqlite seq 1')
    expect(lines.at(-1)!.where).toMatch(new RegExp(`seq ${found.head!.seq}$`))
    expect(lines.map(l => (JSON.parse(l.text) as { readonly seq: number }).seq)).toEqual(Array.from({ length: found.head!.seq }, (_, i) => i + 1))
    expect(lines.some(l => l.text.includes('"later"'))).toBe(false)
    expect(found).toMatchObject({ kind: 'database', publicKey: recorder.key.publicJwk })
  })

  it('of no file in which several lines could have one number: one of them would be read and all of them found', async () => {
    const file = join(data, 'forged.sqlite'), database = new DatabaseSync(file)
    database.exec('CREATE TABLE lines (seq INTEGER, text TEXT); CREATE TABLE head (seq INTEGER, digest TEXT)')
    database.close()
    expect(await readRecords(file)).toMatchObject({ ok: false, wrong: expect.stringContaining('is not the one that a gateway makes') as string })
  })

  it('of one file, and nothing of it is changed', async () => {
    const file = join(data, 'records-000001.sqlite'), before = readFileSync(file)
    const found = await read(file)
    expect(Array.from(found.lines, l => l.where).slice(0, 2)).toEqual(['records-000001.sqlite seq 1', 'records-000001.sqlite seq 2'])
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  it('of an export line by line, with the places where they stand, whatever lies in it', async () => {
    const file = join(freshFolder(), 'export.jsonl'), long = 'x'.repeat(300_000)
    writeFileSync(file, Buffer.concat([Buffer.from(`one\n\n\uFEFFtwo\r\n${long}\n`), Buffer.from([0xEF, 0xBF, 0x3D]), Buffer.from('\nlast')]))
    const found = await read(file)
    expect(found).not.toHaveProperty('head')
    expect([...found.lines]).toEqual(['one', '', '\uFEFFtwo\r', long, '', 'last'].map((text, i) => ({ text, where: `export.jsonl:${i + 1}` })))
  })

  it('not where there is nothing, or something else', async () => {
    const folder = freshFolder()
    expect(await readRecords(join(folder, 'none'))).toMatchObject({ ok: false, wrong: expect.stringContaining('does not exist') as string })
    expect(await readRecords(folder)).toMatchObject({ ok: false })
    writeFileSync(join(folder, RECORDS_FILE), '')
    expect(await readRecords(folder)).toMatchObject({ ok: false, wrong: expect.stringContaining('no table of lines') as string })
  })
})
