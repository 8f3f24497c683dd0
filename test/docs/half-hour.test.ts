/** docs/half-hour.md and docs/changing-a-policy.md, walked through: every command, every edit, and every line that they print. */
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cleanUp, freshFolder } from '../support/processes.ts'
import { carryOut, isPrinted, momentOf, runIn, stepsOf } from './walkthrough.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(`${root}/${file}`, 'utf8')

afterAll(cleanUp)

/** One test a step, in order: a step that fails leaves the folder as it is, and the steps after it show what hangs on it. */
function walk(file: string, prepare: (folder: string) => void): void {
  describe(file, () => {
    const page = read(file)
    const moment = momentOf(page)
    let folder = ''
    beforeAll(() => {
      folder = freshFolder()
      prepare(folder)
    })

    for (const step of stepsOf(page)) {
      const name = step.kind === 'command' ? step.words.join(' ') : `${step.kind} ${step.file}`
      test(`line ${step.line}: ${name}`, async () => {
        if (step.kind !== 'command') return carryOut(step, folder)
        const { code, printed } = await runIn(folder, step, moment)
        if (step.prints !== undefined && !isPrinted(step.prints, printed)) expect(printed).toBe(step.prints)
        expect(code, printed).toBe(step.code)
      })
    }
  })
}

walk('docs/half-hour.md', () => {})
walk('docs/changing-a-policy.md', folder => {
  cpSync(`${root}/policies`, `${folder}/policies`, { recursive: true })
  const settings = ['user.name=test', 'user.email=test@example.com', 'commit.gpgsign=false', 'core.hooksPath='].flatMap(one => ['-c', one])
  const git = (...args: readonly string[]): string => execFileSync('git', [...settings, ...args], { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
  git('init', '--quiet')
  git('add', '.')
  git('commit', '--quiet', '-m', 'the starter policies')
})

describe('the half hour', () => {
  const page = read('docs/half-hour.md')
  const commands = stepsOf(page).flatMap(step => (step.kind === 'command' && step.words[0] === 'bailiwick' ? [step] : []))

  test('goes from an empty folder to an enforced rule, by way of three mistakes, a hole and a dry run', () => {
    expect(commands.map(c => c.words[1]).filter((word, i, all) => word !== all[i - 1])).toEqual(
      ['init', 'check', 'test', 'calendar', 'impact', 'test', 'sentences', 'impact', 'test'])
    expect(commands.filter(c => c.prints?.includes('3 errors')).map(c => c.code)).toEqual([3])
    expect(commands.filter(c => c.words.includes('--mutate')).map(c => c.code)).toEqual([4, 0])
    expect(commands.find(c => c.words[1] === 'sentences')!.prints).toContain('It is enforced.')
  })

  test('every command but the first shows what it prints', () => {
    expect(commands.filter(c => c.words[1] !== 'init' && c.prints === undefined).map(c => c.words.join(' '))).toEqual([])
  })

  test('fits in half an hour', () => expect(page.trimEnd().split('\n').length).toBeLessThan(250))
})

describe('what stands for what is printed', () => {
  test('every line counts', () => {
    expect(isPrinted('one\ntwo\n', 'one\ntwo\n')).toBe(true)
    expect(isPrinted('one\n', 'one\ntwo\n')).toBe(false)
    expect(isPrinted('one\ntwo\n', 'one\n')).toBe(false)
    expect(isPrinted('one.\n', 'ones\n')).toBe(false)
  })
  test('an ellipsis stands for lines where it is alone, and for the rest of one line elsewhere', () => {
    expect(isPrinted('one\n…\nfour\n', 'one\ntwo\nthree\nfour\n')).toBe(true)
    expect(isPrinted('one\n…\nfour\n', 'one\ntwo\nthree\n')).toBe(false)
    expect(isPrinted('bundle …, 2 notes\n', 'bundle 0123, 2 notes\n')).toBe(true)
    expect(isPrinted('bundle …, 2 notes\n', 'bundle 0123\n, 2 notes\n')).toBe(false)
  })
  test('a block that nobody would read is an error', () => {
    expect(() => stepsOf('```yaml\na: b\n```\n')).toThrow('which file')
    expect(() => stepsOf('Look:\n\n```\nprinted\n```\n')).toThrow('no command')
    expect(() => stepsOf('In **a.yaml**, write `b` for `c`.\n```sh\nbailiwick check\n```\n')).toThrow('instead of anything')
    expect(() => stepsOf('In **a.yaml**, replace:\n```yaml\na: b\n```\n')).toThrow('which file')
  })
  test('an edit of what is not there is an error', () => {
    const folder = freshFolder()
    carryOut({ kind: 'write', line: 1, file: 'a/b.yaml', text: 'a: b\n' }, folder)
    expect(() => carryOut({ kind: 'replace', line: 9, file: 'a/b.yaml', old: 'c: d\n', text: '' }, folder)).toThrow('line 9: stands 0 times in a/b.yaml')
  })
})
