/** What a gateway in a process of its own set aside, over restarts of it. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { listen, type Listening } from '../provider/support.ts'
import { ADMIN_TOKEN, bailiwick, cleanUp, folderOf, freshFolder, serve, type Serving } from '../support/processes.ts'
import { chat, readiness, real, REHEARSAL } from './places.ts'

const { 'apps/desk.yaml': DESK } = REHEARSAL
const REPORTS = '\nreports:\n  region:\n    header: x-ms-region\n    means: { francecentral: FR, eastus: US }'
const ADMIN = { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN }

let server: Listening
let region: string
const provider = async (): Promise<Listening> => listen((_, response) => response.writeHead(200, { 'content-type': 'application/json', 'x-ms-region': region })
  .end(JSON.stringify({ model: 'one', choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }] })))
const released = (gateway: Serving, deployment: string, body: object, token = ADMIN_TOKEN): Promise<Response> =>
  fetch(`${gateway.url}/admin/quarantine/${deployment}/release`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })
const listed = async (gateway: Serving): Promise<readonly object[]> =>
  ((await (await fetch(`${gateway.url}/admin/quarantine`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })).json()) as { quarantine: readonly object[] }).quarantine

describe('a compliance mismatch', () => {
  afterEach(async () => {
    await cleanUp()
    await server.close()
  })

  it('outlives the process that saw it, is loud, and ends when a person says so, for good', async () => {
    region = 'eastus'
    server = await provider()
    const policies = folderOf({ 'apps/desk.yaml': DESK, 'catalog/real.yaml': real(server.url, REPORTS) }), data = freshFolder()
    const first = await serve(policies, { data })
    expect((await chat(first)).status).toBe(503)
    expect(await listed(first)).toMatchObject([{ deployment: 'real-one', reason: 'compliance-mismatch' }])
    await first.stop()

    region = 'francecentral'
    const asked = server.requests.length
    const second = await serve(policies, { data })
    expect((await chat(second)).status).toBe(503)
    expect(server.requests.slice(asked).filter(r => r.method === 'POST')).toEqual([])
    expect(await listed(second)).toMatchObject([{ deployment: 'real-one', reason: 'compliance-mismatch' }])
    expect((await readiness(second)).alarms.map(a => a.name)).toContain('quarantine:real-one')
    expect((await released(second, 'real-one', {})).status).toBe(400)
    expect((await released(second, 'real-one', { author: 'Ada Adler' }, 'another-token')).status).toBe(401)
    expect((await released(second, 'other-one', { author: 'Ada Adler' })).status).toBe(404)
    expect((await chat(second)).status).toBe(503)

    const said = await bailiwick(['quarantine', 'release', 'real-one', '--yes', '--author', 'Ada Adler', '--url', second.url], { environment: ADMIN })
    expect(said).toMatchObject({ code: 0, err: '' })
    expect((await chat(second)).status).toBe(200)
    await second.stop()

    const third = await serve(policies, { data })
    expect(await listed(third)).toEqual([])
    expect((await chat(third)).status).toBe(200)
    expect(await third.stop()).toBe(0)
  })

  it('is known to every gateway that is given the same file, and so is its end', async () => {
    region = 'eastus'
    server = await provider()
    const policies = folderOf({ 'apps/desk.yaml': DESK, 'catalog/real.yaml': real(server.url, REPORTS) })
    const shared = join(freshFolder(), 'made', 'shared.sqlite'), args = ['--state', shared]
    const [one, other] = [await serve(policies, { args }), await serve(policies, { args })]
    expect((await chat(one)).status).toBe(503)
    await other.logged(line => line.event === 'quarantine' && line['action'] === 'set')
    expect(await listed(other)).toMatchObject([{ deployment: 'real-one', reason: 'compliance-mismatch' }])
    region = 'francecentral'
    expect((await chat(other)).status).toBe(503)
    expect((await released(other, 'real-one', { author: 'Ada Adler' })).status).toBe(200)
    await one.logged(line => line.event === 'quarantine' && line['action'] === 'released')
    expect((await chat(one)).status).toBe(200)
    // What is no file is said, and nobody is refused for it.
    rmSync(shared)
    mkdirSync(shared)
    for (const gateway of [one, other]) await gateway.logged(line => line.event === 'alarm' && line['alarm'] === 'shared-state')
    expect((await chat(one)).status).toBe(200)
  })
})
