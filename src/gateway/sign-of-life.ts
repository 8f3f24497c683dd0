/** One question whether a deployment lives, shared by all who want to know: the requests that wait for it and the upkeep. */
import { probe } from '../dispatch/probe.ts'
import type { Deployment } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import { attest } from '../provider/attestation.ts'
import type { Gateway } from './gateway.ts'
import { noticed } from './noticing.ts'

/** A large local model is read from the disk for so long before its first word. */
const LOADING_MS_MAX = 120_000

export type ProbeUnderWay = {
  /** Undefined: it lives. */
  readonly answer: Promise<Failure | undefined>
  readonly controller: AbortController
}

/**
 * The probe under way at a deployment, or a new one, that goes on whoever leaves: nobody's words are in it, and how it ends is
 * news for everybody. A local model is given the time to be loaded.
 */
export function signOfLife(gateway: Gateway, deployment: Deployment): Promise<Failure | undefined> {
  const { probing, providers, breakers, epochs, ports: { clock, background } } = gateway
  const { name, hosting, timeouts } = deployment
  const known = probing.get(name)
  if (known !== undefined) return known.answer
  if (!breakers.mayTry(name)) return Promise.resolve(failure('busy', `${name} may not be tried now.`))
  const controller = new AbortController()
  const asked = hosting === 'local' ? { ...deployment, timeouts: { ...timeouts, firstToken: Math.max(timeouts.firstToken, LOADING_MS_MAX) } } : deployment
  const answer = probe(asked, {
    providers, breakers, clock, requestId: gateway.nextId(), signal: controller.signal, attest: (d, said) => attest(d, epochs.current().bundle.catalog, said),
  }).then(failed => {
    noticed(gateway, deployment, failed)
    return failed
  }).finally(() => probing.delete(name))
  probing.set(name, { answer, controller })
  background(answer)
  return answer
}
