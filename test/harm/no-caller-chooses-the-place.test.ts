/** Members of a body by which a caller would have a provider work elsewhere, or keep the prompt, are refused before anything is sent. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { threePlaces, type ThreePlaces } from '../support/three-places.ts'

let world: ThreePlaces
beforeAll(async () => { world = await threePlaces() })
afterAll(() => world.stop())

test.each([
  ['inference_geo', 'global'], ['inference_geo', 'us'], ['store', true], ['store', 'yes'], ['prompt_cache_retention', '24h'],
])('%s: %s is refused by name, and nobody is asked', async (param, value) => {
  const before = await Promise.all([world.home.count(), world.second.count(), world.abroad.count()])
  const refused = await world.chat({ [param]: value })
  expect(refused.status).toBe(400)
  expect(await refused.json()).toMatchObject({ error: { type: 'invalid_request_error', param } })
  expect(await Promise.all([world.home.count(), world.second.count(), world.abroad.count()])).toEqual(before)
})

test.each([['store', false], ['store', null], ['prompt_cache_retention', 'in_memory'], ['inference_geo', null]])('%s: %s asks for no freedom, and is passed on', async (param, value) => {
  expect((await world.chat({ [param]: value })).status).toBe(200)
})
