/**
 * What this is for: the packs that come with Bailiwick, the lock that says which of them a policies folder holds, and what
 * putting one there would do to each file.
 *
 * What it assumes: src/packs holds one folder a pack (src/packs/README.md).
 * What it promises: planning writes nothing; a file that is not known to be ours as it was written is never replaced.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Sources } from '../bundle/bundle.ts'
import { PACK_FILE } from '../bundle/files.ts'
import { readPackFile, type Pack } from '../bundle/pack-file.ts'
import { maybe, UsageError } from './command.ts'
import type { Host } from './host.ts'

const PACKS = fileURLToPath(new URL('../packs', import.meta.url))
/** JSON, which the compiler leaves alone: it decides nothing. */
export const LOCK_FILE = 'packs.lock.json'
/** What a policies folder gets of a pack. The rest is there for its tests. */
const GIVEN = /^(?:rules\/[^/]+\.policy|groups\/[^/]+)\.yaml$/

export const packNames = (): readonly string[] => readdirSync(PACKS, { withFileTypes: true }).filter(e => e.isDirectory()).map(e => e.name).sort()

export type ShippedPack = Pack & {
  /** The whole folder. */
  readonly sources: Sources
  /** What a policies folder gets of it, groups before the rules that name them. */
  readonly files: Sources
  /** The page in plain words. */
  readonly page: string
}

/** Throws UsageError for a name that no pack has. */
export async function shippedPack(name: string, host: Host): Promise<ShippedPack> {
  if (!packNames().includes(name)) throw new UsageError(`There is no pack '${name}'.${maybe(name, packNames())} See bailiwick pack list.`)
  const read = await host.readFolder(join(PACKS, name))
  if (!read.ok) throw new Error(read.wrong)
  return {
    ...readPackFile(`${name}/${PACK_FILE}`, read.sources.get(PACK_FILE) ?? ''),
    sources: read.sources,
    files: new Map([...read.sources].filter(([file]) => GIVEN.test(file)).sort(([a], [b]) => (a < b ? -1 : 1))),
    page: await readFile(join(PACKS, name, 'README.md'), 'utf8'),
  }
}

/** A pack and its variants take one another's place. */
export const familyOf = (pack: Pack): string => pack.variantOf ?? pack.name

type LockedPack = { readonly version: string; readonly family: string; readonly files: { readonly [file: string]: string } }
export type Lock = { readonly [pack: string]: LockedPack }

/** What the policies folder says it holds; nothing when it says nothing. Throws UsageError for a lock that cannot be read. */
export async function readLock(folder: string): Promise<Lock> {
  const path = join(folder, LOCK_FILE)
  if (!existsSync(path)) return {}
  try {
    const { packs } = JSON.parse(await readFile(path, 'utf8')) as { readonly packs?: unknown }
    if (isLock(packs)) return packs
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new UsageError(`${path} is not as bailiwick pack wrote it. Take it back from your history; nothing was written.`)
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isLock = (value: unknown): value is Lock => isMapping(value) && Object.values(value).every(one =>
  isMapping(one) && typeof one['version'] === 'string' && typeof one['family'] === 'string' && isMapping(one['files']) && Object.values(one['files']).every(d => typeof d === 'string'))

export const lockInText = (lock: Lock): string => `${JSON.stringify({ packs: Object.fromEntries(Object.entries(lock).sort(([a], [b]) => (a < b ? -1 : 1))) }, undefined, 2)}\n`

const SCHEMA_LINE = /^# yaml-language-server: [^\n]*\n/
/** The text as the pack has it: the first line for an editor, which `init` writes, is no change. */
const bare = (text: string): string => text.replace(SCHEMA_LINE, '')
export const digestOfFile = (text: string): string => `sha256:${createHash('sha256').update(bare(text)).digest('hex')}`

/**
 * new: not there yet. same: there already. changed: there as a pack wrote it, and the pack has another text now.
 * edited: written by a pack and changed since. foreign: there, and from no pack. dropped: the pack does not have it any more.
 */
export type FileState = 'new' | 'same' | 'changed' | 'edited' | 'foreign' | 'dropped'
export type PlannedFile = { readonly file: string; readonly state: FileState; readonly text: string }

/** Of one pack, what would happen to each file; `before` names the member of its family that the folder holds. */
export function planOf(pack: ShippedPack, before: string | undefined, sources: Sources, lock: Lock): readonly PlannedFile[] {
  const recorded = (file: string): readonly string[] => Object.values(lock).flatMap(one => one.files[file] ?? [])
  const stateOf = (file: string, wanted: string | undefined): FileState => {
    const there = sources.get(file)
    if (there === undefined) return wanted === undefined ? 'same' : 'new'
    const digest = digestOfFile(there)
    if (wanted !== undefined && digest === digestOfFile(wanted)) return 'same'
    if (recorded(file).length === 0) return 'foreign'
    if (!recorded(file).includes(digest)) return 'edited'
    return wanted === undefined ? 'dropped' : 'changed'
  }
  const held = before === undefined ? undefined : lock[before]
  const isHeldElsewhere = (file: string): boolean => Object.entries(lock).some(([name, one]) => name !== before && one.files[file] !== undefined)
  const dropped = Object.keys(held?.files ?? {}).filter(file => !pack.files.has(file) && sources.has(file) && !isHeldElsewhere(file))
  return [
    ...[...pack.files].map(([file, text]) => ({ file, state: stateOf(file, text), text })),
    ...dropped.map(file => ({ file, state: stateOf(file, undefined), text: '' })),
  ]
}

/** Files that are written, and those that are removed. */
export const isWritten = ({ state }: PlannedFile): boolean => state === 'new' || state === 'changed'
export const isRemoved = ({ state }: PlannedFile): boolean => state === 'dropped'

/** The policies folder as it would be. */
export function withPlan(sources: Sources, plan: readonly PlannedFile[]): Sources {
  const gone = new Set(plan.filter(isRemoved).map(p => p.file))
  return new Map([...[...sources].filter(([file]) => !gone.has(file)), ...plan.filter(isWritten).map(p => [p.file, p.text] as const)])
}

/** The lock as it would be. A file that was edited keeps the digest under which it was written, so that it stays known as edited. */
export function lockAfter(lock: Lock, pack: ShippedPack, before: string | undefined, plan: readonly PlannedFile[]): Lock {
  const digestBefore = (file: string): string | undefined => Object.values(lock).flatMap(one => one.files[file] ?? [])[0]
  const files = Object.fromEntries(plan.filter(p => pack.files.has(p.file))
    .map(p => [p.file, p.state === 'edited' ? digestBefore(p.file)! : digestOfFile(p.text)]))
  // A list that several packs share is one file: each of them has it in its newer text.
  const others = Object.entries(lock).filter(([name]) => name !== before && name !== pack.name).map(([name, one]) => [name, {
    ...one, files: Object.fromEntries(Object.entries(one.files).map(([file, digest]) => [file, files[file] ?? digest])),
  }] as const)
  return { ...Object.fromEntries(others), [pack.name]: { version: pack.version, family: familyOf(pack), files } }
}
