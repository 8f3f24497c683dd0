import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { bailiwick, cleanUp, folderOf } from '../support/processes.ts'
import { app, policy, provider, rule } from '../support/tree.ts'
import { run } from './stand-in.ts'

const STARTER = fileURLToPath(new URL('../../policies', import.meta.url))

const TREE = {
  'apps/desk.yaml': app('desk'),
  'catalog/own.yaml': provider('own', '', ['{ deployment: ours, model: own/small, processed-in: [FR] }', '{ deployment: far, model: own/large, processed-in: [US] }']).replace('good-until: 2040-01-01', 'good-until: 2027-06-30'),
  'rules/place.policy.yaml': policy('place', rule('stays', 'when: { team: [sales] }\nrequire:\n  processed-in: { only: [FR] }')),
  'rules/idle.policy.yaml': policy('idle', rule('never', 'when: { team: [nobody] }\nforbid: all')),
}
const tests = (cases: string, policies = 'place'): string => `language: bailiwick/v1\ntests-for: ${policies}\nclock: 2026-11-22T12:00:00+01:00\ncases:\n${cases}`
const HOLDS = `  - name: sales stays in France
    given: { app: desk, team: sales }
    allowed: [ours]
    excluded: { far: stays }
`
const FAILS = `  - name: sales & "others" <go> far
    given: { app: desk, team: sales }
    allowed: [ours, far]
`
const OTHERS = `  - name: others go anywhere
    given: { app: desk, team: research }
    allowed: [ours, far]
`
const GOOD = { ...TREE, 'rules/place.test.yaml': tests(HOLDS) }
const BAD = { ...GOOD, 'rules/two.test.yaml': tests(FAILS) }

describe('test', () => {
  afterEach(cleanUp)

  it('gives a line for each case, by file, and a count', async () => {
    const said = await run(['test', folderOf(GOOD)])
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toBe('rules/place.test.yaml\n  passed  sales stays in France\n\ncases 1 passed, 0 failed\n')
  })

  it('says of a case that fails what was expected, what came and why, and ends with 4', async () => {
    const said = await run(['test', folderOf(BAD)])
    expect(said.code).toBe(4)
    expect(said.out).toContain([
      'rules/two.test.yaml', '  FAILED  sales & "others" <go> far  rules/two.test.yaml:5',
      '          Allowed were to be ours, far; allowed are ours.', '          far is excluded by place/stays (rules/place.policy.yaml:8: processed-in).', '',
    ].join('\n'))
    expect(said.out).toMatch(/^cases 1 passed, 1 failed\n$/m)
  })

  it('ends with 3 when the policies do not compile, or a test names what is not there; check says the same', async () => {
    const broken = folderOf({ ...GOOD, 'apps/desk.yaml': app('desk', 'grant: all') })
    expect(await run(['test', broken])).toMatchObject({ code: 3, out: '', err: expect.stringContaining('apps/desk.yaml:5:1: ') as string })
    const misnamed = folderOf({ ...GOOD, 'rules/place.test.yaml': tests(HOLDS.replace('far: stays', 'farr: stays')) })
    const message = /^rules\/place\.test\.yaml:8:17: There is no deployment farr\. Did you mean far\? - write far\n.*\n +\^$/m
    const said = await run(['test', misnamed])
    expect(said).toMatchObject({ code: 3, out: '' })
    expect(said.err).toMatch(message)
    const checked = await run(['check', misnamed])
    expect(checked.code).toBe(3)
    expect(checked.out).toMatch(message)
    expect((await run(['explain', '--policies', misnamed, '--request', '-'], { input: '{"app": "desk", "team": "sales"}' })).code).toBe(0)
  })

  it('ends with 4 when there is no test, for then nothing was shown', async () => {
    expect(await run(['test', folderOf(TREE)])).toMatchObject({ code: 4, out: '', err: expect.stringMatching(/holds no test.*nothing was shown to hold/) as string })
    expect(await run(['test', folderOf(GOOD), '--filter', 'nowhere'])).toMatchObject({ code: 4, out: '', err: expect.stringContaining("no case has 'nowhere'") as string })
  })

  it.each([
    ['a format it does not know', ['--format', 'xml']], ['a time it cannot read', ['--at', '+1w']], ['a time without an offset', ['--at', '2026-11-22']],
    ['a folder that is not there', ['nowhere-at-all']], ['two folders', ['a', 'b']], ['an option it does not know', ['--mutates']],
  ])('ends with 2 for %s', async (_, args) => {
    expect(await run(['test', ...args])).toMatchObject({ code: 2, out: '' })
  })

  it('runs only cases whose name or file has a text', async () => {
    const folder = folderOf(BAD)
    expect(await run(['test', folder, '--filter', 'PLACE.test'])).toMatchObject({ code: 0, out: expect.stringContaining('cases 1 passed, 0 failed') as string })
    expect(await run(['test', folder, '--filter', 'others'])).toMatchObject({ code: 4, out: expect.stringContaining('cases 0 passed, 1 failed') as string })
  })

  it('takes the folder from the environment', async () => {
    expect((await run(['test'], { environment: { BAILIWICK_POLICIES: folderOf(GOOD) } })).code).toBe(0)
  })

  it('ends a real process with the same codes', async () => {
    expect((await bailiwick(['test', folderOf(GOOD)])).code).toBe(0)
    expect((await bailiwick(['test', folderOf(BAD)])).code).toBe(4)
  })
})

