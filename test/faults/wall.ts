/**
 * What this is for: the wall that a gateway is thrown against: providers in OpenAI's dialect that fail in sixteen ways, as one
 * real server. A place is one model at it, and a script says what it does with each request.
 *
 * What it promises: it writes down everything that it was asked, when, and when the connection was over.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a well place says, word by word. */
export const ANSWER = 'A gateway that is tried by sixteen faults must give the whole of this sentence, once and in order – naïvely, in every byte of it – or say plainly that it could not.'
/** What a place says that is well and of another opinion. */
export const OTHER = 'Quite another sentence begins here and it does not continue what somebody else has said before, however far that went.'
/** Only requests of callers hold it: a sign of life that a gateway asks for by itself does not. */
export const PROMPT = 'Say the sentence of the wall.'
/** In every error body: words of a provider, which no caller may see. */
export const WALL_WORDS = 'mortar-and-brick'

export type Does =
  | {
    readonly does: 'answer'
    readonly text?: string
    readonly finish?: 'stop' | 'content_filter'
    /** Headers, and in a stream the role, come at once; the first content only after so many milliseconds. */
    readonly slowMs?: number
    /** Meanwhile it sends what keeps a connection open and says nothing: comments in a stream, blanks before JSON. */
    readonly isBeating?: true
    /** A beginning that the request gives is taken for something that was said before, and all of the answer is said. */
    readonly ignoresPrefill?: true
    /** An event that is no JSON in the middle of a stream that has everything else; a whole answer that is no JSON. */
    readonly isMalformed?: true
    /**
     * How it ends. done: as it should. A stream otherwise: closes, stays: without `[DONE]`, while the connection ends or stays;
     * lingers: with it, while the connection stays; errs: with an error in its place. A whole answer otherwise: closes: without a length, by the end of its
     * connection; breaks: by a connection that breaks before the last chunk.
     */
    readonly end?: 'done' | 'closes' | 'stays' | 'lingers' | 'errs' | 'breaks'
  }
  | { readonly does: 'refuse'; readonly status: number; readonly code?: string; readonly retryAfter?: number }
  | { readonly does: 'reset' }
  | { readonly does: 'nothing' }
  /** Status 200, and then no event that is JSON; a whole answer is a page for people. */
  | { readonly does: 'babble' }
  /**
   * The answer breaks after so many words and the first half of the next event (a whole answer: in the middle of its JSON).
   * reset, stalls: the connection. ended: as if it were complete, with `[DONE]` where it is `done`. error: in an event that says
   * so, before `[DONE]`; a whole answer is an error with status 200. last-error: in an event that says so and is called the last
   * of the answer beside it. `isBeating`: comments go on coming in a stream that stalls.
   */
  | { readonly does: 'break'; readonly how: 'reset' | 'ended' | 'done' | 'stalls' | 'error' | 'last-error'; readonly afterWords: number; readonly isBeating?: true }

export type Asking = {
  /** Which request of a caller it is for this place, from 1. */
  readonly nth: number
  readonly stream: boolean
  /** The beginning of the answer, where the request gives one. */
  readonly prefill: string | undefined
}
export type Script = (asking: Asking) => Does

export type Asked = {
  readonly at: number
  /** It came from a caller; otherwise the gateway asked for a sign of life. */
  readonly isOfCaller: boolean
  readonly messages: readonly { readonly role: string; readonly content: unknown }[]
  /** The answer has ended, or the connection has. */
  isOver: boolean
}

export type Wall = {
  readonly url: string
  /** Opens a place under the name that the server knows the model by. */
  place(name: string, script: Script): void
  asked(name: string): readonly Asked[]
  close(): Promise<void>
}

type Place = { readonly script: Script; readonly asked: Asked[] }
type Body = { readonly model: string; readonly stream?: boolean; readonly stream_options?: { readonly include_usage?: boolean }; readonly messages: Asked['messages'] }
type Answering = { readonly response: ServerResponse; readonly body: Body; readonly usage: object; readonly said: string }

/** Long enough that what was written is read before the connection breaks. */
const BEFORE_BREAK_MS = 120
const BETWEEN_PIECES_MS = 20
const BEAT_MS = 100

