import { once } from 'node:events'
import { createServer, type AddressInfo, type LookupFunction } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { TransportRequest } from '../../src/ports.ts'
import { nodeTransport, type NodeTransport } from '../../src/runtime/node-transport.ts'
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

test('what may not leave any more when the connection is there does not leave, and says why', async () => {
  const server = await serve((_, response) => response.end('x'))
  const { controller, listeners } = counted()
  const asked: number[] = []
  const refused = transport.send({ ...get(server.url), mayLeave: () => { asked.push(server.connections()); return false } }, controller.signal)
  await expect(refused).rejects.toMatchObject({ code: 'EOVERTAKEN' })
  // It was asked when the connection stood, not before.
  expect(asked).toEqual([1])
  expect(server.requests).toEqual([])
  expect(listeners()).toBe(0)
  expect(await textOf((await transport.send({ ...get(server.url), mayLeave: () => true }, never())).body)).toBe('x')
  expect(server.requests).toHaveLength(1)
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

describe('only where it is nearby', () => {
  const local = (url: string, ...hosts: string[]): TransportRequest => ({ method: 'POST', url, headers: { 'x-key': 'secret' }, body: Buffer.from('prompt'), onlyLocal: { hosts } })
  const portOf = (server: Listening): string => new URL(server.url).port

  /** Names that mean what the list says, one answer for each connection, the last for all that follow. */
  function names(...answers: (string | string[])[]): { readonly lookup: LookupFunction; readonly asked: string[] } {
    const asked: string[] = []
    return {
      asked,
      lookup: (hostname, options, callback) => {
        asked.push(hostname)
        const addresses = [answers.length > 1 ? answers.shift()! : answers[0]!].flat().map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
        if (options.all === true) callback(null, addresses)
        else callback(null, addresses[0]!.address, addresses[0]!.family)
      },
    }
  }

  const opened: NodeTransport[] = []
  afterEach(async () => { await Promise.all(opened.splice(0).map(one => one.close())) })
  const withNames = (lookup: LookupFunction): NodeTransport => {
    const own = nodeTransport({ lookup })
    opened.push(own)
    return own
  }

  test('loopback by address and by name is connected to', async () => {
    const server = await serve((_, response, body) => response.end(body))
    expect(await textOf((await transport.send(local(server.url), never())).body)).toBe('prompt')
    expect(await textOf((await transport.send(local(`http://localhost:${portOf(server)}`), never())).body)).toBe('prompt')
    const { lookup, asked } = names(['127.0.0.1'])
    expect(await textOf((await withNames(lookup).send(local(`http://gpu.example.internal:${portOf(server)}`), never())).body)).toBe('prompt')
    expect(asked).toEqual(['gpu.example.internal'])
  })

  test('an address that is not local is refused before anything is looked up or connected to', async () => {
    const { lookup, asked } = names('127.0.0.1')
    // Each of them would reach this machine, or nobody.
    for (const host of ['0.0.0.0', '[::]', '100.64.0.1', '203.0.113.7', '[2001:db8::7]', '[::ffff:203.0.113.7]']) {
      const server = await serve((_, response) => response.end('x'))
      await expect(withNames(lookup).send(local(`http://${host}:${portOf(server)}`), never()), host).rejects.toMatchObject({ code: 'ENOTLOCAL' })
      expect([server.connections(), server.requests.length]).toEqual([0, 0])
    }
    expect(asked).toEqual([])
  })

  test('a name that leads elsewhere is refused, and no byte leaves', async () => {
    // 0.0.0.0 is no local address and does reach this machine, so that a byte that left would be seen.
    const server = await serve((_, response) => response.end('x'))
    let connections = 0
    const listening = createServer(socket => {
      connections += 1
      socket.destroy()
    })
    listening.listen(0, '0.0.0.0')
    await once(listening, 'listening')
    const { port } = listening.address() as AddressInfo
    const own = withNames(names('0.0.0.0').lookup)
    await expect(own.send(local(`http://gpu.example.internal:${port}`), never())).rejects.toMatchObject({ code: 'ENOTLOCAL' })
    await expect(own.send(local(`http://gpu.example.internal:${portOf(server)}`, 'other.example.internal'), never())).rejects.toMatchObject({ code: 'ENOTLOCAL' })
    expect([connections, server.connections()]).toEqual([0, 0])
    // The same name is reached where nothing says that it must be local.
    expect(await textOf((await own.send(get(`http://gpu.example.internal:${portOf(await serve((_, response) => response.end('reached')))}`), never())).body)).toBe('reached')
    listening.close()
  })

  test('a name or an address that is listed is connected to', async () => {
    const server = await serve((_, response, body) => response.end(body))
    const { lookup } = names('0.0.0.0')
    for (const hosts of [['gpu.example.internal'], ['0.0.0.0']]) {
      const own = withNames(lookup)
      expect(await textOf((await own.send(local(`http://GPU.example.internal:${portOf(server)}`, ...hosts), never())).body)).toBe('prompt')
    }
    expect(await textOf((await transport.send(local(`http://0.0.0.0:${portOf(server)}`, '0.0.0.0'), never())).body)).toBe('prompt')
  })

  test('of several addresses only those nearby are tried', async () => {
    const server = await serve((_, response, body) => response.end(body))
    const own = withNames(names(['203.0.113.7', '2001:db8::7', '127.0.0.1']).lookup)
    expect(await textOf((await own.send(local(`http://gpu.example.internal:${portOf(server)}`), never())).body)).toBe('prompt')
  })

  test('a name that means something else at the next connection is refused there', async () => {
    const server = await serve((_, response, body) => response.setHeader('connection', 'close').end(body))
    const { lookup, asked } = names('127.0.0.1', '0.0.0.0')
    const own = withNames(lookup), request = local(`http://gpu.example.internal:${portOf(server)}`)
    expect(await textOf((await own.send(request, never())).body)).toBe('prompt')
    await expect(own.send(request, never())).rejects.toMatchObject({ code: 'ENOTLOCAL' })
    expect([asked.length, server.requests.length]).toEqual([2, 1])
  })

  test('a connection that was made unchecked, or for another list, is not used again', async () => {
    const server = await serve((_, response) => response.end('x'))
    const { lookup, asked } = names('0.0.0.0')
    const own = withNames(lookup), url = `http://gpu.example.internal:${portOf(server)}`
    expect(await textOf((await own.send(get(url), never())).body)).toBe('x')
    expect(await textOf((await own.send(local(url, 'gpu.example.internal'), never())).body)).toBe('x')
    expect(server.connections()).toBe(2)
    await expect(own.send(local(url), never())).rejects.toMatchObject({ code: 'ENOTLOCAL' })
    expect([asked.length, server.requests.length]).toEqual([3, 2])
  })

  test('a name that nobody knows keeps its own code', async () => {
    const own = withNames((hostname, _options, callback) => callback(Object.assign(new Error(hostname), { code: 'ENOTFOUND' }), []))
    await expect(own.send(local('http://nobody.example.internal'), never())).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })
})
