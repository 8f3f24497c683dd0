/** 10,000 callers who leave in the middle of their stream: nothing of them may stay. */
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { expect, test } from 'vitest'
import { KEY, listening } from '../support/listening.ts'
import { app, bundleOf, keyHash, provider } from '../support/tree.ts'

const STREAMS = 10_000
const AT_ONCE = 50

test('no socket, listener, timer or open attempt is left behind by 10,000 aborted streams', async () => {
  const sockets = new Set<Socket>()
  let asked = 0, aborted = 0
  const server = createServer((incoming, response) => {
    asked++
    response.on('close', () => { if (!response.writableFinished) aborted++ })
    incoming.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    // The first word, and then nothing until somebody leaves.
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'word' }, finish_reason: null }] })}\n\n`)
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const gateway = await listening({
    bundle: await bundleOf({
      'apps/desk.yaml': app('desk', `grants: all\nkey-hashes: [ "${await keyHash(KEY)}" ]`),
      'catalog/p.yaml': provider('p', `dialect: openai\nbase-url: http://127.0.0.1:${port}`, ['{ deployment: a, model: p/a }']),
    }),
  })
  const warnings: string[] = []
  const warned = (warning: Error): void => { warnings.push(warning.name) }
  process.on('warning', warned)
  const timersBefore = resources('Timeout')

  const body = JSON.stringify({ model: 'p/a', stream: true, messages: [{ role: 'user', content: 'x' }] })
  const { hostname, port: ours } = new URL(gateway.url)
  const leaveInTheMiddle = async (): Promise<void> => {
    const asking = httpRequest({ hostname, port: ours, method: 'POST', path: '/v1/chat/completions', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, agent: false })
    asking.on('error', () => undefined)
    asking.end(body)
    const [answer] = await once(asking, 'response') as [IncomingMessage]
    answer.on('error', () => undefined)
    expect(answer.statusCode).toBe(200)
    await once(answer, 'data')
    const gone = once(asking, 'close')
    asking.destroy()
    await gone
  }
  let begun = 0
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (begun++ < STREAMS) await leaveInTheMiddle()
  }))

  expect(asked).toBe(STREAMS)
  await expect.poll(() => aborted, { timeout: 10_000 }).toBe(STREAMS)
  await expect.poll(() => sockets.size, { timeout: 10_000 }).toBe(0)
  await expect.poll(() => gateway.entries.filter(e => e.kind === 'outcome').length, { timeout: 10_000 }).toBe(STREAMS)
  expect(new Set(gateway.entries.flatMap(e => (e.kind === 'outcome' ? [e.outcome] : [])))).toEqual(new Set(['cancelled']))
  expect(await (await fetch(`${gateway.url}/metrics`)).text()).toMatch(/^bailiwick_requests_in_flight 0$/m)
  await expect.poll(() => resources('Timeout') - timersBefore, { timeout: 10_000 }).toBeLessThan(20)
  // Who leaves says nothing about the provider.
  expect(gateway.gateway.breakers.state('a')).toBe('closed')
  expect(warnings).toEqual([])
  process.off('warning', warned)
  await gateway.close()
  server.close()
}, 120_000)

const resources = (kind: string): number => process.getActiveResourcesInfo().filter(name => name === kind).length
