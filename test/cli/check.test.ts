import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp, folderOf, freshFolder } from '../support/processes.ts'
import { app, policy, provider, rule } from '../support/tree.ts'
import { run } from './stand-in.ts'

const GOOD = {
  'apps/desk.yaml': app('desk'),
  'catalog/own.yaml': provider('own', 'hosting: local\nprocessed-in: [FR]', ['{ deployment: ours, model: own/small }', '{ deployment: ours-too, model: own/large }']),
  'rules/place.policy.yaml': policy('place', rule('stays', 'require:\n  processed-in: { only: [FR] }')),
}
const BROKEN = { ...GOOD, 'rules/place.policy.yaml': policy('place', rule('stays', 'require:\n  processed-in: { only: [FRA] }')) }

type Sarif = {
  readonly runs: readonly [{
    readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } }
    readonly results: readonly { readonly ruleId: string; readonly level: string; readonly locations: readonly { readonly physicalLocation: { readonly artifactLocation: { readonly uri: string }; readonly region: { readonly startLine: number } } }[] }[]
  }]
}

describe('check', () => {
  afterEach(cleanUp)

  it('counts what compiles', async () => {
    const said = await run(['check', folderOf(GOOD)])
    expect(said.code).toBe(0)
    expect(said.out).toMatch(/^policies: 1 rule, 2 deployments, 1 app, bundle [0-9a-f]{12}/m)
  })

  it('points at what does not compile, with line and caret, and ends with 3', async () => {
    const said = await run(['check', folderOf(BROKEN)])
    expect(said.code).toBe(3)
    expect(said.out).toMatch(/^rules\/place\.policy\.yaml:12:30: .*FRA.*\n {2}.*processed-in: \{ only: \[FRA\] \}\n +\^/m)
  })

  it('lists the problems of all files in one run', async () => {
    const said = await run(['check', folderOf({ ...BROKEN, 'apps/desk.yaml': app('desk', 'grant: all') })])
    expect(said.out).toContain('apps/desk.yaml:')
    expect(said.out).toContain('rules/place.policy.yaml:')
  })

  it('gives the same as JSON', async () => {
    const good = await run(['check', folderOf(GOOD), '--format', 'json'])
    expect(JSON.parse(good.out)).toMatchObject({ compiles: true, exit: 0, rules: 1, deployments: 2, apps: 1, bundle: expect.stringMatching(/^[0-9a-f]{64}$/) as string, overdue: [] })
    const broken = await run(['check', folderOf(BROKEN), '--format', 'json'])
    expect(broken.code).toBe(3)
    expect(JSON.parse(broken.out)).toMatchObject({ compiles: false, exit: 3, problems: [{ file: 'rules/place.policy.yaml', severity: 'error' }] })
  })

  it('ends with 5 from the instant at which a date has passed, and not before', async () => {
    const folder = folderOf({ ...GOOD, 'catalog/own.yaml': GOOD['catalog/own.yaml'].replace('good-until: 2040-01-01', 'good-until: 2030-06-30') })
    expect((await run(['check', folder, '--at', '2030-06-30T23:59:59Z'])).code).toBe(0)
    const said = await run(['check', folder, '--at', '2030-07-01T00:00:00Z'])
    expect(said.code).toBe(5)
    expect(said.out).toMatch(/^catalog\/own\.yaml:\d+:\d+: overdue: /m)
  })

  it('asks for the review of a policy that is in force, and not of one that has ended', async () => {
    const reviewed = (until: string): Record<string, string> => ({
      ...GOOD, 'rules/old.policy.yaml': policy('old', rule('stays', 'require:\n  processed-in: { only: [FR] }'), `{ from: 2026-01-01, until: ${until}, timezone: UTC }`).replace('review-by: 2040-01-01', 'review-by: 2026-02-01'),
    })
    const at = ['--at', '2026-06-01T00:00:00Z']
    expect((await run(['check', folderOf(reviewed('2026-06-01')), ...at])).code).toBe(5)
    expect((await run(['check', folderOf(reviewed('2026-05-31')), ...at])).code).toBe(0)
  })

  it('lists exceptions that have ended or end soon, and calls neither overdue', async () => {
    const folder = folderOf({
      ...GOOD,
      'rules/place.policy.yaml': policy('place', rule('stays', 'require:\n  processed-in: { only: [FR] }\nexceptions: { allowed: yes, at-most: 90d, approver: [dpo] }')),
      'exceptions/2026.yaml': `- exception: EX-1
  rule: place/stays
  for: { app: [desk] }
  models: { deployment: [ours] }
  category: waiver
  reason: A test
  ticket: T-1
  requested-by: lead@example.com
  approved-by: dpo@example.com
  from: 2026-11-01
  until: 2026-11-30
  timezone: UTC
`,
    })
    const at = (time: string): Promise<{ code: number; out: string }> => run(['check', folder, '--at', time])
    expect((await at('2026-11-10T00:00:00Z')).out).not.toMatch(/ended|ends soon/)
    expect(await at('2026-11-20T00:00:00Z')).toMatchObject({ code: 0, out: expect.stringContaining('exceptions/2026.yaml:1:3: ends soon: exception EX-1 to place/stays') as string })
    expect(await at('2026-12-01T00:00:00Z')).toMatchObject({ code: 0, out: expect.stringContaining('ended: exception EX-1') as string })
  })

  it('calls what does not compile so even when something is overdue as well', async () => {
    const folder = folderOf({ ...BROKEN, 'catalog/own.yaml': BROKEN['catalog/own.yaml'].replace('good-until: 2040-01-01', 'good-until: 2026-02-01') })
    expect((await run(['check', folder])).code).toBe(3)
  })

  it('lets warnings pass, unless it is strict', async () => {
    const folder = folderOf({ ...GOOD, 'rules/place.policy.yaml': policy('place', rule('stays', 'require:\n  certificates: [seen-once-only]')) })
    const said = await run(['check', folder])
    expect(said.out).toContain('warning: ')
    expect(said.code).toBe(0)
    expect((await run(['check', folder, '--strict'])).code).toBe(3)
    expect((await run(['check', folderOf(GOOD), '--strict'])).code).toBe(0)
  })

  it('notes what has no effect or leaves no second model, and fails on it when it is strict', async () => {
    const folder = folderOf({ ...GOOD, 'apps/desk.yaml': app('desk', 'grants:\n  - deployment: ours\nmay-carry: [personal]') })
    const said = await run(['check', folder])
    expect(said).toMatchObject({ code: 0 })
    expect(said.out).toContain('apps/desk.yaml:1:1: note: App desk with data [personal] or unknown may use ours and nothing else, so there is no fallback.\n')
    expect(said.out).toMatch(/catalog\/own\.yaml:\d+:\d+: note: The deployment ours-too is granted to no app\.\n/)
    expect(said.out).toContain(', 2 notes\n')
    expect((await run(['check', folder, '--strict'])).code).toBe(4)
    expect(JSON.parse((await run(['check', folder, '--format', 'json'])).out)).toMatchObject({ findings: [{ kind: 'single-deployment', file: 'apps/desk.yaml', line: 1 }, { kind: 'granted-to-nobody' }] })
  })

  it('says in its help what a strict check ends with', async () => {
    expect((await run(['check', '--help'])).out).toMatch(/--strict .*exit 4/)
  })

  it('gives SARIF 2.1.0: one run, every problem at its place, every rule declared', async () => {
    const broken = JSON.parse((await run(['check', folderOf({ ...BROKEN, 'apps/desk.yaml': app('desk', 'grant: all') }), '--format', 'sarif'])).out) as Sarif
    expect(broken).toMatchObject({ $schema: expect.stringContaining('sarif-2.1.0') as string, version: '2.1.0', runs: [{ tool: { driver: { name: 'bailiwick', version: '9.9.9' } }, columnKind: 'utf16CodeUnits' }] })
    expect(broken.runs).toHaveLength(1)
    const [{ results, tool }] = broken.runs
    expect(results.map(r => [r.ruleId, r.level, r.locations[0]!.physicalLocation.artifactLocation.uri, r.locations[0]!.physicalLocation.region.startLine])).toEqual([
      ['unknown-word', 'error', 'apps/desk.yaml', 5], ['not-a-country', 'error', 'rules/place.policy.yaml', 12],
    ])
    expect(tool.driver.rules.map(r => r.id)).toEqual(['not-a-country', 'unknown-word'])
    const good = JSON.parse((await run(['check', folderOf(GOOD), '--format', 'sarif'])).out) as Sarif
    expect(good.runs[0].results).toEqual([])
  })

  it('gives workflow commands of GitHub, with what would break them escaped', async () => {
    const said = await run(['check', folderOf({ ...BROKEN, 'rules/50%, yes.policy.yaml': policy('half', rule('some', 'require: { hosting: [cloud, 100%] }')) }), '--format', 'github'])
    expect(said.code).toBe(3)
    expect(said.out.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^::error file=rules\/50%25%2C yes\.policy\.yaml,line=11,col=\d+,title=unknown-value::100%25 is not a value of hosting\. - write local, sovereign or cloud$/),
      expect.stringMatching(/^::error file=rules\/place\.policy\.yaml,line=12,col=30,title=not-a-country::FRA is not a country code\./),
    ])
    const noted = await run(['check', folderOf({ ...GOOD, 'apps/desk.yaml': app('desk', 'grants:\n  - deployment: ours') }), '--format', 'github'])
    expect(noted.out).toMatch(/^::notice file=apps\/desk\.yaml,line=1,col=1,title=single-deployment::App desk/)
  })

  it('ends with 2 for a folder that is not there or holds nothing', async () => {
    const nowhere = join(freshFolder(), 'nowhere')
    const missing = await run(['check', nowhere])
    expect(missing).toMatchObject({ code: 2, out: '' })
    expect(missing.err).toContain(`${nowhere} does not exist`)
    expect(await run(['check', freshFolder()])).toMatchObject({ code: 2 })
  })

  it('looks where BAILIWICK_POLICIES says when no folder is named', async () => {
    expect((await run(['check'], { environment: { BAILIWICK_POLICIES: folderOf(GOOD) } })).code).toBe(0)
    expect((await run(['check'], { environment: { BAILIWICK_POLICIES: folderOf(BROKEN) } })).code).toBe(3)
  })

  it('refuses a time without an offset, or that does not exist', async () => {
    for (const at of ['2030-06-30', '2030-06-30T12:00:00', '2030-02-30T12:00:00Z', 'tomorrow']) expect((await run(['check', folderOf(GOOD), '--at', at])).code).toBe(2)
  })
})
