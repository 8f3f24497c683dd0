/** Rows of coverage as text. */
import type { CoverageChange, CoveredRow, Kind, Loss } from '../policy/coverage.ts'
import { classInWords, columns, dataInWords } from './class-text.ts'

const loss = (one: Loss | null): string => (one === null ? '-' : `${one.left} (${one.which})`)

const HEAD = ['app', 'data', 'fit', 'permitted', 'of', 'left without a provider', 'a country', 'any cloud']
/** At the end of a line: for what it counts, where that is not text. */
const operationIn = (operation: Kind): readonly Kind[] => (operation === 'text' ? [] : [operation])

/** A line for every profile; `fit` counts what is permitted and has a connection, and at a running gateway is well. */
export const coverageTable = (rows: readonly CoveredRow[]): string => columns([
  rows.every(row => row.operation === 'text') ? HEAD : [...HEAD, 'operation'],
  ...rows.map(row => [
    row.app, dataInWords(row.data), String(row.fit.length), String(row.permitted.length), String(row.deployments),
    loss(row['without-provider']), loss(row['without-country']), row['without-cloud'] === null ? '-' : String(row['without-cloud'].left), ...operationIn(row.operation),
  ]),
])

/** `app=crm data=[personal]`, or `app=crm data=[personal] (embedding)` where there is nobody for that and somebody for the rest. */
export const noneInWords = (row: Pick<CoveredRow, 'app' | 'data'>, operations: readonly Kind[]): string =>
  `${classInWords(row)}${operations.length === 0 ? '' : ` (${operations.join(', ')})`}`

export const rowInWords = (row: Pick<CoveredRow, 'app' | 'data' | 'operation'>): string => noneInWords(row, operationIn(row.operation))

/** For what nobody is left, where there is still somebody for something else. */
export const partlyEmptied = ({ after, emptied }: Pick<CoverageChange, 'after' | 'emptied'>): readonly Kind[] => (after.length === 0 ? [] : emptied)

/** How many are left: `2`, `NONE`, or `2, NONE for text`. */
export function afterInWords(change: Pick<CoverageChange, 'after' | 'emptied'>, left = ''): string {
  const partly = partlyEmptied(change)
  return `${change.after.length === 0 ? 'NONE' : change.after.length}${left}${partly.length === 0 ? '' : `, NONE for ${partly.join(', ')}`}`
}

/** `app=crm data=[personal]  loses far-us, 2 left`. */
export function changeInWords(change: CoverageChange): string {
  const { app, data, gained, lost } = change
  const news = [...(gained.length > 0 ? [`gains ${gained.join(', ')}`] : []), ...(lost.length > 0 ? [`loses ${lost.join(', ')}`] : [])]
  return `${classInWords({ app, data })}  ${news.join(' and ')}, ${afterInWords(change, ' left')}`
}
