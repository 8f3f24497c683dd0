/**
 * What this is for: who received what, under which law, how often: the one sum from which the registers are written.
 *
 * What it assumes: whoever calls knows the bundle of a decision, or that it is not known. What it promises: facts are those in force at
 * the decision, so that a fact that changed makes two rows; what is not known is said to be not known; one pass, in memory that grows
 * with the kinds of requests and not with their number.
 */
import type { Bundle } from '../bundle/bundle.ts'
import { countryOf } from '../policy/countries.ts'
import type { Facts, Value } from '../policy/facts.ts'
import { frameAt, hasBit, type Frame } from '../policy/frame.ts'
import { evaluate } from '../policy/match.ts'
import { FALSE } from '../policy/truth.ts'
import { receiversOf, type Joined } from './joined.ts'
import type { DecisionEntry } from './record.ts'

export const NOT_KNOWN = 'not known'
export const NONE = 'none'

/** The bundle whose facts stand for those of a decision: the one that decided, other policies in its place, or none. */
export type Held = { readonly from: 'deciding bundle' | 'other policies'; readonly bundle: Bundle } | { readonly from: typeof NOT_KNOWN; readonly bundle?: undefined }
export type HeldOf = (named: Pick<DecisionEntry, 'bundle' | 'catalog'>) => Promise<Held>

/** What the registers say of a deployment, by the names of the catalog. */
export const TOLD_FACTS = [
  'hosting', 'entity-in', 'controlled-from', 'processed-in', 'stored-in', 'logs-in', 'subprocessors-in', 'contracts', 'certificates', 'evidence', 'retention', 'trains-on-data', 'human-review',
] as const
export type ToldFact = (typeof TOLD_FACTS)[number]

/** A deployment in words: of one moment, as far as it is known. */
export type Described = {
  readonly model: string
  readonly provider: string
  /** The provider's title in the catalog. */
  readonly title: string
  readonly facts: Readonly<Record<ToldFact, string>>
  /** Whether it only pretends, for a rehearsal: what it received did not leave the machine. */
  readonly pretended: string
  /** Countries outside the EEA where it is processed, stored, logged or contracted, sub-processors included. */
  readonly outsideEea: string
  /** The same, each as what it appears: `processed in US; entity in US`. */
  readonly outsideAs: string
}

/** Requests that are alike in all of this. */
export type Recipient = {
  readonly app: string
  /** Labels as decided on, parents included; `none` where the request carried nothing; NOT_KNOWN where nobody knew. */
  readonly data: string
  readonly governedBy: string
  readonly deployment: string
  readonly described: Described
  /** Rules of kind require and forbid that were in force for the request, with their law. */
  readonly rules: readonly string[]
  /** Exceptions that let this deployment be used. */
  readonly exceptions: readonly string[]
  readonly factsFrom: Held['from']
  /** What the requests were for: as registered, and as callers said. Requests that differ in this alone are alike. */
  readonly purposes: Set<string>
  /** Requests that it received, and those that it may have received without answering. */
  received: number
  mayHave: number
  first: number
  last: number
}

export type AppSum = {
  readonly app: string
  readonly titles: Set<string>
  readonly owners: Set<string>
  /** As registered, and as callers said. */
  readonly purposes: Set<string>
  readonly peopleIn: Set<string>
  readonly operations: Set<string>
  decisions: number
  refused: number
  /** Requests that somebody received or may have. */
  sent: number
  /** Permitted, and how it ended is not on record. */
  withoutOutcome: number
  /** Of those that somebody received or may have: how many carried what. */
  readonly data: Map<string, number>
  /** The same of those that were refused. */
  readonly refusedData: Map<string, number>
  /** Duties done, by their words without a number: in how many requests, and the sum of the numbers where they have one. */
  readonly duties: Map<string, { requests: number; values: number | undefined }>
  /** How long evidence is to be kept, as rules asked. */
  readonly retain: Set<string>
}

export type Summed = {
  readonly decisions: number
  readonly first: number | undefined
  readonly last: number | undefined
  readonly apps: readonly AppSum[]
  readonly recipients: readonly Recipient[]
  /** Digests of the bundles that decided, by where the facts for them are from. */
  readonly bundles: Readonly<Record<Held['from'], ReadonlySet<string>>>
  /** The last bundle that decided and is known, and when. */
  readonly latest: { readonly bundle: Bundle; readonly at: number } | undefined
}

