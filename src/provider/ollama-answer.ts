/** Ollama's answer as OpenAI's: whole, as a stream, and embeddings. Types of the package are claims; what is used is checked. */
import type { ChatResponse, EmbedResponse } from 'ollama/browser'
import { failure } from '../failure.ts'
import { encodeVector, isVector, type VectorFormat } from '../openai/embedding.ts'
import { DONE, encodeEvent } from '../openai/sse.ts'
import type { Clock, Random } from '../ports.ts'
import { BrokenAnswer } from './broken.ts'

type Making = { readonly clock: Clock; readonly random: Random; readonly name: string }

/** Throws BrokenAnswer when the answer is not complete. */
export function wholeChat(answer: ChatResponse, { clock, random, name }: Making): Uint8Array {
  const calls = callsIn(answer, random, name)
  if (!answer.done || typeof answer.message?.content !== 'string') throw broken(name)
  const thinking = answer.message.thinking
  return encode({
    id: `chatcmpl-${letters(random)}`,
    object: 'chat.completion',
    created: Math.floor(clock.now() / 1000),
    model: answer.model,
    choices: [{
      index: 0,
      message: {
        role: 'assistant',
        content: answer.message.content === '' && calls.length > 0 ? null : answer.message.content,
        refusal: null,
        ...(thinking ? { reasoning_content: thinking } : {}),
        ...(calls.length > 0 ? { tool_calls: calls } : {}),
      },
      logprobs: null,
      finish_reason: finishReason(answer.done_reason, calls.length),
    }],
    usage: usageOf(answer),
  })
}

/**
 * Chunks as SSE events, the role first. Ends with `[DONE]` only after Ollama said `done`; a stream that stops before
 * throws, so that half an answer is never shown as a whole one.
 */
export async function* streamedChat(
  answers: AsyncIterable<ChatResponse>,
  { includeUsage, clock, random, name }: Making & { readonly includeUsage: boolean },
): AsyncGenerator<Uint8Array, void, undefined> {
  const id = `chatcmpl-${letters(random)}`
  const created = Math.floor(clock.now() / 1000)
  let called = 0
  let begun = false
  let done = false
  for await (const answer of answers) {
    const chunk = (delta: object, reason: string | null = null): Uint8Array => encodeEvent({
      id, object: 'chat.completion.chunk', created, model: answer.model,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
      ...(includeUsage ? { usage: null } : {}),
    })
    if (!begun) {
      begun = true
      yield chunk({ role: 'assistant', content: '' })
    }
    const { thinking, content } = answer.message ?? {}
    if (thinking) yield chunk({ reasoning_content: thinking })
    if (content) yield chunk({ content })
    const calls = callsIn(answer, random, name)
    if (calls.length > 0) yield chunk({ tool_calls: calls.map((call, index) => ({ index: called + index, ...call })) })
    called += calls.length
    if (answer.done) {
      done = true
      yield chunk({}, finishReason(answer.done_reason, called))
      if (includeUsage) yield encodeEvent({ id, object: 'chat.completion.chunk', created, model: answer.model, choices: [], usage: usageOf(answer) })
    }
  }
  if (!done) throw broken(name)
  yield DONE
}

/** Throws BrokenAnswer when there is not one vector per text. */
export function embeddings(
  { embeddings: vectors, model, prompt_eval_count: tokens = 0 }: EmbedResponse,
  { format, count, name }: { readonly format: VectorFormat; readonly count: number; readonly name: string },
): Uint8Array {
  if (!Array.isArray(vectors) || vectors.length !== count || !vectors.every(isVector)) throw broken(name)
  return encode({
    object: 'list',
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encodeVector(vector, format) })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  })
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const broken = (name: string): BrokenAnswer => new BrokenAnswer(failure('upstream_error', `The answer of ${name} is not complete.`, { upstream: { status: 200 } }))

type Call = { readonly id: string; readonly type: 'function'; readonly function: { readonly name: string; readonly arguments: string } }

function callsIn(answer: ChatResponse, random: Random, name: string): readonly Call[] {
  const calls: unknown = answer.message?.tool_calls ?? []
  if (!Array.isArray(calls)) throw broken(name)
  return calls.map((call: { function?: { name?: unknown; arguments?: unknown } } | null) => {
    const called = call?.function
    if (typeof called?.name !== 'string') throw broken(name)
    return { id: `call_${letters(random)}`, type: 'function', function: { name: called.name, arguments: JSON.stringify(called.arguments ?? {}) } }
  })
}

/** Ollama ends a call of a tool with `stop`; OpenAI's clients look for `tool_calls`. */
const finishReason = (reason: unknown, calls: number): string => (calls > 0 ? 'tool_calls' : reason === 'length' ? 'length' : 'stop')

/** A prompt that Ollama had in its cache may come without a count. */
function usageOf({ prompt_eval_count: input = 0, eval_count: output = 0 }: ChatResponse): object {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'
const letters = (random: Random): string => Array.from({ length: 24 }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('')
