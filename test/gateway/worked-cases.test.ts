/**
 * The thirteen worked cases through a listening server: what `/admin/explain` answers, and where a chat completion with the
 * same facts in its headers really goes. The other evaluators of the same corpus are in test/policy/cases.test.ts.
 */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ADMIN, KEY, listening, providerProcess, type ProviderProcess } from '../support/listening.ts'
import { complaints, readPolicyCases, treeOf, type Answer, type PolicyCase } from '../support/policy-cases.ts'
import { bundleOf, keyHash } from '../support/tree.ts'

const tree = treeOf(fileURLToPath(new URL('../fixtures/worked', import.meta.url)))
const cases = readPolicyCases('rules/worked.test.yaml', tree.get('rules/worked.test.yaml')!)
const STATED = ['data', 'governed-by', 'user-in', 'user-nationality', 'user-us-person', 'classification']
let everywhere: ProviderProcess
beforeAll(async () => { everywhere = await providerProcess('everywhere') })
afterAll(() => everywhere.kill())

/** The tree with every deployment connected to one process, and the case's app registered with what the case takes for granted. */
async function treeFor({ request, mayCarry }: PolicyCase): Promise<Record<string, string>> {
  const files = Object.fromEntries(tree)
  files['catalog/worked.yaml'] = files['catalog/worked.yaml']!.replace('timezone: UTC\n', `timezone: UTC\ndialect: openai\nbase-url: ${everywhere.url}\n`)
  const name = request['app'] === 'unknown' ? 'crm' : String(request['app'])
  files[`apps/${name}.yaml`] = `language: bailiwick/v1
app: ${name}
owner: owner@example.eu
grants: all
team: ${String(request['team'])}
may-assert: [${STATED.join(', ')}]
${mayCarry === undefined ? '' : `may-carry: [${mayCarry.join(', ')}]`}
key-hashes: [ "${await keyHash(KEY)}" ]
`
  return files
}

const headersOf = ({ request }: PolicyCase): Record<string, string> => Object.fromEntries(STATED.flatMap(fact => {
  const value = request[fact]
  if (value === undefined || value === 'unknown' || (Array.isArray(value) && value.length === 0)) return []
  return [[`x-bailiwick-${fact}`, (Array.isArray(value) ? value : [value]).join(', ')]]
}))

test('the corpus is the thirteen', () => {
  expect(cases).toHaveLength(13)
})

describe.each(cases.map(c => [c.name, c] as const))('%s', (_, one) => {
  test('is answered by /admin/explain as it must be', async () => {
    const gateway = await listening({ bundle: await bundleOf(await treeFor(one)), now: () => one.at, place: 'FR' })
    try {
      const { app, ...facts } = one.request
      const answer = await fetch(`${gateway.url}/admin/explain`, {
        method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${ADMIN}` },
        body: JSON.stringify({ ...facts, app, at: new Date(one.at).toISOString() }),
      })
      expect(complaints(one, await answer.json() as Answer)).toEqual([])
    } finally {
      await gateway.close()
    }
  })

})

/** An app that is not known has no key, and an empty list cannot be said in a header. */
const askable = cases.filter(c => c.request['app'] !== 'unknown' && c.expects.allowed !== undefined && !isEmptyList(c.request['governed-by']))

test('enough of the corpus can be asked as a chat', () => {
  expect(askable.length).toBeGreaterThanOrEqual(5)
})

describe.each(askable.map(c => [c.name, c] as const))('%s, as a chat', (_, one) => {
  test('goes where it may, or nowhere', async () => {
    const gateway = await listening({ bundle: await bundleOf(await treeFor(one)), now: () => one.at, place: 'FR' })
    try {
      const before = await everywhere.count()
      const answer = await gateway.chat({}, headersOf(one))
      if (one.expects.allowed!.length === 0) {
        expect(answer.status).toBe(403)
        expect(await everywhere.count()).toBe(before)
      } else {
        expect(answer.status).toBe(200)
        expect(one.expects.allowed).toContain(answer.headers.get('x-bailiwick-deployment'))
      }
    } finally {
      await gateway.close()
    }
  })
})

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}
