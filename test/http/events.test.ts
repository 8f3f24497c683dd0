import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createEvents, type Events, type GatewayEvent } from '../../src/gateway/events.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { eventStreams, HEARTBEAT_MS, SUBSCRIBERS_MAX, WAITING_MAX } from '../../src/http/events.ts'
import type { Reply } from '../../src/http/respond.ts'
import { cutConnection } from '../../src/runtime/node-client.ts'
import { fakeClock, type FakeClock } from '../support/clock.ts'
import { ADMIN_TOKEN, KEYS, startWorld, type World } from './world.ts'

/** More than the system holds for a connection on its way. */
const MEGABYTES = 24

describe('over HTTP', () => {
  let world: World, stopping: AbortController
  beforeEach(async () => {
    stopping = new AbortController()
    world = await startWorld({ stopping: stopping.signal, cut: cutConnection })
  })
  afterEach(() => world.close())

  const listen = (headers: Record<string, string> = {}, query = '', signal?: AbortSignal): Promise<Response> =>
    fetch(`${world.url}/admin/events${query}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...headers }, ...(signal !== undefined && { signal }) })
  /** Reads until this is there, and gives what came since it was last asked. */
  function reader(response: Response): (until: RegExp) => Promise<string> {
    const bytes = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    return async until => {
      while (!until.test(text)) {
        const { done, value } = await bytes.read()
        if (done) throw new Error(`the stream ended before ${String(until)}: ${text}`)
        text += value
      }
      const read = text
      text = ''
      return read
    }
  }
  const ids = (text: string): readonly number[] => [...text.matchAll(/^id: [a-z0-9]+-(\d+)$/gm)].map(([, id]) => Number(id))

  test('what happens is told as it happens, with its number, its kind and its data', async () => {
    world.gateway.raise('before', 'Nobody listens yet.')
    const response = await listen()
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([200, 'text/event-stream', 'no-cache'])
    const until = reader(response)
    await until(/^: listening\n\n$/)
    world.gateway.epochs.refresh('a test')
    const text = await until(/event: pool\n.*\n\n/)
    const { id } = world.gateway.events.since(0).at(-1)!
    expect(text).not.toContain('before')
    expect(text).toContain(`id: ${world.gateway.events.run}-${id}\nevent: pool\ndata: `)
    expect(JSON.parse(/^data: (.*)$/m.exec(text)![1]!)).toMatchObject({ at: expect.stringMatching(/Z$/) as string, epoch: 2, cause: 'a test' })
  })

  test.each([['header', { 'last-event-id': '1' }, ''], ['query', {}, '?since=1']])('whoever comes back with the last number in the %s misses nothing', async (_, headers, query) => {
    for (const name of ['one', 'two', 'three']) world.gateway.raise(name, name)
    expect(ids(await reader(await listen(headers, query))(/three/))).toEqual([2, 3])
    // A number that was not given out yet is of an earlier process, and none is none.
    expect(ids(await reader(await listen({ 'last-event-id': '77' }))(/three/))).toEqual([1, 2, 3])
    expect(ids(await reader(await listen({}, '?since=0'))(/three/))).toEqual([1, 2, 3])
    expect(ids(await reader(await listen({ 'last-event-id': `${world.gateway.events.run}-1` }))(/three/))).toEqual([2, 3])
    // A lower number of another process, which a restart has overtaken.
    expect(ids(await reader(await listen({ 'last-event-id': 'before-1' }))(/three/))).toEqual([1, 2, 3])
  })

  test('a number that is none is refused', async () => {
    expect((await listen({ 'last-event-id': 'one' })).status).toBe(400)
    expect((await listen({}, '?since=-1')).status).toBe(400)
  })

  test.each(['', 'a-guess', KEYS.crm])('nobody listens with the token %j', async token => {
    expect((await listen({ authorization: `Bearer ${token}` })).status).toBe(401)
  })

  test('HEAD says what there would be and waits for nobody', async () => {
    const response = await fetch(`${world.url}/admin/events`, { method: 'HEAD', headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    expect(await (await fetch(`${world.url}/metrics`)).text()).toContain('bailiwick_requests_in_flight 0\n')
  })

  test('whoever leaves is gone', async () => {
    const leaving = new AbortController()
    await reader(await listen({}, '', leaving.signal))(/listening/)
    expect(await (await fetch(`${world.url}/metrics`)).text()).toContain('bailiwick_requests_in_flight 1\n')
    leaving.abort()
    await vi.waitFor(async () => expect(await (await fetch(`${world.url}/metrics`)).text()).toContain('bailiwick_requests_in_flight 0\n'))
  })

  /** Somebody who listens and reads no more than the first bytes, with the buffers between full. */
  async function idler(until: (pattern: RegExp) => Promise<string>): Promise<{ readonly cut: Promise<unknown> }> {
    const socket = connect({ port: world.port, host: '127.0.0.1' })
    const closed = new Promise(resolve => { socket.once('close', resolve).once('error', () => undefined) })
    socket.write(`GET /admin/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`)
    await new Promise(resolve => { socket.once('readable', resolve) })
    const message = 'x'.repeat(1_000_000)
    for (let n = 1; n <= MEGABYTES; n++) {
      world.gateway.events.publish('warm-up', { message, n })
      await until(new RegExp(`"n":${n}\\}`))
    }
    // A socket says that it was closed when what had reached it is read.
    return { get cut() { socket.resume(); return closed } }
  }

  test('whoever does not read is cut, and whoever does hears it all', async () => {
    const until = reader(await listen())
    await until(/listening/)
    const idle = await idler(until)
    let heard = 0
    for (let n = 1; n <= WAITING_MAX + 100; n++) {
      world.gateway.events.publish('alarm', { n })
      if (n % 100 === 0) heard += ids(await until(new RegExp(`"n":${n}\\}`))).length
    }
    await idle.cut
    expect(heard).toBe(WAITING_MAX + 100)
    world.gateway.events.publish('alarm', { n: 'last' })
    await until(/"n":"last"/)
  }, 20_000)

  test('a gateway that stops ends the streams of those who read, and cuts those who do not', async () => {
    const reads = reader(await listen())
    await reads(/listening/)
    const idle = await idler(reads)
    stopping.abort()
    await expect(reads(/never/)).rejects.toThrow('the stream ended')
    await idle.cut
    // Later ones end at once.
    await expect(reader(await listen())(/never/)).rejects.toThrow('the stream ended')
  }, 20_000)
})

describe('a stream of events', () => {
  let clock: FakeClock, events: Events, listening: number, cut: ReturnType<typeof vi.fn>, left: AbortController, stopping: AbortController
  let open: (since?: string) => Reply
  beforeEach(() => {
    clock = fakeClock('2026-11-22T11:00:00Z')
    listening = 0
    cut = vi.fn()
    left = new AbortController()
    stopping = new AbortController()
    const made = createEvents(clock, 'this')
    events = {
      ...made,
      subscribe(heard: (event: GatewayEvent) => void) {
        const leave = made.subscribe(heard)
        let isOn = true
        listening += 1
        return () => {
          if (isOn) listening -= 1
          isOn = false
          leave()
        }
      },
    }
    const streams = eventStreams({ events, ports: { clock } } as unknown as Gateway)
    open = since => streams({ since, signal: left.signal, stopping: stopping.signal, cut: cut as () => void })
  })
  const bytesOf = (reply: Reply): AsyncIterator<Uint8Array> => {
    if (reply.kind !== 'stream') throw new Error(`no stream: ${reply.kind}`)
    return reply.body[Symbol.asyncIterator]()
  }
  const textOf = async (bytes: AsyncIterator<Uint8Array>): Promise<string | undefined> => {
    const { done, value } = await bytes.next()
    return done === true ? undefined : new TextDecoder().decode(value)
  }
  /** Lets what is ready go on. */
  const turn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

  test('says that it is still there when nothing happens, and nothing between', async () => {
    const bytes = bytesOf(open())
    expect(await textOf(bytes)).toBe(': listening\n\n')
    const next = textOf(bytes)
    await turn()
    clock.advance(HEARTBEAT_MS - 1)
    const early = await Promise.race([next, turn().then(() => 'silent')])
    expect(early).toBe('silent')
    clock.advance(1)
    expect(await next).toBe(': still here\n\n')
    const after = textOf(bytes)
    await turn()
    clock.advance(HEARTBEAT_MS - 1)
    events.publish('alarm', { alarm: 'a' })
    expect(await after).toContain('event: alarm\n')
  })

  test('holds a bound of events for somebody slow, and drops them all with the one beyond it', async () => {
    const slow = bytesOf(open()), lost = bytesOf(open())
    for (const one of [slow, lost]) await textOf(one)
    for (let n = 0; n < WAITING_MAX; n++) events.publish('alarm', { n })
    expect((await textOf(slow))!.match(/^id: /gm)).toHaveLength(WAITING_MAX)
    expect([listening, cut.mock.calls.length]).toEqual([2, 0])
    events.publish('alarm', { n: 'one more' })
    expect([listening, cut.mock.calls.length]).toEqual([1, 1])
    expect(await textOf(lost)).toBeUndefined()
    expect(await textOf(slow)).toContain('one more')
  })

  test.each([['leaves', (): void => left.abort()], ['is told that the gateway stops', (): void => stopping.abort()]])('of somebody who %s ends and leaves nothing behind', async (_, go) => {
    const bytes = bytesOf(open())
    await textOf(bytes)
    const waits = textOf(bytes)
    await turn()
    expect(listening).toBe(1)
    go()
    expect(await waits).toBeUndefined()
    expect([listening, cut.mock.calls.length]).toEqual([0, 0])
  })

  test('of somebody who has stopped reading is cut when the gateway stops, and not when they leave', async () => {
    const bytes = bytesOf(open())
    await textOf(bytes)
    stopping.abort()
    expect(cut).toHaveBeenCalledOnce()
    expect(await textOf(bytes)).toBeUndefined()
    expect(listening).toBe(0)
    stopping = new AbortController()
    const other = bytesOf(open())
    expect(await textOf(other)).toBe(': listening\n\n')
    left.abort()
    await other.return!()
    expect([cut.mock.calls.length, listening]).toEqual([1, 0])
  })

  test('that nobody reads is no listener, and there are no more than a bound of those that are', async () => {
    const all = Array.from({ length: SUBSCRIBERS_MAX }, () => bytesOf(open()))
    expect(listening).toBe(0)
    await Promise.all(all.map(textOf))
    expect(listening).toBe(SUBSCRIBERS_MAX)
    expect(open()).toMatchObject({ kind: 'failed', failure: { code: 'rate_limit_exceeded' } })
    await all[0]!.return!()
    expect(await textOf(bytesOf(open()))).toBe(': listening\n\n')
  })

  test('begins where its reader left off, also when things happen between asking and reading', async () => {
    events.publish('alarm', { n: 1 })
    const bytes = bytesOf(open('0')), fresh = bytesOf(open())
    events.publish('alarm', { n: 2 })
    await textOf(bytes)
    await textOf(fresh)
    expect((await textOf(bytes))!.match(/"n":\d/g)).toEqual(['"n":1', '"n":2'])
    expect((await textOf(fresh))!.match(/"n":\d/g)).toEqual(['"n":2'])
  })
})
