/** The cases that officers write: each is put to the decision, the explanation and the oracle. Dropping a rule must show. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/bundle/compile.ts'
import type { Compiled } from '../../src/bundle/bundle.ts'
import { printProblem } from '../../src/bundle/problem.ts'
import { decide } from '../../src/policy/decide.ts'
import { explain } from '../../src/policy/explain.ts'
import type { Rulebook } from '../../src/policy/rule.ts'
import { complaints, readPolicyCases, treeOf } from '../support/policy-cases.ts'
import type { Answer, PolicyCase } from '../support/policy-cases.ts'
import { reference } from './reference.ts'

const folderOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** Section 12 alone says that every one of its rules is needed; the packs say it of themselves in their own tests. */
await holds('test/fixtures/worked', { cases: 13, rules: 11 })
if (existsSync(folderOf('policies'))) await holds('policies')

async function holds(folder: string, complete?: { readonly cases: number; readonly rules: number }): Promise<void> {
  const tree = treeOf(folderOf(folder))
  const tests = [...tree].filter(([file]) => file.endsWith('.test.yaml'))
  const cases = tests.flatMap(([file, text]) => readPolicyCases(file, text))
  // A test file may bring a catalog of its own: one compilation for each.
  const books = new Map<string | undefined, Compiled>()
  for (const catalog of new Set(cases.map(one => one.catalog))) books.set(catalog, await compile(withCatalog(tree, catalog)))
  const bookOf = (one: PolicyCase): Rulebook => {
    const compiled = books.get(one.catalog)!
    if (!compiled.ok) throw new Error(compiled.problems.map(problem => printProblem(problem, tree.get(problem.file))).join('\n'))
    return withMayCarry(compiled.bundle.rulebook, one)
  }

  describe(`the cases of ${folder}`, () => {
    test('are found: every test file has some', () => {
      expect(tests.map(([file]) => file).filter(file => !cases.some(one => one.file === file))).toEqual([])
      if (complete !== undefined) expect(cases).toHaveLength(complete.cases)
    })

    for (const one of cases) {
      test(`${one.file}: ${one.name}`, () => {
        const book = bookOf(one)
        const asked = { trusted: one.request }
        const explained: Answer = explain(book, asked, one.at)
        expect(complaints(one, explained), 'explain').toEqual([])
        expect(complaints(one, byOracle(book, one)), 'the oracle').toEqual([])
        // The decision carries no rows: its pool and its outcome stand in for those of the explanation.
        const { outcome, permitted } = decide(book, asked, one.at)
        expect(complaints(one, { ...explained, outcome, permitted }), 'decide').toEqual([])
      })
    }

    if (complete === undefined) return
    test('each of the rules is needed: without it a case fails', () => {
      const rules = bookOf(cases[0]!).rules.map(rule => rule.name)
      expect(rules).toHaveLength(complete.rules)
      const idle = rules.filter(rule => cases.every(one => complaints(one, explain(without(bookOf(one), rule), { trusted: one.request }, one.at)).length === 0))
      expect(idle).toEqual([])
    })
  })
}

const without = (book: Rulebook, name: string): Rulebook =>
  ({ ...book, rules: book.rules.filter(rule => rule.name !== name), exceptions: book.exceptions.filter(exception => exception.rule !== name) })

function withCatalog(tree: ReadonlyMap<string, string>, catalog: string | undefined): ReadonlyMap<string, string> {
  if (catalog === undefined) return tree
  const other = tree.get(catalog)
  if (other === undefined) throw new Error(`${catalog} does not exist`)
  return new Map([...[...tree].filter(([file]) => file !== catalog && !file.startsWith('catalog/')), ['catalog/of-the-test.yaml', other]])
}

/** `may-carry` in a case stands for what the app's registration says, closed upward. */
function withMayCarry(book: Rulebook, one: PolicyCase): Rulebook {
  const app = book.apps.get(String(one.request['app']))
  if (one.mayCarry === undefined || app === undefined) return book
  const closed = new Set<string>()
  for (const label of one.mayCarry.filter(word => word !== 'none')) {
    for (let next: string | undefined = label; next !== undefined; next = book.labels.get(next)) closed.add(next)
  }
  return { ...book, apps: new Map([...book.apps, [app.name, { ...app, mayCarry: [...closed] }]]) }
}

/** The oracle's answer in the machine form. */
function byOracle(book: Rulebook, one: PolicyCase): Answer {
  const law = reference(book, { trusted: one.request }, one.at)
  const { mayLogIn, log, redact, cache, notify, retainEvidence, rescue, requestDigest, header } = law.duties
  const places = (one.expects['must-do']?.['log-in'] ?? []) as readonly string[]
  return {
    outcome: law.outcome,
    permitted: law.permitted,
    deployments: [...law.rows].map(([deployment, row]) => ({
      deployment,
      because: [...row.removedBy].map(rule => ({ rule })),
      'would-exclude': [...row.wouldExclude].map(rule => ({ rule })),
      exceptions: [...row.exceptions].map(used => ({ exception: used.split(' ')[0]! })),
    })),
    duties: {
      ...(redact && { redact: [...redact] }), ...(log && { log }), ...(cache && { cache: [...cache] }), ...(notify && { notify: [...notify] }),
      ...(retainEvidence !== undefined && { 'retain-evidence': `${retainEvidence}h` }), ...(rescue && { rescue }), ...(requestDigest && { 'request-digest': requestDigest }), ...(header && { header: Object.fromEntries(header) }),
      // The oracle answers for places, not for names of groups: a name stands when all its members may keep records.
      ...(mayLogIn && { 'log-in': places.filter(name => (book.groups.get(name)?.members.map(member => member.value) ?? [name]).every(mayLogIn)) }),
    },
  }
}
