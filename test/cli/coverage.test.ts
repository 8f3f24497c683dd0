import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp, folderOf } from '../support/processes.ts'
import { provider } from '../support/tree.ts'
import { AT, FOLDER, withRules, STAYS, NOT_KEPT } from './officer-folder.ts'
import { run } from './stand-in.ts'

describe('coverage', () => {
  afterEach(cleanUp)

  it('has a line for every app and kind of data', async () => {
    const said = await run(['coverage', folderOf(FOLDER), '--at', AT])
    expect(said.code).toBe(0)
    expect(said.out).toMatch(/^desk +\[personal\] +2 +2 +3 +1 \(home\) +0 \(FR\) +1$/m)
    expect(said.out).toMatch(/^desk +\[source-code\] +3 +3 +3 /m)
    expect(said.out).toMatch(/^desk +unknown +2 +2 +3 /m)
    expect(said.out).toContain('Every profile has a deployment.\n')
  })

  it('names the profiles that have none, and does not count what has no connection', async () => {
    const unconnected = { ...withRules(STAYS, NOT_KEPT), 'catalog/home.yaml': provider('home', 'hosting: local\nprocessed-in: [FR]', ['{ deployment: fr, model: lab/small }']) }
    const said = await run(['coverage', folderOf(unconnected), '--at', AT])
    expect(said.code).toBe(0)
    expect(said.out).toMatch(/^desk +\[personal\] +0 +1 +3 +- +- +-$/m)
    expect(said.out).toContain('2 of 4 profiles have none:\n  app=desk data=[personal]\n  app=desk data=unknown\n')
  })

  it('names the operation that is worst off at the end of its line, where that is not text', async () => {
    const vectors = provider('own', 'dialect: openai\nbase-url: http://127.0.0.1:9\nhosting: local\nprocessed-in: [FR]', ['{ deployment: vectors, model: own/v, operations: [embedding] }'])
    const said = await run(['coverage', folderOf({ ...withRules(STAYS, NOT_KEPT), 'catalog/own.yaml': vectors }), '--at', AT])
    expect(said.out).toMatch(/^app .* any cloud {2}operation$/m)
    expect(said.out).toMatch(/^desk +\[source-code\] +1 +3 +4 +0 \(own\) .* embedding$/m)
    expect(said.out).toMatch(/^desk +\[personal\] +1 +2 +4 +0 \(home\) +0 \(FR\) +1$/m)
    expect((await run(['coverage', folderOf(FOLDER), '--at', AT])).out).not.toContain('operation')
  })

  it('gives the same as JSON', async () => {
    const said = await run(['coverage', folderOf(FOLDER), '--at', AT, '--format', 'json'])
    expect(JSON.parse(said.out)).toMatchObject({
      at: '2026-11-22T11:00:00.000Z', none: [],
      profiles: [{ data: ['none'] }, { app: 'desk', data: ['personal'], operation: 'text', deployments: 3, permitted: ['fr', 'odd'], fit: ['fr', 'odd'], 'without-provider': { which: 'home', left: 1 } }, {}, { data: 'unknown' }],
    })
  })

  it.each([['a format that is none', ['--format', 'yaml'], 2], ['a folder that is not there', ['nowhere'], 2]])('refuses %s', async (_, args, code) => {
    expect((await run(['coverage', ...args])).code).toBe(code)
  })

  it('ends with 3 where the policies do not compile', async () => {
    const said = await run(['coverage', folderOf(withRules('  - id: x'))])
    expect(said).toMatchObject({ code: 3, out: '' })
  })
})
