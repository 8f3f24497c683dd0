/**
 * Providers that give back whatever they were sent, wherever they can: in codes, names of models, places, headers and texts.
 * What one does is said by the name of the model that it is asked for; the part after the last dash says what it repeats.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ODD, PROVIDER } from './canaries.ts'

export type CanaryProvider = { readonly url: string; close(): Promise<void> }

type Body = { readonly model: string; readonly stream?: boolean; readonly messages?: readonly { readonly content: string }[]; readonly input?: string; readonly prompt?: string }

export async function canaryProvider(): Promise<CanaryProvider> {
  const server = createServer((request, response) => {
    const texts: string[] = []
    request.setEncoding('utf8').on('data', (text: string) => texts.push(text)).on('end', () => {
      const text = texts.join('')
      response.setHeader('x-request-id', PROVIDER.header)
      response.setHeader('set-cookie', `session=${PROVIDER.header}`)
      if (request.url?.startsWith('/ollama/') === true) ollama(request, response, text)
      else if (text === '') json(response, 200, { object: 'list', data: ['good-one', 'listed-one', ...ODD, keyOf(request)].map(id => ({ id })) })
      else answer(request, response, text)
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

const keyOf = (request: IncomingMessage): string => request.headers.authorization?.replace('Bearer ', '') ?? 'no-key'

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(typeof value === 'string' ? value : JSON.stringify(value))
}

function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
  const body = JSON.parse(text) as Body
  const [what, of] = [body.model.replace(/-[a-z]+$/, ''), body.model.replace(/^.*-/, '')]
  const said = body.messages?.at(-1)?.content ?? body.input ?? body.prompt ?? 'nothing'
  // A word of the right form, whatever is in it.
  const word = of === 'key' ? keyOf(request) : of === 'half' ? keyOf(request).slice(0, 20) : of === 'prompt' ? said : PROVIDER.code
  const error = { error: { message: `${PROVIDER.error} ${keyOf(request)} ${text}`, type: word, param: word, code: word } }
  switch (what) {
    case 'refusing': return json(response, 400, error)
    case 'keyed': return json(response, 401, error)
    case 'gone': return json(response, 410, error)
    case 'failing': return json(response, 503, error)
    case 'refusing-late': return json(response, 200, error)
    case 'broken': return json(response, 200, `{"choices":[{"message":{"content":"${PROVIDER.error} ${text}`)
    case 'shapeless': return json(response, 200, `${PROVIDER.error} ${text}`)
    case 'redirecting':
      response.writeHead(302, { location: `http://127.0.0.1:9/${word}?${encodeURIComponent(said)}` })
      return void response.end()
    case 'straying': response.setHeader('x-served-from', word)
  }
  const model = what === 'posing' || what === 'boasting' ? word : what === 'good' ? 'good-one-2026-01-01' : `${PROVIDER.model} ${word}`
  const usage = { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500, inference_geo: what === 'boasting' ? word : 'fr' }
  if (request.url?.endsWith('/embeddings') === true) return json(response, 200, { object: 'list', model, data: [{ object: 'embedding', index: 0, embedding: [0.5] }], usage })
  if (body.stream !== true) {
    return json(response, 200, {
      id: PROVIDER.answer, object: 'chat.completion', created: 1, model, system_fingerprint: PROVIDER.answer, usage,
      choices: [{ index: 0, text: PROVIDER.answer, message: { role: 'assistant', content: `${PROVIDER.answer} ${said}` }, finish_reason: 'stop' }],
    })
  }
  const chunk = (delta: object, finish: string | null = null): string => `data: ${JSON.stringify({ id: PROVIDER.answer, object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const begun = `: ${PROVIDER.stream}\n\n${chunk({ role: 'assistant', content: PROVIDER.stream })}`
  if (what === 'cutting') return void response.write(begun, () => response.destroy())
  response.write(begun)
  if (what === 'shouting') return void response.end(`event: error\ndata: ${JSON.stringify(error)}\n\n`)
  if (what === 'babbling') return void response.end(`data: {"${PROVIDER.stream} ${said}\n\n`)
  response.end(`${chunk({}, 'stop')}data: ${JSON.stringify({ id: 'u', object: 'chat.completion.chunk', created: 1, model, choices: [], usage })}\n\ndata: [DONE]\n\n`)
}

/** The other dialect: one that answers, and one whose every word is an error. */
function ollama(request: IncomingMessage, response: ServerResponse, text: string): void {
  const { model = '' } = (text === '' ? {} : JSON.parse(text)) as { readonly model?: string }
  if (request.url === '/ollama/api/tags') return json(response, 200, { models: [{ model: 'den:1b' }, { model: 'sick:1b' }, { model: keyOf(request) }] })
  if (request.url === '/ollama/api/show') return json(response, 200, { capabilities: ['completion'], model_info: { 'x.context_length': 4096 } })
  if (model.startsWith('sick')) return json(response, 500, { error: `${PROVIDER.error} ${keyOf(request)} ${text}` })
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.end(`${JSON.stringify({ model, created_at: 'x', message: { role: 'assistant', content: PROVIDER.answer }, done: true, done_reason: 'stop', prompt_eval_count: 1, eval_count: 1 })}\n`)
}
