/** `bailiwick impact` over folders, git revisions and records that a gateway's own recorder wrote. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { DecisionEntry } from '../../src/record/record.ts'
import { openRecorder, RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { bailiwick, cleanUp, folderOf, freshFolder } from '../support/processes.ts'
import { app, policy } from '../support/tree.ts'
import { AT, exception, FOLDER, NOT_KEPT, RULES, STAYS, withRules } from './officer-folder.ts'
import { NOW, run } from './stand-in.ts'

const DAY_MS = 86_400_000
const impactOf = (old: string, next: string, ...args: readonly string[]): ReturnType<typeof run> => run(['impact', old, next, '--at', AT, ...args])

describe('impact between two folders', () => {
  afterEach(cleanUp)

  it('finds nothing between a folder and itself', async () => {
    const folder = folderOf(FOLDER)
    const said = await impactOf(folder, folder)
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toContain('permits  nothing that was not permitted before\naffects  0 of 4 registered classes\n')
  })

  it('puts what is newly permitted first and ends with 4, unless that is accepted', async () => {
    const old = folderOf(withRules(STAYS, NOT_KEPT)), next = folderOf(withRules(NOT_KEPT))
    const said = await impactOf(old, next)
    expect(said.code).toBe(4)
    const [, ...lines] = said.out.split('\n')
    expect(lines.slice(0, 2)).toEqual(['permits  us  for app=desk data=[personal]   <- blocks release', 'permits  us  for app=desk data=unknown   <- blocks release'])
    expect(lines.find(line => !line.startsWith('permits'))).toBe('differs  rules/home.policy.yaml:8  rule home/stays removed')
    expect(lines.findLastIndex(line => line.startsWith('permits'))).toBeLessThan(lines.findIndex(line => line.startsWith('differs')))
    expect(said.out).toContain('cost     preferred deployment changes for 2 classes; price per million tokens in and out 4.00 -> 2.00 where both are known\n')
    const accepted = await impactOf(old, next, '--accept-wider')
    expect(accepted.code).toBe(0)
    expect(accepted.out).not.toContain('blocks release')
  })

  it('says what is removed, who would have no model and who no fallback', async () => {
    const old = folderOf(FOLDER)
    const single = await impactOf(old, folderOf(withRules(STAYS, NOT_KEPT)))
    expect(single.code).toBe(0)
    expect(single.out).toMatch(/^removes +odd +1 of 3 deployments loses at least one class$/m)
    expect(single.out).toMatch(/^single +2 classes would have no fallback: app=desk data=\[personal\]; app=desk data=unknown$/m)
    const empty = await impactOf(old, folderOf(withRules(STAYS.replace('[FR]', '[DE]'))))
    expect(empty.code).toBe(0)
    expect(empty.out).toMatch(/^empty +app=desk data=\[personal\] would have no model$/m)
  })

  it('looks ahead: a rule that ends earlier is wider from that day on', async () => {
    const said = await impactOf(folderOf(FOLDER), folderOf({ ...FOLDER, [RULES]: policy('home', STAYS, '{ from: 2026-01-01, until: 2026-12-31, timezone: UTC }') }))
    expect(said.code).toBe(4)
    expect(said.out).toContain('permits  us  for app=desk data=[personal], from 2027-01-01T00:00:00.000+00:00 on   <- blocks release\n')
  })

  it('names an exception that becomes pointless', async () => {
    const files = { 'exceptions/2026.yaml': exception('EX-1', '2026-11-01', '2026-12-01') }
    const said = await impactOf(folderOf({ ...FOLDER, ...files }), folderOf({ ...withRules(STAYS.replace('[FR]', '[FR, US]')), ...files }), '--accept-wider')
    expect(said.out).toMatch(/^exceptions +EX-1 becomes pointless {2}exceptions\/2026\.yaml:1$/m)
  })

  it('gives the same as JSON and as Markdown', async () => {
    const old = folderOf(withRules(STAYS, NOT_KEPT)), next = folderOf(withRules(NOT_KEPT))
    const json = await impactOf(old, next, '--format', 'json')
    expect(json.code).toBe(4)
    const found = JSON.parse(json.out) as Record<string, unknown>
    expect(Object.keys(found)[0]).toBe('newly-permitted')
    expect(found).toMatchObject({
      'newly-permitted': [{ deployment: 'us', app: 'desk', data: ['personal'], requests: 0 }, { deployment: 'us', data: 'unknown' }], 'wider': true,
      'differences': [{ kind: 'rule', name: 'home/stays', change: 'removed', file: RULES, line: 8 }], 'compared': { classes: 4, requests: 0 },
    })
    const markdown = await impactOf(old, next, '--format', 'markdown')
    expect(markdown.code).toBe(4)
    expect(markdown.out).toContain('**Something is newly permitted.**\n\n- **us** for app=desk data=\\[personal\\]\n')
    expect(markdown.out).toContain('| removed | rule home/stays | rules/home.policy.yaml:8 |\n')
    expect((await impactOf(old, old, '--format', 'markdown')).out).toContain('Nothing is newly permitted.')
  })

  it.each([['old', 0], ['new', 1]])('ends with 3 when the %s one does not compile, and says which', async (_, which) => {
    const folders = [folderOf(FOLDER), folderOf(FOLDER)] as [string, string]
    folders[which] = folderOf(withRules('  - id: x'))
    const said = await impactOf(...folders)
    expect(said).toMatchObject({ code: 3, out: '' })
    expect(said.err).toContain(`${folders[which]} does not compile:\nrules/home.policy.yaml:`)
  })

  it.each([
    ['one word', ['policies'], 'compares two'],
    ['--last without records', ['a', 'b', '--last', '3d'], '--records'],
    ['a length of time that is none', ['a', 'b', '--records', 'x', '--last', 'week'], 'such as 7d'],
    ['a format that is none', ['a', 'b', '--format', 'html'], '--format is one of'],
  ])('refuses %s', async (_, args, sentence) => {
    const said = await run(['impact', ...args])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(sentence)
  })
})

describe('impact between git revisions', () => {
  afterEach(cleanUp)

  const git = (cwd: string, ...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false', '-c', 'core.hooksPath=', ...args], { cwd, encoding: 'utf8', stdio: 'pipe' })
  const write = (folder: string, files: Readonly<Record<string, string>>): void => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
  }
  /** A repository whose first commit has both rules and whose second has one. */
  const repository = (): { readonly root: string; readonly policies: string } => {
    const root = freshFolder(), policies = join(root, 'law', 'policies')
    git(root, 'init', '--quiet')
    write(policies, withRules(STAYS, NOT_KEPT))
    git(root, 'add', '.')
    git(root, 'commit', '--quiet', '-m', 'two rules')
    write(policies, withRules(NOT_KEPT))
    git(root, 'commit', '--quiet', '-a', '-m', 'one rule')
    return { root, policies }
  }

  it('reads the folder as it stood, whatever stands on disk', async () => {
    const { policies } = repository()
    expect((await impactOf('HEAD', policies)).code).toBe(0)
    const wider = await impactOf('HEAD~1', policies)
    expect(wider.code).toBe(4)
    expect(wider.out).toContain('rule home/stays removed')
    expect((await impactOf(policies, 'HEAD~1')).code).toBe(0)
  })

  it('reads REV and REV:path from inside the repository, as a process of its own', async () => {
    const { root, policies } = repository()
    expect((await bailiwick(['impact', 'HEAD~1:law/policies', 'HEAD:law/policies', '--at', AT], { directory: root })).code).toBe(4)
    expect((await bailiwick(['impact', 'HEAD', 'HEAD~1', '--at', AT], { directory: dirname(policies) })).code).toBe(0)
  })

  it.each([
    ['a revision that is not there', 'nowhere', 'no revision that git knows'],
    ['a path that is not there', 'HEAD:nowhere', 'HEAD holds no folder nowhere'],
    ['an empty name', ':law', 'names no git revision'],
  ])('says so for %s', async (_, word, sentence) => {
    const { root, policies } = repository()
    const said = await bailiwick(['impact', word, policies], { directory: root })
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(sentence)
  })

  it('says so where there is no repository, and where there is no git', async () => {
    const folder = folderOf(FOLDER)
    expect((await impactOf('HEAD', folder)).err).toContain('is not in a git repository')
    const { policies } = repository()
    const said = await bailiwick(['impact', 'HEAD', policies], { environment: { PATH: freshFolder() } })
    expect(said.code).toBe(2)
    expect(said.err).toContain('git is not there to read it')
  })

  it('refuses a revision that holds a link: leaving it out would lose rules', async () => {
    const { root, policies } = repository()
    rmSync(join(policies, RULES))
    writeFileSync(join(root, 'rules.txt'), readFileSync(join(policies, 'apps/desk.yaml')))
    symlinkSync(join(root, 'rules.txt'), join(policies, RULES))
    git(root, 'add', '.')
    git(root, 'commit', '--quiet', '-m', 'a link')
    expect((await impactOf('HEAD', policies)).err).toContain(`${RULES} of HEAD is a link`)
  })
})

