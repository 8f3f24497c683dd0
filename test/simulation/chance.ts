/** Randomness by seed: the same seed gives the same numbers on every machine (mulberry32: 32 bits of state, public domain algorithm). */
import type { Random } from '../../src/ports.ts'

export type Chance = {
  readonly number: Random
  /** True with this probability. */
  is(probability: number): boolean
  /** A whole number from `least` to `most`, both included. */
  whole(least: number, most: number): number
  one<T>(items: readonly T[]): T
  /** One of these, as often as its weight says. */
  weighted<T>(items: readonly (readonly [weight: number, item: T])[]): T
  /** A stream of chance of its own, so that what one part draws does not shift what another part gets. */
  fork(): Chance
}

export function chance(seed: number): Chance {
  let state = seed >>> 0
  const number = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
  const self: Chance = {
    number,
    is: probability => number() < probability,
    whole: (least, most) => least + Math.floor(number() * (most - least + 1)),
    one: items => items[Math.floor(number() * items.length)]!,
    weighted(items) {
      let left = number() * items.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, item] of items) if ((left -= weight) < 0) return item
      return items.at(-1)![1]
    },
    fork: () => chance(Math.floor(number() * 0x1_0000_0000)),
  }
  return self
}
