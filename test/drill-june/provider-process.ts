/**
 * A provider as a process of its own: prints its address, then a line for each request that reached it, before it answers, and
 * one when the answer is over.
 * Standard output is a pipe and written to at once, so what reached it is known even of one that is killed.
 */
import { createServer, type ServerResponse } from 'node:http'
import { NONCE, sayingOf } from './world.ts'

const WHOLE_AFTER_MS = 30
const PIECE_EVERY_MS = 35

type Body = { readonly model: string; readonly stream?: boolean; readonly messages: readonly { readonly role: string; readonly content: string }[] }

const tell = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`)

const server = createServer((request, response) => {
  const at = Date.now()
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(parts).toString()) as Body
    const nonce = body.messages.map(m => NONCE.exec(m.content)?.[0]).find(found => found !== undefined)
    tell({ arrival: { at, deployment: body.model, nonce: nonce ?? null } })
    response.on('close', () => tell({ over: { at: Date.now(), deployment: body.model } }))
    const begun = body.messages.at(-1)?.role === 'assistant' ? body.messages.at(-1)!.content : ''
    const saying = nonce === undefined ? 'ready' : sayingOf(nonce)
    const rest = saying.startsWith(begun) ? saying.slice(begun.length) : saying
    if (body.stream === true) stream(response, body.model, rest)
    else setTimeout(() => whole(response, body.model, rest), WHOLE_AFTER_MS)
  })
})

function whole(response: ServerResponse, model: string, content: string): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({
    id: 'c', object: 'chat.completion', created: 1, model, choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 8, completion_tokens: 13, total_tokens: 21 },
  }))
}

function stream(response: ServerResponse, model: string, content: string): void {
  const event = (delta: object, finish: string | null = null): string =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const words = content.match(/\s*\S+/g) ?? []
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(event({ role: 'assistant', content: '' }))
  let next = 0
  const ticking = setInterval(() => {
    const word = words[next++]
    if (word !== undefined) return void response.write(event({ content: word }))
    clearInterval(ticking)
    response.end(`${event({}, 'stop')}data: [DONE]\n\n`)
  }, PIECE_EVERY_MS)
  response.on('close', () => clearInterval(ticking))
}

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) process.stdout.write(`ready http://127.0.0.1:${address.port}\n`)
})
