/** What must never happen: a prompt or an answer is kept where no duty lets it be kept, or so that anybody but the officer can read it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { headOf, newContentKey, openerFor, sealerFor, type PrivateContentJwk, type Sealer } from '../../src/record/content.ts'
import type { OutcomeEntry } from '../../src/record/record.ts'
import { appendingTo } from '../../src/runtime/node-content.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'
import { threePlaces, type ThreePlaces } from '../support/three-places.ts'
import { policy, rule } from '../support/tree.ts'

const CANARY = 'canary-51d0-what-only-the-officer-reads'
const IBAN = 'DE89370400440532013000'
/** What the provider answers. */
const ANSWER = 'from home'

let officer: PrivateContentJwk, somebody: PrivateContentJwk, sealer: Sealer
let world: ThreePlaces, folder: string
beforeAll(async () => {
  const [own, other] = await Promise.all([newContentKey('X25519'), newContentKey('X25519')])
  officer = own.privateJwk
  somebody = other.privateJwk
  sealer = await sealerFor(own.publicJwk)
})
afterEach(async () => {
  await world.stop()
  await cleanUp()
})

const EVERYBODY = 'prefer:\n  - weights: open\nthen: '
const start = async (rules: Readonly<Record<string, string>>, place?: string): Promise<void> => {
  folder = join(freshFolder(), 'content')
  world = await threePlaces({
    place: 'FR',
    content: { place, sealer, append: appendingTo(folder) },
    files: Object.fromEntries(Object.entries(rules).map(([name, then]) => [`rules/${name}.policy.yaml`, policy(name, rule('logged', EVERYBODY + then))])),
  })
}
const ask = async (more: Record<string, unknown> = {}, content = `${CANARY} ${IBAN}`): Promise<string> => {
  const answer = await world.chat({ messages: [{ role: 'user', content }], ...more })
  expect(answer.status).toBe(200)
  return answer.text()
}
const files = (): readonly string[] => (existsSync(folder) ? readdirSync(folder) : [])
const written = (): string => files().map(name => readFileSync(join(folder, name), 'utf8')).join('')
const outcome = (): OutcomeEntry => world.entries.findLast(e => e.kind === 'outcome') as OutcomeEntry

async function opened(jwk: PrivateContentJwk): Promise<readonly { readonly decision: string; readonly part: string; readonly text: string }[]> {
  const opener = await openerFor(jwk)
  return Promise.all(written().split('\n').slice(0, -1).map(async line => {
    const seen = headOf(line)
    if (!seen.ok) throw new Error('a line that is none')
    const content = await opener.open(line)
    return { decision: seen.head.decision, part: seen.head.part, text: content === undefined ? 'closed' : new TextDecoder().decode(content) }
  }))
}

test.each<[string, Readonly<Record<string, string>>, string | undefined, string | undefined]>([
  ['no rule speaks of logging', { one: '{ cache: none }' }, 'FR', undefined],
  ['a rule says metadata', { one: '{ log: metadata }' }, 'FR', 'log metadata'],
  ['a rule says none', { one: '{ log: none }' }, 'FR', 'log none'],
  ['one rule of two says metadata', { one: '{ log: full }', two: '{ log: metadata }' }, 'FR', 'log metadata'],
  ['the place is outside log-in', { one: '{ log: full, log-in: [FR] }' }, 'US', 'log full: not kept, US is not in FR'],
  ['the place is not known, and a rule speaks of it', { one: '{ log: full, log-in: [FR] }' }, undefined, 'log full: not kept, its place is not known'],
])('%s: nothing is kept, and the request is answered', async (_why, rules, place, told) => {
  await start(rules, place)
  expect(await ask()).toContain(ANSWER)
  expect(await ask({ stream: true })).toContain('[DONE]')
  expect(files()).toEqual([])
  expect(outcome().duties?.find(d => d.startsWith('log '))).toBe(told)
  expect(JSON.stringify([world.entries, world.logged])).not.toContain(CANARY)
})

test('the twin: every rule that speaks of it says full, and the place is allowed; then it is kept, and the officer alone reads it', async () => {
  await start({ one: '{ log: full, log-in: [FR] }', two: '{ log: full }' }, 'FR')
  const whole = await ask(), stream = await ask({ stream: true })
  expect(outcome().duties).toContain('log full: sealed')
  expect(written()).not.toMatch(new RegExp(`${CANARY}|${ANSWER}|${IBAN}|${Buffer.from(CANARY).toString('base64url').slice(0, 24)}`))

  const ids = world.entries.flatMap(e => (e.kind === 'decision' ? [e.id] : []))
  const items = await opened(officer)
  expect(items.map(({ decision, part }) => `${decision} ${part}`)).toEqual(ids.flatMap(id => [`${id} request`, `${id} answer`]))
  expect(items[0]!.text).toContain(CANARY)
  expect(items[1]!.text).toBe(whole)
  expect(items[2]!.text).toContain(CANARY)
  // Its closing mark is given when the end is on record.
  expect(`${items[3]!.text}data: [DONE]\n\n`).toBe(stream)

  expect((await opened(somebody)).map(item => item.text)).toEqual(['closed', 'closed', 'closed', 'closed'])
  expect(JSON.stringify([world.entries, world.logged])).not.toContain(CANARY)
})

test('what a rule redacts is not in what is kept', async () => {
  await start({ one: '{ log: full }', two: '{ redact: [iban] }' })
  await ask()
  await ask({ stream: true })
  const items = await opened(officer)
  expect(items).toHaveLength(4)
  expect(items[0]!.text).toContain(CANARY)
  expect(items[0]!.text).toContain('[redacted iban]')
  expect(JSON.stringify(items)).not.toContain(IBAN)
})

test('what is refused, or cannot be redacted, leaves for nowhere and is kept nowhere', async () => {
  await start({ one: '{ log: full }', two: '{ redact: [shoe-size] }' })
  const answer = await world.chat({ messages: [{ role: 'user', content: CANARY }] })
  expect(answer.status).toBe(403)
  expect(files()).toEqual([])
})

test('a request that left and that nobody answered is kept in the same way', async () => {
  await start({ one: '{ log: full }' })
  await Promise.all([world.home.kill(), world.second.kill(), world.abroad.kill()])
  expect((await world.chat({ messages: [{ role: 'user', content: CANARY }] })).status).toBe(503)
  expect(await opened(officer)).toMatchObject([{ part: 'request', text: expect.stringContaining(CANARY) as string }])
  expect(outcome()).toMatchObject({ outcome: 'failed', duties: ['log full: sealed'] })
})
