/** Kleene's logic by its tables, written out. */
import { describe, expect, test } from 'vitest'
import { FALSE, TRUE, UNKNOWN, and, not, or, truth } from '../../src/policy/truth.ts'
import type { Truth } from '../../src/policy/truth.ts'

const F = FALSE, U = UNKNOWN, T = TRUE
const VALUES: readonly Truth[] = [F, U, T]

describe('three values, because not knowing is neither yes nor no', () => {
  test('and: false as soon as one is false, true only when both are', () => {
    expect(VALUES.map(a => VALUES.map(b => and(a, b)))).toEqual([[F, F, F], [F, U, U], [F, U, T]])
  })
  test('or: true as soon as one is true, false only when both are', () => {
    expect(VALUES.map(a => VALUES.map(b => or(a, b)))).toEqual([[F, U, T], [U, U, T], [T, T, T]])
  })
  test('not: unknown stays unknown', () => {
    expect(VALUES.map(not)).toEqual([T, U, F])
  })
  test('what is known is true or false', () => {
    expect([truth(true), truth(false)]).toEqual([T, F])
  })
  test('unknown is less than it could become: making it known never turns a certain result round', () => {
    for (const b of VALUES) {
      for (const [name, operation] of [['and', and], ['or', or]] as const) {
        const whileUnknown = operation(U, b)
        if (whileUnknown === U) continue
        expect([operation(F, b), operation(T, b)], `${name} with ${b}`).toEqual([whileUnknown, whileUnknown])
      }
    }
  })
  test('de Morgan: forbid X is require not X', () => {
    for (const a of VALUES) for (const b of VALUES) expect(not(and(a, b))).toBe(or(not(a), not(b)))
  })
})
