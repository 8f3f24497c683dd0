/** What an operator sees of a gateway that is a process of its own, before providers that are processes of their own. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { KEY, providerProcess, said, type ProviderProcess } from '../support/listening.ts'
import { cleanUp, folderOf, serve, type Serving } from '../support/processes.ts'
import { threePlacesFiles } from '../support/three-places.ts'
import { policy, rule } from '../support/tree.ts'

let providers: Record<'home' | 'second' | 'abroad', ProviderProcess>
let folder: string
let gateway: Serving

async function start(more: Readonly<Record<string, string>> = {}): Promise<void> {
  const [home, second, abroad] = await Promise.all(['home', 'second', 'abroad'].map(name => providerProcess(name))) as [ProviderProcess, ProviderProcess, ProviderProcess]
  providers = { home, second, abroad }
  folder = folderOf(await threePlacesFiles({ home: home.url, second: second.url, abroad: abroad.url }, more))
  gateway = await serve(folder)
}
afterEach(async () => {
  await Promise.all(Object.values(providers).map(p => p.kill()))
  await cleanUp()
})

const chat = (body: Record<string, unknown> = {}): Promise<Response> => fetch(`${gateway.url}/v1/chat/completions`, {
  method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
  body: JSON.stringify({ model: 'lab/large', messages: [{ role: 'user', content: 'hello' }], ...body }),
})
const seen = async (): Promise<number[]> => Promise.all([providers.home.count(), providers.second.count(), providers.abroad.count()])
const readiness = async (): Promise<{ status: string; alarms: { name: string }[] }> => (await fetch(`${gateway.url}/health/readiness`)).json() as never

describe('while it serves', () => {
  test('a rule is edited and the routing follows within a second', async () => {
    await start()
    expect(await said(await chat())).toBe('from home')
    const saved = Date.now()
    writeFileSync(join(folder, 'rules/second.policy.yaml'), policy('second', rule('second-only', 'require: { deployment: fr-two }')))
    await expect.poll(async () => said(await chat()), { interval: 20, timeout: 5_000 }).toBe('from second')
    expect(Date.now() - saved).toBeLessThan(1_000)
    rmSync(join(folder, 'rules/second.policy.yaml'))
    await expect.poll(async () => said(await chat()), { interval: 20, timeout: 20_000 }).toBe('from home')
  })

  test('a broken file changes nothing but the alarm, and the alarm ends when it is mended', async () => {
    await start()
    writeFileSync(join(folder, 'rules/second.policy.yaml'), policy('second', rule('second-only', 'requir: { deployment: fr-two }')))
    const problem = await gateway.logged(line => line.event === 'policy-problem' && line['line'] === 11)
    expect(problem).toMatchObject({ level: 'error', file: 'rules/second.policy.yaml' })
    expect(await said(await chat())).toBe('from home')
    expect(await readiness()).toMatchObject({ status: 'degraded', alarms: [{ name: 'policies' }] })
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain('bailiwick_alarm{alarm="policies"} 1')
    writeFileSync(join(folder, 'rules/second.policy.yaml'), policy('second', rule('second-only', 'require: { deployment: fr-two }')))
    await expect.poll(async () => said(await chat()), { interval: 20, timeout: 5_000 }).toBe('from second')
    expect(await readiness()).toMatchObject({ status: 'ready', alarms: [] })
  })

  test('a directive takes effect at its second and ends at its second, without a touch', async () => {
    await start()
    const second = (at: number): string => new Date(at).toISOString().slice(0, 19)
    const from = Math.ceil(Date.now() / 1000) * 1000 + 2_000, until = from + 2_000
    writeFileSync(join(folder, 'rules/notice.policy.yaml'), policy('notice', rule('not-home', 'forbid: { provider: home }'), `{ from: ${second(from)}, until: ${second(until)}, timezone: UTC }`))
    await expect.poll(() => gateway.log().some(l => l.event === 'pool-rebuilt' && l['cause'] === 'policies changed'), { timeout: 5_000 }).toBe(true)
    const answers: { began: number; ended: number; said: string }[] = []
    while (Date.now() < until + 500) {
      const began = Date.now()
      const text = await said(await chat())
      answers.push({ began, ended: Date.now(), said: text })
    }
    const before = answers.filter(a => a.ended < from), during = answers.filter(a => a.began >= from && a.ended < until), after = answers.filter(a => a.began >= until)
    expect([before, during, after].map(list => list.length > 0)).toEqual([true, true, true])
    expect(new Set(before.map(a => a.said))).toEqual(new Set(['from home']))
    expect(new Set(during.map(a => a.said))).toEqual(new Set(['from second']))
    expect(new Set(after.map(a => a.said))).toEqual(new Set(['from home']))
    expect(gateway.log().filter(l => l.event === 'pool-rebuilt').map(l => l['cause']).slice(-2)).toEqual(['time: notice/not-home starts', 'time: notice/not-home ends'])
  })
})

describe('when providers die', () => {
  test('one permitted: another permitted one answers and says so; all permitted: 503 with Retry-After; the one abroad saw nothing', async () => {
    await start()
    await providers.home.kill()
    const fallen = await chat()
    expect(await said(fallen)).toBe('from second')
    expect(fallen.headers.get('x-bailiwick-degraded')).toContain('fr unreachable')
    await providers.second.kill()
    const none = await chat()
    expect(none.status).toBe(503)
    expect(Number(none.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await providers.abroad.count()).toBe(0)
  })

  test('all forbidden: 403, and the providers saw zero requests', async () => {
    await start({ 'rules/never.policy.yaml': policy('never', rule('nobody', 'forbid: all')) })
    for (const stream of [false, true]) {
      const answer = await chat({ stream })
      expect(answer.status).toBe(403)
      expect(await said(answer)).toBe('no_permitted_model')
    }
    expect(await seen()).toEqual([0, 0, 0])
  })
})
