/**
 * What this is for: finding identifiers in text, by kind. One function a kind, each in time linear in the text.
 *
 * What it assumes: the text is plain (see reading.ts). What it promises: where an identifier has check digits they are
 * computed; where it is in doubt, it is one: a word too many replaced is a smaller harm than a number that left.
 * What it does not find: an identifier in base64 or another encoding, spelt out in words, or broken over two texts.
 */
import { NATIONAL_NUMBERS } from './national-numbers.ts'
import { isDigit, isLetter, isWord, take } from './shape.ts'

/** From a place to one past the end. */
export type Found = { readonly from: number; readonly to: number }

export const KINDS = ['email', 'iban', 'ip-address', 'national-id', 'payment-card', 'phone'] as const
export type Kind = (typeof KINDS)[number]

export const isKind = (word: string): word is Kind => (KINDS as readonly string[]).includes(word)

/** Every identifier of a kind in a plain text, in no promised order; two may overlap. */
export function findAll(kind: Kind, text: string): readonly Found[] {
  return FINDERS[kind](text)
}

/** Tries a reader at every place where an identifier can begin. */
function eachPlace(text: string, begins: (before: number, first: number) => boolean, end: (at: number) => number | undefined): readonly Found[] {
  const found: Found[] = []
  for (let at = 0; at < text.length; at++) {
    if (!begins(text.charCodeAt(at - 1), text.charCodeAt(at))) continue
    const to = end(at)
    if (to === undefined) continue
    found.push({ from: at, to })
    at = to - 1
  }
  return found
}

const beginsWord = (before: number, first: number): boolean => isWord(first) && !isWord(before)
const beginsNumber = (before: number, first: number): boolean => isDigit(first) && !isDigit(before)

const FINDERS: { readonly [kind in Kind]: (text: string) => readonly Found[] } = {
  email: emails,
  iban: text => eachPlace(text, (before, first) => isLetter(first) && !isWord(before), at => ibanEnd(text, at)),
  'ip-address': addresses,
  'national-id': text => eachPlace(text, beginsWord, at => nationalNumberEnd(text, at)),
  'payment-card': text => eachPlace(text, beginsNumber, at => cardEnd(text, at)),
  phone: phones,
}

// --- email: RFC 5321 section 4.1.2, and RFC 6531 for letters beyond ASCII

const isLocalPart = (unit: number): boolean => isWord(unit) || '!#$%&\'*+-.^_|~'.includes(String.fromCharCode(unit)) || isForeignLetter(unit)
const isDomain = (unit: number): boolean => isWord(unit) || unit === 0x2d || unit === 0x2e || isForeignLetter(unit)
const isForeignLetter = (unit: number): boolean => unit > 0x7f && !/[\p{P}\p{S}\s]/u.test(String.fromCharCode(unit))
const QUOTED_LOCAL_PART_MAX = 66
const ADDRESS_LITERAL_MAX = 64

function emails(text: string): readonly Found[] {
  const found: Found[] = []
  // No address reaches back over the sign of another, so that each character is read once.
  let least = 0
  let signEnd = 0
  for (const sign of text.matchAll(/@|%40/g)) {
    least = Math.max(least, signEnd)
    let from = sign.index
    signEnd = from + sign[0].length
    if (text[from - 1] === '"') {
      const open = text.lastIndexOf('"', from - 2)
      if (open >= Math.max(least, from - QUOTED_LOCAL_PART_MAX)) from = open
    } else {
      while (from > least && isLocalPart(text.charCodeAt(from - 1))) from--
    }
    const host = signEnd
    let to = host
    if (text[to] === '[') {
      to += text.slice(to, to + ADDRESS_LITERAL_MAX).indexOf(']') + 1
    } else {
      while (to < text.length && isDomain(text.charCodeAt(to))) to++
      while (to > host && (text[to - 1] === '.' || text[to - 1] === '-')) to--
      if (!text.slice(host, to).includes('.', 1)) continue
    }
    if (from === sign.index || to === host) continue
    found.push({ from, to })
    least = to
  }
  return found
}

// --- iban: ISO 13616-1, lengths from the registry kept by SWIFT; ISO/IEC 7064 MOD 97-10

const IBAN_LENGTHS: ReadonlyMap<string, number> = new Map(
  ('AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 '
  + 'GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 '
  + 'MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 '
  + 'TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30').split(' ').map(row => [row.slice(0, 2), Number(row.slice(2))]))

function ibanEnd(text: string, at: number): number | undefined {
  const length = IBAN_LENGTHS.get(text.slice(at, at + 2).toUpperCase())
  if (length === undefined) return undefined
  const taken = take(text, at, `aadd${'x'.repeat(length - 4)}`)
  return taken !== undefined && remainderOf97(taken.compact.slice(4) + taken.compact.slice(0, 4)) === 1 ? taken.end : undefined
}

