/**
 * What this is for: from a compiled bundle to one that is connected: what discovery found is in it, rehearsals run where
 * they may, and for every deployment it is known whether it can be dispatched to.
 *
 * What it assumes: `wire` is not called again before its promise is settled.
 * What it promises: a pretended provider is never connected beside a real one. What servers answer acts with the bundle that is
 * wired next and not before, so that nothing is reached that the pool in force does not have. A server that does not answer
 * loses nothing: its models go when it answers without them, listed ones too, and until then calls to them fail as what they
 * are, unavailable. A server that has never answered says nothing about what is listed; but an Ollama server must have
 * answered before its word is taken that a model is local. A model that a server passes on to somebody else's machines is
 * never used as one of our own, whatever its address and whoever listed it.
 */
import { withDiscovered } from '../bundle/compile.ts'
import type { Bundle } from '../bundle/bundle.ts'
import { deepFreeze } from '../bundle/freeze.ts'
import { catalogOf, type Deployment, type DiscoveredModel, type Provider } from '../catalog/catalog.ts'
import type { Connected } from '../pool/epochs.ts'
import type { Ports } from '../ports.ts'
import { discover, type Holding } from '../provider/discovery.ts'
import { heldName, isCloudName } from '../provider/held.ts'
import { createRehearsals, withBaseUrls } from './node-rehearsal.ts'

export type Connections = {
  readonly connected: Connected
  /** Asks the servers what they hold, all at once. True when something was found or lost, which acts when a bundle is wired. */
  ask(bundle: Bundle, withinMs: number): Promise<boolean>
  wire(bundle: Bundle): Promise<Bundle>
  /** Names of the providers that only pretend, of those that run. */
  rehearsing(): readonly string[]
  readonly close: () => Promise<void>
}

export function createConnections(ports: Ports): Connections {
  /** What servers said last, by address. */
  const heard = new Map<string, Found>()
  /** As of the bundle that was wired last: what the servers it names had said by then, undefined for those that never did. */
  let acting: Acting = new Map()
  /** Of each deployment of a wired bundle, as of its wiring: one of before goes on under what was known then. */
  const gaps = new WeakMap<Deployment, string | undefined>()
  const troubles = new Map<string, string>()
  let warned: ReadonlySet<string> = new Set()
  const rehearsals = createRehearsals(ports.clock)
  let started: ReadonlyMap<string, string> = new Map()
  let realWasSeen = false

  const hasKey = ({ connection }: Pick<Deployment, 'connection'>): boolean => connection?.key === undefined || ports.secrets(connection.key) !== undefined
  /** Which a bundle must have asked: those it discovers models at, and those whose word is needed for what is said to be local. */
  const toAsk = ({ catalog }: Bundle): readonly Provider[] => [...new Map([
    // A deployment may be at an address of its own.
    ...catalog.deployments.filter(d => mustBeHeard(d) && hasKey(d)).map(d => ({ ...catalog.providers.get(d.provider)!, connection: d.connection })),
    ...[...catalog.providers.values()].filter(p => p.discover !== undefined && p.rehearsal === undefined),
  ].map(server => [addressOf(server), server])).values()]
  /** A deployment of a bundle that is not wired, in what would be if, is seen as of the last wiring. */
  const gap = (d: Deployment): string | undefined => (gaps.has(d) ? gaps.get(d) : gapOf(d, acting))
  /** Whatever could be dispatched to, and a keyed provider whose models are still to be asked for. */
  const holdsReal = ({ catalog }: Bundle): boolean =>
    catalog.deployments.some(d => !d.rehearsal && d.connection !== undefined && hasKey(d))
    || [...catalog.providers.values()].some(p => p.rehearsal === undefined && p.connection?.key !== undefined && hasKey(p))

  /** Once for each, for whoever wrote it into the catalog. */
  const warn = ({ catalog }: Bundle): void => {
    const away = catalog.deployments.filter(d => !d.rehearsal && d.connection !== undefined && gap(d) === 'not-local').map(d => d.name)
    for (const deployment of away) if (!warned.has(deployment)) ports.log('warn', 'not-local', { deployment, note: 'Its server passes prompts on to machines of somebody else; it is not used.' })
    warned = new Set(away)
  }

  /** Why the last question failed, once for each reason. */
  const tell = (provider: Provider, code: string | undefined): void => {
    const address = addressOf(provider)
    if (troubles.get(address) === code) return
    if (code === undefined) troubles.delete(address)
    else troubles.set(address, code)
    ports.log(code === undefined || code === 'unreachable' ? 'info' : 'warn', 'discovery', { provider: provider.name, outcome: code ?? 'ok' })
  }

  return {
    connected(d) {
      if (d.rehearsal) return realWasSeen ? 'rehearsal-off' : started.has(d.provider) ? undefined : 'not-started'
      if (d.connection === undefined) return 'no-connection'
      return hasKey(d) ? gap(d) : 'no-key'
    },
    async ask(bundle, withinMs) {
      const changes = await Promise.all(toAsk(bundle).map(async provider => {
        const answer = await discover(provider, ports, AbortSignal.timeout(withinMs))
        const address = addressOf(provider)
        tell(provider, answer.ok ? undefined : answer.failure.code)
        if (!answer.ok) return false
        const now = foundIn(provider, answer)
        const isNews = heard.get(address)?.text !== now.text
        heard.set(address, now)
        return isNews
      }))
      return changes.includes(true)
    },
    async wire(bundle) {
      const asked = new Set(toAsk(bundle).map(addressOf))
      for (const known of [heard, troubles]) for (const address of known.keys()) if (!asked.has(address)) known.delete(address)
      const said: Acting = new Map(heard)
      const full = await withDiscovered(bundle, [...bundle.catalog.providers.values()].flatMap(p => heldBy(bundle, p, said)))
      const isRehearsal = !realWasSeen && !holdsReal(full)
      await rehearsals.adjust(full, isRehearsal)
      realWasSeen ||= !isRehearsal
      started = rehearsals.baseUrls()
      acting = said
      const wired = withItsOwnDeployments(withBaseUrls(full, started))
      for (const d of wired.catalog.deployments) gaps.set(d, gapOf(d, said))
      warn(wired)
      return wired
    },
    rehearsing: () => [...started.keys()],
    close: () => rehearsals.close(),
  }
}

