import { createPrivateKey, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { canonical } from '../../src/record/canonical.ts'
import { isCheckpoint, isCheckpointBy, isSealBy, makeCheckpoint, makeSeal, readSeal } from '../../src/record/checkpoint.ts'
import { withoutClosed } from '../../src/record/line.ts'
import { checkReceipt, makeReceipt, type Proven } from '../../src/record/receipt.ts'
import { isSignedBy, nameOfKey, newKey, readPublicJwk, signingKey } from '../../src/record/signing.ts'
import { chance } from '../simulation/chance.ts'
import { hexOf, keyFrom, makeLog, sha256 } from '../tamper/log.ts'
import { second } from '../tamper/judge.ts'

const key = await keyFrom('the gateway'), stranger = await keyFrom('a stranger')
const log = await makeLog({ chance: chance(5), requests: 12, every: 10, key, log: 'log-one' })
const SEQ = 4
const jws = await log.receipt(SEQ)
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= '

const provenIn = (text: string): Proven[] => (JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString()) as { readonly entries: Proven[] }).entries

describe('a receipt', () => {
  it('verifies with the key of the gateway, by both verifiers', async () => {
    expect(await checkReceipt(jws, key.publicJwk, sha256)).toMatchObject({ ok: true, key: key.name, receipt: { entries: [{ line: { seq: SEQ } }] } })
    expect(second.checkReceipt(jws, second.readKey(key.publicJwk))).toContain(`line ${SEQ}: `)
  })

  it('verifies without closed parts, which are not in it', async () => {
    const [proven] = provenIn(jws) as [Proven]
    const line = log.all[SEQ - 1]!.line
    const open = await makeReceipt([{ ...proven, line: withoutClosed(line, sha256) }], 0, key)
    expect(await checkReceipt(open, key.publicJwk, sha256)).toMatchObject({ ok: true })
    expect(second.checkReceipt(open, second.readKey(key.publicJwk))).toContain(`line ${SEQ}: `)
    expect(Buffer.from(open.split('.')[1]!, 'base64url').toString()).not.toContain(line.salt)
  })

  it('is refused with any one character changed, by both verifiers', async () => {
    const theirKey = second.readKey(key.publicJwk), accepted: number[] = []
    for (let at = 0; at < jws.length; at += 1) {
      const other = ALPHABET[(ALPHABET.indexOf(jws[at]!) + 1 + (at % (ALPHABET.length - 1))) % ALPHABET.length]!
      const changed = jws.slice(0, at) + other + jws.slice(at + 1)
      expect(changed).not.toBe(jws)
      let isTheirs = true
      try { second.checkReceipt(changed, theirKey) } catch { isTheirs = false }
      if (isTheirs || (await checkReceipt(changed, key.publicJwk, sha256)).ok) accepted.push(at)
    }
    expect(accepted).toEqual([])
  })

  it('is refused with every other last character: bytes have one text', async () => {
    for (const other of ALPHABET.replace(jws.at(-1)!, '')) expect(await checkReceipt(jws.slice(0, -1) + other, key.publicJwk, sha256)).toMatchObject({ ok: false })
  })

  it('is refused with another key, and says which it was signed with', async () => {
    expect(await checkReceipt(jws, stranger.publicJwk, sha256)).toEqual({ ok: false, wrong: `It was signed with the key ${key.name}, and the key given is ${stranger.name}.` })
    expect(() => second.checkReceipt(jws, second.readKey(stranger.publicJwk))).toThrow('no receipt that was signed with this key')
  })

  it.each<[string, (proven: Proven) => Proven | Promise<Proven>, RegExp]>([
    ['another line', p => ({ ...p, line: { ...log.all[SEQ]!.line } }), /does not lead to what its checkpoint signed/],
    ['a line that says something else', p => ({ ...p, line: { ...p.line, open: { ...p.line.open, at: 1 } } }), /does not lead/],
    ['a path that leads elsewhere', p => ({ ...p, path: p.path.toReversed() }), /does not lead/],
    ['a shorter path', p => ({ ...p, path: p.path.slice(1) }), /does not lead/],
    ['a checkpoint by another key', async p => ({ ...p, checkpoint: await makeCheckpoint({ log: 'log-one', at: 0, from: SEQ, digests: [log.all[SEQ - 1]!.digest] }, stranger, sha256), path: [] }), /its checkpoint is not signed/],
    ['a checkpoint that was changed', p => ({ ...p, checkpoint: { ...p.checkpoint, at: p.checkpoint.at + 1 } }), /its checkpoint is not signed/],
    ['a checkpoint about other lines', async p => ({ ...p, checkpoint: await makeCheckpoint({ log: 'log-one', at: 0, from: SEQ + 1, digests: [log.all[SEQ - 1]!.digest] }, key, sha256), path: [] }), /is about entries 5 to 5/],
  ])('is refused although signed by the gateway, with %s', async (_, change, wrong) => {
    const made = await makeReceipt([await change(provenIn(jws)[0]!)], 0, key)
    const checked = await checkReceipt(made, key.publicJwk, sha256)
    expect(checked).toMatchObject({ ok: false })
    expect(checked.ok ? '' : checked.wrong).toMatch(wrong)
    expect(() => second.checkReceipt(made, second.readKey(key.publicJwk))).toThrow()
  })

  it.each(['', 'a', 'a.b', 'a.b.c', 'a.b.c.d', `${jws}.`, jws.replace('.', '')])('is not %j', async text => {
    expect(await checkReceipt(text.slice(0, 20_000), key.publicJwk, sha256)).toMatchObject({ ok: false })
  })

  it('of no entries is none', async () => {
    expect(await checkReceipt(await makeReceipt([], 0, key), key.publicJwk, sha256)).toEqual({ ok: false, wrong: 'What it holds is not what a receipt holds.' })
  })
})

