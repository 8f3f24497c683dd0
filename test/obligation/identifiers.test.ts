import { describe, expect, it } from 'vitest'
import { findAll, KINDS, type Kind } from '../../src/obligation/identifiers.ts'

const found = (kind: Kind, text: string): readonly string[] => findAll(kind, text).map(f => text.slice(f.from, f.to))

/** Numbers made up for tests, or published as specimens by those who issue them. */
const KNOWN: { readonly [kind in Kind]: readonly string[] } = {
  email: ['anna@example.eu', 'a.b+c@mail.example.co.uk', '"anna b"@example.eu', 'anna%40example.eu', 'o\'neil@example.ie', 'x@[192.0.2.1]', 'jürgen@müller.example'],
  iban: ['DE89 3704 0044 0532 0130 00', 'DE89370400440532013000', 'de89-3704-0044-0532-0130-00', 'BE68539007547034', 'FR1420041010050500013M02606', 'GB82 WEST 1234 5698 7654 32', 'NO9386011117947', 'MT84MALT011000012345MTLCAST001S'],
  'payment-card': ['4111111111111111', '4111 1111 1111 1111', '5500-0000-0000-0004', '340000000000009', '30000000000004', '6011 0009 9013 9424', '4222222222222', '6304000000000000000'],
  phone: ['+32 2 555 12 12', '+33 (0)1 23 45 67 89', '+14155550123', '0032 2 555 12 12', '06 12 34 56 78', '0612345678', '020 7946 0958', '(212) 555-0123', '212-555-0123', '(030) 123456'],
  'ip-address': ['192.0.2.1', '2001:db8::8a2e:370:7334', '2001:0db8:0000:0000:0000:8a2e:0370:7334', '::1', 'fe80::1', '::ffff:192.0.2.128'],
  'national-id': [
    '2 69 05 49 588 157 80', '184078800123496', '85.07.30-033.28', '00012556777', '86095742719', '12345678Z', 'X1234567L', 'RSSMRA85T10A562S',
    '111222333', '44051401359', '078-05-1120', 'AA 12 34 56 A',
  ],
}

/** Near misses: one digit off, a wrong length, or something else that looks like it. */
const NOT: { readonly [kind in Kind]: readonly string[] } = {
  email: ['@types/node', 'anna at example', 'a @ b.c', 'user@localhost'],
  iban: ['DE88370400440532013000', 'DE8937040044053201300', 'XX8937040044053201300', 'BE68539007547035'],
  'payment-card': ['4111111111111112', '411111111111', '1732272000000', '41111111111111111111111', '0000000000000000'],
  phone: ['2026-11-22', '3.14159265358979', '12345678', '1 000 000', '10.0.0.1', '+1 555'],
  'ip-address': ['1.2.3', '256.1.1.1', '12:30:45', 'std::vector', '1.2.3.4.5', '2001:db8:1', 'a::b'],
  'national-id': [
    '2 69 05 49 588 157 81', '85.07.30-033.29', '86095742718', '12345678A', 'X1234567M', 'RSSMRA85T10A562T', '111222334', '44051401358', '078051120', '000-12-3457', 'BG123456A', 'QQ123456C',
  ],
}

describe.each(KINDS)('%s', kind => {
  it.each(KNOWN[kind])('is found: %s', text => {
    expect(found(kind, text)).toEqual(expect.arrayContaining([text]))
    const between = found(kind, `before ${text}, after`)
    expect(between).toContain(text)
  })
  it.each(NOT[kind])('is not found: %s', text => {
    expect(found(kind, text)).toEqual([])
  })
})

it('finds a social security number without dashes where the text names it', () => {
  expect(found('national-id', 'SSN: 078051120')).toEqual(['078051120'])
})

it('finds a card behind another number, and a second one behind it', () => {
  expect(found('payment-card', 'order 12 4111 1111 1111 1111 and 5500000000000004')).toEqual(['4111 1111 1111 1111', '5500000000000004'])
})

describe('takes linear time', () => {
  const hostile = ['a', '1', '0', '1 ', '+1(', '@', 'a@', '@[', '"', '"@', ':', 'a:', '.', '1.', 'DE89', '0 (', '/0', '%40', '-1'].map(unit => unit.repeat(Math.floor(100_000 / unit.length)))
  it.each(KINDS)('%s', kind => {
    const started = performance.now()
    for (const text of hostile) findAll(kind, text)
    // Nineteen texts of 100,000 characters: a quadratic finder needs half a minute and more.
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})
