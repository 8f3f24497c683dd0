/** A gateway in this process under a clock that stands still, connected over real HTTP, with breakers that a test sets by hand. */
import type { Breakers, BreakerState, MakeBreakers } from '../../src/breaker/breaker.ts'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { createMetrics } from '../../src/gateway/metrics.ts'
import type { Connected } from '../../src/pool/epochs.ts'
import type { Ports } from '../../src/ports.ts'
import { providers } from '../../src/provider/providers.ts'
import type { Entry } from '../../src/record/record.ts'
import { nodeTransport } from '../../src/runtime/node-transport.ts'
import { fakeClock, type FakeClock } from '../support/clock.ts'

export type Line = { readonly level: string; readonly event: string; readonly [field: string]: unknown }

/** A host without a gateway yet: ports, and what came of them. */
export type Host = { readonly ports: Ports; readonly clock: FakeClock; readonly logged: Line[]; readonly settled: () => Promise<void>; readonly close: () => Promise<void> }

export function host(start = '2026-11-20T12:00:00Z'): Host {
  const clock = fakeClock(start), transport = nodeTransport(), logged: Line[] = []
  const running = new Set<Promise<unknown>>()
  return {
    clock, logged,
    ports: {
      clock, transport, random: () => 0.5, secrets: () => undefined,
      background(work) {
        const tracked = work.finally(() => running.delete(tracked))
        running.add(tracked)
      },
      log: (level, event, fields) => { logged.push({ level, event, ...fields }) },
    },
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
    close: () => transport.close(),
  }
}

export type Running = Host & { readonly gateway: Gateway; readonly breakers: HandBreakers; readonly entries: Entry[] }

export function running(at: Host, bundle: Bundle, connected: Connected = () => undefined): Running {
  const entries: Entry[] = []
  const { make, breakers } = handBreakers()
  const gateway = createGateway({
    ports: at.ports, bundle, place: undefined, providers: providers(at.ports), breakers: make, metrics: createMetrics(),
    recorder: { append: entry => { entries.push(entry) } }, connected,
  })
  return { ...at, gateway, entries, breakers }
}

export type HandBreakers = Breakers & { set(deployment: string, to: BreakerState): void; readonly begun: string[]; readonly heard: { readonly deployment: string; readonly code: string }[] }

/** Half-open lets one trial through; a good one closes, a bad one opens. */
function handBreakers(): { readonly make: MakeBreakers; readonly breakers: HandBreakers } {
  const states = new Map<string, BreakerState>(), trying = new Set<string>(), begun: string[] = [], heard: HandBreakers['heard'][number][] = []
  let tell: Parameters<MakeBreakers>[0]['changed'] = () => undefined
  const state = (name: string): BreakerState => states.get(name) ?? 'closed'
  const set = (deployment: string, to: BreakerState): void => {
    const from = state(deployment)
    states.set(deployment, to)
    if (from !== to) tell({ deployment, from, to })
  }
  const mayTry = (name: string): boolean => state(name) === 'closed' || (state(name) === 'half-open' && !trying.has(name))
  const breakers: HandBreakers = {
    state, set, begun, heard, mayTry,
    begin(name) {
      if (!mayTry(name)) return undefined
      if (state(name) === 'half-open') trying.add(name)
      begun.push(name)
      return {
        report(failed) {
          heard.push({ deployment: name, code: failed?.code ?? 'ok' })
          if (!trying.delete(name)) return
          set(name, failed === undefined ? 'closed' : 'open')
        },
        drop() {
          heard.push({ deployment: name, code: 'dropped' })
          trying.delete(name)
        },
      }
    },
    notBefore: () => undefined,
    doubt(name, how) { if (state(name) === 'closed') set(name, how === 'failing' ? 'open' : 'half-open') },
    keep: () => undefined,
  }
  return {
    breakers,
    make({ changed }) {
      tell = changed
      return breakers
    },
  }
}
