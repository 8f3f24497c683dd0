/** A folder that is replaced by deleting and copying has moments without its rules; those moments must not be in force. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { KEY, providerProcess, said, type ProviderProcess } from '../support/listening.ts'
import { cleanUp, folderOf, serve } from '../support/processes.ts'
import { threePlacesFiles } from '../support/three-places.ts'

const providers: ProviderProcess[] = []
afterEach(async () => {
  await Promise.all(providers.splice(0).map(p => p.kill()))
  await cleanUp()
})

test('a rule that is gone for a moment goes on biting', async () => {
  const [home, second, abroad] = await Promise.all(['home', 'second', 'abroad'].map(name => providerProcess(name))) as [ProviderProcess, ProviderProcess, ProviderProcess]
  providers.push(home, second, abroad)
  const files = await threePlacesFiles({ home: home.url, second: second.url, abroad: abroad.url })
  const folder = folderOf(files)
  const gateway = await serve(folder)
  const chat = async (): Promise<string> => said(await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` }, body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'x' }] }),
  }))
  expect(await chat()).toBe('from home')

  const rules = join(folder, 'rules/home.policy.yaml')
  rmSync(rules)
  const until = Date.now() + 500
  while (Date.now() < until) expect(await chat()).toBe('from home')
  writeFileSync(rules, files['rules/home.policy.yaml']!)
  const later = Date.now() + 1_500
  while (Date.now() < later) expect(await chat()).toBe('from home')
  expect(await abroad.count()).toBe(0)

  // The twin: a rule that is really deleted is gone once the folder has been quiet.
  rmSync(rules)
  await expect.poll(chat, { timeout: 10_000 }).toBe('from abroad')
})
