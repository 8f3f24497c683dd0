/**
 * Drills on a running gateway, laid over whatever bundle is in force and taken away again.
 *
 * What it assumes: the law is put in force through `overlay`, on every way.
 * What it promises: a drill is on record before it acts; it goes on under changed policies, under the rules that it began
 * with, and does not outlive the process; it ends at its second by the edge in its own rules, also where nothing here runs
 * any more; while one runs the gateway says so. An end that cannot be recorded is an end all the same.
 */
import type { Bundle } from '../bundle/bundle.ts'
import { withDrills, type Drill } from '../bundle/drilled.ts'
import { failure } from '../failure.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { DRILLS_MAX, NOT_AS_SHOWN, type DrillDone, type DrillsPort } from '../http/drills.ts'
import { inUtc } from '../policy/time.ts'
import type { DrillEntry } from '../record/record.ts'
import type { Watching } from './node-watch.ts'

const ALARM = 'drill'
const RETRY_AFTER_MS = 5_000

export type Drills = {
  /** For `watch`: what is in force while these drills run. */
  readonly overlay: (bundle: Bundle) => Promise<Bundle>
  port(watching: Watching): DrillsPort
  /** Records that those which still run end with the gateway. */
  close(): Promise<void>
}

export function createDrills(gateway: Gateway): Drills {
  const { clock, log, background } = gateway.ports
  const running = new Map<string, Drill>()
  const timers = new Map<string, () => void>()
  const overlay = (bundle: Bundle): Promise<Bundle> => withDrills(bundle, [...running.values()].filter(({ window }) => clock.now() < window.until))

  const tell = (drill: Drill, { action, author, ended, bundle, until }: DrillEntry): void => {
    const fields = { id: drill.id, action, what: drill.what, author, until: inUtc(until), bundle, ...(ended !== undefined && { ended }) }
    log('warn', 'drill', fields)
    gateway.events.publish('drill', fields)
    const all = [...running.values()]
    if (all.length === 0) gateway.clear(ALARM)
    else gateway.raise(ALARM, `Pretended, not real: ${all.map(one => `${causeOf(one)} until ${inUtc(one.window.until)} (${one.id}, by ${one.author})`).join('; ')}.`)
  }
  const entryFor = (drill: Drill, done: Pick<DrillEntry, 'action' | 'author' | 'bundle' | 'ended'>): DrillEntry => ({
    kind: 'drill', id: drill.id, at: clock.now(), what: drill.what, until: drill.window.until, previousBundle: gateway.epochs.current().bundle.digest,
    ...(drill.digest !== undefined && { digest: drill.digest }), ...done,
  })
  const forget = (id: string): void => {
    timers.get(id)?.()
    timers.delete(id)
    running.delete(id)
  }

  /** Takes a drill out of force; undefined when it is out already. */
  const end = async (watching: Watching, drill: Drill, { author, ended }: { readonly author: string; readonly ended: 'asked' | 'time' }): Promise<DrillDone | undefined> => {
    if (!running.delete(drill.id)) return undefined
    const { bundle } = watching.inForce()
    const entry = entryFor(drill, { action: 'end', author, ended, bundle: (await overlay(bundle)).digest })
    try {
      await watching.again(`drill over: ${causeOf(drill)}`)
    } catch (error) {
      log('error', 'drill-not-ended', { id: drill.id, error: error instanceof Error ? error.name : typeof error })
      // Before its time its rules are in force until the law is put in force anew, and whoever wants it out may ask again.
      // After it they have ended by themselves.
      if (clock.now() < drill.window.until) {
        running.set(drill.id, drill)
        return { ok: false, failure: failure('internal_error', `The drill could not be taken away. It ends by itself at ${inUtc(drill.window.until)}; ask again to end it before.`) }
      }
    }
    forget(drill.id)
    tell(drill, entry)
    return { ok: true, entry, isRecorded: await gateway.keep(entry) }
  }
  /** A clock that was set back makes it wait again: its second is not there yet. */
  const endInTime = (watching: Watching, drill: Drill): void => {
    timers.set(drill.id, clock.after(Math.max(0, drill.window.until - clock.now()), () => {
      if (clock.now() < drill.window.until) endInTime(watching, drill)
      else background(end(watching, drill, { author: drill.author, ended: 'time' }))
    }))
  }

  return {
    overlay,
    port: watching => ({
      inForce: () => watching.inForce(),
      running: () => [...running.values()],
      // One at a time, and under one law: what was shown is what begins, and the entry says what comes into force.
      begin: (drill, shownUnder) => watching.alone(async (inForce, put): Promise<DrillDone> => {
        if (gateway.epochs.current().bundle.digest !== shownUnder) return NOT_AS_SHOWN
        if (running.size >= DRILLS_MAX) return { ok: false, failure: failure('invalid_request', `There are ${DRILLS_MAX} drills already, the most at once.`, { status: 409 }) }
        const drilled = await withDrills(inForce.bundle, [...running.values(), drill])
        const entry = entryFor(drill, { action: 'begin', author: drill.author, bundle: drilled.digest })
        if (!await gateway.keep(entry)) return { ok: false, failure: failure('cannot_record', 'The drill cannot be recorded, so it does not begin.', { retryAfterMs: RETRY_AFTER_MS }) }
        running.set(drill.id, drill)
        endInTime(watching, drill)
        tell(drill, entry)
        try {
          await put(inForce, `drill: ${causeOf(drill)}`)
        } catch (error) {
          forget(drill.id)
          const over = entryFor(drill, { action: 'end', author: drill.author, ended: 'asked', bundle: entry.previousBundle })
          tell(drill, over)
          await gateway.keep(over)
          return { ok: false, failure: failure('internal_error', 'The drill could not be laid over the policies, so it does not begin.', { cause: error }) }
        }
        return { ok: true, entry, isRecorded: true }
      }),
      async end(id, author) {
        const drill = running.get(id)
        return drill && end(watching, drill, { author, ended: 'asked' })
      },
    }),
    async close() {
      const { digest } = gateway.epochs.current().bundle
      await Promise.all([...running.values()].map(async drill => {
        forget(drill.id)
        await gateway.keep(entryFor(drill, { action: 'end', author: drill.author, ended: 'stopped', bundle: digest }))
      }))
    },
  }
}

const causeOf = ({ what }: Drill): string => what.join(' and ')
