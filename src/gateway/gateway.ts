/**
 * What this is for: a gateway built from a bundle and ports. It holds what changes while it runs: the bundle in force,
 * the epoch of the pool, health, quarantines, alarms.
 *
 * What it assumes: one thread; a bundle is frozen. What it promises: a request sees one law from beginning to end
 * unless the law changes under it, and then no further attempt starts under the old one.
 */
import type { Bundle } from '../bundle/bundle.ts'
import type { BreakerChange, Breakers, MakeBreakers } from '../breaker/breaker.ts'
import { createEpochs, type Connected, type Epochs, type PoolEvent } from '../pool/epochs.ts'
import { createQuarantine, type Quarantine, type QuarantineChange, type Quarantined } from '../pool/quarantine.ts'
import type { Ports } from '../ports.ts'
import type { ProviderPort } from '../provider/provider.ts'
import type { Salting } from '../record/hash.ts'
import type { Entry, Recorder } from '../record/record.ts'
import type { ContentSink } from './content.ts'
import { createEvents, type Events } from './events.ts'
import { createLimits, type Limits } from './limits.ts'
import type { Metrics } from './metrics.ts'
import type { ProbeUnderWay } from './sign-of-life.ts'

/** A condition an operator must see until it ends: in readiness, in the log and as a metric. */
export type Alarm = { readonly name: string; readonly message: string; readonly since: number }

/** Before the name of a deployment whose provider refuses our key. */
export const KEY_ALARM = 'key:'

export type Parts = {
  readonly ports: Ports
  readonly providers: ProviderPort
  readonly breakers: MakeBreakers
  readonly recorder: Recorder
  readonly metrics: Metrics
  /** The country where this gateway keeps its records, or undefined when nobody said. */
  readonly place: string | undefined
  /** Where content is kept that may be; absent: nowhere. */
  readonly content?: ContentSink | undefined
  /** Absent: a request of which the policies want a digest on record is refused. */
  readonly salting?: Salting
  readonly bundle: Bundle
  /** Which deployments of a bundle can be dispatched to now. */
  readonly connected: Connected
  /** What was set aside when the gateway last ended and only a person may release. */
  readonly quarantined?: readonly Quarantined[]
}

export type Gateway = Omit<Parts, 'bundle' | 'connected' | 'breakers' | 'quarantined'> & {
  readonly breakers: Breakers
  readonly quarantine: Quarantine
  readonly epochs: Epochs
  readonly events: Events
  readonly limits: Limits
  /** Local deployments that have come and have not answered yet: out of the pool until they have. */
  readonly unproven: Set<string>
  /** By deployment: one at a time. */
  readonly probing: Map<string, ProbeUnderWay>
  /** The next decision id: unique over restarts and processes by a random beginning. */
  nextId(): string
  /** Keeps an entry. False, with an alarm, when it cannot be kept. */
  keep(entry: Entry): Promise<boolean>
  raise(name: string, message: string): void
  clear(name: string): void
  alarms(): readonly Alarm[]
}

export function createGateway({ bundle, connected, breakers: makeBreakers, quarantined = [], ...parts }: Parts): Gateway {
  const { clock, log, random, background } = parts.ports
  const { metrics, recorder } = parts
  const alarms = new Map<string, Alarm>()
  const beginning = Array.from({ length: 10 }, () => Math.floor(random() * 36).toString(36)).join('')
  const events = createEvents(clock, beginning.slice(0, 6))
  let count = 0
  const nextId = (letter: string): string => `${letter}-${beginning}-${(count++).toString(36)}`

  const raise = (name: string, message: string): void => {
    if (alarms.get(name)?.message !== message) {
      log('error', 'alarm', { alarm: name, message })
      events.publish('alarm', { alarm: name, message })
    }
    alarms.set(name, { name, message, since: alarms.get(name)?.since ?? clock.now() })
    metrics.set('bailiwick_alarm', 1, { alarm: name })
  }
  const clear = (name: string): void => {
    if (!alarms.delete(name)) return
    log('info', 'alarm-over', { alarm: name })
    events.publish('alarm', { alarm: name, over: true })
    metrics.set('bailiwick_alarm', 0, { alarm: name })
  }
  const keep = async (entry: Entry): Promise<boolean> => {
    try {
      await recorder.append(entry)
      clear('records')
      return true
    } catch (error) {
      raise('records', `Entries cannot be kept (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}); requests are refused until they can.`)
      return false
    }
  }

  const rebuilt = (event: PoolEvent): void => {
    log('info', 'pool-rebuilt', event)
    metrics.count('bailiwick_pool_rebuilds_total', { cause: event.cause.split(':', 1)[0]! })
    events.publish('pool', event)
    background(keep({ kind: 'pool', id: nextId('p'), ...event, at: clock.now() }))
  }
  const unproven = new Set<string>()
  const breakerChanged = ({ deployment, from, to }: BreakerChange): void => {
    const isUnproven = from === 'closed' && to === 'half-open'
    if (!isUnproven) unproven.delete(deployment)
    log(to === 'closed' || isUnproven ? 'info' : 'warn', 'breaker', { deployment, from, to })
    metrics.set('bailiwick_breaker_open', to === 'closed' ? 0 : 1, { deployment })
    events.publish('breaker', { deployment, from, to })
    // Half-open is still out of the pool for everybody but the one that probes. One that has yet to prove itself was not in it before.
    if ((from === 'closed' && !isUnproven) || to === 'closed') epochs.refresh(to === 'closed' ? `breaker closed: ${deployment}` : `breaker opened: ${deployment}`)
  }
  const quarantineChanged = ({ action, what }: QuarantineChange): void => {
    const { deployment, reason, detail } = what
    log(action === 'set' ? 'error' : 'info', 'quarantine', { deployment, reason, action, detail })
    events.publish('quarantine', { deployment, reason, action, detail })
    if (action === 'set') raise(`quarantine:${deployment}`, `${deployment} is set aside as ${reason}: ${detail}.`)
    else clear(`quarantine:${deployment}`)
    epochs.refresh(`${action === 'set' ? reason : 'released'}: ${deployment}`)
  }

  const breakers = makeBreakers({ clock, changed: breakerChanged })
  const quarantine = createQuarantine({ clock, changed: quarantineChanged, kept: quarantined })
  const unhealthy = (name: string): string | undefined => quarantine.of(name)?.reason ?? (breakers.state(name) === 'closed' ? undefined : unproven.has(name) ? 'unproven' : 'breaker-open')
  const epochs = createEpochs({ bundle, connected, unhealthy, clock, rebuilt })
  for (const { deployment, reason, detail } of quarantined) raise(`quarantine:${deployment}`, `${deployment} is set aside as ${reason}: ${detail}.`)
  return {
    ...parts, epochs, breakers, quarantine, events, raise, clear, keep,
    limits: createLimits(clock),
    unproven, probing: new Map(),
    nextId: () => nextId('d'),
    alarms: () => [...alarms.values()],
  }
}
