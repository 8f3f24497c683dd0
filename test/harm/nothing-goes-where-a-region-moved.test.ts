/** A provider that begins to work elsewhere than the catalog says is noticed by its own words, and nothing more goes there until a person says so. */
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listQuarantine, releaseDeployment } from '../../src/http/quarantine.ts'
import { openRecorder, type NodeRecorder } from '../../src/runtime/node-recorder.ts'
import { listen, type Listening as Server } from '../provider/support.ts'
import { KEY, listening, said, type Listening } from '../support/listening.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'
import { app, bundleOf, keyHash, provider } from '../support/tree.ts'

const HOME = 'swedencentral', ABROAD = 'eastus'
/** What the server in Sweden says of its work now. */
type Says = { readonly region?: string; readonly model?: string; readonly geo?: string; /** Comes between the first word of a stream and its end. */ readonly pause?: Promise<void> }
let says: Says
let sweden: Server, france: Server, data: string, recorder: NodeRecorder, gateway: Listening

const answer = (response: ServerResponse, body: string, { name, region, model = name, geo, pause = Promise.resolve() }: Says & { readonly name: string }): void => {
  const isStream = (JSON.parse(body) as { stream?: boolean }).stream === true
  const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, ...(geo !== undefined && { inference_geo: geo }) }
  const type = { 'content-type': isStream ? 'text/event-stream' : 'application/json' }
  response.writeHead(200, region === undefined ? type : { ...type, 'X-MS-Region': region })
  if (!isStream) return void response.end(JSON.stringify({ model, choices: [{ index: 0, message: { role: 'assistant', content: `from ${name}` }, finish_reason: 'stop' }], usage }))
  const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`
  response.write(event({ model, choices: [{ index: 0, delta: { content: `from ${name}` }, finish_reason: null }] }))
  void pause.then(() => response.end(`${event({ model, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}${event({ model, choices: [], usage })}data: [DONE]\n\n`))
}

async function start(): Promise<void> {
  recorder = await openRecorder(data)
  gateway = await listening({
    recorder, quarantined: recorder.quarantined(),
    bundle: await bundleOf({
      'apps/desk.yaml': app('desk', `grants: all\nkey-hashes: [ "${await keyHash(KEY)}" ]`),
      'catalog/sweden.yaml': provider('sweden', `dialect: openai\nbase-url: ${sweden.url}\nreports:\n  region:\n    header: x-ms-region\n    means: { ${HOME}: SE, ${ABROAD}: US }`,
        ['{ deployment: se, model: lab/large, upstream-model: large, processed-in: [SE], operations: [chat] }']),
      'catalog/france.yaml': provider('france', `dialect: openai\nbase-url: ${france.url}`, ['{ deployment: fr, model: lab/small, upstream-model: small, processed-in: [FR], operations: [chat] }']),
    }),
  })
}
async function stop(): Promise<void> {
  await gateway.close()
  await recorder.close()
}

beforeEach(async () => {
  says = { region: HOME }
  data = freshFolder()
  sweden = await listen((_, response, body) => answer(response, body, { name: 'large', ...says }))
  france = await listen((_, response, body) => answer(response, body, { name: 'small' }))
  await start()
})
afterEach(async () => {
  await stop()
  await Promise.all([sweden.close(), france.close()])
  await cleanUp()
})

const asked = (more: Record<string, unknown> = {}): Promise<Response> => gateway.chat({ model: 'lab/large', ...more })
const aside = (): readonly object[] => listQuarantine(gateway.gateway).quarantine
/** Asks a few times, whole and as streams: all are answered from France and Sweden sees none of it. */
async function nothingGoesThere(): Promise<void> {
  const seen = sweden.requests.length
  for (const stream of [false, true, false]) expect(await (await asked({ stream })).text()).toContain('from small')
  expect(sweden.requests.length).toBe(seen)
}

describe('a region that moved', () => {
  it.each([false, true])('is noticed before anything of the answer is given (stream: %s), and nothing more goes there', async stream => {
    expect(await (await asked({ stream })).text()).toContain('from large')
    expect(aside()).toEqual([])
    says = { region: ABROAD }
    const answered = await asked({ stream })
    expect(answered.headers.get('x-bailiwick-deployment')).toBe('fr')
    expect(await answered.text()).not.toContain('from large')
    expect(aside()).toMatchObject([{ deployment: 'se', reason: 'compliance-mismatch', 'released-by': 'a person' }])
    expect(JSON.stringify(aside())).toContain('it was processed in US, the catalog says SE')
    expect(gateway.gateway.alarms().map(a => a.name)).toContain('quarantine:se')
    await nothingGoesThere()
    // That it says otherwise now proves nothing.
    says = { region: HOME }
    await nothingGoesThere()
  })

  it('stays aside over a restart, and goes on when a person has released it, and after another restart too', async () => {
    says = { region: ABROAD }
    expect(await said(await asked())).toBe('from small')
    says = { region: HOME }
    await stop()
    await start()
    expect(aside()).toMatchObject([{ deployment: 'se', reason: 'compliance-mismatch' }])
    await nothingGoesThere()
    expect(await releaseDeployment(gateway.gateway, 'se', { author: 'Ada Adler' })).toMatchObject({ ok: true, value: { deployment: 'se', author: 'Ada Adler' } })
    expect(await said(await asked())).toBe('from large')
    await stop()
    await start()
    expect(aside()).toEqual([])
    expect(await said(await asked())).toBe('from large')
  })

  it('is unavailable, and not illegal, when there is nobody else', async () => {
    says = { region: ABROAD }
    const only = { provider: { only: ['sweden'] } }
    expect((await asked(only)).status).toBe(503)
    expect((await asked(only)).status).toBe(503)
    expect(sweden.requests.length).toBe(1)
  })
})

describe('a word of the answer', () => {
  it('names another model of the catalog: nothing of it is given', async () => {
    says = { region: HOME, model: 'small' }
    for (const stream of [false, true]) expect(await (await asked({ stream })).text()).not.toContain('from large')
    expect(JSON.stringify(aside())).toContain("it served 'small', which the catalog knows as lab/small")
    expect(sweden.requests.length).toBe(1)
  })

  it('names another country: nothing of a whole answer is given', async () => {
    says = { geo: 'us' }
    expect(await said(await asked())).toBe('from small')
    await nothingGoesThere()
  })

  it('names another country at the end of a stream: what was given is given, and nothing more goes there', async () => {
    const { promise: pause, resolve: goOn } = Promise.withResolvers<void>()
    says = { geo: 'us', pause }
    const answered = await asked({ stream: true })
    goOn()
    expect(await answered.text()).toContain('from large')
    expect(aside()).toMatchObject([{ deployment: 'se', reason: 'compliance-mismatch' }])
    await nothingGoesThere()
  })

  it('says nothing of the place, or that it cannot: nothing is wrong', async () => {
    for (const geo of ['not_available', 'se', 'emea']) {
      says = { geo }
      expect(await said(await asked())).toBe('from large')
    }
    expect(aside()).toEqual([])
  })
})