function remainderOf97(compact: string): number {
  let remainder = 0
  for (const character of compact) {
    const value = parseInt(character, 36)
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97
  }
  return remainder
}

// --- payment card: ISO/IEC 7812-1, Luhn's check digit. Numbers begin with 2 to 6, 8 or 9; with 1 only where they have 15 digits.

const CARD_LENGTHS = [19, 18, 17, 16, 15, 14, 13]

function cardEnd(text: string, at: number): number | undefined {
  const first = text[at]!
  if (first === '0' || first === '7') return undefined
  for (const length of first === '1' ? [15] : CARD_LENGTHS) {
    const taken = take(text, at, 'd'.repeat(length))
    if (taken !== undefined && !isDigit(text.charCodeAt(taken.end)) && isLuhn(taken.compact)) return taken.end
  }
  return undefined
}

function isLuhn(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i])
    const counted = i % 2 === 1 ? digit * 2 : digit
    sum += counted > 9 ? counted - 9 : counted
  }
  return sum % 10 === 0
}

// --- national numbers: the table

const WORDS_BEFORE_MAX = 40

function nationalNumberEnd(text: string, at: number): number | undefined {
  for (const number of NATIONAL_NUMBERS) {
    const taken = take(text, at, number.shape)
    if (taken === undefined || isWord(text.charCodeAt(taken.end)) || !number.holds(taken.compact)) continue
    if (number.written !== undefined && !number.written.test(text.slice(at, taken.end))) continue
    if (number.after !== undefined && !number.after.test(text.slice(Math.max(0, at - WORDS_BEFORE_MAX), at))) continue
    return taken.end
  }
  return undefined
}

// --- phone: ITU-T E.164 after + or 00; national numbers only in forms that are hardly anything else

/** Every repetition is bounded and what may stand between two digits is no digit, so each place is read at most twice. */
const PHONES = [
  /(?<![\d+])\+ ?\(?\d(?:[ \t().\-/]{0,3}\d){6,14}(?!\d)/g,
  /(?<![\d.,-])00 ?[1-9](?:[ \t().\-/]{0,3}\d){7,13}(?!\d)/g,
  /(?<![\d.,-])0[1-9](?:[ .\-/]?\d){7,10}(?!\d)/g,
  /(?<![\d.,-])\(0\d{1,4}\)[ \-/]?\d(?:[ \-/]?\d){4,8}(?!\d)/g,
  /(?<![\d.,-])\(0?[2-9]\d{2}\)[ .-]?[2-9]\d{2}[ .-]?\d{4}(?!\d)/g,
  /(?<![\d.,-])[2-9]\d{2}([ .-])[2-9]\d{2}\1\d{4}(?!\d)/g,
]

function phones(text: string): readonly Found[] {
  return PHONES.flatMap(form => Array.from(text.matchAll(form), m => ({ from: m.index, to: m.index + m[0].length })))
}

// --- ip address: RFC 791 in dotted form, RFC 4291 section 2.2

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = new RegExp(`(?<![\\d.])${OCTET}(?:\\.${OCTET}){3}(?!\\d|\\.\\d)`, 'g')

function addresses(text: string): readonly Found[] {
  const four = Array.from(text.matchAll(IPV4), m => ({ from: m.index, to: m.index + m[0].length }))
  return [...four, ...eachPlace(text, (before, first) => isIpv6Unit(first) && !isIpv6Unit(before) && !isWord(before), at => ipv6End(text, at))]
}

const isIpv6Unit = (unit: number): boolean => isDigit(unit) || unit === 0x3a || unit === 0x2e || (unit >= 0x41 && unit <= 0x46) || (unit >= 0x61 && unit <= 0x66)

/** Longest textual form, with an IPv4 address at its end. */
const IPV6_MAX = 45

function ipv6End(text: string, at: number): number | undefined {
  let to = at
  while (to - at <= IPV6_MAX && isIpv6Unit(text.charCodeAt(to))) to++
  if (isWord(text.charCodeAt(to))) return undefined
  while (text[to - 1] === '.' || (text[to - 1] === ':' && text[to - 2] !== ':')) to--
  return isIpv6(text.slice(at, to)) ? to : undefined
}

function isIpv6(run: string): boolean {
  const groups = run.replace(/:\d+\.\d+\.\d+\.\d+$/, ':0:0')
  const halves = groups.split('::')
  if (!groups.includes(':') || halves.length > 2 || !/\d/.test(run)) return false
  const parts = halves.flatMap(half => (half === '' ? [] : half.split(':')))
  return parts.every(part => /^[\da-f]{1,4}$/i.test(part)) && (halves.length === 2 ? parts.length < 8 : parts.length === 8)
}
