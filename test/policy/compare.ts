/**
 * One request of one random world, put to `decide`, to `explain` and to the oracle. The suite and the long run share it.
 * What it promises: a difference is a value that shows both sides; it needs no test runner.
 */
import * as fc from 'fast-check'
import { decide } from '../../src/policy/decide.ts'
import type { Decision } from '../../src/policy/decide.ts'
import { explain } from '../../src/policy/explain.ts'
import type { Asked } from '../../src/policy/request.ts'
import type { Rulebook } from '../../src/policy/rule.ts'
import { placeInside, reference } from './reference.ts'
import type { Reference, ReferenceDuties } from './reference.ts'
import { asked, instant, rulebook } from './worlds.ts'

type Duties = Decision['duties']

/** Places that between them tell all lists of places of the random worlds apart. */
export const PLACES = ['CA', 'CA-QC', 'CA-ON', 'US', 'FR', 'DE', 'CN', 'GB']

/** A rulebook with requests and times to put to it. */
export const world = fc.record({
  book: rulebook, requests: fc.array(asked, { minLength: 2, maxLength: 4 }), times: fc.uniqueArray(instant, { minLength: 2, maxLength: 3 }),
})

export type Difference = { readonly who: 'decide' | 'explain'; readonly seen: unknown; readonly law: unknown }
export type Compared = { readonly law: Reference; readonly difference: Difference | undefined }

export function compare(book: Rulebook, request: Asked, at: number): Compared {
  const law = reference(book, request, at)
  return { law, difference: differenceOf('decide', decided(book, request, at), decidedByLaw(law)) ?? differenceOf('explain', explained(book, request, at), explainedByLaw(book, law)) }
}

/** As text, because it is fast. */
const differenceOf = (who: Difference['who'], seen: unknown, law: unknown): Difference | undefined =>
  (JSON.stringify(seen) === JSON.stringify(law) ? undefined : { who, seen, law })

function decided(book: Rulebook, request: Asked, at: number): unknown {
  const decision = decide(book, request, at)
  return {
    outcome: decision.outcome, code: decision.code, permitted: decision.permitted, active: sorted(decision.active), exceptions: sorted(decision.exceptions),
    duties: dutiesAsSeen(book, decision.duties, at),
  }
}

function decidedByLaw(law: Reference): unknown {
  return {
    outcome: law.outcome, code: law.code, permitted: law.permitted, active: sorted(law.active),
    exceptions: sorted(new Set([...law.rows.values()].flatMap(row => [...row.exceptions].map(used => used.split(' ')[0]!)))),
    duties: dutiesByLaw(law.duties),
  }
}

function explained(book: Rulebook, request: Asked, at: number): unknown {
  const explanation = explain(book, request, at)
  return {
    outcome: explanation.outcome, code: explanation.code, permitted: explanation.permitted, assumptions: sorted(explanation.assumptions.map(one => one.fact)),
    rows: explanation.deployments.map(row => ({
      deployment: row.deployment, verdict: row.verdict, granted: row.granted,
      because: sorted(row.because.map(one => `${one.rule} ${one.unknown ? 'unknown' : 'known'} ${sorted(one.facts).join(',')}`)),
      wouldExclude: sorted(row['would-exclude'].map(one => one.rule)),
      exceptions: sorted(row.exceptions.map(one => `${one.exception} ${one.rule}`)),
    })),
    duties: dutiesAsSeen(book, fromWords(explanation.duties), at),
  }
}

function explainedByLaw(book: Rulebook, law: Reference): unknown {
  return {
    outcome: law.outcome, code: law.code === 'data_not_registered' ? law.code : undefined, permitted: law.permitted, assumptions: sorted(law.assumptions),
    rows: book.deployments.map(({ name }) => {
      const row = law.rows.get(name)!
      return {
        deployment: name, verdict: law.permitted.includes(name) ? 'allowed' : 'excluded', granted: row.granted,
        because: sorted([...row.removedBy].map(rule => `${rule} ${row.unknownIn.has(rule) ? 'unknown' : 'known'} ${sorted(row.factsIn.get(rule)!).join(',')}`)),
        wouldExclude: sorted(row.wouldExclude), exceptions: sorted(row.exceptions),
      }
    }),
    duties: dutiesByLaw(law.duties),
  }
}

export const sorted = (words: Iterable<string>): string[] => [...words].sort()

export function dutiesByLaw(duties: ReferenceDuties): unknown {
  return {
    redact: duties.redact && sorted(duties.redact), log: duties.log, logIn: duties.mayLogIn && PLACES.filter(duties.mayLogIn), cache: duties.cache && sorted(duties.cache),
    notify: duties.notify && sorted(duties.notify), retainEvidence: duties.retainEvidence, rescue: duties.rescue, requestDigest: duties.requestDigest, header: duties.header && sorted([...duties.header].map(String)),
  }
}

/** Lists of places are compared by the places they let in, since a group and its members say the same. */
function dutiesAsSeen(book: Rulebook, duties: Duties, at: number): unknown {
  const terms = duties.logIn?.map(name => (book.groups.has(name) ? { group: name } : { value: name }))
  return {
    redact: duties.redact && sorted(duties.redact), log: duties.log, logIn: terms && PLACES.filter(place => placeInside(book, terms, place, at)), cache: duties.cache && sorted(duties.cache),
    notify: duties.notify && sorted(duties.notify), retainEvidence: duties.retainEvidence, rescue: duties.rescue, requestDigest: duties.requestDigest, header: duties.header && sorted(Object.entries(duties.header).map(String)),
  }
}

function fromWords(duties: ReturnType<typeof explain>['duties']): Duties {
  const { 'log-in': logIn, 'retain-evidence': retain, 'request-digest': requestDigest, cache, log, ...same } = duties
  const hours = retain === undefined ? undefined : Number.parseInt(retain, 10) * (retain.endsWith('d') ? 24 : 1)
  const scopes = cache === undefined ? undefined : typeof cache === 'string' ? (cache === 'none' ? [] : [cache]) : cache
  return {
    ...same,
    ...(log !== undefined && { log: log as NonNullable<Duties['log']> }),
    ...(logIn !== undefined && { logIn }),
    ...(scopes !== undefined && { cache: scopes as NonNullable<Duties['cache']> }),
    ...(hours !== undefined && { retainEvidence: hours }),
    ...(requestDigest !== undefined && { requestDigest }),
  }
}
