/**
 * What this is for: coverage (resilience, section 1): for every registered app and data profile, how many deployments
 * there are for the operation that is worst off, and how many are left when something that many of them share goes away.
 *
 * What it assumes: the caller knows what is fit, and for what (connections are no law).
 * What it promises: what is not known of a deployment counts as lost: a provider whose owner nobody knows may be owned
 * from where the law has just changed.
 */
import { registeredClasses } from './classes.ts'
import { countryOf } from './countries.ts'
import { decide } from './decide.ts'
import { OPERATIONS, type Facts, type Operation } from './facts.ts'
import { frameAt, hasBit, type Frame } from './frame.ts'
import type { Instant, Rule, Rulebook, Window } from './rule.ts'

/** What cannot stand in for one another: a model that embeds answers no chat. Who can chat counts as able to complete. */
export type Kind = 'text' | Exclude<Operation, 'chat' | 'completion'>
const kindOf = (operation: Operation): Kind => (operation === 'chat' || operation === 'completion' ? 'text' : operation)
/** Text first: of two that are as badly off it is the one that is told. */
const KINDS = [...new Set(OPERATIONS.map(kindOf))]

/** The worst single loss of a kind: what goes, and how many fit deployments are left then. */
export type Loss = { readonly which: string; readonly left: number }

export type FitFor = { readonly operation: Kind; readonly fit: readonly string[] }

export type Covered = {
  readonly app: string
  readonly data: readonly string[] | 'unknown'
  /** What is worst off; `fit` and the losses speak of it alone. */
  readonly operation: Kind
  /** In the whole catalog. */
  readonly deployments: number
  /** For whatever operation. */
  readonly permitted: readonly string[]
  /** Permitted and fit for the operation, in order of preference. */
  readonly fit: readonly string[]
  /** Undefined where nothing is fit: there is nothing to lose. */
  readonly withoutProvider: Loss | undefined
  readonly withoutCountry: Loss | undefined
  readonly withoutCloud: Loss | undefined
  /** Every operation that was looked at, text first. */
  readonly kinds: readonly FitFor[]
  /** Permitted and fit for anything at all, in order of preference. */
  readonly able: readonly string[]
}

/** What the caller knows of a deployment beside the law. */
export type Standing = {
  readonly operations: readonly Operation[]
  /** Whether it could be asked if all were well: it has a connection, and a key where it needs one. */
  readonly isSetUp: boolean
  /** Whether it can be asked now. */
  readonly isFit: boolean
}
export type StandingOf = (deployment: string) => Standing

const NOT_KNOWN = 'not known'

/**
 * One row for each registered class, in their order. Rows from before a change may be given: what was looked at then is
 * looked at again, so that a loss never shows as a gain because nobody is left to count.
 */
export function coverage(rulebook: Rulebook, at: Instant, standingOf: StandingOf, earlier: readonly Covered[] = []): readonly Covered[] {
  const frame = frameAt(rulebook, at)
  const facts = new Map(frame.facts.map(f => [f['deployment'] as string, f]))
  const standings = new Map([...facts.keys()].map(name => [name, standingOf(name)]))
  const kindsBefore = new Map(earlier.map(row => [keyOf(row), row.kinds.map(k => k.operation)]))
  return registeredClasses(rulebook).map(({ app, data, asked }) => {
    const { permitted } = decide(rulebook, asked, at)
    const looked = new Set([...kindsOf(frame, app, permitted, standings), ...kindsBefore.get(keyOf({ app, data })) ?? []])
    const able = permitted.filter(name => standings.get(name)!.isFit && standings.get(name)!.operations.length > 0)
    const kinds = KINDS.filter(kind => looked.has(kind)).map<FitFor>(operation => (
      { operation, fit: able.filter(name => standings.get(name)!.operations.some(o => kindOf(o) === operation)) }))
    const { operation, fit } = kinds.reduce((least, one) => (one.fit.length < least.fit.length ? one : least))
    const known = fit.map(name => facts.get(name)!)
    return {
      app, data, operation, deployments: rulebook.deployments.length, permitted, fit,
      withoutProvider: worst(known, f => [f['provider'] as string]),
      withoutCountry: worst(known, controllersOf),
      withoutCloud: fit.length === 0 ? undefined : { which: 'cloud', left: known.filter(f => f['hosting'] !== undefined && f['hosting'] !== 'cloud').length },
      kinds, able,
    }
  })
}

const keyOf = ({ app, data }: Pick<Covered, 'app' | 'data'>): string => JSON.stringify([app, data])

/**
 * What a class is looked at for; never nothing. Text wherever the app is granted it, or a law that takes every chat model
 * away would show what is left for embedding. Anything else only where somebody permitted was set up for it: what the law
 * or the catalog never gave is no outage.
 */
function kindsOf({ facts, grants }: Frame, app: string, permitted: readonly string[], standings: ReadonlyMap<string, Standing>): readonly Kind[] {
  const granted = facts.filter((_, i) => hasBit(grants.get(app)!, i)).flatMap(f => standings.get(f['deployment'] as string)!.operations)
  const others = permitted.map(name => standings.get(name)!).filter(s => s.isSetUp).flatMap(s => s.operations.map(kindOf))
  const kinds: readonly Kind[] = granted.some(o => kindOf(o) === 'text') ? ['text', ...others] : others
  return kinds.length === 0 ? ['text'] : kinds
}

