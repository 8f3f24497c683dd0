/**
 * No prompt, key or raw word of a provider in an error, a header, a log line or a metric, on any way a request can fail
 * (policy-language, section 13, case 19).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBreakers } from '../../src/breaker/opossum.ts'
import { CANARY, KEYS, startWorld, type World } from './world.ts'

const SECRET_KEY = `key-${CANARY}`
let world: World
/** Its breakers throw, as a bug would, with the prompt in the message. */
let broken: World
beforeAll(async () => {
  world = await startWorld()
  broken = await startWorld({}, { breakers: given => ({ ...createBreakers()(given), mayTry: () => { throw new TypeError(`bug over ${CANARY}\nand on ${CANARY}`) } }) })
})
afterAll(() => Promise.all([world.close(), broken.close()]))

type Way = { readonly in?: 'broken'; readonly path?: string; readonly headers?: Record<string, string>; readonly body?: string; readonly status: number; readonly code: string }
const asked = (model: string, more: object = {}): string => JSON.stringify({ model, messages: [{ role: 'user', content: CANARY }], ...more })

const WAYS: readonly [string, Way][] = [
  ['a wrong key', { headers: { authorization: `Bearer ${SECRET_KEY}` }, status: 401, code: 'invalid_api_key' }],
  ['a malformed key', { headers: { authorization: SECRET_KEY }, status: 401, code: 'invalid_api_key' }],
  ['a wrong admin token', { path: '/admin/explain', headers: { authorization: `Bearer ${SECRET_KEY}` }, status: 401, code: 'invalid_api_key' }],
  ['a key as the path', { path: `/v1/models/${SECRET_KEY}`, status: 404, code: 'unknown_url' }],
  ['text that is no JSON', { body: `{"model":"m","messages":[${CANARY}`, status: 400, code: 'invalid_request' }],
  ['a second body behind the first', { body: `${asked('vendor-x/good')}${asked(CANARY)}`, status: 400, code: 'invalid_request' }],
  ['a prompt in the content type', { headers: { 'content-type': CANARY }, status: 400, code: 'invalid_request' }],
  ['a prompt in a header', { headers: { 'x-bailiwick-user-in': CANARY }, status: 400, code: 'invalid_request' }],
  ['a prompt in the subject', { headers: { 'x-bailiwick-subject': CANARY }, status: 400, code: 'invalid_request' }],
  ['a prompt as the model', { body: asked(CANARY), status: 404, code: 'model_not_found' }],
  ['a prompt as a flag', { body: asked('vendor-x/good', { stream: CANARY }), status: 400, code: 'invalid_request' }],
  ['a prompt as the limit', { body: asked('vendor-x/good', { max_tokens: CANARY }), status: 400, code: 'invalid_request' }],
  ['an unfit model', { body: asked('vendor-x/vectors'), status: 400, code: 'invalid_request' }],
  ['data that is not registered', { headers: { 'x-bailiwick-data': `personal,${CANARY}`, authorization: `Bearer ${KEYS.lab}` }, body: asked('vendor-x/facts-only'), status: 503, code: 'permitted_models_unavailable' }],
  ['a refusal by the policies', { headers: { 'x-bailiwick-data': 'personal' }, body: asked('vendor-x/far'), status: 403, code: 'no_permitted_model' }],
  ['nothing to reach', { body: asked('vendor-x/facts-only'), status: 503, code: 'permitted_models_unavailable' }],
  ['a refusal by the provider, which quotes', { body: asked('vendor-x/refusing'), status: 400, code: 'content_filter' }],
  ['a failure of the provider, which quotes', { body: asked('vendor-x/failing'), status: 503, code: 'permitted_models_unavailable' }],
  ['a bug, whose message quotes', { in: 'broken', body: asked('vendor-x/good'), status: 500, code: 'internal_error' }],
]

describe('nothing of the prompt or the key comes back, or is logged', () => {
  test.each(WAYS)('%s', async (_, way) => {
    const { url, logged, gateway } = way.in === 'broken' ? broken : world
    const before = logged.length
    const response = await fetch(url + (way.path ?? '/v1/chat/completions'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEYS.crm}`, ...way.headers },
      body: way.body ?? asked('vendor-x/good'),
    })
    const text = await response.text()
    expect([response.status, (JSON.parse(text) as { error: { code: string } }).error.code]).toEqual([way.status, way.code])
    const seen = [text, JSON.stringify([...response.headers]), JSON.stringify(logged.slice(before)), gateway.metrics.text()].join('\n')
    expect(seen).not.toContain(CANARY)
    for (const key of Object.values(KEYS)) expect(seen).not.toContain(key)
    expect(logged.slice(before).some(line => line.event === 'request')).toBe(true)
  })
})

test('a bug is logged by its name and its place, under the id that the caller has', async () => {
  const response = await fetch(`${broken.url}/v1/chat/completions`, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEYS.crm}`, 'x-request-id': 'bug-1' }, body: asked('vendor-x/good'),
  })
  expect(response.headers.get('x-request-id')).toBe('bug-1')
  const line = broken.logged.find(l => l.event === 'internal-error' && l.fields['id'] === 'bug-1')
  expect(line).toMatchObject({ level: 'error', fields: { error: 'TypeError' } })
  expect(String(line?.fields['stack'])).toMatch(/^at /)
})

test('a request line holds who, what and how long, and nothing else', async () => {
  await (await fetch(`${world.url}/v1/chat/completions`, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEYS.crm}`, 'x-request-id': 'line-1' }, body: asked('vendor-x/good'),
  })).text()
  const line = world.logged.find(l => l.event === 'request' && l.fields['id'] === 'line-1')
  expect(line?.fields).toEqual({ id: 'line-1', app: 'crm', operation: 'chat', status: 200, code: 'ok', ms: expect.any(Number), decision: expect.stringMatching(/^d-/) })
})
