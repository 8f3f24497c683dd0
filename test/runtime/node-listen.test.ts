import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { listen, type Listening } from '../../src/runtime/node-listen.ts'

let listening: Listening
afterEach(() => listening.cut())

/** Everything the server says to these bytes, until it closes. */
async function reply(bytes: string, { half = false } = {}): Promise<string> {
  const { port, hostname } = new URL(listening.url)
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  let text = ''
  socket.on('data', (part: Buffer) => { text += part.toString() })
  socket.write(bytes)
  if (half) socket.end()
  await new Promise(resolve => socket.once('close', resolve).once('end', resolve).once('error', resolve))
  socket.destroy()
  return text
}

const echo = async (request: Request): Promise<Response> => new Response(`read ${(await request.arrayBuffer()).byteLength}`)

describe('what is no whole request', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', {}],
    ['a body that ends early', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc', { half: true }],
    ['a host that is none', 'GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n', {}],
  ])('%s is answered once, in the one error shape', async (_, bytes, how) => {
    listening = await listen(echo, { hostname: '127.0.0.1', port: 0 })
    const text = await reply(bytes, how)
    expect(text).toMatch(/^HTTP\/1\.1 400 /)
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({ error: { code: 'invalid_request' } })
  })

  test('an answer that was given already gets nothing appended', async () => {
    listening = await listen(() => new Response('early', { status: 401 }), { hostname: '127.0.0.1', port: 0 })
    const text = await reply('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc', { half: true })
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 401'])
  })

  test('a whole request is answered by the application (the twin)', async () => {
    listening = await listen(echo, { hostname: '127.0.0.1', port: 0 })
    expect(await reply('POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc')).toContain('read 3')
  })
})
