import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { rulesOfDrill, type Drill } from '../../src/bundle/drilled.ts'
import { beginDrill, type DrillsPort } from '../../src/http/drills.ts'
import type { DrillEntry } from '../../src/record/record.ts'
import { ADMIN_TOKEN, cleanUp, folderOf } from '../support/processes.ts'
import { policy, provider, rule } from '../support/tree.ts'
import { run, type Said } from '../cli/stand-in.ts'
import { inHand, type InHand } from './gateway-in-hand.ts'
import { KEY, onlyIn, PLACE_RULE as PLACE, REHEARSAL } from './places.ts'

const US = ['provider=pretend-us']
const MINUTE = 60
const SOON_MS = 5_000

let policies: string
let hand: InHand
beforeEach(async () => {
  policies = folderOf(REHEARSAL)
  mkdirSync(join(policies, 'rules'))
  hand = await inHand(policies)
})
afterEach(async () => {
  await hand.stop()
  await cleanUp()
})

type Answer = { readonly status: number; readonly value: Record<string, unknown> }
async function ask(method: string, path = '', body?: unknown, token = ADMIN_TOKEN): Promise<Answer> {
  const response = await fetch(`${hand.url}/admin/drills${path}`, {
    method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, value: await response.json() as Record<string, unknown> }
}
const wish = (more: object = {}): object => ({ revoke: US, 'for-seconds': 10 * MINUTE, author: 'Ada Adler', ...more })
async function begun(more: object = {}): Promise<string> {
  const { value: { confirm } } = await ask('POST', '', wish(more))
  const { status, value } = await ask('POST', '', { ...wish(more), confirm })
  expect(status).toBe(200)
  return value['id'] as string
}
/** What a confirmed wish becomes. */
const drillOf = (ms: number): Drill => {
  const now = Date.now(), window = { from: now, until: now + ms }
  return { id: 'd-1', what: US, author: 'Ada', window, rules: rulesOfDrill({ id: 'd-1', revocations: [{ fact: 'provider', value: 'pretend-us' }], notice: [], window }) }
}
const end = (id: string): Promise<Answer> => ask('DELETE', `/${id}`, { author: 'Bo Brandt' })
/** The deployment that answers somebody who asks for a model in the United States. */
const served = async (): Promise<string | null> => (await fetch(`${hand.url}/v1/chat/completions`, {
  method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'us/one', messages: [{ role: 'user', content: 'Good day?' }] }),
})).headers.get('x-bailiwick-deployment')
const recorded = (): readonly DrillEntry[] => hand.entries.filter(e => e.kind === 'drill')
const causes = (): readonly string[] => hand.gateway.epochs.events().map(e => e.cause)
const digest = (): string => hand.gateway.epochs.current().bundle.digest
const alarm = (): string | undefined => hand.gateway.alarms().find(a => a.name === 'drill')?.message
const messageOf = ({ value }: Answer): string => (value['error'] as { readonly message: string }).message
const soon = (holds: () => void | Promise<void>): Promise<void> => vi.waitFor(holds, { timeout: SOON_MS, interval: 20 })

