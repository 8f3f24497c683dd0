/** Promise 1: a missing fact, an unknown label, a duty nobody can carry out, a record that cannot be kept: no. */
import { afterEach, expect, test } from 'vitest'
import { said } from '../support/listening.ts'
import { threePlaces, threePlacesFiles, type ThreePlaces } from '../support/three-places.ts'
import { policy, provider, rule } from '../support/tree.ts'

let world: ThreePlaces
afterEach(() => world.stop())

test('data that nobody stated is everything the app may carry', async () => {
  world = await threePlaces()
  const answer = await world.chat({ model: 'lab/large' })
  expect(await said(answer)).toBe('from home')
  expect(await world.abroad.count()).toBe(0)
})

test('stated data that is none of the kind is not held back (the twin)', async () => {
  world = await threePlaces({ files: { 'apps/desk.yaml': (await threePlacesFiles({ home: '', second: '', abroad: '' }))['apps/desk.yaml']! + 'may-assert: [data]\n' } })
  expect(await said(await world.chat({}, { 'x-bailiwick-data': 'none' }))).toBe('from abroad')
})

test('a place that is not known is no place that is required', async () => {
  world = await threePlaces({ files: { 'catalog/home.yaml': provider('home', '', ['{ deployment: fr, model: lab/large, processed-in: unknown }']), 'catalog/second.yaml': provider('second', '', ['{ deployment: fr-two, model: lab/small }']) } })
  const answer = await world.chat()
  expect(answer.status).toBe(403)
  expect(await said(answer)).toBe('no_permitted_model')
})

test('a fact past its date is not known any more', async () => {
  const stale = Date.parse('2041-01-01T00:00:00Z')
  world = await threePlaces({ now: () => stale })
  expect((await world.chat()).status).toBe(403)
  expect([await world.home.count(), await world.second.count(), await world.abroad.count()]).toEqual([0, 0, 0])
})

test('a duty that cannot be carried out refuses', async () => {
  world = await threePlaces({ files: { 'rules/duty.policy.yaml': policy('duty', rule('redact', 'prefer:\n  - weights: open\nthen: { redact: [shoe-size] }')) } })
  expect((await world.chat()).status).toBe(403)
  expect(await world.home.count()).toBe(0)
})

test('a record that must stay in a place is not kept in an unknown one', async () => {
  const files = { 'rules/duty.policy.yaml': policy('duty', rule('log-home', 'prefer:\n  - weights: open\nthen: { log-in: [FR] }')) }
  for (const place of [undefined, 'US']) {
    world = await threePlaces({ files, ...(place !== undefined && { place }) })
    expect((await world.chat()).status).toBe(403)
    expect(world.entries).toEqual([])
    await world.stop()
  }
  world = await threePlaces({ files, place: 'FR' })
  expect(await said(await world.chat())).toBe('from home')
  expect(world.entries).toHaveLength(2)
})

test('what cannot be recorded is not sent', async () => {
  let broken = true
  world = await threePlaces({ recorder: { append: () => { if (broken) throw new Error('disk full') } } })
  const answer = await world.chat()
  expect(answer.status).toBe(503)
  expect(await said(answer)).toBe('cannot_record')
  expect(await world.home.count()).toBe(0)
  expect(world.gateway.alarms().map(a => a.name)).toEqual(['records'])
  broken = false
  expect(await said(await world.chat())).toBe('from home')
  expect(world.gateway.alarms()).toEqual([])
})

test('whoever must be told of a notice is told when it refuses, too', async () => {
  world = await threePlaces({ files: { 'rules/notice.policy.yaml': policy('notice', rule('nobody', 'forbid: all\nthen: { notify: [general-counsel] }')) } })
  expect((await world.chat()).status).toBe(403)
  expect(world.logged.map(line => JSON.parse(line) as { event: string; to?: string[] }).find(l => l.event === 'notify')?.to).toEqual(['general-counsel'])
})
