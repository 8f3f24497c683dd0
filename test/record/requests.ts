/** Entries of requests as a gateway records them under a bundle, and their lines. */
import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Attempt } from '../../src/dispatch/attempt.ts'
import { decideUnderstood } from '../../src/policy/decide.ts'
import { understand, type Asked } from '../../src/policy/request.ts'
import { decidedOf } from '../../src/record/decided.ts'
import { BEFORE_ALL, lineOf } from '../../src/record/line.ts'
import type { DecisionEntry, Entry, OutcomeEntry } from '../../src/record/record.ts'
import { sha256 } from '../../src/runtime/node-key.ts'

export const AT = Date.parse('2026-11-22T12:00:00Z')

export function decision(bundle: Bundle, id: string, trusted: Asked['trusted'], more: Partial<DecisionEntry> = {}): DecisionEntry {
  const at = more.at ?? AT
  const understood = understand(bundle.rulebook, { trusted: { 'operation': 'chat', 'model-asked': 'auto', ...trusted } }, at)
  return {
    kind: 'decision', id, at, requestId: `r-${id}`, app: String(trusted['app']), bundle: bundle.digest, catalog: bundle.catalogDigest, epoch: 1, stated: {},
    ...decidedOf(understood, decideUnderstood(bundle.rulebook, understood, at)), ...more,
  }
}

export const attempt = (deployment: string, more: Partial<Attempt> = {}): Attempt => ({ deployment, epoch: 1, at: AT, code: 'ok', ms: 5, ...more })

/** Answered by the last of them that was fine; failed where none was. */
export function outcome(id: string, attempts: readonly Attempt[], more: Partial<OutcomeEntry> = {}): OutcomeEntry {
  const by = attempts.findLast(a => a.code === 'ok')
  return { kind: 'outcome', id, at: AT + 10, ms: 10, attempts, outcome: by === undefined ? 'failed' : 'answered', ...(by && { deployment: by.deployment }), ...more }
}

export const start = (): Entry => ({ kind: 'start', id: 's-1', at: AT, version: '1', bundle: 'b', place: null, quarantined: [] })

/** As they stand in a file, without being chained: whoever reads requests does not look at that. */
export const linesOf = (entries: readonly Entry[]): { readonly text: string; readonly where: string }[] =>
  entries.map((entry, i) => ({ text: lineOf(entry, { seq: i + 1, prev: BEFORE_ALL, salt: '0'.repeat(32) }, sha256).text, where: `test:${i + 1}` }))
