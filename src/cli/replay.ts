/** `bailiwick replay`: decides every recorded request again, under the bundle that decided it or under another one. */
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Bundle } from '../bundle/bundle.ts'
import { compile, withDiscovered } from '../bundle/compile.ts'
import type { Decided } from '../record/decided.ts'
import { decideAgain, decisionIn, differingParts, type Replayable } from '../record/replay.ts'
import { grouped } from './class-text.ts'
import { oneOf, UsageError, type Command } from './command.ts'
import { printProblems } from './compiled.ts'
import { EXIT } from './exit.ts'
import type { Host } from './host.ts'
import { durationMs } from './last.ts'
import { inJson, inText, TOLD_MAX, type Change, type Result } from './replay-text.ts'

const FORMATS = ['text', 'json'] as const
/** Made again and at hand; one that comes back later is read again. */
const BUNDLES_MAX = 50
const PROGRESS_EVERY = 5_000

/** Under what a decision is made again, or why it cannot be. */
type Under = { readonly ok: true; readonly bundle: Bundle; readonly version: string | undefined } | { readonly ok: false; readonly wrong: string }

export const replayCommand: Command = {
  name: 'replay',
  words: '',
  wordsMax: 0,
  says: 'Decides every recorded request again and says whether the decisions agree.',
  options: {
    records: { value: 'DATA|FILE', says: 'the records: a data folder, a records file or an export' },
    data: { value: 'DIR', says: 'where bundles/ is; beside the records unless given' },
    bundle: { value: 'POLICIES', says: 'decide under these policies instead of those that decided' },
    last: { value: '7d', says: 'only the last days or hours' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run({ options }, host) {
    const { records, last, bundle: policies } = options
    if (records === undefined) throw new UsageError('replay needs --records: a data folder, a records file or an export.')
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const since = last === undefined ? -Infinity : host.now() - durationMs(last)
    const other = policies === undefined ? undefined : await bundleIn(policies, host)
    if (other === 'does not compile') return EXIT.doesNotCompile
    const read = await host.readRecords(records)
    if (!read.ok) throw new UsageError(read.wrong)

    const under = remembering(other === undefined ? entry => host.readBundle(dataOf(options['data'], records), entry) : undecided(other, entry => host.readBundle(dataOf(options['data'], records), entry)))
    const result = await replay(read.lines, { since, under, isOther: other !== undefined, progress: host.progress ?? (() => undefined) })
    const told = { records, last, result, other: other === undefined ? undefined : { name: policies!, bundle: other }, version: host.version }
    host.out(format === 'json' ? inJson(told) : inText(told))
    return result.agree === result.decisions ? EXIT.fine : EXIT.refused
  },
}

/** The bundles stand beside the records, in the same data folder. */
const dataOf = (given: string | undefined, records: string): string =>
  given ?? (statSync(records, { throwIfNoEntry: false })?.isDirectory() === true ? records : dirname(records))

async function bundleIn(folder: string, host: Host): Promise<Bundle | 'does not compile'> {
  const read = await host.readFolder(folder)
  if (!read.ok) throw new UsageError(read.wrong)
  const compiled = await compile(read.sources, { tests: 'left-out' })
  if (compiled.ok) return compiled.bundle
  host.err(`${folder} does not compile:\n${printProblems(compiled.problems, read.sources)}`)
  return 'does not compile'
}

type UnderOf = (named: Pick<Replayable, 'bundle' | 'catalog'>) => Promise<Under>

/** Another bundle, with the models that servers were known to hold then: a deployment is not gone because nobody asks for it here. */
const undecided = (other: Bundle, kept: UnderOf): UnderOf => async named => {
  const then = await kept(named)
  return { ok: true, version: undefined, bundle: then.ok ? await withDiscovered(other, then.bundle.madeOf.discovered) : other }
}

function remembering(read: UnderOf): UnderOf {
  const known = new Map<string, Under>()
  return async named => {
    const key = `${named.bundle}-${named.catalog}`
    let under = known.get(key)
    if (under === undefined) {
      under = await read(named)
      if (known.size >= BUNDLES_MAX) known.delete(known.keys().next().value!)
      known.set(key, under)
    }
    return under
  }
}

type How = { readonly since: number; readonly under: UnderOf; readonly isOther: boolean; readonly progress: (text: string) => void }

async function replay(lines: Iterable<{ readonly text: string; readonly where: string }>, { since, under, isOther, progress }: How): Promise<Result> {
  const result: Result = {
    decisions: 0, agree: 0, differ: 0, bundles: new Set(), versions: new Set(), differences: [], notReplayable: new Map(),
    newlyPermitted: new Map(), newlyRemoved: new Map(), firstChoice: new Map(), rulesNow: new Map(), rulesBefore: new Map(),
  }
  const cannot = (why: string, first: string): void => {
    const known = result.notReplayable.get(why)
    if (known === undefined) result.notReplayable.set(why, { why, count: 1, first })
    else known.count += 1
  }
  for (const { text, where } of lines) {
    const found = decisionIn(text)
    if (found.kind === 'other') continue
    if (found.kind === 'decision' && found.entry.at < since) continue
    result.decisions += 1
    if (result.decisions % PROGRESS_EVERY === 0) progress(`${grouped(result.decisions)} decisions replayed`)
    if (found.kind === 'unreadable') {
      cannot(found.wrong, found.id ?? where)
      continue
    }
    const { entry } = found
    const by = await under(entry)
    if (!by.ok) {
      cannot(by.wrong, entry.id)
      continue
    }
    result.bundles.add(`${entry.bundle}-${entry.catalog}`)
    if (by.version !== undefined) result.versions.add(by.version)
    const again = decideAgain(by.bundle.rulebook, entry)
    const parts = differingParts(entry, again).filter(part => !isOther || part === 'outcome' || part === 'code' || part === 'permitted' || part === 'duties')
    if (parts.length === 0) {
      result.agree += 1
      continue
    }
    result.differ += 1
    if (isOther) note(result, entry, again)
    if (result.differences.length < TOLD_MAX) {
      result.differences.push({ id: entry.id, at: entry.at, bundle: entry.bundle, parts: parts.map(part => ({ part, recorded: entry[part] ?? null, again: again[part] ?? null })) })
    }
  }
  progress('')
  return result
}

/** Counts what another bundle changes. */
function note(result: Result, entry: Replayable, again: Decided): void {
  const add = (to: Map<string, Change>, name: string): void => {
    const known = to.get(name)
    if (known === undefined) to.set(name, { count: 1, first: entry.id })
    else known.count += 1
  }
  const before = new Set(entry.permitted), after = new Set(again.permitted)
  for (const name of after) if (!before.has(name)) add(result.newlyPermitted, name)
  for (const name of before) if (!after.has(name)) add(result.newlyRemoved, name)
  const [first] = entry.permitted, [now] = again.permitted
  if (first !== undefined && now !== undefined && first !== now) add(result.firstChoice, `${first} -> ${now}`)
  const rules = new Set(entry.activeRules), rulesNow = new Set(again.activeRules)
  for (const rule of rulesNow) if (!rules.has(rule)) add(result.rulesNow, rule)
  for (const rule of rules) if (!rulesNow.has(rule)) add(result.rulesBefore, rule)
}
