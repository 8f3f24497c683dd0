/** `bailiwick pack`: rules that come ready, put into a policies folder and kept up to date there (policy-language, section 11). */
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import { kindOf } from '../bundle/files.ts'
import type { Problem } from '../bundle/problem.ts'
import { bothRegistered, impact, laterImpact } from '../policy/impact.ts'
import { columns, counted } from './class-text.ts'
import { maybe, oneOf, UsageError, type Command, type Given } from './command.ts'
import { printProblems } from './compiled.ts'
import { EXIT, type Exit } from './exit.ts'
import type { Host } from './host.ts'
import { inText, type Found } from './impact-text.ts'
import { familyOf, isRemoved, isWritten, LOCK_FILE, lockAfter, lockInText, packNames, planOf, readLock, shippedPack, withPlan, type FileState, type Lock, type PlannedFile, type ShippedPack } from './packs.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json'] as const
type Format = (typeof FORMATS)[number]
const DOES = ['list', 'show', 'add', 'upgrade'] as const

export const packCommand: Command = {
  name: 'pack',
  words: 'list | show NAME | add NAME | upgrade NAME',
  wordsMax: 2,
  says: 'Rules that come ready: lists them, shows one, copies one into a policies folder, or brings it up to date.',
  options: {
    to: { value: 'DIR', variable: 'BAILIWICK_POLICIES', says: `The policies folder that add and upgrade are about; ${POLICIES} unless given` },
    yes: { says: 'upgrade writes what it shows' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run(given, host) {
    const [does, name] = given.words
    const format = oneOf('format', given.options['format'] ?? 'text', FORMATS)
    if (does === undefined) throw new UsageError(`pack needs a word: pack ${DOES.join(', pack ')}.`)
    if (!(DOES as readonly string[]).includes(does)) throw new UsageError(`pack does not know '${does}'.${maybe(does, DOES)}`)
    if (given.options['yes'] !== undefined && does !== 'upgrade') throw new UsageError('--yes is for pack upgrade.')
    if (does === 'list') {
      if (name !== undefined) throw new UsageError(`pack list takes no name; pack show ${name} shows one.`)
      return list(format, host)
    }
    if (name === undefined) throw new UsageError(`pack ${does} needs the name of a pack: pack ${does} gdpr. See bailiwick pack list.`)
    const pack = await shippedPack(name, host)
    return does === 'show' ? show(pack, format, host) : put(does as 'add' | 'upgrade', pack, given, format, host)
  },
}

async function list(format: Format, host: Host): Promise<Exit> {
  const packs = await Promise.all(packNames().map(name => shippedPack(name, host)))
  host.out(format === 'json'
    ? `${JSON.stringify(packs.map(aboutPack), undefined, 2)}\n`
    : columns(packs.map(p => [p.name, p.version, `as of ${p.asOf}, review by ${p.reviewBy}`, `${p.title}${p.variantOf === undefined ? '' : ` (variant of ${p.variantOf})`}`])))
  return EXIT.fine
}

function show(pack: ShippedPack, format: Format, host: Host): Exit {
  host.out(format === 'json'
    ? `${JSON.stringify({ ...aboutPack(pack), files: [...pack.files.keys()], page: pack.page }, undefined, 2)}\n`
    : `${pack.page}\nVersion ${pack.version}. Files: ${[...pack.files.keys()].join(', ')}\n`)
  return EXIT.fine
}

const aboutPack = ({ name, title, version, asOf, reviewBy, variantOf, variants, needs, doesNotCover }: ShippedPack): object => ({
  pack: name, title, version, 'as-of': asOf, 'review-by': reviewBy, 'variant-of': variantOf ?? null, variants, needs, 'does-not-cover': doesNotCover,
})

/** What add and upgrade have in common: plan, compile, show the effect, write. Nothing is written unless all of it can be. */
async function put(does: 'add' | 'upgrade', pack: ShippedPack, given: Given, format: Format, host: Host): Promise<Exit> {
  const folder = given.options['to'] ?? POLICIES
  const sources = await policiesIn(folder, host)
  const lock = await readLock(folder)
  const before = Object.keys(lock).find(name => lock[name]!.family === familyOf(pack))
  const plan = planOf(pack, before, sources, lock)
  const refusal = does === 'add' ? whyNotAdded(pack, before, plan, lock, folder) : whyNotUpgraded(pack, before, plan)
  if (refusal !== undefined) {
    host.err(`bailiwick: ${refusal} Nothing was written.\n`)
    return EXIT.refused
  }

  const next = withPlan(sources, plan)
  const compiled = await compile(next)
  if (!compiled.ok) {
    host.err(`${printProblems(compiled.problems, next)}${whoseProblem(compiled.problems, plan)} Nothing was written.\n`)
    return EXIT.doesNotCompile
  }
  const old = await compile(sources)
  const effect = old.ok ? effectOf(old.bundle, compiled.bundle, folder, does, host.now()) : undefined
  const wider = effect !== undefined && (effect.impact.classes.some(c => c.newlyPermitted.length > 0) || effect.later.some(l => l.newlyPermitted.length > 0))
  const idle = before === pack.name && lock[before]!.version === pack.version && !plan.some(p => isWritten(p) || isRemoved(p))
  const writes = !idle && (does === 'add' || given.options['yes'] !== undefined)
  if (writes) await write(folder, plan, lockAfter(lock, pack, before, plan))

  const shown: Shown = { does, pack, before, lock, folder, plan, effect, wider, idle, written: writes }
  host.out(format === 'json' ? shownInJson(shown) : shownInText(shown))
  return wider && !writes ? EXIT.refused : EXIT.fine
}

/** A folder that is not there, or holds nothing yet, is an empty one. Throws UsageError for one that cannot be read. */
async function policiesIn(folder: string, host: Host): Promise<Sources> {
  if (!existsSync(folder)) return new Map()
  const read = await host.readFolder(folder)
  if (read.ok) return read.sources
  if (isEmpty(folder)) return new Map()
  throw new UsageError(read.wrong)
}

function isEmpty(folder: string): boolean {
  try {
    return readdirSync(folder).length === 0
  } catch {
    return false
  }
}

function whyNotAdded(pack: ShippedPack, before: string | undefined, plan: readonly PlannedFile[], lock: Lock, folder: string): string | undefined {
  const upgrade = `bailiwick pack upgrade ${pack.name} --to ${folder}`
  if (before === pack.name && plan.some(p => p.state !== 'same')) return `${pack.name} was added before, and its files differ: ${named(plan, 'new', 'changed', 'edited', 'dropped')}. ${upgrade} says how.`
  if (before !== undefined && before !== pack.name) return `${before} is there, and ${pack.name} takes its place: ${upgrade}.`
  const missing = pack.needs.find(need => !Object.values(lock).some(one => one.family === need))
  if (missing !== undefined) return `${pack.name} needs the pack ${missing}: bailiwick pack add ${missing} --to ${folder}.`
  const own = plan.filter(p => p.state === 'foreign' || p.state === 'edited' || p.state === 'changed')
  if (own.length === 0) return undefined
  const older = plan.filter(p => p.state === 'changed').map(p => p.file)
  return older.length > 0 && own.length === older.length
    ? `${older.join(', ')} came with another pack in an older text: upgrade that pack first.`
    : `${own.map(p => p.file).join(', ')} would be overwritten, and ${own.length === 1 ? 'differs' : 'differ'} from the pack. Give your own ${own.length === 1 ? 'file' : 'files'} another name (and its policy or group), or keep what you have.`
}

function whyNotUpgraded(pack: ShippedPack, before: string | undefined, plan: readonly PlannedFile[]): string | undefined {
  if (before === undefined) return `${pack.name} was not added yet: bailiwick pack add ${pack.name}.`
  const foreign = plan.filter(p => p.state === 'foreign')
  return foreign.length === 0 ? undefined : `${foreign.map(p => p.file).join(', ')} ${foreign.length === 1 ? 'is' : 'are'} yours and would be overwritten.`
}

const named = (plan: readonly PlannedFile[], ...states: readonly FileState[]): string => plan.filter(p => states.includes(p.state)).map(p => p.file).join(', ')

const whoseProblem = (problems: readonly Problem[], plan: readonly PlannedFile[]): string =>
  (problems.some(p => p.severity === 'error' && plan.some(f => f.file === p.file)) ? 'With the pack the folder would not compile.' : 'The folder does not compile; mend it first.')

function effectOf(old: Bundle, next: Bundle, folder: string, does: 'add' | 'upgrade', at: number): Found {
  const classes = bothRegistered(old.rulebook, next.rulebook).map(({ asked }) => ({ asked, weight: 0, at }))
  return {
    old: { name: folder, bundle: old }, next: { name: `${folder} after pack ${does}`, bundle: next }, at, last: undefined,
    impact: impact(old.rulebook, next.rulebook, classes), later: laterImpact(old.rulebook, next.rulebook, at), accepted: true,
  }
}

/** Groups before the rules that name them, and the lock last: a reader in between sees a folder that does not compile, or the old one. */
async function write(folder: string, plan: readonly PlannedFile[], lock: Lock): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const { file, text } of plan.filter(isWritten)) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), withSchemaLine(folder, file, text))
  }
  for (const { file } of plan.filter(isRemoved)) await rm(join(folder, file))
  await writeFile(join(folder, LOCK_FILE), lockInText(lock))
}

