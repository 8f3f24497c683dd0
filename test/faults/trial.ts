/**
 * What this is for: a case of the wall (places that fail, what is asked of a gateway before them, what must come of it) and
 * the trial that carries it out and judges it.
 *
 * What it promises: whatever a case expects, these hold for every request: at most two attempts at one place and four in all,
 * an end in time, the account of who answered true, and no connection to the wall left behind.
 */
import { hear, type Heard } from './hearing.ts'
import { worthOf, type Text, type Worth } from './judge.ts'
import type { Asked, Script, Wall } from './wall.ts'

export type Mode = 'stream' | 'whole'
export const MODES = ['stream', 'whole'] as const satisfies readonly Mode[]

export type Place = {
  readonly script: Script
  /** It takes the beginning of an answer and goes on after it, says the catalog. */
  readonly prefill?: true
  readonly context?: number
  /** Over those of every place, in the catalog's words. */
  readonly timeouts?: string
}

export type Case = {
  readonly name: string
  readonly mode: Mode
  /** In the order in which they are to be asked. */
  readonly places: readonly Place[]
  /** The app that says `on-content-filter: next`. */
  readonly asksNextWhenFiltered?: true
  readonly run: (trial: Trial) => Promise<void>
}

/** What must come of one request. */
export type Expected = Text & {
  readonly kind: Worth['kind']
  /** How often each place is asked: exactly, or between two numbers. */
  readonly asked?: readonly (number | readonly [least: number, most: number])[]
  /** The place that the answer begins with, by its index. */
  readonly served?: number
  /** All whose words are in it, where they are several. */
  readonly together?: readonly number[]
  readonly status?: number
  readonly code?: string
  /** Seconds, in Retry-After. */
  readonly retryAfter?: readonly [least: number, most: number]
  /** Milliseconds. Fast unless a time limit has to pass first. */
  readonly within?: number
  readonly usage?: readonly [prompt: number, completion: number]
}

/** The part of an outcome entry that is compared. */
export type Kept = {
  readonly outcome: string
  readonly deployment?: string
  readonly deployments?: readonly string[]
  readonly servedModel?: string
  readonly usage?: { readonly input: number; readonly output: number }
  readonly attempts: readonly { readonly deployment: string; readonly code: string }[]
}

export type Gateway = {
  readonly url: string
  readonly keys: { readonly plain: string; readonly asksNextWhenFiltered: string }
  /** The outcome entry of a decision, once it is there; undefined when it does not come. */
  kept(decision: string): Promise<Kept | undefined>
}

/** Names by which a case's model and places are known to the gateway and at the wall. */
export type Names = { readonly model: string; readonly deployment: (index: number) => string; readonly served: (index: number) => string }

export type Told = { readonly heard: Heard; readonly worth: Worth; readonly asked: readonly number[] }

export type Trial = {
  readonly names: Names
  /** Asks once and judges the answer. */
  ask(expected: Expected, wish?: { readonly usage?: boolean }): Promise<Told>
  /** What callers asked of a place so far. */
  asked(place: number): readonly Asked[]
  /** All that a place was asked, with what the gateway wanted to know for itself. */
  askedAtAll(place: number): number
  kept(told: Told): Promise<Kept | undefined>
  /** Something that must be so. */
  must(holds: boolean, otherwise: string): void
}

export type Result = { readonly wrong: readonly string[]; readonly attemptsMost: number; readonly msMost: number }

export const SAME_MOST = 2
export const ATTEMPTS_MOST = 4
/** For an answer that has to wait for nothing: a slow machine is allowed for. */
export const SOON_MS = 2_500
const LEFT_BEHIND_MS = 1_500

export async function runCase(one: Case, { names, gateway, wall }: { readonly names: Names; readonly gateway: Gateway; readonly wall: Wall }): Promise<Result> {
  const wrong: string[] = []
  let attemptsMost = 0, msMost = 0
  one.places.forEach((place, index) => wall.place(names.served(index), place.script))
  const must: Trial['must'] = (holds, otherwise) => { if (!holds && !wrong.includes(otherwise)) wrong.push(otherwise) }
  const asked: Trial['asked'] = place => wall.asked(names.served(place)).filter(a => a.isOfCaller)
  const key = one.asksNextWhenFiltered ? gateway.keys.asksNextWhenFiltered : gateway.keys.plain

  const trial: Trial = {
    names, asked, must,
    askedAtAll: place => wall.asked(names.served(place)).length,
    kept: async ({ heard }) => gateway.kept(heard.headers.get('x-bailiwick-decision') ?? ''),
    async ask(expected, { usage = false } = {}) {
      const within = expected.within ?? SOON_MS
      const before = one.places.map((_, place) => asked(place).length)
      const heard = await hear({ url: gateway.url, key, model: names.model, stream: one.mode === 'stream', usage, listenMs: within + 1_000 })
      const attempts = one.places.map((_, place) => asked(place).length - before[place]!)
      const worth = worthOf(heard, expected)
      const told: Told = { heard, worth, asked: attempts }
      attemptsMost = Math.max(attemptsMost, attempts.reduce((sum, n) => sum + n, 0))
      msMost = Math.max(msMost, heard.ms)
      for (const what of [...worth.wrong, ...bounds(told, within), ...comparison(told, expected), ...account(told, names, expected), ...listing(told, names)]) must(false, what)
      return told
    },
  }
  await one.run(trial)
  const isOver = await becomesTrue(() => one.places.every((_, place) => wall.asked(names.served(place)).every(a => a.isOver)), LEFT_BEHIND_MS)
  must(isOver, 'a connection to a provider was left behind')
  return { wrong, attemptsMost, msMost }
}

