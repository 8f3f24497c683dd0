/**
 * What this is for: one case of a test file held against the law (policy-language, section 10).
 *
 * What it assumes: names were checked when the case was read; a rule is given by its full name.
 * What it promises: a complaint says what was expected and what came, and for a deployment that was wrongly excluded
 * every rule that excludes it. It judges by `decide` and `explain`, so a case sees what the gateway does.
 */
import { decide, type Decision } from './decide.ts'
import { explain, type Explanation, type Reason, type Row } from './explain.ts'
import { frameAt, type CombinedDuties } from './frame.ts'
import { evaluate, factsIn } from './match.ts'
import { closeUpward, understand, type Asked } from './request.ts'
import type { Duties, Instant, Place, Rulebook } from './rule.ts'
import { TRUE } from './truth.ts'

/** A deployment and the rule that must be among the reasons. */
export type ExpectedReason = {
  readonly deployment: string
  /** As it stands in the test: `id` or `policy/id`. */
  readonly written: string
  /** The full names it may stand for; one of them is enough. */
  readonly rules: readonly string[]
}

/** What a case expects; what is absent is not looked at. */
export type Expectations = {
  /** Exactly these, in any order. */
  readonly allowed?: readonly string[]
  readonly excluded?: readonly ExpectedReason[]
  readonly wouldExclude?: readonly ExpectedReason[]
  readonly first?: string
  /** Lists that pile up hold at least these; what narrows is exactly this. */
  readonly mustDo?: Duties
  /** Exactly these, in any order. */
  readonly usedExceptions?: readonly string[]
  readonly refused?: boolean
}

export type PolicyCase = {
  readonly name: string
  readonly place: Place
  readonly at: Instant
  readonly asked: Asked
  /** Stands for what the app may carry; undefined leaves its registration alone. */
  readonly mayCarry: readonly string[] | 'unknown' | undefined
  readonly expects: Expectations
}

/** What a case showed. Rules by their full names. */
export type Verdict = {
  /** In plain sentences; empty when the case holds. */
  readonly complaints: readonly string[]
  /** Rules that applied to the request, in every mode. */
  readonly active: readonly string[]
  /** Rules that took a granted deployment away, or put two permitted ones in order. */
  readonly bit: readonly string[]
  /** Rules in a dry run that would have taken a granted deployment away. */
  readonly wouldBite: readonly string[]
}

/** Asks the law what the case asks, and says what does not hold. */
export function judgeCase(rulebook: Rulebook, one: PolicyCase): Verdict {
  const book = bookFor(rulebook, one)
  const decision = decide(book, one.asked, one.at)
  const explanation = explain(book, one.asked, one.at)
  const watching = explanation.deployments.filter(row => row.granted).flatMap(row => row['would-exclude'].map(r => r.rule))
  return {
    complaints: complaintsOf(one.expects, { decision, explanation, wanting: wantingFacts(book, one) }),
    active: decision.active,
    bit: [...decision.bitten, ...ordering(book, decision, one.at)],
    wouldBite: [...new Set(watching)],
  }
}

const withMayCarry = new WeakMap<Rulebook, Map<string, Rulebook>>()

/** The rulebook for a case: its own, unless the case says something else about what the app may carry. */
export function bookFor(rulebook: Rulebook, { asked, mayCarry }: PolicyCase): Rulebook {
  const app = rulebook.apps.get(String(asked.trusted['app']))
  if (mayCarry === undefined || app === undefined) return rulebook
  const carried = mayCarry === 'unknown' ? undefined : closeUpward(mayCarry, rulebook.labels).filter(label => label !== 'none')
  // One rulebook for each wish, so that cases of the same wish share its frames.
  const known = withMayCarry.get(rulebook) ?? new Map<string, Rulebook>()
  withMayCarry.set(rulebook, known)
  const key = JSON.stringify([app.name, carried ?? null])
  const book = known.get(key) ?? { ...rulebook, apps: new Map([...rulebook.apps, [app.name, { ...app, mayCarry: carried }]]) }
  known.set(key, book)
  return book
}

