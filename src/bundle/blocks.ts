/** Blocks of facts, as rules and exceptions write them, to conditions. */
import { CLASSIFICATIONS, deploymentFacts, requestFacts, type FactDefinition } from '../policy/facts.ts'
import type { Block, Matcher, Term } from '../policy/rule.ts'
import type { Scalar, Tree } from './parse.ts'
import type { Reading } from './reading.ts'

const TABLES = { request: requestFacts, deployment: deploymentFacts }

/** A block over request facts or deployment facts; undefined when any part of it cannot be read. */
export function readBlock(tree: Tree, about: 'request' | 'deployment', reading: Reading): Block | undefined {
  if (tree.kind === 'scalar') return tree.text === 'all' && !tree.broken ? { kind: 'all' } : undefined
  if (tree.kind === 'list') return undefined
  const parts = tree.entries.map(({ key, value }): Block | undefined => {
    if (key === 'one-of') {
      const blocks = (value.kind === 'list' ? value.items : [value]).map(item => readBlock(item, about, reading))
      return blocks.length > 0 && blocks.every(b => b !== undefined) ? { kind: 'or', parts: blocks } : undefined
    }
    const fact = TABLES[about].get(key)
    const match = fact && readMatcher(fact, value, reading)
    return match && { kind: 'fact', fact: key, match }
  })
  if (parts.length === 0 || !parts.every(p => p !== undefined)) return undefined
  return parts.length === 1 ? parts[0] : { kind: 'and', parts }
}

function readMatcher(fact: FactDefinition, tree: Tree, reading: Reading): Matcher | undefined {
  if (tree.kind !== 'mapping') {
    const any = readTerms(fact, tree, reading)
    return any && any.length > 0 ? { any } : undefined
  }
  const match: { -readonly [word in keyof Matcher]: Matcher[word] } = {}
  for (const { key, value } of tree.entries) {
    if (key === 'any' || key === 'none' || key === 'only') {
      const terms = readTerms(fact, value, reading)
      if (terms === undefined || (terms.length === 0 && key !== 'only')) return undefined
      match[key] = terms
    } else {
      const limit = value.kind === 'scalar' ? readLimit(fact, value, reading) : undefined
      if (limit === undefined) return undefined
      match[key === 'at-least' ? 'atLeast' : 'atMost'] = limit
    }
  }
  return tree.entries.length === 0 ? undefined : match
}

function readTerms(fact: FactDefinition, tree: Tree, reading: Reading): readonly Term[] | undefined {
  const written = tree.kind === 'list' ? tree.items : [tree]
  const terms = written.map(item => (item.kind === 'scalar' && !item.broken ? reading.term(fact, item) : undefined))
  return terms.every(t => t !== undefined) ? terms : undefined
}

function readLimit(fact: FactDefinition, scalar: Scalar, reading: Reading): number | undefined {
  const term = scalar.broken ? undefined : reading.term(fact, scalar)
  if (term === undefined || !('value' in term)) return undefined
  return typeof term.value === 'number' ? term.value : (CLASSIFICATIONS as readonly string[]).indexOf(term.value)
}
