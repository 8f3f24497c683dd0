/**
 * What this is for: walking the pool: one deadline, bounded attempts, fallback until the first content byte, and after it
 * somebody to go on with a stream that breaks (resilience, section 4).
 *
 * What it assumes: a Pool, which only a permit can make. What it promises: nothing is sent to a deployment that the permit
 * does not cover at that instant, or under an epoch that has passed; after the first content byte no other deployment is
 * asked but to go on from it; every attempt is reported, and the breaker hears how it went once the answer has ended.
 */
import type { Breakers } from '../breaker/breaker.ts'
import type { Deployment, Timeouts } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import { readBody } from '../openai/body.ts'
import type { Pool } from '../pool/pool.ts'
import type { Clock, Random } from '../ports.ts'
import { reported, type Said } from '../provider/attestation.ts'
import type { ProviderCall, ProviderPort, Usage } from '../provider/provider.ts'
import { isKeyRefused } from '../provider/refusal.ts'
import { pause, type Attempt } from './attempt.ts'
import { mismatch, open, type Opened, type Source } from './open.ts'
import { createSplice, PREFILL_CHARACTERS_MIN, type Seam } from './splice.ts'
import { committedStream } from './stream.ts'
import { isTooLong, saysHealth, verdict } from './verdict.ts'

export type Dispatch = {
  readonly pool: Pool
  readonly call: ProviderCall
  /** How many answers are asked for: a stream is complete when each of them is. */
  readonly choices: number
  /** When the request came; the total deadline counts from here. */
  readonly receivedAt: number
  /** Attempts of this request under a law that has passed since: they count. */
  readonly before: readonly Attempt[]
  /** The caller's. */
  readonly signal: AbortSignal
  readonly providers: ProviderPort
  readonly breakers: Breakers
  readonly clock: Clock
  readonly random: Random
  /** What the app says of its requests. */
  readonly wishes: {
    readonly timeouts: Partial<Timeouts>
    readonly onContentFilter: 'return' | 'next'
    /** Whether another deployment may go on with a stream that breaks. */
    readonly mayRescue: boolean
  }
  /** The pool under the epoch in force now; undefined when the law is another one by now. */
  readonly renew: (pool: Pool) => Pool | undefined
  /** Whether a deployment is set aside by now. */
  readonly isSetAside: (deployment: string) => boolean
  /** What in a server's account of its own work does not agree with the facts; undefined when nothing does. */
  readonly attest: (deployment: Deployment, said: Said) => string | undefined
  /** Told once how an attempt went, when its answer has ended; undefined is success. */
  readonly noticed: (deployment: Deployment, failed: Failure | undefined) => void
  /** Told once, when a committed answer has ended. */
  readonly ended: (end: Ended) => void
  /** Whether the end that was told is on record: no stream is told complete before. */
  readonly kept: () => Promise<boolean>
}

export type Ended = {
  readonly outcome: 'answered' | 'cut' | 'cancelled'
  readonly failure: Failure | undefined
  /** Tokens as far as they were told; where a stream was gone on with, with about those that came before. */
  readonly usage: Usage | undefined
  /** Pieces of content that came, about one token each: what there is to go by when no usage was told. */
  readonly pieces: number
  /** The model that the server said it is. */
  readonly servedModel: string | undefined
  /** Where the server said that it ran, in a word. */
  readonly reportedRegion: string | undefined
  /** All whose words are in the answer, in order. */
  readonly deployments: readonly string[]
  /** What the server said, at the end, that does not agree with the facts. */
  readonly mismatch: string | undefined
}

export type Dispatched =
  | { readonly kind: 'whole'; readonly deployment: Deployment; readonly attempts: readonly Attempt[]; readonly body: Uint8Array }
  /** `attempts` grows while the stream runs, where it has to be rescued. */
  | { readonly kind: 'stream'; readonly deployment: Deployment; readonly attempts: readonly Attempt[]; readonly body: AsyncIterable<Uint8Array> }
  | { readonly kind: 'failed'; readonly attempts: readonly Attempt[]; readonly failure: Failure }
  /** The law has changed: the request must be decided anew before anything more is sent. */
  | { readonly kind: 'stale'; readonly attempts: readonly Attempt[] }

