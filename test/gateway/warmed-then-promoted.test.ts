/** A local model that discovery brings: loaded by our words, in the pool when it has answered (resilience, section 1). */
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { putInForce } from '../../src/gateway/in-force.ts'
import { createUpkeep } from '../../src/gateway/upkeep.ts'
import { listen } from '../provider/support.ts'
import { bundleOf, policy, provider, rule } from '../support/tree.ts'
import { ask, desk } from './asking.ts'
import { host, running, type Running } from './running.ts'

const closing: (() => unknown)[] = []
afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

const event = (delta: object, finish: string | null = null): string => `data: ${JSON.stringify({ model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const streams = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.end(`${event({ content: 'ready' })}${event({}, 'stop')}data: [DONE]\n\n`)
}

type World = Running & {
  /** What the local server was asked, in order; nothing is answered until `answer` is called. */
  readonly asked: string[]
  arrives(): Promise<void>
  /** What waits is answered so, and everything that comes later with words. */
  answer(how?: (response: ServerResponse) => void): void
  readonly look: () => void
  /** What discovery has found is in force from now on. */
  found(...models: readonly string[]): Promise<void>
}

async function world(...atFirst: readonly string[]): Promise<World> {
  const at = host(), asked: string[] = [], waiting: ServerResponse[] = []
  let arrived = Promise.withResolvers<void>()
  let isFree = false
  const local = await listen((_, response) => {
    asked.push(/Good day/.test(local.requests.at(-1)!.body) ? 'a prompt' : `a probe of ${/"model":"([^"]+)"/.exec(local.requests.at(-1)!.body)?.[1] ?? '?'}`)
    if (isFree) streams(response)
    else waiting.push(response)
    arrived.resolve()
    arrived = Promise.withResolvers<void>()
  })
  const bundle = async (models: readonly string[]) => bundleOf({
    ...await desk(),
    'catalog/cloud.yaml': provider('cloud', 'dialect: openai\nbase-url: http://127.0.0.1:9/v1\nprocessed-in: [FR]\nhosting: cloud', ['{ deployment: high, model: lab/large }']),
    ...(models.length > 0 && { 'catalog/local.yaml': provider('local', `dialect: openai\nbase-url: ${local.url}/v1\nprocessed-in: [FR]\nhosting: local`, models.map(m => `{ deployment: own-${m}, model: own/${m}, upstream-model: ${m} }`)) }),
    'rules/order.policy.yaml': policy('order', rule('cloud-first', 'prefer: [{ hosting: cloud }]')),
  })
  const started = running(at, await bundle(atFirst)), end = new AbortController()
  closing.push(() => end.abort(), at.close, local.close)
  return {
    ...started, asked, look: createUpkeep(started.gateway, end.signal),
    arrives: () => (waiting.length > 0 ? Promise.resolve() : arrived.promise),
    answer(how = streams) {
      isFree = true
      for (const response of waiting.splice(0)) how(response)
    },
    async found(...models) { putInForce(started.gateway, await bundle(models), 'discovery') },
  }
}

const available = ({ gateway }: World): readonly string[] => gateway.epochs.profiles()[0]!.available
const rebuilds = ({ gateway }: World): readonly string[] => gateway.epochs.events().flatMap(e => e.profiles.slice(0, 1).map(p => `${e.cause}: + ${p.added.join(' ')}${p.promoted === undefined ? '' : `, ${p.promoted} first`}`))

describe('a local model that comes when nobody is left', () => {
  it('is loaded by our own words, and is in the pool, the coverage and the events when it has answered', async () => {
    const w = await world()
    w.breakers.set('high', 'open')
    await w.found('small')
    expect(available(w)).toEqual([])
    expect(w.gateway.epochs.unavailable(w.gateway.epochs.current().bundle.catalog.byName.get('own-small')!)).toBe('unproven')
    w.look()
    await w.arrives()
    expect([w.asked, available(w)]).toEqual([['a probe of small'], []])
    w.answer()
    await w.settled()
    expect(available(w)).toEqual(['own-small'])
    expect(rebuilds(w)).toEqual(['breaker opened: high: + ', 'breaker closed: own-small: + own-small, own-small first'])
    expect(w.gateway.events.since(0).filter(e => e.kind === 'warm-up').map(e => e.what)).toEqual([{ deployment: 'own-small', outcome: 'ok', ms: 0 }])
    w.look()
    await w.settled()
    expect(w.asked).toEqual(['a probe of small'])
  })

  it('gets no prompt before it has answered: requests wait for that, all for the same probe', async () => {
    const w = await world()
    w.breakers.set('high', 'open')
    await w.found('small')
    const answers = [ask(w.gateway, { stream: true }), ask(w.gateway, { stream: true }), ask(w.gateway, { stream: true })]
    await w.arrives()
    w.look()
    expect(w.asked).toEqual(['a probe of small'])
    w.answer()
    for (const answer of await Promise.all(answers)) expect(await answer.text()).toContain('ready')
    expect(w.asked).toEqual(['a probe of small', 'a prompt', 'a prompt', 'a prompt'])
  })

  it('is the only one to be loaded where several come', async () => {
    const w = await world()
    w.breakers.set('high', 'open')
    await w.found('one', 'three', 'two')
    w.look()
    await w.arrives()
    w.answer()
    await w.settled()
    w.look()
    await w.settled()
    expect(w.asked).toEqual(['a probe of one'])
    expect(available(w)).toEqual(['own-one'])
    // Its turn comes.
    w.breakers.set('own-one', 'open')
    w.look()
    await w.settled()
    expect(w.asked).toEqual(['a probe of one', 'a probe of three'])
    expect(available(w)).toEqual(['own-three'])
  })

  it('is tried again like any other when it does not answer, and the next one is loaded meanwhile', async () => {
    const w = await world()
    w.breakers.set('high', 'open')
    await w.found('one', 'two')
    w.look()
    await w.arrives()
    w.clock.advance(120_000)
    await w.settled()
    expect(w.breakers.state('own-one')).toBe('open')
    w.answer()
    w.look()
    await w.settled()
    expect([w.asked, available(w)]).toEqual([['a probe of one', 'a probe of two'], ['own-two']])
  })
})

describe('a local model that is first of several to come', () => {
  it('keeps nobody waiting who is behind it when its answer says nothing about its health, or that it is gone', async () => {
    for (const [status, code] of [[404, 'x'], [404, 'model_not_found'], [401, 'invalid_api_key']] as const) {
      const w = await world()
      w.breakers.set('high', 'open')
      await w.found('one', 'two')
      w.look()
      await w.arrives()
      w.answer(response => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { code, message: 'raw', type: 'x' } })))
      await w.settled()
      w.look()
      await w.settled()
      expect([w.asked, available(w)]).toEqual([['a probe of one', 'a probe of two'], ['own-two']])
    }
  })
})

describe('a local model that comes', () => {
  it('is there at once behind one that is well, and is not loaded', async () => {
    const w = await world()
    await w.found('small')
    w.look()
    await w.settled()
    expect([available(w), w.asked]).toEqual([['high', 'own-small'], []])
  })

  it('is not doubted where it was there before', async () => {
    const w = await world('small')
    w.breakers.set('high', 'open')
    await w.found('small', 'tiny')
    expect(available(w)).toEqual(['own-small', 'own-tiny'])
  })

  it('and goes before it has answered is forgotten', async () => {
    const w = await world()
    w.breakers.set('high', 'open')
    await w.found('small')
    await w.found()
    expect([...w.gateway.unproven]).toEqual([])
  })
})
