/**
 * What this is for: from a decision to what its entry says of it, and from an entry back to what was asked.
 *
 * What it promises: asked again under the same rulebook at the same instant, an entry leads to the decision that it records.
 */
import { trustedAndStated } from '../classify/classify.ts'
import type { Decision } from '../policy/decide.ts'
import { dutiesInWords } from '../policy/explain.ts'
import type { Asked, RawFacts, Understood } from '../policy/request.ts'
import type { Rulebook } from '../policy/rule.ts'
import { VOUCHED, type DecisionEntry } from './record.ts'

/** What an entry says of what was decided: what a replay must find again. */
export type Decided = Pick<DecisionEntry, 'outcome' | 'code' | 'request' | 'permitted' | 'activeRules' | 'exceptions' | 'assumptions' | 'duties'>

/** Facts that the gateway itself knows, where nobody assumed them. */
const OURS: { readonly [fact: string]: string | undefined } = { app: 'key', operation: 'gateway', 'model-asked': 'gateway', 'agent-depth': 'gateway' }

export function decidedOf({ readings: [facts = {}], sources, assumed }: Understood, { outcome, code, permitted, active, exceptions, duties }: Decision): Decided {
  const sourceOf = (fact: string): string => {
    const source = sources[fact] ?? 'request'
    return source === 'request' ? OURS[fact] ?? source : source
  }
  return {
    outcome, ...(code !== undefined && { code }),
    request: Object.fromEntries(Object.entries(facts).map(([fact, value]) => [fact, { value, source: sourceOf(fact) }])),
    permitted, activeRules: active, exceptions, assumptions: assumed.map(a => a.fact), duties: dutiesInWords(duties),
  }
}

export type Recorded = { readonly request: DecisionEntry['request']; readonly stated: RawFacts }

/**
 * The request as it was made. What its caller stated is sorted again by what the app may assert; what the registration added
 * is left out, for the rulebook to add its own.
 */
export function askedOf(rulebook: Rulebook, { request, stated }: Recorded): Asked {
  const app = request['app']?.value
  const sorted = trustedAndStated(rulebook, typeof app === 'string' ? app : '', stated)
  // What the gateway knows it knows by itself, whatever is stated beside it.
  const trusted: Record<string, unknown> = Object.fromEntries(Object.entries(sorted.trusted).filter(([fact]) => OURS[fact] === undefined))
  for (const fact of Object.keys(request)) {
    const { value, source } = request[fact]!
    // What an app asserted is taken from its own words.
    if ((VOUCHED as readonly string[]).includes(source) && (source !== 'request' || stated[fact] === undefined)) trusted[fact] = value
  }
  return { trusted, stated: sorted.stated }
}
