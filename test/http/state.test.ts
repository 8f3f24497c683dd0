import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MakeBreakers } from '../../src/breaker/breaker.ts'
import { createBreakers } from '../../src/breaker/opossum.ts'
import { ADMIN_TOKEN, CANARY, KEYS, startWorld, type World } from './world.ts'

let world: World
let rehearsing: readonly string[] = []
beforeAll(async () => {
  const breakers: MakeBreakers = given => ({ ...createBreakers()(given), state: d => (d === 'failing' ? 'open' : 'closed'), notBefore: d => (d === 'failing' ? Date.UTC(2026, 10, 22, 11) : undefined) })
  world = await startWorld({ rehearsing: () => rehearsing, clientIsLoopback: () => false }, { breakers })
})
afterAll(() => world.close())

type Row = { readonly deployment: string; readonly unfit: readonly string[] }
/** What these tests reach into; the rest is compared whole. */
type Shown = { readonly error: { readonly code: string; readonly param: string | null }; readonly deployments: readonly Row[]; readonly profiles: unknown; readonly events: unknown; readonly request: unknown }

const get = async (path: string, token?: string): Promise<{ status: number; type: string | null; text: string; json: () => Shown }> => {
  const response = await fetch(world.url + path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })
  expect(response.headers.get('x-request-id')).toMatch(/^req_/)
  const text = await response.text()
  return { status: response.status, type: response.headers.get('content-type'), text, json: () => JSON.parse(text) as Shown }
}
const post = async (path: string, body: unknown, headers: Record<string, string>): Promise<{ status: number; headers: Headers; json: Shown }> => {
  const response = await fetch(world.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
  return { status: response.status, headers: response.headers, json: await response.json() as Shown }
}
const asAdmin = { authorization: `Bearer ${ADMIN_TOKEN}` }

describe('health', () => {
  test.each(['/health/liveliness', '/healthz'])('%s', async path => expect((await get(path)).status).toBe(200))

  test.each(['/health/readiness', '/readyz'])('%s says which law is in force, and that nothing pretends', async path => {
    const { status, json } = await get(path)
    const { bundle } = world.gateway.epochs.current()
    expect(status).toBe(200)
    expect(json()).toEqual({ status: 'ready', version: '0.0.0-test', bundle: bundle.digest, epoch: 1, alarms: [], rehearsal: false })
  })

  test('an alarm degrades it until it is over; a rehearsal is said by name', async () => {
    rehearsing = ['us-cloud', 'local']
    world.gateway.raise('policies', 'The changed policies do not compile.')
    expect((await get('/readyz')).json()).toMatchObject({ status: 'degraded', alarms: [{ name: 'policies', message: 'The changed policies do not compile.' }], rehearsal: ['us-cloud', 'local'] })
    expect((await get('/readyz')).status).toBe(200)
    rehearsing = []
    world.gateway.clear('policies')
    expect((await get('/readyz')).json()).toMatchObject({ status: 'ready', alarms: [], rehearsal: false })
  })
})

test('metrics count requests by operation and outcome, and what is in flight', async () => {
  await get('/v1/models', 'wrong')
  await get('/v1/models', KEYS.crm)
  const { type, text } = await get('/metrics')
  expect(type).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(text).toContain('bailiwick_requests_total{code="invalid_api_key",operation="models"} 1\n')
  expect(text).toContain('bailiwick_requests_total{code="ok",operation="models"} 1\n')
  expect(text).toContain('bailiwick_requests_in_flight 0\n')
})

test('a key that is bound to the gateway’s machine is refused from elsewhere', async () => {
  expect((await get('/v1/models', KEYS.home)).status).toBe(401)
})

describe('the admin paths', () => {
  test.each([undefined, 'wrong', KEYS.crm])('are shut to %s', async token => {
    const pool = await get('/admin/pool', token)
    expect([pool.status, pool.json().error.code]).toEqual([401, 'invalid_api_key'])
    const explained = await post('/admin/explain', { app: 'crm' }, token === undefined ? {} : { authorization: `Bearer ${token}` })
    expect([explained.status, explained.json.error.code]).toEqual([401, 'invalid_api_key'])
  })

  test('are shut to everybody where no token is configured', async () => {
    const other = await startWorld({ adminToken: undefined })
    try {
      expect((await fetch(`${other.url}/admin/pool`, { headers: asAdmin })).status).toBe(401)
      expect((await fetch(`${other.url}/admin/pool`, { headers: { authorization: 'Bearer undefined' } })).status).toBe(401)
    } finally {
      await other.close()
    }
  })

  test('the pool: every deployment as it stands, and what changed', async () => {
    world.gateway.epochs.refresh('a test')
    const { status, json } = await get('/admin/pool', ADMIN_TOKEN)
    expect(status).toBe(200)
    const pool = json()
    expect(pool).toMatchObject({ epoch: 2, bundle: world.gateway.epochs.current().bundle.digest })
    expect(pool.deployments).toContainEqual({ deployment: 'good', provider: 'france', model: 'vendor-x/good', unfit: [], breaker: 'closed', notBefore: null, quarantine: null })
    expect(pool.deployments).toContainEqual({ deployment: 'failing', provider: 'france', model: 'vendor-x/failing', unfit: [], breaker: 'open', notBefore: '2026-11-22T11:00:00.000Z', quarantine: null })
    expect(pool.deployments).toContainEqual({ deployment: 'facts-only', provider: 'unconnected', model: 'vendor-x/facts-only', unfit: ['no-connection'], breaker: 'closed', notBefore: null, quarantine: null })
    expect(pool.events).toMatchObject([{ epoch: 2, cause: 'a test' }])
    expect(pool.profiles).toContainEqual({ app: 'once', data: 'unknown', available: ['good'] })
    expect(pool.profiles).toContainEqual({ app: 'nobody', data: 'unknown', available: [] })
  })

  test('what is set aside says why, in the pool and in an explanation, and is released by a person only', async () => {
    const health = async (): Promise<unknown> => (await post('/admin/explain', { app: 'crm' }, asAdmin)).json.deployments.find(r => r.deployment === 'good')
    world.gateway.quarantine.set('good', 'compliance-mismatch', 'it says that it answered from US')
    expect((await get('/admin/pool', ADMIN_TOKEN)).json().deployments).toContainEqual(expect.objectContaining({
      deployment: 'good', breaker: 'closed', quarantine: { reason: 'compliance-mismatch', detail: 'it says that it answered from US', since: expect.any(String) as string },
    }))
    expect(await health()).toMatchObject({ verdict: 'allowed', health: 'compliance-mismatch' })
    expect((await get('/admin/quarantine', ADMIN_TOKEN)).json()).toMatchObject({ quarantine: [{ deployment: 'good', reason: 'compliance-mismatch' }] })

    expect((await post('/admin/quarantine/good/release', { author: 'Ada' }, {})).status).toBe(401)
    expect((await post('/admin/quarantine/good/release', {}, asAdmin)).json.error.param).toBe('author')
    expect(await health()).toMatchObject({ health: 'compliance-mismatch' })
    expect((await post('/admin/quarantine/good/release', { author: 'Ada' }, asAdmin)).status).toBe(200)
    expect(await health()).toMatchObject({ health: 'closed' })
    expect((await post('/admin/quarantine/good/release', { author: 'Ada' }, asAdmin)).status).toBe(404)
  })

  test('explain: the machine form, the bundle after the instant, and how each deployment stands', async () => {
    const { status, json } = await post('/admin/explain', { app: 'crm', data: ['personal'], at: '2026-11-22T12:00:00+01:00' }, asAdmin)
    expect(status).toBe(200)
    expect(Object.keys(json).slice(0, 4)).toEqual(['outcome', 'at', 'bundle', 'request'])
    expect(json).toMatchObject({ outcome: 'permit', at: '2026-11-22T11:00:00.000Z', bundle: world.gateway.epochs.current().bundle.digest })
    expect(json.deployments).toHaveLength(world.gateway.epochs.current().bundle.catalog.deployments.length)
    const row = (name: string): Row | undefined => json.deployments.find(r => r.deployment === name)
    expect(row('far')).toMatchObject({ verdict: 'excluded', because: [{ rule: 'home/personal-data-stays' }], unfit: [], health: 'closed' })
    expect(row('failing')).toMatchObject({ verdict: 'allowed', health: 'open' })
    expect(row('facts-only')).toMatchObject({ verdict: 'allowed', unfit: ['no-connection'] })
  })

  test('explain: with an operation, what cannot carry it out; with a model, the fact', async () => {
    const { json } = await post('/admin/explain', { app: 'crm', operation: 'embedding', model: 'vendor-x/vectors' }, asAdmin)
    const unfit = Object.fromEntries(json.deployments.map(r => [r.deployment, r.unfit]))
    expect(unfit).toMatchObject({ good: ['operation embedding'], vectors: [] })
    expect(json.request).toMatchObject({ 'model-asked': 'vendor-x/vectors', operation: 'embedding' })
  })

  test('explain: a refusal is an explanation as well', async () => {
    const { status, json } = await post('/admin/explain', { app: 'lab', data: ['personal'] }, asAdmin)
    expect(status).toBe(200)
    expect(json).toMatchObject({ outcome: 'refuse', code: 'data_not_registered', permitted: [] })
  })

  test.each([[{ app: 'crm', dta: ['personal'] }, 'dta'], [{ app: 'crm', at: 'tomorrow' }, 'at'], [{ app: 'crm', at: '2026-11-22T12:00:00' }, 'at'], [{ app: 'crm', model: 7 }, 'model']])('explain: %j is refused', async (body, param) => {
    const { status, json } = await post('/admin/explain', body, asAdmin)
    expect([status, json.error.code, json.error.param]).toEqual([400, 'invalid_request', param])
  })
})

describe('a dry run', () => {
  const body = { model: 'vendor-x/far', messages: [{ role: 'user', content: CANARY }] }

  test('explains to an app its own deployments and nothing of others, and sends nothing', async () => {
    const { status, json } = await post('/v1/chat/completions', body, { authorization: `Bearer ${KEYS.crm}`, 'x-bailiwick-dry-run': 'yes', 'x-bailiwick-data': 'personal' })
    expect(status).toBe(200)
    expect(json).toMatchObject({ outcome: 'permit', request: { app: 'crm', data: ['personal'] }, bundle: world.gateway.epochs.current().bundle.digest })
    const names = json.deployments.map(r => r.deployment)
    expect(names).toContain('far')
    expect(JSON.stringify(json)).not.toContain('lab-only')
    expect(JSON.stringify(json)).not.toContain(CANARY)
    expect(json.deployments.find(r => r.deployment === 'vectors')?.unfit).toEqual(['operation chat'])
    expect(world.provider.asked).toEqual([])
  })

  test('shows another app that which is granted to it', async () => {
    const { json } = await post('/v1/chat/completions', body, { authorization: `Bearer ${KEYS.lab}`, 'x-bailiwick-dry-run': 'yes' })
    expect(json.deployments.map(r => r.deployment)).toContain('lab-only')
  })
})

test('an unreadable region is unknown, goes on, and is logged by the name of its header alone', async () => {
  const { status } = await post('/v1/chat/completions', { model: 'vendor-x/good', messages: [{ role: 'user', content: 'x' }] }, {
    authorization: `Bearer ${KEYS.crm}`, 'x-bailiwick-user-in': 'XX', 'x-bailiwick-dry-run': 'yes', 'x-request-id': 'misspelt',
  })
  expect(status).toBe(200)
  expect(world.logged).toContainEqual({ level: 'warn', event: 'bad-input', fields: { id: 'misspelt', app: 'crm', header: 'x-bailiwick-user-in' } })
})
