/** `bailiwick impact` over folders, git revisions and records that a gateway's own recorder wrote. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { DecisionEntry } from '../../src/record/record.ts'
import { openRecorder, RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { bailiwick, cleanUp, folderOf, freshFolder } from '../support/processes.ts'
import { app, policy, provider } from '../support/tree.ts'
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

describe('impact of what is no law', () => {
  afterEach(cleanUp)

  const OWN = 'catalog/own.yaml', DESK = 'apps/desk.yaml'
  const own = (top: string, ...deployments: readonly string[]): Record<string, string> =>
    ({ ...FOLDER, [OWN]: provider('own', `hosting: local\nprocessed-in: [FR]\n${top}`, ['{ deployment: one, model: own/one }', ...deployments]) })
  const desk = (more: string): Record<string, string> => ({ ...FOLDER, [DESK]: app('desk', `grants: all\nmay-carry: [personal, source-code]\nmay-assert: [data]\n${more}`) })
  const PLAIN = 'dialect: ollama\nbase-url: http://127.0.0.1:1\ndiscover: models\n'
  const region = (means: string): string => `reports: { model: [one-*], region: { header: x-served-from, means: { ${means} } } }\n`
  const differs = ({ out }: { readonly out: string }): readonly string[] => out.split('\n').filter(line => line.startsWith('differs')).map(line => line.replace(/^differs +/, ''))

  it.each([
    ['local-hosts that are listed', own(PLAIN), own(`${PLAIN}local-hosts: [203.0.113.7]\n`), `${OWN}:1  provider own changed (local-hosts); local-hosts lets more through`],
    ['reports that are gone', own(PLAIN + region('paris: FR')), own(PLAIN), `${OWN}:1  provider own changed (reports); reports lets more through`],
    ['one word more that means a place', own(PLAIN + region('paris: FR')), own(PLAIN + region('paris: FR, lille: FR')), `${OWN}:1  provider own changed (reports); reports lets more through`],
    ['more models that may be served', own(PLAIN + region('paris: FR')), own(PLAIN + region('paris: FR').replace('one-*', 'one*')), `${OWN}:1  provider own changed (reports); reports lets more through`],
    ['reports of one deployment', own(PLAIN, '{ deployment: two, model: own/two, reports: { model: [two] } }'), own(PLAIN, '{ deployment: two, model: own/two }'), `${OWN}:15  deployment two changed (reports); reports lets more through`],
    ['a content filter that is asked past', desk(''), desk('on-content-filter: next'), `${DESK}:1  app desk changed (on-content-filter); on-content-filter lets more through`],
    ['rescue that is switched on', desk('stream-rescue: no'), desk('stream-rescue: yes'), `${DESK}:1  app desk changed (stream-rescue); stream-rescue lets more through`],
    ['substitutes', desk('substitutes: no'), desk('substitutes: same-developer'), `${DESK}:1  app desk changed (substitutes); substitutes lets more through`],
    ['a key that works from elsewhere', desk('loopback-only: yes'), desk(''), `${DESK}:1  app desk changed (loopback-only); loopback-only lets more through`],
  ])('%s: it does not pass silently, and the way back does', async (_, old, next, line) => {
    const said = await impactOf(folderOf(old), folderOf(next))
    expect(said.code).toBe(4)
    expect(said.out).toContain('permits  nothing that was not permitted before\n')
    expect(differs(said)).toEqual([`${line}   <- blocks release`])
    const accepted = await impactOf(folderOf(old), folderOf(next), '--accept-wider')
    expect([accepted.code, differs(accepted)]).toEqual([0, [line]])
    const back = await impactOf(folderOf(next), folderOf(old))
    expect([back.code, differs(back)]).toEqual([0, [line.replace(/;.*/, '')]])
  })

  it.each([
    ['a word that means another place', region('place: DE'), region('place: FR')], ['a region in another header', region('paris: FR').replace('x-served-from', 'x-geo'), region('paris: FR')],
    ['a region for names of models', region('paris: FR'), 'reports: { model: [one-1] }\n'],
  ])('%s: it does not pass silently, whichever way', async (_, first, second) => {
    for (const [old, next] of [[first, second], [second, first]] as const) {
      const said = await impactOf(folderOf(own(PLAIN + old)), folderOf(own(PLAIN + next)))
      expect([said.code, differs(said)]).toEqual([4, [`${OWN}:1  provider own changed (reports); reports lets more through   <- blocks release`]])
    }
  })

  it.each([
    ['another address', PLAIN.replace(':1\n', ':2\n'), '', ['provider own changed (base-url)']],
    ['another key', `${PLAIN}key: env:OTHER\n`, '', ['provider own changed (key)']],
    ['waits, abilities and a price', `${PLAIN}timeouts: { total: 1m }\ncan: [prefill]\nprice: { input: 1, output: 1, currency: EUR }\n`, '', ['provider own changed (can, price, timeouts)', 'deployment one changed (price)']],
    ['nobody asked for models', 'dialect: ollama\nbase-url: http://127.0.0.1:1\n', '', ['provider own changed (discover)']],
    ['what models are taken for that are discovered', `${PLAIN}retention: 30d\n`, '', ['provider own changed (facts)', 'deployment one changed (facts)']],
    ['another name at the server, fetched', PLAIN, 'upstream-model: one:8b, pull: yes, context: 9, max-output: 8, quality: 7', ['deployment one changed (upstream-model, pull, context, max-output, quality)']],
    ['another dialect of one', PLAIN, 'dialect: openai', ['deployment one changed (dialect)']],
    ['reports that are compared', PLAIN + region('paris: FR'), '', ['provider own changed (reports)']],
  ])('%s: it is told', async (_, top, one, lines) => {
    const next = own(top)
    next[OWN] = next[OWN]!.replace('model: own/one', `model: own/one${one === '' ? '' : `, ${one}`}`)
    const said = await impactOf(folderOf(own(PLAIN)), folderOf(next))
    expect(said.code).toBe(0)
    expect(differs(said).map(line => line.replace(/^\S+ +/, ''))).toEqual(lines)
  })

  it('words of an app', async () => {
    const said = await impactOf(folderOf(desk('')), folderOf(desk(`timeouts: { total: 1h }\nladder: [lab/small]\nlimits: { requests-per-minute: 9 }\nkey-hashes: [sha256:${'0'.repeat(64)}]\nteam: sales`)))
    expect([said.code, differs(said)]).toEqual([0, [`${DESK}:1  app desk changed (registered, key-hashes, ladder, limits, timeouts)`]])
  })

  it('what moves from a provider to its deployments, or stands in another order, is no difference', async () => {
    const plain = PLAIN.replace('discover: models\n', '')
    const old = own(`${plain}can: [tools, vision]\n${region('paris: FR, lille: FR')}`), next = own(plain)
    next[OWN] = next[OWN]!.replace('model: own/one', `model: own/one, can: [vision, tools], ${region('lille: FR, paris: FR').trim()}`)
    expect(differs(await impactOf(folderOf(old), folderOf(next)))).toEqual([])
    // The twin: for models that are discovered the provider's words are all there is.
    const asked = (files: Record<string, string>): Record<string, string> => ({ ...files, [OWN]: files[OWN]!.replace('dialect', 'discover: models\ndialect') })
    expect(differs(await impactOf(folderOf(asked(old)), folderOf(asked(next))))).toEqual([`${OWN}:1  provider own changed (can, reports); reports lets more through   <- blocks release`])
  })

  it('a provider that comes or goes, also without deployments', async () => {
    const asked = { ...FOLDER, [OWN]: provider('own', PLAIN, []).replace('deployments:\n', 'deployments: []') }
    const came = await impactOf(folderOf(FOLDER), folderOf(asked))
    expect([came.code, differs(came)]).toEqual([0, [`${OWN}:1  provider own added`]])
    expect(differs(await impactOf(folderOf(asked), folderOf(FOLDER)))).toEqual([`${OWN}:1  provider own removed`])
  })

  it('is in the JSON and the Markdown', async () => {
    const folders = [folderOf(own(PLAIN)), folderOf(own(`${PLAIN}local-hosts: [203.0.113.7]\nkey: env:K\n`))] as const
    const json = await impactOf(...folders, '--format', 'json')
    expect(json.code).toBe(4)
    expect(JSON.parse(json.out)).toMatchObject({
      'newly-permitted': [], 'wider': true, 'accepted': false,
      'differences': [{ kind: 'provider', name: 'own', change: 'changed', parts: ['key', 'local-hosts'], wider: ['local-hosts'], file: OWN, line: 1 }],
    })
    const markdown = await impactOf(...folders, '--format', 'markdown')
    expect(markdown.code).toBe(4)
    expect(markdown.out).toContain('**Nothing is newly permitted, but more is let through.**\n\n- **local-hosts of provider own** lets more through\n\n')
    expect(markdown.out).toContain('| changed: key, local-hosts | provider own | catalog/own.yaml:1 |\n')
    expect((await impactOf(...folders, '--format', 'markdown', '--accept-wider')).out).toContain('more is let through, and that was accepted.**')
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
    const data = freshFolder(), recorder = await openRecorder(data)
    await Promise.all(said.map(async ({ app: name = 'desk', data: labels = ['personal'], from = 'request', stated = {}, daysAgo = 1 }, n) => recorder.append({
      kind: 'decision', app: 'desk', id: `d${n}`, at: NOW - daysAgo * DAY_MS, requestId: `r${n}`, bundle: '', catalog: '', epoch: 1, outcome: 'permit',
      request: { app: { value: name, source: 'request' }, data: { value: labels, source: from }, operation: { value: 'chat', source: 'request' } },
      stated, permitted: [], activeRules: [], exceptions: [], assumptions: [], duties: {},
    } satisfies DecisionEntry)))
    await recorder.append({ kind: 'outcome', id: 'd0', at: NOW, outcome: 'answered', attempts: [], ms: 1 })
    await recorder.close()
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
