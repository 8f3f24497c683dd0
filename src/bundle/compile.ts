/**
 * The compiler: every file is parsed, its shape checked, the names of all files gathered, and only then read. Nothing
 * of a tree with an error is ever used: the caller keeps the bundle it has (policy-language, section 4, rule 10).
 */
import { catalogOf, type Deployment, type Provider } from '../catalog/catalog.ts'
import { BUILT_IN_LABELS } from '../policy/facts.ts'
import type { App, Exception, Group, Rule, RuledDeployment } from '../policy/rule.ts'
import { readAppFile } from './app-file.ts'
import type { AppConnection, Bundle, Compiled, Dated, Sources } from './bundle.ts'
import { readCatalogFile } from './catalog-file.ts'
import { checkShape } from './check.ts'
import { byBytes, digestOf } from './digest.ts'
import { Edges } from './edges.ts'
import { readExceptionFile } from './exception-file.ts'
import { besideTest, isDirective, kindOf, whereItBelongs } from './files.ts'
import { deepFreeze } from './freeze.ts'
import { checkLabelFile, readGroupFile } from './group-file.ts'
import { nearest } from './nearest.ts'
import { parse, valueOf, type Scalar, type Tree } from './parse.ts'
import { readPolicyFile } from './policy-file.ts'
import type { Problem } from './problem.ts'
import { Reading, type Names, type OpenWords } from './reading.ts'
import type { Kind } from './schema.ts'
import { findTraps } from './traps.ts'

export { withDiscovered } from './discovered.ts'

type File = { readonly name: string; readonly kind: Kind; readonly tree: Tree }

export type CompileOptions = {
  /** `left-out`: mistakes in test files are nobody's business here, as in a gateway, which has no use for them. */
  readonly tests?: 'checked' | 'left-out'
}

/** Every problem of every file, or a frozen bundle. Never throws for what a file says. */
export async function compile(sources: Sources, { tests = 'checked' }: CompileOptions = {}): Promise<Compiled> {
  const findings = new Findings()
  const { files, incomplete } = readFiles(sources, findings, tests)
  const names = gatherNames(files, incomplete)
  const openWords: OpenWords = new Map()
  const reader = (file: File): Reading => new Reading(file.name, names, problem => findings.addReading(problem), openWords)
  const of = (kind: Kind): readonly File[] => files.filter(f => f.kind === kind)

  refuseDuplicates(files, reader)
  of('labels').forEach(f => checkLabelFile(f.tree, reader(f)))
  const groups = of('group').map(f => readGroupFile(f.tree, reader(f)))
  const catalogs = of('catalog').map(f => readCatalogFile(f.tree, reader(f)))
  const apps = of('app').map(f => readAppFile(f.tree, reader(f)))
  const policies = of('policy').map(f => readPolicyFile(f.tree, isDirective(f.name), reader(f)))
  const rules = policies.flatMap(p => p.rules)
  const named = { written: ruleNames(of('policy')), rules: new Map(known(rules).map(r => [r.name, r])) }
  const exceptions = of('exceptions').flatMap(f => readExceptionFile(f.tree, named, reader(f)))
  findTraps(catalogs.flatMap(c => c.connected), known(rules), known(groups.map(g => g.group))).forEach(p => findings.addReading(p))
  of('test').forEach(f => noteOpenWords(f.tree, '', reader(f)))
  warnOfLonelyWords(openWords, findings)

  const edges = new Edges()
  for (const { rules: own, zone } of policies) {
    for (const rule of known(own)) {
      edges.addWindow(rule.window, zone!)
      edges.add(rule.modeUntil, zone!)
    }
  }
  for (const { exception, zone } of known(exceptions)) edges.addWindow(exception.window, zone)
  for (const { group, zone } of groups) for (const member of group?.members ?? []) edges.addWindow(member.window, zone ?? 'UTC')
  for (const { deployments, zone } of catalogs) for (const { ruled } of known(deployments)) edges.addFacts(ruled.facts, zone ?? 'UTC')
  for (const file of apps) for (const { until } of file?.app.assumptions ?? []) edges.add(until, file?.zone ?? 'UTC')

  // INVARIANT: whatever could not be read has been refused. A part that is missing without a word would loosen the law.
  const lost = [groups.map(g => g.group), apps, catalogs.map(c => c.provider), rules, exceptions, catalogs.flatMap(c => c.deployments)].flat().includes(undefined)
  if (lost && !findings.hasError()) {
    findings.add({ file: '', line: 1, column: 1, severity: 'error', rule: 'not-compiled', wrong: 'A part of these files was neither read nor refused', write: 'this is a fault of the program: report it with the files' })
  }
  const problems = findings.inOrder()
  if (problems.some(p => p.severity === 'error')) return { ok: false, problems }
  return {
    ok: true,
    bundle: await assemble({
      sources, names, edges,
      rules: known(rules),
      exceptions: known(exceptions).map(e => e.exception),
      groups: known(groups.map(g => g.group)),
      apps: known(apps),
      providers: known(catalogs.map(c => c.provider)),
      deployments: known(catalogs.flatMap(c => c.deployments)),
      due: [...policies, ...groups, ...catalogs].flatMap(f => f.due),
      warnings: problems,
    }),
  }
}

