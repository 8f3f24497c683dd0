/**
 * What this is for: coverage (resilience, section 1): for every registered app and data profile, how many deployments
 * there are, and how many are left when something that many of them share goes away.
 *
 * What it assumes: the caller knows what is fit (connections are no law).
 * What it promises: what is not known of a deployment counts as lost: a provider whose owner nobody knows may be owned
 * from where the law has just changed.
 */
import { registeredClasses } from './classes.ts'
import { countryOf } from './countries.ts'
import { decide } from './decide.ts'
import type { Facts } from './facts.ts'
import { frameAt } from './frame.ts'
import type { Instant, Rule, Rulebook, Window } from './rule.ts'

/** The worst single loss of a kind: what goes, and how many fit deployments are left then. */
export type Loss = { readonly which: string; readonly left: number }

export type Covered = {
  readonly app: string
  readonly data: readonly string[] | 'unknown'
  /** In the whole catalog. */
  readonly deployments: number
  readonly permitted: readonly string[]
  /** Permitted and fit, in order of preference. */
  readonly fit: readonly string[]
  /** Undefined where nothing is fit: there is nothing to lose. */
  readonly withoutProvider: Loss | undefined
  readonly withoutCountry: Loss | undefined
  readonly withoutCloud: Loss | undefined
}

export type IsFit = (deployment: string) => boolean

const NOT_KNOWN = 'not known'

/** One row for each registered class, in their order. */
export function coverage(rulebook: Rulebook, at: Instant, isFit: IsFit): readonly Covered[] {
  const facts = new Map(frameAt(rulebook, at).facts.map(f => [f['deployment'] as string, f]))
  return registeredClasses(rulebook).map(({ app, data, asked }) => {
    const { permitted } = decide(rulebook, asked, at)
    const fit = permitted.filter(isFit)
    const known = fit.map(name => facts.get(name)!)
    return {
      app, data, deployments: rulebook.deployments.length, permitted, fit,
      withoutProvider: worst(known, f => [f['provider'] as string]),
      withoutCountry: worst(known, controllersOf),
      withoutCloud: fit.length === 0 ? undefined : { which: 'cloud', left: known.filter(f => f['hosting'] !== undefined && f['hosting'] !== 'cloud').length },
    }
  })
}

/** A row for tools: what is undefined is null. */
export type CoveredRow = Pick<Covered, 'app' | 'data' | 'deployments' | 'permitted' | 'fit'> & {
  readonly 'without-provider': Loss | null
  readonly 'without-country': Loss | null
  readonly 'without-cloud': Loss | null
}

export const coverageInJson = (rows: readonly Covered[]): readonly CoveredRow[] => rows.map(row => ({
  app: row.app, data: row.data, deployments: row.deployments, permitted: row.permitted, fit: row.fit,
  'without-provider': row.withoutProvider ?? null, 'without-country': row.withoutCountry ?? null, 'without-cloud': row.withoutCloud ?? null,
}))

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

/** What coverage becomes between two moments or two rulebooks, where it becomes anything else. */
export type CoverageChange = {
  readonly app: string
  readonly data: readonly string[] | 'unknown'
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly gained: readonly string[]
  readonly lost: readonly string[]
}

/** Profiles whose fit deployments differ; a profile that is on one side only has none on the other. */
export function coverageChanges(before: readonly Covered[], after: readonly Covered[]): readonly CoverageChange[] {
  const key = ({ app, data }: Covered): string => JSON.stringify([app, data])
  const was = new Map(before.map(c => [key(c), c])), is = new Map(after.map(c => [key(c), c]))
  return [...new Map([...was, ...is])].flatMap(([k, { app, data }]) => {
    const a = was.get(k)?.fit ?? [], b = is.get(k)?.fit ?? []
    const gained = b.filter(d => !a.includes(d)), lost = a.filter(d => !b.includes(d))
    return gained.length + lost.length === 0 ? [] : [{ app, data, before: a, after: b, gained, lost }]
  })
}
