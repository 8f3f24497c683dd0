import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import type { DirectiveEntry } from '../../src/record/record.ts'
import { RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { entriesIn } from '../support/kept.ts'
import { ADMIN_TOKEN, bailiwick, cleanUp, folderOf, freshFolder, serve, type Ran, type Serving } from '../support/processes.ts'
import { policy, rule } from '../support/tree.ts'
import { chat, pool, readiness, REHEARSAL } from './places.ts'

const WITHIN_MS = 1_000
/** The kinds of data of an app that does not say what its prompts carry. */
const PROFILES = ['unknown']
const NAME = 'notice-us'
const FILE = `directives/${NAME}.policy.yaml`
const notice = (models = '[us/one]', { name = NAME, effective = '{ from: 2026-01-01, until: 2026-01-10, timezone: UTC }' } = {}): string =>
  policy(name, rule('gone', `forbid: { model: ${models} }`), effective)
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
/** A notice in force now, whatever the day. */
const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
const NOW = { effective: `{ from: ${day(-1)}, until: ${day(8)}, timezone: UTC }` }
const NOTICE = notice('[us/one]', NOW)

type Answer = { readonly status: number; readonly value: Record<string, unknown> }
async function ask(gateway: Serving, method: string, path: string, body?: unknown, token = ADMIN_TOKEN): Promise<Answer> {
  const response = await fetch(`${gateway.url}/admin/directives${path}`, {
    method, headers: { ...(token !== '' && { authorization: `Bearer ${token}` }), 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, value: await response.json() as Record<string, unknown> }
}
const enact = (gateway: Serving, body: object): Promise<Answer> => ask(gateway, 'POST', '', { yaml: NOTICE, author: 'Ada Adler', ...body })
const messageOf = ({ value }: Answer): string => (value['error'] as { readonly message: string }).message

async function enacted(gateway: Serving): Promise<Answer> {
  const { value: { confirm } } = await enact(gateway, {})
  return enact(gateway, { confirm })
}

const recorded = async (data: string): Promise<readonly DirectiveEntry[]> => (await entriesIn(data)).filter(e => e.kind === 'directive')
/** A model that may not be used is replaced by one that may. */
const usesUs = async (gateway: Serving): Promise<boolean> => (await chat(gateway, { model: 'us/one' })).headers.get('x-bailiwick-deployment') === 'us-one'

describe('a notice at a running gateway', () => {
  afterEach(cleanUp)

  it('is shown with its effect first and changes nothing until it is confirmed', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    const before = await readiness(gateway)
    const shown = await enact(gateway, {})
    expect(shown).toMatchObject({ status: 200, value: { name: NAME, file: FILE, enacted: false, rules: [`${NAME}/gone`], bundle: before.bundle } })
    expect(shown.value['effect']).toMatchObject({ coverage: [{ app: 'desk', data: 'unknown', before: ['eu-one', 'us-one'], after: ['eu-one'] }] })
    expect(existsSync(join(policies, FILE))).toBe(false)
    expect(await readiness(gateway)).toEqual(before)
    expect(await usesUs(gateway)).toBe(true)
    expect(await recorded(gateway.data)).toEqual([])
  })

  it('is in force within a second of being confirmed, on record with its author and time, and after a restart', async () => {
    const policies = folderOf(REHEARSAL), data = freshFolder()
    const first = await serve(policies, { data })
    const { bundle: previousBundle } = await readiness(first)
    const { value: { confirm } } = await enact(first, {})
    const askedAt = Date.now()
    const done = await enact(first, { confirm })
    const { bundle } = await readiness(first)
    expect(Date.now() - askedAt).toBeLessThan(WITHIN_MS)
    expect(await usesUs(first)).toBe(false)
    expect((await chat(first, { model: 'eu/one' })).status).toBe(200)
    expect(done).toMatchObject({ status: 200, value: { enacted: true, author: 'Ada Adler', bundle, previousBundle } })
    expect(bundle).not.toBe(previousBundle)

    expect(readFileSync(join(policies, FILE), 'utf8')).toBe(NOTICE)
    expect(statSync(join(policies, FILE)).mode & 0o777).toBe(0o644)
    expect(readdirSync(join(policies, 'directives'))).toEqual([`${NAME}.policy.yaml`])
    const [entry] = await recorded(data)
    expect(entry).toMatchObject({ kind: 'directive', name: NAME, action: 'enact', author: 'Ada Adler', bundle, previousBundle, digest: sha256(NOTICE) })
    expect(entry!.at).toBeGreaterThanOrEqual(askedAt)
    expect(first.log().find(line => line.event === 'directive')).toMatchObject({ action: 'enact', name: NAME, author: 'Ada Adler' })
    expect((await pool(first)).events).toMatchObject([{ cause: 'directive enacted', bundle, profiles: PROFILES.map(data => ({ app: 'desk', data, added: [], removed: [{ deployment: 'us-one', because: `${NAME}/gone` }] })) }])

    await first.stop()
    const second = await serve(policies, { data })
    expect((await readiness(second)).bundle).toBe(bundle)
    expect(await usesUs(second)).toBe(false)
    expect((await ask(second, 'GET', '')).value['directives']).toMatchObject([{ name: NAME, enacted: { author: 'Ada Adler', at: new Date(entry!.at).toISOString() } }])
  })

  it('is taken once: the folder that now holds it is no further change', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    await enacted(gateway)
    const { epoch } = await readiness(gateway)
    // Another change of the folder is taken up after the look that finds the notice there.
    writeFileSync(join(policies, 'directives/x.policy.yaml'), notice('[eu/one]', { ...NOW, name: 'x' }))
    await gateway.logged(line => line.event === 'pool-rebuilt' && line['cause'] === 'policies changed')
    expect((await readiness(gateway)).epoch).toBe(epoch + 1)
    expect((await chat(gateway)).status).toBe(403)
  })

  it.each([
    ['a word that is none', NOTICE.replace('forbid:', 'forbidd:'), /^directives\/notice-us\.policy\.yaml:\d+:\d+: /m],
    ['a model that is none', notice('[us/two]', NOW), /^directives\/notice-us\.policy\.yaml:\d+:\d+: /m],
    ['no name', NOTICE.replace(`policy: ${NAME}\n`, ''), /^directives\/new\.policy\.yaml:\d+:\d+: /m],
    ['a name that is a path', NOTICE.replace(`policy: ${NAME}`, 'policy: ../../notice'), /^directives\/new\.policy\.yaml:\d+:\d+: /m],
    ['two mistakes', NOTICE.replace('forbid:', 'forbidd:').replace('owner:', 'ownr:'), /:\d+:\d+: [^]*:\d+:\d+: /],
  ])('with %s changes nothing, and every problem is told at its place', async (_, yaml, told) => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    const before = await readiness(gateway)
    const refused = await enact(gateway, { yaml })
    expect(refused).toMatchObject({ status: 400, value: { error: { code: 'invalid_request', param: 'yaml' } } })
    expect(messageOf(refused)).toMatch(told)
    expect(existsSync(join(policies, 'directives'))).toBe(false)
    expect(await readiness(gateway)).toEqual(before)
  })

  it('is not enacted by a confirmation of another text, of other policies, or of nothing', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    const { value: { confirm } } = await enact(gateway, {})
    expect(await enact(gateway, { confirm: '0'.repeat(64) })).toMatchObject({ status: 409, value: { error: { param: 'confirm' } } })
    expect(await enact(gateway, { confirm, yaml: notice('[eu/one]', NOW) })).toMatchObject({ status: 409 })
    mkdirSync(join(policies, 'directives'))
    writeFileSync(join(policies, 'directives/x.policy.yaml'), notice('[eu/one]', { ...NOW, name: 'x' }))
    await gateway.logged(line => line.event === 'pool-rebuilt')
    expect(await enact(gateway, { confirm })).toMatchObject({ status: 409 })
    expect(await usesUs(gateway)).toBe(true)
    expect(existsSync(join(policies, FILE))).toBe(false)
    expect(await recorded(gateway.data)).toEqual([])
  })

  it('never writes over a file, in force or not', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    await enacted(gateway)
    expect(await enact(gateway, { yaml: notice('[eu/one]', NOW) })).toMatchObject({ status: 409 })
    expect(readFileSync(join(policies, FILE), 'utf8')).toBe(NOTICE)

    const broken = join(policies, 'directives/other.policy.yaml')
    writeFileSync(broken, '- nonsense')
    await gateway.logged(line => line.event === 'alarm')
    const yaml = notice('[eu/one]', { ...NOW, name: 'other' })
    const { value: { confirm } } = await enact(gateway, { yaml })
    expect(await enact(gateway, { yaml, confirm })).toMatchObject({ status: 409 })
    expect(readFileSync(broken, 'utf8')).toBe('- nonsense')
    expect((await chat(gateway, { model: 'eu/one' })).status).toBe(200)
    expect(await recorded(gateway.data)).toHaveLength(1)
  })

  it('can be enacted while the folder holds a mistake elsewhere, which stays out of force', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    writeFileSync(join(policies, 'labels.yaml'), '- nonsense')
    await gateway.logged(line => line.event === 'alarm')
    expect(await enacted(gateway)).toMatchObject({ status: 200 })
    expect(await usesUs(gateway)).toBe(false)
    rmSync(join(policies, 'labels.yaml'))
    await gateway.logged(line => line.event === 'alarm-over')
    expect(await usesUs(gateway)).toBe(false)
  })

  it('is not enacted when it cannot be recorded', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    const { value: { confirm } } = await enact(gateway, {})
    const other = new DatabaseSync(join(gateway.data, RECORDS_FILE), { timeout: 5_000 })
    other.exec('BEGIN EXCLUSIVE')
    expect(await enact(gateway, { confirm })).toMatchObject({ status: 503, value: { error: { code: 'cannot_record' } } })
    other.exec('ROLLBACK')
    other.close()
    expect(existsSync(join(policies, FILE))).toBe(false)
    expect(await usesUs(gateway)).toBe(true)
    expect(await enact(gateway, { confirm })).toMatchObject({ status: 200 })
  })

  it('is not enacted where the folder cannot take its file', async () => {
    const policies = folderOf({ ...REHEARSAL, directives: 'a file in the place of the folder' })
    const gateway = await serve(policies)
    const { value: { confirm } } = await enact(gateway, {})
    const refused = await enact(gateway, { confirm })
    expect(refused).toMatchObject({ status: 500, value: { error: { code: 'internal_error' } } })
    expect(messageOf(refused)).toContain('cannot be written to (EEXIST)')
    expect(await usesUs(gateway)).toBe(true)
    expect(await recorded(gateway.data)).toEqual([])
  })

  it('is not lifted while its file is not what is in force', async () => {
    const policies = folderOf({ ...REHEARSAL, [FILE]: NOTICE })
    const gateway = await serve(policies)
    writeFileSync(join(policies, FILE), '- nonsense')
    await gateway.logged(line => line.event === 'alarm')
    expect(await ask(gateway, 'DELETE', `/${NAME}`, { author: 'Bo Brandt' })).toMatchObject({ status: 409 })
    expect(readFileSync(join(policies, FILE), 'utf8')).toBe('- nonsense')
    expect(await usesUs(gateway)).toBe(false)
  })

  it('is lifted at once, and its text is kept where nothing compiles it', async () => {
    const policies = folderOf(REHEARSAL)
    const gateway = await serve(policies)
    const before = await readiness(gateway)
    await enacted(gateway)
    const { bundle: previousBundle } = await readiness(gateway)
    writeFileSync(join(policies, `directives/${NAME}.test.yaml`), 'a test of it')
    const askedAt = Date.now()
    const lifted = await ask(gateway, 'DELETE', `/${NAME}`, { author: 'Bo Brandt' })
    expect(await usesUs(gateway)).toBe(true)
    expect(Date.now() - askedAt).toBeLessThan(WITHIN_MS)
    expect(lifted).toMatchObject({ status: 200, value: { name: NAME, author: 'Bo Brandt', bundle: before.bundle, previousBundle, effect: { coverage: [{ app: 'desk', before: ['eu-one'], after: ['eu-one', 'us-one'] }] } } })
    expect((await readiness(gateway)).bundle).toBe(before.bundle)
    expect((await pool(gateway)).events.at(-1)).toMatchObject({ cause: 'directive lifted', profiles: PROFILES.map(data => ({ app: 'desk', data, added: ['us-one'], removed: [] })) })

    expect(readdirSync(join(policies, 'directives'))).toEqual(['lifted'])
    const kept = readdirSync(join(policies, 'directives/lifted')).toSorted()
    expect(kept.map(name => name.replace(/\d{4}-[\dTZ-]+/, 'TIME'))).toEqual([`${NAME}.policy-TIME.yaml.txt`, `${NAME}.test-TIME.yaml.txt`])
    expect(readFileSync(join(policies, 'directives/lifted', kept[0]!), 'utf8')).toBe(NOTICE)
    expect(await recorded(gateway.data)).toMatchObject([{ action: 'enact' }, { action: 'lift', name: NAME, author: 'Bo Brandt', bundle: before.bundle, previousBundle, digest: sha256(NOTICE) }])
    expect((await ask(gateway, 'GET', '')).value).toMatchObject({ bundle: before.bundle, directives: [], lifted: [{ name: NAME, author: 'Bo Brandt' }] })
    expect(await ask(gateway, 'DELETE', `/${NAME}`, { author: 'Bo Brandt' })).toMatchObject({ status: 404 })
    // The way back is the way in.
    expect(await enacted(gateway)).toMatchObject({ status: 200 })
    expect(await usesUs(gateway)).toBe(false)
  })

  it('is not lifted when that cannot be recorded, and neither is a rule that is no notice', async () => {
    const policies = folderOf({ ...REHEARSAL, [FILE]: NOTICE, 'rules/house.policy.yaml': notice('[us/one]', { name: 'house' }) })
    const gateway = await serve(policies)
    const other = new DatabaseSync(join(gateway.data, RECORDS_FILE), { timeout: 5_000 })
    other.exec('BEGIN EXCLUSIVE')
    expect(await ask(gateway, 'DELETE', `/${NAME}`, { author: 'Bo Brandt' })).toMatchObject({ status: 503 })
    other.exec('ROLLBACK')
    other.close()
    expect(readFileSync(join(policies, FILE), 'utf8')).toBe(NOTICE)
    expect(await usesUs(gateway)).toBe(false)
    expect(await ask(gateway, 'DELETE', '/house', { author: 'Bo Brandt' })).toMatchObject({ status: 404 })
    expect(existsSync(join(policies, 'rules/house.policy.yaml'))).toBe(true)
  })

  it('is listed with its window and state, and with who enacted it where that is known', async () => {
    const gateway = await serve(folderOf({
      ...REHEARSAL, 'directives/old.policy.yaml': notice('[eu/one]', { name: 'old' }),
      'directives/next.policy.yaml': notice('[eu/one]', { name: 'next', effective: `{ from: ${day(3)}, until: ${day(9)}, timezone: UTC }` }),
    }))
    await enacted(gateway)
    expect((await ask(gateway, 'GET', '')).value['directives']).toMatchObject([
      { name: 'next', state: 'to-come', from: `${day(3)}T00:00:00.000Z`, enacted: null },
      { name: NAME, title: `Policy ${NAME}`, owner: 'owner@example.com', file: FILE, state: 'in-force', from: `${day(-1)}T00:00:00.000Z`, until: `${day(9)}T00:00:00.000Z`, rules: [{ id: 'gone', effect: 'forbid', mode: 'enforce' }], enacted: { author: 'Ada Adler' } },
      { name: 'old', state: 'ended', until: '2026-01-11T00:00:00.000Z', enacted: null },
    ])
  })

  it('is nothing for somebody without the admin token, nor for a body that is not understood', async () => {
    const policies = folderOf({ ...REHEARSAL, [FILE]: NOTICE })
    const gateway = await serve(policies)
    for (const token of ['', 'a-guess']) {
      expect(await ask(gateway, 'GET', '', undefined, token)).toMatchObject({ status: 401, value: { error: { code: 'invalid_api_key' } } })
      expect((await ask(gateway, 'POST', '', { yaml: notice('[eu/one]', { ...NOW, name: 'x' }), author: 'Ada' }, token)).status).toBe(401)
      expect((await ask(gateway, 'DELETE', `/${NAME}`, { author: 'Ada' }, token)).status).toBe(401)
    }
    expect(await enact(gateway, { author: '' })).toMatchObject({ status: 400, value: { error: { param: 'author' } } })
    expect(await enact(gateway, { author: 'Ada\nAdler' })).toMatchObject({ status: 400, value: { error: { param: 'author' } } })
    expect(await enact(gateway, { yaml: 1 })).toMatchObject({ status: 400, value: { error: { param: 'body' } } })
    expect(await enact(gateway, { force: true })).toMatchObject({ status: 400, value: { error: { param: 'force' } } })
    expect(await ask(gateway, 'DELETE', `/${NAME}`, {})).toMatchObject({ status: 400, value: { error: { param: 'author' } } })
    expect(await usesUs(gateway)).toBe(false)
  })
})

