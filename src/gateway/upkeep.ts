/**
 * What this is for: asking deployments for a sign of life when no request does it: those whose breaker could close again,
 * those that were withdrawn or refused our key, and a local model that has just become the first choice, to wake it up (resilience, sections 1 and 3).
 *
 * What it assumes: the host calls it now and then; it has no timer, for on Workers there is none that lasts.
 * What it promises: a deployment that no registered app may use under the law in force is never contacted, nor one that is not
 * connected, nor one set aside because it is not what the catalog says; one probe at a deployment at a time, few in all.
 */
import type { Deployment } from '../catalog/catalog.ts'
import { saysHealth } from '../dispatch/verdict.ts'
import type { Failure } from '../failure.ts'
import type { Epochs } from '../pool/epochs.ts'
import { choicesIn } from './choices.ts'
import type { Gateway } from './gateway.ts'
import { isPast } from './is-past.ts'
import { releaseByGateway } from './quarantining.ts'
import { signOfLife } from './sign-of-life.ts'

const PROBES_AT_ONCE_MAX = 4
/** How often what is set aside for a while is asked whether it is so still. */
const RECHECK_EVERY_MS = { withdrawn: 600_000, 'key-refused': 60_000 } as const
/** After an answer that says nothing about health, a refused key for one: the breaker does not wait then, so it is done here. */
const PAUSE_MS = 10_000

type Reason = 'half-open' | 'set-aside' | 'warm-up'

/** The returned function looks at what is due and begins it in the background. An aborted signal ends what it began. */
export function createUpkeep(gateway: Gateway, signal: AbortSignal): () => void {
  const { epochs, breakers, quarantine, unproven, probing, ports: { clock, background } } = gateway
  signal.addEventListener('abort', () => { for (const { controller } of probing.values()) controller.abort(signal.reason) }, { once: true })
  const warmUps = warmUpsOf(gateway)
  /** When a withdrawn one is asked again, and until when one is left alone; in milliseconds since 1970. */
  const recheckAt = new Map<string, number>(), pausedUntil = new Map<string, number>()
  /** The epoch in which those in use were counted, and how many had to prove themselves then. */
  let counted = ''
  let inUse: readonly Deployment[] = []
  /** Of those that have yet to prove themselves, who would be asked first: the others are loaded when it is their turn. */
  let toProve: ReadonlySet<string> = new Set()

  const isDueAgain = (deployment: Deployment, since: number, everyMs: number): boolean => {
    const { name } = deployment
    // One that could not even be contacted, a model that was not held, is asked as soon as it can be.
    if (epochs.connected(deployment) !== undefined) recheckAt.set(name, clock.now())
    return isPast(recheckAt.get(name) ?? since + everyMs, clock.now(), everyMs)
  }
  const reasonFor = (deployment: Deployment): Reason | undefined => {
    const { name } = deployment
    const aside = quarantine.of(name)
    if (aside?.reason === 'compliance-mismatch') return undefined
    if (aside !== undefined) return isDueAgain(deployment, aside.since, RECHECK_EVERY_MS[aside.reason]) ? 'set-aside' : undefined
    recheckAt.delete(name)
    if (unproven.has(name) && !toProve.has(name)) return undefined
    if (breakers.state(name) !== 'closed') return isPast(pausedUntil.get(name), clock.now(), PAUSE_MS) ? 'half-open' : undefined
    return warmUps.isWanted(name) ? 'warm-up' : undefined
  }
  const begin = (deployment: Deployment, reason: Reason): void => {
    const { name } = deployment
    const begunAt = clock.now()
    const isLoading = reason === 'warm-up' || unproven.has(name)
    const aside = quarantine.of(name)?.reason
    if (aside !== undefined && aside !== 'compliance-mismatch') recheckAt.set(name, begunAt + RECHECK_EVERY_MS[aside])
    if (reason === 'warm-up') warmUps.begun(name)
    background(signOfLife(gateway, deployment).then(async failed => {
      if (failed === undefined) warmUps.isAwake(name)
      else if (!saysHealth(failed) && failed.code !== 'refused_by_provider') pausedUntil.set(name, clock.now() + PAUSE_MS)
      // It has had its turn: whatever came of it, those behind it wait no longer.
      unproven.delete(name)
      if (isLoading) warmUps.ended(name, failed, clock.now() - begunAt)
      if (reason === 'set-aside' && (failed === undefined || failed.code === 'refused_by_provider')) await releaseByGateway(gateway, name)
    }))
  }

  return () => {
    if (signal.aborted) return
    const { number } = epochs.current()
    if (counted !== `${number} ${unproven.size}`) {
      counted = `${number} ${unproven.size}`
      inUse = [...new Set(epochs.profiles().flatMap(p => p.permitted))]
      const isHopeful = (d: Deployment): boolean => epochs.unavailable(d) === undefined || (epochs.connected(d) === undefined && unproven.has(d.name) && quarantine.of(d.name) === undefined)
      toProve = unproven.size === 0 ? new Set() : new Set(choicesIn(epochs.profiles(), isHopeful).map(({ deployments: [first] }) => first.name))
      const names = new Set(inUse.map(d => d.name))
      for (const times of [recheckAt, pausedUntil]) for (const name of times.keys()) if (!names.has(name)) times.delete(name)
    }
    warmUps.look()
    for (const deployment of inUse) {
      if (probing.size >= PROBES_AT_ONCE_MAX) return
      if (probing.has(deployment.name)) continue
      const reason = reasonFor(deployment)
      if (reason === undefined || epochs.connected(deployment) !== undefined || !breakers.mayTry(deployment.name)) continue
      begin(deployment, reason)
    }
  }
}

type WarmUps = {
  /** Notices who has become a first choice since the last look. */
  look(): void
  isWanted(deployment: string): boolean
  begun(deployment: string): void
  ended(deployment: string, failed: Failure | undefined, ms: number): void
  /** It has just answered: becoming the first choice by that needs no second question. */
  isAwake(deployment: string): void
}

function warmUpsOf({ epochs, events, ports: { log } }: Gateway): WarmUps {
  let epoch = epochs.current()
  let firsts = firstsOf(epochs)
  const wanted = new Set<string>(), awake = new Set<string>()
  return {
    look() {
      const now = epochs.current()
      if (now.number === epoch.number) return
      epoch = now
      const before = firsts
      firsts = firstsOf(epochs)
      const current = new Set([...firsts.values()].map(d => d.name))
      for (const name of wanted) if (!current.has(name)) wanted.delete(name)
      for (const [of, { name, hosting, rehearsal }] of firsts) {
        if (before.get(of)?.name !== name && hosting === 'local' && !rehearsal && !awake.has(name)) wanted.add(name)
      }
      awake.clear()
    },
    isWanted: name => wanted.has(name),
    begun: name => void wanted.delete(name),
    ended(deployment, failed, ms) {
      const what = { deployment, outcome: failed?.code ?? 'ok', ms }
      log(failed === undefined ? 'info' : 'warn', 'warm-up', what)
      events.publish('warm-up', what)
    },
    isAwake: name => void awake.add(name),
  }
}

const firstsOf = (epochs: Epochs): ReadonlyMap<string, Deployment> => new Map(choicesIn(epochs.profiles()).map(({ of, deployments: [first] }) => [of, first]))
