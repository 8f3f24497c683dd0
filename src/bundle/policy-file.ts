/** Policy and directive files to rules. */
import type { Duties, Rule } from '../policy/rule.ts'
import { readLocal } from '../policy/time.ts'
import { readBlock } from './blocks.ts'
import type { Dated } from './bundle.ts'
import { entryOf, isPartial, valueOf, type Tree } from './parse.ts'
import type { Reading } from './reading.ts'

const DAY = 86_400_000
/** A directive is reviewed or over within these days (section 2). */
export const DIRECTIVE_DAYS_MAX = 14

/** A rule that could not be read is undefined, and has been refused. */
export type PolicyFile = { readonly rules: readonly (Rule | undefined)[]; readonly zone: string | undefined; readonly due: readonly Dated[] }

/** The instant at which a bare date that needs no zone has passed, in UTC. */
export const passed = (day: string): number => readLocal(day)!.utc + DAY

export function readPolicyFile(tree: Tree, directive: boolean, reading: Reading): PolicyFile {
  const policy = reading.text(tree, 'policy')
  const effective = valueOf(tree, 'effective')
  const zone = effective && reading.zone(effective)
  const window = effective && reading.window(effective, zone, 'longer')
  const review = reading.time(tree, 'review-by')
  if (directive && effective !== undefined && !isPartial(tree) && !isPartial(effective)) checkTerm(tree, effective, reading)

  const list = valueOf(tree, 'rules')
  const ids = new Map<string, Tree>()
  const rules: (Rule | undefined)[] = []
  for (const item of list?.kind === 'list' ? list.items : []) {
    const id = reading.scalar(item, 'id')
    const first = id && ids.get(id.text)
    if (id !== undefined && first !== undefined) {
      reading.refuse(id, 'duplicate-rule', `The rule ${id.text} is written twice, first at ${first.line}:${first.column}`, 'give one of them another id')
    } else if (id !== undefined) ids.set(id.text, id)
    const rule = readRule(item, { policy: policy ?? '', directive, zone, from: window?.from }, reading)
    rules.push(rule === undefined || window === undefined ? undefined : { ...rule, window })
  }
  return {
    rules, zone,
    due: review === undefined ? []
      : [{ file: reading.file, line: review.line, column: review.column, what: `review-by of policy ${policy ?? ''}`, at: passed(review.text), ...(window && { until: window.until }) }],
  }
}

/** One of `until` and `review-by` of a directive lies within 14 days of its `from`. */
function checkTerm(tree: Tree, effective: Tree, reading: Reading): void {
  const from = reading.text(effective, 'from'), start = from === undefined ? undefined : readLocal(from)
  if (start === undefined) return
  const within = (text: string | undefined): boolean => {
    const end = text === undefined ? undefined : readLocal(text)
    // A bare date is compared as a day, so that the hour of `from` does not eat one.
    const begin = end?.bare ? Math.floor(start.utc / DAY) * DAY : start.utc
    return end !== undefined && end.utc - begin <= DIRECTIVE_DAYS_MAX * DAY
  }
  if (!within(reading.text(effective, 'until')) && !within(reading.text(tree, 'review-by'))) {
    reading.refuse(entryOf(effective, 'from')!.value, 'directive-too-long', `A directive is over or reviewed within ${DIRECTIVE_DAYS_MAX} days of its from`,
      'write an earlier until or review-by')
  }
}

type Setting = { readonly policy: string; readonly directive: boolean; readonly zone: string | undefined; readonly from: number | undefined }

const EFFECTS = ['forbid', 'require', 'prefer'] as const

function readRule(tree: Tree, { policy, directive, zone, from }: Setting, reading: Reading): Omit<Rule, 'window'> | undefined {
  const written = EFFECTS.filter(e => entryOf(tree, e) !== undefined)
  if (tree.kind !== 'mapping') return undefined
  if (written.length === 0 && tree.partial) return undefined
  if (written.length !== 1) {
    return reading.refuse(entryOf(tree, written[1] ?? 'id')?.at ?? tree, 'one-effect',
      written.length === 0 ? 'The rule says neither forbid nor require nor prefer' : `The rule says ${written.join(' and ')}`,
      'write exactly one of forbid, require and prefer; make two rules of two')
  }
  const effect = written[0]!
  const when = optionalBlock(tree, 'when', reading)
  const enforceFor = optionalBlock(tree, 'enforce-for', reading)
  const body = valueOf(tree, effect)
  const blocks = (body === undefined ? [] : effect === 'prefer' && body.kind === 'list' ? body.items : [body]).map(b => readBlock(b, 'deployment', reading))
  const mode = tree.partial ? undefined : readMode(tree, effect, zone, from, reading)
  const duties = readDuties(valueOf(tree, 'then'), reading)
  const exceptions = readExceptions(tree, effect, directive, reading)
  const id = reading.text(tree, 'id'), title = reading.text(tree, 'title'), because = reading.text(tree, 'because')
  if (id === undefined || title === undefined || because === undefined || when === 'unreadable' || enforceFor === 'unreadable') return undefined
  if (mode === undefined || duties === undefined || exceptions === undefined || blocks.length === 0 || !blocks.every(b => b !== undefined)) return undefined
  return {
    name: `${policy}/${id}`, policy, id, title, because, law: reading.text(tree, 'law'),
    place: { file: reading.file, line: tree.line, column: tree.column },
    directive, effect, when: when ?? { kind: 'all' }, blocks, ...mode, enforceFor, duties, exceptions,
  }
}