/** What a server said it holds, ready to be looked up. */
type Found = Pick<Holding, 'models' | 'isWhole'> & {
  /** By the names under which two spellings meet. */
  readonly held: ReadonlySet<string>
  readonly elsewhere: ReadonlySet<string>
  /** Equal texts mean that nothing was found or lost. */
  readonly text: string
}

/** What servers said, by address. One that is not in it has said nothing, or is not asked. */
type Acting = ReadonlyMap<string, Found>

function foundIn(provider: Provider, { models, elsewhere, isWhole }: Holding): Found {
  return {
    models, isWhole,
    held: new Set(models.map(m => nameAt(provider, m.upstreamModel))),
    elsewhere: new Set(elsewhere.map(name => nameAt(provider, name))),
    text: [...models.map(m => JSON.stringify(m)), ...elsewhere, String(isWhole)].sort().join('\n'),
  }
}

/** Its server's own list, without what the catalog lists already under another spelling. */
function heldBy({ catalog }: Bundle, provider: Provider, said: Acting): readonly DiscoveredModel[] {
  const known = provider.discover === undefined || provider.rehearsal !== undefined ? undefined : said.get(addressOf(provider))
  if (known === undefined) return []
  const listed = new Set(catalog.deployments.filter(d => d.provider === provider.name && !d.discovered).map(d => nameAt(provider, d.upstreamModel)))
  return known.models.filter(m => !listed.has(nameAt(provider, m.upstreamModel)))
}

/** Why a deployment cannot be used, by what its server said. INVARIANT: not knowing where a model runs means no. */
function gapOf(d: Deployment, said: Acting): string | undefined {
  const known = said.get(addressOf({ name: d.provider, connection: d.connection })), name = nameAt(d, d.upstreamModel)
  if (isElsewhere(d, known?.elsewhere.has(name) === true)) return 'not-local'
  if (known?.held.has(name) === true || known?.elsewhere.has(name) === true) return undefined
  if (known?.isWhole === true) return 'not-held'
  return mustBeHeard(d) ? 'not-answered' : undefined
}

/** Ollama alone knows whether it passes a model on: the catalog's word that it is local counts once the server has been heard. */
const mustBeHeard = ({ connection, hosting, rehearsal }: Deployment): boolean => !rehearsal && hosting === 'local' && connection?.dialect === 'ollama'

/** The same bundle with deployments that no other bundle has, so that what is known of one can be told from what was known before. */
const withItsOwnDeployments = (bundle: Bundle): Bundle =>
  deepFreeze({ ...bundle, catalog: catalogOf(bundle.catalog.providers, bundle.catalog.deployments.map(d => ({ ...d }))) })

/** What was found belongs to the server that said it, and to how it was asked: under another address or dialect it is asked anew. */
const addressOf = ({ name, connection }: Pick<Provider, 'name' | 'connection'>): string => `${name} ${connection?.dialect ?? ''} ${connection?.baseUrl ?? ''}`

const nameAt = ({ connection }: Pick<Provider, 'connection'>, model: string): string => heldName(connection?.dialect ?? 'openai', model)

/**
 * Whether a deployment would be used as what it is not: its model runs at somebody else's. Ollama answers to such names at
 * the address of the local server, so there the catalog must say that it is a cloud; in the other dialect a name is a sign only
 * where the catalog says local.
 */
function isElsewhere({ connection, hosting, upstreamModel }: Deployment, isSaidToBe: boolean): boolean {
  if (hosting === 'cloud' || (!isSaidToBe && !isCloudName(upstreamModel))) return false
  return connection?.dialect === 'ollama' || hosting === 'local'
}
