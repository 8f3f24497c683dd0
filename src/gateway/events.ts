/**
 * What this is for: what happens while a gateway runs, told to whoever listens: rebuilds of the pool, breakers, quarantines,
 * alarms, directives, drills, models being fetched and warmed.
 *
 * What it promises: memory is bounded; an event holds names of ours and figures, never content.
 */
import { inUtc } from '../policy/time.ts'
import type { Clock } from '../ports.ts'

export type EventKind = 'pool' | 'breaker' | 'quarantine' | 'alarm' | 'directive' | 'drill' | 'pull' | 'warm-up'

export type GatewayEvent = {
  /** Counts up from 1 in each process. */
  readonly id: number
  readonly at: string
  readonly kind: EventKind
  readonly what: Readonly<Record<string, unknown>>
}

export type Events = {
  /** Tells the events of this process from those of another. */
  readonly run: string
  publish(kind: EventKind, what: Readonly<Record<string, unknown>>): void
  /** Those after an id, as far as they are kept, oldest first. */
  since(id: number): readonly GatewayEvent[]
  /** Calls `heard` for every event from now on, until the returned function is called. */
  subscribe(heard: (event: GatewayEvent) => void): () => void
}

const EVENTS_MAX = 500

export function createEvents(clock: Clock, run: string): Events {
  const kept: GatewayEvent[] = []
  const listeners = new Set<(event: GatewayEvent) => void>()
  let id = 0
  return {
    run,
    publish(kind, what) {
      const event: GatewayEvent = { id: ++id, at: inUtc(clock.now()), kind, what }
      kept.push(event)
      if (kept.length > EVENTS_MAX) kept.shift()
      for (const heard of listeners) heard(event)
    },
    since: after => kept.filter(event => event.id > after),
    subscribe(heard) {
      listeners.add(heard)
      return () => void listeners.delete(heard)
    },
  }
}
