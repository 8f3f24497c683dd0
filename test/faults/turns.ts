/** Work that mostly waits, a few at a time: more would slow down the machine that the time limits are measured on. */
const AT_ONCE = 4

/** Runs all of it, in order of its beginning. */
export async function inTurns(work: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...work]
  const takeTurns = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await next()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, takeTurns))
}
