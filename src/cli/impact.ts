/** `bailiwick impact`: what a change of the policies does, before it is in force (policy-language, section 9). */
import { existsSync, statSync } from 'node:fs'
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import { withConnections } from '../bundle/connection-difference.ts'
import { asksAt, bothRegistered, impact, laterImpact, type WeightedClass } from '../policy/impact.ts'
import { askedOf } from '../record/decided.ts'
import { oneOf, UsageError, type Command } from './command.ts'
import { printProblems } from './compiled.ts'
import { EXIT } from './exit.ts'
import type { Host, RecordedRequests } from './host.ts'
import { inJson, inMarkdown, inText, isWider, type Found } from './impact-text.ts'
import { instantOrNow } from './instant.ts'
import { durationMs } from './last.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json', 'markdown'] as const
const LAST = '7d'
/** Requests are counted by the hour. */
const HOUR_MS = 3_600_000
const CAN_DIFFER = 'OLD and NEW are folders or git revisions'

export const impactCommand: Command = {
  name: 'impact',
  words: 'OLD NEW',
  wordsMax: 2,
  says: `Says what a change of the policies does; ${CAN_DIFFER} of the policies (REV or REV:path).`,
  options: {
    records: { value: 'DATA|FILE', says: 'Ask what was really asked: the data folder of a gateway, its records or its classes.sqlite' },
    last: { value: '7d', says: `How far back that is read, in days or hours from the start of an hour; ${LAST} unless given` },
    at: { value: 'TIME', says: 'Judge both at this time instead of now' },
    format: { value: 'text|json|markdown', says: 'text unless given' },
    'accept-wider': { says: 'End with 0 although something is newly permitted, or some word lets more through' },
  },
  async run({ options, words: [oldWord, newWord] }, host) {
    if (oldWord === undefined || newWord === undefined) throw new UsageError(`impact compares two: impact OLD NEW. ${CAN_DIFFER}.`)
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const at = instantOrNow(options['at'], host.now)
    const last = options['last'] ?? LAST
    if (options['last'] !== undefined && options['records'] === undefined) throw new UsageError('--last says how far back --records is read; without --records it says nothing.')
    const since = Math.floor((host.now() - durationMs(last)) / HOUR_MS) * HOUR_MS

    const folder = [newWord, oldWord].find(isFolder) ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES
    const old = await bundleAt(oldWord, folder, host), next = await bundleAt(newWord, folder, host)
    if (old === undefined || next === undefined) return EXIT.doesNotCompile
    const recorded = options['records'] === undefined ? undefined : await host.readRecorded(options['records'], since, [...new Set(['app', 'data', ...asksAt(old.rulebook, next.rulebook, at)])])
    if (recorded?.ok === false) throw new UsageError(recorded.wrong)

    const compared = impact(old.rulebook, next.rulebook, classesOf(old, next, recorded?.requests ?? [], at))
    const found: Found = {
      old: { name: oldWord, bundle: old }, next: { name: newWord, bundle: next }, at,
      last: recorded === undefined ? undefined : last, read: recorded?.read,
      impact: { ...compared, differences: withConnections(compared.differences, old, next) },
      later: laterImpact(old.rulebook, next.rulebook, at),
      accepted: options['accept-wider'] !== undefined,
    }
    host.out(format === 'json' ? inJson(found) : format === 'markdown' ? inMarkdown(found) : inText(found))
    return isWider(found) && !found.accepted ? EXIT.refused : EXIT.fine
  },
}

const isFolder = (word: string): boolean => existsSync(word) && statSync(word).isDirectory()

/** The bundle, or undefined after its problems were written to standard error. Throws UsageError when there is nothing to read. */
async function bundleAt(word: string, folder: string, host: Host): Promise<Bundle | undefined> {
  const read = isFolder(word) ? await host.readFolder(word) : await host.readRevision(word, folder)
  if (!read.ok) throw new UsageError(isFolder(word) ? read.wrong : `'${word}' is no folder. ${read.wrong}`)
  const compiled = await compile(read.sources)
  if (compiled.ok) return compiled.bundle
  host.err(`${word} does not compile:\n${printProblems(compiled.problems, read.sources satisfies Sources)}`)
  return undefined
}

/**
 * What was recorded, and every registered class with no weight of its own. All of them are judged at one moment: a rule that
 * begins next week did nothing last week, and what it will do to such a week is the question.
 */
function* classesOf({ rulebook: old }: Bundle, { rulebook: next }: Bundle, recorded: Iterable<RecordedRequests>, at: number): Iterable<WeightedClass> {
  const assertedAlike = (app: string): boolean => String(old.apps.get(app)?.mayAssert.toSorted()) === String(next.apps.get(app)?.mayAssert.toSorted())
  const alike = new Set([...old.apps.keys()].filter(assertedAlike))
  for (const one of recorded) {
    const asked = askedOf(old, one), app = String(one.request['app']?.value)
    yield alike.has(app) ? { asked, weight: one.count, at } : { asked, askedAnew: askedOf(next, one), weight: one.count, at }
  }
  for (const { asked } of bothRegistered(old, next)) yield { asked, weight: 0, at }
}
