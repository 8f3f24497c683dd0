/**
 * The time of a simulation: everything that will happen, in order, one thing at a time. Between two of them all promises settle.
 * Two things due at the same instant come in an order that chance decides.
 */
import type { Clock } from '../../src/ports.ts'
import type { Chance } from './chance.ts'

export type Owner = 'product' | 'world'

export type Timeline = {
  /** A clock whose timers are counted under this owner. */
  clockOf(owner: Owner): Clock
  now(): number
  /** Lets the next thing happen, and what follows from it at once; false when nothing is due before `until`. */
  step(until: number): Promise<boolean>
  /** Timers that are still waiting. */
  waiting(owner: Owner): number
}

type Timer = { readonly at: number; readonly order: number; readonly owner: Owner; readonly run: () => void }

/** Promises that follow from one event are never chained deeper than this in one go. */
const TURNS_MAX = 80

export function timeline(start: number, order: Chance): Timeline {
  let now = start
  const timers = new Set<Timer>()
  const earlier = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
  return {
    now: () => now,
    clockOf: owner => ({
      now: () => now,
      after(ms, run) {
        const timer: Timer = { at: now + Math.max(0, ms), order: order.number(), owner, run }
        timers.add(timer)
        return () => void timers.delete(timer)
      },
    }),
    async step(until) {
      let next: Timer | undefined
      for (const timer of timers) if (next === undefined || earlier(timer, next)) next = timer
      if (next === undefined || next.at > until) {
        now = Math.max(now, until)
        return false
      }
      timers.delete(next)
      now = Math.max(now, next.at)
      next.run()
      await settled()
      return true
    },
    waiting: owner => [...timers].filter(t => t.owner === owner).length,
  }
}

/** Lets every promise that can go on go on; no time passes. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn++) await Promise.resolve()
}
