/** The ports as Node supplies them: the one place where time, chance, the environment and standard error are touched. */
import type { Clock, Ports, Transport } from '../ports.ts'

export type NodePorts = Ports & {
  /** Resolves when no background work is left. */
  settled(): Promise<void>
}

export const nodeClock: Clock = {
  now: Date.now,
  after(ms, then) {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
}

export function nodePorts(transport: Transport, environment: Readonly<Record<string, string | undefined>>): NodePorts {
  const running = new Set<Promise<unknown>>()
  const log: Ports['log'] = (level, event, fields = {}) => {
    process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...fields })}\n`)
  }
  return {
    transport, log,
    clock: nodeClock,
    random: Math.random,
    secrets: name => (name.startsWith('env:') ? environment[name.slice('env:'.length)] || undefined : undefined),
    background(work) {
      const tracked = work.catch((error: unknown) => log('error', 'background-work-failed', { error: error instanceof Error ? error.name : typeof error }))
        .finally(() => running.delete(tracked))
      running.add(tracked)
    },
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
