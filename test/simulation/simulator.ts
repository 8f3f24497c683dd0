/**
 * What this is for: the whole flow under a seed (resilience, section 5): two gateways, providers whose mood changes, laws and a
 * catalog that change under way, a recorder that fails at times, callers who leave. Then everything is healed, and everything
 * must come back.
 *
 * What it assumes: nothing of real time, randomness or network is used by what is simulated.
 * What it promises: the same seed gives the same trace; every checker has seen everything.
 *
 * The two gateways share the providers and are told of the same laws, each a little later than the other. They share no state
 * yet: where state is shared between processes, it goes into `World` beside the weather, given to both.
 */
import { createBreakers } from '../../src/breaker/opossum.ts'
import { handle } from '../../src/gateway/handle.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { putInForce } from '../../src/gateway/in-force.ts'
import { createLadder } from '../../src/gateway/ladder.ts'
import { createMetrics } from '../../src/gateway/metrics.ts'
import { releaseByPerson } from '../../src/gateway/quarantining.ts'
import { createSharing } from '../../src/gateway/sharing.ts'
import { createUpkeep } from '../../src/gateway/upkeep.ts'
import { readRequest, type Needs } from '../../src/openai/request.ts'
import type { Operation } from '../../src/policy/facts.ts'
import type { Clock } from '../../src/ports.ts'
import type { ProviderPort } from '../../src/provider/provider.ts'
import type { Entry } from '../../src/record/record.ts'
import { call, habit, PATIENT, type Habit } from './caller.ts'
import { chance, type Chance } from './chance.ts'
import { CHECKERS, type CheckerName } from './checkers.ts'
import { inWords, type Ask, type Seen } from './history.ts'
import { laws, MIDNIGHT, type Law, type Laws } from './laws.ts'
import { simulatedProviders } from './provider.ts'
import { simulatedTable, type SimulatedTable } from './table.ts'
import { settled, timeline, type Timeline } from './timeline.ts'
import { MOODS, type Mood } from './weather.ts'

/** What breaks a gateway on purpose, so that a checker can be seen to fail. */
export type Sabotage = {
  readonly gateway?: (gateway: Gateway) => Gateway
  readonly providers?: (providers: ProviderPort) => ProviderPort
  readonly handle?: (real: typeof handle) => typeof handle
  /** Under which the gateway lives. */
  readonly clock?: (clock: Clock) => Clock
}

export type Violation = { readonly checker: CheckerName; readonly what: string }

export type Result = {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly trace: readonly string[]
  /** How often each kind of thing happened. */
  readonly counts: ReadonlyMap<string, number>
}

const GATEWAYS = 2
const REQUESTS = 24
/** Faults go on for so long, and after that nothing is wrong any more. */
const STORM_MS = 240_000
const HEALING_MS = 1_500_000
const LAST_MS = 200_000
const TICK_MS = { storm: 2_000, healing: 15_000 } as const

type World = {
  readonly seed: number
  readonly time: Timeline
  readonly clock: Clock
  readonly laws: Laws
  readonly sabotage: Sabotage
  readonly moods: Map<string, Mood>
  /** Models that the server at home holds beside those of the catalog. */
  found: number
  /** Asks by the marker in their words. */
  readonly asks: Map<string, Ask>
  readonly bodies: Set<string>
  readonly listened: Map<string, number>
  readonly seen: (seen: Seen) => void
  readonly table: SimulatedTable
  isHealed: boolean
}

