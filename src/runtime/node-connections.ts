/**
 * What this is for: from a compiled bundle to one that is connected: what discovery found is in it, rehearsals run where
 * they may, and for every deployment it is known whether it can be dispatched to.
 *
 * What it assumes: `wire` is not called again before its promise is settled.
 * What it promises: a pretended provider is never connected beside a real one. A server that does not answer loses nothing:
 * its models go when it answers without them, listed ones too, and until then calls to them fail as what they are, unavailable.
 * A server that has never answered says nothing about what is listed. A model that a server passes on to somebody else's
 * machines is never used as one of our own, whatever its address and whoever listed it.
 */
import { withDiscovered } from '../bundle/compile.ts'
import type { Bundle } from '../bundle/bundle.ts'
import type { Deployment, DiscoveredModel, Provider } from '../catalog/catalog.ts'
import type { Connected } from '../pool/epochs.ts'
import type { Ports } from '../ports.ts'
import { discover, type Holding } from '../provider/discovery.ts'
import { heldName, isCloudName } from '../provider/held.ts'
import { createRehearsals, withBaseUrls } from './node-rehearsal.ts'

export type Connections = {
  readonly connected: Connected
  /** Asks every provider with discovery what it holds, all at once. True when something was found or lost. */
  ask(bundle: Bundle, withinMs: number): Promise<boolean>
  wire(bundle: Bundle): Promise<Bundle>
  /** Names of the providers that only pretend, of those that run. */
  rehearsing(): readonly string[]
  readonly close: () => Promise<void>
}

export function createConnections(ports: Ports): Connections {
  const found = new Map<string, Found>()
  /** The addresses whose providers are asked, as of the bundle that was wired last. */
  let asked: ReadonlySet<string> = new Set()
  let gaps = new WeakMap<Deployment, string | undefined>()
  const troubles = new Map<string, string>()
  let warned: ReadonlySet<string> = new Set()
  const rehearsals = createRehearsals(ports.clock)
  let started: ReadonlyMap<string, string> = new Map()
  let realWasSeen = false

  const hasKey = ({ connection }: Pick<Deployment, 'connection'>): boolean => connection?.key === undefined || ports.secrets(connection.key) !== undefined
  /** What its server said it holds, without what is listed already under another spelling. */
  const heldBy = ({ catalog }: Bundle, provider: Provider): readonly DiscoveredModel[] => {
    const known = found.get(addressOf(provider))
    if (known === undefined) return []
    const listed = new Set(catalog.deployments.filter(d => d.provider === provider.name && !d.discovered).map(d => nameAt(provider, d.upstreamModel)))
    return known.models.filter(m => !listed.has(nameAt(provider, m.upstreamModel)))
  }
  /** What the server that a deployment is at said last; undefined where nobody asks it, or it never answered. */
  const saidOf = ({ provider: name, connection }: Deployment): Found | undefined => {
    const address = addressOf({ name, connection })
    return asked.has(address) ? found.get(address) : undefined
  }
  const gapOf = (d: Deployment): string | undefined => {
    const said = saidOf(d), name = nameAt(d, d.upstreamModel)
    if (isElsewhere(d, said?.elsewhere.has(name) === true)) return 'not-local'
    return said === undefined || !said.isWhole || said.held.has(name) || said.elsewhere.has(name) ? undefined : 'not-held'
  }
  /** Asked for every deployment of every pool, so it is worked out once, until a server says something else. */
  const gap = (d: Deployment): string | undefined => {
    if (!gaps.has(d)) gaps.set(d, gapOf(d))
    return gaps.get(d)
  }
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
      const changes = await Promise.all(discovering(bundle).map(async provider => {
        const answer = await discover(provider, ports, AbortSignal.timeout(withinMs))
        const address = addressOf(provider)
        tell(provider, answer.ok ? undefined : answer.failure.code)
        if (!answer.ok) return false
        const now = foundIn(provider, answer)
        const isNews = found.get(address)?.text !== now.text
        found.set(address, now)
        if (isNews) gaps = new WeakMap()
        return isNews
      }))
      return changes.includes(true)
    },
    async wire(bundle) {
      const providers = discovering(bundle)
      asked = new Set(providers.map(addressOf))
      for (const known of [found, troubles]) for (const address of known.keys()) if (!asked.has(address)) known.delete(address)
      gaps = new WeakMap()
      const full = await withDiscovered(bundle, providers.flatMap(p => heldBy(bundle, p)))
      const isRehearsal = !realWasSeen && !holdsReal(full)
      await rehearsals.adjust(full, isRehearsal)
      realWasSeen ||= !isRehearsal
      started = rehearsals.baseUrls()
      warn(full)
      return withBaseUrls(full, started)
    },
    rehearsing: () => [...started.keys()],
    close: () => rehearsals.close(),
  }
}

const discovering = (bundle: Bundle): readonly Provider[] => [...bundle.catalog.providers.values()].filter(p => p.discover !== undefined && p.rehearsal === undefined)

/** What a server said it holds, ready to be looked up. */
type Found = Pick<Holding, 'models' | 'isWhole'> & {
  /** By the names under which two spellings meet. */
  readonly held: ReadonlySet<string>
  readonly elsewhere: ReadonlySet<string>
  /** Equal texts mean that nothing was found or lost. */
  readonly text: string
}

function foundIn(provider: Provider, { models, elsewhere, isWhole }: Holding): Found {
  return {
    models, isWhole,
    held: new Set(models.map(m => nameAt(provider, m.upstreamModel))),
    elsewhere: new Set(elsewhere.map(name => nameAt(provider, name))),
    text: [...models.map(m => JSON.stringify(m)), ...elsewhere, String(isWhole)].sort().join('\n'),
  }
}

/** What was found belongs to the server that said it: under another address the provider is asked anew. */
const addressOf = ({ name, connection }: Pick<Provider, 'name' | 'connection'>): string => `${name} ${connection?.baseUrl ?? ''}`

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
