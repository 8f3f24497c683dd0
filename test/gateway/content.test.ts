/** Content on its way to where it is kept: how much, how long it may take, and what is said when it fails; and the digest of a request. */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contentLog, CONTENT_BYTES_MAX, type ContentLog, type ContentSink } from '../../src/gateway/content.ts'
import type { Content } from '../../src/record/content.ts'
import type { DecisionEntry } from '../../src/record/record.ts'
import { fakeClock, type FakeClock } from '../support/clock.ts'
import { listening, type Listening } from '../support/listening.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'
import { threePlaces } from '../support/three-places.ts'
import { bundleOf, policy, rule } from '../support/tree.ts'

describe('what is kept of content', () => {
  let listens: Listening, clock: FakeClock, sealed: Content[]
  beforeEach(async () => {
    listens = await listening({ bundle: await bundleOf({}) })
    clock = fakeClock('2026-11-23T10:00:00Z')
    sealed = []
  })
  afterEach(() => listens.close())

  /** A sealer that shows what it was given; the cryptography has its own tests. */
  const log = (append: ContentSink['append'], request = new Uint8Array(3)): ContentLog => {
    const sink: ContentSink = { place: undefined, append, sealer: { key: 'k', seal: async content => { sealed.push({ ...content, content: content.content.slice() }); return 'line' } } }
    return contentLog({ ...listens.gateway, ports: { ...listens.gateway.ports, clock }, content: sink }, { id: 'd-1', duties: { log: 'full' }, members: () => [], request })!
  }
  const alarms = (): readonly string[] => listens.gateway.alarms().map(a => `${a.name}: ${a.message}`)

  async function* pieces(count: number, size: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i++) yield new Uint8Array(size).fill(i)
  }
  const drain = async (body: AsyncIterable<Uint8Array>): Promise<number> => {
    let given = 0
    for await (const piece of body) given += piece.length
    return given
  }

  it('is the request and the answer, whole, and nothing else of the duties is touched', async () => {
    const texts: string[] = []
    const content = log(async text => { texts.push(text) })
    expect(await drain(content.heard(pieces(3, 1_000)))).toBe(3_000)
    expect(await content.keep(['redact iban: 1', 'log full', 'cache: nothing is kept'])).toEqual(['redact iban: 1', 'log full: sealed', 'cache: nothing is kept'])
    expect(texts).toEqual(['line\nline\n'])
    expect(sealed.map(({ content: bytes, ...head }) => ({ ...head, length: bytes.length, last: bytes.at(-1) }))).toEqual([
      { decision: 'd-1', part: 'request', at: clock.now(), bytes: 3, length: 3, last: 0 },
      { decision: 'd-1', part: 'answer', at: clock.now(), bytes: 3_000, length: 3_000, last: 2 },
    ])
  })

  it('is cut after four mebibytes, with a mark; the caller gets all of it', async () => {
    const content = log(async () => undefined, new Uint8Array(CONTENT_BYTES_MAX + 1))
    const size = 100_000, count = 50
    expect(await drain(content.heard(pieces(count, size)))).toBe(size * count)
    await content.keep(['log full'])
    expect(sealed.map(({ bytes, cut, content: kept }) => ({ bytes, cut, kept: kept.length }))).toEqual([
      { bytes: CONTENT_BYTES_MAX + 1, cut: true, kept: CONTENT_BYTES_MAX }, { bytes: size * count, cut: true, kept: CONTENT_BYTES_MAX },
    ])
  })

  it('of exactly so much is not cut', async () => {
    const content = log(async () => undefined, new Uint8Array(CONTENT_BYTES_MAX))
    await content.keep(['log full'], new Uint8Array(1))
    expect(sealed.map(c => [c.bytes, c.cut])).toEqual([[CONTENT_BYTES_MAX, undefined], [1, undefined]])
  })

  it('is as much as was given of a stream that its caller left', async () => {
    const content = log(async () => undefined)
    for await (const piece of content.heard(pieces(9, 10))) if (piece[0] === 1) break
    await content.keep(['log full'])
    expect(sealed.at(-1)).toMatchObject({ part: 'answer', bytes: 20 })
  })

  it('is nothing where the sink fails: an alarm without a word of it, until it is kept again', async () => {
    let isFull = true
    const content = log(async () => { if (isFull) throw Object.assign(new Error('the text of the error'), { code: 'ENOSPC' }) })
    expect(await content.keep(['log full'])).toEqual(['log full: could not be kept'])
    expect(alarms()).toEqual(['content-log: Content that may be kept cannot be (ENOSPC); requests go on without.'])
    isFull = false
    expect(await content.keep(['log full'])).toEqual(['log full: sealed'])
    expect(alarms()).toEqual([])
  })

  it('holds a request up for a second at most where the sink hangs', async () => {
    const content = log(() => new Promise(() => undefined))
    const kept = content.keep(['log full'])
    clock.advance(999)
    const early = Symbol('early')
    expect(await Promise.race([kept, new Promise(resolve => { setImmediate(resolve, early) })])).toBe(early)
    clock.advance(1)
    expect(await kept).toEqual(['log full: not kept in time'])
    expect(alarms()).toEqual(['content-log: Content that may be kept is not kept within 1 s; requests go on without.'])
  })

  it('is nothing at all without a sink, or without the duty: nobody listens to the answer', () => {
    const of = { id: 'd-1', members: () => [], request: new Uint8Array(3) }
    const sink: ContentSink = { place: 'FR', append: async () => undefined, sealer: { key: 'k', seal: async () => 'line' } }
    expect(contentLog(listens.gateway, { ...of, duties: { log: 'full' } })).toBeUndefined()
    for (const duties of [{}, { log: 'none' as const }, { log: 'metadata' as const }]) expect(contentLog({ ...listens.gateway, content: sink }, { ...of, duties })).toBeUndefined()
    expect(contentLog({ ...listens.gateway, content: sink }, { ...of, duties: { log: 'full' } })).toBeDefined()
  })

  it.each<[string, readonly string[], string]>([['US', ['eea'], 'US is not in eea'], ['CA', ['CA-QC'], 'CA is not in CA-QC'], ['FR', [], 'no place is allowed']])('%s is not in %j: nothing is kept, and it is said', async (place, logIn, why) => {
    const sink: ContentSink = { place, append: () => Promise.reject(new Error('it was asked')), sealer: { key: 'k', seal: () => Promise.reject(new Error('it was asked')) } }
    const content = contentLog({ ...listens.gateway, content: sink }, { id: 'd-1', duties: { log: 'full', logIn }, members: group => (group === 'eea' ? ['FR', 'BE'] : []), request: new Uint8Array(3) })!
    expect(await drain(content.heard(pieces(2, 5)))).toBe(10)
    expect(await content.keep(['log full', 'log-in FR'])).toEqual([`log full: not kept, ${why}`, 'log-in FR'])
    expect(alarms()).toEqual([])
  })
})