const known = <T>(parts: readonly (T | undefined)[]): readonly T[] => parts.filter(p => p !== undefined)

/** Problems by place. What a later stage finds at a place that was refused already is the same mistake. */
class Findings {
  readonly #problems: Problem[] = []
  readonly #refused = new Set<string>()

  /** From parsing and from the check of shape. */
  add(problem: Problem): void {
    this.#problems.push(problem)
    if (problem.severity === 'error') this.#refused.add(placeOf(problem))
  }

  /** From reading what the file means. */
  addReading(problem: Problem): void {
    if (!this.#refused.has(placeOf(problem))) this.#problems.push(problem)
  }

  hasError(): boolean {
    return this.#problems.some(p => p.severity === 'error')
  }

  inOrder(): readonly Problem[] {
    const errors = new Set(this.#problems.filter(p => p.severity === 'error').map(placeOf))
    const seen = new Set<string>()
    return this.#problems
      .filter(p => p.severity === 'error' || !errors.has(placeOf(p)))
      .filter(p => {
        const key = `${placeOf(p)} ${p.rule} ${p.wrong}`
        return !seen.has(key) && seen.add(key)
      })
      .sort((a, b) => byBytes(a.file, b.file) || a.line - b.line || a.column - b.column)
  }
}

const placeOf = (p: Problem): string => `${p.line}:${p.column} ${p.file}`

/** Parses all files in byte order of their names and checks the shape of each. */
function readFiles(sources: Sources, findings: Findings, tests: CompileOptions['tests']): { readonly files: readonly File[]; readonly incomplete: Names['incomplete'] } {
  const files: File[] = [], strays: string[] = []
  const incomplete = new Set<Kind>()
  for (const name of [...sources.keys()].sort(byBytes)) {
    const kind = kindOf(name)
    if (kind === 'stray') strays.push(name)
    if (kind === 'stray' || kind === 'other') continue
    const parsed = parse(name, sources.get(name)!)
    const isCounted = kind !== 'test' || tests === 'checked'
    if (isCounted) parsed.problems.forEach(p => findings.add(p))
    if (parsed.tree === undefined) {
      incomplete.add(kind)
      continue
    }
    const { tree, problems } = isCounted ? checkShape(name, kind, parsed.tree) : { tree: parsed.tree, problems: [] }
    problems.forEach(p => findings.add(p))
    if (lacksNames(kind, tree, problems)) incomplete.add(kind)
    files.push({ name, kind, tree })
  }
  const forTests = new Set(files.filter(f => f.kind === 'test').map(f => testCatalog(f)).filter(c => c !== undefined))
  for (const file of strays.filter(s => !forTests.has(s))) {
    findings.add({ file, line: 1, column: 1, severity: 'error', rule: 'stray-file', wrong: 'No row of the policy folder covers this file, so nothing would read it', write: whereItBelongs(file) })
  }
  return { files, incomplete: incomplete as ReadonlySet<Kind> as Names['incomplete'] }
}

/** The file that a test names as its catalog, relative to the policies folder. */
function testCatalog({ name, tree }: File): string | undefined {
  const catalog = valueOf(tree, 'catalog')
  return catalog?.kind === 'scalar' ? besideTest(name, catalog.text) : undefined
}

const scalarAt = (tree: Tree, key: string): Scalar | undefined => {
  const value = valueOf(tree, key)
  return value?.kind === 'scalar' ? value : undefined
}
const itemsAt = (tree: Tree, key: string): readonly Tree[] => {
  const value = valueOf(tree, key)
  return value?.kind === 'list' ? value.items : []
}

/** True when a name of the file was lost with something that was refused; nobody is then told that it does not exist. */
function lacksNames(kind: Kind, tree: Tree, problems: readonly Problem[]): boolean {
  const lack = (of: Tree, ...keys: readonly string[]): boolean => keys.some(key => {
    const name = scalarAt(of, key)
    return name === undefined || name.text === 'unknown' || problems.some(p => p.line === name.line && p.column === name.column)
  })
  const lackInList = (key: string, ...keys: readonly string[]): boolean =>
    valueOf(tree, key)?.kind !== 'list' || itemsAt(tree, key).some(item => lack(item, ...keys))
  switch (kind) {
    case 'app': case 'group': return lack(tree, kind)
    case 'catalog': return lack(tree, 'provider') || lackInList('deployments', 'deployment', 'model')
    case 'labels': return lackInList('labels', 'label')
    case 'policy': return lack(tree, 'policy') || lackInList('rules', 'id')
    default: return false
  }
}

/** Every name that is written anywhere, so that files may speak of one another in any order. */
function gatherNames(files: readonly File[], incomplete: Names['incomplete']): Names {
  const texts = (kind: Kind, key: string): string[] => files.filter(f => f.kind === kind).flatMap(f => scalarAt(f.tree, key)?.text ?? [])
  const catalogs = files.filter(f => f.kind === 'catalog')
  const items = catalogs.flatMap(f => itemsAt(f.tree, 'deployments'))
  const labels = new Map(BUILT_IN_LABELS)
  for (const item of files.filter(f => f.kind === 'labels').flatMap(f => itemsAt(f.tree, 'labels'))) {
    const label = scalarAt(item, 'label')?.text
    if (label !== undefined && !labels.has(label)) labels.set(label, scalarAt(item, 'parent')?.text)
  }
  return {
    apps: new Set(texts('app', 'app')),
    providers: new Set(texts('catalog', 'provider')),
    discovering: new Set(catalogs.filter(f => scalarAt(f.tree, 'discover') !== undefined).flatMap(f => scalarAt(f.tree, 'provider')?.text ?? [])),
    deployments: new Set(items.flatMap(i => scalarAt(i, 'deployment')?.text ?? [])),
    models: new Set(items.flatMap(i => scalarAt(i, 'model')?.text ?? [])),
    labels,
    groups: new Map(files.filter(f => f.kind === 'group').flatMap(f => {
      const name = scalarAt(f.tree, 'group')?.text
      return name === undefined ? [] : [[name, scalarAt(f.tree, 'of')?.text === 'certificates' ? 'certificates' as const : 'countries' as const]]
    })),
    incomplete,
  }
}

/** Full names of all rules that are written; true for those of directives. */
function ruleNames(files: readonly File[]): ReadonlyMap<string, boolean> {
  return new Map(files.flatMap(f => itemsAt(f.tree, 'rules').flatMap(rule => {
    const id = scalarAt(rule, 'id')?.text
    return id === undefined ? [] : [[`${scalarAt(f.tree, 'policy')?.text ?? ''}/${id}`, isDirective(f.name)] as const]
  })))
}

const ANOTHER_KEY = 'make a key for each app: bailiwick keys new'

/** Names that are unique over all files: the second is refused and names the first. */
function refuseDuplicates(files: readonly File[], reader: (file: File) => Reading): void {
  const first = new Map<string, string>()
  const note = (what: string, scalar: Scalar | undefined, file: File, write = 'give one of them another name'): void => {
    if (scalar === undefined) return
    const key = `${what} ${scalar.text}`, known = first.get(key)
    if (known === undefined) first.set(key, `${file.name}:${scalar.line}:${scalar.column}`)
    else reader(file).refuse(scalar, `duplicate-${what.replaceAll(' ', '-')}`, `The ${write === ANOTHER_KEY ? what : key} is defined already, at ${known}`, write)
  }
  for (const file of files) {
    const { kind, tree } = file
    if (kind === 'app' || kind === 'group' || kind === 'policy') note(kind, scalarAt(tree, kind), file)
    if (kind === 'catalog') note('provider', scalarAt(tree, 'provider'), file)
    for (const item of kind === 'catalog' ? itemsAt(tree, 'deployments') : []) note('deployment', scalarAt(item, 'deployment'), file)
    for (const item of kind === 'exceptions' && tree.kind === 'list' ? tree.items : []) note('exception', scalarAt(item, 'exception'), file)
    const hashes = kind === 'app' ? valueOf(tree, 'key-hashes') : undefined
    for (const hash of hashes === undefined ? [] : hashes.kind === 'list' ? hashes.items : [hashes]) if (hash.kind === 'scalar') note('key hash', hash, file, ANOTHER_KEY)
  }
}

/** Tests use words of open vocabularies too; a word that a rule and a test share is no slip of the pen. */
function noteOpenWords(tree: Tree, under: string, reading: Reading): void {
  if (tree.kind === 'mapping') tree.entries.forEach(e => noteOpenWords(e.value, e.key, reading))
  else if (tree.kind === 'list') tree.items.forEach(item => noteOpenWords(item, under, reading))
  else if (under === 'governed-by') reading.use(under, tree, false)
}

const LIKENESS_MAX = 200

function warnOfLonelyWords(openWords: OpenWords, findings: Findings): void {
  for (const [fact, words] of openWords) {
    for (const [word, uses] of words) {
      const [{ file, at }] = uses as [{ readonly file: string; readonly at: Scalar | undefined }]
      if (uses.length > 1 || at === undefined) continue
      // Ids of documents are words used once by nature; among hundreds, likeness says nothing and costs its square.
      const meant = words.size > LIKENESS_MAX ? undefined : nearest(word, [...words.keys()].filter(w => w !== word))
      findings.addReading({
        file, line: at.line, column: at.column, severity: 'warning', rule: 'word-used-once', wrong: `${word} of ${fact} is written nowhere else`,
        write: meant === undefined ? 'check that it is spelt as it should be' : `did you mean ${meant}?`,
      })
    }
  }
}

type Parts = {
  readonly sources: Sources
  readonly names: Names
  readonly edges: Edges
  readonly rules: readonly Rule[]
  readonly exceptions: readonly Exception[]
  readonly groups: readonly Group[]
  readonly apps: readonly { readonly app: App; readonly connection: AppConnection }[]
  readonly providers: readonly Provider[]
  readonly deployments: readonly { readonly ruled: RuledDeployment; readonly deployment: Deployment }[]
  readonly due: readonly Dated[]
  readonly warnings: readonly Problem[]
}

async function assemble({ sources, names, edges, rules, exceptions, groups, apps, providers, deployments, due, warnings }: Parts): Promise<Bundle> {
  const decisive = [...sources].filter(([name]) => !['test', 'other', 'stray'].includes(kindOf(name))).sort(([a], [b]) => byBytes(a, b))
  return deepFreeze<Bundle>({
    digest: await digestOf(decisive),
    catalogDigest: await digestOf(decisive.filter(([name]) => kindOf(name) === 'catalog')),
    rulebook: {
      deployments: deployments.map(d => d.ruled), rules, exceptions,
      groups: new Map(groups.map(g => [g.name, g])), labels: names.labels, apps: new Map(apps.map(a => [a.app.name, a.app])), edges: edges.inOrder(),
    },
    catalog: catalogOf(new Map(providers.map(p => [p.name, p])), deployments.map(d => d.deployment)),
    apps: new Map(apps.map(a => [a.connection.app, a.connection])),
    appByKeyHash: new Map(apps.flatMap(a => a.connection.keyHashes.map(hash => [hash, a.connection.app]))),
    due: due.toSorted((a, b) => a.at - b.at || byBytes(a.file, b.file) || a.line - b.line),
    warnings,
    madeOf: { sources: new Map(decisive), discovered: [], drills: [] },
  })
}
