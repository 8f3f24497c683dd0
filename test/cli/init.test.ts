import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { bailiwick, cleanUp, freshFolder } from '../support/processes.ts'
import { run } from './stand-in.ts'

const PROJECT = fileURLToPath(new URL('../../policies', import.meta.url))
const yamlIn = (folder: string): readonly string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.yaml')).sort()

describe('init', () => {
  afterEach(cleanUp)

  it('writes a folder that compiles as it stands', async () => {
    const folder = join(freshFolder(), 'mine')
    const said = await run(['init', folder])
    expect(said.code).toBe(0)
    expect(said.out).toContain(`bailiwick serve --policies ${folder}`)
    expect((await run(['check', folder, '--at', '2026-01-01T00:00:00Z'])).code).toBe(0)
  })

  it('names in the first line of every file a schema that is there', async () => {
    const folder = join(freshFolder(), 'mine')
    await run(['init', folder], { starter: PROJECT })
    expect(yamlIn(folder).length).toBeGreaterThan(5)
    for (const name of yamlIn(folder)) {
      const schema = /^# yaml-language-server: \$schema=(\S+)\n/.exec(readFileSync(join(folder, name), 'utf8'))?.[1]
      expect(schema, name).toBeDefined()
      const file = join(folder, dirname(name), schema!)
      expect(existsSync(file), file).toBe(true)
      expect(JSON.parse(readFileSync(file, 'utf8'))).toHaveProperty('$schema')
    }
  })

  it('copies the policies of the project when it runs for real', async () => {
    const folder = join(freshFolder(), 'mine')
    expect((await bailiwick(['init', folder])).code).toBe(0)
    expect(yamlIn(folder)).toEqual(yamlIn(PROJECT))
    expect((await run(['check', folder, '--at', '2026-11-22T11:00:00Z'])).code).toBe(0)
  })

  it('writes into a folder that is there and empty', async () => {
    expect((await run(['init', freshFolder()])).code).toBe(0)
  })

  it('leaves a folder alone that holds something, and a file', async () => {
    const folder = freshFolder()
    writeFileSync(join(folder, 'mine.txt'), 'mine')
    expect((await run(['init', folder])).code).toBe(2)
    expect(readdirSync(folder)).toEqual(['mine.txt'])
    expect((await run(['init', join(folder, 'mine.txt')])).code).toBe(2)
    mkdirSync(join(folder, 'empty'))
    expect((await run(['init', join(folder, 'empty')])).code).toBe(0)
  })
})
