/**
 * What this is for: which bundle is in force, under which epoch, and what changed when it was rebuilt (resilience, section 1).
 *
 * What it assumes: `current` is asked at every request, so a time edge is seen by the first request after it at the latest.
 * What it promises: an epoch never comes back; every rebuild says its cause and, per app, what came and what went and why.
 */
import type { Bundle } from '../bundle/bundle.ts'
import type { Deployment } from '../catalog/catalog.ts'
import { decide } from '../policy/decide.ts'
import { explain } from '../policy/explain.ts'
import { frameAt } from '../policy/frame.ts'
import { inUtc } from '../policy/time.ts'
import type { Clock } from '../ports.ts'

/** Undefined: can be dispatched to. Otherwise why not, in one word: no-connection, no-key, rehearsal-off. */
export type Connected = (deployment: Deployment) => string | undefined

export type Epoch = { readonly number: number; readonly bundle: Bundle; readonly since: number }

export type PoolEvent = {
  readonly epoch: number
  readonly at: string
  readonly cause: string
  readonly bundle: string
  readonly apps: readonly {
    readonly app: string
    readonly added: readonly string[]
    readonly removed: readonly { readonly deployment: string; readonly because: string }[]
  }[]
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
  readonly connected: Connected
}

const EVENTS_MAX = 200
type Profile = ReadonlyMap<string, ReadonlySet<string>>

export function createEpochs(given: { readonly bundle: Bundle; readonly connected: Connected; readonly clock: Clock; readonly rebuilt: (event: PoolEvent) => void }): Epochs {
  const { connected, clock, rebuilt } = given
  const events: PoolEvent[] = []
  let epoch: Epoch = { number: 1, bundle: given.bundle, since: clock.now() }
  let until = frameAt(epoch.bundle.rulebook, epoch.since).until
  let profile = profileOf(epoch.bundle, epoch.since, connected)

  const begin = (bundle: Bundle, cause: string): void => {
    const now = clock.now()
    const before = profile
    epoch = { number: epoch.number + 1, bundle, since: now }
    until = frameAt(bundle.rulebook, now).until
    profile = profileOf(bundle, now, connected)
    const event = { epoch: epoch.number, at: inUtc(now), cause, bundle: bundle.digest, apps: difference(before, profile, bundle, now, connected) }
    events.push(event)
    if (events.length > EVENTS_MAX) events.shift()
    rebuilt(event)
  }
  return {
    connected,
    current() {
      const now = clock.now()
      // A clock that was set back is a change of frame as well.
      if (now >= until || now < frameAt(epoch.bundle.rulebook, epoch.since).from) begin(epoch.bundle, 'time')
      return epoch
    },
    swap: begin,
    refresh: cause => begin(epoch.bundle, cause),
    events: () => events,
  }
}

/** What each registered app may use and reach, by the facts of its registration alone. */
function profileOf(bundle: Bundle, now: number, connected: Connected): Profile {
  return new Map([...bundle.rulebook.apps.keys()].map(app => [
    app, new Set(decide(bundle.rulebook, { trusted: { app } }, now).permitted.filter(name => connected(bundle.catalog.byName.get(name)!) === undefined)),
  ]))
}

function difference(before: Profile, after: Profile, bundle: Bundle, now: number, connected: Connected): PoolEvent['apps'] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap(app => {
    const had = before.get(app) ?? new Set(), has = after.get(app) ?? new Set()
    const added = [...has].filter(name => !had.has(name))
    const gone = [...had].filter(name => !has.has(name))
    if (added.length === 0 && gone.length === 0) return []
    const rows = gone.length === 0 ? [] : explain(bundle.rulebook, { trusted: { app } }, now).deployments
    const removed = gone.map(deployment => {
      const row = rows.find(r => r.deployment === deployment)
      const listed = bundle.catalog.byName.get(deployment)
      const why = row?.because.map(b => b.rule).join(', ')
      return { deployment, because: listed === undefined ? 'no longer in the catalog' : why || (row?.granted === false ? 'not granted' : connected(listed) ?? 'no longer permitted') }
    })
    return [{ app, added, removed }]
  })
}
