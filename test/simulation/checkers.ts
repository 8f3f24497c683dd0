/**
 * What must hold after every step of a simulation. Each checker sees what happens, in order, and says in one sentence what is
 * wrong; it knows nothing of how the gateway works.
 */
import type { Bundle } from '../../src/bundle/bundle.ts'
import type { DecisionEntry, OutcomeEntry } from '../../src/record/record.ts'
import type { Ask, Seen } from './history.ts'
import { isFit, lawful, wished } from './oracle.ts'

/** Undefined: nothing is wrong. */
export type Checker = (seen: Seen) => string | undefined

const ATTEMPTS_MAX = 4
const ATTEMPTS_OF_ONE_MAX = 2
/** What a slow disk and a provider that does not finish its error may add to a request's time. */
const GRACE_MS = 10_000

/** What was put for a key before, or what `make` makes for it. */
function known<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, value = make())
  return value
}

type Laws = {
  hear(seen: Seen): void
  /** The bundle in force at a gateway now. */
  at(gateway: number): Bundle
  /** Since when it is. */
  since(gateway: number): number
  /** The bundle that a decision names, if it was in force at that gateway when the decision was made. */
  of(gateway: number, decision: DecisionEntry): Bundle | undefined
}

function laws(): Laws {
  const history = new Map<number, { readonly at: number; readonly bundle: Bundle }[]>()
  const last = (gateway: number): { readonly at: number; readonly bundle: Bundle } => history.get(gateway)!.at(-1)!
  return {
    hear: seen => { if (seen.kind === 'law') known(history, seen.gateway, () => []).push({ at: seen.at, bundle: seen.bundle }) },
    at: gateway => last(gateway).bundle,
    since: gateway => last(gateway).at,
    of: (gateway, { at, bundle, catalog }) => history.get(gateway)!.findLast((law, i, all) =>
      law.at <= at && at <= (all[i + 1]?.at ?? Infinity) && law.bundle.digest === bundle && law.bundle.catalogDigest === catalog)?.bundle,
  }
}

/** No attempt outside what the law permits at the instant of the call, nor outside what the caller and the app let answer. Words of nobody carry nobody's words. */
function noAttemptOutsideThePermit(): Checker {
  const law = laws()
  return seen => {
    law.hear(seen)
    if (seen.kind !== 'sent') return undefined
    const { ask, deployment } = seen
    if (ask === undefined) return seen.text.includes('marker-') ? `a probe of ${deployment} carries a caller's words` : undefined
    const bundle = law.at(ask.gateway)
    if (!lawful(bundle, ask, seen.at).permitted.has(deployment)) return `${ask.id} was sent to ${deployment}, which the law does not permit`
    return wished(bundle, ask).has(deployment) ? undefined : `${ask.id} was sent to ${deployment}, which may not stand in for ${ask.needs.model}`
  }
}

