/**
 * What follows a failed attempt: the table of resilience, section 4, as a function of the failure and of what is left.
 *
 * What it promises: it only chooses between the same deployment once more, the next one of the pool, and the end. Who is
 * in the pool is not its business.
 */
import { FAILURES, type Failure } from '../failure.ts'
import type { Random } from '../ports.ts'
import { isWithdrawn } from '../provider/refusal.ts'

export type Verdict =
  | { readonly step: 'same' | 'next'; readonly afterMs: number }
  /** What the caller is told is this failure: an answer, or nobody is there to be told. */
  | { readonly step: 'end' }

export type Standing = {
  /** This deployment was asked twice already. */
  readonly wasRetried: boolean
  /** No other member of the pool is left to ask. */
  readonly isLast: boolean
  /** Milliseconds until the first content must be there: no wait may be longer. */
  readonly patienceMs: number
  readonly onContentFilter: 'return' | 'next'
  /** The next member is at the same provider, whose limits are often those of the account. */
  readonly nextIsSameProvider: boolean
  readonly random: Random
}

/** Milliseconds; each wait is drawn between half of it and the whole ("equal jitter"), so that callers who failed together do not return together. */
const BACKOFF_MS = { error: 200, busy: 1_000, provider: 300 } as const

/** What to do after an attempt failed before any content had reached the caller. */
export function verdict(failed: Failure, s: Standing): Verdict {
  const wait = (ms: number): number => Math.round(ms * (0.5 + s.random() / 2))
  const next: Verdict = { step: 'next', afterMs: 0 }
  switch (failed.code) {
    case 'refused_by_provider':
      return isTooLong(failed) || (isFiltered(failed) && s.onContentFilter === 'next') ? next : { step: 'end' }
    case 'busy':
    case 'upstream_error':
    case 'unreachable': {
      if (isWithdrawn(failed)) return next
      const status = failed.upstream?.status
      if (s.wasRetried) return next
      if (status === 500) return { step: 'same', afterMs: wait(BACKOFF_MS.error) }
      if (!s.isLast) return failed.code === 'busy' && s.nextIsSameProvider ? { step: 'next', afterMs: wait(BACKOFF_MS.provider) } : next
      if (failed.retryAfterMs !== undefined) return failed.retryAfterMs <= s.patienceMs ? { step: 'same', afterMs: failed.retryAfterMs } : next
      return { step: 'same', afterMs: wait(failed.code === 'busy' ? BACKOFF_MS.busy : BACKOFF_MS.error) }
    }
    // The silent one is not asked again, nor one whose key is wrong or whose place is not what the catalog says.
    case 'overtaken':
    case 'deadline_exceeded':
    case 'misconfigured':
    case 'compliance_mismatch':
      return next
    default:
      return { step: 'end' }
  }
}

/** Whether a failure says something about the deployment's health: our key, the request, a caller who left or a model that is gone do not. */
export const saysHealth = (failed: Failure): boolean => FAILURES[failed.code].health && !isWithdrawn(failed) && !isTooLong(failed) && !isFiltered(failed) && failed.noSign !== true

export const isTooLong = (failed: Failure | undefined): boolean => failed?.upstream?.code === 'context_length_exceeded'
const isFiltered = ({ upstream }: Failure): boolean => /content_(filter|policy)/.test(upstream?.code ?? '')