describe('a drill at a running gateway', () => {
  it('is shown with its effect first and changes nothing until it is confirmed', async () => {
    const before = digest()
    const shown = await ask('POST', '', wish())
    expect(shown).toMatchObject({ status: 200, value: { begun: false, what: US, bundle: before, effect: { coverage: [{ app: 'desk', data: 'unknown', before: ['eu-one', 'us-one'], after: ['eu-one'] }] } } })
    expect([digest(), await served(), alarm(), recorded(), causes()]).toEqual([before, 'us-one', undefined, [], []])
    expect((await ask('GET')).value).toEqual({ drills: [] })
  })

  it('takes away what it says, on record before it acts, and says loudly that it runs', async () => {
    const before = hand.gateway.epochs.current().bundle
    const heard = vi.fn()
    hand.gateway.events.subscribe(({ kind, what }) => { if (kind === 'drill') heard(what) })
    const id = await begun()
    const during = hand.gateway.epochs.current().bundle
    expect(await served()).toBe('eu-one')
    expect(during.digest).not.toBe(before.digest)
    expect(during.catalogDigest).toBe(before.catalogDigest)
    expect(recorded()).toMatchObject([{ kind: 'drill', id, action: 'begin', author: 'Ada Adler', what: US, bundle: during.digest, previousBundle: before.digest }])
    expect(hand.gateway.epochs.events()).toMatchObject([{ cause: 'drill: provider=pretend-us', profiles: [{ removed: [{ deployment: 'us-one', because: `drill:${id}/provider-pretend-us` }] }] }])
    expect(hand.entries.map(e => e.kind).filter(kind => kind === 'drill' || kind === 'pool')).toEqual(['drill', 'pool'])
    expect(alarm()).toMatch(/^Pretended, not real: provider=pretend-us until \S+Z \(d-\S+, by Ada Adler\)\.$/)
    expect(await (await fetch(`${hand.url}/readyz`)).json()).toMatchObject({ status: 'degraded', alarms: [{ name: 'drill' }] })
    expect(await (await fetch(`${hand.url}/metrics`)).text()).toContain('bailiwick_alarm{alarm="drill"} 1\n')
    expect(hand.logged.filter(l => l.event === 'drill')).toMatchObject([{ level: 'warn', action: 'begin', id, what: US }])
    expect(heard).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ action: 'begin', id, author: 'Ada Adler' }))
    expect((await ask('GET')).value).toMatchObject({ drills: [{ id, what: US, author: 'Ada Adler' }] })
  })

  it('ends by itself, and everything is as it was', async () => {
    const before = digest()
    const id = await begun({ 'for-seconds': 1 })
    expect(await served()).toBe('eu-one')
    await soon(() => expect(recorded()).toHaveLength(2))
    expect(await served()).toBe('us-one')
    expect([digest(), alarm(), (await ask('GET')).value]).toEqual([before, undefined, { drills: [] }])
    const [first, last] = recorded()
    expect(last).toMatchObject({ id, action: 'end', author: 'Ada Adler', ended: 'time', bundle: before, previousBundle: first!.bundle })
    expect(last!.at).toBeGreaterThanOrEqual(first!.until)
    expect(causes().at(-1)).toBe('drill over: provider=pretend-us')
  })

  it('ends at its second also where nothing else gets on', async () => {
    const stuck = Promise.withResolvers<void>()
    await begun({ 'for-seconds': 1 })
    const turn = hand.watching.alone(() => stuck.promise)
    expect(await served()).toBe('eu-one')
    await soon(async () => expect(await served()).toBe('us-one'))
    expect(recorded()).toMatchObject([{ action: 'begin' }])
    stuck.resolve()
    await turn
    await soon(() => expect(recorded()).toMatchObject([{ action: 'begin' }, { action: 'end', ended: 'time' }]))
  })

  it('is ended by hand, by whoever that is, and once', async () => {
    const before = digest(), id = await begun()
    expect(await end(id)).toMatchObject({ status: 200, value: { id, what: US, author: 'Bo Brandt', bundle: before, recorded: true } })
    expect([await served(), digest(), alarm()]).toEqual(['us-one', before, undefined])
    expect(recorded().at(-1)).toMatchObject({ action: 'end', ended: 'asked', author: 'Bo Brandt' })
    expect(await end(id)).toMatchObject({ status: 404, value: { error: { param: 'id' } } })
    expect(recorded()).toHaveLength(2)
  })

  it('goes on under changed policies, and under a folder that does not compile', async () => {
    const before = digest(), id = await begun(), first = digest()
    writeFileSync(join(policies, 'labels.yaml'), '- nonsense')
    await soon(() => expect(hand.gateway.alarms().map(a => a.name)).toContain('policies'))
    expect([await served(), digest()]).toEqual(['eu-one', first])
    writeFileSync(join(policies, 'labels.yaml'), 'language: bailiwick/v1\nlabels:\n  - { label: survey, parent: personal }\n')
    await soon(() => expect(causes().at(-1)).toBe('policies changed'))
    expect(await served()).toBe('eu-one')
    expect([before, first]).not.toContain(digest())
    await end(id)
    expect(await served()).toBe('us-one')
    expect(digest()).toBe(hand.watching.inForce().bundle.digest)
  })

  it('gives back nothing that the policies have taken away meanwhile', async () => {
    const id = await begun()
    writeFileSync(join(policies, PLACE), onlyIn('FR'))
    await soon(() => expect(causes().at(-1)).toBe('policies changed'))
    await end(id)
    expect(await served()).toBe('eu-one')
    rmSync(join(policies, PLACE))
    // The twin: without the rule the end of a drill gives it back.
    await soon(async () => expect(await served()).toBe('us-one'))
  })

  it('stands while a notice is enacted, and counts in what the notice would do', async () => {
    const id = await begun({ revoke: ['deployment=eu-one'] })
    const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
    const yaml = policy('notice-us', rule('gone', 'forbid: { model: us/one }'), `{ from: ${day(-1)}, until: ${day(8)}, timezone: UTC }`)
    const enact = async (more: object): Promise<Record<string, unknown>> => (await fetch(`${hand.url}/admin/directives`, {
      method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify({ yaml, author: 'Ada', ...more }),
    })).json() as Promise<Record<string, unknown>>
    const shown = await enact({})
    expect(shown['effect']).toMatchObject({ coverage: [{ before: ['us-one'], after: [] }] })
    const heard = vi.fn()
    hand.gateway.events.subscribe(({ kind, what }) => { if (kind === 'directive') heard(what) })
    await enact({ confirm: shown['confirm'] })
    expect(heard).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ name: 'notice-us', action: 'enact', author: 'Ada' }))
    expect(await served()).toBe(null)
    await end(id)
    expect(await served()).toBe('eu-one')
  })

  it('pretends a notice now, whenever that would act, without its file', async () => {
    const from = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10), until = new Date(Date.now() + 35 * 86_400_000).toISOString().slice(0, 10)
    const yaml = policy('notice-us', rule('gone', 'forbid: { model: us/one }'), `{ from: ${from}, until: ${until}, timezone: UTC }`)
    const id = await begun({ revoke: undefined, yaml })
    expect(await served()).toBe('eu-one')
    expect(readdirSync(policies)).not.toContain('directives')
    expect(recorded()).toMatchObject([{ what: ['notice notice-us'], digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string }])
    await end(id)
    expect(await served()).toBe('us-one')
    expect(await ask('POST', '', wish({ yaml: yaml.replace('forbid:', 'forbidd:') }))).toMatchObject({ status: 400, value: { error: { param: 'yaml', message: expect.stringMatching(/notice-us\.policy\.yaml:\d+:\d+: /) as string } } })
    expect(await ask('POST', '', wish({ revoke: [], yaml: yaml.replace(/from: \S+ until: \S+/, 'from: 2026-01-01, until: 2026-01-08,') }))).toMatchObject({ status: 409 })
  })

  it('is one of several, each with its own end', async () => {
    const us = await begun(), eu = await begun({ revoke: ['deployment=eu-one'] })
    expect(await served()).toBe(null)
    expect(alarm()).toMatch(/provider=pretend-us .*; deployment=eu-one /)
    await end(us)
    expect(await served()).toBe('us-one')
    expect(alarm()).not.toContain('pretend-us')
    await end(eu)
    expect(alarm()).toBeUndefined()
  })

  it('is not begun by a confirmation of another drill, or of other policies or drills in force', async () => {
    const { value: { confirm } } = await ask('POST', '', wish())
    for (const more of [{ 'for-seconds': 60 }, { revoke: ['provider=pretend-eu'] }]) expect(await ask('POST', '', { ...wish(more), confirm })).toMatchObject({ status: 409, value: { error: { param: 'confirm' } } })
    const id = await begun({ revoke: ['deployment=eu-one'] })
    expect(await ask('POST', '', { ...wish(), confirm })).toMatchObject({ status: 409 })
    await end(id)
    expect(await served()).toBe('us-one')
    expect(await ask('POST', '', { ...wish(), confirm })).toMatchObject({ status: 200, value: { begun: true } })
    expect(await served()).toBe('eu-one')
  })

  it('is not begun where the law changes between the confirmation and the beginning, and nothing is recorded of it', async () => {
    const other = wish({ revoke: ['deployment=eu-one'] }) as Record<string, unknown>, real = hand.drills.port(hand.watching)
    const { value: { confirm } } = await ask('POST', '', wish())
    let meanwhile = async (): Promise<void> => { await begun(other) }
    const port: DrillsPort = { ...real, begin: async (drill, shownUnder) => {
      await meanwhile()
      return real.begin(drill, shownUnder)
    } }
    expect(await beginDrill(hand.gateway, port, { ...wish(), confirm })).toMatchObject({ ok: false, failure: { code: 'invalid_request', param: 'confirm', status: 409 } })
    expect(recorded()).toMatchObject([{ action: 'begin', what: ['deployment=eu-one'] }])
    expect(await served()).toBe('us-one')
    await end(real.running()[0]!.id)
    meanwhile = async () => undefined
    expect(await beginDrill(hand.gateway, port, { ...wish(), confirm })).toMatchObject({ ok: true })
    expect(await served()).toBe('eu-one')
  })

  it('is in force before anything that waits for its turn: the bundle of its entry is one that was', async () => {
    const drill = drillOf(60_000)
    const [said] = await Promise.all([
      hand.drills.port(hand.watching).begin(drill, digest()), hand.watching.alone((inForce, put) => put(inForce, 'policies changed')),
    ])
    expect(said).toMatchObject({ ok: true })
    expect(hand.gateway.epochs.events()).toMatchObject([{ cause: 'drill: provider=pretend-us', bundle: recorded()[0]!.bundle }, { cause: 'policies changed' }])
  })

  it('that could not be taken away at its end is over all the same, on record and told', async () => {
    const broken = hand.drills.port({ ...hand.watching, again: () => Promise.reject(new Error('a test')) })
    const heard = vi.fn()
    hand.gateway.events.subscribe(({ kind, what }) => { if (kind === 'drill') heard(what['action']) })
    const drill = drillOf(100)
    expect(await broken.begin(drill, digest())).toMatchObject({ ok: true })
    await soon(() => expect(recorded()).toMatchObject([{ action: 'begin' }, { id: 'd-1', action: 'end', ended: 'time' }]))
    expect([alarm(), broken.running(), await served(), heard.mock.calls]).toEqual([undefined, [], 'us-one', [['begin'], ['end']]])
    expect(hand.logged).toContainEqual(expect.objectContaining({ level: 'error', event: 'drill-not-ended' }))
  })

  it('is not begun when that cannot be recorded; an end is one all the same', async () => {
    const { value: { confirm } } = await ask('POST', '', wish())
    hand.keeps = false
    expect(await ask('POST', '', { ...wish(), confirm })).toMatchObject({ status: 503, value: { error: { code: 'cannot_record' } } })
    expect((await ask('GET')).value).toEqual({ drills: [] })
    hand.keeps = true
    expect(await served()).toBe('us-one')
    const id = await begun()
    hand.keeps = false
    expect(await end(id)).toMatchObject({ status: 200, value: { recorded: false } })
    hand.keeps = true
    expect(await served()).toBe('us-one')
  })

  it('that cannot be laid over the policies has not begun, and one that cannot be taken away says so and may be asked again', async () => {
    const no = (): Promise<never> => Promise.reject(new Error('a test'))
    const broken = hand.drills.port({ ...hand.watching, again: no, alone: work => hand.watching.alone(inForce => work(inForce, no)) })
    const drill = drillOf(60_000)
    expect(await broken.begin(drill, hand.gateway.epochs.current().bundle.digest)).toMatchObject({ ok: false, failure: { code: 'internal_error' } })
    expect([await served(), alarm(), broken.running()]).toEqual(['us-one', undefined, []])
    expect(recorded()).toMatchObject([{ action: 'begin' }, { action: 'end' }])

    const id = await begun()
    expect(await broken.end(id, 'Bo')).toMatchObject({ ok: false, failure: { code: 'internal_error' } })
    expect([await served(), alarm()]).toEqual(['eu-one', expect.stringContaining(id)])
    expect(recorded()).toHaveLength(3)
    expect(await end(id)).toMatchObject({ status: 200 })
    expect([await served(), alarm()]).toEqual(['us-one', undefined])
  })

  it('is one of eight at most', async () => {
    const ids: string[] = []
    for (let i = 0; i < 8; i++) ids.push(await begun())
    expect(await ask('POST', '', wish())).toMatchObject({ status: 409 })
    await end(ids[3]!)
    await begun()
  })

  it.each([
    ['nothing to revoke', { revoke: [] }, 'revoke'],
    ['a provider that is none', { revoke: ['provider=pretend-uk'] }, 'revoke'],
    ['no time', { 'for-seconds': undefined }, 'for-seconds'],
    ['half a second', { 'for-seconds': 0.5 }, 'for-seconds'],
    ['more than a day', { 'for-seconds': 24 * 60 * MINUTE + 1 }, 'for-seconds'],
    ['nobody', { author: '' }, 'author'],
    ['a word that is not understood', { force: true }, 'force'],
  ])('is refused with %s', async (_, more, param) => {
    expect(await ask('POST', '', wish(more))).toMatchObject({ status: 400, value: { error: { code: 'invalid_request', param } } })
    expect(await ask('POST', '', wish())).toMatchObject({ status: 200 })
  })

  it('is nothing for somebody without the admin token', async () => {
    const id = await begun()
    for (const token of ['a-guess', KEY]) {
      expect((await ask('GET', '', undefined, token)).status).toBe(401)
      expect((await ask('POST', '', wish(), token)).status).toBe(401)
      expect((await ask('DELETE', `/${id}`, { author: 'Bo' }, token)).status).toBe(401)
    }
    expect(await served()).toBe('eu-one')
  })

  it('does not outlive the gateway, which says so in the records', async () => {
    const id = await begun()
    await hand.drills.close()
    expect(recorded()).toMatchObject([{ action: 'begin' }, { id, action: 'end', ended: 'stopped' }])
    expect(await hand.drills.overlay(hand.watching.inForce().bundle)).toBe(hand.watching.inForce().bundle)
  })

  it('says what went wrong with the revocation, and what may have been meant', async () => {
    expect(messageOf(await ask('POST', '', wish({ revoke: ['provider=pretend-uss'] })))).toContain('Did you mean pretend-us?')
  })
})

