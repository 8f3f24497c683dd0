/** A canary goes through every outcome; it may be found in no entry, no log line, no metric, no error and no admin answer. */
import { afterEach, expect, test } from 'vitest'
import { ADMIN, KEY } from '../support/listening.ts'
import { threePlaces, type ThreePlaces } from '../support/three-places.ts'
import { policy, rule } from '../support/tree.ts'

const CANARY = 'canary-7f3a-the-secret-of-the-prompt'
const SECRET = 'sk-provider-secret-91d2'
let world: ThreePlaces
afterEach(() => world.stop())

async function traces(w: ThreePlaces): Promise<string> {
  const [metrics, pool] = await Promise.all([fetch(`${w.url}/metrics`).then(r => r.text()), fetch(`${w.url}/admin/pool`, { headers: { authorization: `Bearer ${ADMIN}` } }).then(r => r.text())])
  return JSON.stringify([w.entries, w.logged, metrics, pool])
}

const bodies: readonly Record<string, unknown>[] = [
  { messages: [{ role: 'user', content: CANARY }] },
  { messages: [{ role: 'user', content: CANARY }], stream: true },
  { messages: [{ role: 'user', content: CANARY }], user: CANARY, metadata: { note: CANARY } },
  { model: CANARY, messages: [{ role: 'user', content: CANARY }] },
  { messages: CANARY },
  { messages: [CANARY] },
  { messages: [{ role: 'user', content: CANARY }], stream: CANARY },
  { messages: [{ role: 'user', content: CANARY }], tools: [{ type: 'function', function: { name: CANARY } }] },
]

test('no-prompt-in-record, no-prompt-in-log, no-prompt-in-error', async () => {
  world = await threePlaces()
  const errors: string[] = []
  const note = async (answer: Response): Promise<void> => {
    const body = await answer.text()
    if (answer.status !== 200) errors.push(body + JSON.stringify([...answer.headers]))
  }
  for (const body of bodies) await note(await world.chat(body))
  await note(await world.post('/v1/chat/completions', `{"model":"auto","messages":[{"role":"user","content":"${CANARY}`))
  await note(await world.post('/v1/chat/completions', `{"model":"auto","${CANARY}":1,"${CANARY}":2}`))
  await note(await world.post('/v1/nowhere', CANARY))
  await Promise.all([world.home.kill(), world.second.kill()])
  for (const body of bodies) await note(await world.chat(body))
  expect(errors.length).toBeGreaterThan(10)
  expect(world.entries.length).toBeGreaterThan(8)
  expect(errors.join('\n')).not.toContain(CANARY)
  expect(await traces(world)).not.toContain(CANARY)
})

test('no-credential-in-error: neither the caller\'s key nor a provider\'s is repeated anywhere', async () => {
  world = await threePlaces({ files: { 'rules/x.policy.yaml': policy('x', rule('nothing', 'prefer:\n  - weights: open')) }, secrets: { 'env:X': SECRET } })
  const wrong = await world.chat({}, { authorization: 'Bearer sk-wrong-key-5512' })
  const right = await world.chat()
  expect(await wrong.text()).not.toContain('sk-wrong-key-5512')
  expect([right.status, await right.text()].join()).not.toContain(KEY)
  expect(await traces(world)).not.toMatch(new RegExp(`${KEY}|${SECRET}|sk-wrong-key-5512`))
})
