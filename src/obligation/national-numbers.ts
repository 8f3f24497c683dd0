/**
 * National numbers of people, one row each: how it is written, what must hold of it, and the rule that says so. Where a
 * number has check digits they are computed, so that an order number of the same length is mostly left alone; where it
 * has none (United States) the way of writing must be unmistakable.
 */
import type { Shape } from './shape.ts'

export type NationalNumber = {
  readonly country: string
  readonly name: string
  /** The law or official description that defines the number. */
  readonly source: string
  readonly shape: Shape
  /** Whether a number of this shape, compact and in upper case, is one. */
  readonly holds: (compact: string) => boolean
  /** Also what was written must match: for numbers without check digits. */
  readonly written?: RegExp
  /** Words of which one must stand shortly before it: for numbers that look like any other. */
  readonly after?: RegExp
}

const digits = (n: number): Shape => 'd'.repeat(n)
const weighted = (compact: string, weights: readonly number[]): number => weights.reduce((sum, weight, i) => sum + weight * Number(compact[i]), 0)

/** A day of a month; a month that carries a century or a sex is brought back to 1 to 12 first. */
const isDay = (month: number, day: number): boolean => month >= 1 && month <= 12 && day >= 1 && day <= 31

const SSN_AREA = /^(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}$/

export const NATIONAL_NUMBERS: readonly NationalNumber[] = [
  {
    country: 'FR', name: 'NIR', source: 'Decree 82-103 of 22 January 1982; key: 97 less the number modulo 97, Corsica 2A and 2B counted as 19 and 18',
    shape: 'ddddddxdddddddd',
    holds: n => /^[1-478]\d{4}(?:\d\d|2A|2B)\d{8}$/.test(n) && isFrenchMonth(Number(n.slice(3, 5))) && 97 - Number(n.slice(0, 13).replace('2A', '19').replace('2B', '18')) % 97 === Number(n.slice(13)),
  },
  {
    country: 'BE', name: 'national register number', source: 'Royal Decree of 3 April 1984 on the identification number; check: 97 less the first nine digits modulo 97, with a 2 before them from the year 2000',
    shape: digits(11),
    holds: n => Number(n.slice(2, 4)) % 20 <= 12 && Number(n.slice(2, 4)) < 60 && Number(n.slice(4, 6)) <= 31
      && (97 - Number(n.slice(0, 9)) % 97 === Number(n.slice(9)) || 97 - Number(`2${n.slice(0, 9)}`) % 97 === Number(n.slice(9))),
  },
  {
    country: 'DE', name: 'tax identification number', source: 'Section 139b of the Fiscal Code (Abgabenordnung); ISO/IEC 7064 MOD 11,10; one digit appears two or three times in the first ten',
    shape: digits(11),
    holds: n => n[0] !== '0' && repeatsOneDigit(n.slice(0, 10)) && isMod11And10(n),
  },
  {
    country: 'ES', name: 'DNI', source: 'Royal Decree 1553/2005; letter: the number modulo 23',
    shape: `${digits(8)}a`,
    holds: n => spanishLetter(n.slice(0, 8)) === n[8],
  },
  {
    country: 'ES', name: 'NIE', source: 'Royal Decree 557/2011; X, Y, Z count as 0, 1, 2; letter: the number modulo 23',
    shape: `a${digits(7)}a`,
    holds: n => 'XYZ'.includes(n[0]!) && spanishLetter('XYZ'.indexOf(n[0]!) + n.slice(1, 8)) === n[8],
  },
  {
    country: 'IT', name: 'codice fiscale', source: 'Ministerial Decree of 23 December 1976; letters L to V may stand for digits; check letter: sum by place modulo 26',
    shape: 'aaaaaaxxaxxaxxxa',
    holds: n => /^[A-Z]{6}[\dLMNP-V]{2}[A-EHLMPR-T][\dLMNP-V]{2}[A-Z][\dLMNP-V]{3}[A-Z]$/.test(n) && italianLetter(n.slice(0, 15)) === n[15],
  },
  {
    country: 'NL', name: 'BSN', source: 'Act on the citizen service number (Wabb); the eleven test',
    shape: digits(9),
    holds: n => n !== '000000000' && weighted(n, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0,
  },
  {
    country: 'PL', name: 'PESEL', source: 'Act of 24 September 2010 on the population register; weights 1, 3, 7, 9; the month carries the century',
    shape: digits(11),
    holds: n => isDay(Number(n.slice(2, 4)) % 20, Number(n.slice(4, 6))) && (10 - weighted(n, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10 === Number(n[10]),
  },
  {
    country: 'US', name: 'SSN', source: 'Social Security Act, 42 U.S.C. 405(c)(2); area, group and serial as assigned by the administration; no check digit',
    shape: digits(9), holds: n => SSN_AREA.test(n), written: /^\d{3}([- .])\d{2}\1\d{4}$/,
  },
  {
    country: 'US', name: 'SSN without dashes', source: 'As above, where the text names it',
    shape: digits(9), holds: n => SSN_AREA.test(n), after: /\bssn|social.?security/i,
  },
  {
    country: 'GB', name: 'NINO', source: 'HMRC, National Insurance Manual NIM39110; letters that are not used; no check digit',
    shape: 'aadddddda',
    holds: n => /^(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]$/.test(n),
  },
]

/** 1 to 12, and the months of people whose papers do not say: 20 to 42, 50 to 99. */
const isFrenchMonth = (month: number): boolean => (month >= 1 && month <= 12) || (month >= 20 && month <= 42) || month >= 50

const spanishLetter = (number: string): string => 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(number) % 23]!

function repeatsOneDigit(ten: string): boolean {
  const counts = [...new Set(ten)].map(d => ten.split(d).length - 1)
  const most = Math.max(...counts)
  return (most === 2 || most === 3) && counts.filter(c => c > 1).length === 1
}

function isMod11And10(compact: string): boolean {
  let product = 10
  for (const digit of compact.slice(0, -1)) {
    const sum = (Number(digit) + product) % 10
    product = ((sum === 0 ? 10 : sum) * 2) % 11
  }
  return (11 - product) % 10 === Number(compact.at(-1))
}

/** What a character counts in an odd place, 0 to 9 and A to Z; a digit counts as the letter of the same rank. */
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]

function italianLetter(fifteen: string): string {
  let sum = 0
  for (let i = 0; i < fifteen.length; i++) {
    const unit = fifteen.charCodeAt(i)
    const rank = unit < 0x41 ? unit - 0x30 : unit - 0x41
    sum += i % 2 === 0 ? ODD[rank]! : rank
  }
  return String.fromCharCode(0x41 + sum % 26)
}
