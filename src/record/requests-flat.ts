/** A request, its decision and its outcome, as one JSON object or as one row of a table. */
import { REQUEST_FACTS } from '../policy/facts.ts'
import { inUtc } from '../policy/time.ts'
import { canonical } from './canonical.ts'
import { inCsv, type Cell } from './csv.ts'
import type { Joined } from './joined.ts'

/** What the entries say, the outcome as `ended`; times are milliseconds since 1970, as they are there. */
export const inJsonLine = ({ decision, outcome }: Joined): string =>
  `${JSON.stringify({ ...decision, kind: undefined, ended: outcome === undefined ? null : { ...outcome, kind: undefined, id: undefined } })}\n`

type Column = readonly [name: string, of: (joined: Joined) => Cell]

const COLUMNS: readonly Column[] = [
  ['decision', j => j.decision.id], ['at', j => inUtc(j.decision.at)], ['app', j => j.decision.app], ['request id', j => j.decision.requestId],
  ['parent', j => j.decision.parent], ['decided', j => j.decision.outcome], ['code', j => j.decision.code],
  ...REQUEST_FACTS.filter(({ name }) => name !== 'app').map<Column>(({ name }) => [name, j => inWords(j.decision.request[name]?.value)]),
  ['sources', j => Object.entries(j.decision.request).map(([fact, { source }]) => `${fact}=${source}`)],
  ['caller says', j => pairs(j.decision.stated)],
  ['permitted', j => j.decision.permitted], ['rules', j => j.decision.activeRules], ['exceptions', j => j.decision.exceptions],
  ['assumptions', j => j.decision.assumptions], ['duties', j => pairs(j.decision.duties)],
  ['bundle', j => j.decision.bundle], ['catalog', j => j.decision.catalog], ['epoch', j => j.decision.epoch],
  ['ended', j => j.outcome?.outcome], ['ended at', j => j.outcome && inUtc(j.outcome.at)], ['ended code', j => j.outcome?.code],
  ['deployment', j => j.outcome?.deployment], ['model', j => j.outcome?.model], ['deployments', j => j.outcome?.deployments],
  ['processed in', j => j.outcome?.processedIn], ['model served', j => j.outcome?.servedModel], ['region reported', j => j.outcome?.reportedRegion],
  ['mismatch', j => j.outcome?.mismatch], ['attempts', j => j.outcome?.attempts.map(a => `${a.deployment}=${a.code}`)],
  ['input tokens', j => j.outcome?.usage?.input], ['output tokens', j => j.outcome?.usage?.output], ['cost', j => j.outcome?.cost],
  ['duties done', j => j.outcome?.duties?.join('; ')], ['milliseconds', j => j.outcome?.ms],
]

export const REQUESTS_HEADER = inCsv(COLUMNS.map(([name]) => name))
export const inCsvLine = (one: Joined): string => inCsv(COLUMNS.map(([, of]) => of(one)))

function inWords(value: unknown): Cell {
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value)) return value.map(item => String(item))
  return typeof value === 'string' || typeof value === 'number' ? value : canonical(value)
}

/** `log=metadata redact=iban,national-id`: no space within, for lists are joined with spaces. */
function pairs(of: unknown): readonly string[] {
  if (typeof of !== 'object' || of === null) return []
  return Object.entries(of).map(([name, value]) => `${name}=${Array.isArray(value) ? value.join() : typeof value === 'object' ? canonical(value) : String(value)}`)
}
