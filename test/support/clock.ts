import type { Clock } from '../../src/ports.ts'

/** A clock that stands still until it is moved; timers run in order as it passes them. */
export type FakeClock = Clock & { advance(ms: number): void; set(at: number): void }

export function fakeClock(start: number | string): FakeClock {
  let now = typeof start === 'string' ? Date.parse(start) : start
  let timers: { readonly at: number; readonly run: () => void }[] = []
  const clock: FakeClock = {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => { timers = timers.filter(t => t !== timer) }
    },
    set(at) {
      for (;;) {
        const due = timers.filter(t => t.at <= at).sort((a, b) => a.at - b.at)[0]
        if (due === undefined) break
        timers = timers.filter(t => t !== due)
        now = Math.max(now, due.at)
        due.run()
      }
      now = at
    },
    advance: ms => clock.set(now + ms),
  }
  return clock
}
