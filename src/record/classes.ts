/**
 * What this is for: the class of a recorded request, for a histogram that is kept longer than the records: what a decision can hang
 * on, and nothing else of the request.
 *
 * What it promises: no word of a caller is in a class unless the policies name it: where any word is allowed (purpose, the model
 * asked for), one that they do not name is OTHER.
 */
import { requestFacts, type Value } from '../policy/facts.ts'
import { readRequestFact, wordsNamed } from '../policy/request.ts'
import type { Rulebook } from '../policy/rule.ts'
import { canonical } from './canonical.ts'
import type { Recorded } from './decided.ts'
import { VOUCHED } from './record.ts'

/** A word that no policy names. No header of a caller can hold it, and no catalog a model of this name. */
export const OTHER = '(other)'
/** What callers write who leave the choice of the model to the gateway. */
const ANY_MODEL = 'auto'

const modelsByBook = new WeakMap<Rulebook, ReadonlySet<string>>()

/** One text for one class. */
export function classOf({ request, stated }: Recorded, rulebook: Rulebook): string {
  const facts: Record<string, unknown> = {}, said: Record<string, unknown> = {}
  for (const [fact, { value, source }] of Object.entries(request)) {
    // What registration, may-carry and assume say are words of the policies.
    facts[fact] = { value: (VOUCHED as readonly string[]).includes(source) ? bounded(fact, value as Value, rulebook) : value, source }
  }
  for (const [fact, raw] of Object.entries(stated)) {
    const value = readRequestFact(fact, raw, rulebook)
    if (value !== undefined) said[fact] = bounded(fact, value, rulebook)
  }
  return canonical({ request: facts, stated: said })
}

function bounded(fact: string, value: Value, rulebook: Rulebook): Value {
  const type = requestFacts.get(fact)?.type
  if (typeof value === 'number' || (type !== 'free' && type !== 'open')) return value
  const words = wordsNamed(rulebook, fact)
  const known = (word: string): string => (words.has(word) || (fact === 'model-asked' && (word === ANY_MODEL || modelsOf(rulebook).has(word))) ? word : OTHER)
  return typeof value === 'string' ? known(value) : [...new Set(value.map(known))].sort()
}

function modelsOf(rulebook: Rulebook): ReadonlySet<string> {
  let known = modelsByBook.get(rulebook)
  if (known === undefined) modelsByBook.set(rulebook, known = new Set(rulebook.deployments.map(d => d.model)))
  return known
}

/** Whether a class says less of one of these facts than the record of its requests does. */
export const isLessThanRecorded = ({ request, stated }: Recorded, facts: readonly string[]): boolean =>
  facts.some(fact => [request[fact]?.value, stated[fact]].flat().includes(OTHER))
