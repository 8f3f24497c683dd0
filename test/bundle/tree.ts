/** The small tree in `good/` that compiles, and the means to change one file of it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from '../../src/bundle/compile.ts'
import type { Bundle, Compiled } from '../../src/bundle/bundle.ts'

/** Every file below a folder of this one, by its path there. */
export function filesIn(folder: string): ReadonlyMap<string, string> {
  const root = fileURLToPath(new URL(folder, import.meta.url))
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return new Map(files.map(file => [relative(root, file).split(sep).join('/'), readFileSync(file, 'utf8')]))
}

export const GOOD: Readonly<Record<string, string>> = Object.fromEntries(filesIn('good'))

export type Change = { readonly file: string; readonly from?: string; readonly to: string }

/** The tree with one text replaced; with no `from`, a file of its own or in place of another. */
export function changed(...changes: readonly Change[]): Map<string, string> {
  const files = new Map(Object.entries(GOOD))
  for (const { file, from, to } of changes) {
    const text = files.get(file)
    if (from !== undefined && text?.includes(from) !== true) throw new Error(`${file} does not contain ${from}`)
    files.set(file, from === undefined ? to : text!.replace(from, () => to))
  }
  return files
}

export const compileChanged = (...changes: readonly Change[]): Promise<Compiled> => compile(changed(...changes))

export async function bundleChanged(...changes: readonly Change[]): Promise<Bundle> {
  const compiled = await compileChanged(...changes)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems, null, 1))
  return compiled.bundle
}
