/** Promise 4: every path goes through the same decision and the same record. */
import { afterEach, expect, test } from 'vitest'
import { threePlaces, type ThreePlaces } from '../support/three-places.ts'

let world: ThreePlaces
afterEach(() => world.stop())

const paths: readonly [name: string, path: string, body: Record<string, unknown>][] = [
  ['chat', '/v1/chat/completions', { model: 'lab/large', messages: [{ role: 'user', content: 'x' }] }],
  ['a stream', '/v1/chat/completions', { model: 'lab/large', messages: [{ role: 'user', content: 'x' }], stream: true }],
  ['a completion', '/v1/completions', { model: 'lab/large', prompt: 'x' }],
  ['embeddings', '/v1/embeddings', { model: 'lab/large', input: 'x' }],
]

test.each(paths)('%s: decided, recorded before and after, never abroad', async (_, path, body) => {
  world = await threePlaces()
  const answer = await world.post(path, body)
  await answer.text()
  expect(answer.status).toBe(200)
  const id = answer.headers.get('x-bailiwick-decision')
  await expect.poll(() => world.entries.map(e => [e.kind, e.id])).toEqual([['decision', id], ['outcome', id]])
  expect(world.entries[1]).toMatchObject({ outcome: 'answered', deployment: 'fr', attempts: [{ deployment: 'fr', code: 'ok' }] })
  expect(await world.abroad.count()).toBe(0)
})

test.each(paths)('%s: a refusal is recorded too, and nobody was asked', async (_, path, body) => {
  world = await threePlaces()
  const answer = await world.post(path, body, { 'x-bailiwick-data': 'itar' })
  expect(answer.status).toBe(403)
  expect(world.entries).toMatchObject([{ kind: 'decision', outcome: 'refuse' }, { kind: 'outcome', outcome: 'refused' }])
  expect([await world.home.count(), await world.second.count(), await world.abroad.count()]).toEqual([0, 0, 0])
})

test('without a key there is no way in, and no entry', async () => {
  world = await threePlaces()
  for (const [, path, body] of paths) expect((await world.post(path, body, { authorization: 'Bearer wrong' })).status).toBe(401)
  expect(world.entries).toEqual([])
  expect([await world.home.count(), await world.second.count(), await world.abroad.count()]).toEqual([0, 0, 0])
})

test('a dry run decides and sends nothing', async () => {
  world = await threePlaces()
  const answer = await world.chat({}, { 'x-bailiwick-dry-run': 'yes' })
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ outcome: 'permit', permitted: ['fr', 'fr-two'] })
  expect([await world.home.count(), await world.second.count(), await world.abroad.count()]).toEqual([0, 0, 0])
})
