/**
 * Country codes: ISO 3166-1 alpha-2 (FR), or ISO 3166-2 for a part of a country (CA-QC). Upper case only: a code in
 * lower case is a word (`no`), and a word is not a country.
 */
import { COUNTRY_TABLE, PART_TABLE } from './country-table.ts'

const rows = COUNTRY_TABLE.split(';').slice(0, -1).map(row => [row.slice(0, 2), row.slice(3, 6), row.slice(7)] as const)
const names: ReadonlyMap<string, string> = new Map(rows.map(([code, , name]) => [code, name]))
const parts: ReadonlySet<string> = new Set(PART_TABLE.split(';').slice(0, -1).flatMap(row => {
  const [country, ...of] = row.split(' ')
  return of.map(part => `${country}-${part}`)
}))

/** True for a current code of a country or of a part of one. */
export const isCountry = (code: string): boolean => names.has(code) || parts.has(code)

/** The country that a code lies in: CA-QC is in CA, FR in FR. */
export const countryOf = (code: string): string => code.slice(0, 2)

/** The English name, with the code of the part where it is one; undefined for what is no code. */
export function countryName(code: string): string | undefined {
  if (!isCountry(code)) return undefined
  const name = names.get(countryOf(code))!
  return code.length === 2 ? name : `${name}, ${code}`
}

/** What people write instead of a code, in lower case and without marks on the letters. */
const MISTAKES: ReadonlyMap<string, string> = new Map(Object.entries({
  uk: 'GB', el: 'GR', sf: 'FI', su: 'RU', ja: 'JP', yu: 'RS', zr: 'CD', bu: 'MM', tp: 'TL', fx: 'FR', dd: 'DE', rf: 'RU', prc: 'CN', roc: 'TW', roi: 'IE',
  usa: 'US', 'u.s.': 'US', 'u.s.a.': 'US', america: 'US', 'united states of america': 'US', uae: 'AE', britain: 'GB', 'great britain': 'GB',
  england: 'GB', scotland: 'GB', wales: 'GB', 'northern ireland': 'GB', holland: 'NL', 'the netherlands': 'NL', 'czech republic': 'CZ',
  turkey: 'TR', 'russian federation': 'RU', korea: 'KR', 'republic of korea': 'KR', 'ivory coast': 'CI', burma: 'MM', macau: 'MO', swaziland: 'SZ',
  "people's republic of china": 'CN', 'viet nam': 'VN', 'east timor': 'TL', 'cabo verde': 'CV', macedonia: 'MK', 'united states': 'US',
  deutschland: 'DE', osterreich: 'AT', schweiz: 'CH', suisse: 'CH', espana: 'ES', italia: 'IT', norge: 'NO', sverige: 'SE', danmark: 'DK',
  suomi: 'FI', polska: 'PL', belgie: 'BE', belgique: 'BE', nederland: 'NL', hellas: 'GR', eire: 'IE', brasil: 'BR',
}))

const plain = (text: string): string => text.normalize('NFD').replace(/[\u0300-\u036f]/g, '').toLowerCase()
const byAlpha3: ReadonlyMap<string, string> = new Map(rows.map(([code, three]) => [three.toLowerCase(), code]))
const byName: ReadonlyMap<string, string> = new Map(rows.map(([code, , name]) => [plain(name), code]))

/**
 * The code that somebody most likely meant: another case, a three-letter code, a name, or a common mistake.
 * Undefined when nothing is likely; a guess is only ever shown to a person, never used.
 */
export function nearestCountry(text: string): string | undefined {
  const upper = text.trim().toUpperCase().replace('_', '-')
  if (isCountry(upper)) return upper
  const word = plain(text.trim())
  return MISTAKES.get(word) ?? byAlpha3.get(word) ?? byName.get(word)
}
