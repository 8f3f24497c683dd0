/**
 * What this is for: in what two bundles differ beside the law: how servers are reached, what fits, what an application's
 * requests may do. None of it enters a decision, and some of it says where a prompt goes all the same.
 *
 * What it assumes: bundles as compiled; what discovery added is not looked at.
 * What it promises: no word of a catalog or app file changes what a gateway does without a difference; what lets through what
 * was held back before is named as wider; what a deployment has from its provider's file is told once, of the provider.
 */
import type { Connection, Deployment, Provider, ProviderDefaults, Reports } from '../catalog/catalog.ts'
import { compare, differing, inOrder, type Difference } from '../policy/difference.ts'
import type { AppConnection, Bundle } from './bundle.ts'
import { wordOfPlace } from './reports.ts'

/** What is written under each word of a file; names that are looked up, in one order. */
type Words = Readonly<Record<string, unknown>>

/** The differences of the law with those beside it, one for each thing that differs. */
export function withConnections(ofLaw: readonly Difference[], old: Bundle, next: Bundle): readonly Difference[] {
  const all = new Map(ofLaw.map(d => [`${d.kind} ${d.name}`, d]))
  for (const beside of [...ofApps(old, next), ...ofProviders(old, next), ...ofDeployments(old, next)]) {
    const key = `${beside.kind} ${beside.name}`, law = all.get(key)
    all.set(key, law === undefined ? beside : { ...beside, parts: [...new Set([...law.parts, ...beside.parts])] })
  }
  return inOrder([...all.values()])
}

const ofApps = (old: Bundle, next: Bundle): readonly Difference[] => inBoth('app', wordsOf(old.apps, appWords), wordsOf(next.apps, appWords)).map(found => ({
  ...found, place: next.rulebook.apps.get(found.name)!.place, ...noting(found, widerForApp(old.apps.get(found.name)!, next.apps.get(found.name)!)),
}))

const appWords = ({ keyHashes, substitutes, ladder, limits, loopbackOnly, streamRescue, onContentFilter, timeouts }: AppConnection): Words => ({
  'key-hashes': keyHashes.toSorted(), substitutes, ladder, limits, 'loopback-only': loopbackOnly, 'stream-rescue': streamRescue, 'on-content-filter': onContentFilter, timeouts,
})

/** From the narrowest on. */
const SUBSTITUTES: readonly AppConnection['substitutes'][] = ['no', 'same-developer', 'yes']

const widerForApp = (was: AppConnection, is: AppConnection): readonly string[] => [
  ...SUBSTITUTES.indexOf(is.substitutes) > SUBSTITUTES.indexOf(was.substitutes) ? ['substitutes'] : [],
  ...was.loopbackOnly && !is.loopbackOnly ? ['loopback-only'] : [],
  ...!was.streamRescue && is.streamRescue ? ['stream-rescue'] : [],
  ...was.onContentFilter === 'return' && is.onContentFilter === 'next' ? ['on-content-filter'] : [],
]

function ofProviders(old: Bundle, next: Bundle): readonly Difference[] {
  const before = old.catalog.providers, after = next.catalog.providers
  const passedOn = new Set(next.catalog.deployments.flatMap(d => inherited(d, old, next).map(word => `${d.provider} ${word}`)))
  return compare('provider', wordsOf(before, providerWords), wordsOf(after, providerWords)).flatMap<Difference>(found => {
    const was = before.get(found.name), is = after.get(found.name), { place } = (is ?? was)!
    if (was === undefined || is === undefined) return [{ ...found, place }]
    const isAsked = was.discover !== undefined || is.discover !== undefined
    const parts = found.parts.filter(word => isAsked || OWN.includes(word) || passedOn.has(`${found.name} ${word}`))
    return parts.length === 0 ? [] : [{ ...found, parts, place, ...noting({ parts }, widerServer({ ...was, reports: was.defaults?.reports }, { ...is, reports: is.defaults?.reports })) }]
  })
}

/** Words that act for the provider as a whole. Of the others those act that a deployment has from it, and all of them for models that are discovered. */
const OWN: readonly string[] = ['title', 'discover', 'rehearsal', 'local-hosts']

const providerWords = (provider: Provider): Words => ({ ...handedDown(provider), title: provider.title, discover: provider.discover, rehearsal: provider.rehearsal, facts: provider.defaults?.facts })