const LEFT = failure('cancelled', 'The caller hung up.')
const ATTEMPTS_MAX = 4
const TRIES_OF_ONE_MAX = 2
const RETRY_AFTER_MS = 5_000

export async function dispatch(d: Dispatch): Promise<Dispatched> {
  const attempts: Attempt[] = [...d.before]
  const deadline = d.receivedAt + (d.wishes.timeouts.total ?? d.pool.members[0]?.timeouts.total ?? 0)
  const left = (): number => deadline - d.clock.now()
  // What was overtaken by the law has not been asked.
  const triesOf = ({ name }: Deployment): number => attempts.filter(a => a.deployment === name && a.code !== 'overtaken').length
  let pool = d.pool
  let again: Deployment | undefined
  let last: Failure | undefined
  while (attempts.length < ATTEMPTS_MAX) {
    const began = d.clock.now()
    const renewed = d.renew(pool)
    if (renewed === undefined) return { kind: 'stale', attempts }
    pool = renewed
    const isLeft = (m: Deployment): boolean => triesOf(m) === 0 && (!isTooLong(last) || mayHoldMore(m, pool, attempts))
    const deployment: Deployment | undefined = again !== undefined && pool.members.includes(again) ? again : pool.members.find(isLeft)
    again = undefined
    if (deployment === undefined) break
    if (d.signal.aborted) {
      last = LEFT
      break
    }
    if (left() <= 0) {
      last = failure('deadline_exceeded', 'The time for this request ran out.')
      break
    }
    const others = pool.members.filter(m => m !== deployment && isLeft(m))
    const tried = await attempt(d, { began, pool, deployment, call: d.call, left, attempts, isLast: others.length === 0 })
    if (tried === 'not-now') {
      // Somebody else is probing it, or it has just failed too often; whoever is left may be asked.
      pool = pool.narrowed(m => m !== deployment)
      continue
    }
    if (tried.kind === 'whole') return { kind: 'whole', deployment, attempts, body: tried.body }
    if (tried.kind === 'stream') return { kind: 'stream', deployment, attempts, body: follow(d, tried.source, { pool, attempts, left }) }

    last = tried.failure
    // Whoever is behind the same key need not be asked: it would cost the tries of those that could answer.
    const { key } = deployment.connection ?? {}
    if (isKeyRefused(last) && key !== undefined) pool = pool.narrowed(m => m.connection?.key !== key)
    const what = verdict(last, {
      wasRetried: triesOf(deployment) >= TRIES_OF_ONE_MAX, isLast: others.length === 0, patienceMs: Math.min(timeoutsOf(d, deployment).firstToken, left()),
      onContentFilter: d.wishes.onContentFilter, nextIsSameProvider: others[0]?.provider === deployment.provider, random: d.random,
    })
    if (what.step === 'end') break
    if (what.step === 'same') again = deployment
    if (what.afterMs >= left()) break
    if (!await waited(what.afterMs, d)) {
      last = LEFT
      break
    }
  }
  return { kind: 'failed', attempts, failure: conclude(last, attempts, { outOfTime: left() <= 0 }) }
}

type Trying = {
  /** Read before the pool was renewed, so that no edge of time can fall between the two. */
  readonly began: number
  readonly pool: Pool
  readonly deployment: Deployment
  readonly call: ProviderCall
  readonly left: () => number
  readonly attempts: Attempt[]
  /** Nobody else could answer in its place. */
  readonly isLast: boolean
  /** Where the answer goes on with another's. */
  readonly seam?: Seam
}