describe('test --at', () => {
  afterEach(cleanUp)

  it('moves every clock by years, months or days, and shows what will have ended', async () => {
    const folder = folderOf(GOOD)
    const late = await run(['test', folder, '--at', '+1y'])
    expect(late.code).toBe(4)
    expect(late.out).toContain('ours is excluded by place/stays (rules/place.policy.yaml:8: processed-in, not known).')
    expect(late.out).toContain('ended by then\n  2027-06-30  fact processed-in of deployment ours\n  2027-06-30  fact processed-in of deployment far\n')
    expect((await run(['test', folder, '--at', '+7m'])).code).toBe(0)
    expect((await run(['test', folder, '--at', '+8m'])).code).toBe(4)
    expect((await run(['test', folder, '--at', '+220d'])).code).toBe(0)
    expect((await run(['test', folder, '--at', '+221d'])).code).toBe(4)
  })

  it('moves them to one instant, to the second', async () => {
    const folder = folderOf(GOOD)
    expect((await run(['test', folder, '--at', '2027-06-30T23:59:59Z'])).code).toBe(0)
    expect((await run(['test', folder, '--at', '2027-07-01T00:00:00Z'])).code).toBe(4)
  })

  it.each([['2028-02-29T12:00:00Z', '+1y', '2029-02-28T12:00:00.000Z'], ['2026-12-31T23:00:00Z', '+2m', '2027-02-28T23:00:00.000Z'], ['2026-11-22T12:00:00Z', '+30d', '2026-12-22T12:00:00.000Z']])(
    '%s %s is %s', async (clock, shift, moved) => {
      const folder = folderOf({ ...GOOD, 'rules/place.test.yaml': tests(HOLDS).replace('2026-11-22T12:00:00+01:00', clock) })
      expect(JSON.parse((await run(['test', folder, '--at', shift, '--format', 'json'])).out)).toMatchObject({ files: [{ cases: [{ at: moved }] }] })
    })
})