/** What its deployments have from a provider where they say nothing themselves. */
const handedDown = ({ connection, localHosts, defaults }: Provider): Words => ({ ...connectionWords(connection), 'local-hosts': localHosts.toSorted(), ...(defaults && fitWords(defaults)) })

const ofDeployments = (old: Bundle, next: Bundle): readonly Difference[] =>
  inBoth('deployment', wordsOf(old.catalog.byName, deploymentWords), wordsOf(next.catalog.byName, deploymentWords)).flatMap<Difference>(found => {
    const was = old.catalog.byName.get(found.name)!, is = next.catalog.byName.get(found.name)!
    const told = inherited(is, old, next)
    const parts = found.parts.filter(word => !told.includes(word))
    return parts.length === 0 ? [] : [{ ...found, parts, place: next.rulebook.deployments.find(d => d.name === found.name)?.place, ...noting({ parts }, widerServer(was, is)) }]
  })

const deploymentWords = (d: Deployment): Words =>
  ({ ...connectionWords(d.connection), 'upstream-model': d.upstreamModel, pull: d.pull, 'local-hosts': d.localHosts?.toSorted(), ...fitWords(d) })

const connectionWords = (connection: Connection | undefined): Words => ({ dialect: connection?.dialect, 'base-url': connection?.baseUrl, key: connection?.key })

const fitWords = ({ context, maxOutput, can, price, quality, timeouts, reports }: Pick<ProviderDefaults, 'context' | 'maxOutput' | 'can' | 'price' | 'quality' | 'timeouts' | 'reports'>): Words => ({
  context, 'max-output': maxOutput, can: can.toSorted(), price, quality, timeouts,
  reports: reports && { models: reports.models?.toSorted(), region: reports.region && [reports.region.header, [...reports.region.countries].map(([word, country]) => `${word} ${country}`).sort()] },
})

/** Words of a deployment that differ because those of its provider do. */
function inherited({ name, provider }: Deployment, old: Bundle, next: Bundle): readonly string[] {
  const [before, after] = [old, next].map(({ catalog }) => {
    const deployment = catalog.byName.get(name), from = catalog.providers.get(provider)
    return deployment?.provider === provider && from !== undefined ? { own: deploymentWords(deployment), from: handedDown(from) } : undefined
  })
  if (before === undefined || after === undefined) return []
  return differing(before.from, after.from).filter(word => [before, after].every(({ own, from }) => isAlike(own[word], from[word])))
}

type Server = { readonly localHosts?: readonly string[]; readonly reports: Reports | undefined }

const widerServer = (was: Server, is: Server): readonly string[] => [
  ...is.localHosts?.some(host => was.localHosts?.includes(host) !== true) ? ['local-hosts'] : [],
  ...isWiderReport(was.reports, is.reports) ? ['reports'] : [],
]

/** Whether something that a server says of its work would pass now and would have been a mismatch. */
function isWiderReport(was: Reports | undefined, is: Reports | undefined): boolean {
  if (was?.models !== undefined && (is?.models === undefined || is.models.some(name => !was.models!.some(known => covers(known, name))))) return true
  if (was?.region === undefined) return false
  if (is?.region?.header !== was.region.header) return true
  const known = new Map([...was.region.countries].map(([word, country]) => [wordOfPlace(word), country]))
  return [...is.region.countries].some(([word, country]) => known.get(wordOfPlace(word)) !== country)
}

const covers = (known: string, name: string): boolean => {
  const [wide, narrow] = [known, name].map(written => written.toLowerCase()) as [string, string]
  return wide.endsWith('*') ? narrow.startsWith(wide.slice(0, -1)) : narrow === wide
}

const wordsOf = <T>(things: ReadonlyMap<string, T>, words: (thing: T) => Words): ReadonlyMap<string, Words> => new Map([...things].map(([name, thing]) => [name, words(thing)]))

/** What is added or removed as a whole, the law tells. */
const inBoth = (kind: Difference['kind'], old: ReadonlyMap<string, Words>, next: ReadonlyMap<string, Words>): readonly Difference[] =>
  compare(kind, old, next).filter(d => d.change === 'changed')

const isAlike = (a: unknown, b: unknown): boolean => differing({ word: a }, { word: b }).length === 0

const noting = ({ parts }: Pick<Difference, 'parts'>, wider: readonly string[]): Pick<Difference, 'wider'> => {
  const told = wider.filter(word => parts.includes(word))
  return told.length === 0 ? {} : { wider: told }
}
