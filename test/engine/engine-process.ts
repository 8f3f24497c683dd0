/**
 * The engine as a process: llama.cpp behind HTTP, in Ollama's dialect below /api and in OpenAI's below /v1, as a server on
 * somebody's own machine speaks them. Prints its address when it can answer. GET /busy says how many generations are under way.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { startLlama, type Message, type Said, type Wish } from './llama.ts'
import { CONTEXT_TOKENS } from './tiny-model.ts'

const MODEL = 'tiny:latest'
const engine = await startLlama()

type OllamaChat = { readonly model: string; readonly messages: readonly Message[]; readonly stream?: boolean; readonly format?: object | string; readonly options?: { readonly num_predict?: number; readonly seed?: number; readonly temperature?: number } }
type OpenaiChat = {
  readonly model: string; readonly messages: readonly Message[]; readonly stream?: boolean; readonly seed?: number; readonly temperature?: number
  readonly max_tokens?: number; readonly max_completion_tokens?: number
  readonly response_format?: { readonly json_schema?: { readonly schema: object } }; readonly stream_options?: { readonly include_usage?: boolean }
}
type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse; readonly body: unknown; readonly signal: AbortSignal }

const ANSWERS: Readonly<Record<string, (exchange: Exchange) => void | Promise<void>>> = {
  'GET /busy': ({ response }) => json(response, engine.busy()),
  'GET /api/tags': ({ response }) => json(response, { models: [{ name: MODEL, model: MODEL, size: 1, digest: 'tiny', details: { format: 'gguf', family: 'llama' } }] }),
  'POST /api/show': ({ response }) => json(response, {
    details: { format: 'gguf', family: 'llama' }, model_info: { 'general.architecture': 'llama', 'llama.context_length': CONTEXT_TOKENS }, capabilities: ['completion', 'embedding'],
  }),
  'POST /api/chat': chatAsOllama,
  'POST /api/embed': async ({ response, body }) => {
    const { model, input } = body as { readonly model: string; readonly input: readonly string[] }
    if (model !== MODEL) return notHeld(response, { error: `model '${model}' not found` })
    const made = await inTurn(input, text => engine.embed(text))
    json(response, { model, embeddings: made.map(m => m.vector), prompt_eval_count: made.reduce((sum, m) => sum + m.tokens, 0) })
  },
  'GET /v1/models': ({ response }) => json(response, { object: 'list', data: [{ id: MODEL, object: 'model', created: 0, owned_by: 'nobody', max_model_len: CONTEXT_TOKENS }] }),
  'POST /v1/chat/completions': chatAsOpenai,
  'POST /v1/embeddings': async ({ response, body }) => {
    const { model, input } = body as { readonly model: string; readonly input: string | readonly string[] }
    if (model !== MODEL) return notHeld(response, { error: { message: 'no such model', type: 'invalid_request_error', code: 'model_not_found' } })
    const made = await inTurn(typeof input === 'string' ? [input] : input, text => engine.embed(text))
    const tokens = made.reduce((sum, m) => sum + m.tokens, 0)
    json(response, { object: 'list', model, data: made.map(({ vector }, index) => ({ object: 'embedding', index, embedding: vector })), usage: { prompt_tokens: tokens, total_tokens: tokens } })
  },
}

async function chatAsOllama({ response, body, signal }: Exchange): Promise<void> {
  const { model, messages, stream, format, options = {} } = body as OllamaChat
  if (model !== MODEL) return notHeld(response, { error: `model '${model}' not found` })
  const wish: Wish = { messages, signal, tokensMax: options.num_predict, seed: options.seed, temperature: options.temperature, schema: typeof format === 'object' ? format : undefined }
  const line = (content: string, end: object = { done: false }): object => ({ model, created_at: new Date().toISOString(), message: { role: 'assistant', content }, ...end })
  const end = ({ reason, tokensIn, tokensOut }: Said): object => ({ done: true, done_reason: reason, prompt_eval_count: tokensIn, eval_count: tokensOut })
  if (stream === false) {
    const said = await engine.say(wish)
    return json(response, line(said.text, end(said)))
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  const said = await engine.say({ ...wish, said: text => { response.write(`${JSON.stringify(line(text))}\n`) } })
  response.end(`${JSON.stringify(line('', end(said)))}\n`)
}

async function chatAsOpenai({ response, body, signal }: Exchange): Promise<void> {
  const { model, messages, stream, seed, temperature, max_tokens: max, max_completion_tokens: newMax, response_format: format, stream_options: options } = body as OpenaiChat
  if (model !== MODEL) return notHeld(response, { error: { message: 'no such model', type: 'invalid_request_error', code: 'model_not_found' } })
  const wish: Wish = { messages, signal, tokensMax: newMax ?? max, seed, temperature, schema: format?.json_schema?.schema }
  const base = { id: 'chatcmpl-tiny', created: Math.floor(Date.now() / 1_000), model }
  const usage = ({ tokensIn, tokensOut }: Said): object => ({ prompt_tokens: tokensIn, completion_tokens: tokensOut, total_tokens: tokensIn + tokensOut })
  if (stream !== true) {
    const said = await engine.say(wish)
    return json(response, { ...base, object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content: said.text }, finish_reason: said.reason }], usage: usage(said) })
  }
  const event = (value: object): void => void response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', ...value })}\n\n`)
  const choice = (delta: object, reason: string | null = null): object => ({ choices: [{ index: 0, delta, finish_reason: reason }] })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  event(choice({ role: 'assistant', content: '' }))
  const said = await engine.say({ ...wish, said: content => event(choice({ content })) })
  event(choice({}, said.reason))
  if (options?.include_usage === true) event({ choices: [], usage: usage(said) })
  response.end('data: [DONE]\n\n')
}

/** One vector at a time: the engine makes them one after the other anyway. */
async function inTurn<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<readonly Out[]> {
  const done: Out[] = []
  for (const item of items) done.push(await work(item))
  return done
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}
const notHeld = (response: ServerResponse, value: object): void => json(response, value, 404)

const server = createServer((request, response) => {
  const parts: Buffer[] = []
  const leaving = new AbortController()
  response.on('close', () => leaving.abort())
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const text = Buffer.concat(parts).toString()
    const answer = ANSWERS[`${request.method} ${request.url}`]
    if (answer === undefined) return json(response, { error: 'not found' }, 404)
    void (async () => {
      try {
        await answer({ request, response, body: text === '' ? undefined : JSON.parse(text), signal: leaving.signal })
      } catch (error) {
        process.stderr.write(`engine: ${String(error)}\n`)
        if (response.headersSent) response.destroy()
        else json(response, { error: 'the engine failed' }, 500)
      }
    })()
  })
})
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) process.stdout.write(`ready http://127.0.0.1:${address.port}\n`)
})