/** A decision is kept before the first attempt of each round; each has one outcome, after the last content; the outcome tells the attempts that were made. */
function oneDecisionOneOutcome(): Checker {
  type Round = { readonly id: string; readonly permitted: readonly string[]; readonly at: number; readonly bundle: Bundle; readonly sent: string[]; outcome: string | undefined }
  const law = laws()
  const rounds = new Map<string, Round[]>()
  const byId = new Map<string, { readonly round: Round; readonly all: Round[] }>()
  const hasTurned = ({ bundle, at }: Round, changedAt: number, now: number): boolean => changedAt >= at || bundle.rulebook.edges.some(edge => at < edge.at && edge.at <= now)
  return seen => {
    law.hear(seen)
    if (seen.kind === 'sent' && seen.ask !== undefined) {
      const round = rounds.get(seen.ask.id)?.at(-1)
      if (round === undefined) return `${seen.ask.id} was sent before its decision was kept`
      if (round.outcome !== undefined) return `${seen.ask.id} was sent after its outcome was recorded as ${round.outcome}`
      if (!round.permitted.includes(seen.deployment)) return `${seen.ask.id} was sent to ${seen.deployment}, which its decision on record does not permit`
      round.sent.push(seen.deployment)
    }
    if (seen.kind === 'given') {
      const round = rounds.get(seen.ask.id)?.at(-1)
      if (seen.ask.needs.stream && round?.outcome !== undefined && round.outcome !== 'cancelled') return `${seen.ask.id} got content after its outcome was recorded as ${round.outcome}`
    }
    if (seen.kind === 'entry' && seen.entry.kind === 'decision') {
      const { entry, gateway } = seen
      const all = known(rounds, entry.requestId, () => [])
      const before = all.at(-1)
      if (before !== undefined && before.outcome !== 'superseded') return `${entry.requestId} was decided again while its round before is ${before.outcome ?? 'not ended'}`
      const bundle = law.of(gateway, entry)
      if (bundle === undefined) return `${entry.id} names a bundle that was not in force`
      if (!seen.kept) return undefined
      const round: Round = { id: entry.id, permitted: entry.permitted, at: entry.at, bundle, sent: [], outcome: undefined }
      all.push(round)
      byId.set(`${gateway} ${entry.id}`, { round, all })
    }
    if (seen.kind === 'entry' && seen.entry.kind === 'outcome') {
      const { entry, gateway } = seen
      const found = byId.get(`${gateway} ${entry.id}`)
      if (found === undefined) return `an outcome was recorded for ${entry.id}, which no decision was`
      const { round, all } = found
      if (round.outcome !== undefined) return `${entry.id} has a second outcome, ${entry.outcome} after ${round.outcome}`
      round.outcome = entry.outcome
      if (entry.outcome === 'superseded' && !hasTurned(round, law.since(gateway), seen.at)) return `${entry.id} is recorded as superseded, and the law has not changed`
      const told = entry.attempts.map(a => a.deployment).join(' ')
      const sent = all.flatMap(r => r.sent).join(' ')
      if (told !== sent) return `${entry.id} records attempts at [${told}], and [${sent}] were made`
    }
    if (seen.kind === 'over') {
      const open = [...byId.values()].find(({ round }) => round.outcome === undefined)
      if (open !== undefined) return `${open.round.id} has no outcome`
    }
    return undefined
  }
}

/** After the first content reached the caller, nobody else is asked but to go on with it: for a stream of plain text, where the app and the law let it. */
function nothingAfterContentButARescue(): Checker {
  const law = laws()
  const given = new Set<string>()
  return seen => {
    law.hear(seen)
    if (seen.kind === 'given') given.add(seen.ask.id)
    if (seen.kind !== 'sent' || seen.ask === undefined || !given.has(seen.ask.id)) return undefined
    const { needs, connection, id } = seen.ask
    const mayRescue = connection.streamRescue && lawful(law.at(seen.gateway), seen.ask, seen.at).mayRescue
    return needs.stream && !needs.tools && mayRescue ? undefined : `${id} was sent to ${seen.deployment} after content had reached the caller`
  }
}

/** What the caller got is a beginning of one answer; all of it where it ended as complete. */
function neverATruncatedSuccess(): Checker {
  const offered = new Map<string, Set<string>>()
  const given = new Map<string, string>()
  return seen => {
    if (seen.kind === 'offered') known(offered, seen.ask.id, () => new Set()).add(seen.text)
    if (seen.kind === 'given') {
      const text = (given.get(seen.ask.id) ?? '') + seen.text
      given.set(seen.ask.id, text)
      if (![...offered.get(seen.ask.id) ?? []].some(answer => answer.startsWith(text))) return `${seen.ask.id} got "${text}", which begins no answer that was given`
    }
    if (seen.kind === 'ended' && seen.how === 'bare') return `${seen.ask.id} ended without a word: neither complete nor with an error`
    if (seen.kind === 'ended' && seen.how === 'complete') {
      const text = given.get(seen.ask.id) ?? ''
      if (!offered.get(seen.ask.id)?.has(text)) return `${seen.ask.id} ended as complete with "${text}", which is no whole answer`
    }
    return undefined
  }
}

/** Nothing is sent once the deadline has passed or the caller has gone; attempts are bounded, and every request has an answer in time. */
function withinBounds(): Checker {
  const attempts = new Map<string, Map<string, number>>()
  const open = new Map<string, Ask>()
  const gone = new Set<string>()
  return seen => {
    if (seen.kind === 'asked') open.set(seen.ask.id, seen.ask)
    if (seen.kind === 'answered') open.delete(seen.ask.id)
    if (seen.kind === 'ended' && seen.how === 'left') gone.add(seen.ask.id)
    const late = [...open.values()].find(ask => seen.at > ask.deadline + GRACE_MS)
    if (late !== undefined) return `${late.id} has no answer ${GRACE_MS} ms after its deadline`
    // A whole answer that was there in time is given when its record is kept.
    if (seen.kind === 'given' && seen.at > seen.ask.deadline + (seen.ask.needs.stream ? 0 : GRACE_MS)) return `${seen.ask.id} got content after its deadline`
    if (seen.kind !== 'sent' || seen.ask === undefined) return undefined
    const { ask, deployment } = seen
    if (seen.at >= ask.deadline) return `${ask.id} was sent to ${deployment} after its deadline`
    if (gone.has(ask.id)) return `${ask.id} was sent to ${deployment} after its caller had gone`
    const of = known(attempts, ask.id, () => new Map<string, number>())
    of.set(deployment, (of.get(deployment) ?? 0) + 1)
    if (of.get(deployment)! > ATTEMPTS_OF_ONE_MAX) return `${ask.id} was sent to ${deployment} for the ${of.get(deployment)}th time`
    const sum = [...of.values()].reduce((a, b) => a + b, 0)
    return sum > ATTEMPTS_MAX ? `${ask.id} was sent for the ${sum}th time` : undefined
  }
}

