/**
 * OpenRouter's `provider` object, read as narrowing or ordering (architecture, section 6).
 * What it promises: nothing here adds a deployment; a word it does not know is refused, since to ignore it would be a lie.
 */
import type { Deployment } from '../catalog/catalog.ts'
import type { RuledDeployment } from '../policy/rule.ts'

export type Preferences = {
  /** Whether a deployment satisfies what the caller asks of it. */
  readonly accepts: (deployment: Deployment, facts: RuledDeployment['facts']) => boolean
  /** Lower is earlier; equal keeps the order. */
  readonly rank: (deployment: Deployment) => number
  readonly fallbacks: boolean
}

export type ReadPreferences = { readonly ok: true; readonly preferences: Preferences } | { readonly ok: false; readonly wrong: string; readonly param: string }

const NONE: Preferences = { accepts: () => true, rank: () => 0, fallbacks: true }
const KNOWN = ['order', 'only', 'ignore', 'allow_fallbacks', 'require_parameters', 'data_collection', 'zdr', 'max_price', 'sort']

export function readPreferences(raw: Readonly<Record<string, unknown>> | undefined): ReadPreferences {
  if (raw === undefined) return { ok: true, preferences: NONE }
  const wrong = (param: string, what: string): ReadPreferences => ({ ok: false, wrong: what, param: `provider.${param}` })
  // An unknown name is not repeated: it could be anything.
  if (Object.keys(raw).some(k => !KNOWN.includes(k))) return { ok: false, wrong: `'provider' holds a word that is not known here. Known are ${KNOWN.join(', ')}.`, param: 'provider' }

  const lists: Record<'order' | 'only' | 'ignore', readonly string[] | undefined> = { order: undefined, only: undefined, ignore: undefined }
  for (const key of ['order', 'only', 'ignore'] as const) {
    const value = raw[key] ?? undefined
    if (value !== undefined && !(Array.isArray(value) && value.every(v => typeof v === 'string'))) return wrong(key, `'provider.${key}' must be a list of providers or deployments.`)
    lists[key] = value
  }
  for (const key of ['allow_fallbacks', 'require_parameters', 'zdr'] as const) {
    if (raw[key] !== undefined && raw[key] !== null && typeof raw[key] !== 'boolean') return wrong(key, `'provider.${key}' must be true or false.`)
  }
  const collection = raw['data_collection'] ?? undefined
  if (collection !== undefined && collection !== 'allow' && collection !== 'deny') return wrong('data_collection', "'provider.data_collection' must be \"allow\" or \"deny\".")
  const sort = raw['sort'] ?? undefined
  if (sort !== undefined && sort !== 'price') return wrong('sort', "'provider.sort' can be \"price\" here; speed is not measured per caller.")
  const ceiling = raw['max_price'] ?? undefined
  const isPrice = (v: unknown): v is { prompt?: number; completion?: number } =>
    typeof v === 'object' && v !== null && Object.entries(v).every(([k, n]) => (k === 'prompt' || k === 'completion') && typeof n === 'number' && n >= 0)
  if (ceiling !== undefined && !isPrice(ceiling)) return wrong('max_price', "'provider.max_price' takes 'prompt' and 'completion', per million tokens.")

  const names = (list: readonly string[], d: Deployment): number => list.findIndex(n => n === d.provider || n === d.name)
  return {
    ok: true,
    preferences: {
      accepts: (d, facts) =>
        (lists.only === undefined || names(lists.only, d) >= 0)
        && (lists.ignore === undefined || names(lists.ignore, d) < 0)
        && (collection !== 'deny' || facts['trains-on-data']?.value === 'no')
        && (raw['zdr'] !== true || facts['retention']?.value === 0)
        && (ceiling === undefined || (d.price !== undefined && d.price.input <= (ceiling.prompt ?? Infinity) && d.price.output <= (ceiling.completion ?? Infinity))),
      rank: d => {
        const listed = lists.order === undefined ? -1 : names(lists.order, d)
        if (lists.order !== undefined) return listed < 0 ? lists.order.length : listed
        return sort === 'price' ? (d.price === undefined ? Infinity : d.price.input + d.price.output) : 0
      },
      fallbacks: raw['allow_fallbacks'] !== false,
    },
  }
}