describe('a checkpoint', () => {
  it('is signed by its key, for its log and its lines alone', async () => {
    const digests = [hexOf('a'), hexOf('b'), hexOf('c')]
    const checkpoint = await makeCheckpoint({ log: 'log-one', at: 3, from: 7, digests }, key, sha256)
    expect(checkpoint).toMatchObject({ from: 7, to: 9, head: hexOf('c'), key: key.name })
    expect(isCheckpoint(checkpoint)).toBe(true)
    expect(await isCheckpointBy(checkpoint, key.publicJwk)).toBe(true)
    expect(await isCheckpointBy(checkpoint, stranger.publicJwk)).toBe(false)
    for (const change of [{ log: 'log-two' }, { at: 4 }, { from: 6 }, { to: 10 }, { head: hexOf('d') }, { root: hexOf('d') }, { key: stranger.name }]) {
      expect(await isCheckpointBy({ ...checkpoint, ...change }, key.publicJwk)).toBe(false)
    }
  })

  it.each([{ from: 0 }, { to: 6 }, { to: 7.5 }, { head: 'x' }, { root: 'A'.repeat(64) }, { log: 1 }, { at: '3' }, { signature: undefined }])('is not one with %j', async change => {
    expect(isCheckpoint({ ...await makeCheckpoint({ log: 'log-one', at: 3, from: 7, digests: [hexOf('a')] }, key, sha256), ...change })).toBe(false)
  })
})

describe('a seal', () => {
  const statement = { log: 'log-one', at: 1, first: 1, last: 9, head: hexOf('head') }

  it('is one text, by its key', async () => {
    const seal = await makeSeal(statement, key), text = canonical(seal)
    expect(await isSealBy(readSeal(text)!, key.publicJwk)).toBe(true)
    expect(await isSealBy(readSeal(text)!, stranger.publicJwk)).toBe(false)
    expect(await isSealBy({ ...seal, seal: { ...seal.seal, last: 8 } }, key.publicJwk)).toBe(false)
    for (const other of [` ${text}`, JSON.stringify(seal), text.replace('"last":9', '"last":9,"more":1'), text.slice(1), 'null']) expect(readSeal(other)).toBeUndefined()
  })

  it('is no checkpoint, nor a checkpoint a seal', async () => {
    const checkpoint = await makeCheckpoint({ log: 'log-one', at: 3, from: 7, digests: [hexOf('a')] }, key, sha256)
    expect(await isSignedBy(key.publicJwk, `bailiwick seal v1\n${canonical({ ...checkpoint, signature: undefined })}`, checkpoint.signature)).toBe(false)
    expect(await isSignedBy(key.publicJwk, `bailiwick checkpoint v1\n${canonical({ ...checkpoint, signature: undefined })}`, checkpoint.signature)).toBe(true)
  })
})

describe('a key', () => {
  it('signs as the example of RFC 8037 does, and has the name that RFC 8037 gives it', async () => {
    const jwk = { kty: 'OKP', crv: 'Ed25519', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' } as const
    const example = await signingKey(jwk, sha256)
    expect(example.name).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
    expect(await example.sign('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc')).toBe('hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg')
  })

  it('that was made anew signs, and nobody else does', async () => {
    const jwk = await newKey(), made = await signingKey(jwk, sha256), signature = await made.sign('text')
    expect(nameOfKey(jwk, sha256)).toBe(made.name)
    expect(await isSignedBy(made.publicJwk, 'text', signature)).toBe(true)
    expect(await isSignedBy(made.publicJwk, 'texts', signature)).toBe(false)
    expect(await isSignedBy(stranger.publicJwk, 'text', signature)).toBe(false)
    const other = sign(null, Buffer.from('text'), createPrivateKey({ key: { ...jwk }, format: 'jwk' })).toString('base64url')
    expect(signature).toBe(other)
  })

  it.each([null, 'x', {}, { kty: 'OKP', crv: 'Ed25519', x: 'AA' }, { kty: 'EC', crv: 'Ed25519', x: key.publicJwk.x }, { kty: 'OKP', crv: 'X25519', x: key.publicJwk.x }])('is not %j', value => {
    expect(readPublicJwk(value)).toBeUndefined()
  })
})