/** More kinds of requests than this are no register. */
const ROWS_MAX = 100_000
/** Purposes are words of callers: so many are told. */
const PURPOSES_MAX = 50

export class TooManyKinds extends Error {}

/** Throws TooManyKinds, and whatever the reading throws. */
export async function sumUp(requests: Iterable<Joined>, heldOf: HeldOf): Promise<Summed> {
  const apps = new Map<string, AppSum>(), recipients = new Map<string, Recipient>()
  const bundles: Record<Held['from'], Set<string>> = { 'deciding bundle': new Set(), 'other policies': new Set(), [NOT_KNOWN]: new Set() }
  let decisions = 0, first: number | undefined, last: number | undefined, latest: Summed['latest']
  let key = '', held: Held = { from: NOT_KNOWN }
  for (const one of requests) {
    const { decision, outcome } = one
    const named = `${decision.bundle} ${decision.catalog}`
    if (named !== key) {
      held = await heldOf(decision)
      key = named
    }
    bundles[held.from].add(decision.bundle)
    if (held.bundle !== undefined && decision.at >= (latest?.at ?? -Infinity)) latest = { bundle: held.bundle, at: decision.at }
    decisions += 1
    first = Math.min(first ?? decision.at, decision.at)
    last = Math.max(last ?? decision.at, decision.at)

    const sum = appOf(apps, decision.app)
    const data = wordsOf(decision.request['data']?.value)
    const receivers = receiversOf(one), purposes = purposesOf(decision, held.bundle)
    addApp(sum, one, { data, bundle: held.bundle, purposes, isSent: receivers.size > 0 })
    const frame = held.bundle && frameAt(held.bundle.rulebook, decision.at)
    for (const [deployment, hasAnswered] of receivers) {
      const described = frame === undefined ? undescribed(deployment, outcome) : describedIn(frame, held.bundle!, deployment)
      const law = lawOf(frame, decision, deployment)
      const identity = { app: decision.app, data, governedBy: wordsOf(decision.request['governed-by']?.value), deployment, described, ...law, factsFrom: held.from }
      const kind = JSON.stringify(identity)
      let known = recipients.get(kind)
      if (known === undefined) {
        if (recipients.size >= ROWS_MAX) throw new TooManyKinds(`there are more than ${ROWS_MAX} kinds of requests`)
        recipients.set(kind, known = { ...identity, purposes: new Set(), received: 0, mayHave: 0, first: decision.at, last: decision.at })
      }
      if (hasAnswered) known.received += 1
      else known.mayHave += 1
      addTo(known.purposes, purposes)
      known.first = Math.min(known.first, decision.at)
      known.last = Math.max(known.last, decision.at)
    }
  }
  const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return {
    decisions, first, last, bundles, latest,
    apps: [...apps.values()].sort((a, b) => byName(a.app, b.app)),
    recipients: [...recipients.values()].sort((a, b) => byName(a.app, b.app) || byName(a.deployment, b.deployment) || byName(a.data, b.data) || a.first - b.first),
  }
}

function appOf(apps: Map<string, AppSum>, app: string): AppSum {
  let sum = apps.get(app)
  if (sum === undefined) {
    if (apps.size >= ROWS_MAX) throw new TooManyKinds(`there are more than ${ROWS_MAX} apps`)
    apps.set(app, sum = {
      app, titles: new Set(), owners: new Set(), purposes: new Set(), peopleIn: new Set(), operations: new Set(),
      decisions: 0, refused: 0, sent: 0, withoutOutcome: 0, data: new Map(), refusedData: new Map(), duties: new Map(), retain: new Set(),
    })
  }
  return sum
}

type Known = { readonly data: string; readonly bundle: Bundle | undefined; readonly purposes: readonly string[]; readonly isSent: boolean }

