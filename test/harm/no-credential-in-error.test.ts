/** Keys of apps, of providers and of the admin go through everything, also back from providers that repeat them: they are found nowhere. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cleanUp } from '../support/processes.ts'
import { everything, foundIn, KEY, world, type World } from './canaries.ts'

let w: World
let traces: ReadonlyMap<string, string>
beforeAll(async () => {
  w = await world()
  await everything(w)
  traces = await w.traces()
}, 120_000)
afterAll(async () => {
  await w.close()
  await cleanUp()
})

test.each(Object.entries(KEY))('no-credential-in-error: the key of %s is in no error, header, record, receipt, log, metric, event or file', (_, key) => {
  expect(foundIn(traces, key)).toEqual([])
})

test('no-credential-in-error: nor is a part of a provider\'s key that is long enough to matter', () => {
  for (const key of [KEY.provider, KEY.den]) expect(foundIn(traces, key.slice(0, 20))).toEqual([])
})

test('what was looked through are errors of every kind, and more than a few', () => {
  expect(w.errors.length).toBeGreaterThan(100)
  for (const status of ['400', '401', '403', '404', '503', 'event: error']) expect(w.errors.some(error => error.startsWith(status)), status).toBe(true)
})
