/** Lines of records become requests, each once, and what cannot be read is no request that is left out. */
import { beforeAll, describe, expect, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { attemptsOf, joined, NotWhole, receiversOf, type Joined, type Met, type Period } from '../../src/record/joined.ts'
import type { Entry } from '../../src/record/record.ts'
import { inJsonLine } from '../../src/record/requests-flat.ts'
import { app, bundleOf, provider } from '../support/tree.ts'
import { AT, attempt, decision, linesOf, outcome, start } from './requests.ts'

const ALWAYS: Period = { from: -Infinity, to: Infinity }
let bundle: Bundle
beforeAll(async () => { bundle = await bundleOf({ 'apps/desk.yaml': app('desk'), 'catalog/home.yaml': provider('home', 'processed-in: [FR]', ['{ deployment: fr, model: lab/large }']) }) })

const desk = (id: string, at = AT): Entry => decision(bundle, id, { app: 'desk' }, { at })
const read = (entries: readonly Entry[], period = ALWAYS): { readonly requests: readonly Joined[]; readonly met: Met } => {
  const met: Met = { deletedTo: 0, withoutDecision: 0 }
  return { requests: [...joined(linesOf(entries), period, met)], met }
}
const ids = (entries: readonly Entry[], period = ALWAYS): readonly string[] => read(entries, period).requests.map(r => `${r.decision.id} ${r.outcome?.outcome ?? '-'}`)

describe('lines of records', () => {
  test('are requests, in the order in which they end', () => {
    expect(ids([start(), desk('a'), desk('b'), outcome('b', [attempt('fr')]), outcome('a', [attempt('fr', { code: 'busy' })])])).toEqual(['b answered', 'a failed'])
  })

  test('without an outcome are requests as well, at the next start or at the end', () => {
    expect(ids([desk('a'), start(), outcome('a', [attempt('fr')]), desk('b')])).toEqual(['a -', 'b -'])
  })

  test('whose decision is gone are counted, and deleted lines are told', () => {
    const { requests, met } = read([{ kind: 'retired', id: 'r-7', at: AT, first: 1, last: 7, head: '0'.repeat(64) }, outcome('gone', [attempt('fr')]), desk('a')])
    expect(requests).toHaveLength(1)
    expect(met).toEqual({ deletedTo: 7, withoutDecision: 1 })
  })

  test('are of a period by the time of their decision: its first instant is in, its end is out', () => {
    const three = [desk('a', AT - 1), desk('b', AT), desk('c', AT + 1), ...['a', 'b', 'c'].map(id => outcome(id, [attempt('fr')], { at: AT + 5 }))]
    expect(ids(three, { from: AT, to: AT + 1 })).toEqual(['b answered'])
    expect(ids(three, { from: AT, to: Infinity })).toEqual(['b answered', 'c answered'])
    expect(ids(three, { from: -Infinity, to: AT })).toEqual(['a answered'])
  })

  test.each([
    ['no JSON', 'nonsense'], ['no object', '[]'], ['neither a line nor a seal', '{"seal":{}}'], ['nothing', ''],
    ['a closed part that is not shown', JSON.stringify({ closed: '0'.repeat(64), open: { kind: 'decision', id: 'a', at: 1 }, prev: '', seq: 1 })],
    ['a decision without its request', JSON.stringify({ closed: {}, open: { kind: 'decision', id: 'a', at: 1 }, prev: '', salt: '', seq: 1 })],
    ['attempts that are none', JSON.stringify({ closed: { attempts: ['fr'] }, open: { kind: 'outcome', id: 'a', at: 1, ms: 1, outcome: 'answered' }, prev: '', salt: '', seq: 1 })],
  ])('that are %s end the reading where they stand', (_, text) => {
    const lines = [...linesOf([desk('a'), outcome('a', [attempt('fr')])]), { text, where: 'test:3' }]
    expect(() => [...joined(lines, ALWAYS, { deletedTo: 0, withoutDecision: 0 })]).toThrow(NotWhole)
    expect(() => [...joined(lines, ALWAYS, { deletedTo: 0, withoutDecision: 0 })]).toThrow('test:3')
    expect([...joined(lines.slice(0, 2), ALWAYS, { deletedTo: 0, withoutDecision: 0 })]).toHaveLength(1)
  })

  test('as JSON say what the entries say', () => {
    const a = desk('a'), ended = outcome('a', [attempt('fr')], { usage: { input: 1, output: 2 } })
    const [one, two] = read([a, ended, desk('b')]).requests.map(r => JSON.parse(inJsonLine(r)) as Record<string, unknown>)
    const { kind: _, ...said } = a, { kind: __, id: ___, ...end } = ended
    expect(one).toEqual({ ...said, ended: end })
    expect(two).toMatchObject({ id: 'b', ended: null })
  })
})

describe('who received something of a request', () => {
  const one = (...attempts: Parameters<typeof outcome>[1]): Joined => ({ decision: decision(bundle, 'a', { app: 'desk' }, { epoch: 5 }), outcome: outcome('a', attempts) })

  test('is whoever answered anything, and maybe whoever did not', () => {
    expect([...receiversOf(one(
      attempt('a', { epoch: 5, code: 'unreachable' }), attempt('b', { epoch: 5, code: 'upstream_error', upstreamStatus: 500 }),
      attempt('c', { epoch: 5, code: 'unreachable', afterContent: true }), attempt('d', { epoch: 6 }),
    ))]).toEqual([['a', false], ['b', true], ['c', true], ['d', true]])
  })

  test('is counted once, however often it was tried', () => {
    expect([...receiversOf(one(attempt('a', { epoch: 5, upstreamStatus: 429, code: 'busy' }), attempt('a', { epoch: 5, code: 'deadline_exceeded' })))]).toEqual([['a', true]])
  })

  test('is nobody that the law overtook, and nobody that was asked under the decision before', () => {
    const request = one(attempt('before', { epoch: 4, upstreamStatus: 500, code: 'upstream_error' }), attempt('overtaken', { epoch: 5, code: 'overtaken' }), attempt('fr', { epoch: 5 }))
    expect([...receiversOf(request)]).toEqual([['fr', true]])
    expect(attemptsOf(request).map(a => a.deployment)).toEqual(['overtaken', 'fr'])
  })
})
