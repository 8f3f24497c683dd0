/** Words that a server only gives back are not its words, however plain they look. */
import { describe, expect, test } from 'vitest'
import { reported, attest, type Said } from '../../src/provider/attestation.ts'
import { catalogOf, type Deployment } from '../../src/catalog/catalog.ts'
import { isKnownCode, withoutRepeats } from '../../src/provider/refusal.ts'
import { repeatsOf } from '../../src/provider/repeat.ts'
import { keyOf } from '../../src/provider/secret.ts'
import { deployment } from './support.ts'

const SECRET = 'sk-live-4f9a8b7c6d5e4f3a2b1c'
const isInKey = (secret: string) => (word: string): boolean => {
  const key = keyOf({ key: 'env:KEY' }, () => secret)
  return key.ok && key.isIn(word)
}
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const BODY = bytes(JSON.stringify({ model: 'lab/large', messages: [{ role: 'user', content: 'Tell me of Diverticulitis-in-Lyon and of us.' }] }))
const repeats = repeatsOf(BODY, isInKey(SECRET))

describe('a word that gives back the key', () => {
  test.each([SECRET, SECRET.toUpperCase(), `x-${SECRET}-y`, SECRET.slice(0, 14), SECRET.slice(8)])('%s', word => expect(repeats(word)).toBe(true))
  test.each(['rate_limit', SECRET.slice(0, 7), 'sk-live'])('%s does not', word => expect(repeats(word)).toBe(false))
  test('a placeholder is no secret: models are named as they are', () => {
    expect(isInKey('ollama')('ollama')).toBe(false)
    expect(isInKey('EMPTY')('empty_prompt')).toBe(false)
  })
  test('where there is no key there is nothing to give back', () => {
    const none = keyOf({ key: undefined }, () => SECRET)
    expect(none.ok && none.isIn(SECRET)).toBe(false)
  })
})

describe('a word that gives back the request', () => {
  test.each(['Diverticulitis-in-Lyon', 'diverticulitis', 'us', 'lyon'])('%s', word => expect(repeats(word)).toBe(true))
  test.each(['content_length', 'de', 'me-south', 'yon'])('%s does not', word => expect(repeats(word)).toBe(false))
})

describe('what is kept of an error', () => {
  test('nothing that was sent', () => expect(withoutRepeats({ code: SECRET, type: 'diverticulitis' }, repeats)).toEqual({}))
  test('the server\'s own words', () => expect(withoutRepeats({ code: 'string_above_max_length', type: 'odd' }, repeats)).toEqual({ code: 'string_above_max_length', type: 'odd' }))
  test('a code that means something, though somebody wrote of it', () => {
    const asked = repeatsOf(bytes('what is model_not_found?'), () => false)
    expect(withoutRepeats({ code: 'model_not_found', type: 'model_not_found' }, asked)).toEqual({ code: 'model_not_found', type: 'model_not_found' })
  })
  test.each(['model_not_found', 'DeploymentNotFound', 'invalid_api_key', 'insufficient_quota', 'context_length_exceeded', 'content_filter', 'content_policy_violation'])('%s means something', code => expect(isKnownCode(code)).toBe(true))
  test.each(['x', 'content_filter-of-somebody', 'my_model_not_found', SECRET])('%s does not', code => expect(isKnownCode(code)).toBe(false))
})

describe('what goes on record of a server\'s account', () => {
  const region = { header: 'x-served-from', countries: new Map([['east us 2', 'US']]) }
  const at: Deployment = { ...deployment('http://127.0.0.1:1'), upstreamModel: 'large-5', processedIn: ['US'], reports: { models: undefined, region } }
  const told = (said: Said): unknown => reported(at, { repeats, ...said })

  test('nothing where nothing was said', () => expect(told({})).toEqual({}))
  test('a name of its own, and a place: by the catalog, by the world, or in a plain word', () => {
    expect(told({ model: 'large-5-2026-05-01', geo: 'us' })).toEqual({ servedModel: 'large-5-2026-05-01', reportedRegion: 'us' })
    expect(told({ headers: { 'x-served-from': ' East US 2 ' } })).toEqual({ reportedRegion: 'east us 2' })
    expect(told({ headers: { 'x-served-from': 'westus3' }, geo: 'not_available' })).toEqual({ reportedRegion: 'not_available' })
    expect(told({ headers: { 'x-served-from': 'westus3' } })).toEqual({ reportedRegion: 'westus3' })
    expect(told({ geo: 'global' })).toEqual({ reportedRegion: 'global' })
  })
  test('nothing that was sent, and no text', () => {
    expect(told({ model: SECRET, geo: SECRET, headers: { 'x-served-from': SECRET } })).toEqual({})
    expect(told({ model: 'diverticulitis', geo: 'diverticulitis' })).toEqual({})
    expect(told({ headers: { 'x-served-from': 'some words of somebody' } })).toEqual({})
    expect(told({ headers: { 'x-served-from': 'x'.repeat(65) } })).toEqual({})
  })
  test('the name that was asked for, though it stands in the request', () => {
    expect(reported(at, { model: 'large-5', repeats: repeatsOf(bytes('compare large-5 with others'), () => false) })).toEqual({ servedModel: 'large-5' })
  })
  test('a mismatch is one all the same, and is told without the word', () => {
    const listed: Deployment = { ...at, reports: { models: ['large-5-*'], region } }
    const details = [attest(listed, catalogOf(new Map(), [listed]), { model: SECRET, repeats }), attest(at, catalogOf(new Map(), [at]), { headers: { 'x-served-from': 'diverticulitis-in-lyon' }, repeats })]
    expect(details).toEqual(['it served a model by a name that the catalog does not list', 'it names a region that the catalog does not list'])
  })
})
