import { describe, expect, it } from 'vitest'
import { createBreakers } from '../../src/breaker/opossum.ts'
import { probe } from '../../src/dispatch/probe.ts'
import type { Failure } from '../../src/failure.ts'
import { deployment } from '../provider/support.ts'
import { countedClock } from '../support/counted-clock.ts'
import { bytes, scripted, streamed, type Behaviour } from '../support/provider.ts'

const MIB = 1024 * 1024
const BLANKS = ' '.repeat(MIB)
const COMMENT = `: ${' '.repeat(MIB / 4)}\n\n`
const VECTORS = '{"data":[{"index":0,"embedding":[0.5]}]}'
const CONTENT = 'data: {"choices":[{"index":0,"delta":{"content":"ready"},"finish_reason":"stop"}]}\n\n'

type Probed = { readonly failed: Failure | undefined; readonly heard: readonly string[]; readonly signal: AbortSignal; readonly waiting: number }

async function probed(behave: Behaviour, operation: 'chat' | 'embedding' = 'chat'): Promise<Probed> {
  const clock = countedClock(0), providers = scripted({ 'test-deployment': behave }), heard: string[] = []
  const failed = await probe(deployment('http://127.0.0.1:9', { operations: [operation] }), {
    providers, clock, requestId: 'p', signal: new AbortController().signal, attest: () => undefined,
    breakers: {
      ...createBreakers()({ clock, changed: () => undefined }),
      begin: () => ({ report: why => { heard.push(why?.code ?? 'ok') }, drop: () => { heard.push('dropped') } }),
    },
  })
  return { failed, heard, signal: providers.sent[0]!.signal, waiting: clock.waiting() }
}

describe('what is read for a sign of life', () => {
  it('is the beginning of a stream: the rest is left, and no timer with it', async () => {
    const { failed, heard, signal, waiting } = await probed(streamed(['ready', 'and', 'more']))
    expect([failed, heard, signal.aborted, waiting]).toEqual([undefined, ['ok'], true, 0])
  })

  it.each<readonly [string, Behaviour, 'chat' | 'embedding']>([
    ['a stream', bytes('text/event-stream', ...Array.from({ length: 3 }, () => COMMENT), CONTENT), 'chat'],
    ['an answer', bytes('application/json', BLANKS, VECTORS), 'embedding'],
  ])('may begin with much that says nothing: %s', async (_, behave, operation) => {
    expect(await probed(behave, operation)).toMatchObject({ failed: undefined, heard: ['ok'], waiting: 0 })
  })

  it.each<readonly [string, Behaviour, 'chat' | 'embedding', string]>([
    ['a stream', bytes('text/event-stream', ...Array.from({ length: 5 }, () => COMMENT), CONTENT), 'chat', 'upstream_error'],
    ['an answer', bytes('application/json', ...Array.from({ length: 65 }, () => BLANKS), VECTORS), 'embedding', 'dropped'],
  ])('is bounded: %s that goes on and on is none', async (_, behave, operation, heard) => {
    expect(await probed(behave, operation)).toMatchObject({ failed: { code: 'upstream_error' }, heard: [heard], waiting: 0 })
  })
})