describe('bailiwick directive', () => {
  afterEach(cleanUp)
  const run = (gateway: Pick<Serving, 'url'>, args: readonly string[], token = ADMIN_TOKEN): Promise<Ran> =>
    bailiwick(['directive', ...args, '--url', gateway.url], { environment: { BAILIWICK_ADMIN_TOKEN: token } })

  it('shows, enacts, lists and lifts', async () => {
    const gateway = await serve(folderOf(REHEARSAL))
    const file = join(folderOf({ 'notice.yaml': NOTICE }), 'notice.yaml')
    const shown = await run(gateway, ['enact', file, '--author', 'Ada Adler'])
    expect(shown).toMatchObject({ code: 4, err: expect.stringContaining('--yes') as string })
    expect(shown.out).toMatch(/^ {2}desk +unknown +2 +1 +-us-one$/m)
    expect(await usesUs(gateway)).toBe(true)

    const done = await run(gateway, ['enact', file, '--author', 'Ada Adler', '--yes'])
    expect(done).toMatchObject({ code: 0, err: '' })
    expect(done.out).toMatch(/^enacted {3}notice-us at \S+ by Ada Adler; bundle [0-9a-f]{12}; kept as directives\/notice-us\.policy\.yaml\nIt is in force\.$/m)
    expect(await usesUs(gateway)).toBe(false)
    const listed = await run(gateway, ['list'])
    expect(listed.out).toMatch(/^notice-us {2}in force, from [^]*enacted by Ada Adler at /m)
    expect(JSON.parse((await run(gateway, ['list', '--format', 'json'])).out)).toMatchObject({ directives: [{ name: NAME }] })

    expect(await run(gateway, ['lift', NAME, '--author', 'Bo Brandt'])).toMatchObject({ code: 0, out: expect.stringContaining('+us-one') as string })
    expect(await usesUs(gateway)).toBe(true)
    expect(await run(gateway, ['lift', NAME, '--author', 'Bo Brandt'])).toMatchObject({ code: 4, err: expect.stringContaining('no notice of this name') as string })
  })

  it('says what is wrong: with the text, the token, the address, the call', async () => {
    const gateway = await serve(folderOf(REHEARSAL))
    const file = join(folderOf({ 'notice.yaml': NOTICE.replace('forbid:', 'forbidd:') }), 'notice.yaml')
    expect(await run(gateway, ['enact', file, '--yes', '--author', 'Ada'])).toMatchObject({ code: 3, err: expect.stringMatching(/directives\/notice-us\.policy\.yaml:\d+:\d+: /) as string })
    expect(await run(gateway, ['list'], 'a-guess')).toMatchObject({ code: 1, err: expect.stringContaining('refused the admin token') as string })
    await gateway.stop()
    expect(await run(gateway, ['list'])).toMatchObject({ code: 1, err: expect.stringContaining('ECONNREFUSED') as string })
    expect(await run(gateway, ['list', '--data', freshFolder()], '')).toMatchObject({ code: 2, err: expect.stringContaining('admin-token') as string })
    expect(await run(gateway, ['enact', `${file}-not`, '--author', 'Ada'])).toMatchObject({ code: 2 })
    expect(await run(gateway, ['lfit', NAME])).toMatchObject({ code: 2, err: expect.stringContaining('lift') as string })
  })

  it('takes the token that the gateway keeps in its data folder', async () => {
    const gateway = await serve(folderOf(REHEARSAL), { environment: { BAILIWICK_ADMIN_TOKEN: '' } })
    expect(await run(gateway, ['list', '--data', gateway.data], '')).toMatchObject({ code: 0, out: expect.stringContaining('There are no notices') as string })
  })
})