/** Prefer rules that put two of the permitted deployments in order. */
function ordering(rulebook: Rulebook, { active, permitted }: Decision, at: Instant): readonly string[] {
  const chosen = rulebook.deployments.flatMap((d, i) => (permitted.includes(d.name) ? [i] : []))
  return frameAt(rulebook, at).rules
    .filter(({ rule, ranks }) => ranks !== undefined && active.includes(rule.name) && new Set(chosen.map(i => ranks[i])).size > 1)
    .map(({ rule }) => rule.name)
}

/** The request facts whose absence alone makes a rule apply: nobody stated them, or nobody speaks for them any more. */
function wantingFacts(rulebook: Rulebook, { asked, at }: PolicyCase): (rule: string) => readonly string[] {
  const { readings } = understand(rulebook, asked, at)
  return name => {
    const rule = frameAt(rulebook, at).rules.find(r => r.rule.name === name)
    if (rule === undefined || readings.some(facts => evaluate(rule.when, facts) === TRUE)) return []
    return [...new Set(factsIn(rule.rule.when))].filter(fact => readings[0]![fact] === undefined)
  }
}

type Answer = { readonly decision: Decision; readonly explanation: Explanation; readonly wanting: (rule: string) => readonly string[] }

function complaintsOf(expects: Expectations, answer: Answer): readonly string[] {
  const { allowed, excluded = [], wouldExclude = [], first, mustDo = {}, usedExceptions, refused } = expects
  const { decision } = answer
  const { permitted } = decision
  const rows = new Map(answer.explanation.deployments.map(row => [row.deployment, row]))
  const why = (...deployments: readonly string[]): readonly string[] => {
    // Deployments that are excluded alike are told in one sentence.
    const told = new Map<string, string[]>()
    for (const deployment of deployments) {
      const reason = whyExcluded(rows.get(deployment), answer)
      told.set(reason, [...told.get(reason) ?? [], deployment])
    }
    return [...told].map(([reason, alike]) => `${listed(alike)} ${alike.length === 1 ? 'is' : 'are'} ${reason}.`)
  }
  const complaints: string[] = []

  if (refused !== undefined && refused !== (decision.outcome === 'refuse')) {
    complaints.push(refused ? `The request was to be refused, and may use ${listed(permitted)}.` : `The request was not to be refused, and nothing is allowed.`)
  }
  if (allowed !== undefined && !sameSet(allowed, permitted)) {
    complaints.push(`Allowed were to be ${listed(allowed)}; allowed are ${listed(permitted)}.`)
    complaints.push(...why(...allowed.filter(d => !permitted.includes(d))))
  }
  for (const { deployment, written, rules } of excluded) {
    const reasons = rows.get(deployment)?.because ?? []
    if (permitted.includes(deployment)) complaints.push(`${deployment} was to be excluded by ${written}, and is allowed.`)
    else if (!reasons.some(r => rules.includes(r.rule))) complaints.push(`${deployment} was to be excluded by ${written}.`, ...why(deployment))
  }
  for (const { deployment, written, rules } of wouldExclude) {
    const row = rows.get(deployment)
    if (row?.['would-exclude'].some(r => rules.includes(r.rule))) continue
    const enforced = row?.because.some(r => rules.includes(r.rule)) === true
    complaints.push(`The dry run of ${written} was to report ${deployment}, and ${enforced ? 'the rule excludes it already' : 'does not'}.`)
  }
  if (first !== undefined && permitted[0] !== first) {
    complaints.push(`First was to be ${first}; ${permitted.length === 0 ? 'nothing is allowed' : `the order is ${listed(permitted)}`}.`)
    if (!permitted.includes(first)) complaints.push(...why(first))
  }
  complaints.push(...undone(mustDo, decision.duties))
  if (usedExceptions !== undefined && !sameSet(usedExceptions, decision.exceptions)) {
    complaints.push(`Exceptions used were to be ${listed(usedExceptions)}; used are ${listed(decision.exceptions)}.`)
  }
  return complaints
}

