/**
 * docs/policy-language.md against the code it describes: its examples compile as one folder, its tables hold every fact
 * and say what the matcher does, and what it says is refused is refused in those words.
 */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Compiled } from '../../src/bundle/bundle.ts'
import { compile } from '../../src/bundle/compile.ts'
import { isDirective, kindOf } from '../../src/bundle/files.ts'
import { printProblem } from '../../src/bundle/problem.ts'
import { KINDS } from '../../src/bundle/schema.ts'
import { STATABLE } from '../../src/classify/classify.ts'
import { KINDS as REDACTABLE } from '../../src/obligation/identifiers.ts'
import { explain } from '../../src/policy/explain.ts'
import { BUILT_IN_LABELS, DEPLOYMENT_FACTS, REQUEST_FACTS, type FactDefinition } from '../../src/policy/facts.ts'
import { evaluate, resolve } from '../../src/policy/match.ts'
import type { Matcher } from '../../src/policy/rule.ts'
import { complaints, readPolicyCases } from '../support/policy-cases.ts'

const page = readFileSync(new URL('../../docs/policy-language.md', import.meta.url), 'utf8')
const lines = page.split('\n')

type Example = { readonly file: string | undefined; readonly line: number; readonly text: string }

/** Every block of YAML, with the file named in the last written line before it. */
const examples: readonly Example[] = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(block => {
  const before = page.slice(0, block.index).trimEnd().split('\n')
  return { file: /^\*\*(\S+\.yaml)\*\*$/.exec(before.at(-1)!)?.[1], line: before.length + 1, text: block[1]! }
})
const folder = new Map(examples.map(e => [e.file ?? '', e.text]))

/** The rows of the table under a heading, cell by cell, without its head; the nth table where there are several. */
function tableUnder(heading: string, nth = 0): readonly (readonly string[])[] {
  const start = lines.findIndex(line => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
  const end = lines.findIndex((line, i) => i > start && /^#+ /.test(line))
  const section = lines.slice(start, end < 0 ? undefined : end)
  const heads = section.flatMap((line, i) => (/^\|(?:---\|)+$/.test(line) ? [i] : []))
  const rows: string[][] = []
  for (let i = heads[nth]! + 1; section[i]?.startsWith('|'); i++) rows.push(section[i]!.split('|').slice(1, -1).map(cell => cell.trim()))
  return rows
}

const word = (cell: string): string => /^`([^`]+)`$/.exec(cell)?.[1] ?? cell

describe('the examples', () => {
  let compiled: Compiled
  beforeAll(async () => { compiled = await compile(folder) })

  test('each names its file, and none names the file of another', () => {
    expect(examples.length).toBeGreaterThan(0)
    expect(examples.filter(e => e.file === undefined).map(e => `line ${e.line}`)).toEqual([])
    expect(folder.size).toBe(examples.length)
  })

  test('there is one for every kind of file', () => {
    const shown = [...folder.keys()]
    expect(KINDS.filter(kind => !shown.some(file => kindOf(file) === kind))).toEqual([])
    expect(shown.some(isDirective)).toBe(true)
  })

  test('they compile as one folder, without a warning', () => {
    const problems = compiled.ok ? compiled.bundle.warnings : compiled.problems
    expect(problems.map(p => printProblem(p, folder.get(p.file)))).toEqual([])
    expect(compiled.ok).toBe(true)
  })

  test('a mistake in one of them would be found', async () => {
    const [file, text] = [...folder].find(([name]) => name.endsWith('.policy.yaml'))!
    expect((await compile(new Map([...folder, [file, text.replace('because:', 'becuase:')]]))).ok).toBe(false)
  })

  test('the cases of the example test hold', () => {
    if (!compiled.ok) throw new Error('the examples do not compile')
    const { rulebook } = compiled.bundle
    const cases = [...folder].filter(([file]) => kindOf(file) === 'test').flatMap(([file, text]) => readPolicyCases(file, text))
    expect(cases.length).toBeGreaterThan(0)
    expect(cases.flatMap(one => complaints(one, explain(rulebook, { trusted: one.request }, one.at)).map(c => `${one.name}: ${c}`))).toEqual([])
  })
})

describe('the tables of facts', () => {
  const tables: readonly (readonly [heading: string, facts: readonly FactDefinition[]])[] =
    [['Facts about the request', REQUEST_FACTS], ['Facts about a deployment', DEPLOYMENT_FACTS]]

  for (const [heading, facts] of tables) {
    const rows = tableUnder(heading)

    test(`${heading}: every fact, in the order of the code, and no other`, () => {
      expect(rows.map(row => word(row[0]!))).toEqual(facts.map(fact => fact.name))
    })

    for (const fact of facts) {
      test(`${heading}: ${fact.name} is described as the code has it`, () => {
        const [, says, values] = rows.find(row => word(row[0]!) === fact.name)!
        expect(says).toBe(fact.says)
        expect(values!.startsWith('a set of'), 'a set').toBe(fact.shape === 'set')
        expect(values!.includes('in order'), 'in order').toBe(fact.ordered === true)
        const words = fact.type === 'yes-no' ? ['yes', 'no'] : fact.words ?? []
        expect([...values!.matchAll(/`([^`]+)`/g)].map(m => m[1])).toEqual([...words])
        if (fact.type === 'country') expect(values).toMatch(/countr/)
        if (fact.type === 'label') expect(values).toMatch(/label/)
      })
    }
  }

  test('a fact is said by the caller where a header states it, and not elsewhere', () => {
    const byCaller = tableUnder('Facts about the request').filter(row => row[3]!.includes('caller')).map(row => word(row[0]!))
    expect(byCaller.toSorted()).toEqual([...STATABLE].sort())
  })
})

