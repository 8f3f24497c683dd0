/**
 * Writes src/policy/country-table.ts from the lists of ISO 3166. Run it when a list changes, and read the difference:
 * a code that disappears makes every fact and request that uses it unknown.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { iso31661, iso31662 } from 'iso-3166'

const root = new URL('../', import.meta.url)
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, root), 'utf8'))
const version = (name: string): string => (read(`node_modules/${name}/package.json`) as { version: string }).version
const { countries: names } = read('node_modules/i18n-iso-countries/langs/en.json') as { countries: Record<string, string | readonly string[]> }

/** Where the list gives several names and the first is not the one in common use. */
const COMMON_NAMES: Readonly<Record<string, string>> = {
  CI: "Côte d'Ivoire", CN: 'China', CZ: 'Czechia', GM: 'Gambia', IR: 'Iran', MK: 'North Macedonia', NL: 'Netherlands', PS: 'Palestine',
  RU: 'Russia', SY: 'Syria', TW: 'Taiwan', TZ: 'Tanzania', US: 'United States', VA: 'Vatican City', FM: 'Micronesia', MD: 'Moldova', LA: 'Laos',
}

/** Changes of ISO 3166-2 that the package does not have yet: the counties of Norway as they are since 2024-01-01. */
const ADDED = ['NO-31', 'NO-32', 'NO-33', 'NO-39', 'NO-40', 'NO-55', 'NO-56']
const REMOVED = ['NO-30', 'NO-38', 'NO-54']

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const codes = iso31661.map(c => c.alpha2).sort(byText)
const nameOf = (code: string): string => {
  const listed = names[code]
  const name = COMMON_NAMES[code] ?? (typeof listed === 'string' ? listed : listed?.[0])
  if (name === undefined || name.includes(';')) throw new Error(`no usable name for ${code}`)
  return name
}
const alpha3 = new Map<string, string>(iso31661.map(c => [c.alpha2, c.alpha3]))

const parts = new Map<string, string[]>()
for (const code of [...new Set([...iso31662.map(s => s.code), ...ADDED])].filter(c => !REMOVED.includes(c)).sort(byText)) {
  const [country, part] = code.split('-') as [string, string]
  const known = parts.get(country)
  if (known === undefined) parts.set(country, [part])
  else known.push(part)
}

/** One long text as template lines of a readable width. */
function folded(items: readonly string[]): string {
  const lines: string[] = ['']
  for (const item of items) {
    if (lines.at(-1)!.length + item.length > 130 && lines.at(-1) !== '') lines.push('')
    lines[lines.length - 1] += item
  }
  return lines.map(line => `  ${JSON.stringify(line).replaceAll("'", "\\'").replace(/^"|"$/g, "'")}`).join(' +\n')
}

writeFileSync(new URL('src/policy/country-table.ts', root), `/**
 * Written by scripts/build-countries.ts; do not edit. Codes of ISO 3166-1 and 3166-2 from iso-3166 ${version('iso-3166')},
 * with the changes that the script names; English names from i18n-iso-countries ${version('i18n-iso-countries')}.
 */

/** Two-letter code, three-letter code, name; one country after another, each ended by a semicolon. */
export const COUNTRY_TABLE =
${folded(codes.map(c => `${c} ${alpha3.get(c)!} ${nameOf(c)};`))}

/** A country and the second halves of the codes of its parts; one country after another, each ended by a semicolon. */
export const PART_TABLE =
${folded([...parts].flatMap(([country, all]) => [country, ...all.map(part => ` ${part}`), ';']))}
`)
