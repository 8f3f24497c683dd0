/**
 * What this is for: a bundle as it is kept, so that what it decided can be decided again years later.
 *
 * What it assumes: nothing of what it reads. What it promises: a bundle that is made again has the two digests of the one that
 * was kept, or there is none; everything that a decision hangs on is under one of them.
 */
import type { DiscoveredModel } from '../catalog/catalog.ts'
import type { Bundle } from './bundle.ts'
import { compile, withDiscovered } from './compile.ts'
import { rulesIn, withDrills } from './drilled.ts'

const FORMAT = 'bailiwick bundle v1'

export type KeptBundle = {
  readonly format: typeof FORMAT
  /** The two digests, as decisions name them. */
  readonly bundle: string
  readonly catalog: string
  /** Of the program that kept it: another one may read the same files in another way. */
  readonly version: string
  readonly sources: { readonly [path: string]: string }
  readonly discovered: readonly DiscoveredModel[]
  readonly drills: readonly { readonly id: string; readonly rules: string }[]
}

export const keptOf = ({ digest, catalogDigest, madeOf: { sources, discovered, drills } }: Bundle, version: string): KeptBundle => ({
  format: FORMAT, bundle: digest, catalog: catalogDigest, version, sources: Object.fromEntries(sources), drills,
  discovered: discovered.map(({ provider, upstreamModel, context, can, operations }) =>
    ({ provider, upstreamModel, ...(context !== undefined && { context }), ...(can && { can }), ...(operations && { operations }) })),
})

export type MadeAgain = { readonly ok: true; readonly bundle: Bundle; readonly version: string } | { readonly ok: false; readonly wrong: string }

/** The bundle that was kept. `wrong` says which part of it is not what it was. Never throws. */
export async function madeAgain(value: unknown): Promise<MadeAgain> {
  if (!isKept(value)) return { ok: false, wrong: `it is not in the format '${FORMAT}'` }
  const compiled = await compile(new Map(Object.entries(value.sources)), { tests: 'left-out' })
  if (!compiled.ok) {
    const { file, line, wrong } = compiled.problems.find(p => p.severity === 'error')!
    return { ok: false, wrong: `its sources do not compile (${file}:${line}: ${wrong})` }
  }
  const found = await withDiscovered(compiled.bundle, value.discovered)
  if (found.catalogDigest !== value.catalog) return { ok: false, wrong: differs(value.discovered.length === 0 ? 'the files of its catalog are' : 'the files of its catalog or what was discovered is', value.catalog, found.catalogDigest) }
  const bundle = await drilled(found, value.drills)
  if (bundle === undefined) return { ok: false, wrong: 'the rules of its drills cannot be read' }
  if (bundle.digest !== value.bundle) return { ok: false, wrong: differs(value.drills.length === 0 ? 'its sources are' : 'its sources or its drills are', value.bundle, bundle.digest) }
  return { ok: true, bundle, version: value.version }
}

const differs = (part: string, said: string, is: string): string => `${part} not what it was made of: it has digest ${is} and not ${said}`

/** A text that was changed may be JSON and no rules. */
async function drilled(bundle: Bundle, drills: KeptBundle['drills']): Promise<Bundle | undefined> {
  try {
    return await withDrills(bundle, drills.map(({ id, rules }) => ({ id, rules: rulesIn(rules) })))
  } catch {
    return undefined
  }
}

function isKept(value: unknown): value is KeptBundle {
  if (!isObject(value)) return false
  const { format, bundle, catalog, version, sources, discovered, drills } = value
  return format === FORMAT && [bundle, catalog, version].every(isText)
    && isObject(sources) && Object.values(sources).every(isText)
    && Array.isArray(discovered) && discovered.every(isDiscovered)
    && Array.isArray(drills) && drills.every(drill => isObject(drill) && isText(drill['id']) && isText(drill['rules']))
}
const isDiscovered = (value: unknown): boolean => isObject(value) && isText(value['provider']) && isText(value['upstreamModel'])
  && ['undefined', 'number'].includes(typeof value['context']) && [value['can'], value['operations']].every(words => words === undefined || (Array.isArray(words) && words.every(isText)))
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string'
