import { afterEach, describe, expect, it } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Deployment } from '../../src/catalog/catalog.ts'
import { createConnections, type Connections } from '../../src/runtime/node-connections.ts'
import { ollamaServer, type OllamaServer } from '../gateway/ollama-server.ts'
import { host } from '../gateway/running.ts'
import { listen } from '../provider/support.ts'
import { app, bundleOf, provider } from '../support/tree.ts'
import { startProvider } from './provider-in-hand.ts'

const WITHIN_MS = 5_000
const closing: (() => Promise<void>)[] = []
afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

async function server(held: Readonly<Record<string, object>> = {}): Promise<OllamaServer> {
  const started = await ollamaServer(held)
  closing.push(started.close)
  return started
}

const listing = (url: string, deployments: readonly string[], { dialect = 'ollama', hosting = 'local', discover = 'discover: models' } = {}): Promise<Bundle> =>
  bundleOf({ 'apps/desk.yaml': app('desk'), 'catalog/house.yaml': provider('house', `dialect: ${dialect}\nbase-url: ${url}\n${discover}\nprocessed-in: [FR]\nhosting: ${hosting}`, deployments) })
const named = (upstream: string): string => `{ deployment: one, model: own/one, upstream-model: "${upstream}" }`

type Connected = { readonly connections: Connections; readonly bundle: Bundle; readonly logged: readonly object[] }

async function connected(bundle: Bundle): Promise<Connected> {
  const { ports, close, logged } = host()
  const connections = createConnections(ports)
  closing.push(close, connections.close)
  await connections.ask(bundle, WITHIN_MS)
  return { connections, bundle: await connections.wire(bundle), logged }
}
const one = ({ catalog }: Bundle): Deployment => catalog.byName.get('one')!
const gapAt = async (server: OllamaServer, upstream: string): Promise<string | undefined> => {
  const { connections, bundle } = await connected(await listing(server.url, [named(upstream)]))
  return connections.connected(one(bundle))
}

