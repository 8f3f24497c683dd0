/** Whatever the bytes are: problems or a bundle, never a throw, and never a bundle that is looser by accident. */
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Compiled } from '../../src/bundle/bundle.ts'
import { compile } from '../../src/bundle/compile.ts'
import { parse } from '../../src/bundle/parse.ts'
import { decide } from '../../src/policy/decide.ts'
import { printSections, sentencesOf } from '../../src/policy/sentences.ts'
import { treeOf } from '../support/policy-cases.ts'
import { changed, GOOD } from './tree.ts'

const SEED = 20261122
const files = Object.keys(GOOD)
const pieces = ['\n', '  ', '- ', ': ', ':', '{', '}', '[', ']', ',', '"', "'", '#', '&a', '*a', '!t', '|', '>', '%', '---\n', '? ', '<<', '\t', '\u00a0', 'no', 'UK',
  'unknown', 'all', 'one-of', 'only', '2026-02-30', '__proto__', 'constructor', 'toString', '\ud800', '\u0000', 'Е', '“', 'rules', 'when', '12', '~', 'eea', 'vendor/*', '/*', '']

const expectAnswer = async (sources: ReadonlyMap<string, string>): Promise<Compiled> => {
  const compiled = await compile(sources)
  if (compiled.ok) {
    expect(compiled.bundle.warnings.every(w => w.severity === 'warning')).toBe(true)
    return compiled
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
  return compiled
}

test(`any text in any file (seed ${SEED})`, async () => {
  await fc.assert(fc.asyncProperty(fc.constantFrom(...files), fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ maxLength: 200 }), fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map(p => p.join(''))),
    async (file, text) => { await expectAnswer(changed({ file, to: text })) }), { seed: SEED, numRuns: 600 })
})

test(`a good tree with something cut out and something put in (seed ${SEED})`, async () => {
  await fc.assert(fc.asyncProperty(fc.constantFrom(...files), fc.nat(), fc.nat({ max: 25 }), fc.constantFrom(...pieces), async (file, at, cut, piece) => {
    const text = GOOD[file]!, start = at % text.length
    await expectAnswer(changed({ file, to: text.slice(0, start) + piece + text.slice(start + cut) }))
  }), { seed: SEED, numRuns: 1500 })
})

test(`one word in place of another (seed ${SEED})`, async () => {
  const words = [...new Set(Object.values(GOOD).flatMap(t => t.match(/[\w/.*@-]+/g) ?? [])), ...pieces]
  await fc.assert(fc.asyncProperty(fc.constantFrom(...files), fc.nat(), fc.constantFrom(...words), async (file, which, word) => {
    const found = [...GOOD[file]!.matchAll(/[\w/.*@-]+/g)]
    const { index, 0: old } = found[which % found.length]!
    await expectAnswer(changed({ file, to: GOOD[file]!.slice(0, index) + word + GOOD[file]!.slice(index + old.length) }))
  }), { seed: SEED, numRuns: 1500 })
})

