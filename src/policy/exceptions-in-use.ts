/** Which exceptions change anything: one is in use where the same request, without it, may use other deployments. */
import { decide } from './decide.ts'
import { frameAt } from './frame.ts'
import { evaluate, factsIn } from './match.ts'
import { understand, type Asked } from './request.ts'
import type { Instant, Rulebook } from './rule.ts'
import { FALSE, UNKNOWN } from './truth.ts'

export type JudgedAt = { readonly asked: Asked; readonly at: Instant }

/**
 * Names of the exceptions without which at least one of these classes would be permitted less. Two exceptions that lift
 * the same removal are each without use: either can go.
 */
export function exceptionsInUse(rulebook: Rulebook, classes: readonly JudgedAt[]): ReadonlySet<string> {
  const lifting = new Map<string, JudgedAt[]>()
  for (const one of classes) {
    for (const name of decide(rulebook, one.asked, one.at).exceptions) {
      const known = lifting.get(name)
      if (known === undefined) lifting.set(name, [one])
      else known.push(one)
    }
  }
  const inUse = [...lifting].filter(([name, touched]) => {
    const without: Rulebook = { ...rulebook, exceptions: rulebook.exceptions.filter(e => e.name !== name) }
    return touched.some(({ asked, at }) => decide(without, asked, at).permitted.length < decide(rulebook, asked, at).permitted.length)
  })
  return new Set(inUse.map(([name]) => name))
}

/**
 * Facts that these classes do not state and on which it hangs whether a live exception changes anything: those its own `for`
 * asks for, and those for want of which another rule removes what it lifts.
 */
export function undecidedFacts(rulebook: Rulebook, exception: string, classes: readonly JudgedAt[]): readonly string[] {
  const found = new Set<string>()
  for (const { asked, at } of classes) {
    const { rules } = frameAt(rulebook, at)
    const live = rules.flatMap(r => r.exceptions).find(e => e.exception.name === exception)
    const facts = understand(rulebook, asked, at).readings[0]!
    if (live === undefined || evaluate(live.for, facts) === FALSE) continue
    const open = [live.exception.for, ...rules.flatMap(r => (evaluate(r.when, facts) === UNKNOWN ? [r.rule.when] : []))]
    for (const fact of open.flatMap(factsIn)) if (facts[fact] === undefined) found.add(fact)
  }
  return [...found].sort()
}
