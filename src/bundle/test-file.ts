/**
 * What this is for: the cases of *.test.yaml files, with every name in them looked up (policy-language, sections 10 and 12).
 *
 * What it assumes: the tree compiled, so every test file has the shape of its kind.
 * What it promises: a word that names nothing is a problem at its place, never a case that expects nothing. No gateway
 * needs these files: `compile` builds a bundle without them, and only `check` and `test` read them.
 */
import type { Expectations, ExpectedReason, PolicyCase } from '../policy/case.ts'
import { requestFacts, type FactDefinition } from '../policy/facts.ts'
import type { Asked } from '../policy/request.ts'
import type { Duties, Instant, Rulebook } from '../policy/rule.ts'
import { readLocal } from '../policy/time.ts'
import type { Bundle, Sources } from './bundle.ts'
import { compile } from './compile.ts'
import { byBytes } from './digest.ts'
import { besideTest, kindOf } from './files.ts'
import { listed, nearest } from './nearest.ts'
import { entryOf, parse, valueOf, type Entry, type Scalar, type Tree } from './parse.ts'
import { readDuties } from './policy-file.ts'
import type { Problem } from './problem.ts'
import { Reading, type Names } from './reading.ts'

export type TestFile = {
  readonly file: string
  /** Names of policies. */
  readonly testsFor: readonly string[]
  /** The law the cases are held against: the tree's own, or the one with the catalog that the file names. */
  readonly rulebook: Rulebook
  readonly cases: readonly PolicyCase[]
}

export type Tests = { readonly files: readonly TestFile[]; readonly problems: readonly Problem[] }

/** Reads every test file of a tree that compiled. Files with problems are left out of `files`. */
export async function readTests(sources: Sources, bundle: Bundle): Promise<Tests> {
  const problems: Problem[] = []
  const files: TestFile[] = []
  const books = new Map<string, Rulebook | Wrong>()
  for (const file of [...sources.keys()].filter(name => kindOf(name) === 'test').sort(byBytes)) {
    const { tree } = parse(file, sources.get(file)!)
    if (tree === undefined) continue
    const catalog = valueOf(tree, 'catalog')
    const path = catalog?.kind === 'scalar' ? besideTest(file, catalog.text) : undefined
    const book = path === undefined ? bundle.rulebook : books.get(path) ?? await rulebookWith(path, sources)
    if (path !== undefined) books.set(path, book)
    if ('wrong' in book) problems.push({ ...book, file, line: catalog!.line, column: catalog!.column })
    else {
      const own: Problem[] = []
      const read = new TestReader(file, book, problem => own.push(problem)).read(tree)
      if (own.length === 0) files.push(read)
      problems.push(...own)
    }
  }
  return { files, problems }
}

type Wrong = Omit<Problem, 'file' | 'line' | 'column'>

