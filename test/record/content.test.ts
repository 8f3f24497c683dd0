import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CURVES, headOf, newContentKey, openerFor, readContentKey, readPrivateContentKey, sealerFor, type Content } from '../../src/record/content.ts'

const SEED = 20_261_123
const CONTENT: Content = { decision: 'd-1', part: 'answer', at: 1_790_000_000_000, bytes: 5, content: new TextEncoder().encode('hello') }
const wrongOf = (read: { readonly ok: boolean; readonly wrong?: string }): string | undefined => (read.ok ? undefined : read.wrong)

describe.each(CURVES)('a key on %s', curve => {
  it('seals what its private part opens, and says in clear whose it is', async () => {
    const { privateJwk, publicJwk, key } = await newContentKey(curve)
    const sealer = await sealerFor(publicJwk), opener = await openerFor(privateJwk)
    const line = await sealer.seal({ ...CONTENT, cut: true })
    expect(line).toMatch(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){4}$/)
    expect([sealer.key, opener.key]).toEqual([key, key])
    expect(headOf(line)).toEqual({ ok: true, key, head: { decision: 'd-1', part: 'answer', at: 1_790_000_000_000, bytes: 5, cut: true } })
    expect(await opener.open(line)).toEqual(CONTENT.content)
    // The same twice is never the same text.
    expect(await sealer.seal(CONTENT)).not.toBe(await sealer.seal(CONTENT))
  })

  it('opens nothing that was sealed to another', async () => {
    const [one, other] = await Promise.all([newContentKey(curve), newContentKey(curve)])
    const line = await (await sealerFor(one.publicJwk)).seal(CONTENT)
    expect(await (await openerFor(other.privateJwk)).open(line)).toBeUndefined()
  })

  it('is read from a file by the part that is needed, and by no other', async () => {
    const { privateJwk, publicJwk } = await newContentKey(curve)
    expect(readContentKey(JSON.stringify({ ...publicJwk, use: 'enc', kid: 'a' }))).toEqual({ ok: true, jwk: publicJwk })
    expect(readPrivateContentKey(JSON.stringify(privateJwk))).toEqual({ ok: true, jwk: privateJwk })
    expect(wrongOf(readContentKey(JSON.stringify(privateJwk)))).toContain('private key')
    expect(wrongOf(readPrivateContentKey(JSON.stringify(publicJwk)))).toContain('public key')
  })
})

it.each(['', 'null', '[]', '{"kty":"OKP","crv":"Ed25519","x":"AAAA"}', '{"kty":"EC","crv":"P-256","x":"AAAA"}', '{"kty":"RSA","n":"a","e":"b"}', '{"kty":"OKP","crv":"X25519"}'])('%s is no key', text => {
  expect(wrongOf(readContentKey(text))).toContain('X25519 or P-256')
  expect(wrongOf(readPrivateContentKey(text))).toContain('X25519 or P-256')
})

it('a point that is on no curve is found out before the first request', async () => {
  await expect(sealerFor({ kty: 'OKP', crv: 'X25519', x: 'AAAA' })).rejects.toThrow()
  await expect(sealerFor({ kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) })).rejects.toThrow()
})

it(`no character of an item can be changed, what it says in clear included (seed ${SEED})`, async () => {
  const { privateJwk, publicJwk } = await newContentKey('X25519')
  const line = await (await sealerFor(publicJwk)).seal(CONTENT), opener = await openerFor(privateJwk)
  const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  /** The last character of a part has spare bits that stand for nothing. */
  const places = Array.from(line, (letter, i) => ({ letter, i })).filter(({ letter, i }) => letter !== '.' && i < line.length - 1 && line[i + 1] !== '.').map(({ i }) => i)
  await fc.assert(fc.asyncProperty(fc.constantFrom(...places), fc.constantFrom(...Array.from(LETTERS)), async (place, letter) => {
    fc.pre(line[place] !== letter)
    expect(await opener.open(line.slice(0, place) + letter + line.slice(place + 1))).toBeUndefined()
  }), { seed: SEED, numRuns: 300 })
})

it.each(['', 'a.b.c.d.e', '{}', 'eyJhbGciOiJub25lIn0....', 'half of a li'])('%s is no item', text => {
  expect(headOf(text)).toEqual({ ok: false })
})
