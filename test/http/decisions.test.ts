/** What was decided, asked for by its id: own, other apps', unknown, still going on; and as a receipt that anybody can check. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkReceipt } from '../../src/record/receipt.ts'
import { readPublicJwk } from '../../src/record/signing.ts'
import type { RecordsPort } from '../../src/record/record.ts'
import { recordsInMemory, type RecordsInMemory } from '../support/records-in-memory.ts'
import { ADMIN_TOKEN, CANARY, KEYS, startWorld, type World } from './world.ts'

type Shown = { readonly id: string; readonly decision: Record<string, unknown>; readonly outcome: Record<string, unknown> | null; readonly receipt: string }

let world: World, records: RecordsInMemory
beforeEach(async () => {
  records = await recordsInMemory()
  world = await startWorld({ records }, { recorder: records })
})
afterEach(() => world.close())

const get = (path: string, key: string): Promise<Response> => fetch(world.url + path, { headers: { authorization: `Bearer ${key}` } })
const shown = async (path: string, key: string): Promise<Shown> => await (await get(path, key)).json() as Shown
const ask = (model: string, key: string = KEYS.crm, more: object = {}): Promise<Response> => fetch(`${world.url}/v1/chat/completions`, {
  method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({ model, messages: [{ role: 'user', content: CANARY }], ...more }),
})
async function asked(model: string, key?: string, more?: object): Promise<string> {
  const answer = await ask(model, key, more)
  await answer.text()
  return answer.headers.get('x-bailiwick-decision')!
}

describe('GET /v1/decisions/ID', () => {
  test('an answered request: what its caller may know of decision and outcome, and not to be stored on the way', async () => {
    const id = await asked('vendor-x/good')
    const answer = await get(`/v1/decisions/${id}`, KEYS.crm)
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store'])
    const { decision, outcome, receipt } = await answer.json() as Shown
    expect(decision).toMatchObject({ kind: 'decision', id, app: 'crm', outcome: 'permit' })
    expect(outcome).toMatchObject({ kind: 'outcome', id, outcome: 'answered', deployment: 'good', model: 'vendor-x/good', processedIn: ['FR'], usage: { input: 3, output: 2 } })
    for (const closed of ['activeRules', 'permitted', 'request', 'stated', 'exceptions', 'assumptions', 'attempts', 'cost']) {
      expect(decision).not.toHaveProperty(closed)
      expect(outcome).not.toHaveProperty(closed)
    }
    expect(receipt).toBe(`/v1/decisions/${id}/receipt`)
  })

  test('a stream that ended, one that was cut, and one that failed at its provider', async () => {
    expect((await shown(`/v1/decisions/${await asked('vendor-x/good', KEYS.crm, { stream: true })}`, KEYS.crm)).outcome).toMatchObject({ outcome: 'answered' })
    expect((await shown(`/v1/decisions/${await asked('vendor-x/cutting', KEYS.crm, { stream: true })}`, KEYS.crm)).outcome).toMatchObject({ outcome: 'cut' })
    expect((await shown(`/v1/decisions/${await asked('vendor-x/failing')}`, KEYS.crm)).outcome).toMatchObject({ outcome: 'failed' })
  })

  test('a refused request is a decision too', async () => {
    const refused = await fetch(`${world.url}/v1/chat/completions`, {
      method: 'POST', headers: { authorization: `Bearer ${KEYS.lab}`, 'content-type': 'application/json', 'x-bailiwick-user-in': 'IR' }, body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'x' }] }),
    })
    expect(refused.status).toBe(403)
    const id = refused.headers.get('x-bailiwick-decision')!
    expect(await shown(`/v1/decisions/${id}`, KEYS.lab)).toMatchObject({ decision: { outcome: 'refuse', code: 'no_permitted_model' }, outcome: { outcome: 'refused', code: 'no_permitted_model' } })
  })

  test('while the answer goes on there is no outcome', async () => {
    const leave = new AbortController()
    const answer = await fetch(`${world.url}/v1/chat/completions`, {
      method: 'POST', signal: leave.signal, headers: { authorization: `Bearer ${KEYS.crm}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'vendor-x/hanging', stream: true, messages: [{ role: 'user', content: 'x' }] }),
    })
    const id = answer.headers.get('x-bailiwick-decision')!
    expect(await shown(`/v1/decisions/${id}`, KEYS.crm)).toMatchObject({ decision: { id }, outcome: null })
    leave.abort()
  })

  test('no-oracle: the id of another app, of nothing, and one that is no id are told apart by nothing', async () => {
    const theirs = await asked('vendor-x/good')
    expect((await get(`/v1/decisions/${theirs}`, KEYS.crm)).status).toBe(200)
    const answers = await Promise.all([theirs, 'd-0000000000-0', 'x', 'x'.repeat(200), '%00', "'; drop table lines"].flatMap(id => [`/v1/decisions/${id}`, `/v1/decisions/${id}/receipt`]).map(path => get(path, KEYS.lab)))
    const told = await Promise.all(answers.map(async answer => {
      const headers = [...answer.headers].filter(([name]) => !['x-request-id', 'date'].includes(name))
      return JSON.stringify([answer.status, headers, await answer.text()])
    }))
    expect(new Set(told).size).toBe(1)
    expect(told[0]).toMatch(/^\[404/)
    expect(told[0]).toContain('no-store')
  })

  test('without a good key nothing is told', async () => {
    const id = await asked('vendor-x/good')
    for (const path of [`/v1/decisions/${id}`, `/v1/decisions/${id}/receipt`]) {
      expect((await get(path, 'key-of-nobody-at-all')).status).toBe(401)
      expect((await get(path, ADMIN_TOKEN)).status).toBe(401)
    }
  })
})

describe('GET /admin/decisions/ID', () => {
  test('the whole entries, of whichever app', async () => {
    const id = await asked('vendor-x/good')
    const { decision, outcome } = await shown(`/admin/decisions/${id}`, ADMIN_TOKEN)
    expect(decision).toMatchObject({ app: 'crm', activeRules: ['home/personal-data-stays'], assumptions: [], exceptions: [], request: { data: { value: ['personal'] } } })
    expect(outcome).toMatchObject({ attempts: [{ deployment: 'good', code: 'ok' }] })
  })
  test('is for the admin alone, and 404 for what is not there', async () => {
    const id = await asked('vendor-x/good')
    expect((await get(`/admin/decisions/${id}`, KEYS.crm)).status).toBe(401)
    expect((await get(`/admin/decisions/${id}/receipt`, KEYS.crm)).status).toBe(401)
    expect((await get('/admin/decisions/d-0000000000-0', ADMIN_TOKEN)).status).toBe(404)
    expect((await get('/admin/decisions/d-0000000000-0/receipt', ADMIN_TOKEN)).status).toBe(404)
  })
})

describe('a receipt', () => {
  const receiptAt = async (path: string, key: string): Promise<string> => {
    const answer = await get(path, key)
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([200, 'application/jose', 'no-store'])
    return answer.text()
  }
  const publicKey = async (): Promise<NonNullable<ReturnType<typeof readPublicJwk>>> => readPublicJwk(await (await fetch(`${world.url}/.well-known/bailiwick-records-key`)).json())!

  test('of an app: checks with the key that the gateway gives, and shows open parts alone', async () => {
    const id = await asked('vendor-x/good')
    const jws = await receiptAt(`/v1/decisions/${id}/receipt`, KEYS.crm)
    const checked = await checkReceipt(jws, await publicKey(), records.sha256)
    if (!checked.ok) throw new Error(checked.wrong)
    expect(checked.receipt.entries.map(({ line }) => [line.open.kind, line.open.id, typeof line.closed])).toEqual([['decision', id, 'string'], ['outcome', id, 'string']])
    expect(Buffer.from(jws.split('.')[1]!, 'base64url').toString()).not.toMatch(/salt|personal-data-stays|attempts/)
  })
  test('of an admin: the whole lines', async () => {
    const checked = await checkReceipt(await receiptAt(`/admin/decisions/${await asked('vendor-x/good')}/receipt`, ADMIN_TOKEN), await publicKey(), records.sha256)
    if (!checked.ok) throw new Error(checked.wrong)
    expect(checked.receipt.entries.map(({ line }) => typeof line.closed)).toEqual(['object', 'object'])
  })
  test('of which a letter was changed does not check', async () => {
    const jws = await receiptAt(`/v1/decisions/${await asked('vendor-x/good')}/receipt`, KEYS.crm)
    const at = jws.indexOf('.') + 40
    const changed = jws.slice(0, at) + (jws[at] === 'A' ? 'B' : 'A') + jws.slice(at + 1)
    expect((await checkReceipt(changed, await publicKey(), records.sha256)).ok).toBe(false)
  })
})

describe('records that cannot be read or signed', () => {
  const other = async (port: Partial<RecordsPort>): Promise<string> => {
    await world.close()
    world = await startWorld({ records: { ...records, ...port } }, { recorder: records })
    return asked('vendor-x/good')
  }
  const told = async (path: string, key: string = KEYS.crm): Promise<unknown[]> => {
    const answer = await get(path, key)
    return [answer.status, (await answer.json() as { error: { code: string } }).error.code, answer.headers.get('retry-after'), answer.headers.get('cache-control')]
  }

  test('503 where they cannot be read', async () => {
    const id = await other({ linesOf: () => { throw new Error('SECRET-PATH/records.sqlite is locked') } })
    for (const path of [`/v1/decisions/${id}`, `/v1/decisions/${id}/receipt`]) expect(await told(path)).toEqual([503, 'records_unavailable', '5', 'no-store'])
    expect(await (await get(`/v1/decisions/${id}`, KEYS.crm)).text()).not.toContain('SECRET-PATH')
  })
  test('503 where no checkpoint can be made; the decision is shown all the same', async () => {
    const id = await other({ prove: () => Promise.reject(new Error('disk full')) })
    expect(await told(`/v1/decisions/${id}/receipt`)).toEqual([503, 'records_unavailable', '5', 'no-store'])
    expect((await get(`/v1/decisions/${id}`, KEYS.crm)).status).toBe(200)
  })
  test('404 on a host that has none to read', async () => {
    await world.close()
    world = await startWorld({}, { recorder: records })
    for (const [path, key] of [['/v1/decisions/x', KEYS.crm], ['/v1/decisions/x/receipt', KEYS.crm], ['/admin/decisions/x', ADMIN_TOKEN], ['/.well-known/bailiwick-records-key', '']] as const) {
      expect((await told(path, key)).slice(0, 2)).toEqual([404, 'unknown_url'])
    }
  })
})
