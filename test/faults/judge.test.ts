/** The judge can condemn: an honest small gateway passes, and the same one with a sin does not, for the reason of that sin. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { namesOf } from './bench.ts'
import { FAULTS } from './cases.ts'
import type { Heard } from './hearing.ts'
import { worthOf } from './judge.ts'
import { smallGateway, type Sin } from './small-gateway.ts'
import { runCase, type Mode } from './trial.ts'
import { ANSWER, openWall, WALL_WORDS, type Wall } from './wall.ts'

let wall: Wall
let trials = 0
beforeAll(async () => { wall = await openWall() })
afterAll(() => wall.close())

type Condemned = { readonly sin: Sin; readonly fault: string; readonly mode: Mode; readonly name: string; readonly because: RegExp }

const CONDEMNED: readonly Condemned[] = [
  { sin: 'shows-truncated', fault: 'S08', mode: 'stream', name: '2-alone', because: /truncated text shown as success/ },
  { sin: 'shows-truncated', fault: 'S08', mode: 'stream', name: '3-alone', because: /truncated text shown as success/ },
  { sin: 'shows-truncated', fault: 'S08', mode: 'whole', name: 'reset-alone', because: /truncated text shown as success/ },
  { sin: 'shows-truncated', fault: 'S09', mode: 'stream', name: '2-alone', because: /truncated text shown as success/ },
  { sin: 'ends-quietly', fault: 'S08', mode: 'stream', name: '2-alone', because: /truncated text shown as success/ },
  { sin: 'splices', fault: 'S08', mode: 'stream', name: '2-other-text', because: /the text is not the sentence/ },
  { sin: 'insists', fault: 'S05', mode: 'whole', name: 'fallback', because: /12 attempts at one place/ },
  { sin: 'hammers', fault: 'S04', mode: 'stream', name: 'fallback', because: /hammering: 30 attempts/ },
  { sin: 'hides-who-served', fault: 'S16', mode: 'stream', name: 'fallback', because: /the body names wall\/s16-stream-fallback, and served-s16-stream-fallback-2-\d+ answered/ },
  { sin: 'hides-who-served', fault: 'S16', mode: 'whole', name: 'fallback', because: /x-bailiwick-deployment says s16-whole-fallback-1/ },
  { sin: 'invents-usage', fault: 'S16', mode: 'stream', name: 'fallback', because: /usage 912\/102 instead of 12\/102/ },
  { sin: 'invents-usage', fault: 'S16', mode: 'whole', name: 'fallback', because: /usage 912\/102 instead of 12\/102/ },
  { sin: 'records-nothing', fault: 'S16', mode: 'whole', name: 'fallback', because: /no outcome on record/ },
  { sin: 'repeats-words', fault: 'S03', mode: 'whole', name: 'alone-twice', because: /a provider's words reached the caller/ },
  { sin: 'waits', fault: 'S06', mode: 'stream', name: 'fallback', because: /it was not over after/ },
  { sin: 'waits', fault: 'S07', mode: 'whole', name: 'fallback', because: /it was not over after/ },
  { sin: 'absolves', fault: 'S03', mode: 'whole', name: 'alone-twice', because: /truncated text shown as success: 0 of/ },
  { sin: 'absolves', fault: 'S03', mode: 'stream', name: 'alone-twice', because: /truncated text shown as success: 0 of/ },
]

async function wrongOf({ fault, mode, name, sin }: Omit<Condemned, 'because' | 'sin'> & { readonly sin?: Sin }): Promise<readonly string[]> {
  const found = FAULTS.find(f => f.id === fault)!
  const one = found.cases.find(c => c.mode === mode && c.name === name)!
  // Of each trial its own names, so that they may run side by side.
  const own = namesOf(found, one), trial = ++trials
  const names = { ...own, served: (index: number): string => `${own.served(index)}-${trial}` }
  const gateway = await smallGateway({ wall: wall.url, names, places: one.places.length, sin })
  try {
    return (await runCase(one, { names, gateway, wall })).wrong
  } finally {
    await gateway.close()
  }
}

describe.concurrent('a gateway that', () => {
  for (const condemned of CONDEMNED) {
    const { sin, fault, mode, name, because } = condemned
    test(`${sin} is condemned by ${fault} ${mode} ${name}, and an honest one is not`, async ({ expect }) => {
      expect((await wrongOf(condemned)).join('\n')).toMatch(because)
      expect(await wrongOf({ fault, mode, name })).toEqual([])
    })
  }
})

describe('of the bytes of a stream', () => {
  const event = (delta: object, finish: string | null = null): string => `data: ${JSON.stringify({ model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const text = event({ role: 'assistant', content: '' }) + event({ content: ANSWER })
  const stop = event({}, 'stop'), done = 'data: [DONE]\n\n'
  const error = `event: error\ndata: ${JSON.stringify({ error: { message: 'No.', type: 'api_error', param: null, code: 'x' } })}\n\n`
  const told = (body: string, raised = false): Heard => ({
    stream: true, status: 200, headers: new Headers({ 'content-type': 'text/event-stream' }), body, how: 'complete', ms: 1,
    client: { text: raised ? '' : ANSWER, finish: 'stop', usage: undefined, raised: raised ? { isApiError: true, status: undefined, code: 'x' } : undefined },
  })

  test.each([
    ['everything, once and in order, is complete', text + stop + done, 'complete', []],
    ['comments between are nothing', `: here\n\n${text}: here\n\n${stop}${done}`, 'complete', []],
    ['another text is wrong', event({ content: 'Something else' }) + stop + done, 'wrong', ['the text is not the sentence, nor its beginning']],
    ['its beginning and an error is broken off', event({ content: ANSWER.slice(0, 9) }) + error, 'broken-off', []],
    ['no [DONE] is wrong', text + stop, 'wrong', ['0 times [DONE]']],
    ['two [DONE] are wrong', text + stop + done + done, 'wrong', ['2 times [DONE]']],
    ['something after [DONE] is wrong', text + done + stop, 'wrong', ['[DONE] is not the last word']],
    ['no finish reason is wrong', text + done, 'wrong', ['0 finish reasons']],
    ['[DONE] after an error is wrong', event({ content: 'A' }) + error + done, 'wrong', ['[DONE] beside an error']],
    ['a finish reason beside an error is wrong', text + stop + error, 'wrong', ['a finish reason beside an error']],
    ['a role after content is wrong', text + event({ role: 'assistant' }) + stop + done, 'wrong', ['the role is said again after content']],
    ['a half event is wrong', `${text}${stop}${done}data: {`, 'wrong', ['the last event is a half one']],
    ['an event that is no JSON is wrong', `${text}data: {"a\n\n${stop}${done}`, 'wrong', ['an event that is no JSON']],
    ['a word twice is wrong', event({ content: 'A A' }) + error, 'wrong', ['the text is not the sentence, nor its beginning']],
    ["a provider's words are wrong", `: ${WALL_WORDS}\n\n`, 'wrong', ["a provider's words reached the caller", `truncated text shown as success: 0 of ${ANSWER.length} characters`]],
  ])('%s', (_, body, kind, wrong) => {
    const worth = worthOf(told(body, body.includes('event: error')))
    expect({ kind: worth.kind, wrong: worth.wrong }).toEqual({ kind, wrong })
  })

  test('an error that the client did not raise, and an answer at which it raised one, are wrong', () => {
    expect(worthOf(told(error)).wrong).toEqual(["OpenAI's client did not raise the error of the stream"])
    expect(worthOf(told(text + stop + done, true)).wrong).toEqual(["OpenAI's client raised an error at a complete answer (x)"])
  })

  test('a connection that breaks, and one that does not end, are wrong', () => {
    expect(worthOf({ ...told(text), how: 'broken' }).wrong).toContain('the connection broke without a word')
    expect(worthOf({ ...told(text), how: 'endless', ms: 5 }).wrong).toContain('it was not over after 5 ms')
  })
})
