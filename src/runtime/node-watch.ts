/**
 * What this is for: the one clock of the process. It notices changed policies, edges of time and what discovery finds, and sees to
 * what deployments need when no request comes by: signs of life, and a model to be fetched.
 *
 * What it promises: one thing at a time, so that two changes never race for the bundle in force; policies that do not compile
 * change nothing but an alarm.
 */
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import type { Problem } from '../bundle/problem.ts'
import { failure } from '../failure.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { putInForce } from '../gateway/in-force.ts'
import { createLadder } from '../gateway/ladder.ts'
import { createSharing, type SharedNews } from '../gateway/sharing.ts'
import { createUpkeep } from '../gateway/upkeep.ts'
import type { Policies } from '../http/directives.ts'
import type { Connections } from './node-connections.ts'
import { readPolicies, sameSources, signatureOf } from './node-policies.ts'

const TICK_MS = 250
const DISCOVERY_EVERY_MS = 30_000
const DISCOVERY_WITHIN_MS = 5_000
const ALARM = 'policies'
/**
 * How long a folder must be quiet before a rule that was in force may go. Whoever replaces a folder by deleting and copying
 * has moments in which rules are missing, and those moments must not loosen the law.
 */
const QUIET_MS = 2_000

/** What is in force at the beginning stands beside where it came from. */
export type Watched = Policies & {
  readonly gateway: Gateway
  readonly connections: Connections
  readonly folder: string
  /** What lies over the law of the folder for a while: a drill. The bundle as it is where there is none. */
  readonly overlay: (bundle: Bundle) => Promise<Bundle>
  /** Keeps whatever comes into force, so that what it decides can be decided again. Never rejects. */
  readonly keep: (bundle: Bundle) => Promise<void>
  /** Where other gateways' news is read and ours told; undefined where it stands alone. */
  readonly shared?: SharedNews | undefined
}

export type Watching = {
  /** As they stand in force, whatever the folder holds by now. */
  inForce(): Policies
  /**
   * Gives the policies in force to a piece of work of which they are the subject: until it has ended nothing else changes
   * them. What it puts in force acts at once, a rule that goes too: here somebody has said so. The folder must hold it by
   * then, or the next look at the folder undoes it.
   */
  alone<T>(work: (inForce: Policies, put: (next: Policies, cause: string) => Promise<void>) => Promise<T>): Promise<T>
  /** Puts the policies in force anew, because what lies over them or what servers hold has changed. */
  again(cause: string): Promise<void>
  end(): void
}

