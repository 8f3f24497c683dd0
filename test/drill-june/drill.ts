/**
 * The drill itself: a gateway under even traffic loses two models to a notice, a provider to a kill, and then its last cloud;
 * then each of these ends. Nobody tells the gateway anything but the notice.
 */
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import type { PoolEvent } from '../../src/pool/epochs.ts'
import { ADMIN_TOKEN, bailiwick, folderOf, freshFolder, serve, type Line, type Serving } from '../support/processes.ts'
import { confused, lost, unlawful } from './judge.ts'
import { openProviders, type Arrival, type Over, type Providers } from './providers.ts'
import { recordsIn } from './records.ts'
import { startTraffic, type Answered } from './traffic.ts'
import { DEPLOYMENT_NAMES, DEPLOYMENTS, NOTICE, noticeFor, policiesFor, REMOVED, type DeploymentName, type Window } from './world.ts'

type CloudDeployment = Exclude<DeploymentName, 'local-one'>
const CLOUD_DEPLOYMENTS = DEPLOYMENT_NAMES.filter((d): d is CloudDeployment => d !== 'local-one')
const cloudOf = (deployment: CloudDeployment): 'eu-cloud' | 'us-cloud' => DEPLOYMENTS[deployment].provider

export type Plan = {
  readonly perSecond: number
  /** From one event to the next. */
  readonly phaseMs: number
}

/** A rebuild of the pool, and when in milliseconds since 1970. */
export type Rebuild = Omit<PoolEvent, 'at'> & { readonly at: number }

export type Happening = {
  readonly what: string
  readonly at: number
  /** The rebuilds that this led to, one for each deployment that went or came. */
  readonly rebuilds: readonly Rebuild[]
  /** Since when the gateway could have known: the event itself, or the end of the first answer after it. */
  readonly knowable: ReadonlyMap<DeploymentName, number>
  readonly slowestMs: number
}

export type Check = { readonly says: string; readonly holds: boolean; readonly found: readonly string[] }

export type Report = {
  readonly begunAt: number
  readonly answers: readonly Answered[]
  readonly happenings: readonly Happening[]
  readonly rebuilds: readonly Rebuild[]
  /** Prompts and signs of life that reached a provider. */
  readonly prompts: number
  readonly signsOfLife: number
  /** Streams that one deployment began and another completed. */
  readonly rescued: number
  /** The last that reached a removed model before it came back, in milliseconds after the notice: below zero is before it. */
  readonly lastArrivalMs: number
  readonly unlawful: readonly string[]
  readonly lost: readonly string[]
  readonly checks: readonly Check[]
}

const REBUILT_WITHIN_MS = 1_000
/** An open breaker is asked again after ten seconds, by a clock that ticks four times a second; the rest is for a busy machine. */
const RETURNED_WITHIN_MS = 15_000

/** For the command that enacts it, on a machine that is busy. */
const ENACTED_WITHIN_MS = 4_000

export async function runDrill(plan: Plan): Promise<Report> {
  const providers = await openProviders()
  try {
    const serving = await serve(folderOf(await policiesFor(providers.urls)))
    return await judged(await perform(plan, { providers, serving }))
  } finally {
    await providers.close()
  }
}

type Performed = {
  readonly providers: Providers
  readonly serving: Serving
  readonly begunAt: number
  readonly answers: readonly Answered[]
  readonly rebuilds: readonly Rebuild[]
  readonly notice: Window
  readonly killedAt: Readonly<Record<'eu-cloud' | 'us-cloud', number>>
  readonly startedAt: Readonly<Record<'eu-cloud' | 'us-cloud', number>>
  /** When everything was seen to be in the pool again. */
  readonly allBackAt: number
  readonly exitCode: number
}