export async function openWall(): Promise<Wall> {
  const places = new Map<string, Place>()
  const server = createServer((request, response) => { void answer(request, response, places) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    place: (name, script) => { places.set(name, { script, asked: [] }) },
    asked: name => places.get(name)?.asked ?? [],
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, places: ReadonlyMap<string, Place>): Promise<void> {
  const at = Date.now()
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const body = JSON.parse(Buffer.concat(parts).toString()) as Body
  const place = places.get(body.model)
  if (place === undefined) return refuse(response, { does: 'refuse', status: 404, code: 'model_not_found' })
  const isOfCaller = body.messages.some(m => m.content === PROMPT)
  const asked: Asked = { at, isOfCaller, messages: body.messages, isOver: false }
  place.asked.push(asked)
  response.once('close', () => { asked.isOver = true })

  const last = body.messages.at(-1)
  const prefill = last?.role === 'assistant' && typeof last.content === 'string' ? last.content : undefined
  const does = place.script({ nth: place.asked.filter(a => a.isOfCaller).length, stream: body.stream === true, prefill })
  // A different count of tokens for each provider: whose numbers a caller is given can be seen.
  const number = { first: 1, second: 2, third: 3 }[request.url?.split('/')[1] ?? ''] ?? 9
  const usage = { prompt_tokens: 10 + number, completion_tokens: 100 + number, total_tokens: 110 + 2 * number }
  perform(does, { response, body, usage, said: prefill ?? '' })
}

function perform(does: Does, answering: Answering): void {
  const { response } = answering
  switch (does.does) {
    case 'refuse': return refuse(response, does)
    case 'reset': return reset(response)
    case 'nothing': return
    case 'babble': return babble(answering)
    case 'answer': return answering.body.stream === true ? streamAnswer(does, answering) : wholeAnswer(does, answering)
    case 'break': return answering.body.stream === true ? breakStream(does, answering) : breakWhole(does, answering)
  }
}

const reset = (response: ServerResponse): void => { response.socket?.resetAndDestroy() }

function babble({ response, body }: Answering): void {
  response.writeHead(200, { 'content-type': body.stream === true ? 'text/event-stream' : 'text/html' })
  response.end(body.stream === true ? `data: ${WALL_WORDS}\n\ndata: {"choices":\n\ndata: [DONE]\n\n` : `<p>${WALL_WORDS}</p>`)
}

const errorBody = (code: string | null): string => JSON.stringify({ error: { message: `${WALL_WORDS} went wrong`, type: 'wall_error', param: null, code } })

function refuse(response: ServerResponse, { status, code, retryAfter }: Extract<Does, { does: 'refuse' }>): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }) })
  response.end(errorBody(code ?? null))
}

/** What is left to say after a beginning that the request gave; a place that does not know how says all of it again. */
const remaining = (text: string, said: string): string => (text.startsWith(said) ? text.slice(said.length) : text)
/** Words with the space before them, so that they add up to the text. */
const wordsOf = (text: string): readonly string[] => text.split(/(?= )/)

function streamAnswer({ text = ANSWER, finish = 'stop', slowMs = 0, isBeating, ignoresPrefill, isMalformed, end = 'done' }: Extract<Does, { does: 'answer' }>, answering: Answering): void {
  const { response, body, usage, said } = answering
  const event = beginStream(answering)
  const words = wordsOf(ignoresPrefill ? text : remaining(text, said))
  if (isBeating) beat(response, ': still here\n\n')
  const half = Math.floor(words.length / 2)
  const say = (some: readonly string[]): void => { for (const word of some) event({ content: word }) }
  later(slowMs, response, () => {
    say(words.slice(0, half))
    // In two pieces: the beginning is with the caller when the rest comes.
    later(BETWEEN_PIECES_MS, response, () => {
      if (isMalformed) response.write(`data: {"id":"wall","choices":[{"delta":{"cont ${WALL_WORDS}\n\n`)
      say(words.slice(half))
      event({}, finish)
      if (body.stream_options?.include_usage === true) response.write(`data: ${JSON.stringify({ ...baseOf(body, 'chat.completion.chunk'), choices: [], usage })}\n\n`)
      if (end === 'done') response.end('data: [DONE]\n\n')
      else if (end === 'lingers') response.write('data: [DONE]\n\n')
      else if (end === 'closes') response.end()
      else if (end === 'errs') later(BETWEEN_PIECES_MS, response, () => response.end(`data: ${errorBody('server_error')}\n\n`))
    })
  })
}

