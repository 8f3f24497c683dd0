/**
 * What this is for: deployments set aside for a reason that is not ill health (resilience, section 3).
 *
 * What it promises: a compliance mismatch is never replaced by a milder reason and goes only when somebody releases it.
 */
import type { Clock } from '../ports.ts'

/** withdrawn: the vendor or a law took the model away. key-refused: the provider does not accept our key or our account. compliance-mismatch: what the server is or says does not agree with the facts. */
export type QuarantineReason = 'withdrawn' | 'key-refused' | 'compliance-mismatch'

export type Quarantined = {
  readonly deployment: string
  readonly reason: QuarantineReason
  /** In short words of ours: what was seen. */
  readonly detail: string
  /** Milliseconds since 1970. */
  readonly since: number
}

export type Quarantine = {
  of(deployment: string): Quarantined | undefined
  all(): readonly Quarantined[]
  /** When the reason for which it is aside was last seen, in milliseconds since 1970: answers that were under way may show it again. */
  seenAt(deployment: string): number | undefined
  /** Sets a deployment aside; one that is aside for the same reason already stays as it was. */
  set(deployment: string, reason: QuarantineReason, detail: string): void
  /** Undefined when it was not aside. */
  release(deployment: string): Quarantined | undefined
}

export type QuarantineChange = { readonly action: 'set' | 'released'; readonly what: Quarantined }

export function createQuarantine({ clock, changed, kept = [] }: {
  readonly clock: Clock
  /** Told of every change, after it. */
  readonly changed: (change: QuarantineChange) => void
  /** What was aside when the gateway last ended. */
  readonly kept?: readonly Quarantined[]
}): Quarantine {
  const aside = new Map(kept.map(q => [q.deployment, q]))
  const seenAt = new Map(kept.map(q => [q.deployment, q.since]))
  return {
    of: deployment => aside.get(deployment),
    all: () => [...aside.values()],
    seenAt: deployment => seenAt.get(deployment),
    set(deployment, reason, detail) {
      const known = aside.get(deployment)
      if (known?.reason === 'compliance-mismatch' && reason !== 'compliance-mismatch') return
      seenAt.set(deployment, clock.now())
      if (known?.reason === reason) return
      const what: Quarantined = { deployment, reason, detail, since: clock.now() }
      aside.set(deployment, what)
      changed({ action: 'set', what })
    },
    release(deployment) {
      const what = aside.get(deployment)
      if (what === undefined) return undefined
      aside.delete(deployment)
      seenAt.delete(deployment)
      changed({ action: 'released', what })
      return what
    },
  }
}