describe('beside a model that only embeds', () => {
  const FOLDER = {
    ...REHEARSAL, 'apps/desk.yaml': REHEARSAL['apps/desk.yaml'].replace('may-carry: []', 'may-carry: [personal]\nmay-assert: [data]'),
    'catalog/pretend-own.yaml': provider('pretend-own', 'rehearsal: local\ndialect: openai\nprocessed-in: [FR]', ['{ deployment: vectors, model: own/vectors, operations: [embedding] }']),
    [PLACE]: policy('place', rule('stays', 'when: { data: [personal] }\nrequire: { processed-in: { only: [FR] } }')),
  }
  beforeEach(async () => {
    await hand.stop()
    hand = await inHand(folderOf(FOLDER))
  })
  const ROWS = [{ data: ['none'], emptied: [] }, { data: ['personal'], before: ['eu-one', 'vectors'], after: ['vectors'], emptied: ['text'] }, { data: 'unknown', emptied: ['text'] }]

  it('a drill that takes the last chat model away leaves nobody for chat, and the gauges say so', async () => {
    const asked = { revoke: ['deployment=eu-one'] }
    expect((await ask('POST', '', wish(asked))).value).toMatchObject({ effect: { coverage: ROWS } })
    const said = await run(['drill', '--live', '--url', hand.url, '--revoke', 'deployment=eu-one', '--for', '10m', '--author', 'Ada'], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN } })
    expect(said.out).toMatch(/^ {2}desk +\[none\] +3 +2 +-eu-one$/m)
    expect(said.out).toMatch(/^ {2}desk +\[personal\] +2 +1, NONE for text +-eu-one$/m)
    expect(said.out).toContain('3 rows of 3 changed; 2 left with nothing.\n')
    const id = await begun(asked)
    const gauges = async (): Promise<string> => (await fetch(`${hand.url}/metrics`)).text()
    expect(await gauges()).toContain('bailiwick_coverage{app="desk",data="personal"} 0\n')
    await end(id)
    expect(await gauges()).toContain('bailiwick_coverage{app="desk",data="personal"} 1\n')
  })

  it('so does a notice', async () => {
    const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
    const yaml = policy('notice-eu', rule('gone', 'forbid: { model: eu/one }'), `{ from: ${day(-1)}, until: ${day(8)}, timezone: UTC }`)
    const shown = await (await fetch(`${hand.url}/admin/directives`, {
      method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify({ yaml, author: 'Ada' }),
    })).json() as Record<string, unknown>
    expect(shown['effect']).toMatchObject({ coverage: ROWS })
  })

  it('what only prompts lose that carry nothing is told of a rebuild, as the app may say that of them', async () => {
    await begun()
    expect(hand.gateway.epochs.events()).toMatchObject([{ profiles: [{ app: 'desk', data: ['none'], removed: [{ deployment: 'us-one' }], left: 2 }] }])
  })
})

