/** Words of users, of providers and of notices go through everything: none of them is in a record, a receipt, an export or an error. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cleanUp } from '../support/processes.ts'
import { everything, foundIn, MARK, NOTICE, PROMPT, PROVIDER, world, type World } from './canaries.ts'

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

/** Records, and what is shown and given away of them. */
const ON_RECORD = ['records', 'decisions of the admin', 'receipts of the admin']

test.each(Object.entries(PROMPT))('no-prompt-in-record: the canary of %s is found nowhere', (_, word) => {
  expect(foundIn(traces, word)).toEqual([])
})

test.each(Object.entries(PROVIDER))('no-prompt-in-record: the provider\'s %s is found nowhere but where it must be', (_, word) => {
  // A code of a provider's own is handed on to whoever asked; a name under which it answered is on record, and why it was set aside.
  const except = word === PROVIDER.code ? [...ON_RECORD, 'exports', 'errors', 'log', 'readiness', 'events', 'admin pool', 'admin quarantine'] : []
  expect(foundIn(traces, word, except)).toEqual([])
})

test.each(Object.entries(NOTICE))('no-prompt-in-record: of a notice there is a digest, and no %s', (_, word) => {
  // The policies that decided are kept by their digest, beside the records; whoever writes a mistake is shown the line of it.
  expect(foundIn(traces, word, ['data folder', ...(word === NOTICE.broken ? ['errors'] : [])])).toEqual([])
})

test('what was looked through has in it what is on record on purpose', () => {
  for (const where of [...ON_RECORD, 'exports', 'decisions of the app', 'receipts of the app', 'log', 'headers', 'errors']) expect(traces.get(where), where).toContain(MARK.requestId)
  for (const where of ON_RECORD) expect(traces.get(where), where).toContain(MARK.purpose)
})

test('what was looked through holds every way that a request can go', () => {
  const records = traces.get('records')!
  for (const outcome of ['answered', 'failed', 'refused', 'cut']) expect(records).toContain(`"outcome":"${outcome}"`)
  expect(records).toContain('"deployments":["cutting-one","good-one"]')
  for (const kind of ['directive', 'drill', 'quarantine', 'pool', 'start', 'checkpoint']) expect(records).toContain(`"kind":"${kind}"`)
  for (const code of ['misconfigured', 'compliance_mismatch', 'upstream_error', 'refused_by_provider', 'unreachable']) expect(records).toContain(`"code":"${code}"`)
})

test('where a server says that it ran and what it served is on record, and what that cost', () => {
  expect(traces.get('records')).toMatch(/"cost":0.004,.{0,400}"reportedRegion":"fr","servedModel":"good-one-2026-01-01"/)
  expect(traces.get('records')).toContain('"processedIn":["FR"]')
})

test('what a caller states is on record, and nowhere else', () => {
  expect(foundIn(traces, MARK.purpose, [...ON_RECORD, 'exports'])).toEqual([])
})