/** When everything is healed, every permitted request is answered in full and nothing keeps a deployment from being tried. */
function everythingComesBack(): Checker {
  const law = laws()
  const answerable = new Set<string>()
  return seen => {
    law.hear(seen)
    if (seen.kind === 'asked' && seen.ask.isLast) {
      const bundle = law.at(seen.ask.gateway)
      const permitted = lawful(bundle, seen.ask, seen.at).permitted, wish = wished(bundle, seen.ask)
      if (bundle.catalog.deployments.some(d => permitted.has(d.name) && wish.has(d.name) && isFit(d, seen.ask))) answerable.add(seen.ask.id)
    }
    if (seen.kind === 'answered' && seen.how === 'failed' && answerable.has(seen.ask.id)) return `${seen.ask.id} may be answered and everything is well, and it failed as ${seen.code}`
    if (seen.kind === 'ended' && seen.how === 'complete') answerable.delete(seen.ask.id)
    if (seen.kind !== 'over') return undefined
    if (answerable.size > 0) return `${[...answerable][0]} may be answered and everything is well, and it was not`
    return seen.open.length > 0 ? `${seen.open[0]} is still kept out although everything has been well for long` : undefined
  }
}

/** Refused by law if and only if the law permits nothing of what may answer; unavailable only where something is permitted. */
function illegalIsNotUnavailable(): Checker {
  const law = laws()
  const decided = new Map<string, { readonly bundle: Bundle; readonly at: number }>()
  return seen => {
    law.hear(seen)
    if (seen.kind === 'entry' && seen.entry.kind === 'decision') decided.set(seen.entry.requestId, { bundle: law.of(seen.gateway, seen.entry) ?? law.at(seen.gateway), at: seen.entry.at })
    const last = seen.kind === 'answered' ? decided.get(seen.ask.id) : undefined
    if (seen.kind !== 'answered' || last === undefined) return undefined
    const { code, permitted } = lawful(last.bundle, seen.ask, last.at)
    const wish = wished(last.bundle, seen.ask)
    const isIllegal = ![...permitted].some(name => wish.has(name))
    const expected = code === 'data_not_registered' ? code : 'no_permitted_model'
    const isSaid = seen.code === 'no_permitted_model' || seen.code === 'data_not_registered'
    if (isSaid && (!isIllegal || seen.code !== expected)) return `${seen.ask.id} was told ${seen.code}, and ${isIllegal ? `it is ${expected}` : 'the law permits it'}`
    const isAnswer = seen.how === 'whole' || seen.how === 'stream' || seen.code === 'permitted_models_unavailable' || seen.code === 'deadline_exceeded'
    return isIllegal && isAnswer ? `${seen.ask.id} was told ${seen.code ?? seen.how}, and the law permits nothing` : undefined
  }
}

/** A server that showed that it is not what the catalog says gets nothing until somebody releases it, nor from another gateway that has been told. */
function noTrustAfterALie(): Checker {
  const liars = new Map<string, string>()
  /** When people released what they knew of, by their own gateway's records. */
  const releasedAt = new Map<string, number>()
  return seen => {
    if (seen.kind === 'entry' && seen.kept && seen.entry.kind === 'quarantine' && seen.entry.action === 'released') releasedAt.set(`${seen.gateway} ${seen.entry.deployment}`, seen.at)
    if (seen.kind === 'lied' || (seen.kind === 'warned' && seen.lastSeen > (releasedAt.get(`${seen.gateway} ${seen.deployment}`) ?? 0))) liars.set(`${seen.gateway} ${seen.deployment}`, seen.what)
    if (seen.kind === 'released') liars.delete(`${seen.gateway} ${seen.deployment}`)
    if (seen.kind !== 'sent') return undefined
    const what = liars.get(`${seen.gateway} ${seen.deployment}`)
    return what === undefined ? undefined : `${seen.ask?.id ?? 'a probe'} was sent to ${seen.deployment}, which had lied (${what})`
  }
}

