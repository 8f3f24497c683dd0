/** The decision as a person reads it (policy-language, section 8): a line for every deployment, and below it each reason. */
import type { Bundle } from '../bundle/bundle.ts'
import { factsAt, type AssumptionUsed, type Reason } from '../policy/explain.ts'
import { deploymentFacts, type Facts, type Value } from '../policy/facts.ts'
import { factsIn } from '../policy/match.ts'
import { understand, type RawFacts, type Source } from '../policy/request.ts'
import { short } from './compiled.ts'
import type { Explained, ExplainedRow } from './explain.ts'

const SOURCES: { readonly [source in Source]: string } = {
  request: 'request', caller: 'caller', registration: 'app registration', 'may-carry': 'taken from may-carry', assume: 'assumed',
}
/** Facts whose name is a plural word. */
const PLURAL = new Set(['weights', 'certificates', 'contracts', 'operations'])
const DAY_MS = 86_400_000
const HOURS_PER_DAY = 24

export function explainedInText(bundle: Bundle, facts: RawFacts, e: Explained): string {
  const at = Date.parse(e.at)
  const width = Math.max(...e.deployments.map(row => row.deployment.length), 'decision'.length)
  const indent = ' '.repeat(width + 2)
  const unknownWhens = unknownFactsByRule(bundle, e)
  return [
    `${'decision'.padEnd(width)}  ${e.outcome}${e.code === undefined ? '' : ` (${e.code})`}  ${e.at}  bundle ${short(e.bundle)}  catalog ${short(bundle.catalogDigest)}`,
    `${'request'.padEnd(width)}  ${requestLine(bundle, facts, e, at)}`,
    ...e.deployments.flatMap(row => [
      `${row.deployment.padEnd(width)}  ${verdictOf(row, e)}`,
      ...detailsOf(row, factsAt(bundle.rulebook, row.deployment, at), at, unknownWhens).map(line => `${indent}${line}`),
    ]),
    ...dutyLines(e, width),
    ...e.assumptions.map(a => `${'assumed'.padEnd(width)}  ${assumptionLine(a)}`),
    `${'next change'.padEnd(width)}  ${e['next-change'] ?? 'none'}`,
    '', '',
  ].join('\n')
}

function requestLine(bundle: Bundle, raw: RawFacts, e: Explained, at: number): string {
  const { sources } = understand(bundle.rulebook, { trusted: raw }, at)
  const known = Object.entries(e.request).map(([name, value]) => `${name}=${valueInWords(name, value)}(${SOURCES[sources[name] ?? 'request']})`)
  return known.length === 0 ? 'nothing is known' : known.join(' ')
}

function verdictOf(row: ExplainedRow, e: Explained): string {
  const unfit = row.unfit.length === 0 ? '' : `  (cannot serve: ${row.unfit.join(', ')})`
  if (row.verdict === 'allowed') return `allowed   preferred ${ordinal(e.permitted.indexOf(row.deployment) + 1)}${unfit}`
  const rules = row.because.length
  const why = e.code === 'data_not_registered' ? 'the app may not carry this data'
    : !row.granted ? `not granted to the app${rules > 0 ? `, and ${counted(rules)}` : ''}` : counted(rules)
  return `excluded  ${why}${unfit}`
}

const counted = (rules: number): string => `${rules} rule${rules === 1 ? '' : 's'}`

/** By rule, the request facts it asks about that are not known: why it applies although nobody said so. */
function unknownFactsByRule({ rulebook }: Bundle, { request }: Explained): ReadonlyMap<string, readonly string[]> {
  return new Map(rulebook.rules.map(r => [r.name, [...new Set(factsIn(r.when))].filter(fact => request[fact] === undefined)]))
}

function detailsOf(row: ExplainedRow, facts: Facts, at: number, unknownWhens: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const shadowing = row['would-exclude']
  return [
    ...row.because.flatMap(reason => reasonLines(reason, facts, unknownWhens)),
    ...row.exceptions.map(x => {
      const days = Math.ceil((Date.parse(x.ends) - at) / DAY_MS)
      return `exception ${x.exception} from ${x.rule}, ends ${x.ends} (${days} day${days === 1 ? '' : 's'})`
    }),
    ...shadowing.flatMap(({ mode, ...reason }) => {
      const [first, ...rest] = reasonLines(reason, facts, unknownWhens)
      return [`${mode}: would be excluded by ${first}`, ...rest]
    }),
  ]
}

function reasonLines(reason: Reason, facts: Facts, unknownWhens: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const unknown = unknownWhens.get(reason.rule) ?? []
  return [
    `${reason.rule}  ${reason.file}:${reason.line}`,
    ...(unknown.length === 0 ? [] : [`  applies, since not known: ${unknown.join(', ')}`]),
    `  ${reason.effect === 'forbid' ? 'forbidden' : 'not met'}: ${reason.facts.length === 0 ? 'the rule is about every deployment' : reason.facts.map(name => factInWords(name, facts[name])).join('; ')}`,
    ...(reason.law === null ? [] : [`  law: ${reason.law}`]),
  ]
}

/** `processed-in is [US]`, `certificates are not known`. */
function factInWords(name: string, value: Value | undefined): string {
  return `${name} ${PLURAL.has(name) ? 'are' : 'is'} ${value === undefined ? 'not known' : valueInWords(name, value)}`
}

function valueInWords(name: string, value: Value): string {
  if (typeof value === 'number' && deploymentFacts.get(name)?.type === 'duration') return value % HOURS_PER_DAY === 0 ? `${value / HOURS_PER_DAY}d` : `${value}h`
  return typeof value === 'object' ? `[${value.join(', ')}]` : String(value)
}

function dutyLines(e: Explained, width: number): readonly string[] {
  const duties = Object.entries(e.duties).map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`)
  return duties.length === 0 ? [] : [`${'duties'.padEnd(width)}  ${duties.join(', ')}`]
}

function assumptionLine(a: AssumptionUsed): string {
  const value = valueInWords(a.fact, a.value)
  if (a.from === 'may-carry') return `${a.fact}=${value}, everything that the app may carry`
  return `${a.fact}=${value}, ${a.basis ?? ''} (${a.owner ?? ''}, until ${a.until ?? ''})`
}

function ordinal(n: number): string {
  const suffix = n % 100 >= 11 && n % 100 <= 13 ? 'th' : ['th', 'st', 'nd', 'rd'][n % 10] ?? 'th'
  return `${n}${suffix}`
}