function optionalBlock(tree: Tree, key: string, reading: Reading): ReturnType<typeof readBlock> | 'unreadable' {
  const entry = entryOf(tree, key)
  if (entry === undefined) return undefined
  return readBlock(entry.value, 'request', reading) ?? 'unreadable'
}

function readMode(tree: Tree, effect: string, zone: string | undefined, from: number | undefined, reading: Reading): Pick<Rule, 'mode' | 'modeUntil'> | undefined {
  const mode = entryOf(tree, 'mode'), until = entryOf(tree, 'mode-until'), ring = entryOf(tree, 'enforce-for')
  if (effect === 'prefer' && (mode ?? until ?? ring) !== undefined) {
    const entry = (mode ?? until ?? ring)!
    return reading.refuse(entry.at, 'prefer-has-no-mode', `A prefer rule has no ${entry.key}: it removes nothing`, `delete ${entry.key}`)
  }
  const word = reading.text(tree, 'mode') ?? 'enforce'
  if (word === 'enforce') {
    const extra = until ?? ring
    if (extra === undefined) return { mode: 'enforce', modeUntil: Infinity }
    return reading.refuse(extra.at, 'mode-missing', `${extra.key} needs mode: warn or mode: shadow to leave`, `add the mode, or delete ${extra.key}`)
  }
  if (word !== 'warn' && word !== 'shadow') return undefined
  if (until === undefined) return reading.refuse(mode!.at, 'mode-until-missing', `mode: ${word} needs mode-until, after which the rule enforces`, 'add "mode-until: ..."')
  const modeUntil = reading.over(tree, 'mode-until', zone)
  if (modeUntil === undefined) return undefined
  if (from !== undefined && modeUntil < from) {
    return reading.refuse(until.value, 'empty-window', `mode-until ${reading.text(tree, 'mode-until')!} lies before the rule is in force`, 'write a later day')
  }
  return { mode: word, modeUntil }
}

function readExceptions(tree: Tree, effect: string, directive: boolean, reading: Reading): Rule['exceptions'] | undefined {
  const entry = entryOf(tree, 'exceptions')
  if (entry === undefined) return { allowed: false, atMostDays: undefined, approvers: [] }
  if (isPartial(entry.value)) return undefined
  if (effect === 'prefer') return reading.refuse(entry.at, 'prefer-has-no-exceptions', 'A prefer rule has no exceptions: it removes nothing', 'delete exceptions')
  const word = reading.text(entry.value, 'allowed')
  if (word !== 'yes' && word !== 'no') return undefined
  const allowed = word === 'yes'
  if (directive && allowed) {
    return reading.refuse(entryOf(entry.value, 'allowed')!.value, 'directive-exception', 'A directive allows no exception', 'write allowed: no, or delete exceptions')
  }
  const most = reading.scalar(entry.value, 'at-most')
  const hours = reading.hours(most)
  if (most !== undefined && hours === undefined) return undefined
  if (most !== undefined && hours! < 24) return reading.refuse(most, 'less-than-a-day', `at-most ${most.text} is less than one day`, 'write whole days, such as 30d')
  return {
    allowed, atMostDays: hours === undefined ? undefined : Math.floor(hours / 24),
    approvers: (reading.list(entry.value, 'approver') ?? []).map(a => a.text),
  }
}

/** Duties of a rule, or those that a test expects. */
export function readDuties(tree: Tree | undefined, reading: Reading): Duties | undefined {
  if (tree === undefined) return {}
  const words = (key: string): readonly string[] | undefined => reading.list(tree, key)?.map(s => s.text)
  const redact = words('redact'), notify = words('notify'), log = reading.text(tree, 'log')
  const places = reading.list(tree, 'log-in')?.map(s => reading.place(s))
  const evidence = reading.scalar(tree, 'retain-evidence'), retainEvidence = reading.hours(evidence)
  const header = valueOf(tree, 'header')
  const cache = readCache(tree, reading)
  if (cache === 'unreadable' || places?.some(p => p === undefined) || (evidence !== undefined && retainEvidence === undefined)) return undefined
  return {
    ...(redact && { redact }), ...(notify && { notify }),
    ...(log !== undefined && { log: log as NonNullable<Duties['log']> }),
    ...(places && { logIn: places as NonNullable<Duties['logIn']> }),
    ...(cache && { cache }),
    ...(retainEvidence !== undefined && { retainEvidence }),
    ...(reading.text(tree, 'rescue') === 'no' && { rescue: 'no' as const }),
    ...(reading.text(tree, 'request-digest') === 'yes' && { requestDigest: 'yes' as const }),
    ...(header?.kind === 'mapping' && {
      header: Object.fromEntries(header.entries.map(e => [e.key.toLowerCase(), e.value.kind === 'scalar' ? e.value.text : ''])),
    }),
  }
}

function readCache(tree: Tree, reading: Reading): Duties['cache'] | 'unreadable' {
  const written = reading.list(tree, 'cache')
  if (written === undefined) return undefined
  const none = written.find(s => s.text === 'none')
  if (none === undefined) return (['app', 'region'] as const).filter(scope => written.some(s => s.text === scope))
  if (written.length === 1) return []
  reading.refuse(none, 'none-and-more', 'cache says none beside something', 'write none alone, or leave it out')
  return 'unreadable'
}
