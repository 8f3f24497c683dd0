import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rulesOfDrill, withDrills } from '../../src/bundle/drilled.ts'
import { createMetrics } from '../../src/gateway/metrics.ts'
import { run } from '../cli/stand-in.ts'
import { ADMIN_TOKEN, KEYS, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => { world = await startWorld() })
afterAll(() => world.close())

type Row = { readonly app: string; readonly data: unknown; readonly fit: readonly string[]; readonly permitted: readonly string[]; readonly 'without-provider': unknown }
type Report = { readonly epoch: number; readonly bundle: string; readonly profiles: readonly Row[]; readonly none: readonly object[] }
const ask = (token = ADMIN_TOKEN): Promise<Response> => fetch(`${world.url}/admin/coverage`, { headers: { authorization: `Bearer ${token}` } })
const report = async (): Promise<Report> => await (await ask()).json() as Report
const of = ({ profiles }: Report, app: string, data: unknown): Row => profiles.find(p => p.app === app && JSON.stringify(p.data) === JSON.stringify(data))!
const gauges = async (): Promise<readonly string[]> => (await (await fetch(`${world.url}/metrics`)).text()).split('\n').filter(line => line.startsWith('bailiwick_coverage'))

describe('coverage of a running gateway', () => {
  test('is for the operator alone', async () => {
    expect((await ask('wrong')).status).toBe(401)
    expect((await ask(KEYS.crm)).status).toBe(401)
    expect((await ask()).status).toBe(200)
  })

  test('counts what is permitted, connected and well, under the epoch in force', async () => {
    const before = await report()
    const { number, bundle } = world.gateway.epochs.current()
    expect(before).toMatchObject({ epoch: number, bundle: bundle.digest })
    expect(of(before, 'once', 'unknown')).toMatchObject({ permitted: ['good'], fit: ['good'], 'without-provider': { which: 'france', left: 0 } })
    expect(of(before, 'nobody', 'unknown')).toMatchObject({ permitted: ['facts-only'], fit: [], 'without-provider': null })
    expect(before.none).toEqual([{ app: 'nobody', data: 'unknown', operation: 'text' }])

    world.gateway.quarantine.set('good', 'withdrawn', 'a test')
    const during = await report()
    expect(during.epoch).toBe(number + 1)
    expect(of(during, 'once', 'unknown')).toMatchObject({ permitted: ['good'], fit: [] })
    expect(of(during, 'crm', ['personal']).fit).not.toContain('good')
    world.gateway.quarantine.release('good')
    expect(of(await report(), 'once', 'unknown').fit).toEqual(['good'])
  })

  test('is a gauge for every profile, true after every rebuild of the pool; a profile that goes takes its gauges along', async () => {
    expect(await gauges()).toEqual(expect.arrayContaining([
      'bailiwick_coverage{app="once",data="unknown"} 1', 'bailiwick_coverage{app="nobody",data="unknown"} 0', 'bailiwick_coverage_without_provider{app="once",data="unknown"} 0',
      expect.stringMatching(/^bailiwick_coverage_without_country\{app="crm",data="personal"\} \d+$/), 'bailiwick_coverage_without_cloud{app="once",data="unknown"} 0',
    ]))
    world.gateway.quarantine.set('good', 'withdrawn', 'a test')
    expect(await gauges()).toContain('bailiwick_coverage{app="once",data="unknown"} 0')
    world.gateway.quarantine.release('good')

    const { bundle } = world.gateway.epochs.current()
    const apps = new Map([...bundle.rulebook.apps].filter(([name]) => name !== 'once'))
    world.gateway.epochs.swap({ ...bundle, rulebook: { ...bundle.rulebook, apps } }, 'a test')
    expect((await gauges()).filter(line => line.includes('once'))).toEqual([])
    expect(await gauges()).toContain('bailiwick_coverage{app="nobody",data="unknown"} 0')
    world.gateway.epochs.swap(bundle, 'a test')
    expect(await gauges()).toContain('bailiwick_coverage{app="once",data="unknown"} 1')
  })

  test('speaks of chat where every chat model is gone, and not of the model that embeds', async () => {
    const chats = ['good', 'refusing', 'failing', 'hanging', 'cutting']
    expect(of(await report(), 'crm', ['personal'])).toMatchObject({ operation: 'embedding', fit: ['vectors'] })
    for (const name of chats) world.gateway.quarantine.set(name, 'withdrawn', 'a test')
    const during = await report()
    expect(of(during, 'crm', ['personal'])).toMatchObject({ operation: 'text', fit: [], 'without-provider': null, permitted: expect.arrayContaining(['vectors']) as string[] })
    expect(during.none).toContainEqual({ app: 'crm', data: ['personal'], operation: 'text' })
    expect(await gauges()).toEqual(expect.arrayContaining(['bailiwick_coverage{app="crm",data="personal"} 0', 'bailiwick_coverage_without_provider{app="crm",data="personal"} 0']))
    for (const name of chats) world.gateway.quarantine.release(name)

    world.gateway.quarantine.set('vectors', 'withdrawn', 'a test')
    expect((await report()).none).toContainEqual({ app: 'crm', data: ['personal'], operation: 'embedding' })
    const said = await run(['coverage', '--live', '--url', world.url], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN } })
    expect(said.out).toMatch(/^crm +\[personal\] +0 +7 +9 +- +- +- +embedding$/m)
    expect(said.out).toContain('  app=crm data=[personal] (embedding)\n')
    expect(said.out).toContain('  app=nobody data=unknown\n')
    world.gateway.quarantine.release('vectors')
    expect(await gauges()).toContain('bailiwick_coverage{app="crm",data="personal"} 1')
  })

  test('does not count what a drill has taken away', async () => {
    const { bundle } = world.gateway.epochs.current()
    const now = world.gateway.ports.clock.now(), window = { from: now, until: now + 60_000 }
    const rules = rulesOfDrill({ id: 'd-1', revocations: [{ fact: 'provider', value: 'france' }], notice: [], window })
    world.gateway.epochs.swap(await withDrills(bundle, [{ id: 'd-1', what: ['provider=france'], author: 'Ada', window, rules }]), 'drill: provider=france')
    expect(of(await report(), 'once', 'unknown')).toMatchObject({ permitted: [], fit: [] })
    world.gateway.epochs.swap(bundle, 'drill over')
    expect(of(await report(), 'once', 'unknown').fit).toEqual(['good'])
  })
})

