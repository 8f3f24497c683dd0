/**
 * What this is for: from a permit to the pool: permitted, fit and connected deployments in the order to try (resilience, section 1).
 *
 * What it assumes: the permit was issued for this request. What it promises: a pool never holds a deployment that the permit
 * does not cover; an empty pool is an answer that says whether the law, the request or the weather emptied it; only this
 * file makes a Pool.
 */
import type { AppConnection, Bundle } from '../bundle/bundle.ts'
import type { Deployment } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import type { Needs } from '../openai/request.ts'
import type { Decision, Permit } from '../policy/decide.ts'
import type { Operation } from '../policy/facts.ts'
import type { Rulebook } from '../policy/rule.ts'
import type { Connected } from './epochs.ts'
import { readPreferences, type Preferences } from './preferences.ts'

let make: (members: readonly Deployment[], permit: Permit, epoch: number) => Pool

/** Permitted deployments in the order to try, under one epoch. INVARIANT: made by `buildPool` alone. */
export class Pool {
  readonly #members: readonly Deployment[]
  readonly #permit: Permit
  readonly #epoch: number

  private constructor(members: readonly Deployment[], permit: Permit, epoch: number) {
    this.#members = Object.freeze([...members])
    this.#permit = permit
    this.#epoch = epoch
  }

  static {
    make = (members, permit, epoch) => new Pool(members, permit, epoch)
  }

