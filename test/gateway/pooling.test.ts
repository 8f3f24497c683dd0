import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { listen, type Listening } from '../provider/support.ts'
import { bundleOf, provider } from '../support/tree.ts'
import { ask, desk } from './asking.ts'
import { host, running, type Running } from './running.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

const event = (delta: object, finish: string | null = null): string => `data: ${JSON.stringify({ model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const lives = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.end(`${event({ content: 'ready' })}${event({}, 'stop')}data: [DONE]\n\n`)
}

type Words = { readonly ofApp?: string; readonly ofProvider?: string }

/** One deployment, kept out by nothing but a sign of life that takes so long by the gateway's clock. */
async function world(takesMs: number, { ofApp = '', ofProvider = '' }: Words = {}): Promise<Running & { readonly server: Listening }> {
  const at = host()
  const server = await listen((_, response) => {
    if (server.requests.length === 1) at.clock.advance(takesMs)
    lives(response)
  })
  closing.push(at.close, server.close)
  const started = running(at, await bundleOf({
    ...await desk(ofApp), 'catalog/house.yaml': provider('house', `dialect: openai\nbase-url: ${server.url}/v1${ofProvider}`, ['{ deployment: one, model: house/one }']),
  }))
  started.breakers.set('one', 'half-open')
  return { ...started, server }
}

describe('a sign of life that a request waits for', () => {
  it('is taken before the request when it comes in time', async () => {
    const { gateway, breakers, server } = await world(1_999, { ofApp: 'timeouts: { total: 2s }' })
    expect(await (await ask(gateway, { stream: true })).text()).toContain('ready')
    expect(server.requests).toHaveLength(2)
    expect(breakers.state('one')).toBe('closed')
  })

  it.each([
    ["the app's", { ofApp: 'timeouts: { total: 2s }' }], ["the deployment's", { ofProvider: '\ntimeouts: { total: 2s }' }],
  ])('is waited for until the end of the time that the request has, by %s word, and is not held against the server after it', async (_, words) => {
    const { gateway, breakers, server, clock, settled } = await world(2_000, words)
    const began = clock.now()
    const answer = await ask(gateway, { stream: true })
    expect([answer.status, await answer.json()]).toMatchObject([503, { error: { code: 'permitted_models_unavailable' } }])
    expect(clock.now() - began).toBe(2_000)
    expect(server.requests).toHaveLength(1)
    await settled()
    expect(breakers.state('one')).not.toBe('open')
  })
})