/** The law with one catalog file in place of the tree's own, or why there is none. */
async function rulebookWith(path: string, sources: Sources): Promise<Rulebook | Wrong> {
  const text = sources.get(path)
  if (text === undefined) {
    const meant = nearest(path, [...sources.keys()].filter(name => kindOf(name) !== 'test'))
    return {
      severity: 'error', rule: 'unknown-catalog', wrong: `There is no file ${path}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
      write: 'write the path of a catalog file, relative to this file',
    }
  }
  const standIn = `catalog/${path.split('/').at(-1)!}`
  const others = [...sources].filter(([name]) => name !== path && kindOf(name) !== 'catalog')
  const compiled = await compile(new Map([...others, [standIn, text]]), { tests: 'left-out' })
  if (compiled.ok) return compiled.bundle.rulebook
  const { file, line, column, wrong } = compiled.problems.find(p => p.severity === 'error')!
  return {
    severity: 'error', rule: 'catalog-does-not-fit', wrong: `With this catalog the policies do not compile: ${file === standIn ? path : file}:${line}:${column}: ${wrong}`,
    write: 'correct the catalog file, or leave the word catalog out',
  }
}

const EXPECTATIONS = ['allowed', 'excluded', 'would-exclude', 'first', 'must-do', 'used-exceptions', 'refused']
/** An empty list says that there are none; an empty block says nothing. */
const isSaid = (value: Tree | undefined): boolean => value !== undefined && (value.kind !== 'mapping' || value.entries.length > 0)

/** Reads one file. What cannot be read is refused and left out; then the whole file is. */
class TestReader {
  readonly #rulebook: Rulebook
  readonly #reading: Reading
  #people: ReadonlyMap<string, RawFacts> = new Map()
  #testsFor: readonly string[] = []

  constructor(file: string, rulebook: Rulebook, report: (problem: Problem) => void) {
    this.#rulebook = rulebook
    this.#reading = new Reading(file, namesOf(rulebook), report, new Map())
  }

  read(tree: Tree): TestFile {
    const reading = this.#reading
    const policies = new Set(this.#rulebook.rules.map(r => r.policy))
    this.#testsFor = (reading.list(tree, 'tests-for') ?? []).map(s => this.#named(s, 'policy', policies))
    const people = valueOf(tree, 'people')
    this.#people = new Map((people?.kind === 'mapping' ? people.entries : []).map(e => [e.key, this.#facts(e.value)]))
    const clock = this.#instant(reading.scalar(tree, 'clock'))
    const items = valueOf(tree, 'cases')
    const cases = (items?.kind === 'list' ? items.items : []).map(item => this.#case(item, clock))
    return { file: reading.file, testsFor: this.#testsFor, rulebook: this.#rulebook, cases }
  }

  #case(item: Tree, clock: Instant): PolicyCase {
    const reading = this.#reading
    const given = valueOf(item, 'given') ?? item
    const who = reading.scalar(given, 'who')
    const person = who && this.#people.get(this.#named(who, 'person', this.#people.keys()))
    const expects = this.#expectations(item)
    if (!EXPECTATIONS.some(word => isSaid(valueOf(item, word)))) {
      reading.refuse(item, 'expects-nothing', 'The case expects nothing, so it can never fail', `add ${listed(EXPECTATIONS)}`)
    }
    const asked: Asked = { trusted: { ...person, ...this.#facts(given) } }
    const at = reading.scalar(item, 'at')
    return {
      name: reading.text(item, 'name') ?? '', place: { file: reading.file, line: item.line, column: item.column },
      at: at === undefined ? clock : this.#instant(at), asked, mayCarry: this.#mayCarry(given), expects,
    }
  }

  /** Request facts as text, each checked against its vocabulary; `unknown` stays a word, so that it hides what a person says. */
  #facts(tree: Tree): RawFacts {
    const facts: Record<string, string | readonly string[]> = {}
    for (const { key, value } of tree.kind === 'mapping' ? tree.entries : []) {
      const definition = requestFacts.get(key)
      if (definition === undefined) continue
      const written = this.#reading.scalars(value)
      const values = written.filter(s => s.text !== 'unknown')
      values.forEach(s => this.#value(definition, s))
      const none = key === 'data' && written.length > 1 ? written.find(s => s.text === 'none') : undefined
      if (none !== undefined) this.#reading.refuse(none, 'none-and-more', 'none beside another label says nothing', 'write none alone, or leave it out')
      facts[key] = values.length < written.length ? 'unknown' : definition.shape === 'set' ? written.map(s => s.text) : written[0]?.text ?? 'unknown'
    }
    return facts
  }

  #value(definition: FactDefinition, scalar: Scalar): void {
    const meant = definition.type === 'closed' && !definition.words!.includes(scalar.text) ? nearest(scalar.text, definition.words!) : undefined
    if (meant === undefined) this.#reading.element(definition, scalar)
    else this.#reading.refuse(scalar, 'unknown-value', `${scalar.text} is not a value of ${definition.name}. Did you mean ${meant}?`, `write ${meant}`)
  }

  #mayCarry(given: Tree): PolicyCase['mayCarry'] {
    const written = this.#reading.list(given, 'may-carry')
    if (written?.some(s => s.text === 'unknown')) return 'unknown'
    return written?.flatMap(s => this.#reading.label(s) ?? [])
  }

  #expectations(item: Tree): Expectations {
    const reading = this.#reading
    const deployments = (key: string): readonly string[] | undefined => reading.list(item, key)?.map(s => this.#deployment(s))
    const allowed = deployments('allowed'), first = reading.scalar(item, 'first'), refused = reading.text(item, 'refused')
    const excluded = this.#reasons(item, 'excluded'), wouldExclude = this.#reasons(item, 'would-exclude')
    const mustDo: Duties | undefined = entryOf(item, 'must-do') && readDuties(valueOf(item, 'must-do'), reading)
    const exceptions = this.#rulebook.exceptions.map(e => e.name)
    const usedExceptions = reading.list(item, 'used-exceptions')?.map(s => this.#named(s, 'exception', exceptions))
    return {
      ...(allowed && { allowed }), ...(excluded && { excluded }), ...(wouldExclude && { wouldExclude }),
      ...(first !== undefined && { first: this.#deployment(first) }), ...(mustDo && { mustDo }), ...(usedExceptions && { usedExceptions }),
      ...(refused !== undefined && { refused: refused === 'yes' }),
    }
  }

  #reasons(item: Tree, key: string): readonly ExpectedReason[] | undefined {
    const block = valueOf(item, key)
    if (block?.kind !== 'mapping') return undefined
    return block.entries.flatMap(entry => this.#reading.scalars(entry.value).map(rule => (
      { deployment: this.#deployment(keyOf(entry)), written: rule.text, rules: this.#rulesNamed(rule) })))
  }

  /** An id means the rule of a policy under test; where none of those has it, the rule of any policy. */
  #rulesNamed(scalar: Scalar): readonly string[] {
    const { rules } = this.#rulebook
    const { text } = scalar
    if (text.includes('/')) return [this.#named(scalar, 'rule', rules.map(r => r.name))]
    const named = rules.filter(r => r.id === text)
    const tested = named.filter(r => this.#testsFor.includes(r.policy))
    if (named.length === 0) this.#named(scalar, 'rule', rules.map(r => r.id))
    return (tested.length > 0 ? tested : named).map(r => r.name)
  }

  #deployment = (scalar: Scalar): string => this.#named(scalar, 'deployment', this.#reading.names.deployments)

  /** A name that must exist; refused with what may have been meant. */
  #named(scalar: Scalar, what: string, names: Iterable<string>): string {
    const all = [...new Set(names)], { text } = scalar
    if (all.includes(text)) return text
    const meant = nearest(text, all)
    const wrong = `There is no ${what} ${text}.`
    if (meant !== undefined) this.#reading.refuse(scalar, `unknown-${what}`, `${wrong} Did you mean ${meant}?`, `write ${meant}`)
    else this.#reading.refuse(scalar, `unknown-${what}`, wrong, all.length === 0 ? `define the ${what} first` : `there is ${listed(all, 'and')}`)
    return text
  }

  #instant(scalar: Scalar | undefined): Instant {
    if (scalar === undefined) return NaN
    const local = /^([^.Z+]*?)(?:\.\d+)?(?:Z|[+-](\d\d):(\d\d))$/.exec(scalar.text)
    const at = Date.parse(scalar.text)
    if (local !== null && readLocal(local[1]!) !== undefined && !Number.isNaN(at)) return at
    this.#reading.refuse(scalar, 'no-such-day', `${scalar.text} is not a time that exists`, 'write a time with its offset, such as 2026-11-22T12:00:00+01:00')
    return NaN
  }
}

type RawFacts = { readonly [fact: string]: string | readonly string[] }

/** The word before a colon, where it is a name. */
const keyOf = ({ key, at }: Entry): Scalar => ({ kind: 'scalar', text: key, quoted: false, comment: undefined, broken: false, ...at })

/** The names of a compiled law. What servers may be found to hold later is not there: a test is the same everywhere. */
function namesOf(rulebook: Rulebook): Names {
  return {
    apps: new Set(rulebook.apps.keys()),
    deployments: new Set(rulebook.deployments.map(d => d.name)),
    models: new Set(rulebook.deployments.map(d => d.model)),
    providers: new Set(rulebook.deployments.map(d => d.provider)),
    discovering: new Set(),
    labels: rulebook.labels,
    groups: new Map([...rulebook.groups.values()].map(g => [g.name, g.of])),
    incomplete: new Set(),
  }
}
