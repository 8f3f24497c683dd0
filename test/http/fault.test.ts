import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { faultInJson, faultInUtf8 } from '../../src/http/fault.ts'

const SEED = 20261122
const encoder = new TextEncoder()
const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('where text stops being JSON', () => {
  test.each([
    ['{"a": 1}', undefined], [' [] ', undefined], ['"x"', undefined], ['-0.5e+3', undefined], ['{"a":[{},[null,true]]}', undefined],
    ['{"a": 1,}', 8], ['{a: 1}', 1], ['[1 2]', 3], ['{"a" 1}', 5], ['[1,]', 3], ['01', 1], ['nul', 0], ['{} x', 3], ['"\\x"', 1], ['"a\nb"', 2],
    ["{'a': 1}", 1], ['[1}', 2], ['', 0], ['{"a": "b', 8], ['[1, ', 4], ['{"a":', 5],
  ])('%j', (text, at) => {
    expect(faultInJson(text)).toBe(at)
    expect(isJson(text)).toBe(at === undefined)
  })

  test(`a fault is found exactly where the engine finds one as well (seed ${SEED})`, () => {
    const broken = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '"', '}', ']', '\\', '1', 'x', ':')).map(([text, at, by]) => {
      const cut = at % (text.length + 1)
      return text.slice(0, cut) + by + text.slice(cut + 1)
    })
    fc.assert(fc.property(fc.oneof(fc.json(), broken), text => {
      expect(faultInJson(text) === undefined).toBe(isJson(text))
    }), { seed: SEED, numRuns: 2_000 })
  })
})

describe('where bytes stop being UTF-8', () => {
  test.each([
    [[0x61, 0xff, 0x62], 1], [[0xff], 0], [[0x61, 0xe2, 0x28, 0xa1], 2], [[0x61, 0xe2, 0x82], 3], [[0xc0, 0x80], 0], [[0xed, 0xa0, 0x80], 1], [[0xf5, 0x80, 0x80, 0x80], 0],
  ])('%j', (bytes, at) => {
    expect(faultInUtf8(Uint8Array.from(bytes))).toBe(at)
  })

  test(`text has no fault, and a byte put into it has one at or before its place (seed ${SEED})`, () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.nat(), (text, n) => {
      const bytes = encoder.encode(text)
      expect(faultInUtf8(bytes)).toBeUndefined()
      const at = n % (bytes.length + 1)
      expect(faultInUtf8(Uint8Array.from([...bytes.subarray(0, at), 0xff, ...bytes.subarray(at)]))).toBeLessThanOrEqual(at)
    }), { seed: SEED })
  })
})
