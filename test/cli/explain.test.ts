import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { bailiwick, cleanUp, folderOf, freshFolder } from '../support/processes.ts'
import { app, policy, provider, rule } from '../support/tree.ts'
import { run, WORKED } from './stand-in.ts'

const FOLDER = {
  'apps/desk.yaml': app('desk', 'grants: all\nteam: sales\nmay-carry: [personal]'),
  'catalog/own.yaml': provider('own', 'processed-in: [FR]', ['{ deployment: ours, model: own/small, hosting: local, retention: 0d, dialect: openai, base-url: "http://127.0.0.1:1/v1" }']),
  'catalog/far.yaml': provider('far', '', ['{ deployment: far-us, model: far/large, processed-in: [US], retention: 30d }', '{ deployment: far-where, model: far/large, processed-in: unknown }']),
  'rules/place.policy.yaml': policy('place', [
    rule('stays', 'when: { data: [personal] }\nrequire:\n  processed-in: { only: [FR] }\nlaw: A law, Art. 1\nthen: { cache: none }'),
    rule('not-kept', 'forbid:\n  retention: { at-least: 30d }\nmode: shadow\nmode-until: 2039-01-01'),
  ].join('\n')),
}
const AT = '2026-11-22T11:00:00Z'
const KEYS = ['outcome', 'at', 'bundle', 'request', 'permitted', 'deployments', 'duties', 'assumptions', 'next-change']

const requestIn = (value: unknown): string => {
  const file = join(freshFolder(), 'request.json')
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
  return file
}
const explained = (out: string): Record<string, unknown> => JSON.parse(out) as Record<string, unknown>

describe('explain, machine form', () => {
  afterEach(cleanUp)

  it('is the form of section 10, keys in order, one row for every deployment of the catalog', async () => {
    const said = await run(['explain', '--policies', folderOf(FOLDER), '--request', requestIn({ app: 'desk', data: ['personal'] }), '--at', AT, '--format', 'json'])
    expect(said.code).toBe(0)
    const answer = explained(said.out)
    expect(Object.keys(answer)).toEqual(KEYS)
    expect(answer).toMatchObject({
      outcome: 'permit', at: '2026-11-22T11:00:00.000Z', bundle: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      request: { app: 'desk', team: 'sales', data: ['personal'] }, permitted: ['ours'], duties: { cache: 'none' }, assumptions: [],
      'next-change': '2039-01-02T00:00:00.000+00:00',
    })
    expect(answer['deployments']).toEqual([
      {
        deployment: 'far-us', verdict: 'excluded', granted: true,
        because: [{ rule: 'place/stays', effect: 'require', file: 'rules/place.policy.yaml', line: 8, law: 'A law, Art. 1', facts: ['processed-in'], unknown: false }],
        'would-exclude': [{ rule: 'place/not-kept', effect: 'forbid', file: 'rules/place.policy.yaml', line: 16, law: null, facts: ['retention'], unknown: false, mode: 'shadow' }],
        exceptions: [], unfit: ['no-connection'], health: 'unknown',
      },
      {
        deployment: 'far-where', verdict: 'excluded', granted: true,
        because: [{ rule: 'place/stays', effect: 'require', file: 'rules/place.policy.yaml', line: 8, law: 'A law, Art. 1', facts: ['processed-in'], unknown: true }],
        'would-exclude': [{ rule: 'place/not-kept', effect: 'forbid', file: 'rules/place.policy.yaml', line: 16, law: null, facts: ['retention'], unknown: true, mode: 'shadow' }],
        exceptions: [], unfit: ['no-connection'], health: 'unknown',
      },
      { deployment: 'ours', verdict: 'allowed', granted: true, because: [], 'would-exclude': [], exceptions: [], unfit: [], health: 'unknown' },
    ])
  })

  it('puts the code of a refusal after its outcome', async () => {
    const said = await run(['explain', '--policies', folderOf(FOLDER), '--request', requestIn({ app: 'desk', data: ['phi'] }), '--at', AT, '--format', 'json'])
    expect(said.code).toBe(4)
    expect(Object.keys(explained(said.out))).toEqual(['outcome', 'code', ...KEYS.slice(1)])
    expect(explained(said.out)).toMatchObject({ outcome: 'refuse', code: 'data_not_registered', permitted: [] })
  })

  it('reads the request from standard input', async () => {
    const said = await run(['explain', '--policies', folderOf(FOLDER), '--request', '-', '--format', 'json'], { input: '{"app": "desk"}' })
    expect(said.code).toBe(0)
    expect(explained(said.out)).toMatchObject({ outcome: 'permit', at: '2026-11-22T11:00:00.000Z' })
  })

  it('says that nothing changes any more with null', async () => {
    const { 'rules/place.policy.yaml': _, ...rest } = FOLDER
    const said = await run(['explain', '--policies', folderOf(rest), '--request', requestIn({ app: 'desk' }), '--at', '2041-01-01T00:00:00Z', '--format', 'json'])
    expect(explained(said.out)).toMatchObject({ 'next-change': null })
  })

  it('decides the worked example as its tests do', async () => {
    const request = { app: 'crm', team: 'sales', data: ['personal'], 'governed-by': ['gdpr'], classification: 'internal', 'user-in': 'FR', 'user-nationality': ['FR'], 'user-us-person': 'no' }
    const said = await run(['explain', '--policies', WORKED, '--request', requestIn(request), '--at', AT, '--format', 'json'])
    expect(said.code).toBe(0)
    expect(explained(said.out)).toMatchObject({ outcome: 'permit' })
    expect((explained(said.out)['permitted'] as string[]).includes('cn-api')).toBe(false)
  })
})

