/**
 * Notices as files of the policies folder, enacted and lifted while the gateway serves.
 *
 * What it promises: a file is there whole or not at all, and no other file is written over; a lifted notice is kept, under a
 * name that nothing compiles; what could not be recorded is undone. A change is in force when its promise is fulfilled.
 */
import { chmod, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failure, type Failure } from '../failure.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { testBeside, type DirectiveChange, type DirectivesPort } from '../http/directives.ts'
import type { NodeRecorder } from './node-recorder.ts'
import type { Watching } from './node-watch.ts'

const FILE_MODE = 0o644
const CAUSES = { enact: 'directive enacted', lift: 'directive lifted' } as const
const RETRY_AFTER_MS = 5_000

type Undo = () => Promise<void>
type Filed = { readonly ok: true; readonly undo: Undo } | { readonly ok: false; readonly failure: Failure }

/** The port for a folder that is watched. */
export function directivesIn(folder: string, { gateway, recorder, watching }: { readonly gateway: Gateway; readonly recorder: Pick<NodeRecorder, 'append' | 'directives'>; readonly watching: Watching }): DirectivesPort {
  return {
    inForce: () => watching.inForce(),
    history: () => recorder.directives(),
    alone: work => watching.alone((inForce, put) => work(inForce, async change => {
      const { entry, next } = change
      const filed = entry.action === 'enact' ? await addFile(folder, change) : await setAside(folder, change)
      if (!filed.ok) return filed.failure
      try {
        await recorder.append(entry)
      } catch {
        await filed.undo()
        return failure('cannot_record', 'The notice cannot be recorded, so nothing was changed.', { retryAfterMs: RETRY_AFTER_MS })
      }
      await put(next, CAUSES[entry.action])
      const { name, action, author, bundle, previousBundle, digest } = entry
      const told = { name, action, author, bundle, previousBundle, digest }
      gateway.ports.log('info', 'directive', told)
      gateway.events.publish('directive', told)
      return undefined
    })),
  }
}

/** A name beginning with a dot is no policy; the link to it gives the file its own name, whole, and only where there is none. */
async function addFile(folder: string, { file, text, entry }: DirectiveChange): Promise<Filed> {
  const path = join(folder, file), whole = join(dirname(path), `.${entry.id}`)
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(whole, text, { flag: 'wx', flush: true })
    await chmod(whole, FILE_MODE)
    const isFree = await link(whole, path).then(() => true, (error: unknown) => {
      if (codeOf(error) === 'EEXIST') return false
      throw error
    })
    if (!isFree) return { ok: false, failure: taken(`There is a file ${file} already, which is not in force. Mend or remove it first.`) }
    return { ok: true, undo: () => rm(path) }
  } catch (error) {
    return { ok: false, failure: unwritable(error) }
  } finally {
    // One that cannot be removed does no harm under its name.
    await rm(whole, { force: true }).catch(() => undefined)
  }
}

/** Moves the notice, and the test beside it, to `directives/lifted/`, under names that are no policies. */
async function setAside(folder: string, { file, text, entry }: DirectiveChange): Promise<Filed> {
  const time = new Date(entry.at).toISOString().replaceAll(/[:.]/g, '-')
  const aside = (name: string): string => join(folder, 'directives/lifted', `${name.slice('directives/'.length).replace(/\.yaml$/, '')}-${time}.yaml.txt`)
  const path = join(folder, file), test = testBeside(file)
  try {
    if (await readFile(path, 'utf8') !== text) return { ok: false, failure: taken(`${file} was changed and is not in force as it stands. Mend it first, then lift it.`) }
    await mkdir(join(folder, 'directives/lifted'), { recursive: true })
    await rename(path, aside(file))
  } catch (error) {
    return { ok: false, failure: unwritable(error) }
  }
  // The test decides nothing: without it, or with one that stays, the notice is lifted all the same.
  const isTestAside = await rename(join(folder, test), aside(test)).then(() => true, () => false)
  return {
    ok: true,
    async undo() {
      await rename(aside(file), path)
      if (isTestAside) await rename(aside(test), join(folder, test))
    },
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown')
const taken = (message: string): Failure => failure('invalid_request', message, { param: 'name', status: 409 })
const unwritable = (error: unknown): Failure => failure('internal_error', `The policies folder cannot be written to (${codeOf(error)}), so nothing was changed.`)
