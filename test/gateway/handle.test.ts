import { afterEach, describe, expect, it } from 'vitest'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { setAside } from '../../src/gateway/quarantining.ts'
import { DONE, encodeEvent } from '../../src/openai/sse.ts'
import { failing, scripted, streamed, whole, type Behaviour } from '../support/provider.ts'
import { bundleOf, provider } from '../support/tree.ts'
import { ask, desk } from './asking.ts'
import { host, running, type Running } from './running.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

type World = Pick<Running, 'settled'> & { readonly gateway: Gateway }

type Money = { readonly prices?: Readonly<Record<string, number>>; readonly ofApp?: string }

async function world(script: Readonly<Record<string, Behaviour>>, { prices = {}, ofApp = '' }: Money = {}): Promise<World> {
  const one = (name: string): string => `{ deployment: ${name}, model: lab/${name}, price: { input: ${prices[name] ?? 0}, output: ${prices[name] ?? 0}, currency: EUR } }`
  const { gateway, settled, close } = running(host(), await bundleOf({
    ...await desk(ofApp), 'catalog/lab.yaml': provider('lab', 'dialect: openai\nbase-url: http://127.0.0.1:9', Object.keys(script).map(one)),
  }))
  closing.push(close)
  return { settled, gateway: { ...gateway, providers: scripted(script) } }
}

describe('a stream that another deployment finished', () => {
  const END = [encodeEvent({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }), encodeEvent({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 20 } }), DONE]
  const script = { begins: streamed(['one '], [new Error('reset')]), finishes: streamed(['one ', 'two'], END) }
  const MILLION = 1_000_000, ofApp = 'limits: { spend-per-day: 20 EUR }'

  it.each([
    ['refused to an app whose limit the finisher has used up', { finishes: MILLION }, 429],
    ['allowed where only the one that broke is dear', { begins: MILLION }, 200],
  ])('is charged at the price of that one: the next request is %s', async (_, prices, status) => {
    const { gateway, settled } = await world(script, { prices, ofApp })
    expect(await (await ask(gateway, { model: 'lab/begins', stream: true })).text()).toContain('two')
    await settled()
    const next = await ask(gateway, { model: 'lab/finishes', stream: true })
    expect(next.status).toBe(status)
    await next.text()
    await settled()
  })
})

describe('a deployment that is set aside while a request is being connected to it', () => {
  it.each([[true, 'from-second'], [false, 'from-first']])('is not given it, and one that is not set aside is (set aside: %s, answered %s)', async (isAside, from) => {
    const asked: boolean[] = []
    const { gateway, settled } = await world({
      first: (call, signal) => {
        if (isAside) setAside(gateway, 'first', 'compliance-mismatch', 'it was processed elsewhere')
        asked.push(call.mayLeave!())
        return (asked[0] === true ? whole('from-first') : failing('overtaken'))(call, signal)
      },
      second: whole('from-second'),
    })
    expect(await (await ask(gateway, { model: 'lab/first' })).text()).toContain(from)
    expect(asked).toEqual([!isAside])
    await settled()
  })
})

it('a stream that went well is told at its end: the alarm about the key is over, and one attempt is counted', async () => {
  const { gateway, settled } = await world({ only: streamed(['one', 'two']) })
  gateway.raise('key:only', 'A test.')
  const answer = await ask(gateway, { model: 'lab/only', stream: true })
  expect(gateway.alarms().map(a => a.name)).toEqual(['key:only'])
  await answer.text()
  await settled()
  expect(gateway.alarms()).toEqual([])
  expect(gateway.metrics.text()).toContain('bailiwick_attempts_total{code="ok",deployment="only"} 1\n')
})
