/** Whatever the bytes are: problems or a bundle, never a throw, and never a bundle that is looser by accident. */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '../../src/bundle/compile.ts'
import { parse } from '../../src/bundle/parse.ts'
import { changed, GOOD } from './tree.ts'

const SEED = 20261122
const files = Object.keys(GOOD)
const pieces = ['\n', '  ', '- ', ': ', ':', '{', '}', '[', ']', ',', '"', "'", '#', '&a', '*a', '!t', '|', '>', '%', '---\n', '? ', '<<', '\t', '\u00a0', 'no', 'UK',
  'unknown', 'all', 'one-of', 'only', '2026-02-30', '__proto__', 'constructor', 'toString', '\ud800', '\u0000', 'Е', '“', 'rules', 'when', '12', '~', 'eea', 'vendor/*', '/*', '']

const expectAnswer = async (sources: ReadonlyMap<string, string>): Promise<void> => {
  const compiled = await compile(sources)
  if (compiled.ok) {
    expect(compiled.bundle.warnings.every(w => w.severity === 'warning')).toBe(true)
    return
  }
  expect(compiled.problems.some(p => p.severity === 'error')).toBe(true)
  for (const p of compiled.problems) {
    expect(p.rule).not.toBe('not-compiled')
    expect(p.wrong).not.toBe('')
    expect(p.write).not.toBe('')
    const lines = sources.get(p.file)!.split(/\r\n|\n|\r/)
    expect(p.line).toBeGreaterThanOrEqual(1)
    expect(p.line).toBeLessThanOrEqual(lines.length)
    expect(p.column).toBeGreaterThanOrEqual(1)
    expect(p.column).toBeLessThanOrEqual((lines[p.line - 1]?.length ?? 0) + 2)
  }
}

test(`any text in any file (seed ${SEED})`, async () => {
  await fc.assert(fc.asyncProperty(fc.constantFrom(...files), fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ maxLength: 200 }), fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map(p => p.join(''))),
    (file, text) => expectAnswer(changed({ file, to: text }))), { seed: SEED, numRuns: 600 })
})

test(`a good tree with something cut out and something put in (seed ${SEED})`, async () => {
  await fc.assert(fc.asyncProperty(fc.constantFrom(...files), fc.nat(), fc.nat({ max: 25 }), fc.constantFrom(...pieces), (file, at, cut, piece) => {
    const text = GOOD[file]!, start = at % text.length
    return expectAnswer(changed({ file, to: text.slice(0, start) + piece + text.slice(start + cut) }))
  }), { seed: SEED, numRuns: 1500 })
})

test(`one word in place of another (seed ${SEED})`, async () => {
  const words = [...new Set(Object.values(GOOD).flatMap(t => t.match(/[\w/.*@-]+/g) ?? [])), ...pieces]
  await fc.assert(fc.asyncProperty(fc.constantFrom(...files), fc.nat(), fc.constantFrom(...words), (file, which, word) => {
    const found = [...GOOD[file]!.matchAll(/[\w/.*@-]+/g)]
    const { index, 0: old } = found[which % found.length]!
    return expectAnswer(changed({ file, to: GOOD[file]!.slice(0, index) + word + GOOD[file]!.slice(index + old.length) }))
  }), { seed: SEED, numRuns: 1500 })
})

test('a file of the largest size is read in bounded time, whatever fills it', () => {
  const fill = (piece: string): string => piece.repeat(Math.floor(262_144 / piece.length))
  for (const piece of ['[', '{', '- ', 'a: ', 'a:\n', '? ', '"', '&a ', '- a\n', 'a:b\n', '  ', '\n', '{a,', '- - - - - - -\n', '|\n', '!', '# \n', 'x']) {
    const before = performance.now()
    const { tree, problems } = parse('labels.yaml', fill(piece))
    expect([piece, tree !== undefined || problems.length > 0]).toEqual([piece, true])
    expect([piece, performance.now() - before < 5_000]).toEqual([piece, true])
  }
})
