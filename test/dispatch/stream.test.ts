import { expect, it } from 'vitest'
import { open } from '../../src/dispatch/open.ts'
import { committedStream, type StreamEnd } from '../../src/dispatch/stream.ts'
import { deployment } from '../provider/support.ts'
import { countedClock } from '../support/counted-clock.ts'
import { scripted, streamed, text, type Behaviour } from '../support/provider.ts'

const TOTAL_MS = 1_000
const LEFT_HELD = 2

/** Says one word, and no more until it is left. */
const stalls: Behaviour = async (call, signal) => {
  const begun = await streamed(['one'], [])(call, signal)
  if (!begun.ok) return begun
  return {
    ...begun,
    body: (async function* () {
      yield* begun.body
      await new Promise((_, reject) => { signal.addEventListener('abort', () => reject(new Error('aborted'))) })
    })(),
  }
}

it('a stream whose end was told while nobody read it waits for nothing when it is read on', async () => {
  const clock = countedClock(0), ended: StreamEnd['outcome'][] = [], left = (): number => TOTAL_MS - clock.now()
  const opened = await open({
    deployment: deployment('http://127.0.0.1:9'), call: { operation: 'chat', stream: true, requestId: 'r', body: new Uint8Array() }, choices: 1,
    timeouts: { connect: 5_000, firstToken: 20_000, idle: 30_000, total: TOTAL_MS }, wholeWithin: TOTAL_MS, left, signal: new AbortController().signal,
    providers: scripted({ 'test-deployment': stalls }), clock, attest: () => undefined, trial: { report: () => undefined, drop: () => undefined },
  })
  if (opened.kind !== 'stream') throw new Error(opened.kind)
  const stream = committedStream({
    first: opened.source, clock, left, hasLeft: () => false, rescue: () => Promise.resolve(undefined), over: () => undefined, ended: end => { ended.push(end.outcome) }, kept: () => Promise.resolve(true),
  })[Symbol.asyncIterator]()
  for (let i = 0; i < LEFT_HELD; i++) await stream.next()
  expect(clock.waiting()).toBe(1)
  clock.advance(TOTAL_MS)
  expect([ended, clock.waiting()]).toEqual([['cancelled'], 0])

  const more: Uint8Array[] = []
  for (let next = await stream.next(); next.done !== true; next = await stream.next()) more.push(next.value)
  expect(text(more)).toContain('deadline_exceeded')
  expect([ended, clock.waiting()]).toEqual([['cancelled'], 0])
})
