/** Rows of coverage as text. */
import type { CoverageChange, CoveredRow, Loss } from '../policy/coverage.ts'
import { classInWords, columns, dataInWords } from './class-text.ts'

const loss = (one: Loss | null): string => (one === null ? '-' : `${one.left} (${one.which})`)

const HEAD = ['app', 'data', 'fit', 'permitted', 'of', 'left without a provider', 'a country', 'any cloud']

/** A line for every profile; `fit` counts what is permitted and has a connection, and at a running gateway is well. */
export const coverageTable = (rows: readonly CoveredRow[]): string => columns([HEAD, ...rows.map(row => [
  row.app, dataInWords(row.data), String(row.fit.length), String(row.permitted.length), String(row.deployments),
  loss(row['without-provider']), loss(row['without-country']), row['without-cloud'] === null ? '-' : String(row['without-cloud'].left),
])])

export const withNone = <Row extends { readonly fit: readonly string[] }>(rows: readonly Row[]): readonly Row[] => rows.filter(row => row.fit.length === 0)

/** `crm data=[personal] loses far-us, 2 left`. */
export const changeInWords = ({ app, data, gained, lost, after }: CoverageChange): string =>
  `${classInWords({ app, data })}  ${[...(gained.length > 0 ? [`gains ${gained.join(', ')}`] : []), ...(lost.length > 0 ? [`loses ${lost.join(', ')}`] : [])].join(' and ')}, ${after.length === 0 ? 'NONE' : after.length} left`