describe('what a server says of a listed model', () => {
  it.each([
    ['qwen3', undefined], ['qwen3:latest', undefined], ['Qwen3', undefined], ['library/qwen3', undefined], ['registry.ollama.ai/library/qwen3:latest', undefined],
    ['team/llama:8b', undefined], ['qwen3:8b', 'not-held'], ['team/qwen3', 'not-held'], ['llama:8b', 'not-held'], ['qwen', 'not-held'],
  ])('Ollama, which holds qwen3:latest and team/llama:8b: %s is %s', async (upstream, gap) => {
    expect(await gapAt(await server({ 'qwen3:latest': {}, 'team/llama:8b': {} }), upstream)).toBe(gap)
  })

  it('is exact where the server speaks the other dialect', async () => {
    const house = await startProvider(['qwen3:latest'])
    closing.push(house.close)
    for (const [upstream, gap] of [['qwen3:latest', undefined], ['qwen3', 'not-held']] as const) {
      const { connections, bundle } = await connected(await listing(house.url, [named(upstream)], { dialect: 'openai' }))
      expect(connections.connected(one(bundle))).toBe(gap)
    }
  })

  it('is nothing where its list is longer than it is read', async () => {
    for (const [count, gap] of [[1_000, 'not-held'], [1_001, undefined]] as const) {
      const house = await startProvider(Array.from({ length: count }, (_, i) => `m${i}`))
      closing.push(house.close)
      const { connections, bundle } = await connected(await listing(house.url, [named('qwen3')], { dialect: 'openai' }))
      expect(connections.connected(one(bundle))).toBe(gap)
    }
  })

  it('does not list a model a second time under its other spelling', async () => {
    const { url } = await server({ 'qwen3:latest': {}, 'other:1b': {} })
    const { bundle } = await connected(await listing(url, [named('qwen3')]))
    expect(bundle.catalog.deployments.map(d => d.name)).toEqual(['one', 'house:other:1b'])
  })

  it('stays as it was when it answers no more', async () => {
    const house = await server({ 'other:1b': {} })
    const bundle = await listing(house.url, [named('qwen3')])
    const { connections, bundle: wired } = await connected(bundle)
    expect(connections.connected(one(wired))).toBe('not-held')
    await house.close()
    expect(await connections.ask(bundle, WITHIN_MS)).toBe(false)
    const later = await connections.wire(bundle)
    expect([connections.connected(one(later)), later.catalog.byName.has('house:other:1b')]).toEqual(['not-held', true])
  })

  it.each([
    ['ollama', 'local', 'not-answered'], ['ollama', 'sovereign', undefined], ['ollama', 'unknown', undefined], ['openai', 'local', undefined],
  ])('is nothing while it has never answered, and then an Ollama server is not taken to be local: %s and %s is %s', async (dialect, hosting, gap) => {
    const house = await server({ 'qwen3:latest': {} })
    await house.close()
    for (const discover of ['discover: models', '']) {
      const { connections, bundle, logged } = await connected(await listing(house.url, [named('qwen3')], { dialect, hosting, discover }))
      expect(connections.connected(one(bundle))).toBe(gap)
      expect(logged.length > 0).toBe(discover !== '' || gap !== undefined)
      for (const line of logged) expect(line).toEqual({ level: 'info', event: 'discovery', provider: 'house', outcome: 'unreachable' })
    }
  })

  it('is heard of each server that stands for a local deployment, also at an address of its own', async () => {
    const [house, other] = [await server(), await server({ 'qwen3:latest': {} })]
    const files = (at: string): Promise<Bundle> => listing(house.url, [`{ deployment: one, model: own/one, upstream-model: qwen3, base-url: "${at}" }`], { discover: '' })
    const bundle = await files(other.url)
    const { connections, bundle: wired } = await connected(bundle)
    expect([connections.connected(one(wired)), house.asked(), other.asked()]).toEqual([undefined, 0, 1])
    // At another address it is another server, of which nothing is known.
    const moved = await connections.wire(await files(house.url))
    expect([connections.connected(one(moved)), connections.connected(one(wired))]).toEqual(['not-answered', undefined])
  })

  it('is the word of one server and of one dialect', async () => {
    const house = await startProvider(['qwen3:latest'])
    closing.push(house.close)
    const { connections, bundle } = await connected(await listing(house.url, [named('qwen3:latest')], { dialect: 'openai' }))
    expect(connections.connected(one(bundle))).toBeUndefined()
    expect(connections.connected(one(await connections.wire(await listing(house.url, [named('qwen3:latest')]))))).toBe('not-answered')
  })

  it('is nothing of a model beyond the end of its list', async () => {
    const house = await server(Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`m${i}:1b`, {}])))
    for (const [upstream, gap] of [['m0:1b', undefined], ['m1000:1b', 'not-answered']] as const) expect(await gapAt(house, upstream)).toBe(gap)
  })

  it('is news when a server answers for the first time, even with nothing, and when a model comes or goes', async () => {
    const house = await server()
    const bundle = await listing(house.url, [named('qwen3')])
    const { ports, close } = host()
    const connections = createConnections(ports)
    closing.push(close, connections.close)
    const gapNow = async (): Promise<string | undefined> => connections.connected(one(await connections.wire(bundle)))
    expect(await gapNow()).toBe('not-answered')
    expect([await connections.ask(bundle, WITHIN_MS), await connections.ask(bundle, WITHIN_MS), await gapNow()]).toEqual([true, false, 'not-held'])
    house.held.set('qwen3:latest', {})
    expect([await connections.ask(bundle, WITHIN_MS), await gapNow()]).toEqual([true, undefined])
    house.held.delete('qwen3:latest')
    expect([await connections.ask(bundle, WITHIN_MS), await gapNow()]).toEqual([true, 'not-held'])
  })

  it('acts with the bundle that is wired next, and on nothing of the bundle before', async () => {
    const house = await server()
    const bundle = await listing(house.url, [named('qwen3')])
    const { connections, bundle: wired } = await connected(bundle)
    house.held.set('qwen3:latest', {})
    expect([await connections.ask(bundle, WITHIN_MS), connections.connected(one(wired)), connections.connected(one(bundle))]).toEqual([true, 'not-held', 'not-held'])
    const next = await connections.wire(bundle)
    expect([connections.connected(one(next)), connections.connected(one(wired)), connections.connected(one(bundle))]).toEqual([undefined, 'not-held', undefined])
  })

  it('does not act while another server is still being asked, though it has answered', async () => {
    const stuck = Promise.withResolvers<void>(), release = Promise.withResolvers<void>()
    const slow = await listen((_, response) => {
      stuck.resolve()
      void release.promise.then(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{"models":[]}'))
    })
    const house = await server({ 'qwen3:latest': {} })
    closing.push(slow.close)
    const bundle = await bundleOf({
      'apps/desk.yaml': app('desk'), 'catalog/slow.yaml': provider('slow', `dialect: ollama\nbase-url: ${slow.url}\ndiscover: models\nhosting: local`, ['{ deployment: two, model: own/two }']),
      'catalog/house.yaml': provider('house', `dialect: ollama\nbase-url: ${house.url}\ndiscover: models\nhosting: local`, [named('qwen3')]),
    })
    const { ports, close } = host()
    const connections = createConnections(ports)
    closing.push(close, connections.close)
    const wired = await connections.wire(bundle)
    const asking = connections.ask(bundle, WITHIN_MS)
    await stuck.promise
    while (house.requests.length < 2) await new Promise(resolve => setImmediate(resolve))
    expect(connections.connected(one(wired))).toBe('not-answered')
    release.resolve()
    expect([await asking, connections.connected(one(wired)), connections.connected(one(await connections.wire(bundle)))]).toEqual([true, 'not-answered', undefined])
  })

  it('adds nothing to the catalog where that does not say discover, and counts for what is listed', async () => {
    const house = await server({ 'other:1b': {} })
    for (const [upstream, gap] of [['qwen3', 'not-held'], ['other:1b', undefined]] as const) {
      const { connections, bundle } = await connected(await listing(house.url, [named(upstream)], { discover: '' }))
      expect([connections.connected(one(bundle)), bundle.catalog.deployments.map(d => d.name)]).toEqual([gap, ['one']])
    }
  })

  it('is not asked for, and does not count, where the catalog says neither discover nor local', async () => {
    const house = await server({ 'other:1b': {} })
    const { connections, bundle } = await connected(await listing(house.url, [named('qwen3')], { hosting: 'unknown' }))
    expect(connections.connected(one(bundle))).toBe('not-held')
    const plain = await listing(house.url, [named('qwen3')], { hosting: 'unknown', discover: '' })
    const wired = await connections.wire(plain)
    // An answer to a question of before must not count either.
    await connections.ask(bundle, WITHIN_MS)
    expect(connections.connected(one(wired))).toBeUndefined()
    expect(connections.connected(one(await connections.wire(plain)))).toBeUndefined()
    const asked = house.asked()
    await connections.ask(plain, WITHIN_MS)
    expect(house.asked()).toBe(asked)
  })
})

