import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { bailiwick, cleanUp, folderOf, freshFolder, serve } from '../support/processes.ts'
import { chat, KEY, onlyIn, pool, readiness, real, REHEARSAL } from './places.ts'
import { spawnRehearsal } from './rehearsal-process.ts'
import { startProvider, type ProviderInHand } from './provider-in-hand.ts'

describe('serve, from start to end', () => {
  const providers: ProviderInHand[] = []
  afterEach(async () => {
    await cleanUp()
    await Promise.all(providers.splice(0).map(p => p.close()))
  })
  const inHand = async (): Promise<ProviderInHand> => {
    const provider = await startProvider()
    providers.push(provider)
    return provider
  }

  it('prints one line when it can answer, and nothing else on standard output', async () => {
    const gateway = await serve(folderOf(REHEARSAL))
    expect((await chat(gateway)).status).toBe(200)
    expect((await readiness(gateway)).bundle.startsWith(gateway.bundle)).toBe(true)
    expect(await gateway.stop()).toBe(0)
    expect(gateway.out()).toBe(`ready ${gateway.url} bundle ${gateway.bundle}\n`)
    expect(gateway.bundle).toMatch(/^[0-9a-f]{12}$/)
  })

  it('logs JSON and nothing else on standard error', async () => {
    const gateway = await serve(folderOf(REHEARSAL))
    await chat(gateway)
    await gateway.stop()
    for (const line of gateway.err().trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) as string, event: expect.any(String) as string })
  })

  it('does not start on policies that do not compile, and lists every problem', async () => {
    const ran = await bailiwick(['serve', '--port', '0', '--policies', folderOf({ ...REHEARSAL, 'rules/a.policy.yaml': onlyIn('FRA'), 'rules/b.policy.yaml': onlyIn('USA') }), '--data', freshFolder()])
    expect(ran).toMatchObject({ code: 3, out: '' })
    expect(ran.err).toContain('rules/a.policy.yaml:12:30: ')
    expect(ran.err).toContain('rules/b.policy.yaml:')
  })

  it('does not start without a policies folder', async () => {
    const ran = await bailiwick(['serve', '--port', '0', '--policies', join(freshFolder(), 'nowhere'), '--data', freshFolder()])
    expect(ran).toMatchObject({ code: 2, out: '' })
    expect(ran.err).toContain('does not exist')
  })

  it('says so when its port is taken', async () => {
    const policies = folderOf(REHEARSAL)
    const first = await serve(policies)
    const port = new URL(first.url).port
    const second = await bailiwick(['serve', '--port', port, '--policies', policies, '--data', freshFolder()])
    expect(second).toMatchObject({ code: 1, out: '' })
    expect(second.err).toContain(`port ${port} on 127.0.0.1 is taken`)
    expect((await chat(first)).status).toBe(200)
  })

  it('finishes a stream that began before it was told to stop, and takes nothing new', async () => {
    const provider = await inHand()
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/real.yaml': real(provider.url) }))
    const answer = await chat(gateway, { model: 'real/one', stream: true })
    await provider.streaming
    const ended = gateway.stop()
    await gateway.logged(line => line.event === 'stopping')
    await expect(chat(gateway)).rejects.toThrow()
    provider.release()
    expect(await answer.text()).toMatch(/ day\.[^]*data: \[DONE\]\n\n$/)
    expect(await ended).toBe(0)
  })

  it('stops at once when it is told again', async () => {
    const provider = await inHand()
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/real.yaml': real(provider.url) }))
    const answer = await chat(gateway, { model: 'real/one', stream: true })
    const cut = answer.text().then(() => 'whole', () => 'cut')
    await provider.streaming
    const ended = gateway.stop('SIGINT')
    await gateway.logged(line => line.event === 'stopping')
    const insisting = setInterval(() => gateway.process.kill('SIGINT'), 50)
    expect(await ended).toBe(1)
    clearInterval(insisting)
    expect(await cut).toBe('cut')
  })

  it('makes an admin token once, keeps it for its owner alone and shows it once', async () => {
    const policies = folderOf(REHEARSAL), data = join(freshFolder(), 'data')
    const first = await serve(policies, { data, environment: { BAILIWICK_ADMIN_TOKEN: '' } })
    const shown = /^Admin token.*: ([A-Za-z0-9_-]{43})$/m.exec(first.err())?.[1]
    expect(readFileSync(join(data, 'admin-token'), 'utf8').trim()).toBe(shown)
    expect(statSync(join(data, 'admin-token')).mode & 0o777).toBe(0o600)
    expect(statSync(data).mode & 0o777).toBe(0o700)
    await first.stop()
    const again = await serve(policies, { data, environment: { BAILIWICK_ADMIN_TOKEN: '' } })
    expect(again.err()).not.toContain('Admin token')
    expect((await fetch(`${again.url}/admin/pool`, { headers: { authorization: `Bearer ${shown}` } })).status).toBe(200)
    expect((await fetch(`${again.url}/admin/pool`, { headers: { authorization: 'Bearer other' } })).status).toBe(401)
  })

  it('makes none when one is given', async () => {
    const gateway = await serve(folderOf(REHEARSAL))
    expect((await pool(gateway)).deployments.length).toBe(2)
    expect(existsSync(join(gateway.data, 'admin-token'))).toBe(false)
  })

  it('does not start when its data folder cannot be used', async () => {
    const file = join(freshFolder(), 'file')
    writeFileSync(file, '')
    const ran = await bailiwick(['serve', '--port', '0', '--policies', folderOf(REHEARSAL), '--data', join(file, 'data')])
    expect(ran).toMatchObject({ code: 1, out: '' })
    expect(ran.err).toContain('cannot be used')
  })

  it('admits a key of this machine from this machine, and not through a proxy', async () => {
    const app = `${REHEARSAL['apps/desk.yaml']}\nloopback-only: yes\n`
    const gateway = await serve(folderOf({ ...REHEARSAL, 'apps/desk.yaml': app }))
    const models = (headers: Record<string, string>): Promise<Response> => fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${KEY}`, ...headers } })
    expect((await models({})).status).toBe(200)
    expect((await models({ 'x-forwarded-for': '127.0.0.1' })).status).toBe(401)
  })

  it('refuses a body above its limit', async () => {
    const gateway = await serve(folderOf(REHEARSAL), { args: ['--body-limit', '1024'] })
    const ask = (content: string): Promise<Response> => fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content }] }),
    })
    expect((await ask('short')).status).toBe(200)
    expect((await ask('x'.repeat(2_000))).status).toBe(413)
  })
})

describe('rehearse', () => {
  afterEach(cleanUp)

  it('is a provider of its own, until it is told to stop', async () => {
    const provider = await spawnRehearsal(['--pretend', 'local', '--models', 'a,b'])
    const listed = await (await fetch(`${provider.url}/v1/models`)).json() as { data: { id: string }[] }
    expect(listed.data.map(m => m.id)).toEqual(['a', 'b'])
    expect(await provider.stop()).toBe(0)
    await expect(fetch(`${provider.url}/v1/models`)).rejects.toThrow()
  })
})
