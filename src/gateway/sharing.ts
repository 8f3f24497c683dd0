/**
 * What this is for: the gateways of one installation know each other's bad news: a deployment that fails, one that is not what the
 * catalog says, and that a person has released it.
 *
 * What it assumes: somewhere there is a small table for all of them, that may be slow, behind, or gone; the host calls `look`
 * now and then. What the table holds is merged by `merged`, so that it does not matter who comes when, or twice.
 * What it promises: no request waits for the table, and none is refused because it is gone: each gateway then goes by what it
 * knows itself, and says what it had to say when the table is back. News narrows, but for a person's release; nothing that was
 * seen after that release is undone by it.
 */
import type { Clock } from '../ports.ts'
import type { Gateway } from './gateway.ts'
import { isPast } from './is-past.ts'

/** What is known of one deployment. All times in milliseconds since 1970. */
export type News = {
  readonly deployment: string
  /** Its breaker opened at some gateway. */
  readonly failingAt?: number
  /** The last time that it was seen not to be what the catalog says, and what was seen in short words. */
  readonly mismatch?: { readonly at: number; readonly detail: string }
  /** The last time that a person released it from that. */
  readonly releasedAt?: number
}

/** The table. Each rejects where it cannot be done; neither holds more than a row for each deployment. */
export type SharedNews = {
  read(): Promise<readonly News[]>
  /** Merges this into what is held of the deployment. */
  tell(news: News): Promise<void>
}

/** Of two accounts of one deployment the later of each kind. In any order, however often, the same comes out. */
export function merged(one: News, other: News): News {
  const later = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || (b !== undefined && b > a) ? b : a)
  const failingAt = later(one.failingAt, other.failingAt), releasedAt = later(one.releasedAt, other.releasedAt)
  const [first, second] = [one.mismatch, other.mismatch]
  const isSecond = first === undefined || (second !== undefined && (second.at > first.at || (second.at === first.at && second.detail > first.detail)))
  const mismatch = isSecond ? second : first
  return {
    deployment: one.deployment,
    ...(failingAt !== undefined && { failingAt }), ...(mismatch !== undefined && { mismatch }), ...(releasedAt !== undefined && { releasedAt }),
  }
}

/** A row as it was written; undefined where it is none, or no longer one. */
export function readNews(text: string): News | undefined {
  try {
    const { deployment, failingAt, mismatch, releasedAt } = JSON.parse(text) as { readonly [key in keyof News]?: unknown }
    if (typeof deployment !== 'string') return undefined
    const isMismatch = (what: unknown): what is { at: number; detail: string } =>
      typeof what === 'object' && what !== null && 'at' in what && isTime(what.at) && 'detail' in what && typeof what.detail === 'string'
    const isTime = (at: unknown): at is number => Number.isFinite(at)
    return {
      deployment, ...(isTime(failingAt) && { failingAt }), ...(isTime(releasedAt) && { releasedAt }),
      ...(isMismatch(mismatch) && { mismatch: { at: mismatch.at, detail: mismatch.detail } }),
    }
  } catch {
    return undefined
  }
}

const ALARM = 'shared-state'
const READ_EVERY_MS = 1_000
const ANSWER_WITHIN_MS = 5_000
/** Older news of failing is no news: by then a breaker has let somebody try again. */
const FAILING_MS_MAX = 10_000

/** The returned function says what is to be said and hears what is new, in the background. An aborted signal ends it. */
export function createSharing(gateway: Gateway, table: SharedNews, signal: AbortSignal): () => void {
  const { breakers, quarantine, events, ports: { clock, background } } = gateway
  const known = new Map<string, News>(), unsaid = new Map<string, News>()
  let isAtWork = false, isHearing = false
  let lookedAt: number | undefined

  const learn = (news: News): News => {
    const now = merged(known.get(news.deployment) ?? news, news)
    known.set(news.deployment, now)
    return now
  }
  const say = (news: News): void => {
    learn(news)
    unsaid.set(news.deployment, merged(unsaid.get(news.deployment) ?? news, news))
  }
  const leave = events.subscribe(({ kind, what }) => {
    if (isHearing) return
    const deployment = String(what['deployment'])
    if (kind === 'breaker' && what['to'] === 'open') say({ deployment, failingAt: clock.now() })
    if (kind !== 'quarantine' || what['reason'] !== 'compliance-mismatch') return
    say(what['action'] === 'set' ? { deployment, mismatch: { at: clock.now(), detail: String(what['detail']) } } : { deployment, releasedAt: clock.now() })
  })
  signal.addEventListener('abort', leave, { once: true })
  for (const { deployment, reason, detail, since } of quarantine.all()) if (reason === 'compliance-mismatch') say({ deployment, mismatch: { at: since, detail } })

  const hear = (news: News): void => {
    const { deployment } = news
    // It may go on being seen here while it is set aside, by answers that were under way.
    const seenAt = quarantine.seenAt(deployment), aside = quarantine.of(deployment)
    if (aside?.reason === 'compliance-mismatch' && seenAt !== undefined && seenAt > (known.get(deployment)?.mismatch?.at ?? 0)) say({ deployment, mismatch: { at: seenAt, detail: aside.detail } })
    const failedBefore = known.get(deployment)?.failingAt ?? 0
    const { mismatch, releasedAt = 0, failingAt = 0 } = learn(news)
    isHearing = true
    if (mismatch !== undefined && mismatch.at >= releasedAt) quarantine.set(deployment, 'compliance-mismatch', mismatch.detail)
    else if (aside?.reason === 'compliance-mismatch' && releasedAt > 0) quarantine.release(deployment)
    if (failingAt > failedBefore && clock.now() - failingAt < FAILING_MS_MAX && gateway.epochs.current().bundle.catalog.byName.has(deployment)) breakers.doubt(deployment, 'failing')
    isHearing = false
  }
  const exchange = async (): Promise<void> => {
    for (const [deployment, news] of unsaid) {
      await table.tell(news)
      if (unsaid.get(deployment) === news) unsaid.delete(deployment)
    }
    const rows = await table.read()
    for (const news of rows) hear(news)
    // A table that has lost what it held is told again.
    const held = new Map(rows.map(row => [row.deployment, row]))
    for (const [deployment, { mismatch, releasedAt }] of known) {
      const row = held.get(deployment)
      if ((mismatch?.at ?? 0) > (row?.mismatch?.at ?? 0) || (releasedAt ?? 0) > (row?.releasedAt ?? 0)) say(known.get(deployment)!)
    }
  }

  return () => {
    if (signal.aborted || isAtWork || (unsaid.size === 0 && !isPast(lookedAt, clock.now(), READ_EVERY_MS))) return
    isAtWork = true
    lookedAt = clock.now() + READ_EVERY_MS
    background(inTime(exchange(), clock, signal).then(
      () => gateway.clear(ALARM),
      () => { if (!signal.aborted) gateway.raise(ALARM, 'Gateways of this installation cannot tell each other which deployments fail or are set aside; each goes by what it sees itself.') },
    ).finally(() => { isAtWork = false }))
  }
}

/** Rejects when it takes too long. What was late may still be said and heard: it does no harm. */
async function inTime(work: Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const giveUp = (): void => reject(new Error('late'))
  const forget = clock.after(ANSWER_WITHIN_MS, giveUp)
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    await Promise.race([work, late])
  } finally {
    forget()
    signal.removeEventListener('abort', giveUp)
  }
}
