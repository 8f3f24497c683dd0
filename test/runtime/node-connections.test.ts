import { afterEach, describe, expect, it } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Deployment } from '../../src/catalog/catalog.ts'
import { createConnections, type Connections } from '../../src/runtime/node-connections.ts'
import { ollamaServer, type OllamaServer } from '../gateway/ollama-server.ts'
import { host } from '../gateway/running.ts'
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

  it('is nothing while it has never answered, and stays as it was when it answers no more', async () => {
    const house = await server({ 'other:1b': {} })
    const bundle = await listing(house.url, [named('qwen3')])
    const { connections, bundle: wired } = await connected(bundle)
    expect(connections.connected(one(wired))).toBe('not-held')
    await house.close()
    expect(await connections.ask(bundle, WITHIN_MS)).toBe(false)
    expect(connections.connected(one(wired))).toBe('not-held')
    expect((await connections.wire(bundle)).catalog.byName.has('house:other:1b')).toBe(true)

    const { connections: later, bundle: unheard, logged } = await connected(bundle)
    expect(later.connected(one(unheard))).toBeUndefined()
    expect(logged).toContainEqual({ level: 'info', event: 'discovery', provider: 'house', outcome: 'unreachable' })
  })

  it('is news when a server answers for the first time, even with nothing, and when a model comes or goes', async () => {
    const house = await server()
    const bundle = await listing(house.url, [named('qwen3')])
    const { ports, close } = host()
    const connections = createConnections(ports)
    closing.push(close, connections.close)
    const wired = await connections.wire(bundle)
    expect([await connections.ask(bundle, WITHIN_MS), await connections.ask(bundle, WITHIN_MS)]).toEqual([true, false])
    house.held.set('qwen3:latest', {})
    expect([await connections.ask(bundle, WITHIN_MS), connections.connected(one(wired))]).toEqual([true, undefined])
    house.held.delete('qwen3:latest')
    expect([await connections.ask(bundle, WITHIN_MS), connections.connected(one(wired))]).toEqual([true, 'not-held'])
  })

  it('is not asked about, and does not count, where the catalog does not say discover', async () => {
    const house = await server({ 'other:1b': {} })
    const { connections, bundle } = await connected(await listing(house.url, [named('qwen3')]))
    expect(connections.connected(one(bundle))).toBe('not-held')
    const plain = await connections.wire(await listing(house.url, [named('qwen3')], { discover: '' }))
    // An answer to a question of before must not count either.
    await connections.ask(bundle, WITHIN_MS)
    expect(connections.connected(one(plain))).toBeUndefined()
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
    expect(await gapAt(house, 'gpt-oss:20b')).toBeUndefined()
  })

  it('when its server says that it passes it on, and says so in the log', async () => {
    const house = await server({ 'alias:latest': { remote_host: 'https://elsewhere.example' } })
    const { connections, bundle, logged } = await connected(await listing(house.url, [named('alias')]))
    expect(connections.connected(one(bundle))).toBe('not-local')
    expect(logged).toContainEqual(expect.objectContaining({ level: 'warn', event: 'not-local', deployment: 'one' }))
  })

  it('when it becomes one under a running gateway', async () => {
    const house = await server({ 'alias:latest': {} })
    const bundle = await listing(house.url, [named('alias')])
    const { connections, bundle: wired } = await connected(bundle)
    expect(connections.connected(one(wired))).toBeUndefined()
    house.held.set('alias:latest', { remote_model: 'big' })
    await connections.ask(bundle, WITHIN_MS)
    expect(connections.connected(one(wired))).toBe('not-local')
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