function whyExcluded(row: Row | undefined, { explanation, wanting }: Answer): string {
  if (row === undefined) return 'not in the catalog'
  if (explanation.code === 'data_not_registered') return 'excluded: the app is not registered to carry this data'
  const reasons = row.because.map(reason => reasonInWords(reason, wanting(reason.rule))).join(', and by ')
  if (!row.granted) return `not granted to the app${reasons === '' ? '' : `, and excluded by ${reasons}`}`
  return `excluded by ${reasons}`
}

/** The rule, where it stands, what it looked at, and what it applies for want of. */
function reasonInWords({ rule, file, line, facts, unknown }: Reason, wanting: readonly string[]): string {
  const looked = facts.length === 0 ? '' : `: ${facts.join(', ')}${unknown ? ', not known' : ''}`
  const applies = wanting.length === 0 ? '' : `; it applies because it is not known: ${wanting.join(', ')}`
  return `${rule} (${file}:${line}${looked}${applies})`
}

/** Duties that were to apply and do not. */
function undone(asked: Duties, done: CombinedDuties): readonly string[] {
  const complaints: string[] = []
  const say = (holds: boolean, duty: string, expected: Written, is: Written): void => {
    if (!holds) complaints.push(`The duty ${duty} was to be ${inWords(expected)}; it is ${inWords(is)}.`)
  }
  const places = asked.logIn?.map(t => ('group' in t ? t.group : String(t.value)))
  if (asked.redact) say(asked.redact.every(kind => done.redact?.includes(kind)), 'redact', asked.redact, done.redact)
  if (asked.notify) say(asked.notify.every(name => done.notify?.includes(name)), 'notify', asked.notify, done.notify)
  if (asked.log !== undefined) say(asked.log === done.log, 'log', asked.log, done.log)
  if (places) say(done.logIn !== undefined && sameSet(places, done.logIn), 'log-in', places, done.logIn)
  if (asked.cache) say(done.cache !== undefined && sameSet(asked.cache, done.cache), 'cache', asked.cache, done.cache)
  if (asked.retainEvidence !== undefined) say(asked.retainEvidence === done.retainEvidence, 'retain-evidence', hours(asked.retainEvidence), hours(done.retainEvidence))
  if (asked.rescue !== undefined) say(asked.rescue === done.rescue, 'rescue', asked.rescue, done.rescue)
  if (asked.requestDigest !== undefined) say(asked.requestDigest === done.requestDigest, 'request-digest', asked.requestDigest, done.requestDigest)
  for (const [name, value] of Object.entries(asked.header ?? {})) say(done.header?.[name] === value, `header ${name}`, value, done.header?.[name])
  return complaints
}

const hours = (count: number | undefined): Written => (count === undefined ? undefined : `${count}h`)
type Written = string | readonly string[] | undefined
const inWords = (value: Written): string => (value === undefined ? 'absent' : typeof value === 'string' ? value : listed(value))
const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '))
const sameSet = (a: readonly string[], b: readonly string[]): boolean => new Set(a).size === new Set(b).size && a.every(one => b.includes(one))

/** In which cases a rule was seen at work. */
export type RuleCoverage = {
  readonly rule: string
  readonly place: Place
  readonly active: readonly PolicyCase[]
  readonly bit: readonly PolicyCase[]
  readonly wouldBite: readonly PolicyCase[]
}

/** For every rule, in the rulebook's order, the cases that exercised it. A rule that neither bit nor would have is not exercised. */
export function coverageOf(rulebook: Rulebook, judged: readonly { readonly one: PolicyCase; readonly verdict: Verdict }[]): readonly RuleCoverage[] {
  const casesOf = (rule: string, of: 'active' | 'bit' | 'wouldBite'): readonly PolicyCase[] => judged.filter(j => j.verdict[of].includes(rule)).map(j => j.one)
  return rulebook.rules.map(({ name, place }) => ({ rule: name, place, active: casesOf(name, 'active'), bit: casesOf(name, 'bit'), wouldBite: casesOf(name, 'wouldBite') }))
}

export const isExercised = ({ bit, wouldBite }: RuleCoverage): boolean => bit.length + wouldBite.length > 0
