/**
 * What this is for: what this request is, as facts, each on the side of who vouches for it (architecture, section 3).
 *
 * What it assumes: the key named the app. What it promises: it never fails; what is not known is left out. A statement of
 * the caller is trusted only where the app's registration lists the fact under `may-assert`.
 */
import type { Operation } from '../policy/facts.ts'
import type { Asked, RawFacts } from '../policy/request.ts'
import type { Rulebook } from '../policy/rule.ts'

/** Facts a caller can state in a header, `x-bailiwick-` before the name. */
export const STATABLE = ['data', 'governed-by', 'user-in', 'user-nationality', 'user-us-person', 'classification', 'purpose'] as const

export type Classifiable = {
  readonly app: string
  readonly operation: Operation
  readonly modelAsked: string
  readonly agentDepth: number
  readonly stated: RawFacts
}

export function classify(rulebook: Rulebook, call: Classifiable): Asked {
  const { trusted, stated } = trustedAndStated(rulebook, call.app, call.stated)
  return { trusted: { ...trusted, operation: call.operation, 'model-asked': call.modelAsked, 'agent-depth': call.agentDepth }, stated }
}

/** Sorts what a caller stated by whether its app may assert it. */
export function trustedAndStated(rulebook: Rulebook, app: string, facts: RawFacts): Required<Asked> {
  const mayAssert = rulebook.apps.get(app)?.mayAssert ?? []
  const trusted: Record<string, unknown> = { app }
  const stated: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(facts)) (mayAssert.includes(name) ? trusted : stated)[name] = value
  return { trusted, stated }
}
