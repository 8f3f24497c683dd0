/**
 * What this is for: what can be said of a rulebook before any request comes (policy-language, section 5): rules without
 * effect, rules that contradict one another, apps without a model or without a second one, exceptions without effect.
 *
 * What it assumes: facts and assumptions that hold at the instant asked about are renewed in time; `check` lists those
 * that are overdue. So only rules, exceptions and groups change what is seen later.
 * What it promises: exact over the registered request classes. A rule or exception is called useless only when no request
 * of theirs, whatever else it states, would be decided otherwise without it by the catalog as it stands.
 */
import { registeredClasses, type RegisteredClass } from './classes.ts'
import { decide, judge, type Decision } from './decide.ts'
import type { Facts } from './facts.ts'
import { emptyMask, frameAt, hasBit, setBit, type Frame, type FrameRule, type Mask } from './frame.ts'
import { evaluate, type Condition } from './match.ts'
import { understand } from './request.ts'
import type { Edge, Instant, Place, Rulebook, Window } from './rule.ts'
import { inUtc } from './time.ts'
import { FALSE, TRUE, type Truth } from './truth.ts'

export type FindingKind =
  | 'rule-never-applies' | 'rule-shadowed' | 'contradiction' | 'empty-pool' | 'single-deployment' | 'exception-without-effect' | 'granted-to-nobody'

export type Finding = {
  readonly kind: FindingKind
  readonly place: Place
  /** One plain sentence, or two. */
  readonly says: string
}

/** Of the stretches between edges to come, so many are looked at; what begins after them is not judged. */
const STRETCHES_MAX = 48
/** Contradictions told of one class. */
const CONTRADICTIONS_MAX = 10

/** Everything found, by place. */
export function analyse(rulebook: Rulebook, at: Instant): readonly Finding[] {
  const kept = renewed(rulebook, at)
  const classes = registeredClasses(kept)
  const upcoming = kept.edges.filter(e => e.at > at)
  const looks = [at, ...upcoming.slice(0, STRETCHES_MAX - 1).map(e => e.at)].map(instant => look(kept, classes, instant))
  const end = upcoming[STRETCHES_MAX - 1]?.at ?? Infinity
  return [
    ...rulesWithoutClass(kept, looks, { at, end }),
    ...shadowedRules(kept, looks),
    ...pools(kept, looks),
    ...idleExceptions(kept, looks, { at, end }),
    ...ungranted(kept, looks[0]!.frame),
  ].sort((a, b) => (a.place.file < b.place.file ? -1 : a.place.file > b.place.file ? 1 : a.place.line - b.place.line || a.place.column - b.place.column))
}

/** The rulebook whose facts and assumptions of this instant hold for ever; those that have ended are gone. */
function renewed(rulebook: Rulebook, at: Instant): Rulebook {
  const zones = new Map(rulebook.edges.map(e => [e.at, e.zone]))
  const windows: readonly Window[] = [
    ...rulebook.rules.flatMap(r => [r.window, { from: r.modeUntil, until: Infinity }]), ...rulebook.exceptions.map(e => e.window),
    ...[...rulebook.groups.values()].flatMap(g => g.members.map(m => m.window)),
  ]
  const edges = [...new Set(windows.flatMap(w => [w.from, w.until]))].filter(Number.isFinite).sort((a, b) => a - b)
  return {
    ...rulebook,
    edges: edges.map<Edge>(edge => ({ at: edge, zone: zones.get(edge) ?? 'UTC' })),
    deployments: rulebook.deployments.map(d => ({
      ...d, facts: Object.fromEntries(Object.entries(d.facts).flatMap(([name, fact]) => (fact === undefined || fact.goodUntil <= at ? [] : [[name, { ...fact, goodUntil: Infinity }]]))),
    })),
    apps: new Map([...rulebook.apps].map(([name, app]) => [name, { ...app, assumptions: app.assumptions.filter(a => at < a.until).map(a => ({ ...a, until: Infinity })) }])),
  }
}

