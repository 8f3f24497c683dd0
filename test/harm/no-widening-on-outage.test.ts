/** Promise 2: an outage narrows the pool and never widens it. Providers are processes that are killed. */
import { afterEach, expect, test } from 'vitest'
import { said } from '../support/listening.ts'
import { threePlaces, type ThreePlaces } from '../support/three-places.ts'

let world: ThreePlaces
afterEach(() => world.stop())

test('a permitted provider that dies is replaced by another permitted one, and the answer says so', async () => {
  world = await threePlaces()
  await world.home.kill()
  const answer = await world.chat({ model: 'lab/large' })
  expect(await said(answer)).toBe('from second')
  expect(answer.headers.get('x-bailiwick-degraded')).toContain('fr unreachable')
  expect(answer.headers.get('x-bailiwick-attempts')).toBe('2')
  expect(await world.abroad.count()).toBe(0)
})

test('when every permitted provider is dead the answer is unavailable, and the one abroad saw nothing', async () => {
  world = await threePlaces()
  await Promise.all([world.home.kill(), world.second.kill()])
  for (const stream of [false, true]) {
    const answer = await world.chat({ stream })
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await said(answer)).toBe('permitted_models_unavailable')
  }
  expect(await world.abroad.count()).toBe(0)
})

test('asking by name for what is forbidden does not help while the rest is dead', async () => {
  world = await threePlaces()
  await Promise.all([world.home.kill(), world.second.kill()])
  await world.chat({ model: 'lab/large', models: ['lab/large'], provider: { only: ['us'] } })
  await world.chat({ model: 'lab/large', provider: { order: ['us'], allow_fallbacks: true } })
  expect(await world.abroad.count()).toBe(0)
})
