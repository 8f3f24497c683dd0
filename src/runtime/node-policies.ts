/**
 * The policies folder on disk: reading it whole, and noticing that it changed (docs/decisions/001-polling-the-policies-folder.md).
 *
 * What it assumes: editors and deployments write files piecemeal and swap folders behind symbolic links.
 * What it promises: what `readPolicies` gives stood on disk like that at two reads a moment apart, every file of it.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { join } from 'node:path'
import type { Sources } from '../bundle/bundle.ts'
import type { ReadFolder } from '../cli/host.ts'

const FILES_MAX = 4_096
const DEPTH_MAX = 12
const READ_GAP_MS = 20
const READS_MAX = 50

/** Reads every YAML file under a folder, until two reads in a row agree. A file that goes while it is read is a change like any other. */
export async function readPolicies(folder: string): Promise<ReadFolder> {
  let before = await readOnce(folder)
  for (let reads = 1; reads < READS_MAX; reads++) {
    await wait(READ_GAP_MS)
    const again = await readOnce(folder)
    if (agree(before, again)) return again
    before = again
  }
  return { ok: false, wrong: `${folder} keeps changing while it is read.` }
}

/**
 * What can be seen of the folder without reading a file: names, sizes, times, in one text. Equal texts mean nothing changed,
 * but for a file rewritten to its old size within one tick of the disk's clock.
 */
export async function signatureOf(folder: string): Promise<string> {
  try {
    const names = await policyFiles(folder)
    const marks = await Promise.all(names.map(async name => {
      const s = await stat(join(folder, name), { bigint: true })
      return `${name} ${s.size} ${s.mtimeNs} ${s.ctimeNs} ${s.ino}`
    }))
    return marks.join('\n')
  } catch (error) {
    return whyUnreadable(folder, error)
  }
}

export const sameSources = (a: Sources, b: Sources): boolean => a.size === b.size && [...a].every(([name, text]) => b.get(name) === text)

async function readOnce(folder: string): Promise<ReadFolder> {
  try {
    const names = await policyFiles(folder)
    const sources = new Map(await Promise.all(names.map(async name => [name, await readFile(join(folder, name), 'utf8')] as const)))
    return sources.size > 0 ? { ok: true, sources } : { ok: false, wrong: `${folder} holds no policy files (*.yaml).` }
  } catch (error) {
    return { ok: false, wrong: whyUnreadable(folder, error) }
  }
}

const agree = (a: ReadFolder, b: ReadFolder): boolean => (a.ok ? b.ok && sameSources(a.sources, b.sources) : !b.ok && a.wrong === b.wrong)

/**
 * Names relative to the folder, with forward slashes, in byte order. Symbolic links are followed; names that begin with a
 * dot are not policies (an editor's swap files, Kubernetes' ..data behind the links that are).
 */
async function policyFiles(folder: string): Promise<readonly string[]> {
  const found: string[] = []
  const walk = async (below: string, depth: number): Promise<void> => {
    if (depth > DEPTH_MAX) throw new Error(`folders are nested more than ${DEPTH_MAX} deep`)
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue
      const name = below === '' ? entry.name : `${below}/${entry.name}`
      const kind = entry.isSymbolicLink() ? await stat(join(folder, name)) : entry
      if (kind.isDirectory()) await walk(name, depth + 1)
      else if (kind.isFile() && /\.ya?ml$/i.test(entry.name)) found.push(name)
      if (found.length > FILES_MAX) throw new Error(`there are more than ${FILES_MAX} files`)
    }
  }
  await walk('', 0)
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

function whyUnreadable(folder: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const path = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : folder
  if (code === 'ENOENT') return `${path} does not exist, or is a link that leads nowhere.`
  if (code === 'ENOTDIR') return `${folder} is not a folder.`
  return `${path} cannot be read (${code === undefined && error instanceof Error ? error.message : String(code)}).`
}
