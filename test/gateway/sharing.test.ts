import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { releaseByPerson, setAside } from '../../src/gateway/quarantining.ts'
import { createSharing, merged, type News, type SharedNews } from '../../src/gateway/sharing.ts'
import { app, bundleOf, provider } from '../support/tree.ts'
import { host, running, type Host, type Running } from './running.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

const FILES = { 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: []'), 'catalog/house.yaml': provider('house', 'dialect: openai\nbase-url: http://127.0.0.1:9/v1', ['{ deployment: one, model: house/one }', '{ deployment: two, model: house/two }']) }

/** A table that can be gone, or never answer. */
function table(): SharedNews & { readonly rows: Map<string, News>; mood: 'there' | 'gone' | 'hanging' } {
  const rows = new Map<string, News>()
  const within = async <T>(work: () => T): Promise<T> => {
    if (made.mood === 'gone') throw new Error('gone')
    if (made.mood === 'hanging') await new Promise(() => undefined)
    return work()
  }
  const made = {
    rows, mood: 'there' as 'there' | 'gone' | 'hanging',
    read: () => within(() => [...rows.values()]),
    tell: (news: News) => within(() => void rows.set(news.deployment, merged(rows.get(news.deployment) ?? news, news))),
  }
  return made
}

type Sharing = Running & { look(): Promise<void> }

async function sharing(at: Host, shared: SharedNews): Promise<Sharing> {
  const started = running(at, await bundleOf(FILES))
  const end = new AbortController()
  const look = createSharing(started.gateway, shared, end.signal)
  closing.push(async () => end.abort())
  return {
    ...started,
    async look() {
      at.clock.advance(1_000)
      look()
      await started.settled()
    },
  }
}

async function two(): Promise<{ readonly shared: ReturnType<typeof table>; readonly a: Sharing; readonly b: Sharing; readonly at: Host }> {
  const at = host(), shared = table()
  closing.push(at.close)
  return { shared, at, a: await sharing(at, shared), b: await sharing(at, shared) }
}

const aside = ({ gateway }: Sharing): readonly string[] => gateway.quarantine.all().map(q => `${q.deployment} ${q.reason}`)
const mismatch = ({ gateway }: Sharing, detail = 'it was processed in US'): void => setAside(gateway, 'one', 'compliance-mismatch', detail)
const release = async ({ gateway, settled }: Sharing): Promise<void> => {
  await releaseByPerson(gateway, gateway.quarantine.of('one')!, 'Ada Adler')
  await settled()
}

describe('gateways that share their news', () => {
  it('trust no server that one of them has caught, until a person releases it at any of them', async () => {
    const { a, b } = await two()
    mismatch(a)
    await a.look()
    expect(aside(b)).toEqual([])
    await b.look()
    expect(aside(b)).toEqual(['one compliance-mismatch'])
    expect(b.gateway.epochs.profiles()[0]?.available).toEqual(['two'])
    await release(b)
    await b.look()
    expect([aside(a), aside(b)]).toEqual([['one compliance-mismatch'], []])
    await a.look()
    expect([aside(a), aside(b)]).toEqual([[], []])
    await b.look()
    expect(aside(b)).toEqual([])
  })

  it('do not take for released what was seen again after the release', async () => {
    const { a, b, at } = await two()
    mismatch(a)
    await a.look()
    await b.look()
    await release(a)
    await a.look()
    // An answer that was under way when b set it aside shows the same thing once more.
    at.clock.advance(1)
    mismatch(b)
    await b.look()
    expect(aside(b)).toEqual(['one compliance-mismatch'])
    await b.look()
    await a.look()
    expect(aside(a)).toEqual(['one compliance-mismatch'])
  })

  it('leave alone for a while what fails at another, and go by what they see themselves after that', async () => {
    const { a, b, at } = await two()
    a.breakers.set('two', 'open')
    await a.look()
    await b.look()
    expect(b.breakers.state('two')).toBe('open')
    b.breakers.set('two', 'closed')
    await b.look()
    expect(b.breakers.state('two')).toBe('closed')
    a.breakers.set('one', 'open')
    await a.look()
    at.clock.advance(10_000)
    await b.look()
    expect(b.breakers.state('one')).toBe('closed')
  })

  it.each(['gone', 'hanging'] as const)('go on alone while the table is %s, say so, and say what they had to say when it is back', async mood => {
    const { shared, a, b, at } = await two()
    shared.mood = mood
    mismatch(a)
    for (const gateway of [a, b]) {
      const looked = gateway.look()
      at.clock.advance(5_000)
      await looked
      expect(gateway.gateway.alarms().map(alarm => alarm.name)).toContain('shared-state')
    }
    expect([aside(a), aside(b)]).toEqual([['one compliance-mismatch'], []])
    shared.mood = 'there'
    await a.look()
    await b.look()
    expect(aside(b)).toEqual(['one compliance-mismatch'])
    for (const { gateway } of [a, b]) expect(gateway.alarms().map(alarm => alarm.name)).not.toContain('shared-state')
  })

  it('tell one that comes later, and forget nothing when the table does', async () => {
    const { shared, a, at } = await two()
    mismatch(a)
    await a.look()
    const late = await sharing(at, shared)
    await late.look()
    expect(aside(late)).toEqual(['one compliance-mismatch'])
    shared.rows.clear()
    await late.look()
    expect(aside(late)).toEqual(['one compliance-mismatch'])
    await late.look()
    const later = await sharing(at, shared)
    await later.look()
    expect(aside(later)).toEqual(['one compliance-mismatch'])
  })

  it('keep to themselves what each finds out by itself', async () => {
    const { shared, a, b } = await two()
    setAside(a.gateway, 'one', 'withdrawn', 'it answered 410')
    await a.look()
    expect([...shared.rows.values()]).toEqual([])
    // Nor when others have other news of the same deployment.
    b.breakers.set('one', 'open')
    await b.look()
    await a.look()
    await a.look()
    await b.look()
    expect([...shared.rows.values()]).toMatchObject([{ deployment: 'one', failingAt: expect.any(Number) as number }])
    expect(shared.rows.get('one')?.mismatch).toBeUndefined()
    expect(aside(b)).toEqual([])
  })
})

const time = fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined })
const news = fc.record({ failingAt: time, releasedAt: time, mismatch: fc.option(fc.record({ at: fc.integer({ min: 0, max: 5 }), detail: fc.constantFrom('x', 'y') }), { nil: undefined }) })
  .map((all): News => ({ deployment: 'one', ...Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) }))

describe('what is merged', () => {
  it('is the same in whatever order and however often it comes (seed 7)', () => {
    fc.assert(fc.property(news, news, news, (a, b, c) => {
      expect(merged(a, b)).toEqual(merged(b, a))
      expect(merged(merged(a, b), c)).toEqual(merged(a, merged(b, c)))
      expect(merged(merged(a, b), a)).toEqual(merged(a, b))
    }), { seed: 7, numRuns: 2_000 })
  })
})
