/**
 * What this is for: one world for the tests of what may not be found. A gateway as a process of its own, before providers that give
 * back what they were sent; unique words go in wherever a word can go in; then everything that the gateway keeps, says and shows
 * is gathered, and looked through.
 *
 * What it promises: it looks in the right places: a word that is meant to be on record is found in each of them (`MARK`).
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { bailiwick, folderOf, freshFolder, serve, type Serving } from '../support/processes.ts'
import { app, policy, provider, rule } from '../support/tree.ts'
import { canaryProvider, type CanaryProvider } from './canary-provider.ts'

const canary = (what: string): string => `canary-${what}-7f3a91`
const named = <Name extends string>(kind: string, names: readonly Name[]): Readonly<Record<Name, string>> =>
  Object.fromEntries(names.map(name => [name, canary(`${kind}-${name}`)])) as Record<Name, string>

/** Words of users, one for each place in which a request can hold one. */
export const PROMPT = named('prompt', [
  'system', 'user', 'assistant', 'name', 'tool', 'description', 'parameter', 'argument', 'result', 'metadata', 'enduser', 'schema', 'stop', 'preference', 'member', 'input', 'completion',
  'model', 'models', 'malformed', 'path', 'query', 'header', 'list', 'explained', 'picture',
])
/** Of the app and of another one, of the providers, of the admin; and one that is no key. */
export const KEY = named('key', ['desk', 'rover', 'other', 'provider', 'den', 'admin', 'wrong'])
/** Words of providers: texts of errors, answers, streams, codes, names and headers. */
export const PROVIDER = named('provider', ['error', 'answer', 'stream', 'code', 'model', 'header'])
/** In texts of notices: comments, reasons. */
export const NOTICE = named('notice', ['comment', 'because', 'drilled', 'broken'])
/** What a caller puts on record on purpose: it must be found, or we look in the wrong place. */
export const MARK = { requestId: canary('mark-request'), purpose: canary('mark-purpose') }

const hashOf = (key: string): string => `sha256:${createHash('sha256').update(key).digest('hex')}`

const REPEATED = ['key', 'half', 'prompt', 'code'] as const
const WAYS = ['refusing', 'refusing-late', 'keyed', 'gone', 'failing', 'straying', 'posing', 'boasting', 'shouting', 'redirecting'] as const
const PLAIN = ['broken', 'shapeless', 'babbling', 'cutting'] as const
/** Every deployment that does something to be looked at, by the name of its model. */
export const ODD = [...WAYS.flatMap(way => REPEATED.map(of => `${way}-${of}`)), ...PLAIN.map(way => `${way}-one`)]

function policies(url: string): Record<string, string> {
  const deployment = (name: string): string => {
    const more = name.startsWith('straying') ? ', reports: { region: { header: x-served-from, means: { here: FR } } }' : name.startsWith('posing') ? ', reports: { model: [real-*] }' : name === 'good-one' ? ', can: [tools, vision, json-schema]' : ''
    return `{ deployment: ${name}, model: lab/${name}, upstream-model: ${name}, operations: [chat, completion], price: { input: 2, output: 4, currency: EUR }${more} }`
  }
  const keys = (name: keyof typeof KEY): string => `key-hashes: ['${hashOf(KEY[name])}']`
  return {
    'catalog/lab.yaml': provider('lab', `dialect: openai\nbase-url: ${url}/v1\nkey: env:LAB_KEY\nprocessed-in: [FR]\ndiscover: models`, [
      deployment('good-one'), ...ODD.map(deployment), '{ deployment: vectors, model: lab/vectors, upstream-model: good-one, operations: [embedding], embedding-space: v1 }',
    ]),
    'catalog/den.yaml': provider('den', `dialect: ollama\nbase-url: ${url}/ollama\nkey: env:DEN_KEY\nprocessed-in: [FR]\nhosting: local\ndiscover: models`, ['{ deployment: den, model: den/den, upstream-model: "den:1b" }', '{ deployment: sick, model: den/sick, upstream-model: "sick:1b" }']),
    'catalog/far.yaml': provider('far', `dialect: openai\nbase-url: ${url}/v1\nkey: env:LAB_KEY\nprocessed-in: [US]`, ['{ deployment: far, model: far/far, upstream-model: good-one }']),
    'rules/home.policy.yaml': policy('home', [rule('stays', 'require: { processed-in: { only: [FR] } }'), rule('embargo', 'when: { user-in: [IR] }\nforbid: all')].join('\n')),
    'apps/desk.yaml': app('desk', `grants: all\nsubstitutes: no\nmay-carry: [none]\nassume: { user-in: FR, basis: a test, owner: owner@example.com, until: 2039-12-31 }\n${keys('desk')}`),
    'apps/rover.yaml': app('rover', `grants: [{ deployment: cutting-one }, { deployment: failing-code }, { deployment: good-one }]\nmay-carry: [none]\nassume: { user-in: FR, basis: a test, owner: owner@example.com, until: 2039-12-31 }\n${keys('rover')}`),
    'apps/other.yaml': app('other', `grants: [{ deployment: good-one }]\nmay-carry: [none]\nassume: { user-in: FR, basis: a test, owner: owner@example.com, until: 2039-12-31 }\n${keys('other')}`),
  }
}

