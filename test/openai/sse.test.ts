import * as fc from 'fast-check'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { DONE, encodeEvent, errorEvent, EVENT_BYTES_MAX, streamScanner, type StreamScanner } from '../../src/openai/sse.ts'

const SEED = 20_261_102
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const delta = (part: object, reason: string | null = null, index = 0): object => ({ model: 'm', choices: [{ index, delta: part, finish_reason: reason }] })

/** Feeds all pieces and gives the scanner with the text that it let through. */
function scan(...pieces: (string | Uint8Array)[]): { scanner: StreamScanner; passed: string } {
  const scanner = streamScanner()
  const passed: Uint8Array[] = []
  for (const piece of pieces) passed.push(scanner.feed(typeof piece === 'string' ? encode(piece) : piece) ?? new Uint8Array(0))
  passed.push(scanner.end() ?? new Uint8Array(0))
  return { scanner, passed: Buffer.concat(passed).toString() }
}

const seen = ({ hasContent, finished, finishReason, done, usage, model, error, malformed }: StreamScanner): object =>
  ({ hasContent, finished, finishReason, done, usage, model, error, malformed })

describe('what a stream says', () => {
  test('an error in a choice, or as an event of its own, is an error and is not passed on', () => {
    for (const wrong of [{ choices: [{ index: 0, delta: { content: 'canary' }, finish_reason: 'error', error: { code: 'boom' } }] }, { object: 'error', message: 'canary', code: 'boom' }]) {
      const { scanner, passed } = scan(event(delta({ content: 'x' })), event(wrong))
      expect(scanner.error).toEqual({ code: 'boom' })
      expect(scanner.finished).toBe(false)
      expect(passed).not.toContain('canary')
    }
  })

  test('where the model ran is what its usage says last, as a token and nothing else', () => {
    const usage = (geo: unknown): string => event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, inference_geo: geo } })
    expect(scan(event(delta({ content: 'x' }))).scanner.geo).toBeUndefined()
    expect(scan(usage('us'), usage(null), event(delta({ content: 'x' }))).scanner.geo).toBe('us')
    expect(scan(usage('global'), usage('us')).scanner.geo).toBe('us')
    for (const odd of ['in canary town', 'x'.repeat(65), { us: true }, 7, '']) expect(scan(usage(odd)).scanner.geo).toBeUndefined()
  })

  test.each([
    ['content', { content: 'x' }], ['refusal', { refusal: 'x' }], ['reasoning_content', { reasoning_content: 'x' }],
    ['tool_calls', { tool_calls: [{ index: 0 }] }], ['function_call', { function_call: { name: 'f' } }],
  ])('%s is content', (_, part) => {
    expect(scan(event(delta(part))).scanner.hasContent).toBe(true)
  })

  test.each([
    ['the role', { role: 'assistant' }], ['an empty text', { role: 'assistant', content: '' }], ['null', { content: null, tool_calls: null }],
    ['no calls', { tool_calls: [] }], ['nothing', {}],
  ])('%s is no content', (_, part) => {
    expect(scan(event(delta(part))).scanner.hasContent).toBe(false)
  })

  test('text of a legacy completion is content, an empty one is not', () => {
    expect(scan(event({ choices: [{ text: 'x', index: 0, finish_reason: null }] })).scanner.hasContent).toBe(true)
    expect(scan(event({ choices: [{ text: '', index: 0, finish_reason: null }] })).scanner.hasContent).toBe(false)
  })

  test('finished needs every choice that began', () => {
    expect(scan(event(delta({ content: 'a' }))).scanner.finished).toBe(false)
    expect(scan(event(delta({}, 'stop'))).scanner).toMatchObject({ finished: true, finishReason: 'stop' })
    expect(scan(event(delta({ content: 'a' }, null, 0)), event(delta({}, 'stop', 1))).scanner.finished).toBe(false)
    expect(scan(event(delta({}, 'stop', 0)), event(delta({}, 'length', 1))).scanner.finished).toBe(true)
    expect(scan(event(delta({}, 'stop')), event({ choices: [], usage: null })).scanner.finished).toBe(true)
  })

  test('the last usage counts, null says nothing', () => {
    const { scanner } = scan(event({ usage: { prompt_tokens: 3, completion_tokens: 1 } }), event({ usage: { prompt_tokens: 3, completion_tokens: 5 } }), event({ usage: null }))
    expect(scanner.usage).toEqual({ input: 3, output: 5 })
    expect(scan(event({ usage: null })).scanner.usage).toBeUndefined()
  })

  test('[DONE] is the end, and only as an event of its own', () => {
    expect(scan('data: [DONE]\n\n').scanner.done).toBe(true)
    expect(scan(event(delta({ content: 'data: [DONE]' }))).scanner.done).toBe(false)
  })

  test('an error is known by its tokens alone', () => {
    expect(scan(event({ error: { message: 'canary text', type: 'server_error', code: 'overloaded' } })).scanner.error).toEqual({ type: 'server_error', code: 'overloaded' })
    expect(scan('event: error\ndata: {"code":"x_1","message":"canary text"}\n\n').scanner.error).toEqual({ code: 'x_1' })
    expect(scan('event: error\ndata: canary text\n\n').scanner.error).toEqual({})
    expect(scan(event({ error: { code: 'a prompt in a code' } })).scanner.error).toEqual({})
    expect(scan(event({ error: null, choices: [] })).scanner.error).toBeUndefined()
  })
})

