/** What the caller is told beside the answer: which deployment, where, after how many attempts, and why not the one asked for. */
import type { Bundle } from '../bundle/bundle.ts'
import type { Deployment } from '../catalog/catalog.ts'
import type { Attempt } from '../dispatch/attempt.ts'
import { failure, type Failure } from '../failure.ts'
import type { Decision } from '../policy/decide.ts'
import type { Rulebook } from '../policy/rule.ts'
import { AUTO } from '../pool/pool.ts'
import type { Call, Headers } from './call.ts'

export type Story = {
  readonly id: string
  readonly bundle: Bundle
  readonly call: Call
  readonly decision: Decision
  readonly now: () => number
}

/** How much of a bundle's digest is shown where people read it. */
export const shortDigest = (digest: string): string => digest.slice(0, 12)

/** What was sent; `first` is who would have answered if all had been well. */
export type Sent = { readonly deployment?: Deployment; readonly first?: Deployment; readonly attempts: readonly Attempt[] }

export function answerHeaders(story: Story, sent: Sent): Headers {
  const { deployment, attempts } = sent
  const spent = attempts.reduce((sum, a) => sum + a.ms, 0)
  const degraded = deployment && whyDegraded(story, deployment, sent)
  return {
    'x-bailiwick-decision': story.id,
    'x-bailiwick-bundle': shortDigest(story.bundle.digest),
    'x-bailiwick-attempts': String(attempts.length),
    ...(deployment && {
      'x-bailiwick-deployment': deployment.name,
      'x-bailiwick-model': deployment.model,
      'x-bailiwick-processed-in': deployment.processedIn?.join(', ') || 'unknown',
      'x-bailiwick-overhead-ms': String(Math.max(0, story.now() - story.call.receivedAt - spent)),
    }),
    ...(degraded !== undefined && { 'x-bailiwick-degraded': degraded }),
  }
}

/** Why another than the first choice answered; undefined when the first choice did, at whichever try. */
function whyDegraded({ call, bundle, decision }: Story, answered: Deployment, { first, attempts }: Sent): string | undefined {
  const { model } = call.needs
  const isAsked = model === AUTO || answered.model === model
  if (isAsked && (first === undefined || answered.name === first.name)) return undefined
  const failed = attempts.filter(a => a.code !== 'ok').map(a => `${a.deployment} ${a.code}`).join(', ')
  if (isAsked) return failed === '' ? `${first!.name} is not available` : failed
  if (failed !== '') return `${model} did not answer: ${failed}`
  const asked = bundle.catalog.byModel.get(model) ?? []
  return asked.some(d => decision.permitted.includes(d.name)) ? `${model} is not available` : `${model} is not permitted`
}

/** The refusal that a decision means, in words for the caller: rule titles, never another app's deployments. */
export function refusalOf(decision: Decision, rulebook: Rulebook): Failure {
  if (decision.code === 'data_not_registered') {
    return failure('data_not_registered', 'The request states data that its app is not registered to carry.', { param: 'x-bailiwick-data' })
  }
  const titles = rulebook.rules.filter(r => decision.bitten.includes(r.name)).map(r => r.title)
  const why = titles.length === 0 ? 'The app is granted no model.' : `Rules that apply: ${titles.join('; ')}.`
  return failure('no_permitted_model', `The policies permit no model for this request. ${why}`)
}
