/**
 * What this is for: which bundle is in force, under which epoch, and what changed when the pool was rebuilt (resilience, section 1).
 *
 * What it assumes: `current` is asked at every request, so a time edge is seen by the first request after it at the latest.
 * What it promises: an epoch never comes back; every rebuild says its cause and, for every registered app and what its prompts
 * may carry, what came, what went and why.
 */
import type { Bundle } from '../bundle/bundle.ts'
import type { Deployment } from '../catalog/catalog.ts'
import { turnsAt } from '../policy/calendar.ts'
import { registeredClasses } from '../policy/classes.ts'
import { decide } from '../policy/decide.ts'
import { explain } from '../policy/explain.ts'
import { frameAt } from '../policy/frame.ts'
import type { Asked } from '../policy/request.ts'
import { inUtc } from '../policy/time.ts'
import type { Clock } from '../ports.ts'

/** Undefined: can be dispatched to. Otherwise why not, in one word: no-connection, no-key, not-held, not-answered, not-local, rehearsal-off. */
export type Connected = (deployment: Deployment) => string | undefined

/** Undefined: nothing speaks against it. Otherwise what does: breaker-open, unproven, withdrawn, key-refused, compliance-mismatch. */
export type Unhealthy = (deployment: string) => string | undefined

export type Epoch = {
  readonly number: number
  readonly bundle: Bundle
  readonly since: number
  /** The number of the epoch in which this law began: while it is the same, so is every decision. */
  readonly law: number
}

export type PoolEvent = {
  readonly epoch: number
  readonly at: string
  readonly cause: string
  readonly bundle: string
  readonly profiles: readonly ProfileChange[]
  /** Changed profiles beyond those listed. */
  readonly more: number
}

/** What a rebuild means for one app and one kind of data. */
export type ProfileChange = {
  readonly app: string
  readonly data: readonly string[] | 'unknown'
  readonly added: readonly string[]
  readonly removed: readonly { readonly deployment: string; readonly because: string }[]
  /** The deployment that is asked first from now on, where another was before. */
  readonly promoted?: string
  /** How many there are now. */
  readonly left: number
}

export type Epochs = {
  /** The epoch in force now; begins a new one when a time edge has passed. */
  current(): Epoch
  /** Puts another bundle in force. */
  swap(bundle: Bundle, cause: string): void
  /** Begins a new epoch because what can be dispatched to has changed. */
  refresh(cause: string): void
  /** The latest rebuilds, oldest first; bounded. */
  events(): readonly PoolEvent[]
  /** For every registered app and what its prompts may carry: what the law leaves to it in the epoch in force, and what can be reached of that. */
  profiles(): readonly Profile[]
  /** What `profiles` would say were this bundle in force. */
  foreseen(bundle: Bundle): readonly Profile[]
  readonly connected: Connected
  /** Why a deployment cannot be used now, whatever the law says; undefined when it can. */
  readonly unavailable: (deployment: Deployment) => string | undefined
}

export type Profile = {
  readonly app: string
  readonly data: readonly string[] | 'unknown'
  /** Both with the first choice first. Permitted is empty where the law leaves nothing. */
  readonly permitted: readonly Deployment[]
  readonly available: readonly string[]
}

const EVENTS_MAX = 200
const PROFILES_TOLD_MAX = 100
const TURNS_TOLD_MAX = 5

type Law = Omit<Profile, 'available'> & { readonly asked: Asked }
type State = readonly (Law & Profile)[]

export function createEpochs(given: {
  readonly bundle: Bundle
  readonly connected: Connected
  readonly unhealthy: Unhealthy
  readonly clock: Clock
  readonly rebuilt: (event: PoolEvent) => void
}): Epochs {
  const { connected, unhealthy, clock, rebuilt } = given
  const unavailable = (deployment: Deployment): string | undefined => connected(deployment) ?? unhealthy(deployment.name)
  const events: PoolEvent[] = []
  let epoch: Epoch = { number: 1, bundle: given.bundle, since: clock.now(), law: 1 }
  let until = frameAt(epoch.bundle.rulebook, epoch.since).until
  let state = reached(lawOf(epoch.bundle, epoch.since), epoch.bundle, unavailable)

  const begin = (bundle: Bundle, cause: string, { now, isLawTheSame }: { readonly now: number; readonly isLawTheSame: boolean }): void => {
    const before = state
    const number = epoch.number + 1
    epoch = { number, bundle, since: now, law: isLawTheSame ? epoch.law : number }
    until = frameAt(bundle.rulebook, now).until
    state = reached(isLawTheSame ? before : lawOf(bundle, now), bundle, unavailable)
    const event: PoolEvent = { epoch: number, at: inUtc(now), cause, bundle: bundle.digest, ...difference(before, state, { bundle, now, unavailable, isLawTheSame }) }
    events.push(event)
    if (events.length > EVENTS_MAX) events.shift()
    rebuilt(event)
  }
  /** A clock that was set back is a change of frame as well. */
  const hasTurned = (now: number): boolean => now >= until || now < frameAt(epoch.bundle.rulebook, epoch.since).from
  return {
    connected, unavailable,
    current() {
      const now = clock.now()
      if (hasTurned(now)) begin(epoch.bundle, causeOfTime(epoch, now), { now, isLawTheSame: false })
      return epoch
    },
    swap: (bundle, cause) => begin(bundle, cause, { now: clock.now(), isLawTheSame: false }),
    refresh(cause) {
      const now = clock.now()
      begin(epoch.bundle, cause, { now, isLawTheSame: !hasTurned(now) })
    },
    events: () => events,
    profiles: () => state,
    foreseen: bundle => reached(lawOf(bundle, clock.now()), bundle, unavailable),
  }
}

