/** `bailiwick check`: does the folder compile, and is anything in it overdue? */
import { isOverdue, type Bundle, type Dated } from '../bundle/bundle.ts'
import type { Problem } from '../bundle/problem.ts'
import type { Place } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import { oneOf, type Command } from './command.ts'
import { compileFolder, printProblems, short, type CompiledFolder } from './compiled.ts'
import { EXIT, type Exit } from './exit.ts'
import { instantOrNow } from './instant.ts'
import { POLICIES } from './serve.ts'

const SOON_MS = 14 * 86_400_000
const FORMATS = ['text', 'json'] as const

export const check: Command = {
  name: 'check',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Compiles the policies and lists every problem and every date that has passed.',
  options: {
    strict: { says: 'Warnings count as errors' },
    at: { value: 'TIME', says: 'Judge what is overdue at this time instead of now' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run({ options, words }, host) {
    const at = instantOrNow(options['at'], host.now)
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const folder = words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES
    const compiled = await compileFolder(folder, host)
    const overdue = compiled.ok ? compiled.bundle.due.filter(due => isOverdue(due, at)) : []
    const exit = exitOf(compiled, { strict: options['strict'] !== undefined, overdue })
    const ends = compiled.ok ? endsOf(compiled.bundle, at) : []
    host.out(format === 'json' ? inJson(compiled, { overdue, ends }, exit) : inText(compiled, { overdue, ends }))
    return exit
  },
}

/** What does not compile comes before what is overdue (section 15). */
function exitOf(compiled: CompiledFolder, { strict, overdue }: { readonly strict: boolean; readonly overdue: readonly Dated[] }): Exit {
  if (!compiled.ok || (strict && compiled.bundle.warnings.length > 0)) return EXIT.doesNotCompile
  return overdue.length > 0 ? EXIT.overdue : EXIT.fine
}

/** Exceptions that have ended, and those that end within two weeks (section 13, case 5). Neither is overdue. */
function endsOf({ rulebook }: Bundle, at: number): readonly End[] {
  return rulebook.exceptions.filter(e => e.window.until - at <= SOON_MS)
    .map(({ name, rule, place, window }) => ({ ...place, exception: name, rule, ended: window.until <= at, at: inUtc(window.until) }))
}

type End = Place & { readonly exception: string; readonly rule: string; readonly ended: boolean; readonly at: string }
type Dates = { readonly overdue: readonly Dated[]; readonly ends: readonly End[] }

const problemsOf = (compiled: CompiledFolder): readonly Problem[] => (compiled.ok ? compiled.bundle.warnings : compiled.problems)

function inText(compiled: CompiledFolder, { overdue, ends }: Dates): string {
  const problems = problemsOf(compiled)
  const errors = problems.filter(p => p.severity === 'error').length
  const summary = compiled.ok ? summaryOf(compiled.bundle) : `policies: do not compile, ${counted(errors, 'error')}`
  const warnings = problems.length - errors
  return [
    printProblems(problems, compiled.sources),
    ...overdue.map(due => `${due.file}:${due.line}:${due.column}: overdue: ${due.what} (since ${inUtc(due.at).slice(0, 10)})\n`),
    ...ends.map(e => `${e.file}:${e.line}:${e.column}: ${e.ended ? 'ended' : 'ends soon'}: exception ${e.exception} to ${e.rule} (${e.at})\n`),
    summary, warnings > 0 ? `, ${counted(warnings, 'warning')}` : '', overdue.length > 0 ? `, ${overdue.length} overdue` : '', '\n',
  ].join('')
}

function summaryOf({ rulebook, digest }: Bundle): string {
  return `policies: ${counted(rulebook.rules.length, 'rule')}, ${counted(rulebook.deployments.length, 'deployment')}, ${counted(rulebook.apps.size, 'app')}, bundle ${short(digest)}`
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

function inJson(compiled: CompiledFolder, { overdue, ends }: Dates, exit: Exit): string {
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
  }, undefined, 2)}\n`
}
