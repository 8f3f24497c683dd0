/**
 * `npm run test:engine`: a real inference engine behind a real gateway, in both dialects that servers of one's own speak. The
 * policy keeps personal data away from a cloud, so such requests fall back to the engine; then the engine is killed and started
 * again. Opt-in: the engine is no dependency of the project and is installed into this folder at first use.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ADMIN_TOKEN, cleanUp, folderOf, serve, type Serving } from '../support/processes.ts'
import { providerProcess, type ProviderProcess } from '../support/listening.ts'
import { app, keyHash, policy, provider, rule } from '../support/tree.ts'
import { installEngine } from './install.ts'

const DIALECTS = ['ollama', 'openai'] as const
type Dialect = (typeof DIALECTS)[number]
type World = { readonly serving: Serving; readonly cloud: ProviderProcess; readonly engine: EngineProcess }
type EngineProcess = { readonly url: string; kill(): Promise<void>; start(): Promise<void> }
type Check = { readonly says: string; readonly holds: (world: World) => Promise<void> }

const WITHIN_MS = 5_000
/** An open breaker is asked again after ten seconds. */
const BACK_WITHIN_MS = 20_000
const EMBEDDING_WIDTH = 64
const SCHEMA = {
  type: 'object', additionalProperties: false, required: ['region', 'lawful', 'hops'],
  properties: { region: { enum: ['eu', 'us'] }, lawful: { type: 'boolean' }, hops: { type: 'integer' } },
} as const

const keyOf = (dialect: Dialect): string => `bw-key-through-${dialect}`
const modelOf = (dialect: Dialect): string => `ours-${dialect}/tiny:latest`
const deploymentOf = (dialect: Dialect): string => `ours-${dialect}:tiny:latest`

const CHECKS: readonly Check[] = [
  ...DIALECTS.flatMap(checksThrough),
  { says: 'killed: every answer is 503 with a time to come again, and the breaker opens', holds: killed },
  { says: 'killed: what may not go to the cloud does not go there now either', holds: notToTheCloud },
  { says: 'started again at its port: the breaker closes by itself, and it answers in both dialects', holds: startedAgain },
]

function checksThrough(dialect: Dialect): readonly Check[] {
  const says = (what: string): string => `${dialect}: ${what}`
  const personal = (body: object = {}): object => ({ model: 'cloud/large', messages: [{ role: 'user', content: 'Where may this go?' }], seed: 7, max_tokens: 40, temperature: 0.8, ...body })
  const ask = (world: World, body: object, data = 'personal', signal?: AbortSignal): Promise<Response> => post(world, dialect, '/v1/chat/completions', body, data, signal)
  const schema = { response_format: { type: 'json_schema', json_schema: { name: 'place', strict: true, schema: SCHEMA } }, max_tokens: 200 }
  return [
    { says: says('discovery finds the model and lists it for those who may use it'), async holds(world) {
      const response = await fetch(`${world.serving.url}/v1/models`, { headers: { authorization: `Bearer ${keyOf(dialect)}`, 'x-bailiwick-data': 'personal' } })
      const { data } = await response.json() as { readonly data: readonly { readonly id: string }[] }
      equal(data.map(m => m.id), ['auto', modelOf(dialect)])
    } },
    { says: says('open text goes to the cloud, personal data falls back to the engine and says so'), async holds(world) {
      const open = await ask(world, personal(), 'none')
      equal([open.status, open.headers.get('x-bailiwick-deployment'), open.headers.get('x-bailiwick-degraded')], [200, 'cloud-one', null])
      const before = await world.cloud.count()
      const response = await ask(world, personal())
      equal([response.status, response.headers.get('x-bailiwick-deployment'), response.headers.get('x-bailiwick-degraded')], [200, deploymentOf(dialect), 'cloud/large is not permitted'])
      const { choices, usage } = await response.json() as { readonly choices: readonly { readonly message: { readonly content: string }; readonly finish_reason: string }[]; readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } }
      must(choices[0]!.message.content.length > 0, 'the engine said nothing')
      equal(choices[0]!.finish_reason, 'length')
      must(usage.prompt_tokens > 0 && usage.completion_tokens > 0, `usage ${JSON.stringify(usage)}`)
      equal(await world.cloud.count(), before)
    } },
    { says: says('a stream comes in many pieces, ends properly and says what the whole answer says'), async holds(world) {
      const { choices } = await (await ask(world, personal())).json() as { readonly choices: readonly { readonly message: { readonly content: string } }[] }
      const streamed = await streamOf(await ask(world, personal({ stream: true, stream_options: { include_usage: true } })))
      equal(streamed.text, choices[0]!.message.content)
      must(streamed.pieces > 5, `only ${streamed.pieces} pieces`)
      equal([streamed.finish, streamed.isDone, streamed.hasUsage], ['length', true, true])
    } },
    { says: says('a JSON schema holds, whole and streamed'), async holds(world) {
      const { choices } = await (await ask(world, personal(schema))).json() as { readonly choices: readonly { readonly message: { readonly content: string } }[] }
      fitsSchema(choices[0]!.message.content)
      fitsSchema((await streamOf(await ask(world, personal({ ...schema, stream: true })))).text)
      // Without one the same model writes something else: it is the schema that holds it.
      const { choices: [free] } = await (await ask(world, personal())).json() as { readonly choices: readonly { readonly message: { readonly content: string } }[] }
      must(!free!.message.content.includes('{'), 'the model writes JSON of itself')
    } },
    { says: says('vectors: equal for equal texts, unequal for others'), async holds(world) {
      const response = await post(world, dialect, '/v1/embeddings', { model: modelOf(dialect), input: ['here', 'here', 'there'] }, 'personal')
      equal(response.status, 200)
      const { data } = await response.json() as { readonly data: readonly { readonly embedding: readonly number[] }[] }
      const [one, same, other] = data.map(d => JSON.stringify(d.embedding))
      equal(data.map(d => d.embedding.length), [EMBEDDING_WIDTH, EMBEDDING_WIDTH, EMBEDDING_WIDTH])
      must(one === same && one !== other, 'the vectors do not tell the texts apart')
    } },
    { says: says('a caller who leaves stops the engine'), async holds(world) {
      const leaving = new AbortController()
      const response = await ask(world, personal({ stream: true, max_tokens: 3_000 }), 'personal', leaving.signal)
      await response.body!.getReader().read()
      equal(await busy(world.engine), 1)
      leaving.abort()
      await becomes(async () => await busy(world.engine) === 0, WITHIN_MS, 'the engine goes on')
    } },
  ]
}