/** One attempt, on record, and its failure told to whom it concerns. */
async function attempt(d: Dispatch, { began, pool, deployment, call, left, attempts, isLast, seam }: Trying): Promise<Opened | 'not-now'> {
  const { name } = deployment
  // INVARIANT: asserted where the permit was issued, and here where the socket opens.
  if (!pool.permit.covers(name, began)) throw new Error(`dispatch to ${name} without a permit`)
  const trial = d.breakers.begin(name)
  if (trial === undefined) return 'not-now'
  const timeouts = timeoutsOf(d, deployment)
  const opened = await open({
    deployment, call: { ...call, mayLeave: () => pool.permit.covers(name, d.clock.now()) && d.renew(pool) !== undefined && !d.isSetAside(name) }, timeouts, left, trial, choices: d.choices, signal: d.signal, providers: d.providers, clock: d.clock, attest: d.attest,
    // A whole answer shows nothing until it is finished, so patience is all there is; half of it is kept for another's try.
    wholeWithin: timeouts.whole ?? (isLast ? left() : left() / 2),
    ...(seam !== undefined && { splice: createSplice(seam) }),
  })
  const failed = opened.kind === 'failed' ? opened.failure : undefined
  attempts.push({
    deployment: name, epoch: pool.epoch, at: began, code: failed?.code ?? 'ok', ms: d.clock.now() - began,
    ...(failed?.upstream !== undefined && { upstreamStatus: failed.upstream.status }), ...(seam !== undefined && { rescue: seam.kind }),
  })
  if (failed !== undefined && saysHealth(failed)) trial.report(failed)
  else if (failed !== undefined) trial.drop()
  // How a stream went is known at its end.
  if (opened.kind !== 'stream') d.noticed(deployment, failed)
  if (opened.kind === 'whole') {
    trial.report(undefined)
    d.ended({ outcome: 'answered', failure: undefined, usage: opened.answer.usage, pieces: 0, servedModel: opened.reported.servedModel, reportedRegion: opened.reported.reportedRegion, deployments: [name], mismatch: undefined })
  }
  return opened
}

/** False when the caller left meanwhile. A timer may fire a moment before its time has come by the clock. */
async function waited(ms: number, { clock, signal }: Dispatch): Promise<boolean> {
  const at = clock.now() + ms
  while (clock.now() < at && !signal.aborted) await pause(at - clock.now(), signal, clock)
  return !signal.aborted
}

const timeoutsOf = ({ wishes }: Dispatch, { timeouts }: Deployment): Timeouts => ({ ...timeouts, ...wishes.timeouts })

/** After "too long", only a deployment with a larger context is worth asking. */
function mayHoldMore(next: Deployment, pool: Pool, attempts: readonly Attempt[]): boolean {
  const tried = pool.members.filter(m => attempts.some(a => a.deployment === m.name)).map(m => m.context ?? Infinity)
  return (next.context ?? Infinity) > Math.max(...tried)
}

/** What the caller is told when no attempt led to an answer. */
function conclude(last: Failure | undefined, attempts: readonly Attempt[], { outOfTime }: { readonly outOfTime: boolean }): Failure {
  if (last?.code === 'cancelled' || last?.code === 'refused_by_provider') return last
  if (outOfTime) return failure('deadline_exceeded', 'The time for this request ran out before a model answered.')
  const tried = attempts.map(a => `${a.deployment}: ${a.code}, ${Math.round(a.ms)} ms`).join('; ')
  return failure('permitted_models_unavailable', `No model that this request may use answered${tried === '' ? '' : ` (${tried})`}.`, {
    retryAfterMs: last?.retryAfterMs ?? RETRY_AFTER_MS, ...(last !== undefined && { cause: last }),
  })
}

type Following = { readonly pool: Pool; readonly attempts: Attempt[]; readonly left: () => number }