function addApp(sum: AppSum, { decision, outcome }: Joined, { data, bundle, purposes, isSent }: Known): void {
  sum.decisions += 1
  if (decision.outcome === 'refuse') sum.refused += 1
  else if (outcome === undefined) sum.withoutOutcome += 1
  if (isSent) sum.sent += 1
  if (isSent) countIn(sum.data, data)
  else if (decision.outcome === 'refuse') countIn(sum.refusedData, data)
  addTo(sum.purposes, purposes)
  const registered = bundle?.rulebook.apps.get(decision.app)
  if (registered !== undefined) {
    sum.owners.add(registered.owner)
    if (registered.title !== undefined) sum.titles.add(registered.title)
    const { 'people-in': peopleIn } = registered.registered
    if (peopleIn !== undefined) sum.peopleIn.add(wordsOf(peopleIn))
  }
  const operation = decision.request['operation']?.value
  if (operation !== undefined && sum.operations.size < PURPOSES_MAX) sum.operations.add(wordsOf(operation))
  const retain = (decision.duties as { readonly 'retain-evidence'?: unknown })['retain-evidence']
  if (typeof retain === 'string' && sum.retain.size < PURPOSES_MAX) sum.retain.add(retain)
  for (const done of outcome?.duties ?? []) {
    const [, what = done, count] = /^(.*?)(?:: (\d+))?$/.exec(done) ?? [], known = sum.duties.get(what)
    const values = count === undefined ? known?.values : (known?.values ?? 0) + Number(count)
    if (known !== undefined || sum.duties.size < ROWS_MAX) sum.duties.set(what, { requests: (known?.requests ?? 0) + 1, values })
  }
}

function countIn(counts: Map<string, number>, data: string): void {
  if (counts.size >= ROWS_MAX && !counts.has(data)) throw new TooManyKinds(`there are more than ${ROWS_MAX} kinds of data`)
  counts.set(data, (counts.get(data) ?? 0) + 1)
}

function addTo(purposes: Set<string>, more: readonly string[]): void {
  for (const purpose of more) if (purposes.size < PURPOSES_MAX) purposes.add(purpose)
}

/** What a request was for: as registered or decided on, and beside it what its caller said, which nobody vouched for. */
function purposesOf({ app, request, stated }: DecisionEntry, bundle: Bundle | undefined): readonly string[] {
  const known = [bundle?.rulebook.apps.get(app)?.registered.purpose, request['purpose']?.value].filter(value => value !== undefined && value !== null).map(wordsOf)
  const said = (stated as { readonly purpose?: unknown } | null | undefined)?.purpose
  if (said === undefined || said === null || known.includes(wordsOf(said))) return known
  return [...known, `${wordsOf(said)} (as callers say)`]
}

