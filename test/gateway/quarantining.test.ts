import { describe, expect, it } from 'vitest'
import { createBreakers } from '../../src/breaker/opossum.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { createMetrics } from '../../src/gateway/metrics.ts'
import { releaseByGateway, releaseByPerson, setAside } from '../../src/gateway/quarantining.ts'
import { listQuarantine, releaseDeployment } from '../../src/http/quarantine.ts'
import type { Quarantined } from '../../src/pool/quarantine.ts'
import type { Entry, QuarantineEntry } from '../../src/record/record.ts'
import { fakeClock, type FakeClock } from '../support/clock.ts'
import { scripted } from '../support/provider.ts'
import { app, bundleOf, provider } from '../support/tree.ts'

const START = '2026-11-22T12:00:00.000Z'

type World = {
  readonly gateway: Gateway
  readonly clock: FakeClock
  /** Entries about quarantines that were kept, in order. */
  kept(): readonly QuarantineEntry[]
  /** Whether entries can be kept from now on. */
  records(how: 'work' | 'fail' | 'fail-once'): void
  /** Ends when no work in the background is left. */
  settled(): Promise<void>
}

async function world({ quarantined = [] }: { readonly quarantined?: readonly Quarantined[] } = {}): Promise<World> {
  const clock = fakeClock(START), entries: Entry[] = [], running = new Set<Promise<unknown>>()
  let how: 'work' | 'fail' | 'fail-once' = 'work'
  const gateway = createGateway({
    ports: {
      clock, random: () => 0.5, transport: { send: () => Promise.reject(new Error('no network')) }, secrets: () => undefined, log: () => undefined,
      background: work => {
        running.add(work)
        void work.finally(() => running.delete(work))
      },
    },
    bundle: await bundleOf({
      'apps/desk.yaml': app('desk'),
      'catalog/lab.yaml': provider('lab', 'dialect: openai\nbase-url: http://127.0.0.1:9', ['{ deployment: one, model: lab/one }', '{ deployment: two, model: lab/two }']),
    }),
    place: undefined, quarantined, providers: scripted({}), breakers: createBreakers(), metrics: createMetrics(), connected: () => undefined,
    recorder: {
      async append(entry) {
        const fails = how === 'fail' || (how === 'fail-once' && entry.kind === 'quarantine')
        if (fails && how === 'fail-once') how = 'work'
        await Promise.resolve()
        if (fails) throw new Error('disk full')
        entries.push(entry)
      },
    },
  })
  return {
    gateway, clock,
    kept: () => entries.filter(e => e.kind === 'quarantine'),
    records: next => { how = next },
    async settled() { while (running.size > 0) await Promise.all(running) },
  }
}

const inPool = ({ gateway }: World): readonly string[] => gateway.epochs.profiles()[0]!.available
const alarms = ({ gateway }: World): readonly string[] => gateway.alarms().map(a => a.name)
const MISMATCH: Quarantined = { deployment: 'one', reason: 'compliance-mismatch', detail: 'it was processed in US, the catalog says FR', since: Date.parse('2026-11-20T00:00:00Z') }

