import type { Clock } from '../ports.ts'

/** Time that never goes back. Both in milliseconds; only differences of `now` mean something. */
export type SteadyClock = {
  now(): number
  /** The same moment as the host's clock tells it at present. */
  toWallClock(at: number): number
}

/**
 * The host's clock may be set back under a running gateway; a wait measured by it would grow by as much. Here it goes on
 * from where it stood, so a wait is over no later than its own length after the clock was last read.
 */
export function steadyClock(clock: Clock): SteadyClock {
  let lastSeen = clock.now()
  let setBack = 0
  return {
    now() {
      const seen = clock.now()
      if (seen < lastSeen) setBack += lastSeen - seen
      lastSeen = seen
      return seen + setBack
    },
    toWallClock: at => at - setBack,
  }
}
