/** Deployments that are set aside: which and why, and a person's release of one (resilience, section 3). */
import type { Gateway } from '../gateway/gateway.ts'
import { releaseByPerson } from '../gateway/quarantining.ts'
import { inUtc } from '../policy/time.ts'
import { readSigned, refuse, type Outcome } from './changing.ts'

/** Every deployment that is set aside, the one that has been for longest first. */
export function listQuarantine({ quarantine, breakers, epochs }: Gateway): { readonly quarantine: readonly object[] } {
  const { bundle: { catalog } } = epochs.current()
  return {
    quarantine: quarantine.all().toSorted((a, b) => a.since - b.since).map(({ deployment, reason, detail, since }) => ({
      deployment, reason, detail, since: inUtc(since), breaker: breakers.state(deployment),
      'released-by': reason === 'compliance-mismatch' ? 'a person' : 'the gateway, once it answers, or a person',
      // A deployment may leave the catalog while it is aside, and is aside again when it comes back.
      'in-catalog': catalog.byName.has(deployment),
    })),
  }
}

/** Puts a deployment back, for whatever it was set aside. On record before it acts; what cannot be recorded changes nothing. */
export async function releaseDeployment(gateway: Gateway, name: string, body: Readonly<Record<string, unknown>>): Promise<Outcome> {
  const signed = readSigned(body)
  if (!signed.ok) return signed
  const { author } = signed
  const what = gateway.quarantine.of(name)
  if (what === undefined) return refuse('No deployment of this name is set aside. GET /admin/quarantine lists those that are.', 'deployment', 404)
  const released = await releaseByPerson(gateway, what, author)
  if (!released.ok) return released
  const { deployment, reason, detail, since } = what
  return { ok: true, value: { deployment, reason, detail, since: inUtc(since), released: true, at: inUtc(released.at), author } }
}
