/**
 * A provider as a process of its own, in OpenAI's dialect: prints its address, answers with its name, and counts the
 * requests it saw at GET /count. Started and killed by tests.
 */
import { createServer } from 'node:http'

const name = process.argv[2] ?? 'unnamed'
let requests = 0
const server = createServer((request, response) => {
  if (request.url === '/count') return void response.end(String(requests))
  requests++
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(parts).toString()) as { model: string; stream?: boolean }
    const base = { id: 'x', created: 1, model: body.model }
    if (body.stream === true) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const word of ['from ', name]) response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: word }, finish_reason: null }] })}\n\n`)
      response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`)
      return void response.end('data: [DONE]\n\n')
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    if (request.url?.endsWith('/embeddings') === true) return void response.end(JSON.stringify({ object: 'list', model: body.model, data: [{ object: 'embedding', index: 0, embedding: [0.5] }], usage: { prompt_tokens: 1, total_tokens: 1 } }))
    response.end(JSON.stringify({ ...base, object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content: `from ${name}` }, finish_reason: 'stop' }], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } }))
  })
})
server.listen(Number(process.argv[3] ?? 0), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) process.stdout.write(`ready http://127.0.0.1:${address.port}\n`)
})
