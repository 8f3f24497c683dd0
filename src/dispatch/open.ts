/**
 * What this is for: from a call to one deployment to an answer that has begun: whole and checked, or a stream whose first
 * content is known. Until then nothing has reached the caller, and a failure is a failed attempt and no more.
 */
import type { Trial } from '../breaker/breaker.ts'
import type { Deployment, Timeouts } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import { readAnswer, type Answer } from '../openai/answer.ts'
import { concat } from '../openai/bytes.ts'
import type { ProviderError } from '../openai/error.ts'
import { streamScanner, type StreamScanner } from '../openai/sse.ts'
import type { Clock } from '../ports.ts'
import { reported, type Reported, type Said } from '../provider/attestation.ts'
import { failureOf } from '../provider/broken.ts'
import { aboutRequest, isAboutRequest, withoutRepeats } from '../provider/refusal.ts'
import type { ProviderAnswer, ProviderCall, ProviderPort } from '../provider/provider.ts'
import type { Repeats } from '../provider/repeat.ts'
import { attemptSignal, type AttemptSignal } from './attempt.ts'
import type { Splice } from './splice.ts'

export type Opening = {
  readonly deployment: Deployment
  readonly call: ProviderCall
  /** How many answers are asked for: a stream is complete when each of them is. */
  readonly choices: number
  readonly timeouts: Timeouts
  /** Milliseconds until an answer that is no stream must begin. */
  readonly wholeWithin: number
  /** Milliseconds until the request's own deadline. */
  readonly left: () => number
  /** The caller's. */
  readonly signal: AbortSignal
  readonly providers: ProviderPort
  readonly clock: Clock
  /** What in the server's account of its own work does not agree with the facts; undefined when nothing does. */
  readonly attest: (deployment: Deployment, said: Said) => string | undefined
  readonly trial: Trial
  /** For an answer that goes on with another's. */
  readonly splice?: Splice
}

/** A stream whose first content is known; `held` are its bytes so far. Whoever has it must end it. */
export type Source = {
  readonly deployment: Deployment
  readonly timeouts: Timeouts
  readonly held: readonly Uint8Array[]
  readonly rest: AsyncIterator<Uint8Array>
  readonly scanner: StreamScanner
  readonly attempt: AttemptSignal
  readonly trial: Trial
  readonly splice: Splice | undefined
  /** The server's account of this answer, as far as it has come. */
  readonly said: () => Said
}

export type Opened =
  | { readonly kind: 'whole'; readonly body: Uint8Array; readonly answer: Answer; readonly reported: Reported }
  | { readonly kind: 'stream'; readonly source: Source }
  | { readonly kind: 'failed'; readonly failure: Failure }

/** Nothing more is read from a source; an unread body would keep its connection. */
export function leave({ attempt, rest }: Source, why: Failure): void {
  attempt.release()
  attempt.abort(why)
  rest.return?.().catch(() => undefined)
}

const ANSWER_BYTES_MAX = 64 * 1024 * 1024
const HELD_BYTES_MAX = 1024 * 1024
const SPACE = 0x20

export async function open(o: Opening): Promise<Opened> {
  const { deployment: { name }, call, timeouts } = o
  const attempt = attemptSignal(o.signal, o.clock)
  const fail = (why: Failure): Opened => {
    attempt.release()
    attempt.abort(why)
    return { kind: 'failed', failure: why }
  }
  const within = Math.min(call.stream ? timeouts.firstToken : o.wholeWithin, o.left())
  attempt.allow(within, `${name}'s answer`, { isCutShort: within < timeouts.firstToken && within !== timeouts.whole })
  try {
    const sent = await o.providers.send(o.deployment, call, attempt.signal)
    if (!sent.ok) return fail(sent.failure)
    const elsewhere = o.attest(o.deployment, { headers: sent.headers, repeats: sent.repeats })
    if (elsewhere !== undefined) return fail(mismatch(name, elsewhere))
    const opened = call.stream ? await holdBack(o, sent, attempt) : await readWhole(o, sent, attempt)
    return opened.kind === 'failed' ? fail(opened.failure) : opened
  } catch (thrown) {
    return fail(failureOf(thrown, attempt.signal, name))
  }
}

