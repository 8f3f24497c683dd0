import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { digestOfFile } from '../../src/cli/packs.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'
import { app, policy, provider, rule } from '../support/tree.ts'
import { run, type Said } from './stand-in.ts'

const PACKS = fileURLToPath(new URL('../../src/packs', import.meta.url))
const shipped = (pack: string, file: string): string => readFileSync(join(PACKS, pack, file), 'utf8')
const RULES = 'rules/gdpr.policy.yaml', SWITCH = 'groups/gdpr-us-framework.yaml', LOCK = 'packs.lock.json'

/** An app that carries personal data, and two providers: one at home, one in the US that is on the list. */
function policies(more: Readonly<Record<string, string>> = {}): string {
  const folder = freshFolder()
  const files = {
    'apps/crm.yaml': app('crm', 'governed-by: [gdpr]\nmay-carry: [personal]\ngrants: all'),
    'catalog/two.yaml': provider('two', 'hosting: cloud\ncontracts: [dpa]\ntrains-on-data: no', [
      '{ deployment: at-home, model: two/a, processed-in: [FR], stored-in: [FR], entity-in: FR, subprocessors-in: [] }',
      '{ deployment: in-the-us, model: two/b, processed-in: [US], stored-in: [US], entity-in: US, subprocessors-in: [], certificates: [eu-us-dpf] }',
      '{ deployment: in-india, model: two/c, processed-in: [IN], stored-in: [IN], entity-in: IN, subprocessors-in: [] }',
    ]),
    ...more,
  }
  for (const [file, text] of Object.entries(files)) put(folder, file, text)
  return folder
}
function put(folder: string, file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), text)
}
const read = (folder: string, file: string): string => readFileSync(join(folder, file), 'utf8')
const pack = (...args: readonly string[]): Promise<Said> => run(['pack', ...args])
type LockFile = { packs: Record<string, { version: string; family: string; files: Record<string, string> }> }
const lockOf = (folder: string): LockFile => JSON.parse(read(folder, LOCK)) as LockFile

/** As if an older pack had been added: its text stands there, and the lock knows it. */
function asIfOlder(folder: string, file: string, text: string): void {
  const lock = lockOf(folder)
  lock.packs['gdpr']!.version = '2026.9.1'
  lock.packs['gdpr']!.files[file] = digestOfFile(text)
  put(folder, file, text)
  put(folder, LOCK, JSON.stringify(lock))
}