/** `time: notice-us/gone ends`: what started or ended since the epoch began, as far as a line holds it. */
function causeOfTime({ bundle: { rulebook }, since }: Epoch, now: number): string {
  const turns = rulebook.edges.filter(edge => edge.at > since && edge.at <= now).slice(0, TURNS_TOLD_MAX).flatMap(edge => turnsAt(rulebook, edge.at))
  if (turns.length === 0) return 'time'
  const told = turns.slice(0, TURNS_TOLD_MAX).map(({ what, turn }) => `${what} ${turn}`)
  return `time: ${told.join(', ')}${turns.length > told.length ? ` and ${turns.length - told.length} more` : ''}`
}

/** What each registered class may use. */
const lawOf = ({ rulebook, catalog }: Bundle, now: number): readonly Law[] => registeredClasses(rulebook).map(({ app, data, asked }) => (
  { app, data, asked, permitted: decide(rulebook, asked, now).permitted.map(name => catalog.byName.get(name)!) }))

/** The same with what can be reached of it. */
function reached(law: readonly Law[], { catalog }: Bundle, unavailable: (deployment: Deployment) => string | undefined): State {
  const there = new Set(catalog.deployments.filter(d => unavailable(d) === undefined))
  return law.map(({ app, data, asked, permitted }) => ({ app, data, asked, permitted, available: permitted.filter(d => there.has(d)).map(d => d.name) }))
}

type Now = { readonly bundle: Bundle; readonly now: number; readonly unavailable: (deployment: Deployment) => string | undefined; readonly isLawTheSame: boolean }

function difference(then: State, after: State, about: Now): Pick<PoolEvent, 'profiles' | 'more'> {
  const keyOf = ({ app, data }: Profile): string => JSON.stringify([app, data])
  const was = new Map(then.map(p => [keyOf(p), p])), is = new Map(after.map(p => [keyOf(p), p]))
  const changed = [...new Map([...was, ...is])].flatMap(([key, { app, data, asked }]) => {
    const had = was.get(key)?.available ?? [], has = is.get(key)?.available ?? []
    const before = new Set(had), now = new Set(has)
    const added = has.filter(name => !before.has(name)), gone = had.filter(name => !now.has(name))
    const isPromoted = has[0] !== undefined && had[0] !== has[0]
    return added.length === 0 && gone.length === 0 && !isPromoted ? [] : [{ app, data, asked, added, gone, left: has.length, ...(isPromoted && { promoted: has[0]! }) }]
  })
  return {
    // Why is worked out for those that are told: it takes longer than all the rest.
    profiles: changed.slice(0, PROFILES_TOLD_MAX).map(({ asked, gone, ...change }) => ({ ...change, removed: gone.length === 0 ? [] : whyGone(gone, asked, about) })),
    more: Math.max(0, changed.length - PROFILES_TOLD_MAX),
  }
}

/** Under the same law nothing but what can be reached has changed. */
function whyGone(gone: readonly string[], asked: Asked, { bundle, now, unavailable, isLawTheSame }: Now): ProfileChange['removed'] {
  const rows = isLawTheSame ? [] : explain(bundle.rulebook, asked, now).deployments
  return gone.map(deployment => {
    const row = rows.find(r => r.deployment === deployment)
    const listed = bundle.catalog.byName.get(deployment)
    const rules = row?.because.map(b => b.rule).join(', ')
    const because = listed === undefined ? 'no longer in the catalog' : rules || (row?.granted === false ? 'not granted' : unavailable(listed) ?? 'no longer permitted')
    return { deployment, because }
  })
}
