import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeReceipt } from '../../src/record/receipt.ts'
import { openRecorder } from '../../src/runtime/node-recorder.ts'
import { chance } from '../simulation/chance.ts'
import { answered, BEGIN, hexOf, keyFrom, makeLog, start, type MadeLog } from '../tamper/log.ts'
import { run } from './stand-in.ts'

const folder = mkdtempSync(join(tmpdir(), 'bailiwick-records-'))
const at = (name: string): string => join(folder, name)
const write = (name: string, text: string): string => {
  writeFileSync(at(name), text)
  return at(name)
}
let log: MadeLog, keyFile: string, strangersKey: string, jws: string

beforeAll(async () => {
  const key = await keyFrom('the gateway')
  log = await makeLog({ chance: chance(11), requests: 20, every: 10, key, log: 'log-one' })
  keyFile = write('key.json', JSON.stringify(key.publicJwk))
  strangersKey = write('stranger.json', JSON.stringify((await keyFrom('a stranger')).publicJwk))
  write('export.jsonl', log.texts.map(text => `${text}\n`).join(''))
  write('changed.jsonl', log.texts.with(4, log.texts[4]!.replace('"seq":5', '"seq":6')).map(text => `${text}\n`).join(''))
  write('receipt.jws', await log.receipt(4))

  const recorder = await openRecorder(at('data'), { checkpointEvery: 6, segmentLines: 12 })
  await recorder.append(start(BEGIN, hexOf('bundle')))
  for (let number = 1; number <= 15; number += 1) for (const entry of answered(chance(number), number, BEGIN + number, hexOf('bundle'))) await recorder.append(entry)
  jws = await makeReceipt(await recorder.prove(recorder.linesOf('d-15')), BEGIN, recorder.key)
  await recorder.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('bailiwick records verify', () => {
  it('says what an export proves, and what it does not', async () => {
    const said = await run(['records', 'verify', at('export.jsonl'), '--key', keyFile])
    expect(said).toMatchObject({ code: 0, err: '' })
    const last = log.all.length
    expect(said.out).toMatch(new RegExp(`^verified    \\S+export.jsonl\n            Lines 1 to ${last} of log log-one, 2026-11-22T\\S+Z to 2026-11-22T\\S+Z\n\nproven\n  Lines 1 to ${last} of log log-one are as the key ${log.key.name} signed them: none was changed, put in, taken out or moved \\(\\d checkpoints and the seal\\)\\.\n  The export ends with line ${last}`))
    expect(said.out).toMatch(/\nnot proven\n {2}What whoever holds the private key did/)
    expect(said.out).not.toContain('Whose records these are')
  })

  it('says that a key found with the records proves nothing of whose they are', async () => {
    const said = await run(['records', 'verify', at('export.jsonl')])
    expect(said.code).toBe(0)
    expect(said.out).toMatch(/not proven\n {2}Whose records these are: the key \S+ was found with the records themselves/)
  })

  it('names what is wrong, and ends with 4', async () => {
    const said = await run(['records', 'verify', at('changed.jsonl'), '--key', keyFile])
    expect(said.code).toBe(4)
    expect(said.out).toMatch(/^wrong {7}\S+changed.jsonl: 1 finding\n[^\n]+\n\nchanged.jsonl:5\n {2}\S/)
    expect(said.out).toContain('\nnot proven\n  Nothing from the first finding on.')
    const { verified, wrong, findings } = JSON.parse((await run(['records', 'verify', at('changed.jsonl'), '--key', keyFile, '--format', 'json'])).out) as { verified: boolean; wrong: number; findings: readonly object[] }
    expect({ verified, wrong, findings }).toMatchObject({ verified: false, wrong: 1, findings: [{ where: 'changed.jsonl:5' }] })
  })

  it('refuses records by another key', async () => {
    expect(await run(['records', 'verify', at('export.jsonl'), '--key', strangersKey])).toMatchObject({ code: 4, out: expect.stringContaining(`the key given is`) as string })
  })

  it('reads the data folder of a gateway, with all its files', async () => {
    const said = await run(['records', 'verify', at('data'), '--format', 'json'])
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(said.out)).toMatchObject({ verified: true, sealed: false, key: { known: false }, lines: { first: 1 } })
    expect((await run(['records', 'verify', at('data')])).out).toMatch(/That nothing followed line \d+: .* \(--receipt FILE\)\./)
  })

  it('takes a receipt as what the records must agree with', async () => {
    const receipt = write('held.jws', jws)
    expect(await run(['records', 'verify', at('data'), '--receipt', receipt])).toMatchObject({ code: 0, out: expect.stringContaining('The receipt held.jws agrees with these records.') as string })

    cpSync(at('data'), at('cut'), { recursive: true })
    rmSync(join(at('cut'), 'records.sqlite'))
    // What is left of the log is whole in itself: its newest file ends where it says.
    cpSync(join(at('cut'), 'records-000001.sqlite'), join(at('cut'), 'records.sqlite'))
    for (const name of ['records-000001.sqlite', 'records-000002.sqlite', 'records-000003.sqlite']) rmSync(join(at('cut'), name), { force: true })
    expect(await run(['records', 'verify', at('cut')])).toMatchObject({ code: 0 })
    const said = await run(['records', 'verify', at('cut'), '--receipt', receipt])
    expect(said.code).toBe(4)
    expect(said.out).toMatch(/held.jws\n {2}The receipt proves line \d+, and the records end with line \d+: their end was cut off\./)
  })

  it('finds a line that was changed in a file', async () => {
    cpSync(at('data'), at('changed'), { recursive: true })
    const database = new DatabaseSync(join(at('changed'), 'records-000001.sqlite'))
    database.exec(`UPDATE lines SET text = replace(text, '"permit"', '"refuse"') WHERE seq = 3`)
    database.close()
    expect(await run(['records', 'verify', at('changed')])).toMatchObject({ code: 4, out: expect.stringMatching(/\nrecords-000001.sqlite seq 3\n {2}Line 3 is not the one that line 4 was chained to/) as string })
  })

  it.each<[string, readonly string[], number, RegExp]>([
    ['no word', [], 2, /records needs a word/], ['a word that it does not know', ['verfy'], 2, /Did you mean verify/], ['nothing to verify', ['verify'], 2, /needs what to verify/],
    ['a key that is none', ['verify', 'x', '--key', import.meta.filename], 2, /is no public key/], ['a key file that is not there', ['verify', 'x', '--key', '/nowhere'], 2, /cannot be read/],
    ['records that are not there', ['verify', '/nowhere'], 1, /does not exist/], ['an option of another word', ['key', '--receipt', 'x'], 2, /--receipt is not an option of records key/],
  ])('does not take %s', async (_, args, code, err) => {
    const said = await run(['records', ...args])
    expect(said).toMatchObject({ code, out: '' })
    expect(said.err).toMatch(err)
  })

  it('says that a file cannot be read, where that is so', async () => {
    write('no.sqlite', `SQLite format 3\0${'x'.repeat(2_000)}`)
    expect(await run(['records', 'verify', at('no.sqlite')])).toMatchObject({ code: 1, out: '', err: expect.stringContaining('cannot be read') as string })
  })
})

describe('bailiwick records key', () => {
  it('prints what records verify and receipt verify take as --key', async () => {
    const said = await run(['records', 'key', '--data', at('data')])
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(Object.keys(JSON.parse(said.out) as object).sort()).toEqual(['crv', 'kid', 'kty', 'x'])
    const file = write('printed.json', said.out)
    expect(await run(['records', 'verify', at('data'), '--key', file])).toMatchObject({ code: 0 })
    expect(await run(['receipt', 'verify', '-', '--key', file], { input: jws })).toMatchObject({ code: 0 })
  })

  it('says where there is none', async () => {
    expect(await run(['records', 'key', '--data', at('nowhere')])).toMatchObject({ code: 1, out: '' })
  })
})

describe('bailiwick receipt verify', () => {
  it('says what it shows', async () => {
    const said = await run(['receipt', 'verify', at('receipt.jws'), '--key', keyFile])
    expect(said).toMatchObject({ code: 0, err: '' })
    for (const line of [/^verified {4}receipt.jws, given out 2026-11-22T/, /\noutcome, 2026-11-22T\S+Z\n/, /\n {2}decision id +d-1\n/, /\n {2}deployment +fr\n/, /\n {2}processed in +FR\n/, /\n {2}line +4 of log log-one, signed 2026/, /\nproven\n {2}The gateway with the key/, /\nnot proven\n/]) expect(said.out).toMatch(line)
    expect(JSON.parse((await run(['receipt', 'verify', at('receipt.jws'), '--key', keyFile, '--format', 'json'])).out)).toMatchObject({ verified: true, entries: [{ kind: 'outcome', id: 'd-1', line: 4, deployment: 'fr', shown: 'whole' }] })
  })

  it('refuses one by another key, one that was changed, and what is none', async () => {
    expect(await run(['receipt', 'verify', at('receipt.jws'), '--key', strangersKey])).toMatchObject({ code: 4, out: expect.stringMatching(/^wrong {7}receipt.jws\n {2}It was signed with the key/) as string })
    const input = (await log.receipt(4)).replace(/\.(.)/, (_, first: string) => `.${first === 'e' ? 'f' : 'e'}`)
    expect(await run(['receipt', 'verify', '-', '--key', keyFile, '--format', 'json'], { input })).toMatchObject({ code: 4, out: expect.stringContaining('"verified": false') as string })
    expect(await run(['receipt', 'verify', '-', '--key', keyFile], { input: 'hello' })).toMatchObject({ code: 4, out: expect.stringContaining('This is no receipt') as string })
  })

  it.each<[string, readonly string[], RegExp]>([
    ['no word', [], /receipt needs a word/], ['another word', ['verify2'], /Did you mean verify/], ['no file', ['verify'], /needs a file/], ['no key', ['verify', 'x'], /a receipt cannot vouch for itself/], ['a file that is not there', ['verify', '/nowhere', '--key', 'KEY'], /cannot be read/],
  ])('does not take %s', async (_, args, err) => {
    const said = await run(['receipt', ...args.map(word => (word === 'KEY' ? keyFile : word))])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toMatch(err)
  })
})
