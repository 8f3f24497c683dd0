/** The README's commands do what it says they do, against the starter policies and a gateway that is a process. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bailiwick, cleanUp, serve, type Serving } from '../support/processes.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(`${root}/README.md`, 'utf8')
const blocks = [...readme.matchAll(/```(\w*)\n([\s\S]*?)```/g)].map(m => ({ language: m[1]!, text: m[2]! }))
const block = (language: string, containing: string): string => blocks.find(b => b.language === language && b.text.includes(containing))!.text
const SENTENCE = /"content":"(This is a rehearsal[^"]+)"/.exec(readme)![1]!
const headersIn = (command: string): Record<string, string> => Object.fromEntries([...command.matchAll(/-H '([^:]+): ([^']+)'/g)].map(m => [m[1]!, m[2]!]))

let gateway: Serving
beforeAll(async () => { gateway = await serve(`${root}/policies`) })
afterAll(cleanUp)

const curl = block('sh', 'curl')
const ask = (more: Record<string, string> = {}): Promise<Response> => fetch(gateway.url + new URL(/http:\S+/.exec(curl)![0]).pathname, {
  method: 'POST', headers: { ...headersIn(curl), ...more }, body: /-d '([^']+)'/.exec(curl)![1]!,
})

test('the command of the first page is answered as printed', async () => {
  const answer = await (await ask()).json() as { choices: { message: { content: string } }[] }
  expect(answer.choices[0]!.message.content).toBe(SENTENCE)
})

describe('the table of what follows from what is stated', () => {
  const rows = readme.split('\n').filter(l => l.startsWith('| nothing |') || l.startsWith("| `-H 'x-bailiwick"))
  test('has its four rows', () => expect(rows).toHaveLength(4))
  test.each(rows)('%s', async row => {
    const [, stated, answered] = row.split('|') as [string, string, string]
    const answer = await ask(headersIn(stated))
    if (answered.includes('403')) expect([answer.status, await answer.json()]).toMatchObject([403, { error: { code: 'no_permitted_model' } }])
    else expect(answered).toContain(`\`${answer.headers.get('x-bailiwick-deployment')}\``)
  })
})

test("the snippet with OpenAI's client prints the sentence twice", async () => {
  const code = block('js', 'new OpenAI').replace('http://127.0.0.1:8787', gateway.url)
  const child = spawn(process.execPath, ['--input-type=module', '-'], { cwd: root, stdio: 'pipe' })
  let out = '', err = ''
  child.stdout.on('data', (part: Buffer) => { out += part.toString() })
  child.stderr.on('data', (part: Buffer) => { err += part.toString() })
  child.stdin.end(code)
  await new Promise(resolve => child.once('close', resolve))
  expect(err).toBe('')
  expect(out).toBe(`${SENTENCE}\n${SENTENCE}`)
})

test('the answer to why is the one that is printed', async () => {
  const input = /echo '([^']+)'/.exec(block('sh', 'explain'))![1]!
  const { out, code } = await bailiwick(['explain', '--request', '-'], { input, directory: root })
  expect(code).toBe(0)
  expect(out).toContain(block('', 'rehearsal-us-large').split('\n').slice(1).join('\n'))
  expect(out).toContain(block('', 'rehearsal-us-large').split('\n')[0]!)
})

test('the rule that is shown is the rule that is shipped', () => {
  expect(readFileSync(`${root}/policies/rules/gdpr.policy.yaml`, 'utf8')).toContain(block('yaml', 'special-categories-stay-home').trimEnd())
})