describe('bailiwick drill --live', () => {
  const live = (...args: readonly string[]): Promise<Said> => run(['drill', '--live', '--url', hand.url, ...args], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN } })

  it('shows, begins, lists and ends', async () => {
    const asked = ['--revoke', 'provider=pretend-us', '--for', '10m', '--author', 'Ada Adler']
    const shown = await live(...asked)
    expect(shown).toMatchObject({ code: 4, err: expect.stringContaining('add --yes to begin it') as string })
    expect(shown.out).toMatch(/^drill {5}provider=pretend-us, on the running gateway, for 10m\ncoverage [^]*^ {2}desk +unknown +2 +1 +-us-one$/m)
    expect(await served()).toBe('us-one')

    const done = await live(...asked, '--yes')
    expect(done).toMatchObject({ code: 0, err: '' })
    const id = /^begun {5}(\S+) by Ada Adler; bundle [0-9a-f]{12}; it ends by itself at /m.exec(done.out)![1]!
    expect(done.out.endsWith(`, or now with: bailiwick drill --live --end ${id} --url ${hand.url}\n`)).toBe(true)
    expect(await served()).toBe('eu-one')
    expect((await live('--list')).out).toMatch(new RegExp(`^${id}  provider=pretend-us  until \\S+  Ada Adler\n$`))
    expect(JSON.parse((await live('--list', '--format', 'json')).out)).toMatchObject({ drills: [{ id }] })

    expect(await live('--end', id, '--author', 'Bo Brandt')).toMatchObject({ code: 0, out: expect.stringMatching(/^ended {5}\S+ \(provider=pretend-us\) at /) as string })
    expect(await served()).toBe('us-one')
    expect(await live('--list')).toMatchObject({ code: 0, out: 'No drill runs.\n' })
    expect(await live('--end', id, '--author', 'Bo Brandt')).toMatchObject({ code: 4, err: `bailiwick: no drill ${id} runs; bailiwick drill --live --list shows those that run.\n` })
  })

  it('says how to end it at the gateway that was meant', async () => {
    const asked = ['drill', '--live', '--revoke', 'provider=pretend-us', '--for', '1m', '--author', 'Ada', '--yes', '--url', hand.url]
    const data = await run([...asked, '--data', "Ada's own data"], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN } })
    expect(data.out).toContain(` --url ${hand.url} --data 'Ada'\\''s own data'\n`)
    // What the environment said it says to the next command too.
    const said = await run(asked, { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN, BAILIWICK_DATA: 'elsewhere' } })
    expect(said.out).toMatch(/ --url \S+\n$/)
  })

  it.each<readonly [string, string, Readonly<Record<string, string>>, string | undefined]>([
    ['USER', 'ada', { USER: 'ada', LOGNAME: 'bo' }, 'cy'], ['LOGNAME', 'bo', { USER: '', LOGNAME: 'bo' }, 'cy'], ['the system', 'cy', {}, 'cy'],
  ])('is begun by the user of the machine, by %s', async (_, name, environment, user) => {
    const said = await run(['drill', '--live', '--url', hand.url, '--revoke', 'provider=pretend-us', '--for', '1m', '--yes'], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN, ...environment }, ...(user !== undefined && { user }) })
    expect(said.out).toMatch(new RegExp(`^begun {5}\\S+ by ${name};`, 'm'))
    expect(recorded()).toMatchObject([{ author: name }])
  })

  it('is not begun by nobody', async () => {
    const said = await run(['drill', '--live', '--url', hand.url, '--revoke', 'provider=pretend-us', '--for', '1m', '--yes'], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN } })
    expect(said).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--author NAME says who does this') as string })
    expect(recorded()).toEqual([])
  })

  it('pretends a notice from a file, and says where it does not compile', async () => {
    const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
    const yaml = policy('notice-us', rule('gone', 'forbid: { model: us/one }'), `{ from: ${day(1)}, until: ${day(8)}, timezone: UTC }`)
    const folder = folderOf({ 'good.yaml': yaml, 'bad.yaml': yaml.replace('forbid:', 'forbidd:') })
    const asked = ['--for', '90s', '--author', 'Ada', '--yes']
    const bad = await live('--from-directive', join(folder, 'bad.yaml'), ...asked)
    expect(bad).toMatchObject({ code: 3, err: expect.stringContaining(`\n${join(folder, 'bad.yaml')}:11:5: Unknown word forbidd`) as string })
    expect(bad.err).not.toContain('notice-us.policy.yaml')
    expect(await served()).toBe('us-one')
    expect(await live('--from-directive', join(folder, 'good.yaml'), ...asked)).toMatchObject({ code: 0 })
    expect(await served()).toBe('eu-one')
  })

  it.each([
    ['no end', ['--live', '--revoke', 'hosting=cloud'], '--for'],
    ['a time that is none', ['--live', '--revoke', 'hosting=cloud', '--for', '10', '--author', 'Ada'], '10m'],
    ['nothing to revoke', ['--live', '--for', '10m'], 'needs what goes away'],
    ['another instant', ['--live', '--revoke', 'hosting=cloud', '--for', '1m', '--at', '2026-11-22T11:00:00Z'], '--at'],
    ['two things at once', ['--live', '--list', '--revoke', 'hosting=cloud'], 'stands alone'],
    ['a list and an end', ['--live', '--list', '--end', 'd-1'], 'stands alone'],
    ['an end on paper', ['--revoke', 'hosting=cloud', '--for', '10m'], '--for is for drill --live'],
  ])('refuses %s', async (_, args, sentence) => {
    const said = await run(['drill', ...args])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(sentence)
  })
})
