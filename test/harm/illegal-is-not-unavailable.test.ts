/** Promise 5: 403 no_permitted_model against 503 permitted_models_unavailable; the real client raises different classes. */
import OpenAI, { InternalServerError, PermissionDeniedError } from 'openai'
import { afterEach, expect, test } from 'vitest'
import { KEY } from '../support/listening.ts'
import { threePlaces, type ThreePlaces } from '../support/three-places.ts'
import { policy, rule } from '../support/tree.ts'

let world: ThreePlaces
afterEach(() => world.stop())

const ask = (w: ThreePlaces): Promise<unknown> =>
  new OpenAI({ baseURL: `${w.url}/v1`, apiKey: KEY, maxRetries: 0 }).chat.completions.create({ model: 'lab/large', messages: [{ role: 'user', content: 'x' }] })

test('all forbidden: permission denied, no Retry-After, and no provider saw a request', async () => {
  world = await threePlaces({ files: { 'rules/never.policy.yaml': policy('never', rule('nobody', 'forbid: all')) } })
  const error = await ask(world).catch((e: unknown) => e) as PermissionDeniedError
  expect(error).toBeInstanceOf(PermissionDeniedError)
  expect(error).toMatchObject({ status: 403, code: 'no_permitted_model' })
  expect(error.headers.get('retry-after')).toBeNull()
  expect(error.message).toContain('The rule nobody')
  expect([await world.home.count(), await world.second.count(), await world.abroad.count()]).toEqual([0, 0, 0])
})

test('all permitted ones dead: unavailable, with a time to come back, and the client may retry', async () => {
  world = await threePlaces()
  await Promise.all([world.home.kill(), world.second.kill()])
  const error = await ask(world).catch((e: unknown) => e) as InternalServerError
  expect(error).toBeInstanceOf(InternalServerError)
  expect(error).toMatchObject({ status: 503, code: 'permitted_models_unavailable' })
  expect(Number(error.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('forbidden and dead at once is forbidden: the law is asked first', async () => {
  world = await threePlaces({ files: { 'rules/never.policy.yaml': policy('never', rule('nobody', 'forbid: all')) } })
  await Promise.all([world.home.kill(), world.second.kill(), world.abroad.kill()])
  expect(await ask(world).catch((e: unknown) => e)).toMatchObject({ status: 403 })
})
