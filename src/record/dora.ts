/**
 * What a gateway can contribute to the register of information of DORA (Regulation (EU) 2022/2554, Article 28(3)), as CSV.
 *
 * A column carries the code of the templates of Implementing Regulation (EU) 2024/2956 where it holds what that column asks for; `for` a
 * code, where it holds what somebody needs who judges it. Contracts, identifiers of companies and how critical a function is, a gateway
 * does not know: those columns are not here.
 */
import type { Covered } from '../policy/coverage.ts'
import { inUtc } from '../policy/time.ts'
import { inCsv, type Cell } from './csv.ts'
import { NONE, NOT_KNOWN, type AppSum, type Described, type Summed } from './recipients.ts'

type Row = { readonly app: AppSum; readonly deployment: string; readonly described: Described; received: number; mayHave: number; first: number; last: number; readonly factsFrom: Set<string> }
type Column = readonly [name: string, of: (row: Row, left: string) => Cell]

const COLUMNS: readonly Column[] = [
  ['app', r => r.app.app],
  ['app title (for B_06.01.0030)', r => (r.app.titles.size === 0 ? NOT_KNOWN : [...r.app.titles].join(' / '))],
  ['provider', r => r.described.provider], ['provider title', r => r.described.title], ['pretended', r => r.described.pretended],
  ['country of the contracting entity', r => r.described.facts['entity-in']], ['controlled from', r => r.described.facts['controlled-from']],
  ['countries of sub-processors', r => r.described.facts['subprocessors-in']],
  ['deployment', r => r.deployment], ['model', r => r.described.model], ['hosting', r => r.described.facts.hosting],
  ['service used (for B_02.02.0060)', r => (r.app.operations.size === 0 ? NOT_KNOWN : `inference: ${[...r.app.operations].sort().join(' ')}`)],
  ['B_02.02.0140 storage of data', r => storageOf(r.described.facts).isStored],
  ['B_02.02.0140 because', r => storageOf(r.described.facts).because],
  ['B_02.02.0150 location of the data at rest', r => r.described.facts['stored-in']],
  ['B_02.02.0160 location of management of the data', r => r.described.facts['processed-in']],
  ['requests received', r => r.received], ['requests maybe received', r => r.mayHave],
  ['share of the requests that the app sent (for B_02.02.0180)', r => `${((r.received + r.mayHave) / r.app.sent * 100).toFixed(1)} %`],
  ['left for the app without the provider (for B_07.01.0050)', (_, left) => left],
  ['first used', r => inUtc(r.first)], ['last used', r => inUtc(r.last)], ['facts from', r => [...r.factsFrom].join('; ')],
]

/**
 * `stored-in` says where something may be stored, so that with a retention of nothing it does not say that anything is. Who stores
 * nothing and logs something may store with it what was asked.
 */
function storageOf({ 'stored-in': stored, 'logs-in': logs, retention }: Described['facts']): { readonly isStored: string; readonly because: string } {
  if (stored === NOT_KNOWN) return { isStored: NOT_KNOWN, because: `stored-in is ${NOT_KNOWN}` }
  if (stored === NONE) {
    if (logs === NONE) return { isStored: 'No', because: 'stored-in and logs-in are none' }
    return { isStored: NOT_KNOWN, because: `stored-in is none, and logs-in is ${logs}: a log may hold what was asked` }
  }
  if (retention === '0d') return { isStored: NOT_KNOWN, because: `stored-in allows ${stored}, and retention is 0d: nothing is said to be kept there` }
  return { isStored: 'Yes', because: `stored-in is ${stored}, retention is ${retention}` }
}

/** What `doraInCsv` says of substitutes: coverage under the last bundle that decided; undefined where that is not known. */
export type Coverage = { readonly rows: readonly Covered[]; readonly providerOf: (deployment: string) => string | undefined }

export function doraInCsv({ apps, recipients }: Summed, coverage: Coverage | undefined): string {
  const byApp = new Map(apps.map(app => [app.app, app])), rows = new Map<string, Row>()
  for (const { app, deployment, described, received, mayHave, first, last, factsFrom } of recipients) {
    const key = JSON.stringify([app, deployment, described]), known = rows.get(key)
    if (known === undefined) rows.set(key, { app: byApp.get(app)!, deployment, described, received, mayHave, first, last, factsFrom: new Set([factsFrom]) })
    else {
      known.received += received
      known.mayHave += mayHave
      known.first = Math.min(known.first, first)
      known.last = Math.max(known.last, last)
      known.factsFrom.add(factsFrom)
    }
  }
  return [inCsv(COLUMNS.map(([name]) => name)), ...[...rows.values()].map(row => {
    const left = leftWithout(row.described.provider, row.app.app, coverage)
    return inCsv(COLUMNS.map(([, of]) => of(row, left)))
  })].join('')
}

/** How many deployments are left of how many when a provider goes, for the kind of data and of work that is worst off then. */
function leftWithout(provider: string, app: string, coverage: Coverage | undefined): string {
  if (coverage === undefined || provider === NOT_KNOWN) return NOT_KNOWN
  const losses = coverage.rows.filter(row => row.app === app).flatMap(({ data, kinds }) => kinds.filter(({ fit }) => fit.some(name => coverage.providerOf(name) === provider)).map(({ operation, fit }) => (
    { data, operation, all: fit.length, left: fit.filter(name => coverage.providerOf(name) !== provider).length })))
  if (losses.length === 0) return 'nothing rests on it'
  const { left, all, operation, data } = losses.reduce((worst, one) => (one.left < worst.left ? one : worst))
  return `${left} of ${all} (${operation}, data ${data === 'unknown' ? NOT_KNOWN : data.length === 0 ? NONE : data.join(' ')})`
}