async function perform({ perSecond, phaseMs }: Plan, { providers, serving }: Pick<Performed, 'providers' | 'serving'>): Promise<Performed> {
  const rebuilds = rebuildsOf(serving)
  const begunAt = Date.now()
  const traffic = startTraffic(serving.url, { perSecond })
  const rest = (until: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, until - Date.now()) })
  try {
    // 1. A notice whose seconds are known beforehand, and two kills.
    const from = Math.ceil((begunAt + Math.max(phaseMs, ENACTED_WITHIN_MS)) / 1_000) * 1_000
    const notice: Window = { from, until: from + Math.ceil((3 * phaseMs) / 1_000) * 1_000 }
    await enact(serving, notice)
    await rest(from + phaseMs)
    const euKilledAt = await providers.kill('eu-cloud')
    await rest(from + 2 * phaseMs)
    const usKilledAt = await providers.kill('us-cloud')

    // 2. All of it ends.
    await rest(notice.until + phaseMs)
    const euStartedAt = await providers.start('eu-cloud')
    await rest(notice.until + 2 * phaseMs)
    const usStartedAt = await providers.start('us-cloud')
    const startedAt = { 'eu-cloud': euStartedAt, 'us-cloud': usStartedAt }
    await whenTrue(() => CLOUD_DEPLOYMENTS.every(d => cameBack(d, startedAt[cloudOf(d)], rebuilds()) !== undefined), usStartedAt + RETURNED_WITHIN_MS)
    const allBackAt = Date.now()
    await rest(allBackAt + phaseMs)
    await traffic.stop()
    const exitCode = await serving.stop()
    return { providers, serving, begunAt, answers: traffic.answers, rebuilds: rebuilds(), notice, killedAt: { 'eu-cloud': euKilledAt, 'us-cloud': usKilledAt }, startedAt, allBackAt, exitCode }
  } finally {
    await traffic.stop()
  }
}

async function judged({ providers: { arrivals, overs }, serving, begunAt, answers, rebuilds, notice, killedAt, startedAt, allBackAt, exitCode }: Performed): Promise<Report> {
  const records = await recordsIn(serving.data)
  const epochs = new Map([[1, begunAt], ...rebuilds.map(r => [r.epoch, r.at] as const)])
  const down = new Map(CLOUD_DEPLOYMENTS.map(d => [d, { from: killedAt[cloudOf(d)], until: cameBack(d, startedAt[cloudOf(d)], rebuilds)?.at ?? Infinity }] as const))
  const evidence = { answers, arrivals, records, epochs, notice, down }
  const lastGone = gone(rebuilds, { what: 'the US cloud is killed, the last there was', at: killedAt['us-cloud'], deployments: ['us-classic'] })
  const happenings = [
    gone(rebuilds, { what: 'the notice takes two models', at: notice.from, deployments: REMOVED }),
    gone(rebuilds, { what: 'the EU cloud is killed', at: killedAt['eu-cloud'], deployments: ['eu-one'] }),
    lastGone,
    back(rebuilds, { what: 'the notice ends', at: notice.until, deployments: REMOVED }),
    back(rebuilds, { what: 'the EU cloud is started', at: startedAt['eu-cloud'], deployments: ['eu-one'], overs }),
    back(rebuilds, { what: 'the US cloud is started', at: startedAt['us-cloud'], deployments: ['us-classic', ...REMOVED], overs }),
  ]
  const alone: Window = { from: lastGone.rebuilds[0]?.at ?? Infinity, until: notice.until }
  const againLarge = answers.filter(a => a.app === 'desk' && a.model === 'frontier/large')
  return {
    begunAt, answers, happenings, rebuilds, lastArrivalMs: lastArrivalMs(arrivals, notice),
    prompts: arrivals.filter(a => a.nonce !== null).length, signsOfLife: arrivals.filter(a => a.nonce === null).length, rescued: records.rescued,
    unlawful: unlawful(evidence), lost: lost(evidence),
    checks: [
      check('the pool was rebuilt within a second of every event', happenings.filter(h => !(h.slowestMs <= REBUILT_WITHIN_MS)).map(h => `${h.what}: ${h.slowestMs} ms`)),
      check('breakers opened at dead providers only', openedInVain(serving, down)),
      check(`every deployment was found again within ${RETURNED_WITHIN_MS / 1_000} s of its start`, [...down].filter(([d, { until }]) => !(until - startedAt[cloudOf(d)] <= RETURNED_WITHIN_MS)).map(([d]) => d)),
      check('the local model answered for all when it was alone', answeredByOthers(answers, alone, 'local-one')),
      check('traffic went back to the models that were asked for', answeredByOthers(againLarge, { from: allBackAt, until: Infinity }, 'us-large')),
      check('streams that a kill cut were gone on with by another', records.rescued > 0 ? [] : ['none was cut']),
      check('forbidden was never called unavailable, nor the other way round', confused(evidence)),
      check('the gateway stopped as it should', exitCode === 0 ? [] : [`exit code ${exitCode}`]),
    ],
  }
}

