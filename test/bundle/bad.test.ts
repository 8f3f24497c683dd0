/**
 * Every mistake has one message, at its place, in our words. The corpus is `bad/` (see its README): a folder for each
 * mistake, with the files that hold it and what `bailiwick check` says. What cannot stand in a file is below.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/bundle/compile.ts'
import { printProblem, type Problem } from '../../src/bundle/problem.ts'
import { compileChanged, filesIn, GOOD, type Change } from './tree.ts'

const RULES = 'rules/gdpr.policy.yaml', NOTICE = 'directives/notice.policy.yaml', GROUP = 'groups/eea.yaml', LABELS = 'labels.yaml'
const APP = 'apps/crm.yaml', EXCEPTIONS = 'exceptions/2026.yaml', TEST = 'rules/gdpr.test.yaml'

const EXPECTED = 'expected.txt'
const mistakes = readdirSync(fileURLToPath(new URL('bad', import.meta.url)), { withFileTypes: true }).filter(e => e.isDirectory()).map(e => e.name).sort()
const filesOf = (mistake: string): ReadonlyMap<string, string> => filesIn(`bad/${mistake}`)

async function problemsOf(mistake: string): Promise<{ readonly problems: readonly Problem[]; readonly sources: ReadonlyMap<string, string> }> {
  const sources = new Map([...Object.entries(GOOD), ...[...filesOf(mistake)].filter(([file]) => file !== EXPECTED)])
  const compiled = await compile(sources)
  return { problems: compiled.ok ? compiled.bundle.warnings : compiled.problems, sources }
}

describe('the corpus', () => {
  test.each(mistakes)('%s', async mistake => {
    const { problems, sources } = await problemsOf(mistake)
    expect(problems.map(p => `${p.rule}\n${printProblem(p, sources.get(p.file))}\n`).join('')).toBe(filesOf(mistake).get(EXPECTED))
    expect(problems, 'one mistake, one message').toHaveLength(1)
  })

  test('holds every refusal that the parser, the check of shape and the readers can make', () => {
    // What test-file.ts refuses is a matter of the command `test`.
    const source = readdirSync(new URL('../../src/bundle', import.meta.url)).filter(name => name.endsWith('.ts') && name !== 'test-file.ts')
      .map(name => readFileSync(new URL(`../../src/bundle/${name}`, import.meta.url), 'utf8')).join('\n')
    // How the code refuses: refuse(place, 'word', 'sentence' ...), the same with special and warn, and rule: 'word'.
    const words = [...source.matchAll(/\b(?:refuse|special|warn)\([^\n]*?(?<=[( ])'([a-z]+(?:-[a-z]+)*)',[ \n]*[`'"]|\brule: '([a-z-]+)'/g)].map(m => (m[1] ?? m[2])!)
    const shown = new Set([...mistakes.map(mistake => filesOf(mistake).get(EXPECTED)!.split('\n')[0]!), ...ELSEWHERE])
    expect([...new Set(words)].filter(word => !shown.has(word))).toEqual([])
    expect(words.length).toBeGreaterThan(80)
  })
})

/** Shown below, or a fault of the program that nobody can write. */
const ELSEWHERE: readonly string[] = ['file-too-large', 'word-used-once', 'not-compiled']

test('a misspelt word is one mistake, wherever it stands and whatever else leans on it', async () => {
  for (const [file, text] of Object.entries(GOOD)) {
    for (const { index, 1: word } of text.matchAll(/([a-z][a-z-]{3,}):(?=[ \n])/g)) {
      for (const instead of [word!.slice(0, -1), word!.replace(/[aeo]/, letter => ({ a: 'а', e: 'е', o: 'о' })[letter]!), 'quite-another'].filter(other => other !== word)) {
        const compiled = await compileChanged({ file, to: text.slice(0, index) + instead + text.slice(index + word!.length) })
        const before = text.slice(0, index).split('\n')
        expect(compiled.ok ? [] : compiled.problems.map(p => `${p.file}:${p.line}:${p.column}`), `${instead} for ${word!}`)
          .toEqual([`${file}:${before.length}:${before.at(-1)!.length + 1}`])
      }
    }
  }
})

test('a file that is too large', async () => {
  const compiled = await compileChanged({ file: LABELS, to: `# ${'x'.repeat(262_144)}\nlanguage: bailiwick/v1\nlabels: []\n` })
  expect(compiled.ok ? [] : compiled.problems.map(p => printProblem(p))).toEqual(['labels.yaml:1:1: The file is larger than 256 KB - split it into several files'])
})