export async function simulate(seed: number, sabotage: Sabotage = {}): Promise<Result> {
  const chances = chance(seed)
  const start = MIDNIGHT - chances.whole(60_000, 180_000)
  const time = timeline(start, chances.fork())
  const checkers = Object.entries(CHECKERS).map(([name, make]) => ({ name: name as CheckerName, see: make() }))
  const trace: string[] = [], violations: Violation[] = [], counts = new Map<string, number>()
  const seen = (what: Seen): void => {
    trace.push(inWords(what, start))
    for (const kind of kindsOf(what)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
    for (const { name, see } of checkers) {
      const wrong = see(what)
      if (wrong === undefined) continue
      violations.push({ checker: name, what: wrong })
      trace.push(`!! ${name}: ${wrong}`)
    }
  }
  const world: World = {
    seed, time, clock: time.clockOf('world'), laws: await laws(), sabotage, moods: new Map(), found: 0, asks: new Map(), bodies: new Set(), listened: new Map(), seen, isHealed: false,
    table: simulatedTable({ clock: time.clockOf('world'), chance: chances.fork(), seen }),
  }

  // 1. The storm.
  const gateways = Array.from({ length: GATEWAYS }, (_, number) => begin(world, number, chances.fork()))
  changeWeather(world, chances.fork())
  const people = chances.fork()
  for (let left = REQUESTS; left > 0;) {
    // Some come alone, some at once.
    const at = people.whole(0, STORM_MS - 30_000), together = people.is(0.3) ? people.whole(2, 5) : 1
    const gateway = people.one(gateways)
    for (let i = 0; i < together; i++) world.clock.after(at + i * people.whole(0, 20), () => ask(world, gateway, { chance: people, isLast: false }))
    left -= together
  }
  const isFine = (): boolean => violations.length === 0
  while (isFine() && await time.step(start + STORM_MS)) continue

  // 2. Everything is healed, and time passes.
  world.isHealed = true
  world.table.heal()
  world.moods.clear()
  if (isFine()) for (const gateway of gateways) gateway.heal()
  while (isFine() && await time.step(start + STORM_MS + HEALING_MS)) continue

  // 3. What may be answered is answered.
  const last = chances.fork()
  if (isFine()) for (const gateway of gateways) for (const model of ['lab/large', 'other/medium', 'open/local', 'lab/vectors', 'auto']) ask(world, gateway, { chance: last, isLast: true, model })
  const end = start + STORM_MS + HEALING_MS + LAST_MS
  while (isFine() && await time.step(end - 1)) continue
  for (const gateway of gateways) gateway.end()
  while (isFine() && await time.step(end)) continue
  await settled()
  if (isFine()) {
    seen({ at: time.now(), kind: 'over', timers: time.waiting('product'), listeners: [...world.listened.keys()], bodies: [...world.bodies], open: gateways.flatMap(g => g.keptOut()) })
  }
  return { seed, violations, trace, counts }
}

/** The kinds of things that are counted, so that it can be told that a run had them. */
function kindsOf(seen: Seen): readonly string[] {
  switch (seen.kind) {
    case 'answered': return [`answered ${seen.how}${seen.code === undefined ? '' : ` ${seen.code}`}`]
    case 'ended': return [`ended ${seen.how}`]
    case 'sent': return [seen.ask === undefined ? 'probe' : 'attempt']
    case 'entry': {
      if (seen.entry.kind === 'quarantine') return [`${seen.entry.reason} ${seen.entry.action}`]
      if (seen.entry.kind === 'pool') return [`pool: ${seen.entry.cause.split(':', 1)[0]!}`]
      if (seen.entry.kind !== 'outcome') return seen.kept ? [] : ['decision lost']
      const rescued = seen.entry.attempts.filter(a => a.rescue !== undefined && a.code === 'ok').map(a => `rescued by ${a.rescue}`)
      return [`outcome ${seen.entry.outcome}`, ...rescued, ...(seen.kept ? [] : ['outcome lost'])]
    }
    case 'table': return [`table ${seen.mood}`]
    default: return [seen.kind]
  }
}

type Simulated = {
  readonly number: number
  readonly handle: typeof handle
  readonly gateway: Gateway
  heal(): void
  end(): void
  /** What still keeps deployments out. */
  keptOut(): readonly string[]
}

/** One process: its gateway, its recorder, its ticks, and the people who look after it. */
function begin(world: World, number: number, chances: Chance): Simulated {
  const { time, clock, seen, sabotage, laws: { all, peace } } = world
  const told = chances.fork(), disk = chances.fork(), weather = chances.fork(), random = chances.fork(), staff = chances.fork()
  const product = (sabotage.clock ?? (c => c))(time.clockOf('product'))
  const thrown = (why: unknown): void => seen({ at: time.now(), kind: 'thrown', what: why instanceof Error ? `${why.message} ${why.stack?.split('\n')[1]?.trim() ?? ''}` : JSON.stringify(why) })
  const background = (work: Promise<unknown>): void => void work.catch(thrown)
  const inForce: { law: Law; found: number } = { law: peace, found: 0 }
  const providers = simulatedProviders({
    gateway: number, chance: weather, moodOf: name => world.moods.get(name) ?? 'well', askOf: text => world.asks.get(/marker-(r\d+)\./.exec(text)?.[1] ?? ''), expected: expectedOf,
    clock: { world: clock, product }, seen, bodies: world.bodies,
  })
  const recorder = { append: (entry: Entry): void | Promise<void> => append(world, { number, disk, entry }) }
  const made = createGateway({
    ports: { clock: product, random: random.number, transport: { send: () => Promise.reject(new Error('no network here')) }, secrets: () => undefined, background, log: () => undefined },
    providers: (sabotage.providers ?? (p => p))(providers), breakers: createBreakers(), recorder, metrics: createMetrics(), place: 'FR',
    bundle: peace.byFound[0]!, connected: () => undefined,
  })
  const gateway = (sabotage.gateway ?? (g => g))(made)
  const tellLaw = (): void => seen({ at: time.now(), kind: 'law', gateway: number, name: `${inForce.law.name}, ${inForce.found} found`, bundle: inForce.law.byFound[inForce.found]! })
  tellLaw()

  const put = (law: Law, found: number, cause: string): void => {
    if (law === inForce.law && found === inForce.found) return
    Object.assign(inForce, { law, found })
    putInForce(gateway, law.byFound[found]!, cause)
    tellLaw()
  }
  const stop = new AbortController()
  const upkeep = createUpkeep(gateway, stop.signal), ladder = createLadder(gateway, stop.signal)
  const share = createSharing(gateway, world.table.at(number), stop.signal)
  gateway.events.subscribe(({ kind, what }) => {
    if (kind === 'quarantine' && what['action'] === 'released') seen({ at: time.now(), kind: 'released', gateway: number, deployment: String(what['deployment']) })
  })
  const askServers = (): void => void clock.after(told.whole(5, 500), () => put(inForce.law, world.found, 'discovery'))
  const tick = (): void => {
    if (stop.signal.aborted) return
    gateway.epochs.current()
    upkeep()
    share()
    if (ladder()) askServers()
    clock.after(world.isHealed ? TICK_MS.healing : TICK_MS.storm, tick)
  }
  const discover = (): void => {
    if (stop.signal.aborted) return
    askServers()
    clock.after(30_000, discover)
  }
  const changeLaw = (): void => {
    if (world.isHealed) return
    put(told.is(0.4) ? peace : told.one(all), inForce.found, 'policies changed')
    clock.after(told.whole(5_000, 60_000), changeLaw)
  }
  const release = (): void => {
    for (const what of gateway.quarantine.all()) if (staff.is(world.isHealed ? 1 : 0.5)) background(releaseByPerson(gateway, what, 'officer'))
    if (!stop.signal.aborted) clock.after(staff.whole(20_000, 90_000), release)
  }
  clock.after(told.whole(0, TICK_MS.storm), tick)
  clock.after(told.whole(0, 30_000), discover)
  clock.after(told.whole(0, 40_000), changeLaw)
  clock.after(staff.whole(20_000, 90_000), release)
  return {
    number, gateway, handle: (sabotage.handle ?? (h => h))(handle),
    heal() {
      put(peace, inForce.found, 'policies changed')
      release()
    },
    end: () => stop.abort(),
    keptOut: () => [
      ...inForce.law.byFound[inForce.found]!.catalog.deployments.filter(d => !gateway.breakers.mayTry(d.name)).map(d => `breaker of ${d.name} at g${number}`),
      ...gateway.quarantine.all().map(q => `quarantine of ${q.deployment} at g${number}`),
    ],
  }
}

/** A recorder that is slow at times and fails at others. What is seen of it is seen when it has said yes or no. */
function append({ seen, clock, time, isHealed }: World, { number, disk, entry }: { readonly number: number; readonly disk: Chance; readonly entry: Entry }): void | Promise<void> {
  const tell = (kept: boolean): void => {
    seen({ at: time.now(), kind: 'entry', gateway: number, entry, kept })
  }
  const how = isHealed ? 'kept' : disk.weighted([[90, 'kept'], [6, 'slow'], [2, 'lost'], [1, 'slowly lost']])
  const fail = (): Error => Object.assign(new Error('no space'), { code: 'ENOSPC' })
  if (how === 'kept') return tell(true)
  if (how === 'lost') {
    tell(false)
    throw fail()
  }
  return new Promise((resolve, reject) => {
    clock.after(disk.whole(1, 2_000), () => {
      tell(how === 'slow')
      if (how === 'slow') resolve()
      else reject(fail())
    })
  })
}

/** Moods change, models come and go. */
function changeWeather(world: World, chances: Chance): void {
  const names = [...new Set(world.laws.all.flatMap(law => law.byFound.flatMap(b => b.catalog.deployments.map(d => d.name))))]
  const change = (): void => {
    if (world.isHealed) return
    const some = chances.is(0.25) ? names.filter(n => n.startsWith(chances.one(['us', 'eu', 'de', 'home']))) : [chances.one(names)]
    const mood = chances.weighted<Mood>([[4, 'well'], [4, 'flaky'], [4, 'cutting'], ...MOODS.slice(2).map((m): readonly [number, Mood] => [1.5, m])])
    for (const name of some) world.moods.set(name, mood)
    if (chances.is(0.3)) world.found = chances.whole(0, 2)
    world.clock.after(chances.whole(500, 10_000), change)
  }
  for (const name of names) if (chances.is(0.5)) world.moods.set(name, chances.one(MOODS))
  change()
}

const expectations = new WeakMap<Ask, readonly string[]>()

/** What every willing provider says to this request; long enough at times that a beginning said again is known as one. */
function expectedOf(ask: Ask): readonly string[] {
  const known = expectations.get(ask)
  if (known !== undefined) return known
  const words = chance(Number(ask.id.slice(1)) + ask.receivedAt)
  const made = Array.from({ length: words.whole(1, 14) }, (_, i) => `${words.one(['the', 'law', 'of', 'the', 'place', 'holds'])}${i} `)
  expectations.set(ask, made)
  return made
}

const encoder = new TextEncoder()
const LABELS = ['none', 'personal', 'special-category', 'trade-secret'] as const

type Asking = { readonly chance: Chance; readonly isLast: boolean; readonly model?: string }

/** Somebody asks something. */
function ask(world: World, { number, gateway, handle: answer }: Simulated, { chance: people, isLast, model: given }: Asking): void {
  const { clock, time, asks, seen, listened } = world
  const id = `r${asks.size}`
  const inForce = gateway.epochs.current().bundle.apps
  const app = people.one(['desk', 'desk', 'strict', 'kin'].filter(name => inForce.has(name)))
  const model = given ?? people.weighted([[4, 'lab/large'], [1, 'lab/small'], [3, 'other/medium'], [2, 'open/local'], [2, 'auto'], [1, 'lab/vectors'], [0.5, 'open/vectors'], [0.5, 'lab/vectors-two']])
  const operation: Operation = model.includes('vectors') ? 'embedding' : 'chat'
  const stream = operation === 'chat' && people.is(0.65)
  const prefill = operation === 'chat' && people.is(0.05) ? 'Here is ' : ''
  const begun = prefill === '' ? [] : [{ role: 'assistant', content: prefill }]
  const body = {
    model, ...(operation === 'chat' ? { messages: [{ role: 'user', content: `marker-${id}. what holds here?` }, ...begun], stream } : { input: `marker-${id}. what holds here?` }),
    ...(operation === 'chat' && people.is(0.15) && { tools: [{ type: 'function', function: { name: 'f' } }] }),
    ...(operation === 'chat' && people.is(0.1) && { max_tokens: 5_000 }),
    ...(people.is(0.08) && model !== 'auto' && operation === 'chat' && { models: [model, 'open/local'] }),
  }
  const bytes = encoder.encode(JSON.stringify(body))
  const { needs } = readRequest(operation, body, bytes.length) as { readonly needs: Needs }
  const stated = people.weighted<Readonly<Record<string, unknown>>>([[3, {}], [3, { data: ['none'] }], [4, { data: [people.one(LABELS)] }], [0.5, { data: ['nonsense'] }], [0.5, { 'user-in': 'FR' }]])
  const receivedAt = time.now()
  const connection = inForce.get(app)!
  const asked: Ask = { id, gateway: number, app, operation, needs, stated, body: bytes, dryRun: !isLast && people.is(0.02), receivedAt, deadline: receivedAt + connection.timeouts.total!, connection, prefill, isLast }
  asks.set(id, asked)
  const how: Habit = isLast ? PATIENT : habit(people.fork())
  call({ ask: asked, habit: how, handle: c => answer(gateway, c), clock, seen, listened })
    .catch((why: unknown) => seen({ at: time.now(), kind: 'thrown', what: why instanceof Error ? `${why.message} ${why.stack?.split('\n')[1]?.trim() ?? ''}` : JSON.stringify(why) }))
}
