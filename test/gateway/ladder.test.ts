import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createLadder } from '../../src/gateway/ladder.ts'
import { createConnections } from '../../src/runtime/node-connections.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'
import { line, ollamaServer, type OllamaServer } from './ollama-server.ts'
import { host, running, type Running } from './running.ts'

const WITHIN_MS = 5_000
const closing: (() => Promise<void>)[] = []
afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

async function server(...given: Parameters<typeof ollamaServer>): Promise<OllamaServer> {
  const started = await ollamaServer(...given)
  closing.push(started.close)
  return started
}

const CLOUD = provider('cloud', 'dialect: openai\nbase-url: http://127.0.0.1:9/v1\nprocessed-in: [US]\nhosting: cloud', ['{ deployment: high, model: lab/large }'])
const house = (url: string, deployments: readonly string[], name = 'house'): string =>
  provider(name, `dialect: ollama\nbase-url: ${url}\ndiscover: models\nprocessed-in: [FR]\nhosting: local`, deployments)
const OWN = '{ deployment: own, model: own/qwen3, upstream-model: qwen3, pull: yes }'
const DESK = { 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [personal]') }
const forbidden = (match: string): string => policy('away', rule('gone', `forbid: { ${match} }`))

type World = Running & {
  /** One look, the discovery that it may ask for, and everything that was begun. True when it asked. */
  tick(): Promise<boolean>
  /** One look alone. */
  readonly look: () => boolean
  /** Asks the servers and puts in force what they answer. */
  discover(): Promise<void>
  swap(files: Readonly<Record<string, string>>): Promise<void>
  readonly end: AbortController
}

async function world(files: Readonly<Record<string, string>>): Promise<World> {
  const at = host()
  const connections = createConnections(at.ports)
  let bundle = await bundleOf({ ...DESK, ...files })
  await connections.ask(bundle, WITHIN_MS)
  const started = running(at, await connections.wire(bundle), connections.connected)
  closing.push(started.close, connections.close)
  const end = new AbortController()
  const look = createLadder(started.gateway, end.signal)
  const discover = async (): Promise<void> => {
    if (await connections.ask(bundle, WITHIN_MS)) started.gateway.epochs.swap(await connections.wire(bundle), 'discovery')
  }
  return {
    ...started, look, discover, end,
    async tick() {
      const isAsking = look()
      await started.settled()
      if (isAsking) await discover()
      return isAsking
    },
    async swap(next) {
      bundle = await bundleOf({ ...DESK, ...next })
      started.gateway.epochs.swap(await connections.wire(bundle), 'policies changed')
    },
  }
}

const available = ({ gateway }: World): readonly string[] => gateway.epochs.profiles()[0]!.available
const alarm = ({ gateway }: World): string | undefined => gateway.alarms().find(a => a.name === 'coverage')?.message
const pullsTold = ({ gateway }: World): readonly object[] => gateway.events.since(0).filter(e => e.kind === 'pull').map(e => e.what)

describe('the ladder down', () => {
  it('does nothing while somebody who may answers, and comes down to a model that it has fetched when nobody is left', async () => {
    const own = await server()
    const w = await world({ 'catalog/cloud.yaml': CLOUD, 'catalog/house.yaml': house(own.url, [OWN]) })
    expect(w.gateway.epochs.unavailable(w.gateway.epochs.current().bundle.catalog.byName.get('own')!)).toBe('not-held')
    expect(await w.tick()).toBe(false)
    expect([available(w), own.pulled, alarm(w)]).toEqual([['high'], [], undefined])

    w.breakers.set('high', 'open')
    expect(alarm(w)).toBeUndefined()
    await w.tick()
    expect(own.pulled).toEqual(['qwen3'])
    expect(alarm(w)).toBe('No permitted deployment can be reached for desk with personal (chat, completion); desk with data unknown (chat, completion).')
    await w.tick()
    expect(available(w)).toEqual(['own'])
    expect(w.gateway.epochs.events().at(-1)).toMatchObject({ cause: 'discovery', profiles: [{ app: 'desk', added: ['own'], promoted: 'own', left: 1 }, {}] })
    await w.tick()
    expect(alarm(w)).toBeUndefined()
    expect(pullsTold(w).map(told => ({ ...told }))).toEqual([
      { deployment: 'own', model: 'own/qwen3', provider: 'house', status: 'begun' }, { deployment: 'own', model: 'own/qwen3', provider: 'house', status: 'success' },
    ])
    w.clock.advance(3_600_000)
    await w.tick()
    expect(own.pulled).toHaveLength(1)
  })

  it('asks the servers at once, then every five seconds until somebody is there', async () => {
    const own = await server()
    const w = await world({ 'catalog/cloud.yaml': CLOUD, 'catalog/house.yaml': house(own.url, ['{ deployment: own, model: own/qwen3, upstream-model: qwen3 }']) })
    await w.tick()
    w.breakers.set('high', 'open')
    expect([await w.tick(), await w.tick()]).toEqual([true, false])
    w.clock.advance(4_999)
    expect(await w.tick()).toBe(false)
    w.clock.advance(1)
    own.held.set('qwen3:latest', {})
    expect(await w.tick()).toBe(true)
    expect(available(w)).toEqual(['own'])
    await w.tick()
    w.clock.advance(60_000)
    expect(await w.tick()).toBe(false)
  })

  it.each([['with discovery', 'discover: models\n'], ['without', '']])('does the same for a server that has not answered yet, %s, and fetches nothing from it', async (_, discovery) => {
    const own = await server({ 'qwen3:latest': {} })
    own.isStarting = true
    const deployment = discovery === '' ? '{ deployment: own, model: own/qwen3, upstream-model: qwen3 }' : OWN
    const w = await world({ 'catalog/cloud.yaml': CLOUD, 'catalog/house.yaml': house(own.url, [deployment]).replace('discover: models\n', discovery) })
    expect(w.gateway.epochs.unavailable(w.gateway.epochs.current().bundle.catalog.byName.get('own')!)).toBe('not-answered')
    expect([await w.tick(), available(w)]).toEqual([false, ['high']])
    w.breakers.set('high', 'open')
    expect([await w.tick(), await w.tick()]).toEqual([true, false])
    expect(alarm(w)).toContain('desk with personal (chat, completion)')
    w.clock.advance(4_999)
    expect(await w.tick()).toBe(false)
    own.isStarting = false
    w.clock.advance(1)
    expect([await w.tick(), available(w), own.pulled]).toEqual([true, ['own'], []])
    await w.tick()
    expect(alarm(w)).toBeUndefined()
  })

  it.each([
    ['pull is not written', '{ deployment: own, model: own/qwen3, upstream-model: qwen3 }', undefined, []],
    ['the law forbids the model', OWN, forbidden('model: own/qwen3'), []],
    ['the law permits it', OWN, forbidden('model: lab/other'), ['qwen3']],
  ])('fetches only what it may: %s', async (_, deployment, law, pulled) => {
    const own = await server()
    const other = '{ deployment: other, model: lab/other, upstream-model: lab-other }'
    const w = await world({ 'catalog/cloud.yaml': CLOUD, 'catalog/house.yaml': house(own.url, [deployment, other]), ...(law !== undefined && { 'rules/away.policy.yaml': law }) })
    w.breakers.set('high', 'open')
    await w.tick()
    expect(own.pulled).toEqual(pulled)
  })

  it('does not fetch what is set aside as a mismatch, nor what runs in the cloud of Ollama', async () => {
    const own = await server({ 'alias:1b': { remote_host: 'https://elsewhere.example' } })
    const w = await world({
      'catalog/cloud.yaml': CLOUD,
      'catalog/house.yaml': house(own.url, [OWN, '{ deployment: alias, model: own/alias, upstream-model: "alias:1b", pull: yes }', '{ deployment: theirs, model: own/theirs, upstream-model: "theirs:1b-cloud", pull: yes }']),
    })
    w.gateway.quarantine.set('own', 'compliance-mismatch', 'it is elsewhere')
    w.breakers.set('high', 'open')
    await w.tick()
    expect(own.pulled).toEqual([])
    const { catalog } = w.gateway.epochs.current().bundle
    expect(['alias', 'theirs'].map(name => w.gateway.epochs.unavailable(catalog.byName.get(name)!))).toEqual(['not-local', 'not-local'])
  })

  it('tries a fetch that failed again after ten minutes and not before', async () => {
    const own = await server({}, response => void response.end('{"error":"raw text: no space"}\n'))
    const w = await world({ 'catalog/house.yaml': house(own.url, [OWN]) })
    await w.tick()
    w.clock.advance(599_999)
    await w.tick()
    expect(own.pulled).toHaveLength(1)
    expect(pullsTold(w).at(-1)).toMatchObject({ deployment: 'own', status: 'failed', code: 'upstream_error' })
    expect(JSON.stringify([w.logged, w.gateway.events.since(0)])).not.toContain('raw text')
    w.clock.advance(1)
    await w.tick()
    expect(own.pulled).toHaveLength(2)
  })

  it('fetches one model at a time at a provider, in the order of preference, and no more than are needed', async () => {
    const began: { response: ServerResponse; model: string }[] = []
    let arrived = Promise.withResolvers<void>()
    const fetching = (response: ServerResponse, model: string): void => {
      began.push({ response, model })
      arrived.resolve()
    }
    const [one, two] = [await server({}, fetching), await server({}, fetching)]
    const listing = (prefix: string): string[] => ['a', 'b'].map(n => `{ deployment: ${prefix}-${n}, model: ${prefix}/${n}, upstream-model: "${prefix}:${n}", pull: yes }`)
    const w = await world({
      'catalog/one.yaml': house(one.url, listing('one'), 'one'), 'catalog/two.yaml': house(two.url, listing('two'), 'two'),
      'rules/order.policy.yaml': policy('order', rule('b-first', 'prefer: [{ model: one/b }]')),
    })
    w.look()
    while (began.length < 2) {
      await arrived.promise
      arrived = Promise.withResolvers()
    }
    w.look()
    expect(began.map(b => b.model).sort()).toEqual(['one:b', 'two:a'])
    one.held.set('one:b', {})
    for (const { response } of began) response.end('{"status":"success"}\n')
    await w.settled()
    // Fetched, and not yet known to be held: nothing else is begun.
    w.look()
    await w.discover()
    w.look()
    await w.settled()
    expect(began).toHaveLength(2)
    expect(available(w)).toEqual(['one-b'])
  })

  it('says how far it is every two seconds at most', async () => {
    const began = Promise.withResolvers<ServerResponse>()
    const own = await server({}, began.resolve)
    const w = await world({ 'catalog/house.yaml': house(own.url, [OWN]) })
    w.look()
    const response = await began.promise
    const heard = (): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const forget = w.gateway.events.subscribe(() => {
        forget()
        resolve()
      })
      return promise
    }
    for (let part = 0; part < 50; part += 1) line(response, { status: 'pulling aabb', digest: 'sha256:aabb', total: 100, completed: part })
    const first = heard()
    w.clock.advance(2_000)
    line(response, { status: 'pulling aabb', digest: 'sha256:aabb', total: 100, completed: 90 })
    await first
    own.held.set('qwen3', {})
    response.end('{"status":"success"}\n')
    await w.settled()
    const told = pullsTold(w) as { status: string; completed?: number }[]
    expect(told.map(t => t.status)).toEqual(['begun', 'fetching', 'success'])
    expect(told.at(-1)).toMatchObject({ completed: 90, total: 100 })
    expect(w.logged.filter(l => l.event === 'pull')).toHaveLength(told.length)
  })

  it('stops fetching what nobody may use any more, and everything when it is told to end', async () => {
    const began: (() => void)[] = []
    let arrived = Promise.withResolvers<void>()
    const own = await server({}, () => {
      began.push(() => undefined)
      arrived.resolve()
    })
    const files = { 'catalog/cloud.yaml': CLOUD, 'catalog/house.yaml': house(own.url, [OWN]) }
    const w = await world(files)
    w.breakers.set('high', 'open')
    w.look()
    await arrived.promise
    await w.swap({ ...files, 'rules/away.policy.yaml': forbidden('model: own/qwen3') })
    w.look()
    await w.settled()
    expect(pullsTold(w).at(-1)).toMatchObject({ status: 'failed', code: 'cancelled' })

    arrived = Promise.withResolvers()
    await w.swap(files)
    w.clock.advance(600_000)
    w.look()
    await arrived.promise
    w.end.abort()
    await w.settled()
    w.clock.advance(600_000)
    expect(w.look()).toBe(false)
    await w.settled()
    expect(began).toHaveLength(2)
  })

  it('leaves alone what the law leaves with nothing, and what was never connected', async () => {
    const own = await server()
    const w = await world({ 'catalog/house.yaml': house(own.url, [OWN]), 'rules/none.policy.yaml': policy('none', rule('nobody', 'forbid: all')) })
    expect(await w.tick()).toBe(false)
    expect([own.pulled, alarm(w)]).toEqual([[], undefined])
    const facts = await world({ 'catalog/facts.yaml': provider('facts', '', ['{ deployment: facts-only, model: facts/one }']) })
    expect(await facts.tick()).toBe(false)
    expect(alarm(facts)).toBeUndefined()
  })

  it('counts each operation for itself: vectors that can be had do not answer a question', async () => {
    const own = await server({ 'embed:latest': {} })
    const w = await world({ 'catalog/house.yaml': house(own.url, [OWN, '{ deployment: vectors, model: own/embed, upstream-model: embed, operations: [embedding] }']) })
    expect(available(w)).toEqual(['vectors'])
    await w.tick()
    expect(own.pulled).toEqual(['qwen3'])
    expect(alarm(w)).toContain('desk with personal (chat, completion)')
  })
})