describe('impact over records', () => {
  afterEach(cleanUp)

  type Said = { readonly app?: string; readonly data?: readonly string[]; readonly from?: 'request' | 'may-carry'; readonly stated?: Record<string, unknown>; readonly daysAgo?: number }
  /** Records as the gateway writes them. */
  const recordsOf = async (said: readonly Said[]): Promise<string> => {
    const data = freshFolder(), recorder = openRecorder(data)
    await Promise.all(said.map(async ({ app: name = 'desk', data: labels = ['personal'], from = 'request', stated = {}, daysAgo = 1 }, n) => recorder.append({
      kind: 'decision', id: `d${n}`, at: NOW - daysAgo * DAY_MS, requestId: `r${n}`, bundle: '', catalog: '', epoch: 1, outcome: 'permit',
      request: { app: { value: name, source: 'request' }, data: { value: labels, source: from }, operation: { value: 'chat', source: 'request' } },
      stated, permitted: [], activeRules: [], exceptions: [], assumptions: [], duties: {},
    } satisfies DecisionEntry)))
    await recorder.append({ kind: 'outcome', id: 'd0', at: NOW, outcome: 'answered', attempts: [], ms: 1 })
    recorder.close()
    return join(data, RECORDS_FILE)
  }
  const OLD = withRules(STAYS, NOT_KEPT), NEW = withRules(NOT_KEPT)

  it('weighs classes by their requests and names registered ones that had none', async () => {
    const records = await recordsOf([{}, {}, {}, { data: ['source-code'] }])
    const said = await impactOf(folderOf(OLD), folderOf(NEW), '--records', records)
    expect(said.code).toBe(4)
    expect(said.out).toContain('permits  us  for app=desk data=[personal] (3 requests, 75.0 %)   <- blocks release\n')
    expect(said.out).toContain('permits  us  for app=desk data=unknown (no traffic)   <- blocks release\n')
    expect(said.out).toContain('affects  2 of 4 classes, 75.0 % of the requests of the last 7d (3 of 4)\n')
    expect(said.out).toContain('unseen   2 registered classes had no traffic; checked statically: not empty\n')
  })

  it('reads no further back than it is told', async () => {
    const records = await recordsOf([{}, { daysAgo: 2 }, { daysAgo: 30 }])
    const json = async (...last: readonly string[]): Promise<unknown> => JSON.parse((await impactOf(folderOf(OLD), folderOf(OLD), '--records', records, '--format', 'json', ...last)).out)
    expect(await json()).toMatchObject({ last: '7d', compared: { requests: 2 } })
    expect(await json('--last', '36h')).toMatchObject({ compared: { requests: 1 } })
    expect(await json('--last', '60d')).toMatchObject({ compared: { requests: 3 } })
  })

  it('lets each registration speak for what the request did not say', async () => {
    const records = await recordsOf([{ data: ['personal', 'source-code'], from: 'may-carry' }])
    const narrower = { ...OLD, 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [source-code]\nmay-assert: [data]') }
    const said = await impactOf(folderOf(OLD), folderOf(narrower), '--records', records)
    expect(said.code).toBe(4)
    expect(said.out).toContain('permits  us  for app=desk data=unknown (1 request, 100.0 %)')
  })

  it('sorts what the caller stated by what each registration lets it assert', async () => {
    const records = await recordsOf([{ data: ['source-code'], stated: { data: ['source-code'] } }])
    const found = async (old: Record<string, string>, next: Record<string, string>): Promise<string> => (await impactOf(folderOf(old), folderOf(next), '--records', records)).out
    const believed = OLD, notBelieved = { ...OLD, 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [personal, source-code]') }
    expect(await found(notBelieved, believed)).toContain('permits  us  for app=desk data=[source-code] (1 request, 100.0 %)')
    expect(await found(believed, notBelieved)).toContain('permits  nothing that was not permitted before')
  })

  it('changes nothing in the file, and takes the data folder for it', async () => {
    const records = await recordsOf([{}]), before = readFileSync(records)
    expect((await impactOf(folderOf(OLD), folderOf(OLD), '--records', dirname(records))).code).toBe(0)
    expect(readFileSync(records).equals(before)).toBe(true)
  })

  it.each([['is not there', undefined], ['is no database', 'words']])('ends with 2 where the file %s', async (_, text) => {
    const file = join(freshFolder(), 'records.sqlite')
    if (text !== undefined) writeFileSync(file, text)
    const said = await impactOf(folderOf(OLD), folderOf(OLD), '--records', file)
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(file)
  })
})
