import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { TransportRequest } from '../../src/ports.ts'
import { nodeTransport } from '../../src/runtime/node-transport.ts'
import { listen, textOf, type Listening } from './support.ts'

const transport = nodeTransport()
const open: Listening[] = []
afterEach(async () => { await Promise.all(open.splice(0).map(server => server.close())) })

async function serve(...args: Parameters<typeof listen>): Promise<Listening> {
  const server = await listen(...args)
  open.push(server)
  return server
}

const get = (url: string): TransportRequest => ({ method: 'GET', url, headers: {} })
const never = (): AbortSignal => new AbortController().signal

/** An abort signal that counts who listens. */
function counted(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController()
  const { signal } = controller
  let listeners = 0
  const add = signal.addEventListener.bind(signal), remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => { listeners += 1; add(...args) }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => { listeners -= 1; remove(...args) }
  return { controller, listeners: () => listeners }
}

test('bytes go out and come back as they are, with path, query and headers', async () => {
  const server = await serve((_, response, body) => response.writeHead(201, { 'X-Answer': 'yes' }).end(body))
  const response = await transport.send({ method: 'POST', url: `${server.url}/a/b?c=d`, headers: { 'x-ask': '1' }, body: Buffer.from('{"é":1.0}') }, never())
  expect(response).toMatchObject({ status: 201, headers: { 'x-answer': 'yes' } })
  expect(await textOf(response.body)).toBe('{"é":1.0}')
  expect(server.requests[0]).toMatchObject({ method: 'POST', path: '/a/b?c=d', headers: { 'x-ask': '1' } })
})

test('connections are used again, and no listener stays on the signal', async () => {
  const server = await serve((_, response) => response.end('x'))
  const { controller, listeners } = counted()
  for (let count = 0; count < 6; count += 1) await textOf((await transport.send(get(server.url), controller.signal)).body)
  // A connection rests for one turn of the event loop, so two take turns.
  expect(server.connections()).toBeLessThanOrEqual(2)
  expect(listeners()).toBe(0)
})

test('a large answer arrives whole though its reader is slow, and waits in the socket rather than in memory', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const server = await serve((_, response) => {
    for (let count = 0; count < 128; count += 1) response.write(piece)
    response.end()
  })
  let bytes = 0
  let largest = 0
  for await (const chunk of (await transport.send(get(server.url), never())).body) {
    bytes += chunk.length
    largest = Math.max(largest, chunk.length)
    if (bytes < 4 * piece.length) for (let turn = 0; turn < 200; turn += 1) await new Promise(resolve => { setImmediate(resolve) })
  }
  expect(bytes).toBe(128 * piece.length)
  expect(largest).toBeGreaterThan(256 * 1024)
  expect(largest).toBeLessThan(1024 * 1024)
})

test('a redirect is an answer like any other and is not followed', async () => {
  const server = await serve((_, response) => response.writeHead(302, { location: '/elsewhere' }).end())
  expect((await transport.send(get(server.url), never())).status).toBe(302)
  expect(server.requests).toHaveLength(1)
})

test('nobody there: the code survives', async () => {
  const server = await listen(() => undefined)
  await server.close()
  await expect(transport.send(get(server.url), never())).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await expect(transport.send(get('no address'), never())).rejects.toMatchObject({ code: 'ERR_INVALID_URL' })
})

test('a reset before the headers and a body that ends early are errors with a code', async () => {
  const reset = await serve(request => request.socket.resetAndDestroy())
  await expect(transport.send(get(reset.url), never())).rejects.toHaveProperty('code')
  const early = await serve((request, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('half', () => request.socket.destroy())
  })
  const response = await transport.send(get(early.url), never())
  await expect(textOf(response.body)).rejects.toHaveProperty('code')
  const chunked = await serve((request, answer) => answer.write('half', () => request.socket.destroy()))
  const cut = await transport.send(get(chunked.url), never())
  await expect(textOf(cut.body)).rejects.toHaveProperty('code')
})

test('what is not HTTP is an error with a parser code', async () => {
  const server = createServer(socket => socket.end('garbage\r\n\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await expect(transport.send(get(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), never())).rejects.toMatchObject({ code: expect.stringMatching(/^HPE_/) as string })
  server.close()
})

test('aborting while headers are awaited rejects at once and closes the connection', async () => {
  const closed = Promise.withResolvers<void>()
  const { controller, listeners } = counted()
  const server = await serve(request => {
    request.socket.on('close', () => closed.resolve())
    controller.abort(new Error('why'))
  })
  await expect(transport.send(get(server.url), controller.signal)).rejects.toMatchObject({ code: 'ABORT_ERR', cause: { message: 'why' } })
  await closed.promise
  expect(listeners()).toBe(0)
})

test('aborting in the middle of a body rejects its reader and closes the connection', async () => {
  const closed = Promise.withResolvers<void>()
  const server = await serve((request, response) => {
    request.socket.on('close', () => closed.resolve())
    response.write('first')
  })
  const { controller, listeners } = counted()
  const response = await transport.send(get(server.url), controller.signal)
  const reading = textOf(response.body)
  controller.abort()
  await expect(reading).rejects.toMatchObject({ code: 'ABORT_ERR' })
  await closed.promise
  expect(listeners()).toBe(0)
})

test('leaving the body early closes the connection', async () => {
  const closed = Promise.withResolvers<void>()
  const server = await serve((request, response) => {
    request.socket.on('close', () => closed.resolve())
    response.write('first')
  })
  const { controller, listeners } = counted()
  for await (const chunk of (await transport.send(get(server.url), controller.signal)).body) {
    expect(Buffer.from(chunk).toString()).toBe('first')
    break
  }
  await closed.promise
  expect(listeners()).toBe(0)
})

test('an aborted signal sends nothing', async () => {
  const server = await serve((_, response) => response.end())
  await expect(transport.send(get(server.url), AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORT_ERR' })
  expect(server.connections()).toBe(0)
})

test('many requests to one origin run side by side', async () => {
  const waiting: (() => void)[] = []
  const server = await serve((_, response) => {
    waiting.push(() => response.end('x'))
    if (waiting.length === 200) for (const answer of waiting) answer()
  })
  const all = await Promise.all(Array.from({ length: 200 }, async () => textOf((await transport.send(get(server.url), never())).body)))
  expect(all).toHaveLength(200)
})

test('a closed transport sends nothing and fails what is under way', async () => {
  const own = nodeTransport()
  const arrived = Promise.withResolvers<void>()
  const server = await serve(() => arrived.resolve())
  const waiting = own.send(get(server.url), never())
  const failed = expect(waiting).rejects.toHaveProperty('code')
  await arrived.promise
  await own.close()
  await failed
  await expect(own.send(get(server.url), never())).rejects.toMatchObject({ code: 'ECLOSED' })
})
