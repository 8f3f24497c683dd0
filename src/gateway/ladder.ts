/**
 * What this is for: the ladder down (resilience, section 1). When nobody is left whom an app may ask, servers are asked at once what
 * they hold, and those that the catalog allows to are told to fetch a permitted model that they lack.
 *
 * What it assumes: the host calls it at every tick, asks the servers when told to, and puts in force what they answer: that is
 * how a fetched model comes into the pool.
 * What it promises: only models that the law in force permits are fetched, and only where the catalog says `pull: yes`; one at a
 * time at a provider. A profile that the law itself leaves with nothing is not its business: no model is looked for there.
 */
import type { Deployment } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import type { Operation } from '../policy/facts.ts'
import { pull, type PullProgress } from '../provider/pull.ts'
import type { Gateway } from './gateway.ts'
import { isPast } from './is-past.ts'

const ASK_EVERY_MS = 5_000
const PULL_AGAIN_AFTER_MS = 600_000
const TELL_EVERY_MS = 2_000
/** After a model was fetched, until the server has been asked what it holds and the answer is in force. */
const SETTLING_MS = 10_000
const PROFILES_NAMED_MAX = 10
const ALARM = 'coverage'

/** What an app's prompts with this data can be asked to do, by the law, and cannot now: nobody who may is there. */
type Gap = { readonly name: string; readonly operation: Operation; readonly permitted: readonly Deployment[] }

/** The returned function looks at what has changed. True: the servers are to be asked now what they hold. An aborted signal ends what it began. */
export function createLadder(gateway: Gateway, signal: AbortSignal): () => boolean {
  const { epochs, quarantine, ports: { clock, background } } = gateway
  let epoch: number | undefined
  let gaps: readonly Gap[] = []
  let askAt: number | undefined
  const pulling = new Map<string, { readonly deployment: string; readonly controller: AbortController }>()
  /** In milliseconds since 1970, by provider and by deployment. */
  const settledAt = new Map<string, number>(), pullAgainAt = new Map<string, number>()

  const notice = (): void => {
    const current = epochs.current()
    if (current.number === epoch) return
    epoch = current.number
    const before = new Set(gaps.map(keyOf))
    gaps = gapsIn(gateway)
    if (gaps.length === 0) {
      askAt = undefined
      gateway.clear(ALARM)
    } else {
      if (gaps.some(gap => !before.has(keyOf(gap)))) askAt = clock.now()
      gateway.raise(ALARM, inWords(gaps))
    }
    const { catalog } = current.bundle
    const permitted = new Set(epochs.profiles().flatMap(p => p.permitted.map(d => d.name)))
    for (const { deployment, controller } of pulling.values()) {
      if (catalog.byName.get(deployment)?.pull !== true || !permitted.has(deployment)) controller.abort(failure('cancelled', 'Nobody may use the model any more.'))
    }
    for (const name of pullAgainAt.keys()) if (!catalog.byName.has(name)) pullAgainAt.delete(name)
  }

  const mayPull = (d: Deployment): boolean => {
    const now = clock.now()
    return d.pull && epochs.connected(d) === 'not-held' && quarantine.of(d.name)?.reason !== 'compliance-mismatch'
      && !pulling.has(d.provider) && isPast(settledAt.get(d.provider), now, SETTLING_MS) && isPast(pullAgainAt.get(d.name), now, PULL_AGAIN_AFTER_MS)
  }
  const begin = (deployment: Deployment): void => {
    const { name, provider } = deployment
    const controller = new AbortController()
    pulling.set(provider, { deployment: name, controller })
    background(fetched(gateway, deployment, AbortSignal.any([signal, controller.signal])).then(failed => {
      pullAgainAt.set(name, clock.now() + PULL_AGAIN_AFTER_MS)
      if (failed !== undefined) return
      settledAt.set(provider, clock.now() + SETTLING_MS)
      askAt = clock.now()
    }).finally(() => pulling.delete(provider)))
  }
  const isTimeToAsk = (): boolean => {
    const now = clock.now()
    if (askAt === undefined || !isPast(askAt, now, ASK_EVERY_MS)) return false
    askAt = gaps.length > 0 ? now + ASK_EVERY_MS : undefined
    return true
  }

  return () => {
    if (signal.aborted) return false
    notice()
    for (const gap of gaps) for (const deployment of gap.permitted) if (mayPull(deployment)) begin(deployment)
    return isTimeToAsk()
  }
}

const keyOf = ({ name, operation }: Gap): string => `${operation} ${name}`

function gapsIn({ epochs }: Gateway): readonly Gap[] {
  return epochs.profiles().flatMap(({ app, data, permitted }) => {
    // Without a connection or a key, or beside what is real, it never could be asked: that is how it was set up, and no outage.
    const set = permitted.filter(d => ['not-held', 'not-answered', undefined].includes(epochs.connected(d)))
    const name = `${app} with ${data === 'unknown' ? 'data unknown' : data.join(', ')}`
    return [...new Set(set.flatMap(d => d.operations))].flatMap((operation): readonly Gap[] => {
      const able = set.filter(d => d.operations.includes(operation))
      return able.some(d => epochs.unavailable(d) === undefined) ? [] : [{ name, operation, permitted: able }]
    })
  })
}

function inWords(gaps: readonly Gap[]): string {
  const operations = new Map<string, string[]>()
  for (const { name, operation } of gaps) operations.set(name, [...operations.get(name) ?? [], operation])
  const named = [...operations].slice(0, PROFILES_NAMED_MAX).map(([name, lost]) => `${name} (${lost.join(', ')})`)
  const more = operations.size - named.length
  return `No permitted deployment can be reached for ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`
}

/** Undefined: the server holds the model now. Tells what goes on, seldom enough to be read. */
async function fetched(gateway: Gateway, { name: deployment, model, provider, upstreamModel }: Deployment, signal: AbortSignal): Promise<Failure | undefined> {
  const { epochs, events, ports, metrics } = gateway
  const { clock, log } = ports
  const tell = (level: 'info' | 'warn', what: PullProgress | { readonly status: 'begun' | 'failed'; readonly code?: string }): void => {
    const fields = { deployment, model, provider, ...what }
    log(level, 'pull', fields)
    events.publish('pull', fields)
  }
  let toldAt = clock.now()
  tell('info', { status: 'begun' })
  const from = epochs.current().bundle.catalog.providers.get(provider)!
  const failed = await pull(from, upstreamModel, ports, signal, progress => {
    if (progress.status !== 'success' && clock.now() - toldAt < TELL_EVERY_MS) return
    toldAt = clock.now()
    tell('info', progress)
  })
  if (failed !== undefined) tell('warn', { status: 'failed', code: failed.code })
  metrics.count('bailiwick_pulls_total', { deployment, outcome: failed?.code ?? 'ok' })
  return failed
}