/** At the end no timer runs, no caller's signal is listened to and no answer is left open. */
function nothingIsLeftBehind(): Checker {
  return seen => {
    if (seen.kind !== 'over') return undefined
    if (seen.timers > 0) return `${seen.timers} timers are left`
    if (seen.listeners.length > 0) return `the signal of ${seen.listeners[0]} is still listened to`
    return seen.bodies.length > 0 ? `the answer of ${seen.bodies[0]} was left open` : undefined
  }
}

/** A server that asks to be left alone is left alone so long, by requests and by probes, as long as it stays in the catalog. */
function retryAfterIsHonoured(): Checker {
  const waits = new Map<string, number>()
  const law = laws()
  return seen => {
    law.hear(seen)
    if (seen.kind === 'law') for (const key of waits.keys()) if (key.startsWith(`${seen.gateway} `) && !seen.bundle.catalog.byName.has(key.split(' ')[1]!)) waits.delete(key)
    if (seen.kind === 'told-to-wait' && law.at(seen.gateway).catalog.byName.has(seen.deployment)) waits.set(`${seen.gateway} ${seen.deployment}`, seen.until)
    const until = seen.kind === 'sent' ? waits.get(`${seen.gateway} ${seen.deployment}`) : undefined
    return seen.kind === 'sent' && until !== undefined && seen.at < until ? `${seen.ask?.id ?? 'a probe'} was sent to ${seen.deployment} ${until - seen.at} ms before it may be asked again` : undefined
  }
}

/** What is on record is what the caller was told: complete is answered, a failure is that failure, an error in a stream is none of an answer. */
function theRecordTellsWhatHappened(): Checker {
  const rounds = new Map<string, string>()
  const outcomes = new Map<string, OutcomeEntry>()
  const told = new Map<string, { readonly ask: Ask; readonly how: string; readonly code: string | undefined }>()
  return seen => {
    if (seen.kind === 'entry' && seen.entry.kind === 'decision') rounds.set(`${seen.gateway} ${seen.entry.id}`, seen.entry.requestId)
    if (seen.kind === 'entry' && seen.entry.kind === 'outcome' && seen.kept) outcomes.set(rounds.get(`${seen.gateway} ${seen.entry.id}`) ?? '', seen.entry)
    if (seen.kind === 'answered' && seen.how === 'failed') told.set(seen.ask.id, { ask: seen.ask, how: 'failed', code: seen.code })
    if (seen.kind === 'ended' && seen.how !== 'left' && !told.has(seen.ask.id)) told.set(seen.ask.id, { ask: seen.ask, how: seen.how, code: undefined })
    if (seen.kind === 'ended' && seen.how === 'complete' && outcomes.get(seen.ask.id)?.outcome !== 'answered') return `${seen.ask.id} was told complete, and that is not on record`
    if (seen.kind !== 'over') return undefined
    for (const [id, { how, code }] of told) {
      const outcome = outcomes.get(id)
      // What could not be recorded, or was never decided, has no outcome that could agree.
      if (outcome === undefined || code === 'cannot_record' || outcome.outcome === 'superseded') continue
      if ((how === 'complete') !== (outcome.outcome === 'answered')) return `${id} ended as ${how}, and ${outcome.outcome} is on record`
      if (code !== undefined && outcome.code !== code) return `${id} was told ${code}, and ${outcome.code ?? 'nothing'} is on record`
    }
    return undefined
  }
}

/** A throw is a broken invariant. */
function nothingIsThrown(): Checker {
  return seen => (seen.kind === 'thrown' ? `thrown: ${seen.what}` : undefined)
}

export const CHECKERS = {
  noAttemptOutsideThePermit, oneDecisionOneOutcome, nothingAfterContentButARescue, neverATruncatedSuccess, withinBounds,
  everythingComesBack, illegalIsNotUnavailable, noTrustAfterALie, nothingIsLeftBehind, retryAfterIsHonoured, theRecordTellsWhatHappened, nothingIsThrown,
} as const satisfies Readonly<Record<string, () => Checker>>

export type CheckerName = keyof typeof CHECKERS