/** The stream as the caller gets it, whoever gives it. */
function follow(d: Dispatch, first: Source, { pool, attempts, left }: Following): AsyncIterable<Uint8Array> {
  const deployments = [first.deployment.name]
  /** Of sources that broke. */
  let piecesBefore = 0
  return committedStream({
    first, clock: d.clock, left, hasLeft: () => d.signal.aborted, kept: d.kept,
    over({ deployment, trial, scanner }, why) {
      const wrong = d.attest(deployment, { geo: scanner.geo })
      const told = wrong === undefined ? why : mismatch(deployment.name, wrong)
      if (why === undefined || saysHealth(why)) trial.report(why)
      else trial.drop()
      d.noticed(deployment, told)
      if (why === undefined || why.code === 'cancelled') return
      const at = attempts.findLastIndex(a => a.deployment === deployment.name)
      attempts[at] = { ...attempts[at]!, code: why.code, afterContent: true }
    },
    async rescue({ scanner, splice, deployment: { name: broke } }, why) {
      piecesBefore += scanner.pieces
      const sent = scanner.text === undefined ? undefined : splice?.textWith(scanner.text) ?? scanner.text
      if (sent === undefined || why.code === 'cancelled' || !canBeGoneOn(d)) return undefined
      const ill = new Set([broke])
      for (const { deployment, kind } of rescuers(pool, { call: d.call, sent, attempts })) {
        const began = d.clock.now(), renewed = d.renew(pool)
        if (renewed === undefined || attempts.length >= ATTEMPTS_MAX || left() <= 0 || d.signal.aborted) return undefined
        if (!renewed.members.includes(deployment) || ill.has(deployment.name)) continue
        const call = kind === 'prefill' ? prefilled(d.call, sent) : d.call
        if (call === undefined) continue
        const seam: Seam = { sent, kind, deployments: [...deployments, deployment.name] }
        const tried = await attempt(d, { began, pool: renewed, deployment, call, left, attempts, isLast: true, seam })
        if (tried === 'not-now' || (tried.kind === 'failed' && (saysHealth(tried.failure) || tried.failure.code === 'diverged' && kind === 'restart'))) ill.add(deployment.name)
        if (tried === 'not-now' || tried.kind !== 'stream') continue
        deployments.push(deployment.name)
        return tried.source
      }
      return undefined
    },
    ended({ outcome, failure: why, source: { scanner, deployment, said } }) {
      const { usage, pieces } = scanner, { servedModel, reportedRegion } = reported(deployment, said())
      // Of a stream that could not be rescued, the last source is among those that broke.
      const before = outcome === 'cut' ? piecesBefore - pieces : piecesBefore
      d.ended({
        outcome, failure: why, servedModel, reportedRegion, deployments,
        usage: usage && { ...usage, output: usage.output + before },
        pieces: pieces + before,
        mismatch: d.attest(deployment, { geo: scanner.geo }),
      })
    },
  })
}

/** One answer of plain text is all that another can go on with. */
const canBeGoneOn = ({ call, choices, wishes }: Dispatch): boolean => wishes.mayRescue && choices === 1 && (call.operation === 'chat' || call.operation === 'completion')

type Rescuer = { readonly deployment: Deployment; readonly kind: Seam['kind'] }

/** Who may go on, in the order to ask: those that take the text already said first, then those that would have to say it again. */
function rescuers(pool: Pool, { call, sent, attempts }: { readonly call: ProviderCall; readonly sent: string; readonly attempts: readonly Attempt[] }): readonly Rescuer[] {
  const fresh = pool.members.filter(m => !attempts.some(a => a.deployment === m.name))
  const takers = call.operation === 'chat' && sent.length >= PREFILL_CHARACTERS_MIN ? fresh.filter(m => m.can.includes('prefill')) : []
  return [...takers.map<Rescuer>(deployment => ({ deployment, kind: 'prefill' })), ...fresh.map<Rescuer>(deployment => ({ deployment, kind: 'restart' }))]
}

/** The call with the text already said as the beginning of the answer; undefined where the caller has begun one in another form than text. */
function prefilled(call: ProviderCall, sent: string): ProviderCall | undefined {
  const read = readBody(call.body)
  const messages = read.ok ? read.body.value['messages'] : undefined
  if (!read.ok || !Array.isArray(messages)) return undefined
  const last = messages.at(-1) as { readonly role?: unknown; readonly content?: unknown } | undefined
  const isBegun = last?.role === 'assistant'
  if (isBegun && typeof last.content !== 'string') return undefined
  const said = isBegun ? [...messages.slice(0, -1) as unknown[], { ...last, content: `${String(last.content)}${sent}` }] : [...messages as unknown[], { role: 'assistant', content: sent }]
  return { ...call, body: read.body.edit({ set: { messages: said } }) }
}