describe('explain, many requests', () => {
  afterEach(cleanUp)
  const lines = ['{"app": "desk", "data": ["personal"]}', '', '{"app": "desk", "data": ["phi"], "at": "2026-11-23T00:00:00+01:00"}', '{"app": "nobody"}', '']

  it('answers each line with a line; a refusal is an answer', async () => {
    const said = await run(['explain', '--policies', folderOf(FOLDER), '--requests', requestIn(lines.join('\n')), '--at', AT, '--format', 'json'])
    expect(said.code).toBe(0)
    expect(said.out.trimEnd().split('\n').map(line => explained(line))).toMatchObject([
      { outcome: 'permit', at: '2026-11-22T11:00:00.000Z' }, { outcome: 'refuse', code: 'data_not_registered', at: '2026-11-22T23:00:00.000Z' }, { outcome: 'refuse' },
    ])
  })

  it.each([['not json', '{"app":'], ['no object', '["app"]'], ['a time without an offset', '{"app": "desk", "at": "2026-11-22"}']])('stops at a line that is %s, after the good ones, and names it', async (_, bad) => {
    const file = requestIn([lines[0], '', bad, lines[0]].join('\n'))
    const said = await run(['explain', '--policies', folderOf(FOLDER), '--requests', file, '--format', 'json'])
    expect(said.code).toBe(2)
    expect(said.err).toContain(`${file}:3: `)
    expect(said.out.trimEnd().split('\n')).toHaveLength(1)
  })
})

describe('explain, a decision of the records', () => {
  it.each(['a line', 'an entry'])('is decided again from %s', async form => {
    const open = { kind: 'decision', id: 'd-1', at: Date.parse(AT), app: 'desk' }
    const closed = { request: { app: { value: 'desk', source: 'key' }, data: { value: ['personal'], source: 'request' } } }
    const kept = form === 'a line' ? { seq: 2, prev: '', salt: '', open, closed } : { ...open, ...closed }
    const said = await run(['explain', '--policies', folderOf(FOLDER), '--request', requestIn(kept), '--format', 'json'])
    expect(said.err).toBe('')
    expect(JSON.parse(said.out)).toMatchObject({ at: '2026-11-22T11:00:00.000Z', request: { app: 'desk', data: ['personal'] } })
  })
})