describe('request-digest: yes', () => {
  const sha256 = (of: string | Uint8Array): Uint8Array => createHash('sha256').update(of).digest()
  const asks = { 'rules/asks.policy.yaml': policy('asks', rule('digest', 'when: { data: [personal] }\nprefer:\n  - weights: open\nthen: { request-digest: yes, redact: [iban] }')) }
  const decisions = (entries: Listening['entries']): readonly DecisionEntry[] => entries.filter(e => e.kind === 'decision')
  const send = async (given: Parameters<typeof threePlaces>[0], bodies: readonly string[], headers: Record<string, string> = {}): Promise<{ readonly statuses: readonly number[]; readonly decisions: readonly DecisionEntry[] }> => {
    const world = await threePlaces(given)
    try {
      const statuses: number[] = []
      for (const body of bodies) {
        const answer = await world.post('/v1/chat/completions', body, headers)
        statuses.push(answer.status)
        await answer.text()
      }
      return { statuses, decisions: decisions(world.entries) }
    } finally {
      await world.stop()
    }
  }
  /** Space and order of its own, which the digest is of, and something to redact, which it is not. */
  const body = '{ "messages": [ {"content":"pay DE89370400440532013000", "role":"user"} ],\n "model": "auto" }'

  it('puts a digest of the body as it came on record, each with a salt of its own', async () => {
    const { statuses, decisions: [one, other] } = await send({ files: asks, salting: { sha256, randomBytes } }, [body, body])
    expect(statuses).toEqual([200, 200])
    for (const { requestDigest } of [one!, other!]) {
      expect(requestDigest!.salt).toMatch(/^[0-9a-f]{32}$/)
      expect(requestDigest!.digest).toBe(createHash('sha256').update(Buffer.from(requestDigest!.salt, 'hex')).update(body).digest('hex'))
    }
    expect(one!.requestDigest!.salt).not.toBe(other!.requestDigest!.salt)
  })

  it('is checked by the line that the page for auditors gives', async () => {
    const { decisions: [one] } = await send({ files: asks, salting: { sha256, randomBytes } }, [body])
    const page = readFileSync(new URL('../../docs/records.md', import.meta.url), 'utf8')
    const line = /^node -e '([^']+)' SALT body\.json$/m.exec(page)![1]!
    const check = (text: string): string => {
      const file = join(freshFolder(), 'body.json')
      writeFileSync(file, text)
      return execFileSync(process.execPath, ['-e', line, one!.requestDigest!.salt, file], { encoding: 'utf8' }).trim()
    }
    expect(check(body)).toBe(one!.requestDigest!.digest)
    expect(check(`${body} `)).not.toBe(one!.requestDigest!.digest)
    await cleanUp()
  })

  it('is asked of no other request', async () => {
    const rules = { 'rules/asks.policy.yaml': policy('asks', rule('digest', 'when: { operation: embedding }\nprefer:\n  - weights: open\nthen: { request-digest: yes }')) }
    const { statuses, decisions: [one] } = await send({ files: rules, salting: { sha256, randomBytes } }, [body])
    expect(statuses).toEqual([200])
    expect(one).not.toHaveProperty('requestDigest')
  })

  it('refuses where the gateway cannot make one', async () => {
    const { statuses, decisions: none } = await send({ files: asks }, [body])
    expect([statuses, none]).toEqual([[403], []])
  })
})
