/** What goes into a cell comes out of it, whatever it holds, and nothing in it is a formula. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inCsv } from '../../src/record/csv.ts'
import { cellsOf } from './csv-cells.ts'

const SEED = 30_005

describe('a row', () => {
  test('quotes what must be quoted, and joins lists with spaces', () => {
    expect(inCsv(['a', 'b,c', 'd"e', 'two\r\nlines', ['FR', 'DE'], [], undefined, 0, 1.5])).toBe('a,"b,c","d""e","two\r\nlines",FR DE,,,0,1.5\r\n')
  })

  test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx', '\nx'])('that begins as a formula (%j) is text', formula => {
    expect(cellsOf(inCsv([formula, 'b']))).toEqual([[`'${formula}`, 'b']])
  })

  test('that only holds such a sign stays as it is', () => {
    expect(inCsv(['a=1', '1-1', 'x@example.com'])).toBe('a=1,1-1,x@example.com\r\n')
  })

  test(`comes back as it went in (seed ${SEED})`, () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('"', ',', '\r', '\n', '=', '\'', 'a', '-', '@') }))
    fc.assert(fc.property(fc.array(fc.array(text, { minLength: 1, maxLength: 5 }), { maxLength: 5 }), rows => {
      const read = cellsOf(rows.map(inCsv).join(''))
      expect(read).toEqual(rows.map(cells => cells.map(cell => (/^[=+\-@\t\r\n]/.test(cell) ? `'${cell}` : cell))))
      expect(read.flat().some(cell => /^[=+\-@\t\r\n]/.test(cell))).toBe(false)
    }), { seed: SEED, numRuns: 2_000 })
  })
})
