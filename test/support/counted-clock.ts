import { fakeClock, type FakeClock } from './clock.ts'

/** A clock that stands still until it is moved, and says how many timers wait for it. */
export type CountedClock = FakeClock & { waiting(): number }

export function countedClock(start: number): CountedClock {
  const clock = fakeClock(start), waiting = new Set<object>()
  return {
    ...clock, waiting: () => waiting.size,
    after(ms, then) {
      const timer = {}
      waiting.add(timer)
      const forget = clock.after(ms, () => {
        waiting.delete(timer)
        then()
      })
      return () => {
        waiting.delete(timer)
        forget()
      }
    },
  }
}