/** A row for tools: what is undefined is null. */
export type CoveredRow = Pick<Covered, 'app' | 'data' | 'operation' | 'deployments' | 'permitted' | 'fit'> & {
  readonly 'without-provider': Loss | null
  readonly 'without-country': Loss | null
  readonly 'without-cloud': Loss | null
}

export const coverageInJson = (rows: readonly Covered[]): readonly CoveredRow[] => rows.map(row => ({
  app: row.app, data: row.data, operation: row.operation, deployments: row.deployments, permitted: row.permitted, fit: row.fit,
  'without-provider': row.withoutProvider ?? null, 'without-country': row.withoutCountry ?? null, 'without-cloud': row.withoutCloud ?? null,
}))

/** The profiles for which nobody is left, and for what. */
export const withNone = (rows: readonly Pick<Covered, 'app' | 'data' | 'operation' | 'fit'>[]): readonly Pick<Covered, 'app' | 'data' | 'operation'>[] =>
  rows.filter(row => row.fit.length === 0).map(({ app, data, operation }) => ({ app, data, operation }))

/** The countries that control a deployment; undefined when that is not known. */
function controllersOf(facts: Facts): readonly string[] | undefined {
  const countries = facts['controlled-from']
  return typeof countries === 'object' ? [...new Set(countries.map(countryOf))] : undefined
}

/** The one loss that leaves least. Deployments of which nothing is known go with each. */
function worst(known: readonly Facts[], sharedBy: (facts: Facts) => readonly string[] | undefined): Loss | undefined {
  if (known.length === 0) return undefined
  const shared = known.map(sharedBy)
  const candidates = [...new Set(shared.flatMap(s => s ?? []))].sort()
  const losses = (candidates.length === 0 ? [NOT_KNOWN] : candidates)
    .map<Loss>(which => ({ which, left: shared.filter(s => s !== undefined && !s.includes(which)).length }))
  return losses.reduce((worse, loss) => (loss.left < worse.left ? loss : worse))
}

/** Facts of deployments that a drill can take away. */
export const REVOCABLE = ['provider', 'model', 'deployment', 'developer-in', 'controlled-from', 'hosting'] as const
export type Revocation = { readonly fact: (typeof REVOCABLE)[number]; readonly value: string }

const ALWAYS: Window = { from: -Infinity, until: Infinity }

/** Rules of a directive that nobody wrote: each forbids its revocation to everybody, and whatever is not known to be none of it. */
export const revoking = (revocations: readonly Revocation[], { policy = 'drill', window = ALWAYS }: { readonly policy?: string; readonly window?: Window } = {}): readonly Rule[] =>
  revocations.map<Rule>(({ fact, value }) => ({
    name: `${policy}/${fact}-${value}`, policy, id: `${fact}-${value}`, title: `A drill: ${fact}=${value} is revoked`, because: 'A drill', law: undefined,
    place: { file: '', line: 1, column: 1 }, directive: true, effect: 'forbid', when: { kind: 'all' }, blocks: [{ kind: 'fact', fact, match: { any: [{ value }] } }],
    window, mode: 'enforce', modeUntil: Infinity, enforceFor: undefined, duties: {},
    exceptions: { allowed: false, atMostDays: undefined, approvers: [] },
  }))

/** The rulebook with these revocations in it at all times. */
export const withRevoked = (rulebook: Rulebook, revocations: readonly Revocation[]): Rulebook =>
  ({ ...rulebook, rules: [...rulebook.rules, ...revoking(revocations)] })

/** What coverage becomes between two moments or two rulebooks, where it becomes anything else: deployments fit for anything. */
export type CoverageChange = {
  readonly app: string
  readonly data: readonly string[] | 'unknown'
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly gained: readonly string[]
  readonly lost: readonly string[]
  /** Operations for which somebody was fit and nobody is. */
  readonly emptied: readonly Kind[]
}

/** Profiles whose fit deployments differ; a profile that is on one side only has none on the other. */
export const coverageChanges = (before: readonly Covered[], after: readonly Covered[]): readonly CoverageChange[] =>
  compared(before, after).filter(({ gained, lost }) => gained.length + lost.length > 0)

/** Every profile of either side, whether anything changes for it or not. */
export function compared(before: readonly Covered[], after: readonly Covered[]): readonly CoverageChange[] {
  const was = new Map(before.map(c => [keyOf(c), c])), is = new Map(after.map(c => [keyOf(c), c]))
  return [...new Map([...was, ...is])].map(([key, { app, data }]) => {
    const a = was.get(key)?.able ?? [], b = is.get(key)?.able ?? []
    const left = new Set(is.get(key)?.kinds.filter(k => k.fit.length > 0).map(k => k.operation))
    return {
      app, data, before: a, after: b, gained: b.filter(d => !a.includes(d)), lost: a.filter(d => !b.includes(d)),
      emptied: (was.get(key)?.kinds ?? []).filter(k => k.fit.length > 0 && !left.has(k.operation)).map(k => k.operation),
    }
  })
}