/** Where the folder has schemas for an editor, the first line names the one that the file follows. It is no part of the digest. */
function withSchemaLine(folder: string, file: string, text: string): string {
  const schema = `schema/${kindOf(file)}.schema.json`
  return existsSync(join(folder, schema)) ? `# yaml-language-server: $schema=../${schema}\n${text}` : text
}

type Shown = {
  readonly does: 'add' | 'upgrade'
  readonly pack: ShippedPack
  readonly before: string | undefined
  readonly lock: Lock
  readonly folder: string
  readonly plan: readonly PlannedFile[]
  readonly effect: Found | undefined
  readonly wider: boolean
  /** There is nothing to write. */
  readonly idle: boolean
  readonly written: boolean
}

const SAYS: { readonly [state in FileState]: string } = {
  new: 'new', same: 'as it is', changed: 'changes', edited: 'was changed here and is kept', foreign: 'is yours', dropped: 'goes',
}

function shownInText({ does, pack, before, lock, folder, plan, effect, wider, idle, written }: Shown): string {
  const edited = plan.filter(p => p.state === 'edited')
  const from = before === undefined ? '' : `${before} ${lock[before]!.version} -> `
  return [
    `pack      ${from}${pack.name} ${pack.version}, as of ${pack.asOf}, review by ${pack.reviewBy}\n`,
    columns(plan.map(p => ['file', p.file, SAYS[p.state]])),
    ...effect === undefined || idle ? [] : [inText(effect)],
    ...edited.length === 0 ? [] : [`${counted(edited.length, 'file')} changed here ${edited.length === 1 ? 'is' : 'are'} kept, and ${edited.length === 1 ? 'does' : 'do'} not follow the pack. Changes of your own belong into a policy file of your own, or into an exception.\n`],
    idle ? `${folder} has it already; nothing was written.\n`
      : written ? `Written to ${folder}; ${LOCK_FILE} has the digests. What it does not cover: bailiwick pack show ${pack.name}\n`
        : `Nothing was written.${wider ? ' Something would be permitted that is not permitted now.' : ''} To write it: bailiwick pack ${does} ${pack.name} --to ${folder} --yes\n`,
  ].join('')
}

function shownInJson({ pack, before, lock, plan, effect, wider, idle, written }: Shown): string {
  return `${JSON.stringify({
    pack: pack.name, version: pack.version, before: before === undefined ? null : { pack: before, version: lock[before]!.version },
    files: plan.map(({ file, state }) => ({ file, state })),
    written, idle, wider,
    effect: effect === undefined ? null : {
      differences: effect.impact.differences.map(({ kind, name, change, parts }) => ({ kind, name, change, parts })),
      classes: effect.impact.classes.map(c => ({ app: c.app ?? null, data: c.data, before: c.before, after: c.after, 'newly-permitted': c.newlyPermitted, 'newly-removed': c.newlyRemoved, empty: c.empty })),
      later: effect.later.map(l => ({ at: new Date(l.at).toISOString(), app: l.app, data: l.data, 'newly-permitted': l.newlyPermitted, empty: l.empty })),
    },
  }, undefined, 2)}\n`
}