/** What requests of an app are known to be whatever else they state: without assumptions. */
type Sure = {
  readonly app: string
  readonly facts: Facts
  /** Data is only taken from may-carry, and no exception matches on that (section 15). */
  readonly dataIsTaken: boolean
}

/** One stretch of time: what holds in it, and what it means for each class. */
type Look = {
  readonly at: Instant
  readonly frame: Frame
  readonly decided: readonly { readonly class: RegisteredClass; readonly decision: Decision }[]
  readonly sure: readonly Sure[]
}

function look(rulebook: Rulebook, classes: readonly RegisteredClass[], at: Instant): Look {
  const unassumed: Rulebook = { ...rulebook, apps: new Map([...rulebook.apps].map(([name, app]) => [name, { ...app, assumptions: [] }])) }
  // Every app may send what carries nothing, whatever it may carry.
  const sent = [...classes, ...[...rulebook.apps.keys()].map(app => ({ app, data: ['none'], asked: { trusted: { app, data: ['none'] } } }))]
  return {
    at, frame: frameAt(rulebook, at),
    decided: classes.map(c => ({ class: c, decision: decide(rulebook, c.asked, at) })),
    sure: sent.map(({ app, asked }) => {
      const { readings, sources } = understand(unassumed, asked, at)
      return { app, facts: readings[0]!, dataIsTaken: sources['data'] === 'may-carry' }
    }),
  }
}

type Span = { readonly at: Instant; readonly end: Instant }
const day = (at: Instant): string => inUtc(at).slice(0, 10)

function rulesWithoutClass(rulebook: Rulebook, looks: readonly Look[], { at, end }: Span): readonly Finding[] {
  const applies = new Set(looks.flatMap(({ frame, sure }) => frame.rules.filter(r => sure.some(s => evaluate(r.when, s.facts) !== FALSE)).map(r => r.rule.name)))
  return rulebook.rules.flatMap<Finding>(({ name, place, window }) => {
    if (applies.has(name) || window.from >= end) return []
    if (window.until <= at) return [{ kind: 'rule-never-applies', place, says: `The rule ${name} never applies again: it ended on ${day(window.until)} (UTC).` }]
    if (rulebook.apps.size === 0) return []
    return [{ kind: 'rule-never-applies', place, says: `The rule ${name} never applies: what it says under when is false of every registered app.` }]
  })
}

/** Bits of one rule over the classes. */
type Reach = { readonly rule: FrameRule; readonly when: string; readonly may: Mask; readonly must: Mask; readonly removes: Mask; readonly always: Mask }

const isWithin = (small: Mask, large: Mask): boolean => small.every((word, i) => (word & ~large[i]!) === 0)
const isEmpty = (mask: Mask): boolean => mask.every(word => word === 0)

/**
 * A rule is shadowed by another when, in every stretch in which it is in force, the other enforces, surely applies to
 * every class that the first may apply to, and removes all that the first removes. Duties are an effect of their own.
 */
function shadowedRules(rulebook: Rulebook, looks: readonly Look[]): readonly Finding[] {
  const by = new Map<string, ReadonlySet<string>>()
  for (const { frame, sure } of looks) {
    const reaches = frame.rules.filter(r => r.rule.effect !== 'prefer').map(rule => reachOf(rule, frame, sure))
    for (const one of reaches) {
      if (isEmpty(one.may) || Object.keys(one.rule.rule.duties).length > 0) continue
      const { name } = one.rule.rule
      const known = by.get(name)
      // A rule that removes nothing of this catalog guards against what is added later.
      if (known === undefined && isEmpty(one.removes)) continue
      const others = known === undefined ? reaches : reaches.filter(r => known.has(r.rule.rule.name))
      by.set(name, new Set(others.filter(other => other !== one && covers(other, one)).map(other => other.rule.rule.name)))
    }
  }
  const order = new Map(rulebook.rules.map((r, i) => [r.name, i]))
  return rulebook.rules.flatMap<Finding>(({ name, place }) => {
    // Of two that remove the same, the later one is told.
    const other = [...by.get(name) ?? []].find(o => by.get(o)?.has(name) !== true || order.get(o)! < order.get(name)!)
    return other === undefined ? [] : [{ kind: 'rule-shadowed', place, says: `The rule ${name} changes nothing: wherever it applies, ${other} removes every deployment that it removes.` }]
  })
}