async function killed(world: World): Promise<void> {
  await world.engine.kill()
  for (const dialect of DIALECTS) {
    await becomes(async () => {
      const response = await post(world, dialect, '/v1/chat/completions', { model: modelOf(dialect), messages: [{ role: 'user', content: 'Are you there?' }] }, 'personal')
      const { error } = await response.json() as { readonly error: { readonly code: string } }
      equal([response.status, error.code], [503, 'permitted_models_unavailable'])
      must(Number(response.headers.get('retry-after')) > 0, 'no time to come again')
      return await breakerOf(world, dialect) === 'open'
    }, WITHIN_MS, `the breaker of ${dialect} stays ${await breakerOf(world, dialect)}`)
  }
}

async function notToTheCloud(world: World): Promise<void> {
  const before = await world.cloud.count()
  for (const dialect of DIALECTS) {
    for (const model of ['auto', 'cloud/large']) {
      const response = await post(world, dialect, '/v1/chat/completions', { model, messages: [{ role: 'user', content: 'And now?' }] }, 'personal')
      equal(response.status, 503)
      await response.body?.cancel()
    }
  }
  equal(await world.cloud.count(), before)
}

async function startedAgain(world: World): Promise<void> {
  await world.engine.start()
  for (const dialect of DIALECTS) {
    await becomes(async () => await breakerOf(world, dialect) === 'closed', BACK_WITHIN_MS, `the breaker of ${dialect} stays open`)
    const response = await post(world, dialect, '/v1/chat/completions', { model: 'auto', messages: [{ role: 'user', content: 'And now?' }], max_tokens: 5 }, 'personal')
    equal([response.status, response.headers.get('x-bailiwick-deployment')], [200, deploymentOf(dialect)])
    await response.body?.cancel()
  }
}

function post({ serving }: World, dialect: Dialect, path: string, body: object, data: string, signal: AbortSignal | null = null): Promise<Response> {
  return fetch(serving.url + path, {
    method: 'POST', signal, body: JSON.stringify(body),
    headers: { authorization: `Bearer ${keyOf(dialect)}`, 'content-type': 'application/json', 'x-bailiwick-data': data },
  })
}

async function streamOf(response: Response): Promise<{ readonly text: string; readonly pieces: number; readonly finish: string | undefined; readonly isDone: boolean; readonly hasUsage: boolean }> {
  equal(response.status, 200)
  const events = [...(await response.text()).matchAll(/^data: (.+)$/gm)].map(([, data]) => data!)
  type Chunk = { readonly choices: readonly { readonly delta: { readonly content?: string }; readonly finish_reason: string | null }[]; readonly usage?: object | null }
  const chunks = events.filter(e => e !== '[DONE]').map(e => JSON.parse(e) as Chunk)
  const said = chunks.map(c => c.choices[0]?.delta.content ?? '').filter(text => text !== '')
  return {
    text: said.join(''), pieces: said.length, isDone: events.at(-1) === '[DONE]', hasUsage: chunks.some(c => c.usage !== undefined && c.usage !== null),
    finish: chunks.map(c => c.choices[0]?.finish_reason).findLast(reason => reason !== null && reason !== undefined) ?? undefined,
  }
}

