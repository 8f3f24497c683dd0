/**
 * What this is for: every bundle that ever decided, in the data folder, one file for each pair of digests that decisions name.
 *
 * What it promises: a file is there whole or not at all, and is never written again; a bundle is kept before it is in force where
 * that can be done, and a disk that cannot keep it never holds up the law: an alarm stands until it is kept.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Bundle } from '../bundle/bundle.ts'
import { keptOf, madeAgain, type MadeAgain } from '../bundle/kept.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { canonical } from '../record/canonical.ts'

const FOLDER = 'bundles'
const ALARM = 'bundles'
/** How long a change of the law waits for the disk, and so does the end. */
const WITHIN_MS = 1_000
const RETRY_AFTER_MS = 1_000
/** The folder holds policies with the hashes of keys, and what servers held. */
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const DIGEST = /^[0-9a-f]{64}$/

export type Bundles = {
  /** Fulfilled when the bundle is kept, or when the law should not wait any longer. Never rejects. */
  readonly keep: (bundle: Bundle) => Promise<void>
  /** Tries once more for what is not kept yet. */
  end(): Promise<void>
}

type Named = { readonly bundle: string; readonly catalog: string }
const pathOf = (data: string, { bundle, catalog }: Named): string => join(data, FOLDER, `${bundle}-${catalog}.json`)

type Host = { readonly data: string; readonly version: string; readonly gateway: Pick<Gateway, 'raise' | 'clear' | 'ports'> }

export function createBundles({ data, version, gateway: { raise, clear, ports: { clock, background } } }: Host): Bundles {
  /** Those that decide, or did, and are not known to be on disk yet. By the name of the file. */
  const waiting = new Map<string, Bundle>()
  let forget: (() => void) | undefined
  let writing: Promise<void> | undefined
  let hasEnded = false

  /** What comes in meanwhile is seen by the same loop: one file at a time. */
  const keepAll = async (): Promise<void> => {
    let why: string | undefined
    for (const [path, bundle] of waiting) {
      try {
        await keepFile(path, bundle, version)
        waiting.delete(path)
      } catch (error) {
        why = error instanceof Error && 'code' in error ? String(error.code) : messageOf(error)
      }
    }
    writing = undefined
    if (why === undefined) return clear(ALARM)
    raise(ALARM, `${waiting.size === 1 ? 'A bundle' : `${waiting.size} bundles`} of policies cannot be kept (${why}); until then nobody can replay what is decided under it.`)
    if (!hasEnded) forget = clock.after(RETRY_AFTER_MS, () => background(write()))
  }
  const write = (): Promise<void> => {
    forget?.()
    return waiting.size === 0 ? Promise.resolve() : writing ??= keepAll()
  }

  const inTime = async (written: Promise<void>): Promise<void> => {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = clock.after(WITHIN_MS, resolve)
    await Promise.race([written, late])
    cancel()
  }

  return {
    async keep(bundle) {
      waiting.set(pathOf(data, { bundle: bundle.digest, catalog: bundle.catalogDigest }), bundle)
      const written = write()
      background(written)
      await inTime(written)
    },
    async end() {
      hasEnded = true
      await inTime(write())
    },
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : typeof error)

/** Under its own name only when it is whole and on disk. Throws where the file is there and holds something else: it is never written again. */
async function keepFile(path: string, bundle: Bundle, version: string): Promise<void> {
  const text = canonical(keptOf(bundle, version)), there = await textIn(path)
  if (there !== undefined) {
    if (there !== text && there !== canonical(keptOf(bundle, versionIn(there)))) throw new Error(`${path} is there and holds something else: move it away`)
    return
  }
  const folder = dirname(path), unfinished = `${path}.unfinished`
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
  const file = await open(unfinished, 'w', FILE_MODE)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(unfinished, path)
  await flushFolder(folder)
}

async function textIn(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Which program kept it; the same bundle may have been kept by an earlier one. */
function versionIn(text: string): string {
  try {
    const { version } = JSON.parse(text) as { readonly version?: unknown }
    return String(version)
  } catch {
    return ''
  }
}

/** So that the new name outlives a power cut. Systems that cannot open a folder do this by themselves. */
async function flushFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const opened = await open(folder, 'r')
  try {
    await opened.sync()
  } finally {
    await opened.close()
  }
}

/** The bundle that a decision names, made again from what the data folder keeps. Never throws. */
export async function readBundle(data: string, named: Named): Promise<MadeAgain> {
  if (!DIGEST.test(named.bundle) || !DIGEST.test(named.catalog)) return { ok: false, wrong: 'the decision names no bundle' }
  const path = pathOf(data, named)
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    return { ok: false, wrong: code === 'ENOENT' ? `${path} is not there` : `${path} cannot be read (${code ?? 'no JSON'})` }
  }
  const made = await madeAgain(value)
  if (!made.ok) return { ok: false, wrong: `${path}: ${made.wrong}` }
  const { digest, catalogDigest } = made.bundle
  return digest === named.bundle && catalogDigest === named.catalog ? made : { ok: false, wrong: `${path} holds another bundle (${digest}-${catalogDigest})` }
}
