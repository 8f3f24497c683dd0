import { describe, expect, test } from 'vitest'
import { readAnswer } from '../../src/openai/answer.ts'
import { encodeVector } from '../../src/openai/embedding.ts'
import { readProviderError } from '../../src/openai/error.ts'

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

describe('a whole answer', () => {
  test('says usage, model and finish reasons', () => {
    expect(readAnswer(encode({ model: 'm', choices: ['stop', 'length', null].map(reason => ({ message: {}, finish_reason: reason })), usage: { prompt_tokens: 1, completion_tokens: 2 } }), 'chat'))
      .toEqual({ model: 'm', complete: true, finishReasons: ['stop', 'length'], usage: { input: 1, output: 2 }, error: undefined })
  })

  test('a choice without a message is no answer, and an error in a choice is an error', () => {
    expect(readAnswer(encode({ choices: [{}] }), 'chat')?.complete).toBe(false)
    expect(readAnswer(encode({ choices: [{ text: '' }] }), 'completion')?.complete).toBe(true)
    expect(readAnswer(encode({ choices: [{ message: { content: 'half' }, finish_reason: 'error', error: { code: 'boom' } }] }), 'chat')?.error).toEqual({ code: 'boom' })
  })

  test('a count of tokens that no answer can hold is not believed', () => {
    expect(readAnswer(encode({ choices: [], usage: { prompt_tokens: 1e300, completion_tokens: 2 } }), 'chat')?.usage).toEqual({ input: 0, output: 2 })
  })

  test('embeddings have no output tokens', () => {
    expect(readAnswer(encode({ usage: { prompt_tokens: 5, total_tokens: 5 } }), 'embedding')?.usage).toEqual({ input: 5, output: 0 })
  })

  test('says where the model ran, as a token and nothing else', () => {
    const geo = (usage: unknown): string | undefined => readAnswer(encode({ choices: [{}], usage }), 'chat')?.geo
    expect(geo({ inference_geo: 'not_available' })).toBe('not_available')
    for (const usage of [undefined, null, {}, 'us', { inference_geo: 'in canary town' }, { inference_geo: ['us'] }]) expect(geo(usage)).toBeUndefined()
  })

  test('an error in spite of status 200 is seen, by its tokens', () => {
    expect(readAnswer(encode({ error: { code: 'overloaded', message: 'canary' } }), 'chat')?.error).toEqual({ code: 'overloaded' })
  })

  test.each(['', '{"choices":[', '[]', 'null', 'oops'])('%j is no answer', text => {
    expect(readAnswer(encode(text), 'chat')).toBeUndefined()
  })

  test.each(['{}', '{"choices":[]}', '{"choices":[null]}', '{"detail":"text"}', '{"object":"error","message":"text"}'])('%s is JSON and no complete answer', text => {
    expect(readAnswer(encode(text), 'chat')?.complete).toBe(false)
    expect(readAnswer(encode(text), 'embedding')?.complete).toBe(false)
  })

  test('a model name that could be text is not repeated', () => {
    expect(readAnswer(encode({ model: 'your prompt was canary', choices: [{}] }), 'chat')?.model).toBeUndefined()
    expect(readAnswer(encode({ model: 'x'.repeat(129), choices: [{}] }), 'chat')?.model).toBeUndefined()
  })
})

describe('a provider\'s error', () => {
  test('gives code and type when they are plain tokens', () => {
    expect(readProviderError(encode({ error: { code: 'content_filter', type: 'invalid_request_error', message: 'canary' } }))).toEqual({ code: 'content_filter', type: 'invalid_request_error' })
  })

  test('gives nothing that could be text', () => {
    expect(readProviderError(encode({ error: { code: 'the prompt was canary', type: 'x'.repeat(65) } }))).toEqual({})
    expect(readProviderError(encode({ error: 'canary' }))).toEqual({})
    expect(readProviderError(encode('<html>canary</html>'))).toEqual({})
  })

  test('a code that says something is not replaced by what a message sounds like, one that says nothing is', () => {
    const message = 'The model `canary` does not exist.'
    expect(readProviderError(encode({ error: { message, code: 'tool_not_found' } }), 404)).toEqual({ code: 'tool_not_found' })
    expect(readProviderError(encode({ error: { message, code: '404' } }), 404)).toEqual({ code: 'model_not_found' })
    expect(readProviderError(encode({ error: { message, code: 'not_found', type: 'not_found' } }), 404)).toEqual({ code: 'model_not_found', type: 'not_found' })
    expect(readProviderError(encode({ error: { message: 'canary', code: '404' } }), 404)).toEqual({ code: '404' })
    expect(readProviderError(encode({ error: { message } }), 400)).toEqual({})
    expect(readProviderError(encode({ error: { message } }))).toEqual({})
  })

  test('is read out of a list and out of nothing, and nothing is read out of other JSON', () => {
    expect(readProviderError(encode([{ error: { code: 'busy' } }]))).toEqual({ code: 'busy' })
    expect(readProviderError(encode({ object: 'error', type: 'invalid_model', message: 'canary', code: '1500' }))).toEqual({ code: 'model_not_found', type: 'invalid_model' })
    for (const other of ['[]', 'null', '7', '"canary"', '{"detail":"canary"}', '[[]]', '{"error":false}']) expect(readProviderError(encode(other), 404)).toEqual({})
  })

  test('a message about the context is the code for it', () => {
    expect(readProviderError(encode({ error: { message: 'This model\'s maximum context length is 8 tokens', type: 'BadRequestError', code: 400 } })))
      .toEqual({ code: 'context_length_exceeded', type: 'BadRequestError' })
    expect(readProviderError(encode({ error: { message: 'bad temperature', type: 'BadRequestError', code: 400 } }))).toEqual({ type: 'BadRequestError' })
  })
})

test('a vector in base64 is its 32-bit floats, low byte first', () => {
  const vector = [1, -0.5, 0.25]
  const bytes = Buffer.from(encodeVector(vector, 'base64') as string, 'base64')
  expect([0, 4, 8].map(at => bytes.readFloatLE(at))).toEqual(vector)
  expect(encodeVector(vector, 'float')).toEqual(vector)
})
