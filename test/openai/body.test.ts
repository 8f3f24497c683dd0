import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { editBody, readBody, type RequestBody } from '../../src/openai/body.ts'

const SEED = 20_261_101
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes)

function body(text: string): RequestBody {
  const read = readBody(encode(text))
  if (!read.ok) throw new Error(read.wrong)
  return read.body
}

function refusal(bytes: Uint8Array | string): { wrong: string; param?: string } {
  const read = readBody(typeof bytes === 'string' ? encode(bytes) : bytes)
  if (read.ok) throw new Error('was read')
  return read
}

describe('reading a body', () => {
  test('an object is read, with whitespace anywhere', () => {
    expect(body(' \n{ "model" : "a" , "n":1.0 }\t').value).toEqual({ model: 'a', n: 1 })
    expect(body('{}').value).toEqual({})
  })

  test.each(['', '[]', '"x"', 'null', '3', '{', '{"a":}', '{"a":1,}', "{'a':1}", '{"a":1}x', '{"a":NaN}'])('%j is refused', text => {
    expect(refusal(text).wrong).toMatch(/JSON/)
  })

  test('a byte order mark is refused, a cut character too', () => {
    expect(refusal(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)).wrong).toMatch(/byte order mark/)
    expect(refusal(Uint8Array.of(0x7b, 0x22, 0xc3, 0x22, 0x3a, 0x31, 0x7d)).wrong).toMatch(/UTF-8/)
  })

  test.each([
    '{"model":"a","model":"b"}', '{"model":"a","mod\\u0065l":"b"}', '{"messages":[],"model":{"x":[1,{"y":"}"}]} , "model":1}',
  ])('a member written twice is refused by its name: %s', text => {
    expect(refusal(text)).toMatchObject({ param: 'model' })
  })

  test('the same name in different objects is no duplicate', () => {
    expect(body('{"a":{"model":1},"b":[{"model":2},{"model":3}],"model":4,"c":"\\"model\\":5"}').value['model']).toBe(4)
  })

  test('a duplicate whose name could be prompt text is not repeated', () => {
    const read = refusal('{"my secret is 42":1,"my secret is 42":2}')
    expect(JSON.stringify(read)).not.toContain('secret')
  })

  test('no refusal quotes the body', () => {
    for (const text of ['{"a": canary}', 'canary', '["canary"]']) expect(JSON.stringify(refusal(text))).not.toContain('canary')
  })
})

describe('editing a body', () => {
  test('what is not named leaves byte for byte', () => {
    const text = '{ "model":"auto",\r\n\t"temperature" : 1.0, "seed":12345678901234567890, "é\\u00e9":"\\ud83d\\ude00 😀" , "x":1e400 }'
    expect(decode(body(text).edit({ set: { model: 'x' } }))).toBe(text.replace('"auto"', '"x"'))
  })

  test.each([
    ['first', '{"a":1, "b":2 ,"c":3}', ['a'], '{"b":2 ,"c":3}'],
    ['middle', '{"a":1, "b":2 ,"c":3}', ['b'], '{"a":1 ,"c":3}'],
    ['last', '{"a":1, "b":2 ,"c":3}', ['c'], '{"a":1, "b":2}'],
    ['only', '{ "a":1 }', ['a'], '{ }'],
    ['first two', '{"a":1,"b":[2,{"c":"}"}],"c":3}', ['a', 'b'], '{"c":3}'],
    ['all', '{"a":1,"b":2}', ['a', 'b'], '{}'],
    ['none of that name', '{"a":1}', ['b'], '{"a":1}'],
  ])('removing the %s member leaves valid JSON', (_, text, remove, expected) => {
    expect(decode(body(text).edit({ remove }))).toBe(expected)
  })

  test('a name that is not there is added, also to an empty object', () => {
    expect(decode(body('{"a":1}').edit({ set: { model: 'x' } }))).toBe('{"a":1,"model":"x"}')
    expect(decode(body('{}').edit({ set: { model: 'x' } }))).toBe('{"model":"x"}')
    expect(decode(body('{"a":1}').edit({ set: { model: 'x' }, remove: ['a'] }))).toBe('{"model":"x"}')
  })

  test('an undefined value asks nothing', () => {
    expect(decode(body('{"a":1}').edit({ set: { a: undefined, b: undefined } }))).toBe('{"a":1}')
  })

  test('a name written with escapes is the same name', () => {
    expect(decode(body('{"mod\\u0065l":"a","n":1}').edit({ set: { model: 'x' } }))).toBe('{"mod\\u0065l":"x","n":1}')
  })

  test('bytes that nobody read are an error of ours', () => {
    expect(() => editBody(encode('[1]'), { remove: ['a'] })).toThrow()
    expect(() => editBody(encode('{"a'), { remove: ['a'] })).toThrow()
  })

  test(`an edit is the edit of the object, and the rest is untouched (seed ${SEED})`, () => {
    const space = fc.constantFrom('', ' ', '\n\t', ' \r\n ')
    const name = fc.oneof(fc.constantFrom('model', 'provider', 'models', 'stream'), fc.string({ unit: 'binary', maxLength: 6 }))
    const raw = fc.oneof(
      fc.jsonValue({ maxDepth: 3, noUnicodeString: false }).map(value => JSON.stringify(value)),
      fc.jsonValue({ maxDepth: 3 }).map(value => JSON.stringify(value, null, 2)),
      fc.constantFrom('1.0', '12345678901234567890', '-0', '1E5', '"\\\\"', '"\\\\\\""', '"\\u007d"', '[ ]', '{ }'),
    )
    const member = fc.record({ name, raw, around: fc.tuple(space, space, space, space) })
    const members = fc.uniqueArray(member, { selector: m => m.name, maxLength: 8 })
    fc.assert(fc.property(members, fc.dictionary(name, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }), fc.array(name, { maxLength: 4 }), (list, set, remove) => {
      const text = `{${list.map(m => `${m.around[0]}${JSON.stringify(m.name)}${m.around[1]}:${m.around[2]}${m.raw}${m.around[3]}`).join(',')}}`
      const edited = body(text).edit({ set, remove })
      const expected = new Map(Object.entries(JSON.parse(text) as object))
      for (const gone of remove) expected.delete(gone)
      for (const [key, value] of Object.entries(set)) expected.set(key, value)
      const actual = JSON.parse(decode(edited)) as object
      expect(JSON.stringify(sorted(new Map(Object.entries(actual))))).toBe(JSON.stringify(sorted(expected)))
      for (const m of list) {
        if (remove.includes(m.name) || Object.hasOwn(set, m.name)) continue
        expect(decode(edited)).toContain(`${JSON.stringify(m.name)}${m.around[1]}:${m.around[2]}${m.raw}`)
      }
      expect(editBody(encode(text), { set, remove })).toEqual(edited)
    }), { seed: SEED, numRuns: 500 })
  })
})

/** Members by name; the order of two engines' integer-like keys does not matter here. Lone surrogates survive as JSON writes them. */
const sorted = (map: ReadonlyMap<string, unknown>): unknown => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
