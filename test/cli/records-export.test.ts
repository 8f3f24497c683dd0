/** `bailiwick records export` over the records of a real gateway: every format holds what was asked, no more and no less. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writing } from '../../src/cli/records-export.ts'
import { openRecorder, RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { cellsOf } from '../record/csv-cells.ts'
import { attempt, decision, outcome } from '../record/requests.ts'
import { chat, readiness } from '../runtime/places.ts'
import { bailiwick, cleanUp, copyOf, folderOf, freshFolder, serve, type Serving } from '../support/processes.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'
import { run } from './stand-in.ts'

const NODE_MAIN = fileURLToPath(new URL('../../src/runtime/node.ts', import.meta.url))
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const DESK_KEY = 'bw-key-of-the-desk', CLINIC_KEY = 'bw-key-of-the-clinic'
const hashOf = (key: string): string => `key-hashes: ["sha256:${createHash('sha256').update(key).digest('hex')}"]`
const FACTS = 'contracts: [dpa]\ncertificates: []\nstored-in: [FR]\nlogs-in: [FR]\nsubprocessors-in: []\nretention: 0d'
const FILES = {
  'apps/clinic.yaml': app('clinic', `title: The clinic\ngrants: all\ngoverned-by: [gdpr]\npurpose: letters to patients\nmay-carry: [personal, special-category]\nmay-assert: [data]\n${hashOf(CLINIC_KEY)}`),
  'apps/desk.yaml': app('desk', `grants: all\nmay-carry: [personal]\nmay-assert: [data]\n${hashOf(DESK_KEY)}`),
  'catalog/pretend-eu.yaml': provider('pretend-eu', `rehearsal: eu-cloud\ndialect: openai\nhosting: sovereign\nprocessed-in: [FR]\nentity-in: FR\ncontrolled-from: [FR]\n${FACTS}`, ['{ deployment: eu-one, model: eu/one, operations: chat }']),
  'catalog/pretend-us.yaml': provider('pretend-us', `rehearsal: us-cloud\ndialect: openai\nhosting: cloud\nprocessed-in: [US]\nentity-in: US\ncontrolled-from: [US]\n${FACTS}`, ['{ deployment: us-one, model: us/one, operations: chat }']),
  'groups/eea.yaml': 'language: bailiwick/v1\ngroup: eea\nmembers: [DE, FR]\nsource: a test\nas-of: 2026-01-01\nreview-by: 2040-01-01\n',
  'rules/place.policy.yaml': policy('place', [
    rule('stays', 'when: { data: [personal] }\nrequire: { processed-in: { only: [eea] } }\nlaw: GDPR Art. 44\nthen: { redact: [iban] }'),
    rule('nowhere', 'when: { data: [special-category] }\nforbid: { hosting: [sovereign, cloud] }\nlaw: GDPR Art. 9'),
    rule('abroad-first', 'when: { data: { only: [none] } }\nprefer:\n  - hosting: cloud')].join('\n')),
}
const ask = async (gateway: Serving, key: string, data: string): Promise<number> => {
  const answer = await chat(gateway, { headers: { 'authorization': `Bearer ${key}`, 'x-bailiwick-data': data } })
  await answer.text()
  return answer.status
}

type Row = Readonly<Record<string, string>>
function rowsOf(csv: string): readonly Row[] {
  const [header = [], ...rows] = cellsOf(csv)
  return rows.map(cells => Object.fromEntries(header.map((name, i) => [name, cells[i]!])))
}
const linesIn = (text: string): readonly Record<string, unknown>[] => text.split('\n').slice(0, -1).map(line => JSON.parse(line) as Record<string, unknown>)

describe('records of a gateway that was asked by two apps', () => {
  let policies: string, data: string, middle: string, gateway: Serving
  const exported = async (format: string, ...more: readonly string[]): Promise<string> => {
    const said = await run(['records', 'export', '--data', data, '--format', format, ...more])
    expect(said).toMatchObject({ code: 0 })
    return said.out
  }
  // Asked: desk 3 times personal and 2 times nothing, then under another law once more nothing; clinic 1 time personal and 2 times what may go nowhere.
  beforeAll(async () => {
    policies = folderOf(FILES)
    data = freshFolder()
    gateway = await serve(policies, { data })
    expect([
      await ask(gateway, DESK_KEY, 'personal'), await ask(gateway, DESK_KEY, 'personal'), await ask(gateway, DESK_KEY, 'personal'),
      await ask(gateway, DESK_KEY, 'none'), await ask(gateway, DESK_KEY, 'none'),
      await ask(gateway, CLINIC_KEY, 'personal'), await ask(gateway, CLINIC_KEY, 'special-category'), await ask(gateway, CLINIC_KEY, 'special-category'),
    ]).toEqual([200, 200, 200, 200, 200, 200, 403, 403])
    middle = new Date().toISOString()
    await gateway.stop()
    writeFileSync(join(policies, 'catalog/pretend-us.yaml'), FILES['catalog/pretend-us.yaml'].replace('processed-in: [US]', 'processed-in: [US, CA]'))
    gateway = await serve(policies, { data })
    expect(await ask(gateway, DESK_KEY, 'none')).toBe(200)
  })
  afterAll(cleanUp)

  it('as a chain verify, while the gateway serves, with its own command and with the checker that knows nothing of it', async () => {
    expect((await readiness(gateway)).status).toBeDefined()
    const file = join(freshFolder(), 'export.jsonl'), key = join(freshFolder(), 'key.json')
    expect(await bailiwick(['records', 'export', '--data', data, '--out', file])).toEqual({ code: 0, out: '', err: '' })
    writeFileSync(key, (await run(['records', 'key', '--data', data])).out)
    const verified = await run(['records', 'verify', file, '--key', key])
    expect(verified.out).toMatch(/^verified/)
    expect(verified.code).toBe(0)
    execFileSync(NODE, [fileURLToPath(new URL('../../docs/verify-records.mjs', import.meta.url)), file, key], { stdio: 'pipe' })
    const lines = linesIn(readFileSync(file, 'utf8')), { seal } = lines.at(-1) as { readonly seal: { readonly first: number; readonly last: number } }
    expect(seal).toMatchObject({ first: 1, last: lines.length - 1 })
    expect(lines.filter(l => (l['open'] as { readonly kind?: string } | undefined)?.kind === 'decision')).toHaveLength(9)
    // Its own export says the same again.
    expect(linesIn((await run(['records', 'export', '--records', file, '--format', 'jsonl'])).out)).toHaveLength(9)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    // Without its seal it is not whole, and no table is made of it.
    const cut = join(freshFolder(), 'cut.jsonl')
    writeFileSync(cut, readFileSync(file, 'utf8').replace(/.*\n$/, ''))
    const refused = await run(['records', 'export', '--records', cut, '--format', 'jsonl'])
    expect(refused).toMatchObject({ code: 4, out: '' })
    expect(refused.err).toContain('No seal follows: the end was cut off')
    expect(linesIn((await run(['records', 'export', '--records', cut, '--format', 'jsonl', '--unverified'])).out)).toHaveLength(9)
  })

  it('have no field that docs/records.md does not name', async () => {
    const table = readFileSync(fileURLToPath(new URL('../../docs/records.md', import.meta.url)), 'utf8').split('\n').filter(line => line.startsWith('| '))
    const named = new Map<string, { readonly open: Set<string>; readonly closed: Set<string> }>()
    let kind = ''
    for (const [, first = '', fields = ''] of table.map(line => line.split('|'))) {
      kind = /`(\w+)`/.exec(first)?.[1] ?? kind
      const of = named.get(kind) ?? { open: new Set(), closed: new Set() }
      named.set(kind, of)
      for (const [, star, field] of fields.matchAll(/(\*?)`(\w+)`/g)) (star === '*' ? of.open : of.closed).add(field!)
    }
    const lines = linesIn((await run(['records', 'export', '--data', data])).out).slice(0, -1) as unknown as readonly Readonly<Record<'open' | 'closed', Record<string, unknown>>>[]
    const unnamed = lines.filter(({ open: { kind: is } }) => is !== 'checkpoint').flatMap(({ open, closed }) => {
      const of = named.get(open['kind'] as string)
      return [...Object.keys(open).filter(name => !['kind', 'id', 'at'].includes(name) && of?.open.has(name) !== true), ...Object.keys(closed).filter(name => of?.closed.has(name) !== true)].map(name => `${String(open['kind'])} ${name}`)
    })
    expect([...new Set(unnamed)]).toEqual([])
    expect(new Set(lines.map(({ open }) => open['kind']))).toEqual(new Set(['log', 'start', 'decision', 'outcome', 'checkpoint']))
  })

  it('as JSON and as a table hold each request with its end', async () => {
    const times = (count: number, what: readonly unknown[]): readonly unknown[] => Array.from({ length: count }, () => what)
    const requests = linesIn(await exported('jsonl'))
    expect(requests.map(r => [r['app'], r['outcome'], (r['ended'] as { readonly outcome: string; readonly deployment?: string }).outcome, (r['ended'] as { readonly deployment?: string }).deployment])).toEqual([
      ...times(3, ['desk', 'permit', 'answered', 'eu-one']), ...times(2, ['desk', 'permit', 'answered', 'us-one']),
      ['clinic', 'permit', 'answered', 'eu-one'], ...times(2, ['clinic', 'refuse', 'refused', undefined]), ['desk', 'permit', 'answered', 'us-one'],
    ])
    const rows = rowsOf(await exported('csv'))
    expect(rows.map(r => r['decision'])).toEqual(requests.map(r => r['id']))
    expect(rows[0]).toMatchObject({ 'app': 'desk', 'data': 'personal', 'decided': 'permit', 'duties': 'redact=iban', 'ended': 'answered', 'processed in': 'FR', 'attempts': 'eu-one=ok', 'permitted': 'eu-one', 'duties done': 'redact iban: 0' })
    expect(rows[6]).toMatchObject({ 'decided': 'refuse', 'code': 'no_permitted_model', 'deployment': '', 'permitted': '' })
  })

  it('as a transfer register tell who received what, before and after a fact changed', async () => {
    const said = await run(['records', 'export', '--data', data, '--format', 'transfers'])
    expect(said.err).toMatch(/^bailiwick: lines 1 to \d+ verified, (?:all|those up to \d+) signed with the key [\w-]{43}, which was found with the records themselves\nbailiwick: facts as they stood when each request was decided: 2 bundles \([0-9a-f]{12}, [0-9a-f]{12}\)\n$/)
    expect(rowsOf(said.out).map(r => [r['app'], r['data'], r['deployment'], r['processed-in'], r['outside the EEA'], r['rules applied'], r['requests received'], r['facts from']])).toEqual([
      ['clinic', 'personal', 'eu-one', 'FR', 'none', 'place/stays (GDPR Art. 44)', '1', 'deciding bundle'],
      ['desk', 'personal', 'eu-one', 'FR', 'none', 'place/stays (GDPR Art. 44)', '3', 'deciding bundle'],
      ['desk', 'none', 'us-one', 'US', 'US', 'none', '2', 'deciding bundle'], ['desk', 'none', 'us-one', 'US CA', 'CA US', 'none', '1', 'deciding bundle'],
    ])
  })

  it('as the record of processing activities count the same', async () => {
    const text = await exported('article-30')
    expect(text).toContain('- decisions: 9, of 2 apps\n')
    const clinic = text.slice(text.indexOf('## clinic: The clinic'), text.indexOf('## desk')), desk = text.slice(text.indexOf('## desk'))
    expect(clinic).toContain('- decisions: 3\n- refused by policy: 2\n- sent to somebody: 1\n')
    expect(clinic).toContain('- purpose: letters to patients\n')
    expect(clinic).toContain('| personal | 1 |\n\nNothing was sent of 2 requests that the policies refused, which are not counted above: 2 with data personal special-category.\n')
    expect(clinic).toContain('- controller: not known (--controller)\n')
    expect(text).toMatch(/^- lines 1 to \d+ verified, (?:all|those up to \d+) signed with the key [\w-]{43}, which was found with the records themselves$/m)
    expect(await exported('article-30', '--controller', 'Example Ltd', '--dpo', 'dpo@example.com')).toContain('- controller: Example Ltd\n- data protection officer: dpo@example.com\n')
    expect(clinic).toMatch(/^\| pretend-eu \| eu-one \| pretended, for a rehearsal \| FR \| FR \| FR \| none \| personal \| 1 \| 0 \| /m)
    expect(clinic).toContain('None: everybody above')
    expect(desk).toContain('- decisions: 6\n- refused by policy: 0\n- sent to somebody: 6\n')
    expect(desk).toContain('Of 3 more requests something was sent, and what was said of the data in them was that it has none of the labels.')
    expect(desk).toContain('- redact iban: in 3 requests, 0 values\n')
  })

  it('as a contribution to the register of information name what an app rests on', async () => {
    const share = 'share of the requests that the app sent (for B_02.02.0180)', left = 'left for the app without the provider (for B_07.01.0050)'
    expect(rowsOf(await exported('dora')).map(r => [r['app'], r['deployment'], r['B_02.02.0160 location of management of the data'], r['requests received'], r[share], r[left]])).toEqual([
      ['clinic', 'eu-one', 'FR', '1', '100.0 %', '0 of 1 (text, data personal)'], ['desk', 'eu-one', 'FR', '3', '50.0 %', '0 of 1 (text, data personal)'],
      ['desk', 'us-one', 'US', '2', '33.3 %', '1 of 2 (text, data none)'], ['desk', 'us-one', 'US CA', '1', '16.7 %', '1 of 2 (text, data none)'],
    ])
  })

  it('are of a period, and the whole is the sum of its parts', async () => {
    const before = linesIn(await exported('jsonl', '--to', middle)), after = linesIn(await exported('jsonl', '--from', middle))
    expect([before.length, after.length]).toEqual([8, 1])
    expect(await exported('article-30', '--from', middle)).toContain(`- period: from ${middle} to the last on record; the first request is of `)
    const none = await run(['records', 'export', '--data', data, '--format', 'transfers', '--to', '2026-01-01'])
    expect(rowsOf(none.out)).toEqual([])
    expect(none.err).toContain('bailiwick: no request was decided in the period to before 2026-01-02T00:00:00.000Z; what is on record is of ')
    const noneInRows = await run(['records', 'export', '--data', data, '--format', 'csv', '--from', '2040-01-01', '--to', '2040-01-01'])
    expect(rowsOf(noneInRows.out)).toEqual([])
    expect(noneInRows.err).toContain('no request was decided in the period from 2040-01-01T00:00:00.000Z to before 2040-01-02T00:00:00.000Z')
    expect((await run(['records', 'export', '--data', data, '--format', 'csv'])).err).not.toContain('no request')
  })

  it('are of whole days where days are named', async () => {
    const days = [...new Set(linesIn(await exported('jsonl')).map(r => new Date(r['at'] as number).toISOString().slice(0, 10)))]
    expect(linesIn(await exported('jsonl', '--from', days[0]!, '--to', days.at(-1)!))).toHaveLength(9)
    expect(linesIn(await exported('jsonl', '--to', '2026-01-01'))).toEqual([])
  })

  it('without the bundles that decided are told by other policies, or as not known, and each time it is said', async () => {
    const aside = join(freshFolder(), 'bundles')
    renameSync(join(data, 'bundles'), aside)
    try {
      const unknown = await run(['records', 'export', '--data', data, '--format', 'transfers'])
      expect(unknown.err).toContain('not kept: the facts are not known; --policies DIR')
      expect(rowsOf(unknown.out).map(r => [r['deployment'], r['processed-in'], r['entity-in'], r['requests received'], r['facts from']])).toEqual([
        ['eu-one', 'FR', 'not known', '1', 'not known'], ['eu-one', 'FR', 'not known', '3', 'not known'], ['us-one', 'US', 'not known', '2', 'not known'], ['us-one', 'US CA', 'not known', '1', 'not known'],
      ])
      // The policies as they stand now decided the last request, and not those before.
      const stand = await run(['records', 'export', '--data', data, '--format', 'transfers', '--policies', policies])
      expect(stand.err).toMatch(/: 1 bundle .*\n.*1 bundle \([0-9a-f]{12}\) not kept: the facts are those of /)
      expect(rowsOf(stand.out).map(r => [r['deployment'], r['processed-in'], r['requests received'], r['facts from']])).toEqual([
        ['eu-one', 'FR', '1', 'other policies'], ['eu-one', 'FR', '3', 'other policies'], ['us-one', 'US CA', '2', 'other policies'], ['us-one', 'US CA', '1', 'deciding bundle'],
      ])
      const broken = copyOf(policies)
      writeFileSync(join(broken, 'apps/desk.yaml'), 'app: desk\n')
      expect((await run(['records', 'export', '--data', data, '--format', 'dora', '--policies', broken])).code).toBe(3)
    } finally {
      renameSync(aside, join(data, 'bundles'))
    }
  })

  it('go to a file that is not there yet, whole or not at all', async () => {
    const folder = freshFolder(), file = join(folder, 'register.csv')
    expect((await run(['records', 'export', '--data', data, '--format', 'transfers', '--out', file])).code).toBe(0)
    const text = readFileSync(file, 'utf8')
    const again = await run(['records', 'export', '--data', data, '--format', 'csv', '--out', file])
    expect(again).toMatchObject({ code: 2, out: '' })
    expect(again.err).toContain(`${file} is there already; --force replaces it.`)
    expect(readFileSync(file, 'utf8')).toBe(text)
    expect((await run(['records', 'export', '--data', data, '--format', 'csv', '--out', file, '--force'])).code).toBe(0)
    expect(rowsOf(readFileSync(file, 'utf8'))).toHaveLength(9)
    expect(readdirSync(folder)).toEqual(['register.csv'])
  })

  it.each([
    [['--from', '2026-01-01T00:00:00Z'], 'a chain is exported whole'],
    [['--format', 'csv', '--from', '2026-13-01'], '--from is a day, such as 2026-11-22 (UTC), or a time with its offset'],
    [['--format', 'csv', '--from', '2026-01-01T00:00:00'], '--from is a day'],
    [['--format', 'csv', '--from', '2026-01-02T00:00:00Z', '--to', '2026-01-01T00:00:00Z'], '--from must be before --to.'],
    [['--format', 'csv', '--from', '2026-01-02', '--to', '2026-01-01'], '--from must be before --to.'],
    [['--unverified'], '--unverified is not for --format chain'],
    [['--format', 'csv', '--controller', 'Example Ltd'], '--controller is for --format article-30.'],
    [['--format', 'transfers', '--dpo', 'dpo@example.com'], '--dpo is for --format article-30.'],
    [['--format', 'cvs'], 'Did you mean csv?'],
    [['--force'], '--force is for --out.'],
    [['chain'], 'records export takes no word'],
  ])('are not exported as %j asks', async (args, why) => {
    const said = await run(['records', 'export', '--data', data, ...args])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(why)
  })

  it('of which a single file is named are no chain, and a folder that is none has nothing', async () => {
    expect((await run(['records', 'export', '--records', join(data, RECORDS_FILE)])).err).toContain('--format chain needs --data')
    expect(rowsOf((await run(['records', 'export', '--records', join(data, RECORDS_FILE), '--format', 'csv'])).out)).toHaveLength(9)
    const nowhere = join(data, 'nowhere')
    for (const format of ['chain', 'csv']) {
      expect(await run(['records', 'export', '--data', nowhere, '--format', format])).toMatchObject({
        code: 1, out: '', err: `bailiwick: ${nowhere} does not exist. --data DIR names the data folder of a gateway, --records PATH a file of records or an export.\n`,
      })
    }
  })

  it('are not in a folder that no gateway serves with, and it is said what to name', async () => {
    const said = await run(['records', 'export', '--data', freshFolder(), '--format', 'csv'])
    expect(said).toMatchObject({ code: 1, out: '' })
    expect(said.err).toContain('cannot be read as records')
    expect(said.err).toContain(' --data DIR names the data folder of a gateway: the one that it serves with.\n')
  })

  it('that cannot be written say which file, why and what to do, and leave nothing', async () => {
    const folder = freshFolder(), file = join(folder, 'nowhere', 'register.csv')
    expect(await run(['records', 'export', '--data', data, '--format', 'csv', '--out', file])).toMatchObject({ code: 1, out: '' })
    expect((await run(['records', 'export', '--data', data, '--format', 'csv', '--out', file])).err).toContain(`bailiwick: ${file} cannot be written (ENOENT): its folder does not exist: make it, or name another place, with --out. Nothing is left of it.\n`)
    const full = openSync('/dev/full', 'w')
    expect(() => writing('register.csv', () => writeSync(full, 'x'))).toThrow('register.csv cannot be written (ENOSPC): the disk is full: make room, or name a place on another disk, with --out.')
    // A process that may write no more than eight kilobytes to a file.
    const chain = join(folder, 'export.jsonl'), small = join(folder, 'small.jsonl')
    expect((await run(['records', 'export', '--data', data, '--out', chain])).code).toBe(0)
    const child = spawn('bash', ['-c', 'ulimit -f 8; exec "$@"', 'bash', NODE, NODE_MAIN, 'records', 'export', '--records', chain, '--format', 'jsonl', '--out', small], { stdio: ['ignore', 'ignore', 'pipe'] })
    let err = ''
    child.stderr.on('data', bytes => { err += String(bytes) })
    expect(await once(child, 'close')).toEqual([1, null])
    expect(err).toContain(`bailiwick: ${small} cannot be written (EFBIG): `)
    expect(readdirSync(folder)).toEqual(['export.jsonl'])
  })
})

describe('records of many files', () => {
  const REQUESTS = 15, OLDEST = 'records-000001.sqlite'
  let data: string
  beforeAll(async () => {
    data = freshFolder()
    const recorder = await openRecorder(data, { segmentLines: 10, checkpointEvery: 4 })
    const bundle = await bundleOf(FILES)
    for (let i = 0; i < REQUESTS; i++) {
      await recorder.append(decision(bundle, `d-${i}`, { app: 'desk', data: ['none'] }))
      await recorder.append(outcome(`d-${i}`, [attempt('eu-one')]))
    }
    await recorder.close()
  })
  afterAll(cleanUp)

  it('are one chain', async () => {
    expect(readdirSync(data).filter(name => /^records.*\.sqlite$/.test(name)).length).toBeGreaterThan(2)
    const said = await run(['records', 'export', '--data', data]), file = join(freshFolder(), 'export.jsonl')
    expect(said).toMatchObject({ code: 0, err: '' })
    writeFileSync(file, said.out)
    expect((await run(['records', 'verify', file])).code).toBe(0)
    expect(rowsOf((await run(['records', 'export', '--data', data, '--format', 'csv'])).out)).toHaveLength(REQUESTS)
  })

  it.each([
    ['a line that says something else', OLDEST, `UPDATE lines SET text = replace(text, '"ms":10', '"ms":11') WHERE seq = (SELECT min(seq) FROM lines WHERE text LIKE '%"ms":10%')`],
    ['a line that is gone', OLDEST, 'DELETE FROM lines WHERE seq = 5'],
    ['a line that is none', OLDEST, "UPDATE lines SET text = '{}' WHERE seq = 5"],
    ['an end that is gone', RECORDS_FILE, 'DELETE FROM lines WHERE seq = (SELECT max(seq) FROM lines)'],
  ])('with %s are not sealed, and no file is left', async (_, spoilt, how) => {
    const path = join(data, spoilt), saved = readFileSync(path), folder = freshFolder(), file = join(folder, 'export.jsonl')
    try {
      const database = new DatabaseSync(path)
      expect(database.prepare(how).run().changes).toBe(1)
      database.close()
      const said = await run(['records', 'export', '--data', data, '--out', file])
      expect(said).toMatchObject({ code: 4, out: '' })
      expect(said.err).toMatch(/^bailiwick: the records are not whole: .*'bailiwick records verify .*' says more\.\n$/)
      expect(readdirSync(folder)).toEqual([])
      expect((await run(['records', 'export', '--data', data])).out).not.toContain('"seal"')
      for (const format of ['jsonl', 'csv', 'article-30', 'transfers', 'dora']) {
        const refused = await run(['records', 'export', '--data', data, '--format', format, '--out', file])
        expect(refused).toMatchObject({ code: 4, out: '' })
        expect(refused.err).toMatch(/^bailiwick: the records are not whole: records.* Nothing was written\. 'bailiwick records verify .*' says more; --unverified exports all the same, and says so\.\n$/)
        expect(await run(['records', 'export', '--data', data, '--format', format])).toMatchObject({ code: 4, out: '' })
      }
      expect(readdirSync(folder)).toEqual([])
      expect((await run(['records', 'verify', data])).code).toBe(4)
    } finally {
      for (const more of ['-wal', '-shm']) rmSync(`${path}${more}`, { force: true })
      writeFileSync(path, saved)
    }
    expect((await run(['records', 'verify', data])).code).toBe(0)
  })

  it('that say something else than was written are exported only where it is asked for so, and it is said', async () => {
    const path = join(data, OLDEST), saved = readFileSync(path)
    try {
      const database = new DatabaseSync(path)
      database.exec(`UPDATE lines SET text = replace(text, '"ms":10', '"ms":11')`)
      database.close()
      const said = await run(['records', 'export', '--data', data, '--format', 'csv', '--unverified'])
      expect(said.code).toBe(0)
      expect(said.err).toContain('bailiwick: not verified (--unverified): whether lines were changed, put in or taken out is not known here\n')
      expect(rowsOf(said.out)).toHaveLength(REQUESTS)
      expect((await run(['records', 'export', '--data', data, '--format', 'article-30', '--unverified'])).out).toContain('- not verified (--unverified): whether lines')
    } finally {
      for (const more of ['-wal', '-shm']) rmSync(`${path}${more}`, { force: true })
      writeFileSync(path, saved)
    }
    expect((await run(['records', 'export', '--data', data, '--format', 'csv'])).code).toBe(0)
  })

  it('are not sealed with another key than the one that they name, nor without one', async () => {
    const other = freshFolder()
    await (await openRecorder(other)).close()
    const file = join(data, 'signing-key.json'), key = readFileSync(file)
    try {
      writeFileSync(file, readFileSync(join(other, 'signing-key.json')))
      const said = await run(['records', 'export', '--data', data])
      expect(said.code).toBe(4)
      expect(said.err).toContain('names another key than the one in the data folder')
      rmSync(file)
      expect(await run(['records', 'export', '--data', data])).toMatchObject({
        code: 1, out: '', err: `bailiwick: the signing key in ${data} cannot be read (ENOENT), and a chain is sealed with it. --data DIR names the data folder of a gateway; a key that is gone comes back from the backup. The other formats need none.\n`,
      })
      expect(existsSync(file)).toBe(false)
      expect((await run(['records', 'export', '--data', data, '--format', 'csv'])).code).toBe(0)
    } finally {
      writeFileSync(file, key)
    }
    expect((await run(['records', 'export', '--data', data])).code).toBe(0)
  })
})

describe('records that are longer than a pipe', () => {
  const REQUESTS = 2_000, PIPE_CHARACTERS = 65_536
  let data: string
  beforeAll(async () => {
    data = freshFolder()
    const recorder = await openRecorder(data), bundle = await bundleOf(FILES), asked = decision(bundle, '', { app: 'desk', data: ['none'] })
    await Promise.all(Array.from({ length: REQUESTS }, (_, i) => [recorder.append({ ...asked, id: `d-${i}` }), recorder.append(outcome(`d-${i}`, [attempt('eu-one')]))]).flat())
    await recorder.close()
  })
  afterAll(cleanUp)

  const started = (): ChildProcess => spawn(NODE, [NODE_MAIN, 'records', 'export', '--data', data, '--format', 'csv'], { stdio: ['ignore', 'pipe', 'ignore'] })

  it('come whole to whoever reads slowly', async () => {
    const child = started(), ended = once(child, 'close')
    let text = ''
    for await (const bytes of child.stdout!) {
      text += String(bytes)
      await new Promise(setImmediate)
    }
    expect(await ended).toEqual([0, null])
    expect(text.length).toBeGreaterThan(5 * PIPE_CHARACTERS)
    expect(rowsOf(text)).toHaveLength(REQUESTS)
  })

  it('end without a word when whoever reads has left', async () => {
    const child = started(), ended = once(child, 'close')
    await once(child.stdout!, 'data')
    child.stdout!.destroy()
    expect(await ended).toEqual([0, null])
  })
})