const check = (says: string, found: readonly string[]): Check => ({ says, holds: found.length === 0, found })

/** As an officer does it: by the command, ahead of its second. */
async function enact(serving: Serving, notice: Window): Promise<void> {
  const file = join(freshFolder(), `${NOTICE}.policy.yaml`)
  writeFileSync(file, noticeFor(notice))
  const ran = await bailiwick(['directive', 'enact', file, '--yes', '--url', serving.url, '--author', 'Duty officer'], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN } })
  if (ran.code !== 0) throw new Error(`the notice was not enacted: ${ran.err}`)
  if (Date.now() >= notice.from) throw new Error('the notice was enacted too late for its second: this machine is too busy')
}

/** The rebuilds told so far, each log line read once. */
function rebuildsOf(serving: Serving): () => readonly Rebuild[] {
  const rebuilds: Rebuild[] = []
  let read = 0
  return () => {
    const log = serving.err()
    const end = log.lastIndexOf('\n') + 1
    for (const line of log.slice(read, end).split('\n')) {
      if (!line.includes('"event":"pool-rebuilt"')) continue
      const event = JSON.parse(line) as PoolEvent
      rebuilds.push({ ...event, at: Date.parse(event.at) })
    }
    read = end
    return rebuilds
  }
}

type Change = { readonly what: string; readonly at: number; readonly deployments: readonly DeploymentName[] }

function gone(rebuilds: readonly Rebuild[], { what, at, deployments }: Change): Happening {
  const found = deployments.map(d => rebuilds.find(r => r.at >= at && r.profiles.some(p => p.removed.some(gone => gone.deployment === d))))
  return happening({ what, at, found, knowable: new Map(deployments.map(d => [d, at])) })
}

/** `overs`: it comes back by being found, which cannot be before the first answer of it is over. */
function back(rebuilds: readonly Rebuild[], { what, at, deployments, overs }: Change & { readonly overs?: readonly Over[] }): Happening {
  const found = deployments.map(d => cameBack(d, at, rebuilds))
  const knowable = new Map(deployments.map(d => [d, overs === undefined ? at : overs.find(o => o.at >= at && o.deployment === d)?.at ?? Infinity] as const))
  return happening({ what, at, found, knowable })
}

function happening({ what, at, found, knowable }: Pick<Happening, 'what' | 'at' | 'knowable'> & { readonly found: readonly (Rebuild | undefined)[] }): Happening {
  const sinces = [...knowable.values()]
  const slowestMs = Math.max(...found.map((r, i) => (r === undefined ? Infinity : Math.max(0, r.at - sinces[i]!))))
  return { what, at, knowable, slowestMs, rebuilds: [...new Set(found.filter(r => r !== undefined))] }
}

const cameBack = (deployment: DeploymentName, since: number, rebuilds: readonly Rebuild[]): Rebuild | undefined =>
  rebuilds.find(r => r.at >= since && r.profiles.some(p => p.added.includes(deployment)))

const lastArrivalMs = (arrivals: readonly Arrival[], notice: Window): number =>
  Math.max(...arrivals.filter(a => REMOVED.includes(a.deployment) && a.at < notice.until).map(a => a.at)) - notice.from

function openedInVain(serving: Serving, down: ReadonlyMap<DeploymentName, Window>): readonly string[] {
  const opened = serving.log().filter((l: Line) => l.event === 'breaker' && l['to'] === 'open')
  return opened.flatMap(line => {
    const at = Date.parse(String(line['at'])), name = String(line['deployment']) as DeploymentName
    const window = down.get(name)
    return window !== undefined && at >= window.from && at < window.until ? [] : [`${name} at ${String(line['at'])}`]
  })
}

/** Answers of that time that somebody else gave, and a word when there was none at all. The newsroom may use no other model. */
function answeredByOthers(answers: readonly Answered[], { from, until }: Window, deployment: DeploymentName): readonly string[] {
  const then = answers.filter(a => a.app !== 'newsroom' && a.sentAt >= from && a.endedAt < until)
  if (then.length === 0) return ['nothing was answered then']
  return then.filter(a => a.deployment !== deployment).map(a => `${a.nonce} by ${a.deployment ?? 'nobody'}`)
}

async function whenTrue(holds: () => boolean, until: number): Promise<void> {
  while (!holds() && Date.now() < until) await new Promise(resolve => { setTimeout(resolve, 50) })
}
