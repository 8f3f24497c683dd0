/**
 * What this is for: comparing what a server says of its own work with what the catalog says of the deployment (resilience,
 * section 3).
 *
 * What it assumes: header names in lower case; `model` and `geo` read by openai/ as short tokens.
 * What it promises: nothing that only gives back what the server was sent is repeated; silence is no mismatch and neither is a word without a meaning here, but for a place: where the catalog
 * lists the words of a region header, any other word is one. A mismatch holds no text of the server's but such tokens.
 */
import type { Catalog, Deployment } from '../catalog/catalog.ts'
import { token } from '../openai/error.ts'
import { countryOf, isCountry } from '../policy/countries.ts'
import type { Repeats } from './repeat.ts'

/** What a server said of one answer; each part as far as it was said. */
export type Said = {
  /** Of the response, names in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The model that it says it served. */
  readonly model?: string | undefined
  /** Where it says that the model ran: `usage.inference_geo`. */
  readonly geo?: string | undefined
  /** Absent: nothing is known to be repeated. */
  readonly repeats?: Repeats | undefined
}

/** What goes on record of a server's account of an answer, as far as it gave one. */
export type Reported = { readonly servedModel?: string; readonly reportedRegion?: string }

/** Names and places that the catalog or the world knows, and others as far as they are short plain words of the server's own. */
export function reported(deployment: Deployment, { headers, model, geo, repeats = never }: Said): Reported {
  const { region } = deployment.reports ?? {}
  const word = region === undefined ? undefined : headers?.[region.header]?.trim().toLowerCase()
  const place = word !== undefined && region!.countries.has(word) ? word : isPlace(geo) ? geo : [token(word), geo].find(said => said !== undefined && !repeats(said))
  const isNamedSo = model !== undefined && (isOurName(deployment, model) || !repeats(model))
  return { ...(isNamedSo && { servedModel: model }), ...(place !== undefined && { reportedRegion: place }) }
}

const never = (): boolean => false
const isPlace = (geo: string | undefined): boolean => geo !== undefined && (['global', 'not_available'].includes(geo) || isCountry(geo.toUpperCase()))

/** What does not agree with the facts, in short words of ours; undefined when nothing does. */
export function attest(deployment: Deployment, catalog: Catalog, { headers, model, geo, repeats = never }: Said): string | undefined {
  return (headers === undefined ? undefined : otherRegion(deployment, headers, repeats))
    ?? (geo === undefined ? undefined : otherGeography(deployment, geo))
    ?? (model === undefined ? undefined : otherModel(deployment, catalog, { model, repeats }))
}

/** A header that is absent or empty names no place: servers leave it out of errors and of some answers. */
function otherRegion({ reports, processedIn }: Deployment, headers: Readonly<Record<string, string>>, repeats: Repeats): string | undefined {
  if (reports?.region === undefined || processedIn === undefined) return undefined
  const { header, countries } = reports.region
  const word = headers[header]?.trim().toLowerCase() ?? ''
  if (word === '') return undefined
  const country = countries.get(word)
  if (country !== undefined) return outside(country, processedIn)
  return PLACE_WORD.test(word) && !repeats(word) ? `it names the region '${word}', which the catalog does not list` : 'it names a region that the catalog does not list'
}

/**
 * Anthropic names a country in lower case, `global` for anywhere, `not_available` where it cannot say
 * (https://platform.claude.com/docs/en/manage-claude/data-residency).
 */
function otherGeography({ processedIn }: Deployment, geo: string): string | undefined {
  if (processedIn === undefined) return undefined
  const word = geo.toUpperCase()
  if (word === 'GLOBAL') return `it says 'global', the catalog says ${inWords(processedIn)}`
  return isCountry(word) ? outside(word, processedIn) : undefined
}

function outside(country: string, processedIn: readonly string[]): string | undefined {
  // Of a country and a part of it, neither contradicts the other.
  const agrees = processedIn.some(known => known === country || known === countryOf(country) || countryOf(known) === country)
  return agrees ? undefined : `it was processed in ${country}, the catalog says ${inWords(processedIn)}`
}

function otherModel(deployment: Deployment, catalog: Catalog, { model, repeats }: { readonly model: string; readonly repeats: Repeats }): string | undefined {
  const served = plainModel(model)
  const listed = deployment.reports?.models
  if (listed !== undefined) {
    if (listed.some(name => isNamed(served, name))) return undefined
    return repeats(model) ? 'it served a model by a name that the catalog does not list' : `it served '${model}', which is none of the names that the catalog lists`
  }
  // Only a name that the catalog knows as another model's is a contradiction.
  if (isOurName(deployment, model)) return undefined
  const models = namesIn(catalog).get(served)
  if (models === undefined || models.has(deployment.model)) return undefined
  return `it served '${model}', which the catalog knows as ${[...models].join(', ')}`
}

/** Servers leave out or add a date or a version. */
function isOurName({ upstreamModel }: Deployment, model: string): boolean {
  const served = plainModel(model), ours = plainModel(upstreamModel)
  return isVersionOf(served, ours) || isVersionOf(ours, served)
}

/** `large-5-2026-05-01`, `large-5@001`, `large-5-latest` are `large-5`; `large-5-mini` is another model. */
const isVersionOf = (long: string, short: string): boolean => long.startsWith(short) && /^(?:$|[-@:.]v?\d[\d.-]*$|[-@:](?:latest|preview)$)/.test(long.slice(short.length))

/** Region names as clouds write them: `swedencentral`, `East US 2`, `europe-west4`. */
const PLACE_WORD = /^[a-z0-9](?:[a-z0-9 ._-]{0,62}[a-z0-9])?$/

const inWords = (countries: readonly string[]): string => (countries.length === 0 ? 'nowhere' : countries.join(', '))

/** Ollama's `name` is `name:latest`, and no server tells models apart by upper case. */
const plainModel = (name: string): string => name.toLowerCase().replace(/:latest$/, '')

const isNamed = (served: string, written: string): boolean =>
  (written.endsWith('*') ? served.startsWith(written.slice(0, -1).toLowerCase()) : served === plainModel(written))

const names = new WeakMap<Catalog, ReadonlyMap<string, ReadonlySet<string>>>()

/** Which models the servers of a catalog know under each name, made once for each catalog. */
function namesIn(catalog: Catalog): ReadonlyMap<string, ReadonlySet<string>> {
  const known = names.get(catalog)
  if (known !== undefined) return known
  const byName = new Map<string, Set<string>>()
  for (const { upstreamModel, model } of catalog.deployments) {
    const name = plainModel(upstreamModel)
    byName.set(name, (byName.get(name) ?? new Set()).add(model))
  }
  names.set(catalog, byName)
  return byName
}