function fitsSchema(text: string): void {
  const { region, lawful, hops, ...others } = JSON.parse(text) as Record<string, unknown>
  must((region === 'eu' || region === 'us') && typeof lawful === 'boolean' && Number.isInteger(hops) && Object.keys(others).length === 0, `the schema does not hold: ${text}`)
}

async function breakerOf({ serving }: World, dialect: Dialect): Promise<string> {
  const response = await fetch(`${serving.url}/admin/pool`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  const { deployments } = await response.json() as { readonly deployments: readonly { readonly deployment: string; readonly breaker: string }[] }
  return deployments.find(d => d.deployment === deploymentOf(dialect))?.breaker ?? 'not in the pool'
}

const busy = async ({ url }: EngineProcess): Promise<number> => Number(await (await fetch(`${url}/busy`)).text())

/** A condition that must come true in time, and not by waiting for a guess. */
async function becomes(holds: () => Promise<boolean>, withinMs: number, otherwise: string): Promise<void> {
  const until = Date.now() + withinMs
  while (!await holds()) {
    if (Date.now() > until) throw new Error(otherwise)
    await new Promise(resolve => { setTimeout(resolve, 50) })
  }
}

function must(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise)
}
function equal(found: unknown, expected: unknown): void {
  must(JSON.stringify(found) === JSON.stringify(expected), `${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`)
}

async function startEngine(): Promise<EngineProcess> {
  let child: ChildProcess, url = ''
  const start = async (): Promise<void> => {
    child = spawn(process.execPath, [fileURLToPath(new URL('engine-process.ts', import.meta.url)), url === '' ? '0' : new URL(url).port], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ready = Promise.withResolvers<string>()
    child.stdout!.once('data', (line: Buffer) => ready.resolve(/ready (\S+)/.exec(line.toString())![1]!))
    child.once('exit', code => ready.reject(new Error(`the engine ended with ${code} before it was ready`)))
    url = await ready.promise
  }
  await start()
  return {
    url, start,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}

async function policies(cloud: string, engine: string): Promise<Record<string, string>> {
  const apps = await Promise.all(DIALECTS.map(async dialect => [`apps/through-${dialect}.yaml`, app(`through-${dialect}`,
    `grants:\n  - model: [cloud/*, ours-${dialect}/*]\nmay-carry: [personal]\nmay-assert: [data]\nsubstitutes: yes\nkey-hashes: [ "${await keyHash(keyOf(dialect))}" ]`)] as const))
  const ours = 'discover: models\nhosting: local\nprocessed-in: [FR]'
  return {
    ...Object.fromEntries(apps),
    'catalog/cloud.yaml': provider('cloud', `dialect: openai\nbase-url: ${cloud}\nhosting: cloud\nprocessed-in: [US]\ncan: [json-schema]`, ['{ deployment: cloud-one, model: cloud/large }']),
    'catalog/ours-ollama.yaml': provider('ours-ollama', `dialect: ollama\nbase-url: ${engine}\n${ours}`, []).replace('deployments:\n', 'deployments: []'),
    'catalog/ours-openai.yaml': provider('ours-openai', `dialect: openai\nbase-url: ${engine}/v1\noperations: [chat, embedding]\ncan: [json-schema]\n${ours}`, []).replace('deployments:\n', 'deployments: []'),
    'rules/house.policy.yaml': policy('house', rule('personal-data-stays-with-us', 'when: { data: [personal] }\nrequire: { hosting: local }')),
  }
}

await installEngine()
console.log('starting the engine, a cloud and a gateway')
const [engine, cloud] = await Promise.all([startEngine(), providerProcess('cloud')])
let passed = 0
try {
  const serving = await serve(folderOf(await policies(cloud.url, engine.url)))
  for (const { says, holds } of CHECKS) {
    const begunAt = Date.now()
    const wrong = await holds({ serving, cloud, engine }).then(() => undefined, (error: unknown) => (error instanceof Error ? error.message : String(error)))
    if (wrong === undefined) passed++
    console.log(`${wrong === undefined ? 'pass' : 'FAIL'}  ${says} (${Date.now() - begunAt} ms)${wrong === undefined ? '' : `\n      ${wrong}`}`)
  }
  await serving.stop()
} finally {
  await Promise.all([engine.kill(), cloud.kill()])
  await cleanUp()
}
process.exitCode = passed === CHECKS.length ? 0 : 1
console.log(`engine: ${passed}/${CHECKS.length}`)
