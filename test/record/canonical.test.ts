import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical } from '../../src/record/canonical.ts'

const SEED = 8785

/** RFC 8785, appendix B: IEEE 754 in hex, and its text. */
const NUMBERS: readonly (readonly [bits: string, text: string])[] = [
  ['0000000000000000', '0'], ['8000000000000000', '0'], ['0000000000000001', '5e-324'], ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'], ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'], ['c340000000000000', '-9007199254740992'], ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'], ['44b52d02c7e14af6', '1e+23'], ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'], ['444b1ae4d6e2ef4f', '999999999999999900000'], ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'], ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'], ['41b3de4355555554', '333333333.33333325'], ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'], ['41b3de4355555557', '333333333.33333343'], ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
]
const doubleFrom = (bits: string): number => Buffer.from(bits, 'hex').readDoubleBE()

describe('RFC 8785', () => {
  it.each(NUMBERS)('writes the number %s as %s', (bits, text) => {
    expect(canonical(doubleFrom(bits))).toBe(text)
  })

  it.each(['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000'])('has no text for %s', bits => {
    expect(() => canonical(doubleFrom(bits))).toThrow('a number that JSON does not have')
  })

  it('sorts members by their UTF-16 code units', () => {
    const value = {
      '\u20ac': 'Euro Sign', '\r': 'Carriage Return', '\ufb33': 'Hebrew Letter Dalet With Dagesh', 1: 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face', '\u0080': 'Control', '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    const order = [...canonical(value).matchAll(/:"([^"]+)"/g)].map(found => found[1])
    expect(order).toEqual(['Carriage Return', 'One', 'Control', 'Latin Small Letter O With Diaeresis', 'Euro Sign', 'Emoji: Grinning Face', 'Hebrew Letter Dalet With Dagesh'])
  })

  it('writes the example of its section 3.2.4', () => {
    const given = String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`
    expect(canonical(JSON.parse(given))).toBe(String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`)
  })
})

describe('one value has one text', () => {
  it(`which is its own canonical text (seed ${SEED})`, () => {
    fc.assert(fc.property(fc.jsonValue(), value => {
      const text = canonical(value)
      expect(canonical(JSON.parse(text))).toBe(text)
      // `-0` is written as 0, and is 0 from then on.
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
    }), { seed: SEED, numRuns: 2_000 })
  })

  it(`in whatever order its members came (seed ${SEED})`, () => {
    const turned = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(turned)
      return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).toReversed().map(([name, part]) => [name, turned(part)])) : value
    }
    fc.assert(fc.property(fc.jsonValue(), value => { expect(canonical(turned(value))).toBe(canonical(value)) }), { seed: SEED, numRuns: 2_000 })
  })

  it('and a member that is undefined is none, while a list has no such place', () => {
    expect(canonical({ b: undefined, a: 1 })).toBe('{"a":1}')
    expect(() => canonical([undefined])).toThrow('a value that JSON does not have')
    expect(() => canonical({ a: 1n })).toThrow('a value that JSON does not have')
  })

  it('even where a member has the name of a prototype', () => {
    const text = '{"__proto__":{"a":1},"constructor":2}'
    expect(canonical(JSON.parse(text))).toBe(text)
  })
})
