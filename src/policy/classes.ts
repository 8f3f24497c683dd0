/**
 * The registered request classes: what every app says of itself, crossed with what its prompts may carry. Questions about
 * a rulebook that nobody has asked yet (static answers, coverage, impact without records) are answered over these.
 */
import type { Asked } from './request.ts'
import type { Rulebook } from './rule.ts'

export type RegisteredClass = {
  readonly app: string
  /** One label, `['none']`, or unknown: then may-carry speaks where the app has one. */
  readonly data: readonly string[] | 'unknown'
  readonly asked: Asked
}

/**
 * In the rulebook's order of apps, labels sorted, the unknown profile last. Registration and assumptions speak for the rest.
 * An app that may assert its data can say of a prompt that it carries nothing, whatever it may carry.
 */
export function registeredClasses(rulebook: Rulebook): readonly RegisteredClass[] {
  return [...rulebook.apps.values()].flatMap(({ name, mayCarry, mayAssert }) => {
    const labels = new Set([...mayCarry ?? ['none'], ...(mayAssert.includes('data') ? ['none'] : [])])
    const known = [...labels].sort().map<RegisteredClass>(label => ({ app: name, data: [label], asked: { trusted: { app: name, data: [label] } } }))
    return [...known, { app: name, data: 'unknown' as const, asked: { trusted: { app: name } } }]
  })
}
