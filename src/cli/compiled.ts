/** A policies folder, read and compiled for a command. */
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import { printProblem, type Problem } from '../bundle/problem.ts'
import { UsageError } from './command.ts'
import type { Host } from './host.ts'

export type CompiledFolder = { readonly sources: Sources } & ({ readonly ok: true; readonly bundle: Bundle } | { readonly ok: false; readonly problems: readonly Problem[] })

/** The digest as people compare it. */
export const SHORT_DIGEST = 12
export const short = (digest: string): string => digest.slice(0, SHORT_DIGEST)

/** Throws UsageError when there is no such folder. */
export async function compileFolder(folder: string, host: Host): Promise<CompiledFolder> {
  const read = await host.readFolder(folder)
  if (!read.ok) throw new UsageError(read.wrong)
  return { sources: read.sources, ...await compile(read.sources) }
}

/** Every problem with its line and caret, errors and warnings as they come. */
export const printProblems = (problems: readonly Problem[], sources: Sources): string =>
  problems.map(p => `${printProblem(p, sources.get(p.file))}\n`).join('')

/** The bundle, or undefined after its problems were written to standard error: then the command exits 3. */
export async function bundleOf(folder: string, host: Host): Promise<Bundle | undefined> {
  const compiled = await compileFolder(folder, host)
  if (compiled.ok) return compiled.bundle
  host.err(printProblems(compiled.problems, compiled.sources))
  return undefined
}
