/** `bailiwick impact`: what a change of the policies does, before it is in force (policy-language, section 9). */
import { existsSync, statSync } from 'node:fs'
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import { withConnections } from '../bundle/connection-difference.ts'
import { trustedAndStated } from '../classify/classify.ts'
import { asksAt, bothRegistered, impact, laterImpact, type WeightedClass } from '../policy/impact.ts'
import type { Asked } from '../policy/request.ts'
import type { Rulebook } from '../policy/rule.ts'
import { VOUCHED } from '../record/record.ts'
import { oneOf, UsageError, type Command } from './command.ts'
import { printProblems } from './compiled.ts'
import { EXIT } from './exit.ts'
import type { Host, RecordedRequests } from './host.ts'
import { inJson, inMarkdown, inText, isWider, type Found } from './impact-text.ts'
import { instantOrNow } from './instant.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json', 'markdown'] as const
const LAST = '7d'
const LAST_WRITTEN = /^([1-9]\d{0,3})([dh])$/
const UNIT_MS = { d: 86_400_000, h: 3_600_000 } as const
const CAN_DIFFER = 'OLD and NEW are folders or git revisions'

export const impactCommand: Command = {
  name: 'impact',
  words: 'OLD NEW',
  wordsMax: 2,
  says: `Says what a change of the policies does; ${CAN_DIFFER} of the policies (REV or REV:path).`,
  options: {
    records: { value: 'FILE', says: 'Ask what was really asked: the records.sqlite of a gateway' },
    last: { value: '7d', says: `How far back the records are read, in days or hours; ${LAST} unless given` },
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
    const since = host.now() - durationMs(last)

    const folder = [newWord, oldWord].find(isFolder) ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES
    const old = await bundleAt(oldWord, folder, host), next = await bundleAt(newWord, folder, host)
    if (old === undefined || next === undefined) return EXIT.doesNotCompile
    const recorded = options['records'] === undefined ? undefined : await host.readRecorded(options['records'], since, [...new Set(['app', 'data', ...asksAt(old.rulebook, next.rulebook, at)])])
    if (recorded?.ok === false) throw new UsageError(recorded.wrong)

    const compared = impact(old.rulebook, next.rulebook, classesOf(old, next, recorded?.requests ?? [], at))
    const found: Found = {
      old: { name: oldWord, bundle: old }, next: { name: newWord, bundle: next }, at,
      last: recorded === undefined ? undefined : last,
      impact: { ...compared, differences: withConnections(compared.differences, old, next) },
      later: laterImpact(old.rulebook, next.rulebook, at),
      accepted: options['accept-wider'] !== undefined,
    }
    host.out(format === 'json' ? inJson(found) : format === 'markdown' ? inMarkdown(found) : inText(found))
    return isWider(found) && !found.accepted ? EXIT.refused : EXIT.fine
  },
}

function durationMs(written: string): number {
  const parts = LAST_WRITTEN.exec(written)
  if (parts === null) throw new UsageError(`--last is a number of days or hours, such as 7d or 12h, not '${written}'.`)
  return Number(parts[1]) * UNIT_MS[parts[2] as keyof typeof UNIT_MS]
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

/**
 * The request as it was made. What its caller stated is sorted again by what the app may assert; what the registration added
 * is left out, for each rulebook to add its own.
 */
function askedOf(rulebook: Rulebook, { request, stated }: RecordedRequests): Asked {
  const app = request['app']?.value
  const sorted = trustedAndStated(rulebook, typeof app === 'string' ? app : '', stated)
  const trusted: Record<string, unknown> = { ...sorted.trusted }
  for (const fact of Object.keys(request)) {
    const { value, source } = request[fact]!
    if ((VOUCHED as readonly string[]).includes(source) && stated[fact] === undefined) trusted[fact] = value
  }
  return { trusted, stated: sorted.stated }
}
