/**
 * What this is for: walking the pool: one deadline, bounded attempts, fallback until the first content byte (resilience, section 4).
 *
 * What it assumes: a Pool, which only a permit can make. What it promises: nothing is sent to a deployment that the permit
 * does not cover at that instant, or under an epoch that has passed; after the first content byte no other deployment is
 * asked; every attempt is reported, and the breaker hears how it went once the answer has ended.
 */
import type { Breakers } from '../breaker/breaker.ts'
import type { Deployment } from '../catalog/catalog.ts'
import { FAILURES, failure, type Failure } from '../failure.ts'
import { concat } from '../openai/bytes.ts'
import { readAnswer } from '../openai/answer.ts'
import { streamScanner } from '../openai/sse.ts'
import type { Pool } from '../pool/pool.ts'
import type { Clock } from '../ports.ts'
import { failureOf } from '../provider/broken.ts'
import { isWithdrawn } from '../provider/refusal.ts'
import type { ProviderCall, ProviderPort, Usage } from '../provider/provider.ts'
import { attemptSignal, type Attempt, type AttemptSignal } from './attempt.ts'
import { committedStream } from './stream.ts'

export type Dispatch = {
  readonly pool: Pool
  readonly call: ProviderCall
  /** How many answers are asked for: a stream is complete when each of them is. */
  readonly choices: number
  /** When the request came; the total deadline counts from here. */
  readonly receivedAt: number
  /** The caller's. */
  readonly signal: AbortSignal
  readonly providers: ProviderPort
  readonly breakers: Breakers
  readonly clock: Clock
  /** The epoch in force now. */
  readonly epochNow: () => number
  /** Told once, when a committed answer has ended. */
  readonly ended: (end: Ended) => void
}

export type Ended = {
  readonly outcome: 'answered' | 'cut' | 'cancelled'
  readonly failure: Failure | undefined
  readonly usage: Usage | undefined
  /** Pieces of content that came, about one token each: what there is to go by when no usage was told. */
  readonly pieces: number
  /** The model that the server said it is. */
  readonly servedModel: string | undefined
}

export type Dispatched =
  | { readonly kind: 'whole'; readonly deployment: Deployment; readonly attempts: readonly Attempt[]; readonly body: Uint8Array }
  | { readonly kind: 'stream'; readonly deployment: Deployment; readonly attempts: readonly Attempt[]; readonly body: AsyncIterable<Uint8Array> }
  | { readonly kind: 'failed'; readonly attempts: readonly Attempt[]; readonly failure: Failure }
  /** The epoch has passed: the request must be decided anew before anything more is sent. */
  | { readonly kind: 'stale'; readonly attempts: readonly Attempt[] }

const ATTEMPTS_MAX = 4
const ANSWER_BYTES_MAX = 64 * 1024 * 1024
const HELD_BYTES_MAX = 1024 * 1024
const RETRY_AFTER_MS = 5_000

export async function dispatch(d: Dispatch): Promise<Dispatched> {
  const attempts: Attempt[] = []
  const deadline = d.receivedAt + (d.pool.members[0]?.timeouts.total ?? 0)
  let last: Failure | undefined
  for (const deployment of d.pool.members) {
    if (attempts.length >= ATTEMPTS_MAX) break
    if (isTooLong(last) && !mayHoldMore(deployment, d, attempts)) continue
    if (d.epochNow() !== d.pool.epoch) return { kind: 'stale', attempts }
    const began = d.clock.now()
    if (began >= deadline) {
      last = failure('deadline_exceeded', 'The time for this request ran out.')
      break
    }
    // INVARIANT: asserted where the permit was issued, and here where the socket opens.
    if (!d.pool.permit.covers(deployment.name, began)) throw new Error(`dispatch to ${deployment.name} without a permit`)
    if (!d.breakers.mayTry(deployment.name)) continue

    const result = await tryOne(d, deployment, deadline)
    const note = (code: Attempt['code'], f?: Failure): Attempt => ({
      deployment: deployment.name, epoch: d.pool.epoch, code, ms: d.clock.now() - began,
      ...(f?.upstream !== undefined && { upstreamStatus: f.upstream.status }),
    })
    if (result.kind !== 'failed') {
      attempts.push(note('ok'))
      return { ...result, deployment, attempts }
    }
    last = result.failure
    attempts.push(note(last.code, last))
    if (isEvidence(last)) d.breakers.report(deployment.name, last)
    if (last.code === 'cancelled' || (last.code === 'refused_by_provider' && !isTooLong(last))) break
  }
  return { kind: 'failed', attempts, failure: conclude(last, attempts, { outOfTime: d.clock.now() >= deadline }) }
}