function breakStream({ how, afterWords, isBeating }: Extract<Does, { does: 'break' }>, answering: Answering): void {
  const { response, said, body } = answering
  const event = beginStream(answering)
  const words = wordsOf(remaining(ANSWER, said))
  for (const word of words.slice(0, afterWords)) event({ content: word })
  // What was said so far is with the caller before it breaks; the gateway would be right to hide a failure that came with it.
  if (how === 'error') return later(BEFORE_BREAK_MS, response, () => response.end(`data: ${errorBody('server_error')}\n\ndata: [DONE]\n\n`))
  if (how === 'last-error') {
    const choices = [{ index: 0, delta: { content: '' }, finish_reason: 'error' }]
    return later(BEFORE_BREAK_MS, response, () => response.end(`data: ${JSON.stringify({ ...baseOf(body, 'chat.completion.chunk'), ...JSON.parse(errorBody('server_error')) as object, choices })}\n\ndata: [DONE]\n\n`))
  }
  if (how === 'done') return later(BEFORE_BREAK_MS, response, () => response.end('data: [DONE]\n\n'))
  const next = `data: ${JSON.stringify({ ...baseOf(body, 'chat.completion.chunk'), choices: [{ index: 0, delta: { content: words[afterWords] }, finish_reason: null }] })}`
  if (isBeating) beat(response, ': still here\n\n')
  else response.write(next.slice(0, next.length / 2))
  if (how === 'stalls') return
  later(BEFORE_BREAK_MS, response, () => (how === 'ended' ? response.end() : reset(response)))
}

function beginStream({ response, body }: Answering): (delta: object, finish?: string) => void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const event = (delta: object, finish: string | null = null): void => {
    response.write(`data: ${JSON.stringify({ ...baseOf(body, 'chat.completion.chunk'), choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`)
  }
  event({ role: 'assistant', content: '' })
  return event
}

function wholeAnswer({ text = ANSWER, finish = 'stop', slowMs = 0, isBeating, isMalformed, end = 'done' }: Extract<Does, { does: 'answer' }>, answering: Answering): void {
  const { response } = answering
  const json = wholeBody(answering, { text, finish })
  const bytes = isMalformed ? `${json.slice(0, json.length / 2)}\u0000${WALL_WORDS}` : json
  if (end === 'done') {
    response.writeHead(200, { 'content-type': 'application/json', ...(isBeating !== true && { 'content-length': Buffer.byteLength(bytes) }) })
    response.flushHeaders()
    if (isBeating) beat(response, ' ')
    return later(slowMs, response, () => response.end(bytes))
  }
  if (end === 'closes') {
    response.useChunkedEncodingByDefault = false
    response.writeHead(200, { 'content-type': 'application/json', connection: 'close' })
    return void response.end(bytes)
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write(bytes)
  later(BEFORE_BREAK_MS, response, () => reset(response))
}

function breakWhole({ how }: Extract<Does, { does: 'break' }>, answering: Answering): void {
  const { response } = answering
  const bytes = wholeBody(answering, { text: ANSWER, finish: 'stop' })
  if (how === 'error' || how === 'last-error') return void response.writeHead(200, { 'content-type': 'application/json' }).end(errorBody('server_error'))
  response.writeHead(200, { 'content-type': 'application/json', ...(how !== 'ended' && how !== 'done' && { 'content-length': Buffer.byteLength(bytes) }) })
  response.write(bytes.slice(0, Math.floor(bytes.indexOf(ANSWER) + ANSWER.length / 2)))
  if (how === 'ended' || how === 'done') response.end()
  else if (how === 'reset') later(BEFORE_BREAK_MS, response, () => reset(response))
}

const wholeBody = ({ body, usage, said }: Answering, { text, finish }: { readonly text: string; readonly finish: string }): string =>
  JSON.stringify({ ...baseOf(body, 'chat.completion'), choices: [{ index: 0, message: { role: 'assistant', content: remaining(text, said), refusal: null }, logprobs: null, finish_reason: finish }], usage })

const baseOf = ({ model }: Body, object: string): object => ({ id: 'chatcmpl-wall', object, created: 1, model })

/** Does it after so long, unless the connection is over by then. */
function later(ms: number, response: ServerResponse, act: () => void): void {
  if (ms === 0) return act()
  const timer = setTimeout(act, ms)
  response.once('close', () => clearTimeout(timer))
}

/** Says nothing at intervals until the answer is over. */
function beat(response: ServerResponse, nothing: string): void {
  const timer = setInterval(() => { if (!response.writableEnded) response.write(nothing) }, BEAT_MS)
  response.once('close', () => clearInterval(timer))
}