describe('setting aside', () => {
  it('takes effect at once, and is on record after it', async () => {
    const w = await world()
    expect(inPool(w)).toEqual(['one', 'two'])
    setAside(w.gateway, 'one', 'withdrawn', 'it answered 410')
    expect(inPool(w)).toEqual(['two'])
    expect(alarms(w)).toContain('quarantine:one')
    await w.settled()
    expect(w.kept()).toMatchObject([{ deployment: 'one', reason: 'withdrawn', action: 'set', detail: 'it answered 410', at: Date.parse(START) }])
    expect(w.kept()[0]).not.toHaveProperty('author')
  })

  it('is recorded once, however often it is seen', async () => {
    const w = await world()
    for (let i = 0; i < 5; i++) setAside(w.gateway, 'one', 'withdrawn', `seen ${i}`)
    await w.settled()
    expect(w.kept()).toMatchObject([{ detail: 'seen 0' }])
  })

  it('becomes worse, and never milder', async () => {
    const w = await world()
    setAside(w.gateway, 'one', 'withdrawn', 'gone')
    setAside(w.gateway, 'one', 'compliance-mismatch', 'elsewhere')
    setAside(w.gateway, 'one', 'withdrawn', 'gone again')
    await w.settled()
    expect(w.kept().map(e => e.reason)).toEqual(['withdrawn', 'compliance-mismatch'])
    expect(w.gateway.quarantine.of('one')?.reason).toBe('compliance-mismatch')
  })

  it('takes effect though it cannot be recorded, with an alarm, and is recorded as soon as it can be', async () => {
    const w = await world()
    w.records('fail')
    setAside(w.gateway, 'one', 'compliance-mismatch', 'elsewhere')
    setAside(w.gateway, 'two', 'compliance-mismatch', 'elsewhere too')
    expect(inPool(w)).toEqual([])
    await w.settled()
    expect(alarms(w)).toContain('records')
    expect(w.kept()).toEqual([])
    await w.gateway.keep({ kind: 'outcome', id: 'still-failing', at: 0, outcome: 'failed', attempts: [], ms: 0 })
    await w.settled()
    expect(w.kept()).toEqual([])

    w.records('work')
    await w.gateway.keep({ kind: 'outcome', id: 'kept', at: 0, outcome: 'failed', attempts: [], ms: 0 })
    await w.settled()
    expect(w.kept().map(e => e.deployment).toSorted()).toEqual(['one', 'two'])
    expect(w.kept()[0]?.at).toBe(Date.parse(START))
    expect(alarms(w)).not.toContain('records')
  })

  it('is recorded though the alarm was over before anybody could wait for its end', async () => {
    const w = await world()
    w.records('fail-once')
    setAside(w.gateway, 'one', 'compliance-mismatch', 'elsewhere')
    await w.gateway.keep({ kind: 'outcome', id: 'kept', at: 0, outcome: 'failed', attempts: [], ms: 0 })
    await w.settled()
    expect(w.kept()).toMatchObject([{ deployment: 'one', action: 'set' }])
    expect(alarms(w)).not.toContain('records')
  })

  it('is recorded before a person\'s release of it, and not again after it', async () => {
    const w = await world()
    w.records('fail')
    setAside(w.gateway, 'one', 'compliance-mismatch', 'elsewhere')
    await w.settled()
    w.records('work')
    const what = w.gateway.quarantine.of('one')!
    // Recording is what ends the alarm, before the release acts.
    expect(await releaseByPerson(w.gateway, what, 'Ada Adler')).toMatchObject({ ok: true })
    await w.settled()
    expect(w.kept().map(e => e.action)).toEqual(['set', 'released'])
    expect(inPool(w)).toEqual(['one', 'two'])
  })
})

describe('the gateway itself', () => {
  it('releases what was withdrawn, on record first', async () => {
    const w = await world()
    setAside(w.gateway, 'one', 'withdrawn', 'gone')
    w.clock.advance(60_000)
    expect(await releaseByGateway(w.gateway, 'one')).toBe(true)
    expect(inPool(w)).toEqual(['one', 'two'])
    expect(alarms(w)).not.toContain('quarantine:one')
    expect(w.kept()[1]).toMatchObject({ deployment: 'one', reason: 'withdrawn', action: 'released', at: Date.parse(START) + 60_000 })
    expect(w.kept()[1]).not.toHaveProperty('author')
  })

  it('never releases a mismatch', async () => {
    const w = await world({ quarantined: [MISMATCH] })
    expect(await releaseByGateway(w.gateway, 'one')).toBe(false)
    expect(inPool(w)).toEqual(['two'])
    expect(w.kept()).toEqual([])
  })

  it('nor what became a mismatch while the release was being recorded', async () => {
    const w = await world()
    setAside(w.gateway, 'one', 'withdrawn', 'gone')
    const released = releaseByGateway(w.gateway, 'one')
    setAside(w.gateway, 'one', 'compliance-mismatch', 'elsewhere')
    expect(await released).toBe(false)
    await w.settled()
    expect(inPool(w)).toEqual(['two'])
    // Whoever reads the records from the beginning comes to the same end.
    expect(w.kept().at(-1)).toMatchObject({ action: 'set', reason: 'compliance-mismatch' })
  })

  it('nor what it cannot record, or what is not aside', async () => {
    const w = await world()
    expect(await releaseByGateway(w.gateway, 'one')).toBe(false)
    setAside(w.gateway, 'one', 'withdrawn', 'gone')
    w.records('fail')
    expect(await releaseByGateway(w.gateway, 'one')).toBe(false)
    expect(inPool(w)).toEqual(['two'])
  })
})

