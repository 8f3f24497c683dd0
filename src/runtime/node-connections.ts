/**
 * What this is for: from a compiled bundle to one that is connected: what discovery found is in it, rehearsals run where
 * they may, and for every deployment it is known whether it can be dispatched to.
 *
 * What it assumes: `wire` is not called again before its promise is settled.
 * What it promises: a pretended provider is never connected beside a real one. A server that does not answer loses nothing:
 * its models go when it answers without them, and until then calls to them fail as what they are, unavailable.
 */
import { withDiscovered } from '../bundle/compile.ts'
import type { Bundle } from '../bundle/bundle.ts'
import type { Deployment, DiscoveredModel, Provider } from '../catalog/catalog.ts'
import type { Connected } from '../pool/epochs.ts'
import type { Ports } from '../ports.ts'
import { discover } from '../provider/discovery.ts'
import { createRehearsals, withBaseUrls } from './node-rehearsal.ts'

export type Connections = {
  readonly connected: Connected
  /** Asks every provider with discovery what it holds, all at once. True when something was found or lost. */
  ask(bundle: Bundle, withinMs: number): Promise<boolean>
  wire(bundle: Bundle): Promise<Bundle>
  /** Names of the providers that only pretend, of those that run. */
  rehearsing(): readonly string[]
  close(): Promise<void>
}

export function createConnections(ports: Ports): Connections {
  const found = new Map<string, readonly DiscoveredModel[]>()
  const rehearsals = createRehearsals(ports.clock)
  let started: ReadonlyMap<string, string> = new Map()
  let realWasSeen = false

  const hasKey = ({ connection }: Pick<Deployment, 'connection'>): boolean => connection?.key === undefined || ports.secrets(connection.key) !== undefined
  const heldBy = (provider: Provider): readonly DiscoveredModel[] => found.get(addressOf(provider)) ?? []
  /** Whatever could be dispatched to, and a keyed provider whose models are still to be asked for. */
  const holdsReal = ({ catalog }: Bundle): boolean =>
    catalog.deployments.some(d => !d.rehearsal && d.connection !== undefined && hasKey(d))
    || [...catalog.providers.values()].some(p => p.rehearsal === undefined && p.connection?.key !== undefined && hasKey(p))

  return {
    connected(d) {
      if (d.rehearsal) return realWasSeen ? 'rehearsal-off' : started.has(d.provider) ? undefined : 'not-started'
      if (d.connection === undefined) return 'no-connection'
      return hasKey(d) ? undefined : 'no-key'
    },
    async ask(bundle, withinMs) {
      const changes = await Promise.all(discovering(bundle).map(async provider => {
        const answer = await discover(provider, ports, AbortSignal.timeout(withinMs))
        if (!answer.ok) return false
        const before = setOf(heldBy(provider))
        found.set(addressOf(provider), answer.models)
        return setOf(answer.models) !== before
      }))
      return changes.includes(true)
    },
    async wire(bundle) {
      const full = await withDiscovered(bundle, discovering(bundle).flatMap(heldBy))
      const isRehearsal = !realWasSeen && !holdsReal(full)
      await rehearsals.adjust(full, isRehearsal)
      realWasSeen ||= !isRehearsal
      started = rehearsals.baseUrls()
      return withBaseUrls(full, started)
    },
    rehearsing: () => [...started.keys()],
    close: () => rehearsals.close(),
  }
}

const discovering = (bundle: Bundle): readonly Provider[] => [...bundle.catalog.providers.values()].filter(p => p.discover !== undefined && p.rehearsal === undefined)

/** What was found belongs to the server that said it: under another address the provider is asked anew. */
const addressOf = ({ name, connection }: Provider): string => `${name} ${connection?.baseUrl ?? ''}`

/** Equal texts mean that nothing was found or lost. */
const setOf = (models: readonly DiscoveredModel[]): string => models.map(m => JSON.stringify(m)).sort().join('\n')