test('replacing a gauge leaves no series of before, and other gauges alone', () => {
  const metrics = createMetrics()
  metrics.set('other', 1, { app: 'a' })
  metrics.replace('of', [{ labels: { app: 'a' }, value: 1 }, { labels: { app: 'b' }, value: 2 }])
  metrics.replace('of', [{ labels: { app: 'b' }, value: 3 }])
  expect(metrics.text()).toBe('# TYPE other gauge\nother{app="a"} 1\n# TYPE of gauge\nof{app="b"} 3\n')
})

describe('bailiwick coverage --live', () => {
  const environment = { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN }

  test('is the table of the running gateway, and the same for tools', async () => {
    const said = await run(['coverage', '--live', '--url', world.url], { environment })
    const { number } = world.gateway.epochs.current()
    expect(said.code).toBe(0)
    expect(said.out).toMatch(new RegExp(`^coverage at \\S+, bundle [0-9a-f]{12}, epoch ${number} of the running gateway\n`))
    expect(said.out).toMatch(/^once +unknown +1 +1 +9 +0 \(france\) /m)
    expect(said.out).toContain('1 of 6 profiles have none:\n  app=nobody data=unknown\n')
    const forTools = JSON.parse((await run(['coverage', '--live', '--url', world.url, '--format', 'json'], { environment })).out) as Report
    expect({ ...forTools, at: undefined }).toEqual({ ...await report(), at: undefined })
  })

  test.each([
    ['a folder', ['policies', '--live'], 2, 'no folder'], ['an instant', ['--live', '--at', '2026-11-22T11:00:00Z'], 2, '--at'],
    ['an address that is none', ['--live', '--url', 'here'], 2, '--url is'], ['an address without --live', ['--url', 'http://127.0.0.1:1'], 2, '--live'],
    ['a gateway that is not there', ['--live', '--url', 'http://127.0.0.1:1'], 1, 'no gateway answers'],
  ])('refuses %s', async (_, args, code, sentence) => {
    const said = await run(['coverage', ...args], { environment })
    expect(said).toMatchObject({ code, out: '' })
    expect(said.err).toContain(sentence)
  })

  test('refuses the wrong token', async () => {
    expect(await run(['coverage', '--live', '--url', world.url], { environment: { BAILIWICK_ADMIN_TOKEN: 'a-guess' } })).toMatchObject({ code: 1, err: expect.stringContaining('refused the admin token') as string })
  })
})
