import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ollamaServer } from '../gateway/ollama-server.ts'
import { cleanUp, folderOf, serve } from '../support/processes.ts'
import { policy, provider, rule } from '../support/tree.ts'
import { chat, onlyIn, PLACE_RULE, pool, readiness, real, REHEARSAL, unfit } from './places.ts'
import { startProvider, type ProviderInHand } from './provider-in-hand.ts'

describe('what a gateway is connected to', () => {
  const providers: { close(): Promise<void> }[] = []
  afterEach(async () => {
    await cleanUp()
    await Promise.all(providers.splice(0).map(p => p.close()))
  })
  const inHand = async (models: readonly string[] = []): Promise<ProviderInHand> => {
    const started = await startProvider(models)
    providers.push(started)
    return started
  }
  const discovering = (url: string): string => provider('own', `dialect: openai\nbase-url: ${url}\ndiscover: models\nprocessed-in: [FR]\nhosting: local`, ['{ deployment: own-listed, model: own/listed }'])

  it('is a rehearsal when nothing real is there, and says so', async () => {
    const gateway = await serve(folderOf(REHEARSAL))
    expect((await readiness(gateway)).rehearsal).toEqual(['pretend-eu', 'pretend-us'])
    expect(gateway.log().some(line => line.event === 'rehearsal')).toBe(true)
    expect(await unfit(gateway)).toEqual({ 'eu-one': '', 'us-one': '' })
    expect(JSON.stringify(await (await chat(gateway)).json())).toContain('rehearsal')
  })

  it('is no rehearsal beside a real provider', async () => {
    const { url } = await inHand()
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/real.yaml': real(url) }))
    expect((await readiness(gateway)).rehearsal).toBe(false)
    expect(await unfit(gateway)).toEqual({ 'eu-one': 'rehearsal-off', 'us-one': 'rehearsal-off', 'real-one': '' })
    expect((await chat(gateway)).headers.get('x-bailiwick-deployment')).toBe('real-one')
  })

  it('does not take a provider without its key, or without a connection, for real', async () => {
    const { url } = await inHand()
    const files = { ...REHEARSAL, 'catalog/real.yaml': real(url, '\nkey: env:REAL_KEY'), 'catalog/facts.yaml': provider('facts', '', ['{ deployment: facts-only, model: facts/one }']) }
    const without = await serve(folderOf(files))
    expect(await unfit(without)).toEqual({ 'facts-only': 'no-connection', 'real-one': 'no-key', 'eu-one': '', 'us-one': '' })
    const withKey = await serve(folderOf(files), { environment: { REAL_KEY: 'secret' } })
    expect(await unfit(withKey)).toEqual({ 'facts-only': 'no-connection', 'real-one': '', 'eu-one': 'rehearsal-off', 'us-one': 'rehearsal-off' })
  })

  it('ends the rehearsal when policies bring a real provider, and never begins it again', async () => {
    const { url } = await inHand()
    const folder = folderOf(REHEARSAL)
    const gateway = await serve(folder)
    writeFileSync(join(folder, 'catalog/real.yaml'), real(url))
    const first = await gateway.logged(line => line.event === 'pool-rebuilt')
    expect((await readiness(gateway)).rehearsal).toBe(false)
    expect(await unfit(gateway)).toMatchObject({ 'eu-one': 'rehearsal-off', 'real-one': '' })
    writeFileSync(join(folder, 'catalog/real.yaml'), real(url, '\nkey: env:NEVER_SET'))
    await gateway.logged(line => line.event === 'pool-rebuilt' && line['epoch'] !== first['epoch'])
    expect(await unfit(gateway)).toEqual({ 'eu-one': 'rehearsal-off', 'us-one': 'rehearsal-off', 'real-one': 'no-key' })
    expect((await chat(gateway)).status).toBe(503)
  })

  it('finds at its start what a server holds, and keeps it when policies change', async () => {
    const { url } = await inHand(['found-1'])
    const folder = folderOf({ ...REHEARSAL, [PLACE_RULE]: onlyIn('US'), 'catalog/own.yaml': discovering(url) })
    const gateway = await serve(folder)
    expect(await unfit(gateway)).toEqual({ 'own-listed': 'not-held', 'own:found-1': '', 'eu-one': 'rehearsal-off', 'us-one': 'rehearsal-off' })
    writeFileSync(join(folder, PLACE_RULE), onlyIn('FR'))
    await gateway.logged(line => line.event === 'pool-rebuilt')
    expect(await unfit(gateway)).toHaveProperty(['own:found-1'], '')
    expect((await chat(gateway, { model: 'own/found-1' })).headers.get('x-bailiwick-deployment')).toBe('own:found-1')
  })

  it('rehearses while a server that it should ask is not there or holds nothing', async () => {
    const discovering = (url: string): string => provider('own', `dialect: openai\nbase-url: ${url}\ndiscover: models\nprocessed-in: [FR]\nhosting: local`, []).replace('deployments:\n', 'deployments: []\n')
    const { url } = await inHand()
    const empty = await serve(folderOf({ ...REHEARSAL, 'catalog/own.yaml': discovering(url) }))
    expect((await readiness(empty)).rehearsal).not.toBe(false)
    const gone = await startProvider()
    await gone.close()
    const absent = await serve(folderOf({ ...REHEARSAL, 'catalog/own.yaml': discovering(gone.url) }))
    expect((await readiness(absent)).rehearsal).not.toBe(false)
  })

  it('never rehearses beside a deployment that is listed and could be dispatched to, whether its server answers or not', async () => {
    const gone = await startProvider()
    await gone.close()
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/own.yaml': discovering(gone.url) }))
    expect((await readiness(gateway)).rehearsal).toBe(false)
  })

  it('never rehearses beside a provider whose key is there, though its models are still unknown', async () => {
    const gone = await startProvider()
    await gone.close()
    const keyed = provider('own', `dialect: openai\nbase-url: ${gone.url}\ndiscover: models\nkey: env:OWN_API`, []).replace('deployments:\n', 'deployments: []\n')
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/own.yaml': keyed }), { environment: { OWN_API: 'k' } })
    expect((await readiness(gateway)).rehearsal).toBe(false)
  })

  it('comes down to a model that its server has to fetch, when nobody else is left, and says how', async () => {
    const cloud = await inHand()
    const house = await ollamaServer()
    providers.push(house)
    const gateway = await serve(folderOf({
      ...REHEARSAL, 'catalog/real.yaml': real(cloud.url), 'rules/order.policy.yaml': policy('order', rule('real-first', 'prefer: [{ provider: real }]')),
      'catalog/house.yaml': provider('house', `dialect: ollama\nbase-url: ${house.url}\ndiscover: models\nprocessed-in: [FR]\nhosting: local`, ['{ deployment: house-one, model: house/one, upstream-model: one, pull: yes }']),
    }))
    expect(await unfit(gateway)).toMatchObject({ 'real-one': '', 'house-one': 'not-held' })
    expect((await chat(gateway)).headers.get('x-bailiwick-deployment')).toBe('real-one')
    expect(house.pulled).toEqual([])
    await cloud.close()
    const isOpen = (): boolean => gateway.log().some(line => line.event === 'breaker' && line['deployment'] === 'real-one' && line['to'] === 'open')
    while (!isOpen()) expect((await chat(gateway)).status).toBeGreaterThanOrEqual(500)
    await gateway.logged(line => line.event === 'pool-rebuilt' && line['cause'] === 'discovery')
    const answer = await chat(gateway)
    expect(answer.headers.get('x-bailiwick-deployment')).toBe('house-one')
    expect(house.pulled).toEqual(['one'])
    expect(gateway.log().filter(line => line.event === 'pull').map(line => line['status'])).toEqual(['begun', 'success'])
    await gateway.logged(line => line.event === 'warm-up' && line['deployment'] === 'house-one' && line['outcome'] === 'ok')
  })

  const local = (url: string, discovery = ''): string =>
    provider('house', `dialect: ollama\nbase-url: ${url}\n${discovery}processed-in: [FR]\nhosting: local`, ['{ deployment: house-one, model: house/one, upstream-model: one }'])

  it.each([{ remote_host: 'https://elsewhere.example' }, { remote_model: 'large' }])('sends no prompt to a local server that passes it on, though nobody discovers models there: %j', async sign => {
    const house = await ollamaServer({ 'one:latest': sign })
    providers.push(house)
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/house.yaml': local(house.url) }))
    expect(await unfit(gateway)).toMatchObject({ 'house-one': 'not-local' })
    expect((await chat(gateway)).status).toBe(503)
    expect(house.prompts()).toBe(0)
  })

  it.each(['', 'discover: models\n'])('is ready before a local server is, sends it nothing until it has said what it holds, and then does (%j)', async discovery => {
    const house = await ollamaServer({ 'one:latest': {} })
    providers.push(house)
    house.isStarting = true
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/house.yaml': local(house.url, discovery) }))
    expect((await readiness(gateway)).rehearsal).toBe(false)
    expect(await unfit(gateway)).toMatchObject({ 'house-one': 'not-answered' })
    expect([(await chat(gateway)).status, house.prompts()]).toEqual([503, 0])
    house.isStarting = false
    await gateway.logged(line => line.event === 'pool-rebuilt' && line['cause'] === 'discovery')
    expect((await chat(gateway)).headers.get('x-bailiwick-deployment')).toBe('house-one')
  })

  it.each([false, true])('gives nothing of an answer that a local server had from elsewhere, and asks it no more (stream %s)', async stream => {
    const house = await ollamaServer({ 'one:latest': {} })
    providers.push(house)
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/house.yaml': local(house.url, 'discover: models\n') }))
    expect((await chat(gateway, { stream })).status).toBe(200)
    house.held.set('one:latest', { remote_host: 'https://elsewhere.example', remote_model: 'large' })
    const answer = await chat(gateway, { stream })
    expect(answer.status).toBeGreaterThanOrEqual(500)
    expect(await answer.text()).not.toMatch(/ready|elsewhere\.example/)
    expect(await gateway.logged(line => line.event === 'quarantine')).toMatchObject({ deployment: 'house-one', reason: 'compliance-mismatch' })
    const prompts = house.prompts()
    expect([(await chat(gateway, { stream })).status, house.prompts()]).toEqual([503, prompts])
  })

  it('finds and loses models while it runs', async () => {
    const { url, models } = await inHand(['one'])
    const folder = folderOf({ ...REHEARSAL, 'catalog/own.yaml': discovering(url) })
    const gateway = await serve(folder)
    models.splice(0, 1, 'two')
    // A change of policies asks the servers anew.
    appendFileSync(join(folder, 'catalog/own.yaml'), '\n# asked again\n')
    await gateway.logged(line => line.event === 'pool-rebuilt' && line['cause'] === 'discovery')
    expect(Object.keys(await unfit(gateway))).toContain('own:two')
    expect(Object.keys(await unfit(gateway))).not.toContain('own:one')
    expect((await pool(gateway)).events.map(e => e.cause)).toEqual(['policies changed', 'discovery'])
    expect((await chat(gateway, { model: 'own/one' })).status).toBe(404)
    expect((await chat(gateway, { model: 'own/two' })).status).toBe(200)
  })
})