/** Looks every quarter of a second, until `end`. */
export function watch({ gateway, connections, folder, overlay, keep, shared, ...begun }: Watched): Watching {
  const { clock, background } = gateway.ports
  let { sources, bundle } = begun
  let signature: string | undefined
  /** What was read and compiles, but lacks a rule in force, and since when it has been so. */
  let waiting: { readonly sources: Sources; readonly since: number } | undefined
  /** The content and the alarm of policies that were not taken. */
  let refused: Sources | undefined
  let complaint: string | undefined
  let discoveryDueAt = clock.now() + DISCOVERY_EVERY_MS
  let isAsking = false
  let hasFound = false
  let isTicking = false
  let hasEnded = false
  const untilEnd = new AbortController()
  const upkeep = createUpkeep(gateway, untilEnd.signal)
  const share = shared === undefined ? () => undefined : createSharing(gateway, shared, untilEnd.signal)
  const isDiscoveryUrgent = createLadder(gateway, untilEnd.signal)
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work)
    turn = done.catch(() => undefined)
    return done
  }

  const keepOld = (message: string): void => {
    if (message === complaint) return
    complaint = message
    gateway.metrics.count('bailiwick_bundle_reload_failed_total')
    gateway.raise(ALARM, `${message} The earlier policies stay in force.`)
  }
  const allIsWell = (): void => {
    refused = undefined
    waiting = undefined
    complaint = undefined
    gateway.clear(ALARM)
  }
  const changeTo = async (next: Bundle, cause: string): Promise<void> => {
    const laidOver = await overlay(await connections.wire(next))
    await keep(laidOver)
    if (hasEnded) return
    putInForce(gateway, laidOver, cause)
  }

  const reload = async (): Promise<void> => {
    const seen = await signatureOf(folder)
    if (seen === signature && waiting === undefined) return
    const read = await readPolicies(folder)
    // What could not be read is looked at again at the next tick, whatever its signature.
    signature = read.ok ? seen : undefined
    if (!read.ok) {
      refused = undefined
      waiting = undefined
      return keepOld(read.wrong)
    }
    if (waiting !== undefined && sameSources(read.sources, waiting.sources) && clock.now() - waiting.since < QUIET_MS) return
    if (sameSources(read.sources, sources)) return allIsWell()
    if (refused !== undefined && sameSources(read.sources, refused)) return
    const compiled = await compile(read.sources, { tests: 'left-out' })
    const isSettled = waiting !== undefined && sameSources(read.sources, waiting.sources)
    if (compiled.ok && !isSettled && lacksARuleOf(bundle, compiled.bundle)) {
      waiting = { sources: read.sources, since: clock.now() }
      return
    }
    waiting = undefined
    for (const problem of compiled.ok ? compiled.bundle.warnings : compiled.problems) logProblem(gateway, problem)
    if (!compiled.ok) {
      refused = read.sources
      return keepOld(firstOf(compiled.problems))
    }
    // A changed test changes the text and nothing that is in force.
    if (compiled.bundle.digest !== bundle.digest) {
      await changeTo(compiled.bundle, 'policies changed')
      bundle = compiled.bundle
      discoveryDueAt = clock.now()
    }
    sources = read.sources
    allIsWell()
  }

  /** Asking goes on beside the ticks: a server that is slow to answer delays no change of the law. */
  const discover = (): void => {
    if (isAsking || clock.now() < discoveryDueAt) return
    isAsking = true
    discoveryDueAt = clock.now() + DISCOVERY_EVERY_MS
    background(connections.ask(bundle, DISCOVERY_WITHIN_MS)
      .then(changed => { hasFound ||= changed })
      .finally(() => { isAsking = false }))
  }

  const look = async (): Promise<void> => {
    try {
      await reload()
      gateway.epochs.current()
      discover()
      if (!hasFound) return
      await changeTo(bundle, 'discovery')
      hasFound = false
    } catch (error) {
      // A fault of ours or of the machine: nothing was put in force, so it is tried again at the next tick.
      signature = undefined
      keepOld(`A change could not be carried out (${error instanceof Error ? error.name : typeof error}).`)
    }
  }
  const tick = async (): Promise<void> => {
    if (isTicking) return
    isTicking = true
    await inTurn(look)
    isTicking = false
  }
  /** Apart from the tick: what goes wrong here delays no change of the law. */
  const seeToDeployments = async (): Promise<void> => {
    share()
    upkeep()
    if (isDiscoveryUrgent()) discoveryDueAt = clock.now()
  }
  const timer = setInterval(() => {
    background(seeToDeployments())
    background(tick())
  }, TICK_MS)
  return {
    inForce: () => ({ sources, bundle }),
    alone: work => inTurn(() => work({ sources, bundle }, async (next, cause) => {
      await changeTo(next.bundle, cause)
      sources = next.sources
      bundle = next.bundle
      waiting = undefined
      discoveryDueAt = clock.now()
    })),
    again: cause => inTurn(() => changeTo(bundle, cause)),
    end() {
      hasEnded = true
      clearInterval(timer)
      untilEnd.abort(failure('cancelled', 'The gateway is stopping.'))
    },
  }
}

/** Whether a rule that is in force is not in the next bundle. A rule that is changed keeps its name. */
function lacksARuleOf(inForce: Bundle, next: Bundle): boolean {
  const names = new Set(next.rulebook.rules.map(r => r.name))
  return inForce.rulebook.rules.some(r => !names.has(r.name))
}

export function logProblem({ ports: { log } }: Gateway, { severity, ...problem }: Problem): void {
  log(severity === 'error' ? 'error' : 'warn', 'policy-problem', problem)
}

function firstOf(problems: readonly Problem[]): string {
  const errors = problems.filter(p => p.severity === 'error')
  const first = errors[0] ?? problems[0]
  if (first === undefined) return 'The policies do not compile.'
  return `${first.file}:${first.line}:${first.column}: ${first.wrong}${errors.length > 1 ? ` (the first of ${errors.length} problems)` : ''}`
}
