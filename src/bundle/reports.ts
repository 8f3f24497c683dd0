/** What a catalog file says of the reports of a server, with which its facts are compared (resilience, section 3). */
import type { Reports } from '../catalog/catalog.ts'
import { countryOf } from '../policy/countries.ts'
import { listed } from './nearest.ts'
import { entryOf, isPartial, valueOf, type Entry, type Tree } from './parse.ts'
import type { Reading } from './reading.ts'

/** The parts that are written under `reports`, so that those of a deployment can be laid over those of its provider. */
export function readReports(tree: Tree, reading: Reading): Partial<Reports> {
  const reports = valueOf(tree, 'reports')
  if (reports === undefined) return {}
  const models = reading.list(reports, 'model')?.map(m => m.text)
  const region = valueOf(reports, 'region'), header = region && reading.text(region, 'header'), means = region && valueOf(region, 'means')
  const countries = new Map<string, string>(), written = new Map<string, string>()
  for (const { key, value, at } of means?.kind === 'mapping' ? means.entries : []) {
    const plain = wordOfPlace(key), other = written.get(plain)
    if (other !== undefined) reading.refuse(at, 'same-word', `${key} and ${other} are one word of a server, which is read in any case of its letters`, 'keep one of them')
    written.set(plain, key)
    const country = value.kind === 'scalar' ? reading.country(value, false) : undefined
    if (country !== undefined) countries.set(key.trim().toLowerCase(), country)
  }
  return { ...(models && { models }), ...(header !== undefined && { region: { header: header.toLowerCase(), countries } }) }
}

/** A word of a region header as words are compared: servers do not tell them apart by case. */
export const wordOfPlace = (word: string): string => word.trim().toLowerCase()

/** Undefined where nothing is written at all. */
export const reportsOf = ({ models, region }: Partial<Reports>): Reports | undefined => (models === undefined && region === undefined ? undefined : { models, region })

/** What a region that is reported by one deployment is compared with. */
export type Compared = {
  readonly name: string
  /** The words where the region is written, its own or above it; undefined where none is. */
  readonly region: Entry | undefined
  readonly countries: ReadonlyMap<string, string> | undefined
  readonly places: readonly string[] | undefined
}

/** The entry of the region of the nearest block that has one. */
export const regionIn = (...blocks: readonly Tree[]): Entry | undefined => blocks.map(block => {
  const reports = valueOf(block, 'reports')
  return reports && entryOf(reports, 'region')
}).find(region => region !== undefined)

/** Warns of a region that can never be a mismatch, and of one that always is. */
export function warnOfRegions(compared: readonly Compared[], reading: Reading): void {
  for (const [region, those] of Map.groupBy(compared, c => c.region)) {
    if (region === undefined || isPartial(region.value)) continue
    const names = (of: readonly Compared[]): string => listed(of.map(c => c.name), 'and')
    const unknown = those.filter(c => c.places === undefined)
    if (unknown.length > 0) {
      reading.warn(region.at, 'region-without-a-place', `processed-in of ${names(unknown)} is not known, so a region that is reported is compared with nothing`, 'write processed-in, or delete region')
    }
    const means = entryOf(region.value, 'means')
    const never = those.filter(({ places, countries = NONE }) => places !== undefined && isRead(means, countries) && ![...countries.values()].some(country => agrees(country, places)))
    if (means !== undefined && never.length > 0) {
      const countries = new Set(never.flatMap(c => [...c.countries?.values() ?? []]))
      reading.warn(means.at, 'region-never-right', `means lists ${listed(countries, 'and')} and none of processed-in of ${names(never)}, so every region that is reported is a mismatch`, 'write what the words mean, or correct processed-in')
    }
  }
}

const NONE: ReadonlyMap<string, string> = new Map()
/** Whether every word could be read: what was refused may be the one that is right. */
const isRead = (means: Entry | undefined, { size }: ReadonlyMap<string, string>): boolean => means?.value.kind === 'mapping' && means.value.entries.length === size

/** Of a country and a part of it, neither contradicts the other. */
const agrees = (country: string, places: readonly string[]): boolean => places.some(place => place === country || place === countryOf(country) || countryOf(place) === country)