/** Whether a failure says something about the deployment's health: our key, the request, a caller who left or a model that is gone do not. */
const isEvidence = (f: Failure): boolean => FAILURES[f.code].health && !isWithdrawn(f)

const isTooLong = (f: Failure | undefined): boolean => f?.upstream?.code === 'context_length_exceeded'

/** After "too long", only a deployment with a larger context is worth asking. */
function mayHoldMore(next: Deployment, { pool }: Dispatch, attempts: readonly Attempt[]): boolean {
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

type Tried = { readonly kind: 'whole'; readonly body: Uint8Array } | { readonly kind: 'stream'; readonly body: AsyncIterable<Uint8Array> } | { readonly kind: 'failed'; readonly failure: Failure }

async function tryOne(d: Dispatch, deployment: Deployment, deadline: number): Promise<Tried> {
  const { name, timeouts } = deployment
  const attempt = attemptSignal(d.signal, d.clock)
  const left = (): number => deadline - d.clock.now()
  // A whole answer shows nothing until it is finished, so only the request's own deadline can bound it.
  attempt.allow(d.call.stream ? Math.min(timeouts.firstToken, left()) : left(), `${name}'s answer`)
  try {
    const result = await d.providers.send(deployment, d.call, attempt.signal)
    if (!result.ok) return fail(attempt, result.failure)
    return d.call.stream ? await holdBack(d, deployment, result.body, attempt, left) : await readWhole(d, deployment, result.body, attempt)
  } catch (thrown) {
    return fail(attempt, failureOf(thrown, attempt.signal, name))
  }
}

function fail(attempt: AttemptSignal, why: Failure): Tried {
  attempt.release()
  attempt.abort(why)
  return { kind: 'failed', failure: why }
}

async function readWhole(d: Dispatch, { name }: Deployment, body: AsyncIterable<Uint8Array>, attempt: AttemptSignal): Promise<Tried> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > ANSWER_BYTES_MAX) return fail(attempt, failure('upstream_error', `${name} answered with more than ${ANSWER_BYTES_MAX} bytes.`))
    chunks.push(chunk)
  }
  const bytes = concat(chunks)
  const answer = readAnswer(bytes, d.call.operation)
  if (answer === undefined) return fail(attempt, failure('upstream_error', `${name} answered with something that is no JSON object.`))
  if (answer.error !== undefined) return fail(attempt, failure('upstream_error', `${name} answered with an error.`, { upstream: { status: 200, ...answer.error } }))
  if (!answer.complete) return fail(attempt, failure('upstream_error', `${name} answered without an answer.`, { upstream: { status: 200 } }))
  attempt.release()
  d.breakers.report(name, undefined)
  d.ended({ outcome: 'answered', failure: undefined, usage: answer.usage, pieces: 0, servedModel: answer.model })
  return { kind: 'whole', body: bytes }
}

/** Keeps the first events back until one holds content, so that a failure before it stays invisible. */
async function holdBack(d: Dispatch, { name, timeouts }: Deployment, body: AsyncIterable<Uint8Array>, attempt: AttemptSignal, left: () => number): Promise<Tried> {
  const scanner = streamScanner({ choices: d.choices })
  const rest = body[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  let heldBytes = 0
  while (!scanner.hasContent && !scanner.finished) {
    const next = await rest.next()
    heldBytes += next.value?.length ?? 0
    const whole = next.done === true ? scanner.end() : scanner.feed(next.value)
    if (whole !== undefined) held.push(whole)
    if (scanner.error !== undefined) {
      return fail(attempt, failure('upstream_error', `${name} answered with an error.`, { upstream: { status: 200, ...scanner.error } }))
    }
    // Nothing has been given to the caller yet, so an answer that ends unfinished is a failed attempt and no more.
    if ((next.done === true || scanner.done) && !scanner.finished) return fail(attempt, failure('unreachable', `${name} ended its answer before it was complete.`))
    if (scanner.overflow || heldBytes > HELD_BYTES_MAX) return fail(attempt, failure('upstream_error', `${name} sent ${HELD_BYTES_MAX} bytes without content.`))
  }
  return {
    kind: 'stream',
    body: committedStream({
      name, held, rest, scanner, attempt,
      idleMs: timeouts.idle, left,
      ended: end => {
        if (end.outcome !== 'cancelled' && (end.failure === undefined || isEvidence(end.failure))) d.breakers.report(name, end.failure)
        d.ended({ ...end, usage: scanner.usage, pieces: scanner.pieces, servedModel: scanner.model })
      },
    }),
  }
}
