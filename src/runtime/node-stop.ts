/** Being told to stop: once politely, twice at once. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * A terminal sends Ctrl-C to the whole group of processes, and whoever started us passes it on: the echo within this time is
 * the same wish, not a second one.
 */
const ECHO_MS = 250

export type Stop = { readonly first: Promise<void>; readonly second: Promise<void> }

export function toldToStop(): Stop {
  const first = Promise.withResolvers<void>(), second = Promise.withResolvers<void>()
  let toldAt: number | undefined
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (toldAt === undefined) {
        toldAt = Date.now()
        first.resolve()
      } else if (Date.now() - toldAt > ECHO_MS) {
        second.resolve()
      }
    })
  }
  return { first: first.promise, second: second.promise }
}