describe('test --coverage and --mutate', () => {
  afterEach(cleanUp)

  it('says where each rule was seen at work, and which never was', async () => {
    const said = await run(['test', folderOf(GOOD), '--coverage'])
    expect(said.code).toBe(0)
    expect(said.out).toContain('place/stays  rules/place.policy.yaml:8\n  bit         rules/place.test.yaml:5\n')
    expect(said.out).toContain('seen at work in no case\n  idle/never  rules/idle.policy.yaml:8\n')
    expect(said.out).toContain('rules 1 of 2 seen at work\n')
  })

  it('lists what no case notices with file and line and ends with 4; a case more, and it is noticed', async () => {
    const said = await run(['test', folderOf(GOOD), '--mutate', '--filter', 'place'])
    expect(said.code).toBe(4)
    expect(said.out).toContain([
      'no case notices', '  rules/place.policy.yaml:8  place/stays  without its when', '',
      'mutations 3 of 4 noticed; 1 left out that no case could notice over this catalog', '',
    ].join('\n'))
    const better = folderOf({ ...GOOD, 'rules/place.test.yaml': tests(`${HOLDS}${OTHERS}`) })
    expect(await run(['test', better, '--mutate', '--filter', 'place'])).toMatchObject({ code: 0, out: expect.stringContaining('mutations 4 of 4 noticed; 1 left out') as string })
  })

  it('changes every rule without a filter, and with one only those of the policies that the cases are for', async () => {
    const survivors = async (...args: string[]): Promise<readonly string[]> =>
      (JSON.parse((await run(['test', folderOf(GOOD), '--mutate', '--format', 'json', ...args])).out) as { mutations: { survivors: { rule: string }[] } }).mutations.survivors.map(s => s.rule)
    expect(new Set(await survivors())).toEqual(new Set(['place/stays', 'idle/never']))
    expect(new Set(await survivors('--filter', 'france'))).toEqual(new Set(['place/stays']))
  })

  it('changes nothing while a case fails', async () => {
    const said = await run(['test', folderOf(BAD), '--mutate'])
    expect(said).toMatchObject({ code: 4, err: expect.stringContaining('nothing was changed') as string })
    expect(said.out).not.toContain('mutations')
  })
})

describe('test, forms for tools', () => {
  afterEach(cleanUp)

  it('JSON holds every case, its complaints, coverage and mutations', async () => {
    const bad = await run(['test', folderOf(BAD), '--format', 'json'])
    expect(bad.code).toBe(4)
    expect(JSON.parse(bad.out)).toEqual({
      passed: 1, failed: 1,
      files: [
        { file: 'rules/place.test.yaml', cases: [{ name: 'sales stays in France', line: 5, at: '2026-11-22T11:00:00.000Z', passed: true, complaints: [] }] },
        { file: 'rules/two.test.yaml', cases: [{ name: 'sales & "others" <go> far', line: 5, at: '2026-11-22T11:00:00.000Z', passed: false, complaints: [expect.any(String), expect.any(String)] }] },
      ],
    })
    const good = await run(['test', folderOf(GOOD), '--format', 'json', '--coverage', '--mutate', '--at', '+1d'])
    expect(JSON.parse(good.out)).toMatchObject({
      ended: [],
      coverage: [{ rule: 'idle/never', exercised: false, bit: [] }, { rule: 'place/stays', file: 'rules/place.policy.yaml', line: 8, exercised: true, bit: [{ name: 'sales stays in France', line: 5 }] }],
      mutations: { survivors: expect.arrayContaining([{ rule: 'place/stays', file: 'rules/place.policy.yaml', line: 8, change: 'without its when' }]) as object },
    })
  })

  it('JUnit counts the same, escapes what XML must not hold, and counts survivors as failures', async () => {
    const bad = await run(['test', folderOf(BAD), '--format', 'junit'])
    expect(bad.code).toBe(4)
    expect(bad.out).toContain('<testsuites tests="2" failures="1">')
    expect(bad.out).toContain('<testcase name="sales &amp; &quot;others&quot; &lt;go&gt; far" classname="rules/two.test.yaml" file="rules/two.test.yaml" line="5">')
    expect(bad.out).toContain('<failure message="Allowed were to be ours, far; allowed are ours.">')
    const good = await run(['test', folderOf(GOOD), '--format', 'junit', '--mutate', '--filter', 'place'])
    expect(good.out).toContain('<testsuites tests="2" failures="1">')
    expect(good.out).toContain('<testcase name="place/stays without its when" classname="mutations" file="rules/place.policy.yaml" line="8">')
  })
})

describe('the starter policies', () => {
  it('hold every case, and no rule can be changed without a case that notices', async () => {
    const said = await run(['test', STARTER, '--mutate', '--coverage'])
    expect(said.out).not.toContain('FAILED')
    expect(said.out).not.toContain('no case notices')
    expect(said.out).not.toContain('seen at work in no case')
    expect(said).toMatchObject({ code: 0, err: '' })
  })
})
