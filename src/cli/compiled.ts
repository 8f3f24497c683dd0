/** A policies folder, read and compiled for a command. */
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import { printProblem, type Problem } from '../bundle/problem.ts'
import { readTests, type TestFile } from '../bundle/test-file.ts'
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

export type CompiledTests = { readonly sources: Sources } & (
  | { readonly ok: true; readonly bundle: Bundle; readonly tests: readonly TestFile[] }
  | { readonly ok: false; readonly problems: readonly Problem[] })

/** The same with the test files read: a mistake in one of them is a mistake like any other. Throws UsageError. */
export async function compileWithTests(folder: string, host: Host): Promise<CompiledTests> {
  const compiled = await compileFolder(folder, host)
  if (!compiled.ok) return compiled
  const { files, problems } = await readTests(compiled.sources, compiled.bundle)
  if (problems.length > 0) return { ok: false, sources: compiled.sources, problems: [...compiled.bundle.warnings, ...problems] }
  return { ...compiled, tests: files }
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