function reachOf(rule: FrameRule, frame: Frame, sure: readonly Sure[]): Reach {
  const truths = sure.map(s => evaluate(rule.when, s.facts))
  const over = (holds: (truth: Truth) => boolean): Mask => {
    const mask = emptyMask(truths.length)
    truths.forEach((truth, i) => { if (holds(truth)) setBit(mask, i) })
    return mask
  }
  const always = emptyMask(frame.facts.length)
  for (let w = 0; w < always.length; w++) always[w] = rule.exceptions.reduce((left, e) => left & ~e.models[w]!, rule.removes[w]!)
  return { rule, when: JSON.stringify(rule.rule.when), may: over(t => t !== FALSE), must: over(t => t === TRUE), removes: rule.removes, always }
}

const covers = (large: Reach, small: Reach): boolean =>
  large.rule.enforces && isWithin(small.removes, large.always) && (large.when === small.when || isWithin(small.may, large.must))

/** Empty pools with their causes, and pools of one. Each class is told at the first instant at which it is so. */
function pools(rulebook: Rulebook, looks: readonly Look[]): readonly Finding[] {
  const told = new Set<string>()
  const found = new Map<string, { readonly finding: (classes: string) => Finding; readonly data: string[] }>()
  const tell = (key: string, profile: string, finding: (classes: string) => Finding): void => {
    const known = found.get(key)
    if (known === undefined) found.set(key, { finding, data: [profile] })
    else if (!known.data.includes(profile)) known.data.push(profile)
  }
  for (const { at, frame, decided } of looks) {
    const since = at === looks[0]!.at ? '' : `From ${day(at)} (UTC) on, `
    const sentence = (text: string): string => (since === '' ? text.slice(0, 1).toUpperCase() + text.slice(1) : since + text)
    for (const { class: { app, data, asked }, decision } of decided) {
      const { place } = rulebook.apps.get(app)!
      const profile = data === 'unknown' ? 'unknown' : `[${data.join(', ')}]`
      const state = decision.permitted.length > 1 ? undefined : decision.permitted[0] ?? 'empty'
      if (state === undefined || told.has(`${app} ${profile} empty`) || told.has(`${app} ${profile} ${state === 'empty' ? state : 'one'}`)) continue
      told.add(`${app} ${profile} ${state === 'empty' ? state : 'one'}`)
      if (state !== 'empty') {
        tell(`one ${app} ${state} ${since}`, profile, classes => (
          { kind: 'single-deployment', place, says: sentence(`app ${app} with data ${classes} may use ${state} and nothing else, so there is no fallback.`) }))
        continue
      }
      const granted = frame.grants.get(app)!
      if (isEmpty(granted)) {
        tell(`none ${app} ${since}`, profile, () => ({ kind: 'empty-pool', place, says: sentence(`app ${app} is granted no deployment that the catalog lists.`) }))
        continue
      }
      const reading = understand(rulebook, asked, at)
      const removers = judge(frame, reading.readings[0]!, reading.sources['data'] === 'may-carry').active.filter(a => a.enforcing)
        .map(a => ({ rule: a.rule.rule, removes: a.rule.removes.map((word, w) => word & ~a.lifted[w]! & granted[w]!) }))
      const alone = removers.filter(r => isWithin(granted, r.removes)).map(r => r.rule.name)
      const pairs = alone.length > 0 ? [] : emptyingPairs(removers, granted)
      for (const [first, second] of pairs) {
        tell(`pair ${first.name} ${second.name} ${app} ${since}`, profile, classes => ({
          kind: 'contradiction', place: second.place,
          says: sentence(`the rules ${second.name} and ${first.name} (${first.place.file}:${first.place.line}) together leave app ${app} with data ${classes} no deployment; neither does alone.`),
        }))
      }
      if (pairs.length === 0) {
        const cause = alone.length === 1 ? `${alone[0]!} removes all that it is granted` : alone.length > 1 ? `${alone.join(', ')} each remove all that it is granted` : 'three or more rules together remove all that it is granted'
        tell(`empty ${app} ${cause} ${since}`, profile, classes => ({ kind: 'empty-pool', place, says: sentence(`app ${app} with data ${classes} has no permitted deployment: ${cause}.`) }))
      }
    }
  }
  return [...found.values()].map(({ finding, data }) => finding(data.length < 2 ? data.join('') : `${data.slice(0, -1).join(', ')} or ${data.at(-1)!}`))
}

