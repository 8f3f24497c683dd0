import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createUpkeep } from '../../src/gateway/upkeep.ts'
import { listen, type Listening } from '../provider/support.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'
import { host, running, type Running } from './running.ts'

const MINUTE_MS = 60_000
const never = new AbortController().signal
const closing: (() => Promise<void>)[] = []
afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

const event = (delta: object, finish: string | null = null): string => `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const lives = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.end(`${event({ content: 'ready' })}${event({}, 'stop')}data: [DONE]\n\n`)
}
const failsWith = (status: number, code = 'x') => (response: ServerResponse): void =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { code, message: 'raw text', type: 'x' } }))

async function server(answer: (response: ServerResponse) => void = lives): Promise<Listening> {
  const listening = await listen((_, response) => answer(response))
  closing.push(listening.close)
  return listening
}

const at = (url: string, hosting: 'local' | 'cloud' = 'cloud'): string => `dialect: openai\nbase-url: ${url}/v1\nprocessed-in: [FR]\nhosting: ${hosting}`
const PREFER_CLOUD = policy('order', rule('cloud-first', 'prefer: [{ hosting: cloud }]'))

async function world(files: Readonly<Record<string, string>>, connected?: Parameters<typeof running>[2]): Promise<Running & { readonly tick: () => Promise<void>; readonly look: () => void }> {
  const started = running(host(), await bundleOf({ 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: []'), ...files }), connected)
  closing.push(started.close)
  const look = createUpkeep(started.gateway, never)
  return {
    ...started, look,
    async tick() {
      look()
      await started.settled()
    },
  }
}

describe('upkeep', () => {
  it('asks for a sign of life where a breaker could close, once at a time, and nowhere else', async () => {
    const house = await server(), other = await server()
    const { breakers, tick, look, settled } = await world({
      'catalog/house.yaml': provider('house', at(house.url), ['{ deployment: one, model: house/one }']),
      'catalog/other.yaml': provider('other', at(other.url), ['{ deployment: two, model: other/two }']),
    })
    await tick()
    expect(house.requests).toHaveLength(0)
    breakers.set('one', 'open')
    await tick()
    expect(house.requests).toHaveLength(0)
    breakers.set('one', 'half-open')
    look()
    look()
    await settled()
    expect(house.requests).toHaveLength(1)
    expect(breakers.state('one')).toBe('closed')
    await tick()
    expect(house.requests).toHaveLength(1)
    expect(other.requests).toHaveLength(0)
    expect(JSON.parse(house.requests[0]!.body)).toMatchObject({ messages: [{ role: 'user', content: 'Answer with the word ready.' }] })
  })

  it('never contacts a deployment that no app may use, until the law lets one', async () => {
    const abroad = await server()
    const files = { 'catalog/abroad.yaml': provider('abroad', at(abroad.url), ['{ deployment: us, model: lab/large, processed-in: [US] }']) }
    const law = (country: string): Record<string, string> => ({ ...files, 'rules/home.policy.yaml': policy('home', rule('stays', `require: { processed-in: { only: [${country}] } }`)) })
    const { breakers, gateway, tick } = await world(law('FR'))
    breakers.set('us', 'half-open')
    await tick()
    gateway.quarantine.set('us', 'withdrawn', 'gone')
    await tick()
    expect(abroad.requests).toHaveLength(0)
    gateway.quarantine.release('us')
    gateway.epochs.swap(await bundleOf({ 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: []'), ...law('US') }), 'policies changed')
    await tick()
    expect(abroad.requests).toHaveLength(1)
    breakers.set('us', 'half-open')
    gateway.epochs.swap(await bundleOf({ 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: []'), ...law('FR') }), 'policies changed')
    await tick()
    expect(abroad.requests).toHaveLength(1)
  })

  it('ends with the law at its second, without anything else happening', async () => {
    const abroad = await server()
    const { breakers, clock, tick } = await world({
      'catalog/abroad.yaml': provider('abroad', at(abroad.url), ['{ deployment: us, model: lab/large }']),
      'rules/none.policy.yaml': policy('none', rule('nobody', 'forbid: all'), '{ from: 2026-11-20T12:00:10, timezone: UTC }'),
    })
    breakers.set('us', 'half-open')
    clock.set(Date.parse('2026-11-20T12:00:09.999Z'))
    await tick()
    expect(abroad.requests).toHaveLength(1)
    breakers.set('us', 'half-open')
    clock.set(Date.parse('2026-11-20T12:00:10Z'))
    await tick()
    expect(abroad.requests).toHaveLength(1)
  })

  it('never contacts one that is not connected, and one set aside as a mismatch only once a person has released it', async () => {
    const house = await server()
    let gap: string | undefined = 'not-local'
    const { breakers, gateway, clock, tick } = await world({ 'catalog/house.yaml': provider('house', at(house.url, 'local'), ['{ deployment: one, model: house/one }']) }, () => gap)
    breakers.set('one', 'half-open')
    await tick()
    gap = undefined
    gateway.quarantine.set('one', 'compliance-mismatch', 'it is elsewhere')
    clock.advance(60 * MINUTE_MS)
    await tick()
    expect(house.requests).toHaveLength(0)
    gateway.quarantine.release('one')
    await tick()
    expect(house.requests).toHaveLength(1)
  })

  it('asks a withdrawn one every ten minutes, and releases it when it lives again', async () => {
    let answer = failsWith(404, 'model_not_found')
    const house = await server(response => answer(response))
    const { gateway, clock, entries, tick } = await world({ 'catalog/house.yaml': provider('house', at(house.url), ['{ deployment: one, model: house/one }']) })
    gateway.quarantine.set('one', 'withdrawn', 'model_not_found')
    clock.advance(10 * MINUTE_MS - 1)
    await tick()
    expect(house.requests).toHaveLength(0)
    clock.advance(1)
    await tick()
    await tick()
    expect(house.requests).toHaveLength(1)
    expect(gateway.quarantine.of('one')?.reason).toBe('withdrawn')
    answer = lives
    clock.advance(10 * MINUTE_MS)
    await tick()
    expect(house.requests).toHaveLength(2)
    expect(gateway.quarantine.of('one')).toBeUndefined()
    expect(entries).toContainEqual(expect.objectContaining({ kind: 'quarantine', action: 'released', deployment: 'one' }))
  })

  it('asks a withdrawn one at once when its server holds it again, and does not wait longer for a clock set back', async () => {
    const house = await server()
    let gap: string | undefined = 'not-held'
    const { gateway, clock, tick } = await world({ 'catalog/house.yaml': provider('house', at(house.url), ['{ deployment: one, model: house/one }']) }, () => gap)
    gateway.quarantine.set('one', 'withdrawn', 'model_not_found')
    await tick()
    gap = undefined
    await tick()
    expect(house.requests).toHaveLength(1)
    gateway.quarantine.set('one', 'withdrawn', 'model_not_found')
    clock.set(Date.parse('2026-11-19T00:00:00Z'))
    await tick()
    expect(house.requests).toHaveLength(2)
  })

  it('does not release what was found to be a mismatch while it was asked', async () => {
    const held = Promise.withResolvers<ServerResponse>()
    const house = await server(held.resolve)
    const { gateway, clock, look, settled } = await world({ 'catalog/house.yaml': provider('house', at(house.url), ['{ deployment: one, model: house/one }']) })
    gateway.quarantine.set('one', 'withdrawn', 'model_not_found')
    clock.advance(10 * MINUTE_MS)
    look()
    const response = await held.promise
    gateway.quarantine.set('one', 'compliance-mismatch', 'it is elsewhere')
    lives(response)
    await settled()
    expect(gateway.quarantine.of('one')?.reason).toBe('compliance-mismatch')
  })

  it('asks four at once and no more, the others when there is room', async () => {
    const waiting: ServerResponse[] = []
    const arrived = Promise.withResolvers<void>()
    let isHolding = true
    const house = await server(response => {
      if (!isHolding) return lives(response)
      waiting.push(response)
      if (waiting.length === 4) arrived.resolve()
    })
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const { breakers, look, tick } = await world({ 'catalog/house.yaml': provider('house', at(house.url), names.map(n => `{ deployment: ${n}, model: house/${n} }`)) })
    for (const name of names) breakers.set(name, 'half-open')
    look()
    look()
    expect(breakers.begun).toEqual(['a', 'b', 'c', 'd'])
    await arrived.promise
    isHolding = false
    waiting.forEach(lives)
    await tick()
    await tick()
    expect(house.requests).toHaveLength(6)
    expect(names.map(name => breakers.state(name))).toEqual(names.map(() => 'closed'))
  })

  it('does not hammer a server whose answer says nothing about health', async () => {
    const house = await server(failsWith(403))
    const { breakers, gateway, clock, tick } = await world({ 'catalog/house.yaml': provider('house', at(house.url), ['{ deployment: one, model: house/one }']) })
    breakers.set('one', 'half-open')
    await tick()
    await tick()
    clock.advance(9_999)
    await tick()
    expect(house.requests).toHaveLength(1)
    expect(breakers.heard).toEqual([{ deployment: 'one', code: 'dropped' }])
    expect(gateway.alarms().map(a => a.name)).toContain('key:one')
    clock.advance(1)
    await tick()
    expect(house.requests).toHaveLength(2)
  })

  it('asks one that refused our key every minute, and puts it back when it takes it again', async () => {
    const answer = { with: failsWith(401) }
    const house = await server(response => answer.with(response))
    const { breakers, gateway, clock, tick } = await world({ 'catalog/house.yaml': provider('house', at(house.url), ['{ deployment: one, model: house/one }']) })
    breakers.set('one', 'half-open')
    await tick()
    breakers.set('one', 'closed')
    expect(gateway.quarantine.of('one')).toMatchObject({ reason: 'key-refused', detail: 'it answered 401' })
    clock.advance(59_999)
    await tick()
    expect(house.requests).toHaveLength(1)
    clock.advance(1)
    await tick()
    expect(house.requests).toHaveLength(2)
    expect(gateway.quarantine.of('one')).toBeDefined()
    answer.with = lives
    clock.advance(60_000)
    await tick()
    await tick()
    expect(gateway.quarantine.of('one')).toBeUndefined()
    expect(gateway.alarms()).toEqual([])
  })

  it('wakes up a local model that becomes the first choice, once, and no cloud', async () => {
    const cloud = await server(), local = await server()
    const { breakers, gateway, logged, tick } = await world({
      'catalog/cloud.yaml': provider('cloud', at(cloud.url), ['{ deployment: high, model: lab/large }', '{ deployment: higher, model: lab/larger }']),
      'catalog/local.yaml': provider('local', at(local.url, 'local'), ['{ deployment: own, model: own/small }']),
      'rules/order.policy.yaml': PREFER_CLOUD,
    })
    await tick()
    breakers.set('high', 'open')
    await tick()
    expect(local.requests).toHaveLength(0)
    breakers.set('higher', 'open')
    await tick()
    await tick()
    expect(local.requests).toHaveLength(1)
    expect(gateway.events.since(0).filter(e => e.kind === 'warm-up').map(e => e.what)).toEqual([{ deployment: 'own', outcome: 'ok', ms: 0 }])
    expect(logged.filter(line => line.event === 'warm-up')).toHaveLength(1)
    breakers.set('high', 'closed')
    await tick()
    expect([cloud.requests.length, local.requests.length]).toEqual([0, 1])
    breakers.set('high', 'open')
    await tick()
    expect(local.requests).toHaveLength(2)
  })

  it('does not wake up a model that is being woken up', async () => {
    const held = Promise.withResolvers<ServerResponse>()
    const local = await server(held.resolve)
    const { breakers, look, settled } = await world({
      'catalog/cloud.yaml': provider('cloud', at('http://127.0.0.1:9'), ['{ deployment: high, model: lab/large }']),
      'catalog/local.yaml': provider('local', at(local.url, 'local'), ['{ deployment: own, model: own/small }']),
      'rules/order.policy.yaml': PREFER_CLOUD,
    })
    for (const state of ['open', 'closed', 'open'] as const) {
      breakers.set('high', state)
      look()
    }
    expect(breakers.begun).toEqual(['own'])
    lives(await held.promise)
    await settled()
  })

  it('does not ask twice a local model that becomes the first choice by having answered', async () => {
    const local = await server()
    const { breakers, gateway, tick } = await world({ 'catalog/local.yaml': provider('local', at(local.url, 'local'), ['{ deployment: own, model: own/small }']) })
    breakers.set('own', 'open')
    await tick()
    breakers.set('own', 'half-open')
    await tick()
    await tick()
    expect(gateway.epochs.profiles()[0]?.available).toEqual(['own'])
    expect(local.requests).toHaveLength(1)
  })

  it('begins nothing once it is told to end, and ends what it began', async () => {
    const arrived = Promise.withResolvers<void>()
    const house = await server(() => arrived.resolve())
    const started = running(host(), await bundleOf({ 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: []'), 'catalog/house.yaml': provider('house', at(house.url), ['{ deployment: one, model: house/one }']) }))
    closing.push(started.close)
    const end = new AbortController()
    const look = createUpkeep(started.gateway, end.signal)
    started.breakers.set('one', 'half-open')
    look()
    await arrived.promise
    end.abort()
    await started.settled()
    expect(started.breakers.heard).toEqual([{ deployment: 'one', code: 'dropped' }])
    look()
    await started.settled()
    expect(house.requests).toHaveLength(1)
  })
})