describe('what a stream is made of', () => {
  test('several data lines are one value, comments and other fields are none', () => {
    const { scanner, passed } = scan(': keep-alive\n\nid: 7\nretry: 5\ndata: {"choices":[{"index":0,\ndata:"delta":{"content":"x"}}]}\n\n')
    expect(scanner).toMatchObject({ hasContent: true, malformed: 0 })
    expect(passed).toContain(': keep-alive')
  })

  test('a malformed event is counted and left out, the others go on', () => {
    const good = event(delta({ content: 'a' }))
    const { scanner, passed } = scan(`${good}data: {"cut\n\n${good}data: [DONE]\n\n`)
    expect(scanner).toMatchObject({ malformed: 1, done: true })
    expect(passed).toBe(`${good}${good}`)
    expect(scan(Uint8Array.of(...encode('data: "'), 0xff, ...encode('"\n\n'))).scanner.malformed).toBe(1)
    expect(scan('data: 7\n\n').scanner.malformed).toBe(1)
  })

  test('half an event at the end is not passed on', () => {
    const good = event(delta({ content: 'a' }))
    const { scanner, passed } = scan(`${good}data: {"choices":[{"del`)
    expect(passed).toBe(good)
    expect(scanner.malformed).toBe(1)
  })

  test('[DONE] is not passed on: whether the answer is complete is for the reader to say', () => {
    const good = event(delta({ content: 'a' }))
    expect(scan(`${good}data: [DONE]\n\n`).passed).toBe(good)
  })

  test('a stream of several answers is finished when each of them is, those that never began included', () => {
    const scanner = streamScanner({ choices: 2 })
    scanner.feed(encode('data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'))
    expect(scanner.finished).toBe(false)
    scanner.feed(encode('data: {"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n'))
    expect(scanner).toMatchObject({ finished: true, pieces: 2 })
  })

  test('a last event without its blank line is passed on with it', () => {
    const good = event(delta({ content: 'a' }))
    const { scanner, passed } = scan(good.slice(0, -1))
    expect(scanner).toMatchObject({ hasContent: true, malformed: 0 })
    expect(passed).toBe(`${good.slice(0, -1)}\n\n`)
  })

  test('an event over the bound is dropped, one at the bound is not, and memory stays bounded', () => {
    const frame = event({ pad: '' }).length
    const at = event({ pad: 'x'.repeat(EVENT_BYTES_MAX - frame) })
    expect(scan(at).scanner.malformed).toBe(0)
    expect(scan(...(at.match(/[^]{1,70000}/g) ?? [])).passed).toBe(at)
    const over = event({ pad: 'x'.repeat(EVENT_BYTES_MAX - frame + 1) })
    const good = event(delta({ content: 'a' }))
    for (const pieces of [[over + good], (over + good).match(/[^]{1,70000}/g) ?? []]) {
      expect(scan(...pieces)).toMatchObject({ passed: good, scanner: { malformed: 1, hasContent: true } })
    }
  })

  test(`cuts and line ends change nothing (seed ${SEED})`, () => {
    const part = fc.constantFrom(
      event(delta({ role: 'assistant' })), event(delta({ content: 'Grüße 😀' })), event(delta({}, 'stop')), ': ping\n\n',
      'data: {"cut\n\n', 'event: error\ndata: {"error":{"code":"x"}}\n\n', 'data: {"usage":\ndata: {"prompt_tokens":1,"completion_tokens":2}}\n\n', 'data: [DONE]\n\n',
    )
    const line = fc.constantFrom('\n', '\r\n', '\r')
    fc.assert(fc.property(fc.array(part, { maxLength: 8 }), line, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (parts, end, sizes) => {
      const bytes = encode(parts.join('').replaceAll('\n', end))
      const whole = scan(bytes)
      const pieces: Uint8Array[] = []
      for (let at = 0; at < bytes.length;) {
        const size = sizes.next().value
        pieces.push(bytes.subarray(at, at + size))
        at += size
      }
      const cut = scan(...pieces)
      expect(seen(cut.scanner)).toEqual(seen(whole.scanner))
      // A line feed after the last return of an event may fall to the next piece: it is part of the line end either way.
      expect(cut.passed.replaceAll('\r\n', '\n').replaceAll('\r', '\n').replaceAll(/\n{3,}/g, '\n\n'))
        .toBe(whole.passed.replaceAll('\r\n', '\n').replaceAll('\r', '\n').replaceAll(/\n{3,}/g, '\n\n'))
      expect(whole.scanner.malformed).toBe(parts.filter(p => p.includes('"cut')).length)
    }), { seed: SEED, numRuns: 300 })
  })

  test('events in one chunk leave as a piece of that chunk', () => {
    const chunk = encode(event(delta({ content: 'a' })) + event(delta({ content: 'b' })))
    const passed = streamScanner().feed(chunk)
    expect(passed).toEqual(chunk)
    expect(passed?.buffer).toBe(chunk.buffer)
  })
})

test('our own error event is an error to the real client, and not a clean end', async () => {
  const bytes = Buffer.concat([encodeEvent(delta({ content: 'a' })), errorEvent({ error: { message: 'cut', type: 'api_error', param: null, code: 'unreachable' } })])
  const client = new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:1/v1', maxRetries: 0, fetch: () => Promise.resolve(new Response(bytes, { headers: { 'content-type': 'text/event-stream' } })) })
  const stream = await client.chat.completions.create({ model: 'm', messages: [], stream: true })
  const read = async (): Promise<void> => { for await (const chunk of stream) expect(chunk.choices[0]?.delta.content).toBe('a') }
  await expect(read()).rejects.toMatchObject({ code: 'unreachable' })
  const scanner = streamScanner()
  scanner.feed(DONE)
  expect(scanner.done).toBe(true)
})
