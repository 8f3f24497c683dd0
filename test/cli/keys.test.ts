import { createHash } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { bailiwick, cleanUp, folderOf } from '../support/processes.ts'
import { app, provider } from '../support/tree.ts'
import { run } from './stand-in.ts'

const FOLDER = { 'apps/desk.yaml': app('desk'), 'catalog/own.yaml': provider('own', '', ['{ deployment: ours, model: own/small }']) }

describe('keys new', () => {
  afterEach(cleanUp)

  it('shows a key and the line that lets it in, and where that goes', async () => {
    const folder = folderOf(FOLDER)
    const said = await run(['keys', 'new', 'desk', '--policies', folder])
    expect(said.code).toBe(0)
    const key = /^ {2}(bw-[A-Za-z0-9_-]{43})$/m.exec(said.out)?.[1]
    expect(said.out).toContain(`key-hashes:\n  - sha256:${createHash('sha256').update(key!).digest('hex')}\n`)
    expect(said.out).toContain(`${folder}/apps/desk.yaml`)
  })

  it('never shows the same key twice', async () => {
    const folder = folderOf(FOLDER)
    const [one, other] = await Promise.all([bailiwick(['keys', 'new', 'desk', '--policies', folder]), bailiwick(['keys', 'new', 'desk', '--policies', folder])])
    expect(one.code).toBe(0)
    expect(one.out).not.toBe(other.out)
  })

  it('refuses an app that is not there and says which may be meant', async () => {
    const said = await run(['keys', 'new', 'dsek', '--policies', folderOf(FOLDER)])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain("No app is called 'dsek'")
    expect(said.err).toContain('Did you mean desk?')
  })

  it('gives no key while the policies do not compile', async () => {
    expect(await run(['keys', 'new', 'desk', '--policies', folderOf({ ...FOLDER, 'apps/desk.yaml': app('desk', 'grant: all') })])).toMatchObject({ code: 3, out: '' })
  })
})
