import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { chance } from '../simulation/chance.ts'
import { tamperWithDatabases } from './databases.ts'
import { tamperWith } from './judge.ts'
import { keyFrom, makeLog } from './log.ts'

const SEED = 2029, COUNT = 200
const folder = mkdtempSync(join(tmpdir(), 'bailiwick-tamper-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it(`both verifiers notice ${COUNT} tamperings with exports, and accept what nobody touched (seed ${SEED})`, async () => {
  const { rows, noticed, untouched } = await tamperWith(folder, { seed: SEED, count: COUNT, requests: 40 })
  expect(untouched).toEqual([])
  expect(rows.flatMap(row => (row.ours.unnoticed + row.theirs.unnoticed > 0 ? row.examples : []))).toEqual([])
  expect(noticed).toBe(COUNT)
  // Ours names the first wrong line, or lines among which it is.
  expect(rows.filter(row => row.ours.elsewhere > 0).map(row => [row.kind, row.examples])).toEqual([])
})

it(`tampering with databases is noticed, and where nothing in them shows it, a receipt does (seed ${SEED})`, async () => {
  const { rows, withReceipt, silent, noticed, wrong } = await tamperWithDatabases(folder, { seed: SEED, count: 20 })
  expect(wrong).toEqual([])
  expect(withReceipt).toBe(20)
  // The one that whoever can write to the file can do unseen.
  expect(rows.filter(row => row.noticed < row.count).map(row => row.kind)).toEqual(['cut off the end and move the head back'])
  expect(noticed).toBe(20 - silent)
})

describe('the verifier of the documents', async () => {
  const script = fileURLToPath(new URL('../../docs/verify-records.mjs', import.meta.url))
  const key = await keyFrom('the gateway'), log = await makeLog({ chance: chance(SEED), requests: 12, every: 10, key, log: 'log-one' })
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const keyFile = write('public.json', JSON.stringify(key.publicJwk)), whole = log.texts.map(text => `${text}\n`)
  const run = (file: string, as = script): { readonly code: number; readonly out: string } => {
    try {
      return { code: 0, out: execFileSync(process.execPath, [as, file, keyFile], { encoding: 'utf8', cwd: tmpdir(), stdio: ['ignore', 'pipe', 'inherit'] }) }
    } catch (error) {
      const { status, stdout } = error as { readonly status: number; readonly stdout: string }
      return { code: status, out: stdout }
    }
  }

  it('is under a hundred lines, and uses nothing but Node', () => {
    const text = readFileSync(script, 'utf8')
    expect(text.split('\n').length - 1).toBeLessThan(100)
    expect([...text.matchAll(/from '([^']+)'/g)].map(found => found[1]!.slice(0, 5))).toEqual(['node:', 'node:', 'node:'])
    expect(text).not.toMatch(/\bimport\(|require\(/)
  })

  it('accepts an export that is whole, wherever the script lies', () => {
    const file = write('whole.jsonl', whole.join(''))
    expect(run(file)).toMatchObject({ code: 0, out: expect.stringMatching(new RegExp(`^lines 1 to ${log.all.length} of log log-one, sealed `)) as string })
    const link = join(folder, 'linked.mjs')
    symlinkSync(script, link)
    expect(run(file, link).code).toBe(0)
  })

  it('names the first line at fault', () => {
    const file = write('changed.jsonl', whole.with(6, whole[6]!.replace(/"epoch":1|"outcome":"answered"/, '"epoch":2')).join(''))
    expect(run(file)).toEqual({ code: 1, out: `${file}:8: line 8 does not follow line 7: one of the two was changed, put in or moved\n` })
    expect(run(write('cut.jsonl', whole.slice(0, -1).join('')))).toMatchObject({ code: 1, out: expect.stringContaining(`:${log.all.length}: no seal follows`) as string })
  })

  it('accepts a receipt, and refuses it when it was changed', async () => {
    const jws = await log.receipt(3)
    expect(run(write('right.jws', `${jws}\n`))).toMatchObject({ code: 0, out: expect.stringContaining('line 3: {"app":') as string })
    expect(run(write('wrong.jws', jws.replace(/.$/, last => (last === 'A' ? 'Q' : 'A'))))).toMatchObject({ code: 1, out: expect.stringContaining('this is no receipt that was signed with this key') as string })
  })

  it('refuses an export by another key', async () => {
    const other = await makeLog({ chance: chance(SEED), requests: 12, every: 10, key: await keyFrom('a stranger'), log: 'log-one' })
    expect(run(write('other.jsonl', other.texts.map(text => `${text}\n`).join('')))).toMatchObject({ code: 1, out: expect.stringContaining('this checkpoint is not signed with this key') as string })
  })
})