describe('a person', () => {
  it('releases a mismatch by name, on record with who it was', async () => {
    const w = await world({ quarantined: [MISMATCH] })
    expect(await releaseDeployment(w.gateway, 'one', { author: 'Ada Adler' })).toEqual({
      ok: true, value: { deployment: 'one', reason: 'compliance-mismatch', detail: MISMATCH.detail, since: '2026-11-20T00:00:00.000Z', released: true, at: START, author: 'Ada Adler' },
    })
    expect(inPool(w)).toEqual(['one', 'two'])
    expect(w.kept()).toMatchObject([{ deployment: 'one', action: 'released', reason: 'compliance-mismatch', author: 'Ada Adler' }])
  })

  it('releases nothing that cannot be recorded', async () => {
    const w = await world({ quarantined: [MISMATCH] })
    w.records('fail')
    expect(await releaseDeployment(w.gateway, 'one', { author: 'Ada Adler' })).toMatchObject({ ok: false, failure: { code: 'cannot_record' } })
    expect(inPool(w)).toEqual(['two'])
    expect(alarms(w)).toContain('quarantine:one')
  })

  it('is one: of two at the same time the second is told that nothing is left to do', async () => {
    const w = await world({ quarantined: [MISMATCH] })
    const [first, second] = await Promise.all(['Ada Adler', 'Bo Brandt'].map(author => releaseDeployment(w.gateway, 'one', { author })))
    expect(first).toMatchObject({ ok: true })
    expect(second).toMatchObject({ ok: false, failure: { status: 409 } })
  })

  it.each([
    [{}, 'author'], [{ author: '' }, 'author'], [{ author: 'two\nlines' }, 'author'], [{ author: 7 }, 'author'], [{ author: 'x'.repeat(201) }, 'author'],
    [{ author: 'Ada', reason: 'I say so' }, 'reason'],
  ])('must say who it is, and nothing else: %j', async (body, param) => {
    const w = await world({ quarantined: [MISMATCH] })
    expect(await releaseDeployment(w.gateway, 'one', body)).toMatchObject({ ok: false, failure: { code: 'invalid_request', param } })
    expect(inPool(w)).toEqual(['two'])
    expect(w.kept()).toEqual([])
  })

  it.each(['two', 'never-heard-of', '__proto__'])('is told that %s is not aside', async name => {
    const w = await world({ quarantined: [MISMATCH] })
    expect(await releaseDeployment(w.gateway, name, { author: 'Ada Adler' })).toMatchObject({ ok: false, failure: { status: 404 } })
  })

  it('sees what is aside, the oldest first, and what has left the catalog too', async () => {
    const w = await world({ quarantined: [MISMATCH, { ...MISMATCH, deployment: 'old', since: MISMATCH.since - 1_000 }] })
    setAside(w.gateway, 'two', 'withdrawn', 'it answered 410')
    expect(listQuarantine(w.gateway)).toEqual({
      quarantine: [
        { deployment: 'old', reason: 'compliance-mismatch', detail: MISMATCH.detail, since: '2026-11-19T23:59:59.000Z', breaker: 'closed', 'released-by': 'a person', 'in-catalog': false },
        { deployment: 'one', reason: 'compliance-mismatch', detail: MISMATCH.detail, since: '2026-11-20T00:00:00.000Z', breaker: 'closed', 'released-by': 'a person', 'in-catalog': true },
        { deployment: 'two', reason: 'withdrawn', detail: 'it answered 410', since: START, breaker: 'closed', 'released-by': 'the gateway, once it answers, or a person', 'in-catalog': true },
      ],
    })
  })
})
