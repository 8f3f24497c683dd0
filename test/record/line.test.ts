import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical } from '../../src/record/canonical.ts'
import { BEFORE_ALL, digestOfLine, entryOf, isShownLine, lineOf, readLine, withoutClosed } from '../../src/record/line.ts'
import type { Entry } from '../../src/record/record.ts'
import { chance } from '../simulation/chance.ts'
import { answered, BEGIN, hexOf, sha256, start } from '../tamper/log.ts'

const SEED = 17
const [decision, outcome] = answered(chance(SEED), 1, BEGIN, hexOf('bundle'))
const PLACE = { seq: 17, prev: hexOf('before'), salt: 'ab'.repeat(16) }
const ENTRIES: readonly Entry[] = [decision, outcome, start(BEGIN, hexOf('bundle'))]

describe('a line', () => {
  it.each(ENTRIES)('holds its entry: $kind', entry => {
    const { text, digest } = lineOf(entry, PLACE, sha256), line = readLine(text)!
    expect(entryOf(line)).toEqual(entry)
    expect(canonical(line)).toBe(text)
    expect(digestOfLine(line, sha256)).toBe(digest)
  })

  it('shows a caller the answer and not the rules', () => {
    const { open, closed } = readLine(lineOf(decision, PLACE, sha256).text)!
    expect(Object.keys(open).sort()).toEqual(['app', 'at', 'bundle', 'catalog', 'epoch', 'id', 'kind', 'outcome', 'requestId'])
    for (const name of ['request', 'stated', 'permitted', 'activeRules', 'exceptions']) expect(closed).toHaveProperty(name)
    expect(Object.keys(readLine(lineOf(outcome, PLACE, sha256).text)!.closed).sort()).toEqual(['attempts', 'cost'])
  })

  it('has the same digest without its closed part, and none can be put in its place', () => {
    const { text, digest } = lineOf(decision, PLACE, sha256), line = readLine(text)!, shown = withoutClosed(line, sha256)
    expect(isShownLine(shown)).toBe(true)
    expect(JSON.stringify(shown)).not.toContain('gdpr')
    expect(digestOfLine(shown, sha256)).toBe(digest)
    expect(digestOfLine({ ...line, closed: { ...line.closed, permitted: [] } }, sha256)).not.toBe(digest)
    expect(digestOfLine({ ...line, salt: 'ac'.repeat(16) }, sha256)).not.toBe(digest)
  })

  it.each([
    ['seq', { ...PLACE, seq: 18 }], ['prev', { ...PLACE, prev: BEFORE_ALL }], ['salt', { ...PLACE, salt: '00'.repeat(16) }],
  ])('has another digest at another place: %s', (_, place) => {
    expect(lineOf(decision, place, sha256).digest).not.toBe(lineOf(decision, PLACE, sha256).digest)
  })

  it(`of which any byte was changed is no line, or another one (seed ${SEED})`, () => {
    const lines = ENTRIES.map(entry => lineOf(entry, PLACE, sha256))
    for (const { text, digest } of lines) {
      const bytes = Buffer.from(text)
      fc.assert(fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(bytes)
        changed[at] = changed[at]! ^ change
        let line
        try {
          line = readLine(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(changed))
        } catch {
          return
        }
        if (line !== undefined) expect(digestOfLine(line, sha256)).not.toBe(digest)
      }), { seed: SEED, numRuns: 3_000 })
    }
  })

  it('is kept without half a character that a caller may have sent', () => {
    const { text } = lineOf({ ...decision, stated: { model: 'x\ud800y', fine: '\\ud800', pair: '\ud83d\ude00' } }, PLACE, sha256)
    expect(readLine(text)!.closed['stated']).toEqual({ model: 'x\uFFFDy', fine: '\\ud800', pair: '\ud83d\ude00' })
  })

  const whole = readLine(lineOf(decision, PLACE, sha256).text)!
  it.each<[string, unknown]>([
    ['a line with a member more', { ...whole, more: 1 }], ['one without its salt', { ...whole, salt: undefined }], ['line 0', { ...whole, seq: 0 }], ['half a line', { ...whole, seq: 1.5 }],
    ['one whose prev is in capitals', { ...whole, prev: 'A'.repeat(64) }], ['one of no kind', { ...whole, open: { id: 'd', at: 1 } }], ['one without its closed part', withoutClosed(whole, sha256)],
    ['a list', [whole]], ['nothing', null],
  ])('is not %s', (_, value) => {
    expect(readLine(canonical(value))).toBeUndefined()
  })

  it.each([
    ['a space', (text: string) => `${text} `], ['members in another order', (text: string) => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text) as object).toReversed()))],
    ['a member twice', (text: string) => text.replace('{"closed"', '{"seq":1,"closed"')], ['an escape that need not be', (text: string) => text.replace('permit', String.raw`\u0070ermit`)],
    ['a number written longer', (text: string) => text.replace('"seq":17', '"seq":17.0')], ['a mark in front', (text: string) => `\uFEFF${text}`],
  ])('has one text, and not one with %s', (_, change) => {
    const { text } = lineOf(decision, PLACE, sha256), changed = change(text)
    expect(changed).not.toBe(text)
    expect(readLine(changed)).toBeUndefined()
  })
})
