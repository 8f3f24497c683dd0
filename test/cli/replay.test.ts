/** `bailiwick replay` over the records of real gateways: under the law that decided, and under another. */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeAll, afterAll, describe, expect, it, vi } from 'vitest'
import type { DecisionEntry, Entry } from '../../src/record/record.ts'
import { openRecorder, RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { chat, onlyIn, PLACE_RULE, readiness, REHEARSAL } from '../runtime/places.ts'
import { ADMIN_TOKEN, bailiwick, cleanUp, copyOf, folderOf, freshFolder, serve, type Serving } from '../support/processes.ts'
import { app, policy, rule } from '../support/tree.ts'
import { run } from './stand-in.ts'

const SOON_MS = 20_000
const soon = (holds: () => void | Promise<void>): Promise<void> => vi.waitFor(holds, { timeout: SOON_MS, interval: 20 })
const DESK = app('desk', `grants: all\nmay-carry: [personal]\nmay-assert: [user-in]\nkey-hashes: ["sha256:${(/sha256:([0-9a-f]{64})/.exec(REHEARSAL['apps/desk.yaml']))![1]!}"]\nassume:\n  - { user-nationality: [FR], basis: a test wants it, owner: hr@example.com, until: 2039-01-01 }`)
const FILES = { ...REHEARSAL, 'apps/desk.yaml': DESK, 'rules/person.policy.yaml': policy('person', rule('stays', 'when: { data: [personal], user-in: { any: [DE] } }\nrequire: { processed-in: { only: [FR] } }')) }
const NOTICE = (): string => `language: bailiwick/v1
policy: notice-us
title: Nothing in the United States for now
owner: dpo@example.com
effective: { from: 2026-01-01, until: ${new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)}, timezone: UTC }
review-by: 2026-01-10
rules:
${rule('gone', 'forbid: { processed-in: { any: [US] } }')}
`

const ask = async (gateway: Serving): Promise<void> => {
  await (await chat(gateway)).text()
  for (const headers of [{ 'x-bailiwick-user-in': 'DE', 'x-bailiwick-data': 'personal' }, { 'x-bailiwick-purpose': 'care', 'x-bailiwick-classification': 'restricted' }, { 'x-bailiwick-data': 'phi' }]) await (await chat(gateway, { headers })).text()
}
async function admin(gateway: Serving, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${gateway.url}/admin/${path}`, { method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const value = await answer.json() as Record<string, unknown>
  if (answer.status !== 200) throw new Error(JSON.stringify(value))
  return value
}
const confirmed = async (gateway: Serving, path: string, body: object): Promise<void> => {
  const { confirm } = await admin(gateway, path, body)
  await admin(gateway, path, { ...body, confirm })
}

describe('records of a gateway whose law changed many times', () => {
  let policies: string, data: string, decisions: number
  const digests: string[] = []
  beforeAll(async () => {
    policies = folderOf(FILES)
    data = freshFolder()
    decisions = 0
    const round = async (gateway: Serving): Promise<void> => {
      await ask(gateway)
      decisions += 4
      digests.push((await readiness(gateway)).bundle)
    }
    let gateway = await serve(policies, { data })
    await round(gateway)
    writeFileSync(join(policies, PLACE_RULE), onlyIn('FR'))
    await soon(async () => expect((await readiness(gateway)).bundle).not.toBe(digests.at(-1)))
    await round(gateway)
    rmSync(join(policies, PLACE_RULE))
    await soon(async () => expect((await readiness(gateway)).bundle).toBe(digests[0]))
    await confirmed(gateway, 'drills', { revoke: ['provider=pretend-us'], 'for-seconds': 600, author: 'Ada Adler' })
    await round(gateway)
    await gateway.stop()
    gateway = await serve(policies, { data })
    await round(gateway)
    await confirmed(gateway, 'directives', { yaml: NOTICE(), author: 'Ada Adler' })
    await round(gateway)
    await gateway.stop()
  })
  afterAll(cleanUp)

  it('agree in full, under every bundle that decided', async () => {
    expect(new Set(digests).size).toBe(4)
    expect(readdirSync(join(data, 'bundles'))).toHaveLength(4)
    const said = await bailiwick(['replay', '--records', data])
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toContain(`${decisions} decisions under 4 bundles\n`)
    expect(said.out).toContain(`agrees  ${decisions} of ${decisions} (100 %)\n`)
  })

  it('agree as JSON, from the file alone, and whatever became of the policies', async () => {
    const said = await run(['replay', '--records', join(data, RECORDS_FILE), '--format', 'json'])
    expect(said.code).toBe(0)
    expect(JSON.parse(said.out)).toMatchObject({ decisions, agree: decisions, differ: 0, 'bundles': 4, 'bundle': null, 'not-replayable': [], 'differences': [] })
  })

  it('differ under another law, first in what is newly permitted', async () => {
    const other = copyOf(policies)
    rmSync(join(other, 'rules'), { recursive: true })
    rmSync(join(other, 'directives'), { recursive: true })
    const said = await run(['replay', '--records', data, '--bundle', other])
    expect(said.code).toBe(4)
    expect(said.out).toMatch(/^permits +us-one newly for \d+ decisions \(first d-\S+\)$/m)
    expect(said.out).toMatch(/^rule +person\/stays applied and does not for \d+ decisions/m)
    expect(said.out).toMatch(/^differs +d-\S+ {2}\S+Z {2}permitted \["eu-one"\] -> \["eu-one","us-one"\]$/m)
    const json = JSON.parse((await run(['replay', '--records', data, '--bundle', other, '--format', 'json'])).out) as Record<string, unknown>
    expect(Object.keys(json['newly-permitted'] as object)).toEqual(['us-one'])
    expect(json['newly-removed']).toEqual({})
  })

  it('are fewer for the last hours, and none of them is left out by mistake', async () => {
    expect((await bailiwick(['replay', '--records', data, '--last', '1h'])).out).toContain(`${decisions} decisions under`)
    // The stand-in's clock stands where all of this is to come.
    expect((await run(['replay', '--records', data, '--last', '1h'])).out).toContain(`${decisions} decisions under`)
  })

  it('a bundle that is not kept is named, and its decisions do not count as agreeing', async () => {
    const aside = freshFolder(), [name] = readdirSync(join(data, 'bundles')).filter(n => !n.startsWith(digests[0]!))
    renameSync(join(data, 'bundles', name!), join(aside, name!))
    try {
      const said = await run(['replay', '--records', data])
      expect(said.code).toBe(4)
      expect(said.out).toMatch(/^agrees +16 of 20 \(80\.000 %\)$/m)
      expect(said.out).toMatch(new RegExp(`^unreplayed +4 decisions \\(first d-\\S+\\): .*${name!} is not there$`, 'm'))
    } finally {
      renameSync(join(aside, name!), join(data, 'bundles', name!))
    }
    const elsewhere = await run(['replay', '--records', join(data, RECORDS_FILE), '--data', freshFolder()])
    expect(elsewhere.code).toBe(4)
    expect(elsewhere.out).toMatch(/^agrees +0 of 20 \(0\.000 %\)$/m)
  })

  it('a bundle that was changed is named as well', async () => {
    const name = readdirSync(join(data, 'bundles')).find(n => n.startsWith(digests[0]!))!, file = join(data, 'bundles', name), text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('[DE]', '[FR]'))
    try {
      const said = await run(['replay', '--records', data])
      expect(said.code).toBe(4)
      expect(said.out).toContain('its sources are not what it was made of')
    } finally {
      writeFileSync(file, text)
    }
  })

  it('changes nothing in the records and needs no running gateway', async () => {
    const before = readFileSync(join(data, RECORDS_FILE))
    expect((await run(['replay', '--records', data])).code).toBe(0)
    expect(readFileSync(join(data, RECORDS_FILE)).equals(before)).toBe(true)
  })
})

describe('records that do not agree', () => {
  afterEach(cleanUp)

  /** The same decisions as a gateway recorded them, but for one that was altered before it was recorded anew. */
  const altered = async (change: (entry: DecisionEntry) => Partial<DecisionEntry>): Promise<string> => {
    const gateway = await serve(folderOf(FILES))
    await ask(gateway)
    await gateway.stop()
    const database = new DatabaseSync(join(gateway.data, RECORDS_FILE), { readOnly: true })
    const lines = database.prepare('SELECT text FROM lines ORDER BY seq').all().map(row => JSON.parse(String(row['text'])) as { readonly open: object; readonly closed: object })
    database.close()
    const data = freshFolder(), recorder = await openRecorder(data)
    let count = 0
    for (const { open, closed } of lines) {
      const entry = { ...open, ...closed } as Entry
      if (entry.kind === 'decision') await recorder.append(count++ === 1 ? { ...entry, ...change(entry) } : entry)
    }
    await recorder.close()
    mkdirSync(join(data, 'bundles'))
    for (const name of readdirSync(join(gateway.data, 'bundles'))) writeFileSync(join(data, 'bundles', name), readFileSync(join(gateway.data, 'bundles', name)))
    return data
  }

  it.each([
    ['nothing', () => ({}), undefined],
    ['one deployment more', ({ permitted }: DecisionEntry) => ({ permitted: [...permitted, 'us-two'] }), 'permitted'],
    ['a rule that is left out', () => ({ activeRules: [] }), 'activeRules'],
    ['an assumption that is left out', () => ({ assumptions: [] }), 'assumptions'],
    ['a fact that was another one', ({ stated }: DecisionEntry) => ({ stated: { ...stated as object, 'user-in': 'FR' } }), 'activeRules'],
    ['a time before the assumption ended', () => ({ at: Date.parse('2039-06-01') }), 'assumptions'],
  ] as const)('are found: %s', async (_, change, part) => {
    const said = await run(['replay', '--records', await altered(change)])
    expect(said.code).toBe(part === undefined ? 0 : 4)
    expect(said.out).toContain(part === undefined ? 'agrees  4 of 4 (100 %)' : '3 of 4 (75.000 %)')
    if (part !== undefined) expect(said.out).toMatch(new RegExp(`^differs .*${part} `, 'm'))
  })
})

describe('replay is called', () => {
  afterEach(cleanUp)

  it.each([
    ['without records', [], '--records'], ['with records that are not there', ['--records', '/nowhere'], '/nowhere'], ['with a format that is none', ['--records', '.', '--format', 'html'], '--format is one of'],
    ['with a time that is none', ['--records', '.', '--last', 'week'], 'such as 7d'], ['with policies that are not there', ['--records', '.', '--bundle', '/nowhere'], '/nowhere'],
  ])('%s: it says what is wrong', async (_, args, sentence) => {
    const said = await run(['replay', ...args])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(sentence)
  })

  it('with policies that do not compile: 3', async () => {
    const said = await run(['replay', '--records', freshFolder(), '--bundle', folderOf({ ...FILES, [PLACE_RULE]: 'policy: [' })])
    expect(said).toMatchObject({ code: 3, out: '' })
    expect(said.err).toContain(PLACE_RULE)
  })
})

/** The long check (npm run replay:100k), in small: a notice, a discovery and a drill within one week. */
it('a week of decisions under five bundles is decided the same again', async () => {
  const script = fileURLToPath(new URL('../../bench/replay.bench.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, '1000'])
  expect(stdout).toMatch(/^replayed 1000, agree 1000 \(100 %\), \d+\.\d s$/m)
})