/** What every request is held to. */
function* bounds({ heard, asked }: Told, within: number): Generator<string> {
  const all = asked.reduce((sum, n) => sum + n, 0)
  if (asked.some(n => n > SAME_MOST)) yield `${Math.max(...asked)} attempts at one place`
  if (all > ATTEMPTS_MOST) yield `${all} attempts in all`
  if (heard.how !== 'endless' && heard.ms > within) yield `it took ${Math.round(heard.ms)} ms, more than ${within}`
}

function* comparison({ heard, worth, asked }: Told, expected: Expected): Generator<string> {
  if (worth.kind !== 'wrong' && worth.kind !== expected.kind) yield `${worth.kind}${worth.code === undefined ? '' : ` (${worth.code})`} instead of ${expected.kind}`
  if (expected.status !== undefined && heard.status !== expected.status) yield `status ${heard.status} instead of ${expected.status}`
  if (expected.code !== undefined && worth.code !== expected.code) yield `code ${worth.code ?? 'none'} instead of ${expected.code}`
  for (const [place, count] of (expected.asked ?? []).entries()) {
    const [least, most] = typeof count === 'number' ? [count, count] : count
    const n = asked[place] ?? 0
    if (n < least || n > most) yield `place ${place + 1} was asked ${n} times, not ${least === most ? least : `${least} to ${most}`}`
  }
  if (expected.retryAfter !== undefined) {
    const seconds = Number(heard.headers.get('retry-after') ?? NaN)
    if (!(seconds >= expected.retryAfter[0] && seconds <= expected.retryAfter[1])) yield `Retry-After ${heard.headers.get('retry-after') ?? 'missing'}`
  }
  if (expected.usage !== undefined) {
    const [prompt, completion] = expected.usage
    for (const usage of [worth.usage, heard.client.usage]) {
      if (usage?.prompt_tokens !== prompt || usage.completion_tokens !== completion) yield `usage ${usage === undefined ? 'missing' : `${usage.prompt_tokens}/${usage.completion_tokens}`} instead of ${prompt}/${completion}`
    }
  }
}

/** Who answered, and after how many attempts: as the body and the headers say it, against what the wall saw. */
function* account({ heard, worth, asked }: Told, names: Names, { served, together }: Expected): Generator<string> {
  if (heard.status !== 200 || worth.kind === 'wrong' || served === undefined) return
  const models = (together ?? [served]).map(names.served)
  if (worth.models.join() !== models.join()) yield `the body names ${worth.models.join(', ') || 'no model'}, and ${models.join(', ')} answered`
  const deployment = heard.headers.get('x-bailiwick-deployment')
  if (deployment !== names.deployment(served)) yield `x-bailiwick-deployment says ${deployment ?? 'nothing'}, and ${names.deployment(served)} answered`
  if (together !== undefined) return
  const attempts = asked.reduce((sum, n) => sum + n, 0)
  if (heard.headers.get('x-bailiwick-attempts') !== String(attempts)) yield `x-bailiwick-attempts says ${heard.headers.get('x-bailiwick-attempts') ?? 'nothing'}, and the wall saw ${attempts}`
  const isDegraded = heard.headers.get('x-bailiwick-degraded') !== null
  if (served > 0 && !isDegraded) yield 'x-bailiwick-degraded does not say that another than the first choice answered'
  if (served === 0 && isDegraded) yield 'x-bailiwick-degraded is said of the first choice'
}

/** An error that says nobody answered says who was asked. */
function* listing({ heard, worth, asked }: Told, names: Names): Generator<string> {
  if (worth.kind !== 'refused' || worth.code !== 'permitted_models_unavailable') return
  for (const [place, count] of asked.entries()) {
    if (count > 0 && !heard.body.includes(names.deployment(place))) yield `the error does not list the attempt at place ${place + 1}`
  }
}

/** Whether a condition comes true in time; it is looked at again and again. */
export async function becomesTrue(holds: () => boolean | Promise<boolean>, withinMs: number, everyMs = 20): Promise<boolean> {
  const until = performance.now() + withinMs
  while (!await holds()) {
    if (performance.now() > until) return false
    await new Promise(resolve => { setTimeout(resolve, everyMs) })
  }
  return true
}
