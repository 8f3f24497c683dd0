/** Content kept by a real gateway: files of its owner's alone, a folder that fails and comes back, a line that was cut by a crash. */
import { appendFileSync, chmodSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { appendingTo } from '../../src/runtime/node-content.ts'
import { bailiwick, cleanUp, folderOf, freshFolder, serve, type Serving } from '../support/processes.ts'
import { policy, rule } from '../support/tree.ts'
import { chat, readiness, REHEARSAL } from './places.ts'

const FULL = { ...REHEARSAL, 'rules/full.policy.yaml': policy('full', rule('logged', 'prefer:\n  - weights: open\nthen: { log: full, log-in: [FR] }')) }
let home: string
beforeEach(async () => {
  home = freshFolder()
  expect((await bailiwick(['content', 'key', 'new', at('officer.jwk')])).code).toBe(0)
})
afterEach(cleanUp)

const at = (name: string): string => join(home, name)
const start = (args: readonly string[] = ['--content-place', 'FR']): Promise<Serving> =>
  serve(folderOf(FULL), { args: ['--place', 'FR', '--content-log', at('log'), '--content-key', at('officer.pub.jwk'), ...args] })
const read = async (): Promise<readonly { readonly decision: string; readonly part: string; readonly text: string }[]> => {
  const ran = await bailiwick(['content', 'read', at('log'), '--key', at('officer.jwk')])
  expect(ran).toMatchObject({ code: 0, err: '' })
  return ran.out.split('\n').slice(0, -1).map(line => JSON.parse(line) as { decision: string; part: string; text: string })
}

it('is what was asked and answered, in a file of the day that its owner alone may read', async () => {
  const gateway = await start()
  const answer = await chat(gateway)
  const said = await answer.text()
  const stream = await (await chat(gateway, { stream: true })).text()
  expect(await gateway.stop()).toBe(0)
  const files = readdirSync(at('log'))
  expect(files.every(name => /^\d{4}-\d{2}-\d{2}\.jwe$/.test(name))).toBe(true)
  expect([statSync(at('log')).mode & 0o777, ...files.map(name => statSync(at(`log/${name}`)).mode & 0o777)]).toEqual([0o700, ...files.map(() => 0o600)])
  expect(files.map(name => readFileSync(at(`log/${name}`), 'utf8')).join('')).not.toContain('Good day?')
  const items = await read()
  expect(items.map(item => item.part)).toEqual(['request', 'answer', 'request', 'answer'])
  expect(items[0]!.decision).toBe(answer.headers.get('x-bailiwick-decision'))
  expect(items[0]!.text).toContain('Good day?')
  expect(items[1]!.text).toBe(said)
  expect(stream).toBe(`${items[3]!.text}data: [DONE]\n\n`)
})

it('is nothing where the place of the folder is not known', async () => {
  const gateway = await start([])
  expect((await chat(gateway)).status).toBe(200)
  expect(await gateway.stop()).toBe(0)
  expect(readdirSync(at('log'))).toEqual([])
})

it('costs no request where the folder cannot be used, from the start and later, and goes on when it can', async () => {
  writeFileSync(at('log'), 'a file is in its place')
  const gateway = await start()
  expect((await readiness(gateway)).alarms.map(a => a.name)).toContain('content-log')
  expect((await chat(gateway)).status).toBe(200)
  rmSync(at('log'))
  expect((await chat(gateway)).status).toBe(200)
  expect((await readiness(gateway)).alarms.map(a => a.name)).not.toContain('content-log')
  renameSync(at('log'), at('taken-away'))
  writeFileSync(at('log'), 'a file is in its place again')
  expect((await chat(gateway)).status).toBe(200)
  const alarm = (await readiness(gateway)).alarms.find(a => a.name === 'content-log')
  expect(alarm?.message).toMatch(/\((?:EEXIST|ENOTDIR)\)/)
  expect(gateway.err()).not.toContain('Good day?')
  rmSync(at('log'))
  renameSync(at('taken-away'), at('log'))
  expect(await gateway.stop()).toBe(0)
  expect(await read()).toHaveLength(2)
})

it('says so when the key is none, or is the one that opens', async () => {
  const policies = folderOf(FULL)
  const told = async (keyFile: string): Promise<string> => {
    const ran = await bailiwick(['serve', '--port', '0', '--policies', policies, '--data', freshFolder(), '--content-log', at('log'), '--content-key', at(keyFile)])
    expect(ran).toMatchObject({ code: 1, out: '' })
    return ran.err
  }
  writeFileSync(at('no-point.jwk'), '{"kty":"OKP","crv":"X25519","x":"AAAA"}')
  expect(await told('officer.jwk')).toContain('it is a private key, which the officer keeps')
  expect(await told('no-point.jwk')).toContain('not a point of its curve')
  expect(await told('nowhere')).toContain('cannot be read (ENOENT)')
  expect(existsSync(at('log'))).toBe(false)
})

it('a line that was written in part takes none of the next with it, and files that were open to others are not', async () => {
  const append = appendingTo(at('log')), day = Date.parse('2026-11-23T23:59:59.999Z'), file = at('log/2026-11-23.jwe')
  await append('one\n', day)
  appendFileSync(file, 'half of a li')
  chmodSync(file, 0o644)
  await Promise.all([append('two\nthree\n', day), append('four\n', day), append('the next day\n', day + 1)])
  expect(readFileSync(file, 'utf8')).toBe('one\nhalf of a li\ntwo\nthree\nfour\n')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(at('log/2026-11-24.jwe'), 'utf8')).toBe('the next day\n')
})

it('what waits for a slow disk is bounded', async () => {
  const append = appendingTo(at('log')), piece = `${'x'.repeat(8 * 1024 * 1024 - 1)}\n`, now = Date.parse('2026-11-23T12:00:00Z')
  const told = await Promise.allSettled(Array.from({ length: 9 }, () => append(piece, now)))
  expect(told.map(t => t.status)).toEqual([...Array<string>(8).fill('fulfilled'), 'rejected'])
  expect((told[8] as PromiseRejectedResult).reason).toMatchObject({ code: 'EBUSY' })
  await append('again\n', now)
})
