/** In what two rulebooks differ, by name. Where something is written, and in what order, is no difference. What differs beside the law, bundle/ finds. */
import type { Duties, Place, Rule, Rulebook } from './rule.ts'

export type Difference = {
  readonly kind: 'rule' | 'exception' | 'group' | 'app' | 'provider' | 'deployment' | 'label'
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed'
  /** The words that differ, of what was changed; empty for the rest. */
  readonly parts: readonly string[]
  /** Those of the parts that let through what was held back before, whatever is permitted. */
  readonly wider?: readonly string[]
  /** In the new rulebook, or in the old one for what was removed; undefined where a rulebook keeps no place. */
  readonly place: Place | undefined
}

/** Words of the files for keys whose name inside is another. */
const WORDS: { readonly [key: string]: string } = {
  modeUntil: 'mode-until', enforceFor: 'enforce-for', window: 'effective', duties: 'then', mayCarry: 'may-carry', mayAssert: 'may-assert', assumptions: 'assume',
  requestedBy: 'requested-by', approvedBy: 'approved-by', asOf: 'as-of', reviewBy: 'review-by',
}
/** Where it stands, and what the name says already. */
const NO_DIFFERENCE = ['place', 'name', 'policy', 'id']

const KINDS: readonly Difference['kind'][] = ['rule', 'exception', 'group', 'app', 'provider', 'deployment', 'label']
const CHANGES: readonly Difference['change'][] = ['removed', 'changed', 'added']

/** Rules first, then exceptions, groups, apps, providers, deployments and labels; within a kind what was removed first. */
export const inOrder = (found: readonly Difference[]): readonly Difference[] => found.toSorted((a, b) =>
  KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || CHANGES.indexOf(a.change) - CHANGES.indexOf(b.change) || (a.name < b.name ? -1 : 1))

export function differences(old: Rulebook, next: Rulebook): readonly Difference[] {
  return inOrder([
    ...compare('rule', byName(old.rules), byName(next.rules)).map(d => withLooserDuties(d, old, next)),
    ...compare('exception', byName(old.exceptions), byName(next.exceptions)),
    ...compare('group', old.groups, next.groups),
    ...compare('app', old.apps, next.apps),
    ...compare('deployment', byName(old.deployments), byName(next.deployments)),
    ...compare('label', parents(old), parents(next)),
  ])
}

/** What a rule no longer asks to be done to content, in words of the files: it is permitted nowhere else, and more of it is seen or kept. */
function withLooserDuties(found: Difference, old: Rulebook, next: Rulebook): Difference {
  const dutiesIn = ({ rules }: Rulebook): Duties => rules.find(r => r.name === found.name)?.duties ?? {}
  const wider = looser(dutiesIn(old), dutiesIn(next))
  return wider.length === 0 ? found : { ...found, wider }
}

function looser(before: Duties, after: Duties): readonly string[] {
  const isFewer = (had: readonly unknown[] | undefined, has: readonly unknown[] | undefined): boolean => had?.some(one => !(has ?? []).map(written).includes(written(one))) === true
  // Content is kept where some rule says `full` and none says less; a list of places holds until it is longer or gone.
  const mayBeLogged = (duties: Duties): boolean => duties.log === 'full'
  const limits = (duties: Duties): boolean => duties.log !== undefined && duties.log !== 'full'
  return [
    ...(isFewer(before.redact, after.redact) ? ['redact'] : []),
    ...((limits(before) && !limits(after)) || (mayBeLogged(after) && !mayBeLogged(before)) ? ['log'] : []),
    ...(before.logIn !== undefined && (after.logIn === undefined || isFewer(after.logIn, before.logIn)) ? ['log-in'] : []),
    ...(before.rescue === 'no' && after.rescue === undefined ? ['rescue'] : []),
  ]
}

/** Whether both read every request alike: the same labels, and the same registration of every app. Grants are no part of that. */
export function readAlike(old: Rulebook, next: Rulebook): boolean {
  const read = ({ apps, labels }: Rulebook): string => written([
    Object.fromEntries([...labels].map(([label, parent]) => [label, parent ?? null])),
    Object.fromEntries([...apps.values()].map(({ name, registered, mayCarry, assumptions }) => [name, { registered, mayCarry, assumptions }])),
  ])
  return read(old) === read(next)
}

const byName = <T extends { readonly name: string }>(things: readonly T[]): ReadonlyMap<string, T> => new Map(things.map(t => [t.name, t]))
const parents = ({ labels }: Rulebook): ReadonlyMap<string, object> => new Map([...labels].map(([label, parent]) => [label, { parent }]))

/** What was removed, changed or added among things of one kind, by name. */
export function compare<T extends object>(kind: Difference['kind'], old: ReadonlyMap<string, T>, next: ReadonlyMap<string, T>): readonly Difference[] {
  const names = [...new Set([...old.keys(), ...next.keys()])]
  return names.flatMap<Difference>(name => {
    const before = old.get(name), after = next.get(name)
    const parts = before === undefined || after === undefined ? [] : differing(before, after)
    if (before !== undefined && after !== undefined && parts.length === 0) return []
    const there = (after ?? before) as T & { readonly place?: Place }
    return [{ kind, name, change: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed', parts, place: there.place }]
  })
}

/** The words under which two things of one kind do not hold the same. */
export function differing(before: object, after: object): readonly string[] {
  const [a, b] = [before, after].map(thing => new Map<string, unknown>(Object.entries(thing)))
  return [...new Set([...a!.keys(), ...b!.keys()])]
    .filter(key => !NO_DIFFERENCE.includes(key) && written(a!.get(key)) !== written(b!.get(key)))
    .map(key => (key === 'blocks' ? (after as Rule).effect : WORDS[key] ?? key))
}

/** The value as text, keys in order, places left out. Ends of time differ from what is not there. */
function written(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => {
    if (key === 'place') return undefined
    if (typeof inner === 'number' && !Number.isFinite(inner)) return String(inner)
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
  }) ?? 'undefined'
}
