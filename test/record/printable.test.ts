import { expect, test } from 'vitest'
import { inBase64url } from '../../src/record/hash.ts'
import { checkReceipt } from '../../src/record/receipt.ts'
import { printable } from '../../src/record/printable.ts'
import { verifyRecords } from '../../src/record/verify.ts'
import { canonical } from '../../src/record/canonical.ts'
import { keyFrom, sha256 } from '../tamper/log.ts'

const HOSTILE = '\u001b[2J\u009b31m\r\nverified\u202e\u2028', MOVES = /[\p{Cc}\p{Cf}\p{Zl}]/u
const key = await keyFrom('the gateway')

test('nothing is left that moves a cursor or begins a line, and the rest is as it was', () => {
  expect(printable(HOSTILE)).not.toMatch(MOVES)
  expect(printable('büro-€ 翻訳 🌍')).toBe('büro-€ 翻訳 🌍')
})

test('a receipt and a log that somebody else wrote put nothing on the terminal', async () => {
  const part = (value: unknown): string => inBase64url(new TextEncoder().encode(JSON.stringify(value)))
  expect(await checkReceipt(`${part({ alg: 'EdDSA', kid: HOSTILE, typ: 'bailiwick-receipt' })}.${part({})}.AAAA`, key.publicJwk, sha256)).toMatchObject({ ok: false, wrong: expect.not.stringMatching(MOVES) as string })
  const text = canonical({ closed: {}, open: { kind: HOSTILE, id: HOSTILE, at: 1 }, prev: '0'.repeat(64), salt: '0'.repeat(32), seq: 1 })
  const { findings } = await verifyRecords([{ text, where: 'x:1' }], { knownKey: key.publicJwk, ends: { by: 'seal' } }, sha256)
  for (const { wrong } of findings) expect(wrong).not.toMatch(MOVES)
})
