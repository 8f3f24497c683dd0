/** `bailiwick check`: does the folder compile, is anything in it overdue, and what of it has no effect or leaves no model? */
import { isOverdue, type Bundle, type Dated } from '../bundle/bundle.ts'
import type { Problem } from '../bundle/problem.ts'
import { analyse, type Finding } from '../policy/analysis.ts'
import type { Place } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import { inSarif, inWorkflowCommands, type Remark } from './annotations.ts'
import { oneOf, type Command } from './command.ts'
import { compileWithTests, printProblems, short, type CompiledFolder } from './compiled.ts'
import { EXIT, type Exit } from './exit.ts'
import { instantOrNow } from './instant.ts'
import { POLICIES } from './serve.ts'

const SOON_MS = 14 * 86_400_000
const FORMATS = ['text', 'json', 'sarif', 'github'] as const

export const check: Command = {
  name: 'check',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Compiles the policies and lists every problem, every date that has passed, and what has no effect or leaves no model.',
  options: {
    strict: { says: 'Fails on warnings (exit 3) and on notes (exit 4) as well' },
    at: { value: 'TIME', says: 'Judge what is overdue at this time instead of now' },
    format: { value: 'text|json|sarif|github', says: 'text unless given' },
  },
  async run({ options, words }, host) {
    const at = instantOrNow(options['at'], host.now)
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const folder = words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES
    const compiled = await compileWithTests(folder, host)
    const overdue = compiled.ok ? compiled.bundle.due.filter(due => isOverdue(due, at)) : []
    const findings = compiled.ok ? analyse(compiled.bundle.rulebook, at) : []
    const exit = exitOf(compiled, { strict: options['strict'] !== undefined, overdue, findings })
    const found: Found = { overdue, ends: compiled.ok ? endsOf(compiled.bundle, at) : [], findings }
    switch (format) {
      case 'json': host.out(inJson(compiled, found, exit)); break
      case 'sarif': host.out(inSarif(remarksOf(compiled, found), { folder, version: host.version })); break
      case 'github': host.out(inWorkflowCommands(remarksOf(compiled, found), folder)); break
      case 'text': host.out(inText(compiled, found)); break
    }
    return exit
  },
}

type Found = { readonly overdue: readonly Dated[]; readonly ends: readonly End[]; readonly findings: readonly Finding[] }
type Failing = Pick<Found, 'overdue' | 'findings'> & { readonly strict: boolean }

/** What does not compile comes before what fails a strict check, and that before what is overdue (section 15). */
function exitOf(compiled: CompiledFolder, { strict, overdue, findings }: Failing): Exit {
  if (!compiled.ok || (strict && compiled.bundle.warnings.length > 0)) return EXIT.doesNotCompile
  if (strict && findings.length > 0) return EXIT.refused
  return overdue.length > 0 ? EXIT.overdue : EXIT.fine
}

/** Exceptions that have ended, and those that end within two weeks (section 13, case 5). Neither is overdue. */
function endsOf({ rulebook }: Bundle, at: number): readonly End[] {
  return rulebook.exceptions.filter(e => e.window.until - at <= SOON_MS)
    .map(({ name, rule, place, window }) => ({ ...place, exception: name, rule, ended: window.until <= at, at: inUtc(window.until) }))
}

type End = Place & { readonly exception: string; readonly rule: string; readonly ended: boolean; readonly at: string }

const problemsOf = (compiled: CompiledFolder): readonly Problem[] => (compiled.ok ? compiled.bundle.warnings : compiled.problems)

const overdueInWords = (due: Dated): string => `overdue: ${due.what} (since ${inUtc(due.at).slice(0, 10)})`
const endInWords = (e: End): string => `${e.ended ? 'ended' : 'ends soon'}: exception ${e.exception} to ${e.rule} (${e.at})`

/** Everything there is to say, for tools. */
function remarksOf(compiled: CompiledFolder, { overdue, ends, findings }: Found): readonly Remark[] {
  return [
    ...problemsOf(compiled).map<Remark>(({ file, line, column, severity, rule, wrong, write }) => (
      { file, line, column, level: severity, rule, text: write === '' ? wrong : `${wrong} - ${write}` })),
    ...overdue.map<Remark>(due => ({ file: due.file, line: due.line, column: due.column, level: 'warning', rule: 'overdue', text: overdueInWords(due) })),
    ...ends.map<Remark>(end => ({ file: end.file, line: end.line, column: end.column, level: 'note', rule: 'exception-end', text: endInWords(end) })),
    ...findings.map<Remark>(({ kind, place, says }) => ({ ...place, level: 'note', rule: kind, text: says })),
  ]
}

function inText(compiled: CompiledFolder, { overdue, ends, findings }: Found): string {
  const problems = problemsOf(compiled)
  const errors = problems.filter(p => p.severity === 'error').length
  const summary = compiled.ok ? summaryOf(compiled.bundle) : `policies: do not compile, ${counted(errors, 'error')}`
  const warnings = problems.length - errors
  return [
    printProblems(problems, compiled.sources),
    ...overdue.map(due => `${due.file}:${due.line}:${due.column}: ${overdueInWords(due)}\n`),
    ...ends.map(e => `${e.file}:${e.line}:${e.column}: ${endInWords(e)}\n`),
    ...findings.map(({ place, says }) => `${place.file}:${place.line}:${place.column}: note: ${says}\n`),
    summary, warnings > 0 ? `, ${counted(warnings, 'warning')}` : '', overdue.length > 0 ? `, ${overdue.length} overdue` : '', findings.length > 0 ? `, ${counted(findings.length, 'note')}` : '', '\n',
  ].join('')
}

function summaryOf({ rulebook, digest }: Bundle): string {
  return `policies: ${counted(rulebook.rules.length, 'rule')}, ${counted(rulebook.deployments.length, 'deployment')}, ${counted(rulebook.apps.size, 'app')}, bundle ${short(digest)}`
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

function inJson(compiled: CompiledFolder, { overdue, ends, findings }: Found, exit: Exit): string {
  return `${JSON.stringify({
    compiles: compiled.ok,
    exit,
    ...(compiled.ok && {
      bundle: compiled.bundle.digest,
      rules: compiled.bundle.rulebook.rules.length,
      deployments: compiled.bundle.rulebook.deployments.length,
      apps: compiled.bundle.rulebook.apps.size,
    }),
    problems: problemsOf(compiled),
    overdue: overdue.map(({ file, line, column, what, at }) => ({ file, line, column, what, at: inUtc(at) })),
    exceptions: ends,
    findings: findings.map(({ kind, place: { file, line, column }, says }) => ({ kind, file, line, column, says })),
  }, undefined, 2)}\n`
}
