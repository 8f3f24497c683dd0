/** Rows of coverage, as text and for tools. */
import type { Covered, CoverageChange, Loss } from '../policy/coverage.ts'
import { classInWords, columns, dataInWords } from './class-text.ts'

const loss = (one: Loss | undefined): string => (one === undefined ? '-' : `${one.left} (${one.which})`)

const HEAD = ['app', 'data', 'fit', 'permitted', 'of', 'left without a provider', 'a country', 'any cloud']

/** A line for every profile; `fit` counts what is permitted and has a connection. */
export const coverageTable = (rows: readonly Covered[]): string => columns([HEAD, ...rows.map(row => [
  row.app, dataInWords(row.data), String(row.fit.length), String(row.permitted.length), String(row.deployments),
  loss(row.withoutProvider), loss(row.withoutCountry), row.withoutCloud === undefined ? '-' : String(row.withoutCloud.left),
])])

export const withNone = (rows: readonly Covered[]): readonly Covered[] => rows.filter(row => row.fit.length === 0)

/** `crm data=[personal] loses far-us, 2 left`. */
export const changeInWords = ({ app, data, gained, lost, after }: CoverageChange): string =>
  `${classInWords({ app, data })}  ${[...(gained.length > 0 ? [`gains ${gained.join(', ')}`] : []), ...(lost.length > 0 ? [`loses ${lost.join(', ')}`] : [])].join(' and ')}, ${after.length === 0 ? 'NONE' : after.length} left`

export const coverageInJson = (rows: readonly Covered[]): readonly object[] => rows.map(row => ({
  app: row.app, data: row.data, deployments: row.deployments, permitted: row.permitted, fit: row.fit,
  'without-provider': row.withoutProvider ?? null, 'without-country': row.withoutCountry ?? null, 'without-cloud': row.withoutCloud ?? null,
}))
