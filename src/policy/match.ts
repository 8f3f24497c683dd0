/**
 * Three-valued matching of a block against facts (policy-language, section 4).
 *
 * What it assumes: groups are resolved to the members of one moment; values are typed as in facts.ts.
 * What it promises: a fact that is not known makes its part unknown, never false and never true.
 */
import { countryOf } from './countries.ts'
import { CLASSIFICATIONS, deploymentFacts, NOT_COLLECTED, requestFacts, type Facts, type Value } from './facts.ts'
import type { Block, Matcher, Term } from './rule.ts'
import { and, FALSE, not, or, TRUE, truth, UNKNOWN, type Truth } from './truth.ts'

/** The members of every group at one moment. */
export type Members = ReadonlyMap<string, readonly string[]>

/** A list with its groups resolved, ready for look-ups. */
type List = {
  readonly values: ReadonlySet<string | number>
  /** Countries of which the list names only a part: a whole one is then neither in nor out. */
  readonly partly: ReadonlySet<string>
  /** `vendor/` for each `vendor/*`. */
  readonly vendors: readonly string[]
}

export type Condition =
  | { readonly kind: 'all' }
  | { readonly kind: 'fact'; readonly fact: string; readonly country: boolean; readonly any?: List; readonly only?: List; readonly none?: List; readonly atLeast?: number; readonly atMost?: number }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] }

/** Resolves the groups that a block names. */
export function resolve(block: Block, members: Members): Condition {
  switch (block.kind) {
    case 'all': return block
    case 'and': case 'or': return { kind: block.kind, parts: block.parts.map(part => resolve(part, members)) }
    case 'fact': return resolveFact(block.fact, block.match, members)
  }
}

function resolveFact(fact: string, match: Matcher, members: Members): Condition {
  const country = (requestFacts.get(fact) ?? deploymentFacts.get(fact))?.type === 'country'
  const list = (terms: readonly Term[]): List => {
    const values = new Set(terms.flatMap<string | number>(t => ('group' in t ? members.get(t.group) ?? [] : [t.value])))
    const words = [...values].filter(v => typeof v === 'string')
    return {
      values,
      partly: new Set(country ? words.filter(v => v.includes('-')).map(countryOf) : []),
      vendors: fact === 'model' ? words.filter(v => v.endsWith('/*')).map(v => v.slice(0, -1)) : [],
    }
  }
  return {
    kind: 'fact', fact, country,
    ...(match.any && { any: list(match.any) }), ...(match.only && { only: list(match.only) }), ...(match.none && { none: list(match.none) }),
    ...(match.atLeast !== undefined && { atLeast: match.atLeast }), ...(match.atMost !== undefined && { atMost: match.atMost }),
  }
}

/** Whether one element of a fact is in a list; what is not collected is in none. */
function isIn(element: string | number, list: List, country: boolean): Truth {
  if (element === NOT_COLLECTED) return FALSE
  if (list.values.has(element)) return TRUE
  if (typeof element !== 'string') return FALSE
  if (list.vendors.length > 0 && list.vendors.some(v => element.startsWith(v))) return TRUE
  if (!country) return FALSE
  if (element.includes('-') && list.values.has(countryOf(element))) return TRUE
  return list.partly.has(element) ? UNKNOWN : FALSE
}

function someIn(value: Value, list: List, country: boolean): Truth {
  if (typeof value !== 'object') return isIn(value, list, country)
  let found: Truth = FALSE
  for (const e of value) found = or(found, isIn(e, list, country))
  return found
}

function allIn(value: Value, list: List, country: boolean): Truth {
  if (typeof value !== 'object') return isIn(value, list, country)
  let all: Truth = TRUE
  for (const e of value) all = and(all, isIn(e, list, country))
  return all
}

function rankOf(value: Value): number | undefined {
  if (typeof value === 'number') return value
  const rank = typeof value === 'string' ? (CLASSIFICATIONS as readonly string[]).indexOf(value) : -1
  return rank < 0 ? undefined : rank
}

function matches(test: Extract<Condition, { kind: 'fact' }>, value: Value): Truth {
  let result: Truth = TRUE
  if (test.any) result = and(result, someIn(value, test.any, test.country))
  if (test.none) result = and(result, not(someIn(value, test.none, test.country)))
  if (test.only) result = and(result, allIn(value, test.only, test.country))
  if (test.atLeast !== undefined || test.atMost !== undefined) {
    const rank = rankOf(value)
    if (rank === undefined) return and(result, UNKNOWN)
    if (test.atLeast !== undefined) result = and(result, truth(rank >= test.atLeast))
    if (test.atMost !== undefined) result = and(result, truth(rank <= test.atMost))
  }
  return result
}

export function evaluate(condition: Condition, facts: Facts): Truth {
  switch (condition.kind) {
    case 'all': return TRUE
    case 'fact': {
      const value = facts[condition.fact]
      return value === undefined ? UNKNOWN : matches(condition, value)
    }
    case 'and': {
      let result: Truth = TRUE
      for (const part of condition.parts) if ((result = and(result, evaluate(part, facts))) === FALSE) return FALSE
      return result
    }
    case 'or': {
      let result: Truth = FALSE
      for (const part of condition.parts) if ((result = or(result, evaluate(part, facts))) === TRUE) return TRUE
      return result
    }
  }
}

/**
 * The facts that explain a removal (section 15): of a require, the facts of the parts that did not hold;
 * of a forbid, of the parts not known to be false.
 */
export function decisiveFacts(condition: Condition, facts: Facts, effect: 'forbid' | 'require'): readonly string[] {
  const found = new Set<string>()
  const counts = (c: Condition): boolean => (effect === 'require' ? evaluate(c, facts) !== TRUE : evaluate(c, facts) !== FALSE)
  const walk = (c: Condition): void => {
    if (!counts(c)) return
    if (c.kind === 'fact') found.add(c.fact)
    else if (c.kind !== 'all') c.parts.forEach(walk)
  }
  walk(condition)
  return [...found]
}

/** Every fact that a block names. */
export function factsIn(block: Block): readonly string[] {
  if (block.kind === 'fact') return [block.fact]
  return block.kind === 'all' ? [] : block.parts.flatMap(factsIn)
}
