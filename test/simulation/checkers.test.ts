/** A checker that cannot fail says nothing: each is shown a gateway that breaks its rule, and finds it. */
import { expect, test } from 'vitest'
import { failure } from '../../src/failure.ts'
import type { Answer } from '../../src/gateway/call.ts'
import type { handle } from '../../src/gateway/handle.ts'
import { DONE } from '../../src/openai/sse.ts'
import type { ProviderPort } from '../../src/provider/provider.ts'
import type { CheckerName } from './checkers.ts'
import { simulate, type Sabotage } from './simulator.ts'

/** A rule is broken within so many seeds, or the checker is blind. */
const SEEDS_MAX = 40

const afterwards = (change: (answer: Answer) => Answer): Sabotage => ({ handle: real => async (gateway, call) => change(await real(gateway, call)) })

/** The same provider, with something else done to the bytes that it gives. */
const withBody = (given: (body: AsyncIterable<Uint8Array>, again: () => void) => AsyncIterable<Uint8Array>): Sabotage => ({
  providers: (real): ProviderPort => ({
    async send(deployment, call, signal) {
      const result = await real.send(deployment, call, signal)
      const again = (): void => void real.send(deployment, call, signal).catch(() => undefined)
      return result.ok ? { ...result, body: given(result.body, again) } : result
    },
  }),
})

async function* endedAsComplete(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield new TextDecoder().decode(chunk).startsWith('event: error') ? DONE : chunk
}

async function* askedAgain(body: AsyncIterable<Uint8Array>, again: () => void): AsyncGenerator<Uint8Array> {
  let chunks = 0
  for await (const chunk of body) {
    if (++chunks === 6) again()
    yield chunk
  }
}

/** Nobody can end it early. */
const unending = (body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> => {
  const iterator = body[Symbol.asyncIterator]()
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) }
}

const wrongCode = (answer: Answer): Answer => {
  if (answer.kind !== 'failed') return answer
  const { code } = answer.failure
  const other = code === 'no_permitted_model' ? 'permitted_models_unavailable' : code === 'permitted_models_unavailable' ? 'no_permitted_model' : code
  return { ...answer, failure: failure(other, 'told as something else') }
}

const before = (change: (call: Parameters<typeof handle>[1], gateway: Parameters<typeof handle>[0]) => Parameters<typeof handle>[1]): Sabotage =>
  ({ handle: real => (gateway, call) => real(gateway, change(call, gateway)) })

const SABOTAGES: readonly (readonly [what: string, checker: CheckerName, sabotage: Sabotage])[] = [
  ['a law that changes without effect', 'noAttemptOutsideThePermit', { gateway: g => ({ ...g, epochs: { ...g.epochs, swap: () => undefined } }) }],
  ['a request that is decided as another app', 'noAttemptOutsideThePermit', before(call => ({ ...call, app: 'desk' }))],
  ['decisions that are not written', 'oneDecisionOneOutcome', { gateway: g => ({ ...g, keep: entry => (entry.kind === 'decision' ? Promise.resolve(true) : g.keep(entry)) }) }],
  ['outcomes that are written twice', 'oneDecisionOneOutcome', { gateway: g => ({ ...g, keep: async entry => (entry.kind === 'outcome' ? await g.keep(entry) && g.keep(entry) : g.keep(entry)) }) }],
  ['outcomes that are not written', 'oneDecisionOneOutcome', { gateway: g => ({ ...g, keep: entry => (entry.kind === 'outcome' ? Promise.resolve(true) : g.keep(entry)) }) }],
  ['outcomes that tell no attempt', 'oneDecisionOneOutcome', { gateway: g => ({ ...g, keep: entry => g.keep(entry.kind === 'outcome' ? { ...entry, attempts: [] } : entry) }) }],
  ['a provider that is asked again in the middle of its answer', 'nothingAfterContentButARescue', withBody(askedAgain)],
  ['a cut stream that is told as complete', 'neverATruncatedSuccess', afterwards(answer => (answer.kind === 'stream' ? { ...answer, body: endedAsComplete(answer.body) } : answer))],
  ['an answer without its last words', 'neverATruncatedSuccess', afterwards(answer => (answer.kind === 'whole' ? { ...answer, body: new TextEncoder().encode('{"choices":[{"message":{"content":""}}]}') } : answer))],
  ['a request that counts as younger than it is', 'withinBounds', before(call => ({ ...call, receivedAt: call.receivedAt + 3_600_000 }))],
  ['every call made three times', 'withinBounds', {
    providers: real => ({ async send(deployment, call, signal) {
      await real.send(deployment, call, signal).catch(() => undefined)
      await real.send(deployment, call, signal).catch(() => undefined)
      return real.send(deployment, call, signal)
    } }),
  }],
  ['a breaker that never closes again', 'everythingComesBack', {
    gateway: g => {
      const opened = new Set<string>()
      const mayTry = (name: string): boolean => {
        if (g.breakers.state(name) !== 'closed') opened.add(name)
        return !opened.has(name) && g.breakers.mayTry(name)
      }
      return { ...g, breakers: { ...g.breakers, mayTry, begin: name => (mayTry(name) ? g.breakers.begin(name) : undefined) } }
    },
  }],
  ['a quarantine that nobody can end', 'everythingComesBack', { gateway: g => ({ ...g, quarantine: { ...g.quarantine, release: () => undefined } }) }],
  ['illegal told as unavailable and the other way round', 'illegalIsNotUnavailable', afterwards(wrongCode)],
  ['a lie without consequence', 'noTrustAfterALie', { gateway: g => ({ ...g, quarantine: { ...g.quarantine, set: () => undefined } }) }],
  ['a listener on every caller', 'nothingIsLeftBehind', before(call => {
    call.signal.addEventListener('abort', () => undefined)
    return call
  })],
  ['a timer for every request', 'nothingIsLeftBehind', before((call, gateway) => {
    gateway.ports.clock.after(1e9, () => undefined)
    return call
  })],
  ['answers that nobody ends', 'nothingIsLeftBehind', {
    providers: real => ({
      async send(deployment, call) {
        const result = await real.send(deployment, call, new AbortController().signal)
        return result.ok ? { ...result, body: unending(result.body) } : result
      },
    }),
  }],
  ['a wait that is not passed on', 'retryAfterIsHonoured', {
    providers: real => ({
      async send(deployment, call, signal) {
        const result = await real.send(deployment, call, signal)
        return result.ok || result.failure.code !== 'busy' ? result : { ok: false, failure: failure('busy', result.failure.message) }
      },
    }),
  }],
  ['every outcome recorded as answered', 'theRecordTellsWhatHappened', { gateway: g => ({ ...g, keep: entry => g.keep(entry.kind === 'outcome' && entry.outcome !== 'superseded' ? { ...entry, outcome: 'answered' } : entry) }) }],
  ['an answer told complete off the record', 'theRecordTellsWhatHappened', { gateway: g => ({ ...g, keep: async entry => await g.keep(entry) || entry.kind === 'outcome' }) }],
  ['a throw', 'nothingIsThrown', before(call => {
    if (call.app === 'kin') throw new Error('a broken invariant')
    return call
  })],
]

test.each(SABOTAGES)('%s is found by %s', async (_, checker, sabotage) => {
  const found = new Set<string>()
  for (let seed = 1; seed <= SEEDS_MAX && !found.has(checker); seed++) for (const violation of (await simulate(seed, sabotage)).violations) found.add(violation.checker)
  expect([...found]).toContain(checker)
})