export const ADMIN = { authorization: `Bearer ${KEY.admin}` }
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` })

export type World = {
  readonly url: string
  /** Ids of decisions, by the app that asked. */
  readonly decisions: { readonly id: string; readonly app: 'desk' | 'rover' | 'other' }[]
  /** Everything that an answer with another status than 200 said. */
  readonly errors: string[]
  /** Headers of all answers. */
  readonly headers: string[]
  ask(body: Readonly<Record<string, unknown>> | string, more?: { readonly app?: 'desk' | 'rover' | 'other'; readonly path?: string; readonly headers?: Readonly<Record<string, string>>; readonly key?: string }): Promise<Response & { readonly said: string }>
  admin(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly said: string }>
  /** Everything that the gateway keeps, says and shows, by where. Ends the gateway. */
  traces(): Promise<ReadonlyMap<string, string>>
  close(): Promise<void>
}

export async function world(): Promise<World> {
  const provided: CanaryProvider = await canaryProvider()
  const folder = folderOf(policies(provided.url)), data = freshFolder()
  const serving: Serving = await serve(folder, { data, environment: { LAB_KEY: KEY.provider, DEN_KEY: KEY.den, BAILIWICK_ADMIN_TOKEN: KEY.admin } })
  const { url } = serving
  const decisions: World['decisions'] = [], errors: string[] = [], headers: string[] = []
  const note = async <A extends Response>(answer: A): Promise<A & { readonly said: string }> => {
    const said = await answer.text(), head = JSON.stringify([...answer.headers])
    headers.push(head)
    if (answer.status !== 200) errors.push(`${answer.status} ${head} ${said}`)
    // What a stream says of its failure is an error, too.
    for (const event of said.match(/^event: error\ndata: .*$/gm) ?? []) errors.push(event)
    return Object.assign(answer, { said })
  }
  const get = async (path: string, given: Record<string, string>): Promise<string> => (await fetch(url + path, { headers: given })).text()
  return {
    url, decisions, errors, headers,
    async ask(body, { app: of = 'desk', path = '/v1/chat/completions', headers: more = {}, key = KEY[of] } = {}) {
      const answer = await note(await fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...bearer(key), ...more }, body: typeof body === 'string' ? body : JSON.stringify(body) }))
      const id = answer.headers.get('x-bailiwick-decision')
      if (id !== null) decisions.push({ id, app: of })
      return answer
    },
    async admin(method, path, body) {
      const answer = await note(await fetch(url + path, { method, headers: { ...ADMIN, 'content-type': 'application/json' }, ...(body !== undefined && { body: JSON.stringify(body) }) }))
      return { status: answer.status, said: answer.said }
    },
    async traces() {
      const found = new Map<string, string>()
      const put = (where: string, what: string): void => void found.set(where, `${found.get(where) ?? ''}${what}\n`)
      for (const { id, app: of } of decisions) {
        put('decisions of the app', await get(`/v1/decisions/${id}`, bearer(KEY[of])))
        put('decisions of the admin', await get(`/admin/decisions/${id}`, ADMIN))
        put('receipts of the app', opened(await get(`/v1/decisions/${id}/receipt`, bearer(KEY[of]))))
        put('receipts of the admin', opened(await get(`/admin/decisions/${id}/receipt`, ADMIN)))
      }
      put('metrics', await get('/metrics', {}))
      put('readiness', await get('/health/readiness', {}))
      for (const path of ['pool', 'coverage', 'quarantine', 'directives', 'drills']) put(`admin ${path}`, await get(`/admin/${path}`, ADMIN))
      put('events', await someEvents(url))
      // While it runs: what is written and not yet moved into the file is in another one beside it.
      for (const [name, bytes] of filesOf(data)) put(isOfRecords(name) ? 'records' : 'data folder', bytes)
      await serving.stop()
      for (const [name, bytes] of filesOf(data)) put(isOfRecords(name) ? 'records' : 'data folder', bytes)
      put('log', serving.err())
      put('standard output', serving.out())
      put('errors', errors.join('\n'))
      put('headers', headers.join('\n'))
      for (const format of EXPORTS) {
        const { code, out } = await bailiwick(['records', 'export', '--data', data, '--format', format])
        if (code !== 0 || out === '') throw new Error(`the export as ${format} ended with ${code} and ${out.length} characters`)
        put('exports', out)
      }
      return found
    },
    async close() {
      await serving.stop('SIGKILL')
      await provided.close()
    },
  }
}

const EXPORTS = ['chain', 'jsonl', 'csv', 'article-30', 'transfers', 'dora']

/** Where a word is found, but for places where it is meant to be. */
export const foundIn = (traces: ReadonlyMap<string, string>, word: string, except: readonly string[] = []): readonly string[] =>
  [...traces].filter(([where, what]) => !except.includes(where) && what.toLowerCase().includes(word.toLowerCase())).map(([where]) => `${word} in ${where}`)

const isOfRecords = (name: string): boolean => /^records.*\.sqlite/.test(name)

const filesOf = (folder: string): readonly (readonly [name: string, bytes: string])[] => readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile()).map(entry => [relative(folder, join(entry.parentPath, entry.name)), readFileSync(join(entry.parentPath, entry.name), 'latin1')] as const)

/** What is inside a receipt. */
export const opened = (jws: string): string => jws.split('.').slice(0, 2).map(part => Buffer.from(part, 'base64url').toString()).join('\n')

/** All events so far. The stream has no end of its own: it is read until it is up to date. */
async function someEvents(url: string): Promise<string> {
  const leave = new AbortController()
  const answer = await fetch(`${url}/admin/events?since=0`, { headers: ADMIN, signal: leave.signal })
  const { events } = await (await fetch(`${url}/admin/pool`, { headers: ADMIN })).json() as { events: readonly { cause: string }[] }
  const last = events.at(-1)!.cause
  let text = ''
  for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += part
    if (text.includes(last)) break
  }
  leave.abort()
  return text
}

/** Sends everything through, once. */
export async function everything(w: World): Promise<void> {
  const user = { role: 'user', content: PROMPT.user }
  const full = {
    model: 'lab/good-one', user: PROMPT.enduser, metadata: { [PROMPT.metadata]: PROMPT.metadata }, stop: [PROMPT.stop], [PROMPT.member]: PROMPT.member,
    messages: [
      { role: 'system', content: PROMPT.system, name: PROMPT.name }, { role: 'user', content: [{ type: 'text', text: PROMPT.user }, { type: 'image_url', image_url: { url: `data:${PROMPT.picture}` } }] },
      { role: 'assistant', content: PROMPT.assistant, tool_calls: [{ id: PROMPT.tool, type: 'function', function: { name: PROMPT.tool, arguments: JSON.stringify({ a: PROMPT.argument }) } }] },
      { role: 'tool', tool_call_id: PROMPT.tool, content: PROMPT.result }, user,
    ],
    tools: [{ type: 'function', function: { name: PROMPT.tool, description: PROMPT.description, parameters: { type: 'object', properties: { [PROMPT.parameter]: { type: 'string' } } } } }],
    response_format: { type: 'json_schema', json_schema: { name: PROMPT.schema, schema: {} } },
  }
  const plain = (model: string, more: object = {}): Record<string, unknown> => ({ model, messages: [user], ...more })
  const marked = { 'x-request-id': MARK.requestId, 'x-bailiwick-purpose': MARK.purpose }

  // 1. Answered, whole and as a stream, rescued; in each operation; by either dialect.
  for (const stream of [false, true]) {
    await w.ask(plain('lab/good-one', { stream }), { headers: marked })
    await w.ask({ ...full, stream })
    await w.ask(plain('lab/cutting-one', { stream }), { app: 'rover' })
    await w.ask(plain('den/den', { stream }))
    await w.ask({ model: 'lab/good-one', prompt: PROMPT.completion, stream }, { path: '/v1/completions' })
  }
  await w.ask({ model: 'lab/vectors', input: PROMPT.input }, { path: '/v1/embeddings' })
  await w.ask(plain('lab/good-one', { provider: { order: [PROMPT.preference], only: ['lab'] } }))
  // 2. Providers that give back what they were sent.
  for (const name of ODD) for (const stream of [false, true]) await w.ask(plain(`lab/${name}`, { stream }))
  for (const stream of [false, true]) await w.ask(plain('den/sick', { stream }))
  // 3. Refused by the law, by registration, by us.
  await w.ask(plain('far/far'))
  await w.ask(plain('lab/good-one'), { headers: { 'x-bailiwick-user-in': 'IR', 'x-request-id': MARK.requestId } })
  await w.ask(plain('lab/good-one'), { headers: { 'x-bailiwick-data': PROMPT.header } })
  await w.ask(plain('lab/good-one'), { headers: { 'x-bailiwick-purpose': `<${PROMPT.header}>` } })
  await w.ask(plain('lab/good-one'), { headers: { 'x-bailiwick-user-in': PROMPT.header } })
  await w.ask(plain('lab/good-one', { provider: { [PROMPT.preference]: PROMPT.preference } }))
  await w.ask(plain('lab/good-one', { provider: { only: [PROMPT.preference] } }))
  await w.ask(plain('lab/good-one', { models: [PROMPT.models] }))
  await w.ask(plain(PROMPT.model))
  // 4. What is no request.
  for (const body of [{ model: 'lab/good-one', messages: PROMPT.list }, { model: 'lab/good-one', messages: [PROMPT.list] }, { model: [PROMPT.model] }, plain('lab/good-one', { stream: PROMPT.malformed }), plain('lab/good-one', { inference_geo: PROMPT.malformed }),
    `{"model":"lab/good-one","messages":[{"role":"user","content":"${PROMPT.malformed}`, `{"model":"lab/good-one","${PROMPT.malformed}":1,"${PROMPT.malformed}":2}`, `\u0000${PROMPT.malformed}`]) await w.ask(body)
  for (const path of [`/v1/${PROMPT.path}`, `/v1/models/${PROMPT.path}`, `/v1/decisions/${PROMPT.path}`, `/v1/chat/completions?${PROMPT.query}=${PROMPT.query}`]) {
    await w.ask(PROMPT.malformed, { path })
    await fetch(w.url + path, { headers: bearer(KEY.desk) }).then(answer => answer.text()).then(said => w.errors.push(said))
  }
  // 5. Keys where they do not belong.
  await w.ask(plain('lab/good-one'), { key: KEY.wrong })
  await w.ask(plain('lab/good-one'), { key: KEY.admin })
  await w.ask(plain('lab/good-one'), { headers: { authorization: `Basic ${KEY.wrong}` } })
  await w.ask(plain('lab/good-one'), { headers: { authorization: KEY.desk } })
  await w.ask(plain('lab/good-one'), { headers: { 'x-api-key': KEY.wrong } })
  await w.ask(plain('lab/good-one'), { path: `/v1/chat/completions?api_key=${KEY.wrong}` })
  for (const path of ['/admin/pool', '/admin/explain', '/admin/decisions/x']) await w.ask({}, { path })
  // 6. Explained, and explained to an admin.
  await w.ask(plain('lab/good-one'), { headers: { 'x-bailiwick-dry-run': 'yes' } })
  await w.admin('POST', '/admin/explain', { app: 'desk', purpose: PROMPT.explained })
  await w.admin('POST', '/admin/explain', { app: 'desk', at: PROMPT.explained })
  // 7. A notice, a drill, a release.
  const notice = `# ${NOTICE.comment}\n${policy('late-notice', rule('nothing-else', `prefer:\n  - weights: open`).replace('A test wants it', NOTICE.because), `{ from: ${day(-1)}, until: ${day(5)}, timezone: UTC }`)}`
  await twice(w, '/admin/directives', { yaml: notice, author: 'A. Counsel' })
  await w.admin('POST', '/admin/directives', { yaml: `${NOTICE.broken}: [`, author: 'A. Counsel' })
  await twice(w, '/admin/drills', { revoke: ['provider=far'], yaml: notice.replace(NOTICE.comment, NOTICE.drilled).replaceAll('late-notice', 'drilled-notice'), 'for-seconds': 60, author: 'A. Engineer' })
  await w.admin('POST', '/admin/quarantine/straying-key/release', { author: 'A. Officer' })
  await w.ask(plain('lab/good-one'), { app: 'other', headers: { 'x-request-id': MARK.requestId } })
}

/** The date so many days from now. */
const day = (from: number): string => new Date(Date.now() + from * 86_400_000).toISOString().slice(0, 10)

/** Asks what it would do, and confirms it. */
async function twice(w: World, path: string, body: Readonly<Record<string, unknown>>): Promise<void> {
  const shown = await w.admin('POST', path, body)
  if (shown.status !== 200) throw new Error(shown.said)
  const { confirm } = JSON.parse(shown.said) as { readonly confirm: string }
  const done = await w.admin('POST', path, { ...body, confirm })
  if (done.status !== 200) throw new Error(done.said)
}