/** What a hand that slips makes of good YAML: each takes the lines of a file and gives them back with one slip. */
const slips: Readonly<Record<string, (lines: readonly string[], at: number, other: number, piece: string) => readonly string[]>> = {
  'two lines swapped': (lines, at, other) => lines.with(at, lines[other]!).with(other, lines[at]!),
  'a line moved': (lines, at, other) => lines.toSpliced(at, 1).toSpliced(other, 0, lines[at]!),
  'a line lost': (lines, at) => lines.toSpliced(at, 1),
  'a line twice': (lines, at, other) => lines.toSpliced(other, 0, lines[at]!),
  'a word of a block twice': (lines, at, _, piece) => lines.toSpliced(at + 1, 0, lines[at]!.replace(/:.*$/, `: ${piece}`)),
  'a block twice': (lines, at, other) => lines.toSpliced(Math.max(at, other), 0, ...lines.slice(Math.min(at, other), Math.max(at, other))),
  'lines further in': (lines, at, other) => lines.map((line, i) => (i >= at && i <= at + (other % 4) ? `  ${line}` : line)),
  'lines further out': (lines, at, other) => lines.map((line, i) => (i >= at && i <= at + (other % 4) ? line.replace(/^ {1,2}/, '') : line)),
  'one space more or less': (lines, at, other) => lines.with(at, other % 2 === 0 ? ` ${lines[at]!}` : lines[at]!.replace(' ', '')),
  'a character lost': (lines, at, other) => lines.with(at, cut(lines[at]!, other, 1, '')),
  'a character put in': (lines, at, other, piece) => lines.with(at, cut(lines[at]!, other, 0, piece)),
  'a character in place of another': (lines, at, other, piece) => lines.with(at, cut(lines[at]!, other, 1, piece)),
  'two lines made one': (lines, at) => lines.toSpliced(at, 2, `${lines[at]!}${lines[at + 1] ?? ''}`),
  'a line broken in two': (lines, at, other) => lines.toSpliced(at, 1, ...cut(lines[at]!, other, 0, '\n').split('\n')),
  'a value of another line': (lines, at, other) => lines.with(at, lines[at]!.replace(/:.*$/, () => /:.*$/.exec(lines[other]!)?.[0] ?? '')),
  'a word of another line': (lines, at, other) => lines.with(at, lines[at]!.replace(/[\w-]+:/, () => /[\w-]+:/.exec(lines[other]!)?.[0] ?? 'x:')),
  'a file cut short': (lines, at, other) => [...lines.slice(0, at), lines[at]!.slice(0, other % 20)],
}

function cut(line: string, at: number, length: number, piece: string): string {
  const start = at % (line.length + 1)
  return line.slice(0, start) + piece + line.slice(start + length)
}

const STARTER = treeOf(fileURLToPath(new URL('../../policies', import.meta.url)))
/** Generous: a tree takes some milliseconds. */
const COMPILE_MS_MAX = 5_000

test(`slips of the hand in the starter policies (seed ${SEED})`, { timeout: 60_000 }, async () => {
  const slip = fc.record({ kind: fc.constantFrom(...Object.keys(slips)), at: fc.nat(), other: fc.nat(), piece: fc.constantFrom(...pieces, 'é', '–', '\u200b', '\u202e', '\ufeff', '；', '０', 'І', '\r', '%', '@', '`') })
  const reached = new Map<string, number>()
  let compiled = 0, refused = 0
  await fc.assert(fc.asyncProperty(fc.constantFrom(...STARTER.keys()), fc.array(slip, { minLength: 1, maxLength: 3 }), async (file, made) => {
    const text = made.reduce<string>((before, { kind, at, other, piece }) => {
      const lines = before.split('\n')
      reached.set(kind, (reached.get(kind) ?? 0) + 1)
      return slips[kind]!(lines, at % lines.length, other % lines.length, piece).join('\n')
    }, STARTER.get(file)!)
    const sources = new Map(STARTER).set(file, text)
    const before = performance.now()
    const answer = await expectAnswer(sources)
    expect(performance.now() - before).toBeLessThan(COMPILE_MS_MAX)
    if (!answer.ok) return void refused++
    compiled++
    // What compiles can be decided with and printed.
    const { rulebook } = answer.bundle
    expect(decide(rulebook, { trusted: { app: 'playground' } }, Date.UTC(2026, 11, 1)).outcome).toMatch(/^(?:permit|refuse)$/)
    expect(printSections(sentencesOf(rulebook, { catalog: true }))).toContain('RULES\n')
  }), { seed: SEED, numRuns: 500, interruptAfterTimeLimit: 10_000 })
  // A machine that is slow may do fewer; the slips reach both answers all the same.
  expect(Math.min(compiled, refused)).toBeGreaterThan(5)
  expect(reached.size).toBeGreaterThan(Object.keys(slips).length / 2)
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
