/** Classes of requests and rows of figures, in words: shared by the commands that speak of them. */
import type { Bundle } from '../bundle/bundle.ts'
import type { StandingOf } from '../policy/coverage.ts'
import type { NamedClass } from '../policy/impact.ts'

/** `[personal]`, or `unknown`. */
export const dataInWords = (data: readonly string[] | 'unknown'): string => (data === 'unknown' ? data : `[${data.join(', ')}]`)

/** `app=crm data=[personal] user-in=FR, and the caller says data=[phi]`. */
export function classInWords({ app, data, facts = {}, stated = {} }: Pick<NamedClass, 'app' | 'data'> & Partial<NamedClass>): string {
  const words = (of: object): readonly string[] => Object.entries(of).map(([fact, value]) => `${fact}=${Array.isArray(value) ? dataInWords(value as readonly string[]) : String(value)}`)
  const says = words(stated)
  return [`app=${app ?? 'unknown'} data=${dataInWords(data)}`, ...words(facts)].join(' ') + (says.length === 0 ? '' : `, and the caller says ${says.join(' ')}`)
}

export const counted = (count: number, what: string, more = `${what}s`): string => `${grouped(count)} ${count === 1 ? what : more}`
const digits = new Intl.NumberFormat('en-US')
/** 188,210 */
export const grouped = (count: number): string => digits.format(count)

/** Columns as wide as their widest cell. The last is not padded. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)), [])
  return rows.map(row => `${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  ').trimEnd()}\n`).join('')
}

/** What a catalog says can be reached at all. Which keys and servers there are, only a running gateway knows. */
export const standingsIn = ({ catalog }: Bundle): StandingOf => deployment => {
  const { operations = [], connection } = catalog.byName.get(deployment) ?? {}
  return { operations, isSetUp: connection !== undefined, isFit: connection !== undefined }
}
