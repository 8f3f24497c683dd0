import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { readPolicies, signatureOf } from '../../src/runtime/node-policies.ts'
import { cleanUp, folderOf, freshFolder } from '../support/processes.ts'

const read = async (folder: string): Promise<Record<string, string>> => {
  const answer = await readPolicies(folder)
  if (!answer.ok) throw new Error(answer.wrong)
  return Object.fromEntries(answer.sources)
}

describe('reading the policies folder', () => {
  afterEach(cleanUp)

  it('takes every YAML file, by its name relative to the folder, and no other', async () => {
    const folder = folderOf({ 'labels.yaml': 'a', 'rules/x.policy.yaml': 'b', 'rules/y.yml': 'c', 'README.md': 'd', 'schema/app.schema.json': '{}', '.labels.yaml.swp': 'e', '.git/x.yaml': 'f', 'labels.yaml~': 'g' })
    expect(await read(folder)).toEqual({ 'labels.yaml': 'a', 'rules/x.policy.yaml': 'b', 'rules/y.yml': 'c' })
  })

  it('follows links, as a container mounts them', async () => {
    const folder = freshFolder()
    mkdirSync(join(folder, '..one/rules'), { recursive: true })
    writeFileSync(join(folder, '..one/rules/x.policy.yaml'), 'first')
    symlinkSync('..one', join(folder, '..data'))
    symlinkSync('..data/rules', join(folder, 'rules'))
    expect(await read(folder)).toEqual({ 'rules/x.policy.yaml': 'first' })

    const before = await signatureOf(folder)
    mkdirSync(join(folder, '..two/rules'), { recursive: true })
    writeFileSync(join(folder, '..two/rules/x.policy.yaml'), 'other')
    symlinkSync('..two', join(folder, '..new'))
    expect(await signatureOf(folder)).toBe(before)
    renameSync(join(folder, '..new'), join(folder, '..data'))
    expect(await signatureOf(folder)).not.toBe(before)
    expect(await read(folder)).toEqual({ 'rules/x.policy.yaml': 'other' })
  })

  it('refuses a folder that is not there, is a file, holds nothing or holds a link to nowhere', async () => {
    const folder = freshFolder()
    const wrong = async (path: string): Promise<string> => {
      const answer = await readPolicies(path)
      return answer.ok ? 'read' : answer.wrong
    }
    expect(await wrong(join(folder, 'no'))).toContain('does not exist')
    expect(await wrong(folder)).toContain('holds no policy files')
    writeFileSync(join(folder, 'file'), '')
    expect(await wrong(join(folder, 'file'))).toContain('is not a folder')
    symlinkSync('nowhere', join(folder, 'x.yaml'))
    expect(await wrong(folder)).toContain('leads nowhere')
    unlinkSync(join(folder, 'x.yaml'))
    symlinkSync('.', join(folder, 'loop'))
    expect(await wrong(folder)).toContain('nested')
  })

  it('never gives a mixture of two states of a folder that changes while it is read', async () => {
    const folder = folderOf({ 'a.yaml': '0', 'b.yaml': '0' })
    for (let state = 1; state <= 5; state++) {
      const reading = read(folder)
      for (const name of ['a.yaml', 'b.yaml']) writeFileSync(join(folder, name), String(state))
      const { 'a.yaml': a, 'b.yaml': b } = await reading
      expect([a, b]).toEqual([String(state), String(state)])
    }
  })
})

describe('the signature of the policies folder', () => {
  afterEach(cleanUp)
  const FILES = { 'a.yaml': 'one', 'rules/b.yaml': 'two' }

  it.each<[string, (folder: string) => void]>([
    ['content of the same size', folder => writeFileSync(join(folder, 'a.yaml'), 'eno')],
    ['a new file', folder => writeFileSync(join(folder, 'rules/c.yaml'), 'three')],
    ['a file that went', folder => rmSync(join(folder, 'a.yaml'))],
    ['a new name', folder => renameSync(join(folder, 'a.yaml'), join(folder, 'z.yaml'))],
    ['a file put in the place of another', folder => {
      writeFileSync(join(folder, '.a.yaml.new'), 'new')
      renameSync(join(folder, '.a.yaml.new'), join(folder, 'a.yaml'))
    }],
    ['the folder gone', folder => rmSync(folder, { recursive: true })],
  ])('changes with %s', async (_, change) => {
    const folder = folderOf(FILES)
    const before = await signatureOf(folder)
    expect(await signatureOf(folder)).toBe(before)
    change(folder)
    expect(await signatureOf(folder)).not.toBe(before)
  })

  it('stays when something changes that is no policy', async () => {
    const folder = folderOf(FILES)
    const before = await signatureOf(folder)
    writeFileSync(join(folder, 'README.md'), 'words')
    writeFileSync(join(folder, '.a.yaml.swp'), 'half')
    expect(await signatureOf(folder)).toBe(before)
  })
})
