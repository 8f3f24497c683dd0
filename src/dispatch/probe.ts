/**
 * Asking a deployment for a sign of life, with words of ours: nothing of any user is in it, so it may go wherever the
 * gateway may go at all (resilience, section 3). Also what wakes a local model up.
 */
import type { Breakers } from '../breaker/breaker.ts'
import type { Deployment } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import type { Clock } from '../ports.ts'
import type { Said } from '../provider/attestation.ts'
import type { ProviderCall, ProviderPort } from '../provider/provider.ts'
import { leave, open } from './open.ts'
import { saysHealth } from './verdict.ts'

export type Probing = {
  readonly providers: ProviderPort
  readonly breakers: Breakers
  readonly clock: Clock
  readonly requestId: string
  readonly signal: AbortSignal
  /** What in the server's account of its own work does not agree with the facts; undefined when nothing does. */
  readonly attest: (deployment: Deployment, said: Said) => string | undefined
}

/** Undefined: it lives. A failure otherwise; `busy` also when somebody else is probing or it is too early. The breaker has heard. */
export async function probe(deployment: Deployment, { providers, breakers, clock, requestId, signal, attest }: Probing): Promise<Failure | undefined> {
  const { name, timeouts } = deployment
  const trial = breakers.begin(name)
  if (trial === undefined) return failure('busy', `${name} may not be tried now.`)
  const call = callFor(deployment, requestId)
  if (call === undefined) {
    trial.drop()
    return failure('misconfigured', `${name} offers nothing that could be asked of it.`)
  }
  const opened = await open({
    deployment, call, timeouts, providers, clock, attest, trial, signal,
    choices: 1, wholeWithin: timeouts.firstToken, left: () => Infinity,
  })
  // The first content is enough; what would follow is not read.
  if (opened.kind === 'stream') leave(opened.source, failure('cancelled', 'The probe is over.'))
  const failed = opened.kind === 'failed' ? opened.failure : undefined
  if (failed === undefined || saysHealth(failed)) trial.report(failed)
  // Our words were read and refused, for want of a parameter that callers give: somebody is there.
  else if (failed.code === 'refused_by_provider') trial.report(undefined)
  else trial.drop()
  return failed
}

const encoder = new TextEncoder()

function callFor({ operations, model }: Deployment, requestId: string): ProviderCall | undefined {
  const body = (value: object): Uint8Array => encoder.encode(JSON.stringify({ model, ...value }))
  if (operations.includes('chat')) return { operation: 'chat', stream: true, requestId, body: body({ messages: [{ role: 'user', content: 'Answer with the word ready.' }], stream: true }) }
  if (operations.includes('completion')) return { operation: 'completion', stream: true, requestId, body: body({ prompt: 'ready', stream: true }) }
  if (operations.includes('embedding')) return { operation: 'embedding', stream: false, requestId, body: body({ input: 'ready' }) }
  return undefined
}
