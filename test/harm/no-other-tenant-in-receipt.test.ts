/** One app can neither read what another asked nor learn that it asked; a receipt names nobody's deployment, app or rule but those of its own answer. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bailiwick, cleanUp, freshFolder } from '../support/processes.ts'
import { KEY, ODD, opened, world, type World } from './canaries.ts'

const APPS = ['desk', 'rover', 'other'] as const
type App = typeof APPS[number]
/** Answered at once, answered by another than was asked, as a stream that another went on with, and refused. */
const ASKED: Readonly<Record<App, readonly (readonly [body: Readonly<Record<string, unknown>>, headers?: Readonly<Record<string, string>>])[]>> = {
  desk: [[{ model: 'lab/good-one' }], [{ model: 'lab/good-one', stream: true }], [{ model: 'lab/good-one' }, { 'x-bailiwick-user-in': 'IR' }], [{ model: 'lab/refusing-code' }]],
  rover: [[{ model: 'lab/failing-code' }], [{ model: 'lab/cutting-one', stream: true }]],
  other: [[{ model: 'lab/good-one' }], [{ model: 'auto' }, { 'x-bailiwick-user-in': 'IR' }]],
}

type Asked = { readonly app: App; readonly id: string; readonly requestId: string; readonly status: number; readonly deployment: string | null; readonly isStream: boolean }
let w: World
const asked: Asked[] = []
beforeAll(async () => {
  w = await world()
  for (const app of APPS) {
    for (const [body, headers] of ASKED[app]) {
      const requestId = `request-${asked.length}-of-${app}`
      const answer = await w.ask({ messages: [{ role: 'user', content: 'x' }], ...body }, { app, headers: { 'x-request-id': requestId, ...headers } })
      asked.push({ app, requestId, status: answer.status, id: answer.headers.get('x-bailiwick-decision')!, deployment: answer.headers.get('x-bailiwick-deployment'), isStream: body['stream'] === true })
    }
  }
})
afterAll(async () => {
  await w.close()
  await cleanUp()
})

/** Everything that an answer tells, but for what is of the exchange itself. */
async function told(path: string, app: App): Promise<string> {
  const answer = await fetch(w.url + path, { headers: { authorization: `Bearer ${KEY[app]}`, 'x-request-id': 'looking' } })
  return JSON.stringify([answer.status, [...answer.headers].filter(([name]) => name !== 'date'), await answer.text()])
}
const receiptOf = async ({ id, app }: Asked): Promise<string> => (await fetch(`${w.url}/v1/decisions/${id}/receipt`, { headers: { authorization: `Bearer ${KEY[app]}` } })).text()

test('no-other-tenant-in-receipt: what another app asked is told as what nobody asked', async () => {
  for (const { id, app: of } of asked) {
    for (const app of APPS.filter(name => name !== of)) {
      for (const end of ['', '/receipt']) expect(await told(`/v1/decisions/${id}${end}`, app)).toBe(await told(`/v1/decisions/d-0123456789-zz${end}`, app))
    }
  }
})

test('each app reads its own (the twin)', async () => {
  for (const { id, app } of asked) for (const end of ['', '/receipt']) expect(await told(`/v1/decisions/${id}${end}`, app)).toMatch(/^\[200,/)
})

test('no-other-tenant-in-receipt: a receipt, and what it is a receipt of, name nobody and nothing else', async () => {
  const rules = ['home/stays', 'home/embargo'], deployments = ['good-one', 'den', 'sick', 'far', 'vectors', ...ODD]
  for (const one of asked) {
    const shown = await told(`/v1/decisions/${one.id}`, one.app), text = `${shown}\n${opened(await receiptOf(one))}`
    const named = deployments.filter(name => text.includes(`"${name}"`) || text.includes(`\\"${name}\\"`))
    // All whose words are in its answer, which a stream's caller is told as well, and nobody else.
    const took = one.isStream && one.deployment === 'cutting-one' ? ['good-one', 'cutting-one'] : [one.deployment]
    expect(named, one.requestId).toEqual(one.deployment === null ? [] : took)
    for (const rule of rules) expect(text).not.toContain(rule)
    for (const other of asked.filter(({ id }) => id !== one.id)) {
      expect(text).not.toContain(other.id)
      expect(text).not.toContain(other.requestId)
    }
    for (const app of APPS.filter(name => name !== one.app)) expect(text).not.toContain(app)
    expect(text).toContain(one.requestId)
  }
})

test('a receipt is checked with the command and the key, and by no other key', async () => {
  const folder = freshFolder(), file = join(folder, 'receipt.jws'), key = join(folder, 'key.json')
  writeFileSync(key, await (await fetch(`${w.url}/.well-known/bailiwick-records-key`)).text())
  for (const one of asked) {
    writeFileSync(file, await receiptOf(one))
    expect(await bailiwick(['receipt', 'verify', file, '--key', key])).toMatchObject({ code: 0 })
  }
  writeFileSync(key, JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }))
  expect((await bailiwick(['receipt', 'verify', file, '--key', key])).code).not.toBe(0)
})
