/** A provider that listens on loopback and does what the test says, when the test says it. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type ProviderInHand = {
  readonly url: string
  /** What GET /v1/models lists; write to it. */
  readonly models: string[]
  /** Resolves when a stream has begun. */
  readonly streaming: Promise<void>
  /** Ends every stream that has begun. */
  release(): void
  readonly close: () => Promise<void>
}

export async function startProvider(models: readonly string[] = []): Promise<ProviderInHand> {
  const held = [...models]
  const open = new Set<ServerResponse>()
  const begun = Promise.withResolvers<void>()
  const chunk = (delta: unknown, finish: string | null = null): string =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const server = createServer((request, response) => {
    const texts: string[] = []
    request.setEncoding('utf8').on('data', (text: string) => texts.push(text)).on('end', () => {
      if (request.url === '/v1/models') {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ object: 'list', data: held.map(id => ({ id, object: 'model', created: 1, owned_by: 'x' })) }))
        return
      }
      if ((JSON.parse(texts.join('')) as { stream?: boolean }).stream !== true) {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({
          id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'Good day.' }, finish_reason: 'stop' }],
          usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
        }))
        return
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk({ role: 'assistant', content: 'Good' }))
      open.add(response)
      response.on('close', () => open.delete(response))
      begun.resolve()
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, models: held, streaming: begun.promise,
    release() {
      for (const response of open) response.end(`${chunk({ content: ' day.' })}${chunk({}, 'stop')}data: [DONE]\n\n`)
    },
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}
