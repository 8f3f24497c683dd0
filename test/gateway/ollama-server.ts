/** A server that speaks as much of Ollama as discovery, fetching and a sign of life ask for, and does what a test says. */
import type { ServerResponse } from 'node:http'
import { listen, type Listening } from '../provider/support.ts'

export type OllamaServer = Listening & {
  /** What it holds by name, with what it says of it; write to it. */
  readonly held: Map<string, object>
  /** Names of models that it was told to fetch, in order. */
  readonly pulled: readonly string[]
  /** How often it was asked what it holds. */
  asked(): number
  /** How many prompts it was sent. */
  prompts(): number
  /** While this is true it answers nothing but 503. */
  isStarting: boolean
}

const json = (response: ServerResponse, value: object, status = 200): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
export const line = (response: ServerResponse, value: object): void => void response.write(`${JSON.stringify(value)}\n`)

/** `fetching` answers a pull; it fetches at once unless a test says otherwise. */
export async function ollamaServer(held: Readonly<Record<string, object>> = {}, fetching?: (response: ServerResponse, model: string, held: Map<string, object>) => void): Promise<OllamaServer> {
  const models = new Map(Object.entries(held)), pulled: string[] = []
  const server = await listen((request, response, body) => {
    if (ollama.isStarting) return json(response, {}, 503)
    if (request.url === '/api/tags') return json(response, { models: [...models].map(([model, said]) => ({ model, name: model, ...said })) })
    const asked = JSON.parse(body) as { model?: string; name?: string }
    if (request.url === '/api/show') return models.has(asked.model!) ? json(response, { capabilities: ['completion'] }) : json(response, { error: 'none' }, 404)
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    if (request.url !== '/api/pull') {
      const said = models.get(asked.model!) ?? models.get(`${asked.model!}:latest`)
      return void response.end(`${JSON.stringify({ model: asked.model, message: { role: 'assistant', content: 'ready' }, done: true, done_reason: 'stop', ...said })}\n`)
    }
    pulled.push(asked.name!)
    if (fetching !== undefined) return fetching(response, asked.name!, models)
    models.set(asked.name!, {})
    response.end('{"status":"success"}\n')
  })
  const at = (path: string): number => server.requests.filter(r => r.path === path).length
  const ollama: OllamaServer = { ...server, held: models, pulled, asked: () => at('/api/tags'), prompts: () => at('/api/chat'), isStarting: false }
  return ollama
}
