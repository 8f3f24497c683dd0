/** The table in which gateways tell each other their bad news: there, slow, hanging or gone, as chance has it. */
import { merged, type News, type SharedNews } from '../../src/gateway/sharing.ts'
import type { Clock } from '../../src/ports.ts'
import type { Chance } from './chance.ts'
import type { Seen } from './history.ts'

/** slow: it answers late, and what is read may be old by then. forgetful: it has lost what it held. */
const MOODS = ['there', 'slow', 'gone', 'hanging', 'forgetful'] as const

export type SimulatedTable = { at(gateway: number): SharedNews; heal(): void }

export function simulatedTable({ clock, chance, seen }: { readonly clock: Clock; readonly chance: Chance; readonly seen: (seen: Seen) => void }): SimulatedTable {
  const rows = new Map<string, News>()
  let mood: (typeof MOODS)[number] = 'there'
  let isHealed = false
  const change = (): void => {
    if (isHealed) return
    mood = chance.weighted([[5, 'there'], [2, 'slow'], [2, 'gone'], [1, 'hanging'], [0.5, 'forgetful']])
    if (mood === 'forgetful') rows.clear()
    seen({ at: clock.now(), kind: 'table', mood })
    clock.after(chance.whole(2_000, 40_000), change)
  }
  clock.after(chance.whole(0, 10_000), change)
  /** Does it now, later or never; `then` sees it done at the moment at which it is told. */
  const within = async <T>(does: () => T, then: (done: T) => void): Promise<T> => {
    if (mood === 'gone') throw new Error('the table is gone')
    if (mood === 'hanging') await new Promise(() => undefined)
    const done = does()
    if (mood === 'slow') await new Promise<void>(resolve => void clock.after(chance.whole(100, 8_000), resolve))
    then(done)
    return done
  }
  return {
    at(gateway) {
      const released = new Map<string, number>()
      return {
        read: () => within(() => [...rows.values()], found => {
          for (const { deployment, mismatch, releasedAt = 0 } of found) {
            // What is read late may be older than what was read before.
            const last = Math.max(releasedAt, released.get(deployment) ?? 0)
            released.set(deployment, last)
            if (mismatch !== undefined && mismatch.at > last) seen({ at: clock.now(), kind: 'warned', gateway, deployment, what: mismatch.detail, lastSeen: mismatch.at })
          }
        }),
        tell: news => within(() => void rows.set(news.deployment, merged(rows.get(news.deployment) ?? news, news)), () => undefined),
      }
    },
    heal() {
      isHealed = true
      mood = 'there'
    },
  }
}