describe('pack', () => {
  afterEach(cleanUp)

  it('lists what there is, and shows the page of one', async () => {
    const list = await pack('list')
    expect(list.code).toBe(0)
    expect(list.out).toMatch(/^gdpr {2,}2026\.11\.1 {2}as of 2026-11-22, review by 2027-05-31 {2}Personal data under the GDPR$/m)
    expect(list.out).toContain('(variant of gdpr)')
    const shown = await pack('show', 'hipaa')
    expect(shown.code).toBe(0)
    expect(shown.out).toContain('business-associate-agreement')
    expect(shown.out).toContain('What it does not cover')
    const json = JSON.parse((await pack('show', 'gdpr', '--format', 'json')).out) as { 'does-not-cover': string[]; files: string[] }
    expect(json['does-not-cover'].length).toBeGreaterThan(3)
    expect(json.files).toContain(RULES)
    expect(JSON.parse((await pack('list', '--format', 'json')).out)).toHaveLength(13)
  })

  it('does not understand what it does not know', async () => {
    for (const args of [[], ['lst'], ['show'], ['show', 'gpdr'], ['add'], ['list', 'gdpr'], ['add', 'gdpr', '--yes']]) {
      const said = await pack(...args)
      expect(said.code, args.join(' ')).toBe(2)
    }
    expect((await pack('show', 'gpdr')).err).toContain('Did you mean gdpr?')
  })

  it('adds rules and lists, and nothing that is there for tests', async () => {
    const folder = policies()
    const said = await pack('add', 'gdpr', '--to', folder)
    expect(said.err).toBe('')
    expect(said.code).toBe(0)
    expect(read(folder, RULES)).toBe(shipped('gdpr', RULES))
    expect(existsSync(join(folder, 'apps/pack-test.yaml')) || existsSync(join(folder, 'rules/gdpr.test.yaml')) || existsSync(join(folder, 'pack.yaml'))).toBe(false)
    expect(said.out).toMatch(/removes +in-india /)
    expect(said.out).toContain('rule gdpr/transfer-needs-a-basis added')
    expect(lockOf(folder).packs['gdpr']!.files[RULES]).toBe(digestOfFile(read(folder, RULES)))
    expect((await run(['check', folder, '--at', '2026-11-22T11:00:00Z'])).code).toBe(0)
  })

  it('adds to a folder that is not there yet', async () => {
    const folder = join(freshFolder(), 'new')
    expect((await pack('add', 'eu-sovereign', '--to', folder)).code).toBe(0)
    expect(existsSync(join(folder, 'groups/eu.yaml'))).toBe(true)
  })

  it('adds a second pack that shares a list, and once added it is there', async () => {
    const folder = policies()
    await pack('add', 'gdpr', '--to', folder)
    expect((await pack('add', 'uk-gdpr', '--to', folder)).code).toBe(0)
    const again = await pack('add', 'gdpr', '--to', folder)
    expect(again.code).toBe(0)
    expect(again.out).toContain('has it already; nothing was written')
  })

  it('overwrites no file of yours, and says which', async () => {
    const mine = policy('mine', rule('one', 'forbid: { hosting: cloud }'))
    const folder = policies({ [RULES]: mine })
    const said = await pack('add', 'gdpr', '--to', folder)
    expect(said.code).toBe(4)
    expect(said.err).toContain(RULES)
    expect(said.err).toContain('Nothing was written')
    expect(read(folder, RULES)).toBe(mine)
    expect(existsSync(join(folder, SWITCH)) || existsSync(join(folder, LOCK))).toBe(false)
  })

  it('takes a file that is the same but for the line for an editor as its own', async () => {
    const folder = policies({ 'groups/eea.yaml': `# yaml-language-server: $schema=../schema/group.schema.json\n${shipped('gdpr', 'groups/eea.yaml')}` })
    expect((await pack('add', 'gdpr', '--to', folder)).code).toBe(0)
    expect(read(folder, 'groups/eea.yaml')).toMatch(/^# yaml-language-server/)
  })

  it('names the schema for an editor where the folder has schemas, and calls that no change', async () => {
    const folder = policies({ 'schema/policy.schema.json': '{}' })
    await pack('add', 'gdpr', '--to', folder)
    expect(read(folder, RULES)).toBe(`# yaml-language-server: $schema=../schema/policy.schema.json\n${shipped('gdpr', RULES)}`)
    expect(read(folder, SWITCH)).toBe(shipped('gdpr', SWITCH))
    expect((await pack('upgrade', 'gdpr', '--to', folder)).out).toContain('nothing was written')
  })

  it('asks for the pack that another needs, and not for more', async () => {
    const folder = policies()
    const said = await pack('add', 'gdpr-special-categories', '--to', folder)
    expect(said.code).toBe(4)
    expect(said.err).toContain('needs the pack gdpr')
    await pack('add', 'gdpr', '--to', folder)
    expect((await pack('add', 'gdpr-special-categories', '--to', folder)).code).toBe(0)
  })

  it('writes nothing that would not compile', async () => {
    const folder = policies({ 'rules/mine.policy.yaml': policy('gdpr', rule('one', 'forbid: { hosting: cloud }')) })
    const said = await pack('add', 'gdpr', '--to', folder)
    expect(said.code).toBe(3)
    expect(said.err).toContain('The policy gdpr is defined already')
    expect(existsSync(join(folder, RULES)) || existsSync(join(folder, LOCK))).toBe(false)
  })

  it('shows what an upgrade would change and do, and writes it when told to', async () => {
    const folder = policies()
    await pack('add', 'gdpr', '--to', folder)
    // The older text lets everything be processed in India.
    const older = shipped('gdpr', RULES).replaceAll('gdpr-adequate-partial]', 'gdpr-adequate-partial, IN]').replace('evidence: [adequacy-scope]', 'hosting: cloud')
    asIfOlder(folder, RULES, older)
    const shown = await pack('upgrade', 'gdpr', '--to', folder)
    expect(shown.code).toBe(0)
    expect(shown.out).toContain('gdpr 2026.9.1 -> gdpr 2026.11.1')
    expect(shown.out).toMatch(/rules\/gdpr\.policy\.yaml +changes/)
    expect(shown.out).toContain('rule gdpr/transfer-needs-a-basis changed (require)')
    expect(shown.out).toMatch(/removes +in-india /)
    expect(read(folder, RULES)).toBe(older)
    const written = await pack('upgrade', 'gdpr', '--to', folder, '--yes')
    expect(written.code).toBe(0)
    expect(read(folder, RULES)).toBe(shipped('gdpr', RULES))
    expect(lockOf(folder).packs['gdpr']).toMatchObject({ version: '2026.11.1', files: { [RULES]: digestOfFile(shipped('gdpr', RULES)) } })
    expect((await pack('upgrade', 'gdpr', '--to', folder)).out).toContain('nothing was written')
  })

  it('says when an upgrade would permit more, and ends with 4 until it is written', async () => {
    const folder = policies()
    await pack('add', 'gdpr', '--to', folder)
    asIfOlder(folder, RULES, shipped('gdpr', RULES).replace('certificates: [gdpr-us-framework]', 'certificates: [another]'))
    const shown = await pack('upgrade', 'gdpr', '--to', folder)
    expect(shown.code).toBe(4)
    expect(shown.out).toContain('in-the-us')
    expect(shown.out).toContain('Something would be permitted that is not permitted now')
    expect((await pack('upgrade', 'gdpr', '--to', folder, '--yes')).code).toBe(0)
  })

  it('keeps a file that was changed here, tells so, and goes on knowing it', async () => {
    const folder = policies()
    await pack('add', 'gdpr', '--to', folder)
    const mine = `${read(folder, RULES)}# ours\n`
    put(folder, RULES, mine)
    rmSync(join(folder, 'groups/gdpr-adequate-partial.yaml'))
    expect((await pack('add', 'gdpr', '--to', folder)).code).toBe(4)
    for (const again of [1, 2]) {
      const said = await pack('upgrade', 'gdpr', '--to', folder, '--yes')
      expect(said.out, String(again)).toContain('was changed here and is kept')
      expect(read(folder, RULES)).toBe(mine)
    }
    expect(existsSync(join(folder, 'groups/gdpr-adequate-partial.yaml'))).toBe(true)
  })

  it('removes what the pack no longer has, unless another pack holds it or it was changed here', async () => {
    const folder = policies()
    await pack('add', 'gdpr', '--to', folder)
    const extra = shipped('eu-sovereign', 'groups/eu.yaml'), other = shipped('hipaa', 'rules/hipaa.policy.yaml')
    asIfOlder(folder, 'groups/eu.yaml', extra)
    asIfOlder(folder, 'rules/hipaa.policy.yaml', other)
    put(folder, 'rules/hipaa.policy.yaml', `${other}# ours\n`)
    expect((await pack('upgrade', 'gdpr', '--to', folder, '--yes')).code).toBe(0)
    expect(existsSync(join(folder, 'groups/eu.yaml'))).toBe(false)
    expect(existsSync(join(folder, 'rules/hipaa.policy.yaml'))).toBe(true)

    await pack('add', 'eu-sovereign', '--to', folder)
    asIfOlder(folder, 'groups/eu.yaml', extra)
    await pack('upgrade', 'gdpr', '--to', folder, '--yes')
    expect(existsSync(join(folder, 'groups/eu.yaml'))).toBe(true)
  })

  it('puts a variant in the place of its pack, and takes it back', async () => {
    const folder = policies()
    await pack('add', 'gdpr', '--to', folder)
    expect((await pack('add', 'gdpr-dpf-off', '--to', folder)).err).toContain('takes its place: bailiwick pack upgrade gdpr-dpf-off')
    const shown = await pack('upgrade', 'gdpr-dpf-off', '--to', folder)
    expect(shown.out).toMatch(/removes +in-the-us /)
    expect(read(folder, SWITCH)).toBe(shipped('gdpr', SWITCH))
    expect((await pack('upgrade', 'gdpr-dpf-off', '--to', folder, '--yes')).code).toBe(0)
    expect(read(folder, SWITCH)).toBe(shipped('gdpr-dpf-off', SWITCH))
    expect(Object.keys(lockOf(folder).packs)).toEqual(['gdpr-dpf-off'])
    // Back again is wider, so it is shown with 4 and written when told to.
    expect((await pack('upgrade', 'gdpr', '--to', folder)).code).toBe(4)
    expect((await pack('upgrade', 'gdpr', '--to', folder, '--yes')).code).toBe(0)
    expect(read(folder, SWITCH)).toBe(shipped('gdpr', SWITCH))
  })

  it('upgrades only what was added, and believes no lock that it did not write', async () => {
    const folder = policies()
    const said = await pack('upgrade', 'gdpr', '--to', folder)
    expect(said.code).toBe(4)
    expect(said.err).toContain('was not added yet')
    for (const lock of ['{', '[]', '{"packs": {"gdpr": {"version": 1}}}']) {
      put(folder, LOCK, lock)
      expect((await pack('add', 'gdpr', '--to', folder)).code, lock).toBe(2)
      expect(read(folder, LOCK)).toBe(lock)
    }
  })

  it('speaks JSON to tools', async () => {
    const folder = policies()
    const said = JSON.parse((await pack('add', 'gdpr', '--to', folder, '--format', 'json')).out) as { written: boolean; files: { file: string; state: string }[]; effect: { classes: { 'newly-removed': string[] }[] } }
    expect(said.written).toBe(true)
    expect(said.files).toContainEqual({ file: RULES, state: 'new' })
    expect(said.effect.classes.flatMap(c => c['newly-removed'])).toContain('in-india')
  })
})
