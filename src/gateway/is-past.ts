/**
 * Whether a time, in milliseconds since 1970, has come; one that was never set has. One further away than it was ever set is
 * of a clock that was set back since, and has come too: nothing waits for longer than it was told to.
 */
export const isPast = (at: number | undefined, now: number, atMostAheadMs: number): boolean => at === undefined || now >= at || at - now > atMostAheadMs
