/**
 * Providers that only pretend, on loopback, for a first run (architecture, section 7).
 *
 * What it promises: they are started only where nothing real is connected, and once something real was seen they are gone
 * for the rest of the process.
 */
import type { Bundle } from '../bundle/bundle.ts'
import { deepFreeze } from '../bundle/freeze.ts'
import { catalogOf } from '../catalog/catalog.ts'
import type { Clock } from '../ports.ts'
import { rehearsal, type Pretence } from '../provider/rehearsal.ts'
import { listen, type Listening } from './node-listen.ts'

export const LOOPBACK = '127.0.0.1'

/** One pretended provider behind a port. Its base URL is `url` and `/v1`. */
export function startRehearsal({ pretends, models, hostname = LOOPBACK, port = 0, clock }: {
  readonly pretends: Pretence; readonly models: readonly string[]; readonly hostname?: string; readonly port?: number; readonly clock: Clock
}): Promise<Listening> {
  return listen(rehearsal({ pretends, models, clock, after: (ms, then) => clock.after(ms, then) }), { hostname, port })
}

/** The providers of a bundle that pretend, as running servers. */
export type Rehearsals = {
  /** Starts those that the bundle names and stops the others; all of them when `isOn` is false. */
  adjust(bundle: Bundle, isOn: boolean): Promise<void>
  /** Base URL by provider name, of those that run. */
  baseUrls(): ReadonlyMap<string, string>
  close(): Promise<void>
}

export function createRehearsals(clock: Clock): Rehearsals {
  /** By what is pretended: a changed list of models is another server. */
  const running = new Map<string, { readonly provider: string; readonly server: Listening }>()
  return {
    async adjust(bundle, isOn) {
      const wanted = new Map(isOn ? pretenders(bundle).map(p => [JSON.stringify(p), p] as const) : [])
      for (const [key, { server }] of running) {
        if (wanted.has(key)) continue
        running.delete(key)
        // What was begun with it may finish; nobody waits for that.
        void server.close()
      }
      for (const [key, { provider, ...what }] of wanted) {
        if (!running.has(key)) running.set(key, { provider, server: await startRehearsal({ ...what, clock }) })
      }
    },
    baseUrls: () => new Map([...running.values()].map(({ provider, server }) => [provider, `${server.url}/v1`])),
    async close() {
      await Promise.all([...running.values()].map(({ server }) => server.close()))
      running.clear()
    },
  }
}

const pretenders = (bundle: Bundle): readonly { readonly provider: string; readonly pretends: Pretence; readonly models: readonly string[] }[] =>
  [...bundle.catalog.providers.values()].filter(p => p.rehearsal !== undefined).map(({ name, rehearsal: pretends }) => ({
    provider: name,
    pretends: pretends as Pretence,
    models: bundle.catalog.deployments.filter(d => d.provider === name).map(d => d.upstreamModel),
  }))

/** The same bundle with the addresses of running rehearsals in its catalog. The law in it is untouched, and so is its digest. */
export function withBaseUrls(bundle: Bundle, baseUrls: ReadonlyMap<string, string>): Bundle {
  if (baseUrls.size === 0) return bundle
  const connect = <T extends { readonly connection: unknown }>(named: T, provider: string): T => {
    const baseUrl = baseUrls.get(provider)
    return baseUrl === undefined ? named : { ...named, connection: { dialect: 'openai', key: undefined, baseUrl } }
  }
  const { providers, deployments } = bundle.catalog
  const catalog = catalogOf(
    new Map([...providers].map(([name, provider]) => [name, connect(provider, name)])),
    deployments.map(d => connect(d, d.provider)),
  )
  return deepFreeze({ ...bundle, catalog })
}
