import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp, folderOf, type Ran } from '../support/processes.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url))
const BUILD = "import { appendFileSync, writeFileSync } from 'node:fs'\nappendFileSync('builds', 'x')\nwriteFileSync('src/bundle/validators.gen.js', '')\n"
const MANIFEST = { name: 'checkout', version: '1.0.0' }

/** A checkout without packages, so that npm needs no network. */
function checkout(files: Readonly<Record<string, string>> = {}): string {
  const folder = folderOf({
    'package.json': JSON.stringify(MANIFEST),
    'package-lock.json': JSON.stringify({ ...MANIFEST, lockfileVersion: 3, packages: { '': MANIFEST } }),
    'src/bundle/schema.ts': '', 'src/policy/facts.ts': '', 'src/catalog/catalog.ts': '', 'scripts/build-validators.mjs': BUILD, ...files,
  })
  copyFileSync(SCRIPT, join(folder, 'scripts/setup.mjs'))
  return folder
}

const setUp = (folder: string, environment: NodeJS.ProcessEnv = process.env): Promise<Ran> => new Promise(resolve => {
  execFile(process.execPath, [join(folder, 'scripts/setup.mjs')], { env: environment }, (error, out, err) => {
    resolve({ code: error === null ? 0 : Number(error.code), out, err })
  })
})
const builds = (folder: string): number => (existsSync(join(folder, 'builds')) ? readFileSync(join(folder, 'builds'), 'utf8').length : 0)

describe('the set-up of a checkout', () => {
  afterEach(cleanUp)

  it('installs and builds once, and is silent when there is nothing to do', async () => {
    const folder = checkout()
    const first = await setUp(folder)
    expect(first).toMatchObject({ code: 0, out: '' })
    expect(first.err).toMatch(/^Installing the locked packages.*\nBuilding the policy validators.*\n$/)
    expect(await setUp(folder)).toEqual({ code: 0, out: '', err: '' })
    expect(builds(folder)).toBe(1)
  })

  it('builds again when a schema changed, and installs again when the lock changed', async () => {
    const folder = checkout()
    await setUp(folder)
    writeFileSync(join(folder, 'src/bundle/schema.ts'), '// changed')
    expect((await setUp(folder)).err).toMatch(/^Building the policy validators.*\n$/)
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...MANIFEST, lockfileVersion: 3, requires: true, packages: { '': MANIFEST } }))
    expect((await setUp(folder)).err).toContain('Installing the locked packages')
  })

  it('does the work once when two start together', async () => {
    const folder = checkout()
    const both = await Promise.all([setUp(folder), setUp(folder)])
    expect(both.map(ran => ran.code)).toEqual([0, 0])
    expect(builds(folder)).toBe(1)
  })

  it('says what to do when npm fails', async () => {
    const folder = checkout({ 'package.json': JSON.stringify({ ...MANIFEST, dependencies: { missing: '1.0.0' } }) })
    const ran = await setUp(folder)
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('could not install the locked packages')
    expect(ran.err).toContain('npm ci')
    expect(builds(folder)).toBe(0)
  })

  it('says what to do when there is no npm', async () => {
    expect(await setUp(checkout(), { ...process.env, PATH: '/nowhere' })).toMatchObject({ code: 1, err: expect.stringContaining('npm was not found') as string })
  })

  it('says what to do when the validators cannot be built, and tries again the next time', async () => {
    const folder = checkout({ 'scripts/build-validators.mjs': "throw new Error('a schema is broken')" })
    const ran = await setUp(folder)
    expect(ran.code).toBe(1)
    expect(ran.err).toContain('a schema is broken')
    writeFileSync(join(folder, 'scripts/build-validators.mjs'), BUILD)
    expect((await setUp(folder)).code).toBe(0)
    expect(builds(folder)).toBe(1)
  })
})