/** `what` is in words of ours; the deployment is set aside with them. */
export const mismatch = (name: string, what: string): Failure => failure('compliance_mismatch', `What ${name} says of its work does not agree with the catalog: ${what}.`, { cause: what })
/** An error with status 200. */
const errorInBody = (name: string, error: ProviderError, repeats: Repeats | undefined): Failure => {
  const upstream = { status: 200, ...(repeats === undefined ? error : withoutRepeats(error, repeats)) }
  return isAboutRequest(upstream.code ?? '') ? aboutRequest(name, upstream) : failure('upstream_error', `${name} answered with an error.`, { upstream })
}
const failed = (failure: Failure): Opened => ({ kind: 'failed', failure })

async function readWhole(o: Opening, { body, headers, repeats }: ProviderAnswer, attempt: AttemptSignal): Promise<Opened> {
  const { name } = o.deployment
  const chunks: Uint8Array[] = []
  let length = 0
  let hasBegun = false
  for await (const chunk of body) {
    length += chunk.length
    if (length > ANSWER_BYTES_MAX) return failed(failure('upstream_error', `${name} answered with more than ${ANSWER_BYTES_MAX} bytes.`, { noSign: true }))
    chunks.push(chunk)
    // Blanks before the value (RFC 8259, section 2) keep a connection open and are no beginning.
    hasBegun ||= chunk.some(byte => byte > SPACE)
    if (hasBegun) attempt.allow(Math.min(o.timeouts.idle, o.left()), `The rest of ${name}'s answer`, { isCutShort: o.left() < o.timeouts.idle })
  }
  const bytes = concat(chunks)
  const answer = readAnswer(bytes, o.call.operation)
  if (answer === undefined) return failed(failure('upstream_error', `${name} answered with something that is no JSON object.`))
  if (answer.error !== undefined) return failed(errorInBody(name, answer.error, repeats))
  if (!answer.complete) return failed(failure('upstream_error', `${name} answered without an answer.`, { upstream: { status: 200 } }))
  const wrong = o.attest(o.deployment, { model: answer.model, geo: answer.geo, repeats })
  if (wrong !== undefined) return failed(mismatch(name, wrong))
  attempt.release()
  return { kind: 'whole', body: bytes, answer, reported: reported(o.deployment, { headers, model: answer.model, geo: answer.geo, repeats }) }
}

/** Keeps the first events back until one holds content, so that a failure before it stays invisible. */
async function holdBack(o: Opening, { body, headers, repeats }: ProviderAnswer, attempt: AttemptSignal): Promise<Opened> {
  const { deployment, deployment: { name }, timeouts, trial, splice } = o
  const scanner = streamScanner({ choices: o.choices, ...(splice !== undefined && { rewrite: splice.rewrite }) })
  const rest = body[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  let heldBytes = 0, pieces = 0
  const hasBegun = (): boolean => (splice === undefined ? scanner.hasContent || scanner.finished : splice.state !== 'waiting')
  while (!hasBegun()) {
    const next = await rest.next()
    heldBytes += next.value?.length ?? 0
    const whole = next.done === true ? scanner.end() : scanner.feed(next.value)
    if (whole !== undefined) held.push(whole)
    const wrong = o.attest(deployment, { model: scanner.model, geo: scanner.geo, repeats })
    if (wrong !== undefined) return failed(mismatch(name, wrong))
    if (splice?.state === 'diverged') return failed(failure('diverged', `${name} gave another answer than the one that was begun.`, { upstream: { status: 200 } }))
    if (scanner.error !== undefined) return failed(errorInBody(name, scanner.error, repeats))
    // An answer that ends unfinished before anything of it was given is a failed attempt and no more.
    if ((next.done === true || scanner.done) && !scanner.finished) return failed(failure('unreachable', `${name} ended its answer before it was complete.`, scanner.isFewer ? { noSign: true } : {}))
    // What is said again is not kept.
    if (scanner.pieces > pieces) heldBytes = 0
    pieces = scanner.pieces
    if (scanner.overflow || heldBytes > HELD_BYTES_MAX) return failed(failure('upstream_error', `${name} sent ${HELD_BYTES_MAX} bytes without content.`, scanner.overflow ? { noSign: true } : {}))
    // While it says again what was said, it is not silent.
    if (scanner.hasContent) attempt.allow(Math.min(timeouts.idle, o.left()), `The next piece of ${name}'s answer`, { isCutShort: o.left() < timeouts.idle })
  }
  return { kind: 'stream', source: { deployment, timeouts, held, rest, scanner, attempt, trial, splice, said: () => ({ headers, model: scanner.model, geo: scanner.geo, repeats }) } }
}
