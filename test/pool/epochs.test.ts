import { describe, expect, test } from 'vitest'
import type { Clock } from '../../src/ports.ts'
import { createEpochs, type Epochs } from '../../src/pool/epochs.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'

const EDGE = Date.parse('2026-12-01T00:00:00Z')
const bundle = bundleOf({
  'apps/desk.yaml': app('desk'), 'apps/lab.yaml': app('lab', 'grants: all\nmay-carry: [personal]'),
  'catalog/p.yaml': provider('p', 'dialect: openai\nbase-url: http://127.0.0.1:9', ['{ deployment: a, model: p/a }', '{ deployment: b, model: p/b }']),
  'rules/later.policy.yaml': policy('later', rule('not-b', 'forbid: { model: [p/b] }'), '{ from: 2026-12-01, timezone: UTC }'),
})
async function epochsAt(now: Clock['now'], ill: ReadonlySet<string> = new Set(), of = bundle): Promise<Epochs> {
  return createEpochs({
    bundle: await of, clock: { now, after: () => () => undefined }, rebuilt: () => undefined,
    connected: () => undefined, unhealthy: name => (ill.has(name) ? 'breaker-open' : undefined),
  })
}
const permitted = (epochs: Epochs): readonly (readonly string[])[] => epochs.profiles().map(p => p.permitted.map(d => d.name))

describe('an epoch that begins because of what can be reached', () => {
  test.each([1, 2, 3, 4, 5])('keeps the number of the law true where an edge of time falls %d readings of the clock after it began', async readings => {
    let now = EDGE - 60_000, passes = 0
    const epochs = await epochsAt(() => (now += passes))
    const before = epochs.current()
    now = EDGE - readings
    passes = 1
    epochs.refresh('breaker opened: x')
    const isNew = (): boolean => permitted(epochs).every(names => !names.includes('b'))
    for (let i = 0; i < readings; i++) expect(epochs.current().law !== before.law).toBe(isNew())
    expect(isNew()).toBe(true)
  })

  test('has decided nothing anew: what the law leaves is the same list, and only what can be reached of it is another', async () => {
    const ill = new Set<string>(), epochs = await epochsAt(() => EDGE - 60_000, ill)
    const before = epochs.profiles()
    ill.add('a')
    epochs.refresh('breaker opened: a')
    const after = epochs.profiles()
    expect(after.map(p => p.available)).toEqual(before.map(() => ['b']))
    after.forEach((profile, i) => expect(profile.permitted).toBe(before[i]!.permitted))
    expect(epochs.events()).toMatchObject([{ profiles: before.map(() => ({ removed: [{ deployment: 'a', because: 'breaker-open' }], promoted: 'b', left: 1 })) }])
  })

  test('has where the time has turned, or the bundle is another', async () => {
    let now = EDGE - 60_000
    const epochs = await epochsAt(() => now)
    const before = epochs.profiles()[0]!.permitted
    epochs.swap(await bundle, 'policies changed')
    expect(epochs.profiles()[0]!.permitted).not.toBe(before)
    now = EDGE
    epochs.refresh('breaker opened: x')
    expect(permitted(epochs)).toEqual(epochs.profiles().map(() => ['a']))
  })
})

test('a rebuild that concerns more profiles than are told counts the others', async () => {
  const ill = new Set(['a']), names = Array.from({ length: 60 }, (_, i) => `app-${i}`)
  const many = bundleOf({
    ...Object.fromEntries(names.map(name => [`apps/${name}.yaml`, app(name, 'grants: all\nmay-carry: [personal]')])),
    'catalog/p.yaml': provider('p', 'dialect: openai\nbase-url: http://127.0.0.1:9', ['{ deployment: a, model: p/a }']),
  })
  const epochs = await epochsAt(() => EDGE, ill, many)
  ill.clear()
  epochs.refresh('breaker closed: a')
  ill.add('a')
  epochs.refresh('breaker opened: a')
  const told = (change: object): object => ({ profiles: Array.from({ length: 100 }, () => change), more: epochs.profiles().length - 100 })
  expect(epochs.profiles().length).toBeGreaterThan(100)
  expect(epochs.events()).toMatchObject([told({ added: ['a'], removed: [] }), told({ added: [], removed: [{ deployment: 'a', because: 'breaker-open' }] })])
})
