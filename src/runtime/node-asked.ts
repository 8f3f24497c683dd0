/** What was asked of a gateway: from its histogram where that says all that the question needs, else from its records. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ReadRecorded } from '../cli/host.ts'
import { CLASSES_FILE, readClasses, type ReadClasses } from './node-classes.ts'
import { readRecorded } from './node-recorded.ts'

/** Requests from the hour of an instant on, those alike in these facts as one. `path` is a data folder, a records file or a file of classes. */
export async function readAsked(path: string, since: number, facts: readonly string[]): Promise<ReadRecorded> {
  if (!existsSync(path)) return { ok: false, wrong: `${path} does not exist.` }
  const isFolder = statSync(path).isDirectory()
  const counted = isFolder && !existsSync(join(path, CLASSES_FILE)) ? undefined : classesIn(path, since, facts)
  if (counted !== undefined && (counted.lacks.length === 0 || !isFolder)) return told(counted)
  const recorded = await readRecorded(path, since, facts)
  if (!recorded.ok) return counted === undefined ? recorded : told(counted)
  return { ...recorded, read: `the records ${path}${counted === undefined ? '' : `, for the histogram lacks ${counted.lacks.join(' and ')}`}` }
}

/** Undefined where it is no file of classes. */
function classesIn(path: string, since: number, facts: readonly string[]): ReadClasses | undefined {
  try {
    return readClasses(path, since, facts)
  } catch {
    return undefined
  }
}

const told = ({ lacks, ...counted }: ReadClasses): ReadRecorded => ({ ...counted, read: `${counted.read}${lacks.length === 0 ? '' : `; it lacks ${lacks.join(' and ')}`}` })
