/**
 * What this is for: a gateway built from a bundle and ports. It holds what changes while it runs: the bundle in force,
 * the epoch of the pool, alarms.
 *
 * What it assumes: one thread; a bundle is frozen. What it promises: a request sees one bundle from beginning to end
 * unless the law changes under it, and then no further attempt starts under the old one.
 */
import type { Bundle } from '../bundle/bundle.ts'
import type { Breakers } from '../breaker/breaker.ts'
import { createLimits, type Limits } from './limits.ts'
import type { Metrics } from './metrics.ts'
import type { Ports } from '../ports.ts'
import type { ProviderPort } from '../provider/provider.ts'
import type { Recorder } from '../record/record.ts'
import { createEpochs, type Connected, type Epochs } from '../pool/epochs.ts'

/** A condition an operator must see until it ends: in readiness, in the log and as a metric. */
export type Alarm = { readonly name: string; readonly message: string; readonly since: number }

export type Parts = {
  readonly ports: Ports
  readonly providers: ProviderPort
  readonly breakers: Breakers
  readonly recorder: Recorder
  readonly metrics: Metrics
  /** The country where this gateway keeps its records, or undefined when nobody said. */
  readonly place: string | undefined
  readonly bundle: Bundle
  /** Which deployments of a bundle can be dispatched to now. */
  readonly connected: Connected
}

export type Gateway = Omit<Parts, 'bundle' | 'connected'> & {
  readonly epochs: Epochs
  readonly limits: Limits
  /** The next decision id: unique over restarts and processes by a random beginning. */
  nextId(): string
  raise(name: string, message: string): void
  clear(name: string): void
  alarms(): readonly Alarm[]
}

export function createGateway({ bundle, connected, ...parts }: Parts): Gateway {
  const { clock, log } = parts.ports
  const alarms = new Map<string, Alarm>()
  const epochs = createEpochs({
    bundle, connected, clock,
    rebuilt: event => {
      log('info', 'pool-rebuilt', event)
      parts.metrics.count('bailiwick_pool_rebuilds_total', { cause: event.cause })
    },
  })
  const beginning = Array.from({ length: 10 }, () => Math.floor(parts.ports.random() * 36).toString(36)).join('')
  let count = 0
  return {
    ...parts, epochs,
    limits: createLimits(clock),
    nextId: () => `d-${beginning}-${(count++).toString(36)}`,
    raise(name, message) {
      if (alarms.get(name)?.message !== message) log('error', 'alarm', { alarm: name, message })
      alarms.set(name, { name, message, since: alarms.get(name)?.since ?? clock.now() })
      parts.metrics.set('bailiwick_alarm', 1, { alarm: name })
    },
    clear(name) {
      if (!alarms.delete(name)) return
      log('info', 'alarm-over', { alarm: name })
      parts.metrics.set('bailiwick_alarm', 0, { alarm: name })
    },
    alarms: () => [...alarms.values()],
  }
}