describe('the other tables', () => {
  test('lists match as the table of matching says', () => {
    const rows = tableUnder('Matching, and what not knowing does')
    const list = [{ value: 'FR' }, { value: 'DE' }]
    const matchers: readonly Matcher[] = [{ any: list }, { only: list }, { none: list }]
    const facts = [['FR'], ['FR', 'US'], ['US'], [], undefined]
    const answers = matchers.map(match => facts.map(fact =>
      ['no', 'not known', 'yes'][evaluate(resolve({ kind: 'fact', fact: 'processed-in', match }, new Map()), { 'processed-in': fact })]))
    expect(rows.map(row => row.slice(1))).toEqual(answers)
  })

  test('every built-in label stands with its parent', () => {
    const rows = tableUnder('Labels')
    const pairs = rows.flatMap(row => [[row[0]!, row[1]!], [row[3]!, row[4]!]]).map(([label, parent]) => [word(label!), /^`([^`]+)`$/.exec(parent!)?.[1]] as const)
    expect(new Map(pairs)).toEqual(new Map(BUILT_IN_LABELS))
  })

  test('every kind that can be redacted is named, and no other', () => {
    expect(tableUnder('Duties', 1).map(row => word(row[0]!)).toSorted()).toEqual([...REDACTABLE].sort())
  })

  for (const [written, says] of tableUnder('YAML: what is allowed, and what is refused')) {
    test(`refused in these words: ${written}`, async () => {
      const problems = await Promise.all(['rules/a.policy.yaml', 'groups/a.yaml'].map(async file => {
        const compiled = await compile(new Map([[file, `${word(written!)}\n`]]))
        return compiled.ok ? [] : compiled.problems.filter(p => p.severity === 'error')
      }))
      expect(problems.flat().map(p => p.wrong).filter(wrong => wrong.includes(says!)), problems.flat().map(p => p.wrong).join('\n')).not.toEqual([])
    })
  }
})

test('every link within the page leads to a heading', () => {
  const anchorOf = (heading: string): string => heading.toLowerCase().replace(/[^a-z0-9 -]/g, '').replaceAll(' ', '-')
  const anchors = lines.filter(line => /^#{1,6} /.test(line)).map(line => anchorOf(line.replace(/^#+ /, '')))
  const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(m => m[1]!)
  expect(links.length).toBeGreaterThan(0)
  expect(links.filter(link => !anchors.includes(link))).toEqual([])
  expect(new Set(anchors).size, 'two headings with one anchor').toBe(anchors.length)
})