describe('explain, text form', () => {
  afterEach(cleanUp)

  it('gives time, bundle, the facts with their sources, and for every deployment why', async () => {
    const said = await run(['explain', '--policies', folderOf(FOLDER), '--request', requestIn({ app: 'desk' }), '--at', AT])
    expect(said.code).toBe(0)
    expect(said.out).toMatch(/^decision +permit +2026-11-22T11:00:00\.000Z +bundle [0-9a-f]{12} +catalog [0-9a-f]{12}$/m)
    expect(said.out).toMatch(/^request +app=desk\(request\) team=sales\(app registration\) data=\[personal\]\(taken from may-carry\)$/m)
    expect(said.out).toMatch(/^ours +allowed +preferred 1st$/m)
    expect(said.out).toMatch(/^far-us +excluded +1 rule .*no-connection/m)
    expect(said.out).toContain('place/stays  rules/place.policy.yaml:8\n')
    expect(said.out).toContain('not met: processed-in is [US]\n')
    expect(said.out).toContain('not met: processed-in is not known\n')
    expect(said.out).toContain('law: A law, Art. 1\n')
    expect(said.out).toContain('shadow: would be excluded by place/not-kept')
    expect(said.out).toContain('forbidden: retention is 30d\n')
    expect(said.out).toMatch(/^next change +2039-01-02T00:00:00\.000\+00:00$/m)
  })

  it('names an exception and its end', async () => {
    const said = await run(['explain', '--policies', WORKED, '--at', '2026-11-22T11:00:00Z', '--request', requestIn({
      app: 'crm', team: 'sales', data: ['personal'], 'governed-by': ['gdpr'], classification: 'internal', 'user-in': 'FR', 'user-nationality': ['FR'], 'user-us-person': 'no',
    })])
    expect(said.out).toMatch(/exception EX-2026-014 from gdpr-transfers\/no-transfer-without-a-basis, ends 2026-11-30T23:00:00\.000Z \(9 days\)/)
  })
})

describe('explain, refused', () => {
  afterEach(cleanUp)

  it.each([
    ['neither request nor requests', [] as string[]],
    ['both', ['--request', '-', '--requests', '-']],
    ['a file that is not there', ['--request', 'nowhere.json']],
    ['a time without an offset', ['--request', '-', '--at', '2026-11-22T11:00:00']],
    ['no JSON', ['--request', '-']],
  ])('ends with 2 for %s', async (_, args) => {
    expect(await run(['explain', '--policies', folderOf(FOLDER), ...args], { input: '{' })).toMatchObject({ code: 2, out: '' })
  })

  it('ends with 3 when the policies do not compile, and lists why on standard error', async () => {
    const folder = folderOf({ ...FOLDER, 'apps/desk.yaml': app('desk', 'grant: all') })
    const said = await run(['explain', '--policies', folder, '--request', requestIn({ app: 'desk' }), '--format', 'json'])
    expect(said).toMatchObject({ code: 3, out: '' })
    expect(said.err).toContain('apps/desk.yaml:5:1: ')
  })

  it('says that a word which is no fact changes nothing', async () => {
    const said = await run(['explain', '--policies', folderOf(FOLDER), '--request', requestIn({ app: 'desk', 'user-inn': 'FR' }), '--format', 'json'])
    expect(said.code).toBe(0)
    expect(said.err).toContain("'user-inn' is not a request fact and changes nothing. Did you mean user-in?")
  })

  it('ends a real process with the same codes', async () => {
    const folder = folderOf(FOLDER)
    const ask = (input: string): ReturnType<typeof bailiwick> => bailiwick(['explain', '--policies', folder, '--request', '-', '--format', 'json'], { input })
    expect((await ask('{"app": "desk"}')).code).toBe(0)
    expect((await ask('{"app": "nobody"}')).code).toBe(4)
    expect((await ask('{"app"')).code).toBe(2)
  })
})
