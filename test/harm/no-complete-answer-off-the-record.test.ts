/** A caller who was told that an answer is complete can rely on its record: what cannot be kept is told to be incomplete. */
import OpenAI from 'openai'
import { afterEach, expect, test } from 'vitest'
import type { Entry, OutcomeEntry } from '../../src/record/record.ts'
import { KEY, said } from '../support/listening.ts'
import { threePlaces, type ThreePlaces } from '../support/three-places.ts'

let world: ThreePlaces
afterEach(() => world.stop())

const outcomesIn = (entries: readonly Entry[]): readonly OutcomeEntry[] => entries.filter(entry => entry.kind === 'outcome')

type Held = { readonly kept: Entry[]; /** When an outcome has come. */ readonly asked: Promise<void>; answer(isKept: boolean): void; append(entry: Entry): Promise<void> }

/** Keeps what it is given, but for outcomes, which wait until the test says what becomes of them. */
function held(): Held {
  const kept: Entry[] = [], asked = Promise.withResolvers<void>(), answered = Promise.withResolvers<boolean>()
  return {
    kept, asked: asked.promise, answer: answered.resolve,
    async append(entry) {
      if (entry.kind === 'outcome') {
        asked.resolve()
        if (!await answered.promise) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      }
      kept.push(entry)
    },
  }
}

test('a stream is told complete when its outcome is kept, and not before', async () => {
  const records = held()
  world = await threePlaces({ recorder: records })
  const answer = await world.chat({ stream: true })
  const reading = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  let got = ''
  while (!got.includes('"finish_reason":"stop"')) got += (await reading.read()).value ?? ''
  await records.asked
  const next = reading.read()
  expect(await Promise.race([next.then(() => 'told'), fetch(`${world.url}/healthz`).then(() => 'nothing yet')])).toBe('nothing yet')
  expect(got).not.toContain('[DONE]')
  records.answer(true)
  expect((await next).value).toBe('data: [DONE]\n\n')
  expect(outcomesIn(records.kept)).toMatchObject([{ outcome: 'answered' }])
})

test('a stream whose outcome cannot be kept ends with an error, and a client raises it', async () => {
  const records = held()
  records.answer(false)
  world = await threePlaces({ recorder: records })
  const got = await (await world.chat({ stream: true })).text()
  expect(got).toContain('"content":"home"')
  expect(got).toMatch(/event: error\ndata: \{"error":\{.*"code":"cannot_record"\}\}\n\n$/)
  expect(got).not.toContain('[DONE]')
  expect(world.gateway.alarms().map(({ name }) => name)).toEqual(['records'])

  const client = new OpenAI({ baseURL: `${world.url}/v1`, apiKey: KEY, maxRetries: 0 })
  const words: string[] = []
  const read = async (): Promise<void> => {
    for await (const chunk of await client.chat.completions.create({ model: 'auto', stream: true, messages: [{ role: 'user', content: 'hello' }] })) words.push(chunk.choices[0]?.delta.content ?? '')
  }
  await expect(read()).rejects.toThrow('cannot be recorded')
  expect(words.join('')).toBe('from home')
})

test('a whole answer whose outcome cannot be kept is not given', async () => {
  const records = held()
  records.answer(false)
  world = await threePlaces({ recorder: records })
  const answer = await world.chat()
  expect([answer.status, await said(answer)]).toEqual([503, 'cannot_record'])
})

test('a caller who leaves while the outcome is being kept: it is kept once, and nothing is left waiting', async () => {
  const records = held()
  world = await threePlaces({ recorder: records })
  const leave = new AbortController()
  const answer = await fetch(`${world.url}/v1/chat/completions`, {
    method: 'POST', signal: leave.signal, headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: JSON.stringify({ model: 'auto', stream: true, messages: [{ role: 'user', content: 'hello' }] }),
  })
  const reading = answer.body!.getReader()
  await reading.read()
  await records.asked
  leave.abort()
  await reading.closed.catch(() => undefined)
  records.answer(true)
  expect(await said(await world.chat())).toBe('from home')
  expect(outcomesIn(records.kept).map(({ outcome }) => outcome)).toEqual(['answered', 'answered'])
})