type Remover = { readonly rule: Rulebook['rules'][number]; readonly removes: Mask }

function emptyingPairs(removers: readonly Remover[], granted: Mask): readonly (readonly [Remover['rule'], Remover['rule']])[] {
  const pairs: (readonly [Remover['rule'], Remover['rule']])[] = []
  for (const [i, second] of removers.entries()) {
    for (const first of removers.slice(0, i)) {
      if (pairs.length === CONTRADICTIONS_MAX) return pairs
      if (granted.every((word, w) => (word & ~first.removes[w]! & ~second.removes[w]!) === 0)) pairs.push([first.rule, second.rule])
    }
  }
  return pairs
}

/** An exception has an effect where its rule may apply, it may match, and nothing else surely removes what it lifts. */
function idleExceptions(rulebook: Rulebook, looks: readonly Look[], { at, end }: Span): readonly Finding[] {
  const works = new Set<string>()
  for (const { frame, sure } of looks) {
    for (const own of frame.rules) {
      for (const { exception, models, for: block } of own.exceptions) {
        if (works.has(exception.name)) continue
        const effective = sure.some(({ app, facts, dataIsTaken }) => {
          if (evaluate(own.when, facts) === FALSE || evaluate(dataIsTaken ? withoutData(block) : block, facts) === FALSE) return false
          const others = frame.rules.filter(r => r !== own && r.enforces && r.exceptions.length === 0 && evaluate(r.when, facts) === TRUE)
          const granted = frame.grants.get(app)!
          return models.some((word, w) => (others.reduce((left, r) => left & ~r.removes[w]!, word & own.removes[w]! & granted[w]!)) !== 0)
        })
        if (effective) works.add(exception.name)
      }
    }
  }
  if (rulebook.apps.size === 0) return []
  return rulebook.exceptions.filter(e => !works.has(e.name) && e.window.until > at && e.window.from < end).map(({ name, rule, place }) => (
    { kind: 'exception-without-effect', place, says: `The exception ${name} has no effect: for no registered app does it give back a deployment that only ${rule} removes.` }))
}

/** The condition with every part about data false. */
function withoutData(condition: Condition): Condition {
  if (condition.kind === 'all') return condition
  if (condition.kind === 'fact') return condition.fact === 'data' ? { kind: 'or', parts: [] } : condition
  return { kind: condition.kind, parts: condition.parts.map(withoutData) }
}

function ungranted(rulebook: Rulebook, frame: Frame): readonly Finding[] {
  if (rulebook.apps.size === 0) return []
  return rulebook.deployments.flatMap<Finding>(({ name, place }, i) => (
    place === undefined || [...frame.grants.values()].some(mask => hasBit(mask, i)) ? [] : [{ kind: 'granted-to-nobody', place, says: `The deployment ${name} is granted to no app.` }]))
}
