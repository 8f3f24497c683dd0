/** What a caller writes must not take a deployment away from everybody else: neither set it aside nor open its breaker. */
import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { listen, type Listening as Server } from '../provider/support.ts'
import { KEY, listening, said, type Listening } from '../support/listening.ts'
import { app, bundleOf, keyHash, provider } from '../support/tree.ts'

const json = (response: ServerResponse, status: number, value: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
const chatted = { model: 'one', choices: [{ index: 0, message: { role: 'assistant', content: 'from one' }, finish_reason: 'stop' }] }

let server: Server, gateway: Listening
afterEach(() => Promise.all([gateway.close(), server.close()]))

/** A server that can chat and answers everything else as it is told. */
async function before(otherwise: (response: ServerResponse, body: string) => void): Promise<void> {
  server = await listen((request, response, body) => {
    if (request.url === '/chat/completions' && !body.includes('"tool_choice"')) json(response, 200, chatted)
    else otherwise(response, body)
  })
  gateway = await listening({
    bundle: await bundleOf({
      'apps/desk.yaml': app('desk', `grants: all\nkey-hashes: [ "${await keyHash(KEY)}" ]`),
      'catalog/lab.yaml': provider('lab', `dialect: openai\nbase-url: ${server.url}`, ['{ deployment: one, model: lab/one, processed-in: [FR], operations: [chat, completion] }']),
    }),
  })
}

async function isUntouched(): Promise<void> {
  expect(gateway.gateway.quarantine.all()).toEqual([])
  expect(gateway.gateway.breakers.state('one')).toBe('closed')
  expect(await said(await gateway.chat())).toBe('from one')
}

const TIMES = 30

test('a path that the server lacks, asked for again and again', async () => {
  await before(response => { response.writeHead(404).end('404 page not found') })
  for (let i = 0; i < TIMES; i++) expect((await gateway.post('/v1/completions', { model: 'auto', prompt: 'x' })).ok).toBe(false)
  expect(server.requests.filter(r => r.path === '/completions').length).toBe(TIMES)
  await isUntouched()
})

test('an error that repeats the caller, who wrote what a server says of a model that is gone', async () => {
  await before((response, body) => {
    const { tool_choice: written } = JSON.parse(body) as { tool_choice: string }
    json(response, 400, { error: { message: written, type: 'BadRequestError', param: null, code: 400 } })
  })
  for (let i = 0; i < TIMES; i++) expect((await gateway.chat({ tool_choice: 'model not found' })).status).toBe(400)
  await isUntouched()
})

test('while a model that is really gone is set aside at the first word of it', async () => {
  await before(response => { json(response, 404, { error: { message: 'The model `one` does not exist.', type: 'NotFoundError', param: 'model', code: 404 } }) })
  expect((await gateway.post('/v1/completions', { model: 'auto', prompt: 'x' })).ok).toBe(false)
  expect(gateway.gateway.quarantine.all()).toMatchObject([{ deployment: 'one', reason: 'withdrawn' }])
  expect((await gateway.chat()).status).toBe(503)
})
