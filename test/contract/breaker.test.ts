/** The breaker's contract on both runtimes: the same cases, and the same requests to a server that keeps its breakers between them. */
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createAdaptorServer } from '@hono/node-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { breakerCases, REAL_RESET_MS } from './breaker.ts'
import served from './breaker-served.ts'

type Host = { ask(path: string): Promise<unknown>; stop(): Promise<void> }

async function onNode(): Promise<Host> {
  const server = createAdaptorServer({ fetch: request => served.fetch(request) })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  return {
    ask: async path => (await fetch(`http://127.0.0.1:${port}${path}`)).json(),
    stop: () => new Promise(resolve => { server.close(() => resolve()) }),
  }
}

async function inWorkerd(): Promise<Host> {
  // Nothing is asked of any network, and what it writes is neither in the project nor at home: it reads this as it is imported.
  const root = await mkdtemp(join(tmpdir(), 'breaker-contract-'))
  Object.assign(process.env, { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false', XDG_CONFIG_HOME: root, WRANGLER_LOG_PATH: join(root, 'log') })
  const { createTestHarness } = await import('wrangler')
  const main = fileURLToPath(new URL('breaker-served.ts', import.meta.url))
  const harness = createTestHarness({ root, workers: [{ config: { name: 'breaker-contract', main, compatibility_date: '2026-10-23', compatibility_flags: ['nodejs_compat'] } }] })
  await harness.listen()
  return {
    ask: async path => (await harness.fetch(path)).json(),
    async stop() {
      await harness.close()
      await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    },
  }
}

describe.each([['Node', onNode], ['workerd', inWorkerd]] as const)('the breaker on %s', (_name, open) => {
  let host: Host
  beforeAll(async () => { host = await open() }, 60_000)
  afterAll(() => host.stop())

  const state = (deployment: string): Promise<unknown> => host.ask(`/state?deployment=${deployment}`)
  const tried = (deployment: string, well: boolean): Promise<unknown> => host.ask(`/try?deployment=${deployment}&well=${well ? 'yes' : 'no'}`)

  test.each(breakerCases.map(({ name }) => name))('%s', async name => {
    expect(await host.ask(`/case?name=${encodeURIComponent(name)}`)).toBeNull()
  })

  test('a case that does not exist does not pass', async () => {
    expect(await host.ask('/case?name=nothing')).toMatch(/no case/)
  })

  test('opened by requests, it is seen half-open and closed by later ones', async () => {
    const took = await opened('healed')
    expect(await state('healed')).toMatchObject({ state: 'half-open', mayTry: true })
    // Two clocks, each in whole milliseconds.
    expect(took).toBeGreaterThanOrEqual(REAL_RESET_MS - 2)
    expect(await tried('healed', true)).toEqual({ tried: true, state: 'closed' })
    expect(await state('healed')).toEqual({ state: 'closed', mayTry: true, changes: ['healed: closed → open', 'healed: open → half-open', 'healed: half-open → closed'] })
  })

  test('still broken after its reset, it opens again and is tried again later', async () => {
    await opened('broken')
    expect(await tried('broken', false)).toEqual({ tried: true, state: 'open' })
    expect(await tried('broken', true)).toEqual({ tried: false, state: 'open' })
    await halfOpen('broken')
    expect(await tried('broken', true)).toEqual({ tried: true, state: 'closed' })
  })

  test('no failure that it heard was left unhandled', async () => {
    expect(await host.ask('/unhandled')).toEqual([])
  })

  /** Opens it, sees that it is shut, and resolves with the milliseconds from the first try until a later request found it half-open. */
  async function opened(deployment: string): Promise<number> {
    const at = performance.now()
    for (const expected of ['closed', 'closed', 'open']) expect(await tried(deployment, false)).toEqual({ tried: true, state: expected })
    expect(await tried(deployment, true)).toEqual({ tried: false, state: 'open' })
    expect(await state(deployment)).toMatchObject({ state: 'open', mayTry: false })
    await halfOpen(deployment)
    return performance.now() - at
  }

  async function halfOpen(deployment: string): Promise<void> {
    await expect.poll(() => state(deployment), { timeout: 10_000, interval: 20 }).toMatchObject({ state: 'half-open' })
  }
})
