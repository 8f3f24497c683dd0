/** The histogram: what it counts, what it survives, and that impact finds the same in it as in the records. */
import * as fc from 'fast-check'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { classify, STATABLE } from '../../src/classify/classify.ts'
import { decideUnderstood } from '../../src/policy/decide.ts'
import { understand } from '../../src/policy/request.ts'
import type { App, Rulebook } from '../../src/policy/rule.ts'
import { askedOf, decidedOf } from '../../src/record/decided.ts'
import type { DecisionEntry, Entry, Recorder } from '../../src/record/record.ts'
import type { RecordedRequests } from '../../src/cli/host.ts'
import { CLASSES_FILE, createClasses, readClasses, type Classes } from '../../src/runtime/node-classes.ts'
import { readAsked } from '../../src/runtime/node-asked.ts'
import { readRecorded } from '../../src/runtime/node-recorded.ts'
import { openRecorder, RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { FOLDER, NOT_KEPT, STAYS, withRules } from '../cli/officer-folder.ts'
import { run } from '../cli/stand-in.ts'
import { APPS, rulebook as worlds, seed, statements } from '../policy/worlds.ts'
import { fakeClock, type FakeClock } from '../support/clock.ts'
import { bailiwick, cleanUp, folderOf, freshFolder, serve } from '../support/processes.ts'
import { bundleOf } from '../support/tree.ts'
import { chat, onlyIn, PLACE_RULE, REHEARSAL } from './places.ts'

const HOUR_MS = 3_600_000, MINUTE_MS = 60_000
const START = Date.parse('2026-11-22T09:30:00Z')
const FACTS = ['app', 'data', 'user-in', 'operation']

let data: string, clock: FakeClock, book: Rulebook, classes: Classes, kept: Entry[], logged: { readonly event: string; readonly [field: string]: unknown }[]
const recorder: Recorder = { append: entry => { kept.push(entry) } }
const counted = (): Classes => createClasses({ data, ports: { clock, log: (_, event, fields) => { logged.push({ event, ...fields }) } }, rulebook: () => book })
beforeEach(async () => {
  data = freshFolder()
  clock = fakeClock(START)
  book = (await bundleOf(FOLDER)).rulebook
  kept = []
  logged = []
  classes = counted()
})
afterEach(async () => {
  classes.end()
  await cleanUp()
})

let n = 0
const decision = (stated: Readonly<Record<string, unknown>>, { app = 'desk', model = 'auto', rules = book }: { readonly app?: string; readonly model?: string; readonly rules?: Rulebook } = {}): DecisionEntry => {
  const now = clock.now(), understood = understand(rules, classify(rules, { app, operation: 'chat', modelAsked: model, agentDepth: 0, stated }), now)
  return { kind: 'decision', id: `d-${++n}`, at: now, requestId: 'r', app, bundle: 'b', catalog: 'c', epoch: 1, stated, ...decidedOf(understood, decideUnderstood(rules, understood, now)) }
}
const ask = async (stated: Readonly<Record<string, unknown>> = {}, more: Parameters<typeof decision>[1] = {}): Promise<void> => classes.counting(recorder).append(decision(stated, more))
const read = (since = START, facts: readonly string[] = FACTS): ReturnType<typeof readClasses> => readClasses(data, since, facts)
const total = (since?: number): number => [...read(since).requests].reduce((sum, { count }) => sum + count, 0)

describe('the histogram', () => {
  it('counts decisions by hour and class, when they have been kept', async () => {
    await ask({ data: ['personal'] })
    await ask({ data: ['personal'] })
    await ask({ data: ['source-code'] })
    await classes.counting(recorder).append({ kind: 'outcome', id: 'd-1', at: START, outcome: 'answered', attempts: [], ms: 1 })
    await expect(classes.counting({ append: () => { throw new Error('the disk is full') } }).append(decision({}))).rejects.toThrow('the disk is full')
    clock.advance(HOUR_MS)
    await ask({ data: ['personal'] })
    classes.end()
    expect(read()).toMatchObject({ lacks: [] })
    expect([...read().requests].map(({ stated, count }) => [stated, count])).toEqual(expect.arrayContaining([[{ data: ['personal'] }, 3], [{ data: ['source-code'] }, 1]]))
    expect([total(), total(START + HOUR_MS)]).toEqual([4, 1])
    expect(kept).toHaveLength(5)
  })

  it('is written every minute and at the end, readable by its owner alone', async () => {
    await ask()
    expect(total()).toBe(0)
    clock.advance(MINUTE_MS)
    expect(total()).toBe(1)
    await ask()
    classes.end()
    expect(total()).toBe(2)
    expect(statSync(join(data, CLASSES_FILE)).mode & 0o777).toBe(0o600)
  })

  it('goes on where an earlier process ended, and says what one that was killed had not written', async () => {
    await ask()
    classes.end()
    clock.advance(MINUTE_MS)
    classes = counted()
    expect([total(), read().lacks]).toEqual([1, []])
    await ask()
    clock.advance(MINUTE_MS)
    await ask()
    // Nobody ends this one.
    classes = counted()
    expect(read().lacks).toEqual(['the last minute of a process that did not end by itself'])
    expect(total()).toBe(2)
  })

  it('says when it was not there yet', () => {
    expect(read(START - HOUR_MS).lacks).toEqual(['everything before 2026-11-22T09:30:00.000Z'])
    expect(read(START).lacks).toEqual([])
  })

  it('a file that cannot be written refuses nothing, is told once, and is caught up with', async () => {
    const file = join(data, CLASSES_FILE)
    rmSync(file)
    mkdirSync(file)
    await ask()
    clock.advance(5 * MINUTE_MS)
    expect(logged.filter(l => l.event === 'classes')).toHaveLength(1)
    rmSync(file, { recursive: true })
    clock.advance(MINUTE_MS)
    expect(total()).toBe(1)
  })

  it('a fault in counting refuses nothing', async () => {
    await classes.counting(recorder).append({ ...decision({}), stated: null })
    expect(kept).toHaveLength(1)
    expect(logged.map(l => l.event)).toEqual(['classes'])
  })

  it('is bounded: more classes than an hour holds are counted together, and it says so', async () => {
    for (let depth = 0; depth < 2_600; depth++) await ask({ 'agent-depth': depth })
    classes.end()
    const database = new DatabaseSync(join(data, CLASSES_FILE), { readOnly: true })
    const rows = database.prepare('SELECT count(*) AS count FROM counts').get()
    database.close()
    expect([rows?.['count'], total(), read().lacks]).toEqual([2_001, 2_000, ['600 requests of more classes than are counted in an hour']])
  })

  it('is kept for five years and no longer', async () => {
    await ask()
    classes.end()
    for (const [hours, left] of [[5 * 365 * 24, 1], [5 * 366 * 24 + 1, 0]] as const) {
      clock = fakeClock(START + hours * HOUR_MS)
      classes = counted()
      classes.end()
      expect(total()).toBe(left)
    }
  })
})

describe(`the histogram beside the records (seed ${seed})`, () => {
  /** By what the law understands, since the two write the same request in different ways. */
  const understoodIn = (requests: Iterable<RecordedRequests>, rules: Rulebook): ReadonlyMap<string, number> => {
    const counts = new Map<string, number>()
    for (const { request, stated, count } of requests) {
      const { readings, dataNotRegistered, assumed } = understand(rules, askedOf(rules, { request, stated }), START)
      const key = JSON.stringify([readings, dataNotRegistered, assumed.map(a => a.fact)])
      counts.set(key, (counts.get(key) ?? 0) + count)
    }
    return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  it('agrees with them in every fact that a rule may ask for, or says that it does not', async () => {
    let agreed = 0, lacking = 0
    const world = fc.tuple(worlds, fc.array(fc.subarray([...STATABLE]), { minLength: 3, maxLength: 3 })).map(([one, may]): Rulebook =>
      ({ ...one, apps: new Map([...one.apps].map(([name, app], i): [string, App] => [name, { ...app, mayAssert: may[i]! }])) }))
    const asks = fc.array(fc.record({ app: fc.constantFrom(...APPS), stated: statements, model: fc.constantFrom('auto', 'v1/a', 'no such model') }), { minLength: 20, maxLength: 40 })
    const bounded = fc.subarray(['user-in', 'user-nationality', 'user-us-person', 'classification', 'agent-depth'])
    const facts = fc.oneof(bounded, fc.tuple(bounded, fc.subarray(['purpose', 'model-asked', 'governed-by'])).map(both => both.flat()))
    await fc.assert(fc.asyncProperty(world, asks, facts, async (rules, all, facts) => {
      const folder = freshFolder(), records = await openRecorder(folder, { clock })
      const histogram = createClasses({ data: folder, ports: { clock, log: () => undefined }, rulebook: () => rules })
      const counting = histogram.counting(records)
      // What a border would not let through is in neither.
      await Promise.all(all.map(async ({ app, stated, model }) => counting.append(decision(stated, { app, model, rules }))))
      histogram.end()
      await records.close()
      const asked = ['app', 'data', ...facts]
      const one = readClasses(folder, START, asked), other = await readRecorded(join(folder, RECORDS_FILE), START, asked)
      if (!other.ok) throw new Error(other.wrong)
      if (one.lacks.length > 0) lacking++
      else {
        agreed++
        expect(understoodIn(one.requests, rules)).toEqual(understoodIn(other.requests, rules))
      }
      rmSync(folder, { recursive: true })
    }), { seed, numRuns: 40 })
    expect([agreed > 15, lacking > 5]).toEqual([true, true])
  })
})

describe('impact reads the histogram', () => {
  const OLD = withRules(STAYS, NOT_KEPT), NEW = withRules(NOT_KEPT)
  const NOW_ARGS = ['--at', '2026-11-22T11:00:00Z', '--last', '1h', '--format', 'json'] as const

  /** The stand-in's clock says 11:00; counting begins at 09:30. */
  const made = async (): Promise<void> => {
    const records = await openRecorder(data, { clock })
    clock.set(Date.parse('2026-11-22T10:20:00Z'))
    const counting = classes.counting(records)
    for (const [stated, times] of [[{ data: ['personal'] }, 3], [{ data: ['source-code'] }, 2], [{}, 4], [{ 'data': ['personal'], 'user-in': 'FR' }, 1]] as const) {
      for (let i = 0; i < times; i++) await counting.append(decision(stated))
    }
    classes.end()
    await records.close()
  }
  const impactOf = async (records: string, ...args: readonly string[]): Promise<Record<string, unknown>> =>
    JSON.parse((await run(['impact', folderOf(OLD), folderOf(NEW), '--records', records, ...(args.length > 0 ? args : NOW_ARGS)])).out) as Record<string, unknown>

  it('where it covers the time, finds the same as in the records, and says which was read', async () => {
    await made()
    const { read: one, old: _, new: __, ...histogram } = await impactOf(data)
    const { read: other, old: ___, new: ____, ...records } = await impactOf(join(data, RECORDS_FILE))
    expect(one).toMatch(/^the histogram .*classes\.sqlite, counted until 2026-11-22T10:20:00\.000Z$/)
    expect(other).toMatch(/^the records .*records\.sqlite$/)
    expect(histogram).toMatchObject({ compared: { requests: 10 } })
    expect(histogram).toEqual(records)
    expect((await impactOf(join(data, CLASSES_FILE)))['read']).toBe(one)
  })

  it('reads the records where it does not, and says why', async () => {
    await made()
    const found = await impactOf(data, '--at', '2026-11-22T11:00:00Z', '--last', '2h', '--format', 'json')
    expect(found['read']).toMatch(/^the records .*, for the histogram lacks everything before 2026-11-22T09:30:00\.000Z$/)
    expect(found).toMatchObject({ compared: { requests: 10 } })
  })

  it('says what is lacking where there is nothing else to read', async () => {
    await made()
    const found = await impactOf(join(data, CLASSES_FILE), '--at', '2026-11-22T11:00:00Z', '--last', '2h', '--format', 'json')
    expect(found['read']).toMatch(/^the histogram .*; it lacks everything before/)
  })

  it('as text, and without changing the file', async () => {
    await made()
    const before = readFileSync(join(data, CLASSES_FILE))
    const said = await run(['impact', folderOf(OLD), folderOf(NEW), '--records', data, '--last', '1h'])
    expect(said.out).toMatch(/^read +the histogram /m)
    expect(said.out).toContain('(4 requests, 40.0 %)')
    expect(readFileSync(join(data, CLASSES_FILE)).equals(before)).toBe(true)
  })

  it('a file that is neither is refused', async () => {
    const file = join(data, 'words.sqlite')
    writeFileSync(file, 'words')
    expect(await readAsked(file, START, FACTS)).toMatchObject({ ok: false })
    expect(await readAsked(join(data, 'nowhere'), START, FACTS)).toMatchObject({ ok: false })
    expect(dirname(file)).toBe(data)
  })

  it('of a gateway in a process of its own, after it has ended', async () => {
    const gateway = await serve(folderOf(REHEARSAL))
    for (let i = 0; i < 3; i++) await (await chat(gateway, { headers: { 'x-bailiwick-purpose': 'words of a caller' } })).text()
    await gateway.stop()
    expect(existsSync(join(gateway.data, CLASSES_FILE))).toBe(true)
    const said = await bailiwick(['impact', folderOf(REHEARSAL), folderOf({ ...REHEARSAL, [PLACE_RULE]: onlyIn('FR') }), '--records', gateway.data, '--last', '1h', '--format', 'json'])
    expect(said.code).toBe(0)
    const bytes = readFileSync(join(gateway.data, CLASSES_FILE)).toString('latin1')
    expect(bytes).toContain('model-asked')
    for (const words of ['words of a caller', 'Good day?']) expect(bytes).not.toContain(words)
    const first = JSON.parse((await bailiwick(['impact', folderOf(REHEARSAL), folderOf(REHEARSAL), '--records', join(gateway.data, CLASSES_FILE), '--last', '1h', '--format', 'json'])).out) as Record<string, unknown>
    expect(first).toMatchObject({ compared: { requests: 3 } })
  })
})
