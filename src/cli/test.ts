/** `bailiwick test`: do the cases of the test files hold, and would they notice if a rule were changed? */
import type { TestFile } from '../bundle/test-file.ts'
import { coverageOf, judgeCase, type PolicyCase, type RuleCoverage, type Verdict } from '../policy/case.ts'
import { turnsAt, type Turn } from '../policy/calendar.ts'
import { tryMutations, type MutationReport } from '../policy/mutations.ts'
import type { Rulebook } from '../policy/rule.ts'
import { inZone } from '../policy/time.ts'
import { oneOf, type Command } from './command.ts'
import { compileWithTests, printProblems } from './compiled.ts'
import { EXIT } from './exit.ts'
import type { Host } from './host.ts'
import { POLICIES } from './serve.ts'
import { readShift, type Shift } from './test-clock.ts'
import { testedInJson, testedInJunit, testedInText } from './test-output.ts'

/** What takes less is over before anybody wonders. */
const QUIET_MS = 1_000
const FORMATS = ['tree', 'json', 'junit'] as const

export type Judged = { readonly one: PolicyCase; readonly verdict: Verdict }
export type JudgedFile = { readonly file: string; readonly cases: readonly Judged[] }

/** `day` is the last one, in the zone in which it is written. */
export type Ended = Turn & { readonly at: number; readonly day: string }

/** Everything that one run found out. */
export type Tested = {
  readonly files: readonly JudgedFile[]
  readonly passed: number
  readonly failed: number
  /** Undefined where it was not asked for. */
  readonly coverage: readonly RuleCoverage[] | undefined
  /** Undefined where it was not asked for, or a case failed before anything was changed. */
  readonly mutations: MutationReport | undefined
  /** What ended between the clocks of the cases and those they were moved to; undefined where none was moved. */
  readonly ended: readonly Ended[] | undefined
}

export const test: Command = {
  name: 'test',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Runs the cases of the test files (*.test.yaml) and says which fail, and why.',
  options: {
    filter: { value: 'TEXT', says: 'Only cases whose file or name has this text; with --mutate only the policies they are for' },
    at: { value: '+1y|TIME', says: 'Move every clock: +1y, +6m and +30d later, or to one time; shows what will have ended' },
    coverage: { says: 'Say for every rule in which cases it was seen at work' },
    mutate: { says: 'Change one thing of one rule at a time: some case must fail each time' },
    format: { value: 'tree|json|junit', says: 'tree unless given' },
  },
  async run({ options, words }, host) {
    const format = oneOf('format', options['format'] ?? 'tree', FORMATS)
    const shift = options['at'] === undefined ? undefined : readShift(options['at'])
    const folder = words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES
    const compiled = await compileWithTests(folder, host)
    if (!compiled.ok) {
      host.err(printProblems(compiled.problems, compiled.sources))
      return EXIT.doesNotCompile
    }
    const { filter } = options
    const written = compiled.tests.map(file => ({ ...file, cases: file.cases.filter(one => isChosen(one, filter)) })).filter(file => file.cases.length > 0)
    if (written.length === 0) {
      host.err(`bailiwick: ${filter === undefined ? `${folder} holds no test (*.test.yaml)` : `no case has '${filter}' in its name or file`}, so nothing was shown to hold.\n`)
      return EXIT.refused
    }
    const tests = shift === undefined ? written : written.map(file => ({ ...file, cases: file.cases.map(one => ({ ...one, at: shift(one.at) })) }))
    const { rulebook } = compiled.bundle
    const files = tests.map(({ file, rulebook, cases }) => ({ file, cases: cases.map(one => ({ one, verdict: judgeCase(rulebook, one) })) }))
    const all = files.flatMap(f => f.cases)
    const failed = all.filter(j => j.verdict.complaints.length > 0).length
    const tested: Tested = {
      files, failed, passed: all.length - failed,
      coverage: options['coverage'] === undefined ? undefined : coverageOf(rulebook, all),
      mutations: options['mutate'] === undefined || failed > 0 ? undefined : mutationsIn(tests, filter !== undefined, host),
      ended: shift && endedBetween(rulebook, written.flatMap(f => f.cases), shift),
    }
    if (failed > 0 && options['mutate'] !== undefined) host.err('bailiwick: rules are changed only when every case holds; nothing was changed.\n')
    host.out(format === 'json' ? testedInJson(tested) : format === 'junit' ? testedInJunit(tested) : testedInText(tested))
    return failed > 0 || (tested.mutations?.survivors.length ?? 0) > 0 ? EXIT.refused : EXIT.fine
  },
}

function isChosen({ name, place }: PolicyCase, filter: string | undefined): boolean {
  const text = filter?.toLowerCase()
  return text === undefined || name.toLowerCase().includes(text) || place.file.toLowerCase().includes(text)
}

/** Cases that were picked can speak only for the policies they are for. */
function mutationsIn(tests: readonly TestFile[], isFiltered: boolean, { now, progress }: Host): MutationReport {
  const policies = new Set(tests.flatMap(t => t.testsFor))
  const began = now()
  const report = tryMutations(tests, rule => !isFiltered || policies.has(rule.policy), (done, of) => {
    if (now() - began > QUIET_MS) progress?.(`changing rule ${done + 1} of ${of}`)
  })
  progress?.('')
  return report
}

/** What ended after the clock of some case and not after the clock it was moved to. */
function endedBetween(rulebook: Rulebook, cases: readonly PolicyCase[], shift: Shift): readonly Ended[] {
  const passed = rulebook.edges.filter(({ at }) => cases.some(one => one.at < at && at <= shift(one.at)))
  return passed.flatMap(({ at, zone }) => turnsAt(rulebook, at).filter(t => t.turn !== 'starts').map(t => ({ ...t, at, day: inZone(at - 1, zone).slice(0, 10) })))
}