  get members(): readonly Deployment[] { return this.#members }
  get permit(): Permit { return this.#permit }
  get epoch(): number { return this.#epoch }

  /**
   * The same pool with fewer members, and under a later epoch of the same law where one is given. It can only shrink, so
   * that what the request asked to be left out stays out.
   */
  narrowed(stays: (deployment: Deployment) => boolean, epoch: number = this.#epoch): Pool {
    return new Pool(this.#members.filter(stays), this.#permit, epoch)
  }
}

/** How a deployment stands: probing is for one request at a time, and only where another could answer in its place. Of one being probed more is known soon. */
export type Health = 'well' | 'to-be-probed' | 'being-probed' | 'out'

/** Whether a request may be sent there now. */
export const mayAnswer = (health: Health): boolean => health === 'well' || health === 'to-be-probed'

export type Wish = { readonly operation: Operation; readonly needs: Needs }

export type PoolQuestion = Wish & {
  readonly decision: Decision & { readonly permit: Permit }
  readonly app: AppConnection
  readonly bundle: Bundle
  readonly epoch: number
  readonly connected: Connected
  readonly health: (deployment: string) => Health
  /** When it may be tried again, in milliseconds since 1970; undefined where that is not known. */
  readonly notBefore: (deployment: string) => number | undefined
  readonly now: number
}

export type PoolAnswer =
  /** `first`: who would be asked first if all were well. */
  | { readonly ok: true; readonly pool: Pool; readonly first: Deployment }
  /** `probe`: a deployment that would do, and that only a sign of life keeps out, asked for already or not. */
  | { readonly ok: false; readonly failure: Failure; readonly probe?: Deployment }

/** The name that asks for the best permitted model. */
export const AUTO = 'auto'
const RETRY_AFTER_MS = 5_000
const RETRY_AFTER_MIN_MS = 1_000

/** Whether a model name means anything in this catalog. */
export const isKnownModel = (bundle: Bundle, model: string): boolean => model === AUTO || bundle.catalog.byModel.has(model)

/** Why a deployment cannot serve, in short words: nothing to do with the law. Empty when it can. */
export function unfitFor(d: Deployment, connected: Connected, wish?: Wish): readonly string[] {
  const unfit: string[] = []
  const gap = connected(d)
  if (gap !== undefined) unfit.push(gap)
  if (wish !== undefined) unfit.push(...unfitByRequest(d, wish))
  return unfit
}

function unfitByRequest(d: Deployment, { operation, needs }: Wish): readonly string[] {
  const unfit: string[] = []
  if (!d.operations.includes(operation)) unfit.push(`operation ${operation}`)
  if (needs.tools && !d.can.includes('tools')) unfit.push('tools')
  if (needs.vision && !d.can.includes('vision')) unfit.push('vision')
  if (needs.jsonSchema && !d.can.includes('json-schema')) unfit.push('json-schema')
  if (d.context !== undefined && needs.promptTokensAtLeast + (needs.maxTokens ?? 0) > d.context) unfit.push('context')
  if (d.maxOutput !== undefined && needs.maxTokens !== undefined && needs.maxTokens > d.maxOutput) unfit.push('max-output')
  return unfit
}

export function buildPool(q: PoolQuestion): PoolAnswer {
  const { catalog, rulebook } = q.bundle
  const refuse = (f: Failure): PoolAnswer => ({ ok: false, failure: f })
  const read = readPreferences(q.needs.preferences)
  if (!read.ok) return refuse(failure('invalid_request', read.wrong, { param: read.param }))
  if (q.operation === 'embedding' && q.needs.model === AUTO) {
    return refuse(failure('invalid_request', 'Name the embedding model: vectors of different models cannot be mixed, so "auto" is not available here.', { param: 'model' }))
  }

  // 1. What the caller asked for, then what may stand in for it.
  const permitted = q.decision.permit.deployments.map((name, i) => ({ deployment: catalog.byName.get(name)!, preferred: q.decision.ranks[i]! }))
  const wanted = ordered(permitted, q)
  if (wanted.length === 0 && q.operation === 'embedding' && permitted.some(p => p.deployment.model === q.needs.model)) {
    return refuse(failure('invalid_request', `'${q.needs.model}' has several deployments, and the catalog does not say that their vectors can be compared.`, { param: 'model' }))
  }
  if (wanted.length === 0) {
    return refuse(failure('no_permitted_model', `The policies do not permit '${q.needs.model}' for this request, and no other model may stand in for it.`, { param: 'model' }))
  }

  // 2. The caller may ask for less.
  const accepted = q.needs.preferences === undefined ? wanted : acceptedBy(read.preferences, wanted, rulebook)
  if (accepted.length === 0) return refuse(failure('invalid_request', "No permitted deployment satisfies the request's own 'provider' preferences.", { param: 'provider' }))
  const preferred = accepted.map((d, i) => ({ d, i, rank: read.preferences.rank(d) })).sort((a, b) => (a.rank === b.rank ? a.i - b.i : a.rank - b.rank)).map(x => x.d)

  // 3. What can do the work at all, 4. what is connected, 5. what may be tried. In this order, so that a deployment out of reach is
  // never taken for one that cannot, nor one that the law excludes.
  const unavailable = (retryAfterMs = RETRY_AFTER_MS): Failure =>
    failure('permitted_models_unavailable', 'Models that this request may use exist, but none can be reached now.', { retryAfterMs })
  const able = preferred.filter(d => unfitByRequest(d, q).length === 0)
  if (able.length === 0) {
    const isOffered = (deployments: readonly Deployment[]): boolean => deployments.some(d => d.operations.includes(q.operation))
    if (!isOffered(permitted.map(p => p.deployment)) && isOffered(catalog.deployments)) {
      return refuse(failure('no_permitted_model', `The policies permit no model for this request that can be asked for ${q.operation}.`))
    }
    const missing = [...new Set(preferred.flatMap(d => unfitByRequest(d, q)))].join(', ')
    return refuse(failure('invalid_request', `No model that this request may use can carry it out (${missing}).`, { param: 'model' }))
  }
  const fit = able.filter(d => q.connected(d) === undefined)
  if (fit.length === 0) return refuse(unavailable())
  // Who asks for no fallbacks asks for the first choice, well or not.
  const chosen = (read.preferences.fallbacks ? fit : fit.slice(0, 1)).map(d => ({ d, health: q.health(d.name) })).filter(u => u.health !== 'out')
  if (chosen.some(u => u.health === 'well')) return { ok: true, pool: make(chosen.filter(u => mayAnswer(u.health)).map(u => u.d), q.decision.permit, q.epoch), first: fit[0]! }
  return { ok: false, failure: unavailable(soonest(fit, q)), ...(chosen[0] !== undefined && { probe: chosen[0].d }) }
}

function acceptedBy({ accepts }: Preferences, wanted: readonly Deployment[], rulebook: Rulebook): readonly Deployment[] {
  const facts = new Map(rulebook.deployments.map(d => [d.name, d.facts]))
  return wanted.filter(d => accepts(d, facts.get(d.name)!))
}

/** Milliseconds until the first of these may be tried again, within bounds that make sense to a caller. */
function soonest(deployments: readonly Deployment[], { notBefore, now }: PoolQuestion): number {
  const waits = deployments.map(d => notBefore(d.name)).filter(at => at !== undefined).map(at => at - now)
  return waits.length === 0 ? RETRY_AFTER_MS : Math.max(RETRY_AFTER_MIN_MS, Math.min(...waits))
}

/** The asked model's deployments first, then substitutes by ladder, prefer rules, quality, price and name. */
function ordered(permitted: readonly { deployment: Deployment; preferred: number }[], q: PoolQuestion): readonly Deployment[] {
  const { model, models } = q.needs
  const all = permitted.map(p => p.deployment)
  if (models !== undefined) {
    const list = [...new Set([model, ...models])]
    return list.includes(AUTO) ? all : sameSpace(list.flatMap(m => all.filter(d => d.model === m)), q)
  }
  if (model === AUTO) return all
  const asked = all.filter(d => d.model === model)
  const vendor = (d: Deployment): string => d.model.slice(0, d.model.indexOf('/') + 1)
  const mayStandIn = (d: Deployment): boolean =>
    d.model !== model && (q.app.substitutes === 'yes' || (q.app.substitutes === 'same-developer' && vendor(d) !== '' && model.startsWith(vendor(d))))
  const substitutes = permitted.filter(p => mayStandIn(p.deployment)).sort((a, b) =>
    rung(a.deployment, q.app.ladder) - rung(b.deployment, q.app.ladder)
    || a.preferred - b.preferred
    || (b.deployment.quality ?? 0) - (a.deployment.quality ?? 0))
  return sameSpace([...asked, ...substitutes.map(p => p.deployment)], q)
}

function rung(d: Deployment, ladder: readonly string[] | undefined): number {
  if (ladder === undefined) return 0
  const index = ladder.findIndex(p => (p.endsWith('/*') ? d.model.startsWith(p.slice(0, -1)) : d.model === p))
  return index < 0 ? ladder.length : index
}

/** Vectors of different spaces are never mixed: only deployments known to share the asked model's space may answer (section 13, case 16). */
function sameSpace(deployments: readonly Deployment[], q: PoolQuestion): readonly Deployment[] {
  if (q.operation !== 'embedding') return deployments
  const spaces = new Set((q.bundle.catalog.byModel.get(q.needs.model) ?? []).map(d => d.embeddingSpace))
  const space = spaces.size === 1 ? [...spaces][0] : undefined
  if (space !== undefined) return deployments.filter(d => d.embeddingSpace === space)
  // Of an unknown space nothing is known to be equal: only a model with a single deployment can be used.
  const asked = q.bundle.catalog.byModel.get(q.needs.model) ?? []
  return asked.length === 1 ? deployments.filter(d => d.name === asked[0]!.name) : []
}