test('the tree that every case changes compiles without a warning', async () => {
  const compiled = await compile(new Map(Object.entries(GOOD)))
  expect(compiled.ok ? compiled.bundle.warnings : compiled.problems).toEqual([])
})

describe('what is said and does not stop', () => {
  const warningsOf = async (change: Change): Promise<readonly string[]> => {
    const compiled = await compileChanged(change)
    return compiled.ok ? compiled.bundle.warnings.map(w => `${w.severity} ${w.file}:${w.line}:${w.column} ${w.wrong} - ${w.write}`) : ['did not compile']
  }

  test('curly quotation marks', async () => {
    expect(await warningsOf({ file: GROUP, from: 'source: The agreement', to: 'source: “The agreement”' }))
      .toEqual(['warning groups/eea.yaml:4:9 Curly quotation marks are part of the text - type straight ones, or none'])
  })

  test('a word of an open vocabulary that stands alone, with the one it may have been', async () => {
    const rule = (word: string): Change => ({ file: RULES, from: '{ data: [personal] }', to: `{ one-of: [{ governed-by: [gdpr, hipaa] }, { governed-by: [gdpr, ${word}] }] }` })
    expect(await warningsOf(rule('hippa'))).toEqual([
      'warning rules/gdpr.policy.yaml:10:44 hipaa of governed-by is written nowhere else - did you mean hippa?',
      'warning rules/gdpr.policy.yaml:10:76 hippa of governed-by is written nowhere else - did you mean hipaa?',
    ])
    expect(await warningsOf(rule('hipaa'))).toEqual([])
  })

  test('curly quotation marks around a code are one mistake, not two', async () => {
    const compiled = await compileChanged({ file: APP, from: '[personal]', to: '[“personal”]' })
    expect(compiled.ok ? [] : compiled.problems.map(p => p.wrong)).toEqual(['There is no label “personal”. Did you mean personal?'])
  })
})

describe('what is fine', () => {
  const fine: readonly (readonly [string, Change])[] = [
    ['a byte order mark at the start', { file: GROUP, from: 'language', to: '\ufefflanguage' }],
    ['lines that end in CR LF', { file: GROUP, to: GOOD[GROUP]!.replaceAll('\n', '\r\n') }],
    ['a comment after a code', { file: GROUP, from: 'group: eea', to: 'group: eea # the area' }],
    ['# inside quotes', { file: RULES, from: 'because: It is the rule', to: "because: 'rule #5 applies'" }],
    ['# inside a word', { file: RULES, from: 'because: It is the rule', to: 'because: rule#5 applies' }],
    ['a sentence in another alphabet', { file: RULES, from: 'because: It is the rule', to: 'because: Таково правило' }],
    ['a text block', { file: RULES, from: 'because: It is the rule', to: 'because: |\n      It is # the rule\n      of: the house' }],
    ['a first line that marks the document', { file: GROUP, from: 'language', to: '---\nlanguage' }],
    ['NO for Norway', { file: RULES, from: '[eea]', to: '[NO]' }],
    ['a part of a country', { file: RULES, from: '[eea]', to: '[CA-QC]' }],
    ['an empty list after only', { file: RULES, from: '[eea]', to: '[]' }],
    ['until on the day of from', { file: RULES, from: 'from: 2026-11-01,', to: 'from: 2026-11-01, until: 2026-11-01,' }],
    ['a directive whose review lies on the fourteenth day', { file: NOTICE, from: '2026-06-19', to: '2026-06-26' }],
    ['an exception of exactly the days allowed', { file: EXCEPTIONS, from: 'until: 2026-11-30', to: 'until: 2026-12-01T00:00:00' }],
    ['an approver by the whole entry', { file: RULES, from: 'approver: [dpo]', to: 'approver: dpo@example.eu' }],
    ['text that is not YAML', { file: 'README.md', to: 'a: [b' }],
    ['a schema for editors', { file: 'schema/policy.json', to: '{' }],
    ['a catalog that a test brings along', { file: 'rules/other.yaml', to: 'anything: at all' }],
  ]
  test.each(fine)('%s', async (name, change) => {
    const brought = { file: TEST, to: 'language: bailiwick/v1\ntests-for: gdpr\nclock: 2026-11-22T12:00:00Z\ncatalog: other.yaml\ncases:\n  - { name: x, given: { app: crm }, allowed: [] }\n' }
    const compiled = await compileChanged(change, ...(name.startsWith('a catalog') ? [brought] : []))
    expect(compiled.ok ? [] : compiled.problems).toEqual([])
  })
})