/** A value as cells show it: lists joined with spaces. */
export function wordsOf(value: unknown): string {
  if (value === undefined || value === null) return NOT_KNOWN
  if (Array.isArray(value)) return value.length === 0 ? NONE : value.join(' ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const HOURS_A_DAY = 24
const factInWords = (fact: ToldFact, value: Value | undefined): string =>
  (fact === 'retention' && typeof value === 'number' ? value % HOURS_A_DAY === 0 ? `${value / HOURS_A_DAY}d` : `${value}h` : wordsOf(value))

type InFrame = { readonly index: ReadonlyMap<string, number>; readonly described: Map<string, Described>; readonly rules: ReadonlyMap<string, Frame['rules'][number]> }
const frames = new WeakMap<Frame, InFrame>()

function inFrame(frame: Frame): InFrame {
  let known = frames.get(frame)
  if (known === undefined) {
    frames.set(frame, known = {
      index: new Map(frame.facts.map((facts, i) => [facts['deployment'] as string, i])), described: new Map(), rules: new Map(frame.rules.map(r => [r.rule.name, r])),
    })
  }
  return known
}

function describedIn(frame: Frame, { catalog }: Bundle, deployment: string): Described {
  const { index, described } = inFrame(frame)
  let known = described.get(deployment)
  if (known === undefined) {
    const facts = frame.facts[index.get(deployment) ?? -1]
    described.set(deployment, known = facts === undefined ? undescribed(deployment, undefined) : {
      model: wordsOf(facts['model']), provider: wordsOf(facts['provider']), title: catalog.providers.get(facts['provider'] as string)?.title ?? NOT_KNOWN,
      pretended: catalog.byName.get(deployment)?.rehearsal === true ? 'yes' : 'no',
      facts: Object.fromEntries(TOLD_FACTS.map(fact => [fact, factInWords(fact, facts[fact])])) as Described['facts'],
      ...outsideEea(facts, frame.members.get(EEA)),
    })
  }
  return known
}

/** Without its bundle, all that is known of a deployment is what the outcome says of the one that answered. */
function undescribed(deployment: string, outcome: Joined['outcome']): Described {
  const isAnswering = outcome?.deployment === deployment && outcome.deployments === undefined
  return {
    model: isAnswering ? outcome.model ?? NOT_KNOWN : NOT_KNOWN, provider: NOT_KNOWN, title: NOT_KNOWN, pretended: NOT_KNOWN, outsideEea: NOT_KNOWN, outsideAs: NOT_KNOWN,
    facts: Object.fromEntries(TOLD_FACTS.map(fact => [fact, fact === 'processed-in' && isAnswering ? wordsOf(outcome.processedIn) : NOT_KNOWN])) as Described['facts'],
  }
}

/** The group that says who is in it; policies without it cannot tell. */
const EEA = 'eea'
/** Where data comes to whoever handles it. Who controls the provider is another question than whether there is a transfer. */
const PLACES = { 'processed-in': 'processed in', 'stored-in': 'stored in', 'logs-in': 'logs in', 'entity-in': 'entity in', 'subprocessors-in': 'sub-processors in' } as const

function outsideEea(facts: Facts, members: readonly string[] | undefined): Pick<Described, 'outsideEea' | 'outsideAs'> {
  if (members === undefined) return { outsideEea: NOT_KNOWN, outsideAs: NOT_KNOWN }
  const eea = new Set(members), outside = new Set<string>(), unknown: string[] = [], as: string[] = []
  for (const [fact, words] of Object.entries(PLACES)) {
    const value = facts[fact]
    if (value === undefined) unknown.push(fact)
    const places = (typeof value === 'object' ? value : typeof value === 'string' ? [value] : []).filter(place => !eea.has(place) && !eea.has(countryOf(place)))
    if (places.length > 0) as.push(`${words} ${places.join(' ')}`)
    for (const place of places) outside.add(place)
  }
  const told = (known: readonly string[], between: string): string => (
    known.length === 0 && unknown.length === 0 ? NONE : [...known.length === 0 ? [] : [known.join(between)], ...unknown.length === 0 ? [] : [`${NOT_KNOWN}: ${unknown.join(' ')}`]].join('; '))
  return { outsideEea: told([...outside].sort(), ' '), outsideAs: told(as, '; ') }
}

/** Rules and exceptions of a decision as far as they concern a deployment that was used. */
function lawOf(frame: Frame | undefined, { activeRules, exceptions, request }: DecisionEntry, deployment: string): Pick<Recipient, 'rules' | 'exceptions'> {
  if (frame === undefined) return { rules: activeRules.map(name => `${name} (law ${NOT_KNOWN})`), exceptions }
  const { rules, index } = inFrame(frame), i = index.get(deployment)
  const asked: Facts = Object.fromEntries(Object.entries(request).map(([fact, { value }]) => [fact, value as Value]))
  const active = activeRules.map(name => ({ name, rule: rules.get(name) }))
  const enforced = active.filter(({ rule }) => rule === undefined || (rule.rule.effect !== 'prefer' && (rule.enforces || (rule.ring !== undefined && evaluate(rule.ring, asked) !== FALSE))))
  return {
    rules: enforced.map(({ name, rule }) => (rule === undefined ? `${name} (law ${NOT_KNOWN})` : rule.rule.law === undefined ? name : `${name} (${rule.rule.law})`)),
    exceptions: exceptions.flatMap(name => {
      const suspended = enforced.find(({ rule }) => rule?.exceptions.some(e => e.exception.name === name))?.rule
      const found = suspended?.exceptions.find(e => e.exception.name === name)
      if (found === undefined || suspended === undefined || i === undefined) return [name]
      // It let this one be used where the rule would have removed it.
      return hasBit(found.models, i) && hasBit(suspended.removes, i) ? [`${name} (${found.exception.category}, ${found.exception.ticket}, approved by ${found.exception.approvedBy})`] : []
    }),
  }
}
