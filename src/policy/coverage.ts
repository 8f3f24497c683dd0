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
import type { Instant, Rule, Rulebook } from './rule.ts'

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

/** The rulebook with a directive that nobody wrote: it forbids each of these to everybody, and whatever is not known to be none of them. */
export function withRevoked(rulebook: Rulebook, revocations: readonly Revocation[]): Rulebook {
  const rules = revocations.map<Rule>(({ fact, value }) => ({
    name: `drill/${fact}-${value}`, policy: 'drill', id: `${fact}-${value}`, title: `A drill: ${fact}=${value} is revoked`, because: 'A drill', law: undefined,
    place: { file: '', line: 1, column: 1 }, directive: true, effect: 'forbid', when: { kind: 'all' }, blocks: [{ kind: 'fact', fact, match: { any: [{ value }] } }],
    window: { from: -Infinity, until: Infinity }, mode: 'enforce', modeUntil: Infinity, enforceFor: undefined, duties: {},
    exceptions: { allowed: false, atMostDays: undefined, approvers: [] },
  }))
  return { ...rulebook, rules: [...rulebook.rules, ...rules] }
}

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