describe('a cloud model under a local address is never used', () => {
  it('when its name says so, whether its server answers or not', async () => {
    const house = await server({ 'gpt-oss:120b-cloud': {}, 'gpt-oss:20b': {} })
    expect(await gapAt(house, 'gpt-oss:120b-cloud')).toBe('not-local')
    expect(await gapAt(house, 'GPT-OSS:120b-Cloud')).toBe('not-local')
    expect(await gapAt(house, 'gpt-oss:20b')).toBeUndefined()
    await house.close()
    expect(await gapAt(house, 'glm-4.6:cloud')).toBe('not-local')
    expect(await gapAt(house, 'gpt-oss:20b')).toBe('not-answered')
  })

  it('when its server says that it passes it on, and says so in the log', async () => {
    const house = await server({ 'alias:latest': { remote_host: 'https://elsewhere.example' } })
    for (const discover of ['discover: models', '']) {
      const { connections, bundle, logged } = await connected(await listing(house.url, [named('alias')], { discover }))
      expect(connections.connected(one(bundle))).toBe('not-local')
      expect(logged).toContainEqual(expect.objectContaining({ level: 'warn', event: 'not-local', deployment: 'one' }))
    }
  })

  it('when it becomes one under a running gateway', async () => {
    const house = await server({ 'alias:latest': {} })
    const bundle = await listing(house.url, [named('alias')])
    const { connections, bundle: wired } = await connected(bundle)
    expect(connections.connected(one(wired))).toBeUndefined()
    house.held.set('alias:latest', { remote_model: 'big' })
    await connections.ask(bundle, WITHIN_MS)
    expect(connections.connected(one(await connections.wire(bundle)))).toBe('not-local')
  })

  it('unless the catalog says that it is a cloud', async () => {
    const house = await server({ 'gpt-oss:120b-cloud': {}, 'alias:latest': { remote_host: 'https://elsewhere.example' } })
    for (const [hosting, gap] of [['cloud', undefined], ['sovereign', 'not-local'], ['unknown', 'not-local']] as const) {
      for (const upstream of ['gpt-oss:120b-cloud', 'alias']) {
        const { connections, bundle } = await connected(await listing(house.url, [named(upstream)], { hosting }))
        expect([hosting, connections.connected(one(bundle))]).toEqual([hosting, gap])
      }
    }
  })

  it('also where Ollama is reached in the dialect of OpenAI, and a vendor may name its models as it likes', async () => {
    const house = await startProvider(['gpt-oss:120b-cloud'])
    closing.push(house.close)
    for (const [hosting, gap] of [['local', 'not-local'], ['cloud', undefined], ['unknown', undefined]] as const) {
      const { connections, bundle } = await connected(await listing(house.url, [named('gpt-oss:120b-cloud')], { dialect: 'openai', hosting }))
      expect([hosting, connections.connected(one(bundle))]).toEqual([hosting, gap])
      expect(bundle.catalog.deployments.map(d => d.name)).toEqual(['one'])
    }
  })
})
