/** Words of users, of providers and of notices go through everything: none of them is in the log, a metric, an event or what an admin is shown. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cleanUp } from '../support/processes.ts'
import { everything, foundIn, MARK, NOTICE, PROMPT, PROVIDER, world, type World } from './canaries.ts'

let w: World
let traces: ReadonlyMap<string, string>
beforeAll(async () => {
  w = await world()
  await everything(w)
  const all = await w.traces()
  traces = new Map([...all].filter(([where]) => SAID.some(begins => where.startsWith(begins))))
}, 120_000)
afterAll(async () => {
  await w.close()
  await cleanUp()
})

const SAID = ['log', 'standard output', 'metrics', 'readiness', 'events', 'admin', 'headers']

test('no-prompt-in-log: no word of a user', () => {
  expect(Object.values(PROMPT).flatMap(word => foundIn(traces, word))).toEqual([])
})
test('no-prompt-in-log: no word of a provider: of an error, an answer, a code, a name, a header', () => {
  expect(Object.values(PROVIDER).flatMap(word => foundIn(traces, word, QUARANTINED[word]))).toEqual([])
})
test('no-prompt-in-log: no text of a notice', () => {
  expect(Object.values(NOTICE).flatMap(word => foundIn(traces, word))).toEqual([])
})

/** Of a deployment that is set aside, an officer must read under which name it answered. */
const QUARANTINED: Readonly<Record<string, readonly string[]>> = { [PROVIDER.code]: ['log', 'readiness', 'events', 'admin pool', 'admin quarantine'] }

test('what was looked through has what happened in it', () => {
  expect([...foundIn(traces, MARK.requestId)].sort()).toEqual([`${MARK.requestId} in headers`, `${MARK.requestId} in log`])
  for (const where of ['log', 'events', 'metrics', 'readiness', 'admin pool', 'admin quarantine']) expect(traces.get(where), where).toContain('straying-code')
  expect(traces.get('admin directives')).toContain('late-notice')
  expect(traces.get('admin drills')).toContain('notice drilled-notice')
})
