/**
 * The laws of the policy language (policy-language, end of section 4), each on its own, over random worlds and through
 * `decide`. They do not ask the oracle what the answer is, only that no change of the named kind gives more freedom.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Permit, decide } from '../../src/policy/decide.ts'
import type { Decision } from '../../src/policy/decide.ts'
import { explain } from '../../src/policy/explain.ts'
import { deploymentFacts, requestFacts } from '../../src/policy/facts.ts'
import type { Asked } from '../../src/policy/request.ts'
import type { Block, Rule, Rulebook } from '../../src/policy/rule.ts'
import { placeInside, truthOf } from './reference.ts'
import {
  APPS, COUNTRIES, TICKS, asked, askedPlain, claims, exceptionFor, exceptionScope, instant, namelessRule, numbered, rulebook, seed, settings, statements, withEdges,
} from './worlds.ts'

const RUNS = 500
const ALWAYS = { from: -Infinity, until: Infinity }
const ALL: Block = { kind: 'all' }

/** A rule in force for everybody and always, unless told otherwise. */
const plainRule = (more: Partial<Rule>): Rule => ({
  name: 'law/under-test', policy: 'law', id: 'under-test', title: 'a rule', because: 'a reason', law: undefined,
  place: { file: 'rules/law.policy.yaml', line: 1, column: 1 }, directive: false, effect: 'forbid', when: ALL, blocks: [ALL], window: ALWAYS,
  mode: 'enforce', modeUntil: Infinity, enforceFor: undefined, duties: {}, exceptions: { allowed: false, atMostDays: undefined, approvers: [] }, ...more,
})
const withRule = (book: Rulebook, rule: Rule): Rulebook => withEdges({ ...book, rules: [...book.rules, rule] })
const isInside = (smaller: readonly string[], larger: readonly string[]): void => expect(larger).toEqual(expect.arrayContaining([...smaller]))
const reasons = (book: Rulebook, request: Asked, at: number): unknown => explain(book, request, at).deployments
  .map(row => [row.deployment, row.granted, words(row.because), words(row['would-exclude']), words(row.exceptions)])
const words = (list: readonly unknown[]): string[] => [...new Set(list.map(one => JSON.stringify(one)))].sort()

/** A law that is only ever tried where nothing was permitted proves nothing. */
function law(name: string, check: (tried: () => void) => void): void {
  test(`${name} (seed ${seed})`, { timeout: 60_000 }, () => {
    let times = 0
    check(() => { times++ })
    expect(times, 'cases in which the law could have been broken').toBeGreaterThan(40)
  })
}

describe('a satisfied forbid removes', () => {
  law('the deployment that it names, and only that one', tried => fc.assert(fc.property(rulebook, asked, instant, fc.nat(), (book, request, at, n) => {
    const name = book.deployments[n % book.deployments.length]!.name
    const before = decide(book, request, at)
    const after = decide(withRule(book, plainRule({ blocks: [{ kind: 'fact', fact: 'deployment', match: { any: [{ value: name }] } }] })), request, at)
    if (before.permitted.includes(name)) tried()
    expect(after.permitted).toEqual(before.permitted.filter(one => one !== name))
  }), settings(RUNS)))

  law('everything, when it forbids all', tried => fc.assert(fc.property(rulebook, asked, instant, (book, request, at) => {
    if (decide(book, request, at).permitted.length > 0) tried()
    const after = decide(withRule(book, plainRule({})), request, at)
    expect(after).toMatchObject({ outcome: 'refuse', permitted: [], permit: undefined })
  }), settings(RUNS)))

  law('every deployment of which its block is true, whatever the block says', tried => fc.assert(fc.property(rulebook, asked, instant, namelessRule('restricting'), (book, request, at, nameless) => {
    const rule = plainRule({ blocks: nameless.blocks })
    const after = decide(withRule(book, rule), request, at)
    for (const deployment of book.deployments) {
      const known = new Map(Object.entries(deployment.facts).flatMap(([fact, dated]) => (dated !== undefined && at < dated.goodUntil ? [[fact, dated.value] as const] : [])))
      known.set('deployment', deployment.name).set('model', deployment.model).set('provider', deployment.provider)
      if (truthOf(book, rule.blocks[0]!, known, deploymentFacts, at) === 'false') continue
      tried()
      expect(after.permitted).not.toContain(deployment.name)
    }
  }), settings(RUNS)))

  law('what the opposite require removes: require X is forbid not X', tried => fc.assert(fc.property(rulebook, asked, instant, fc.constantFrom('hosting', 'staff', 'weights', 'provider'), fc.nat(1), (book, request, at, fact, n) => {
    const list = [[{ value: 'local' }, { value: 'any' }, { value: 'open' }, { value: 'p1' }], [{ value: 'cloud' }, { value: 'us-persons' }, { value: 'closed' }, { value: 'p2' }]][n]!
    const required = decide(withRule(book, plainRule({ effect: 'require', blocks: [{ kind: 'fact', fact, match: { any: list } }] })), request, at)
    const forbidden = decide(withRule(book, plainRule({ effect: 'forbid', blocks: [{ kind: 'fact', fact, match: { none: list } }] })), request, at)
    if (required.permitted.length > 0 && required.permitted.length < decide(book, request, at).permitted.length) tried()
    expect(required.permitted).toEqual(forbidden.permitted)
  }), settings(RUNS)))
})

describe('nothing outside the grant is ever permitted', () => {
  law('a deployment that no grant of the app names stays out', tried => fc.assert(fc.property(rulebook, asked, instant, (book, request, at) => {
    const decision = decide(book, request, at)
    const name = request.trusted['app']
    const grants = typeof name === 'string' ? book.apps.get(name)?.grants ?? [] : []
    for (const { name: deployment, model } of book.deployments) {
      const granted = grants === 'all' || grants.some(grant => ('deployment' in grant ? grant.deployment.includes(deployment) : grant.model.includes(model) || grant.model.includes(`${model.split('/')[0]}/*`)))
      if (granted) continue
      tried()
      expect(decision.permitted).not.toContain(deployment)
    }
  }), settings(RUNS)))

  law('an app that nobody registered may use nothing', tried => fc.assert(fc.property(rulebook, claims(fc.constantFrom<unknown>('unknown', 'nobody', undefined, null, 3, [...APPS])), instant, (book, trusted, at) => {
    if (decide(book, { trusted: { ...trusted, app: 'plain' } }, at).permitted.length > 0) tried()
    expect(decide(book, { trusted }, at)).toMatchObject({ outcome: 'refuse', code: 'no_permitted_model', permitted: [] })
  }), settings(RUNS)))

  law('the caller cannot name another app', tried => fc.assert(fc.property(rulebook, asked, instant, fc.constantFrom(...APPS), (book, request, at, other) => {
    const decision = decide(book, request, at)
    if (request.trusted['app'] !== other) tried()
    isInside(decide(book, { ...request, stated: { ...request.stated, app: other } }, at).permitted, decision.permitted)
  }), settings(RUNS)))
})

describe('rules only restrict', () => {
  law('adding a rule never enlarges', tried => fc.assert(fc.property(rulebook, asked, instant, namelessRule('any'), fc.nat(8), (book, request, at, nameless, position) => {
    const rules = [...book.rules]
    rules.splice(position, 0, numbered(nameless, 99))
    const before = decide(book, request, at)
    const after = decide(withEdges({ ...book, rules }), request, at)
    if (after.permitted.length < before.permitted.length) tried()
    isInside(after.permitted, before.permitted)
  }), settings(3 * RUNS)))

  law('neither the order nor a duplicate of a rule matters', tried => fc.assert(fc.property(rulebook, asked, instant, fc.array(fc.nat(), { minLength: 8, maxLength: 8 }), (book, request, at, keys) => {
    const moved = book.rules.map((rule, i) => ({ rule, key: keys[i]! })).sort((x, y) => x.key - y.key).map(one => one.rule)
    // Full names are unique in a tree, and the ranks of a prefer add up: a doubled prefer would be another wish.
    const doubled = withEdges({ ...book, rules: [...moved, ...moved.filter(rule => rule.effect !== 'prefer').slice(0, 3)] })
    const before = decide(book, request, at)
    const after = decide(doubled, request, at)
    if (book.rules.length > 1) tried()
    expect(after.permitted).toEqual(before.permitted)
    expect(after.duties).toEqual(before.duties)
    expect(reasons(doubled, request, at)).toEqual(reasons(book, request, at))
  }), settings(RUNS)))

  law('the order of the catalog changes nothing but the order of the rows', tried => fc.assert(fc.property(rulebook, asked, instant, (book, request, at) => {
    const turned = { ...book, deployments: [...book.deployments].reverse() }
    if (book.deployments.length > 1) tried()
    const { permitted, duties, code } = decide(book, request, at)
    expect(decide(turned, request, at)).toMatchObject({ permitted, duties, code })
    expect(reasons(turned, request, at)).toEqual((reasons(book, request, at) as unknown[]).reverse())
  }), settings(RUNS)))

  law('prefer never changes membership', tried => fc.assert(fc.property(rulebook, asked, instant, namelessRule('preferring'), (book, request, at, nameless) => {
    const before = decide(book, request, at).permitted
    const after = decide(withRule(book, numbered(nameless, 99)), request, at).permitted
    if (before.length > 1 && before.join() !== after.join()) tried()
    expect([...after].sort()).toEqual([...before].sort())
  }), settings(3 * RUNS)))

  law('shadow and warn never change the pool before their mode ends, outside their ring', tried => fc.assert(fc.property(rulebook, asked, instant, namelessRule('restricting'), fc.constantFrom('warn' as const, 'shadow' as const), (book, request, at, nameless, mode) => {
    const rule: Rule = { ...numbered(nameless, 99), mode, modeUntil: at + 1, enforceFor: undefined }
    const trying = withRule(book, rule)
    const before = decide(book, request, at)
    const after = decide(trying, request, at)
    if (explain(trying, request, at).deployments.some(row => row['would-exclude'].some(one => one.rule === rule.name))) tried()
    expect(after.permitted).toEqual(before.permitted)
    expect(after.duties).toEqual(before.duties)
    // The twin: from the instant at which the mode ends, the same rule enforces.
    const enforced = decide(withRule(book, { ...rule, mode: 'enforce', modeUntil: Infinity }), request, at)
    expect(decide(withRule(book, { ...rule, modeUntil: at }), request, at).permitted).toEqual(enforced.permitted)
  }), settings(RUNS)))

  law('a ring that is not known to be false enforces, whatever the mode', tried => fc.assert(fc.property(rulebook, asked, instant, namelessRule('restricting'), (book, request, at, nameless) => {
    const rule: Rule = { ...numbered(nameless, 99), mode: 'shadow', modeUntil: at + 1, enforceFor: ALL }
    const enforced = decide(withRule(book, { ...rule, mode: 'enforce', modeUntil: Infinity, enforceFor: undefined }), request, at)
    if (enforced.permitted.length < decide(book, request, at).permitted.length) tried()
    expect(decide(withRule(book, rule), request, at).permitted).toEqual(enforced.permitted)
    expect(decide(withRule(book, rule), request, at).duties).toEqual(enforced.duties)
  }), settings(RUNS)))
})

describe('not knowing means no', () => {
  law('a request fact that becomes unknown never enlarges', tried => fc.assert(fc.property(rulebook, askedPlain, instant, fc.nat(), fc.constantFrom<unknown>('unknown', undefined, null, 'Frnace', {}), (book, request, at, n, nothing) => {
    const stated = Object.keys(request.trusted)
    const fact = stated[n % stated.length]!
    const before = decide(book, request, at)
    const after = decide(book, { ...request, trusted: { ...request.trusted, [fact]: readable(fact, nothing) ? 'unknown' : nothing } }, at)
    if (after.permitted.length < before.permitted.length && fact !== 'app') tried()
    isInside(after.permitted, before.permitted)
  }), settings(8 * RUNS)))

  law('a deployment fact that becomes unknown never enlarges', tried => fc.assert(fc.property(rulebook, askedPlain, instant, fc.nat(), fc.constantFrom(...deploymentFacts.keys()), (book, request, at, n, fact) => {
    const index = n % book.deployments.length
    const poorer = { ...book, deployments: book.deployments.map((one, i) => (i === index ? { ...one, facts: { ...one.facts, [fact]: undefined } } : one)) }
    const before = decide(book, request, at)
    const after = decide(poorer, request, at)
    if (before.permitted.length > 0 && book.rules.length > 0) tried()
    isInside(after.permitted, before.permitted)
  }), settings(4 * RUNS)))

  law('a stale fact is an unknown one, from the very instant', tried => fc.assert(fc.property(rulebook, askedPlain, instant, fc.nat(), fc.constantFrom(...deploymentFacts.keys()), (book, request, at, n, fact) => {
    const index = n % book.deployments.length
    const dated = book.deployments[index]!.facts[fact]
    fc.pre(dated !== undefined)
    const having = (facts: Rulebook['deployments'][number]['facts']): Rulebook =>
      withEdges({ ...book, deployments: book.deployments.map((one, i) => (i === index ? { ...one, facts: { ...one.facts, ...facts } } : one)) })
    tried()
    expect(decide(having({ [fact]: { ...dated, goodUntil: at } }), request, at).permitted).toEqual(decide(having({ [fact]: undefined }), request, at).permitted)
    expect(decide(having({ [fact]: { ...dated, goodUntil: at + 1 } }), request, at).permitted).toEqual(decide(having({ [fact]: { ...dated, goodUntil: Infinity } }), request, at).permitted)
  }), settings(RUNS)))

  law('a label outside may-carry refuses the whole request, and so does the caller saying it', tried => fc.assert(fc.property(rulebook, claims(fc.constant('plain')), instant, fc.boolean(), (book, trusted, at, byCaller) => {
    const app = { ...book.apps.get('plain')!, mayCarry: ['personal'] }
    const carrying = { ...book, apps: new Map([...book.apps, ['plain', app]]) }
    const inside: Asked = { trusted: { ...trusted, data: ['personal'] } }
    const outside: Asked = byCaller ? { ...inside, stated: { data: ['itar'] } } : { trusted: { ...trusted, data: ['personal', 'itar'] } }
    if (decide(carrying, inside, at).permitted.length > 0) tried()
    expect(decide(carrying, inside, at).code).not.toBe('data_not_registered')
    expect(decide(carrying, outside, at)).toMatchObject({ outcome: 'refuse', code: 'data_not_registered', permitted: [], permit: undefined })
    for (const row of explain(carrying, outside, at).deployments) expect(row).toMatchObject({ verdict: 'excluded', because: [] })
  }), settings(RUNS)))
})

describe('the caller may ask for less freedom, never for more', () => {
  law('statements of the caller never enlarge', tried => fc.assert(fc.property(rulebook, asked, instant, statements, (book, request, at, stated) => {
    const before = decide(book, { trusted: request.trusted }, at)
    const after = decide(book, { trusted: request.trusted, stated }, at)
    if (after.permitted.length < before.permitted.length) tried()
    isInside(after.permitted, before.permitted)
    // What stays, stays in the order that the trusted facts give.
    expect(after.permitted).toEqual(before.permitted.filter(name => after.permitted.includes(name)))
  }), settings(3 * RUNS)))

  law('statements of the caller never lift a duty', tried => fc.assert(fc.property(rulebook, asked, instant, statements, (book, request, at, stated) => {
    const before = decide(book, { trusted: request.trusted }, at)
    const after = decide(book, { trusted: request.trusted, stated }, at)
    if (after.code === 'data_not_registered') return
    if (Object.keys(before.duties).length > 0) tried()
    noLighter(after.duties, before.duties)
    const places = (duties: Decision['duties']): string[] => COUNTRIES.filter(place => duties.logIn === undefined
      || placeInside(book, duties.logIn.map(name => (book.groups.has(name) ? { group: name } : { value: name })), place, at))
    isInside(places(after.duties), places(before.duties))
  }), settings(RUNS)))

  law('a request that contradicts its registration gets no more than the registration allows', tried => fc.assert(fc.property(rulebook, asked, instant, (book, request, at) => {
    fc.pre(request.trusted['app'] === 'registered')
    const app = book.apps.get('registered')!
    const silent: Asked = { trusted: Object.fromEntries(Object.entries(request.trusted).filter(([fact]) => app.registered[fact] === undefined)) }
    if (Object.keys(silent.trusted).length < Object.keys(request.trusted).length) tried()
    isInside(decide(book, request, at).permitted, decide(book, silent, at).permitted)
  }), settings(RUNS)))
})

describe('an exception enlarges only for its rule, its scope and its time', () => {
  const excused = fc.tuple(rulebook, asked, instant, exceptionScope, fc.nat()).filter(([book]) => book.rules.some(rule => rule.exceptions.allowed))

  law('whatever it adds lies inside, and it changes no duty', tried => fc.assert(fc.property(excused, ([book, request, at, where, n]) => {
    const rules = book.rules.filter(rule => rule.exceptions.allowed)
    const exception = exceptionFor(rules[n % rules.length]!.name, where, 99)
    const after = withEdges({ ...book, exceptions: [...book.exceptions, exception] })
    const [rowsBefore, rowsAfter] = [explain(book, request, at).deployments, explain(after, request, at).deployments]
    expect(decide(after, request, at).duties).toEqual(decide(book, request, at).duties)
    rowsAfter.forEach((row, i) => {
      const lifted = rowsBefore[i]!.because.map(one => one.rule).filter(rule => !row.because.some(one => one.rule === rule))
      const added = row.because.map(one => one.rule).filter(rule => !rowsBefore[i]!.because.some(one => one.rule === rule))
      expect(added).toEqual([])
      if (row.verdict === 'allowed' && rowsBefore[i]!.verdict === 'excluded') expect(lifted).toEqual([exception.rule])
      if (lifted.length === 0) return
      tried()
      expect(lifted).toEqual([exception.rule])
      expect(at >= where.window.from && at < where.window.until).toBe(true)
      const deployment = book.deployments[i]!
      const known = new Map(Object.entries(deployment.facts).flatMap(([fact, dated]) => (dated !== undefined && at < dated.goodUntil ? [[fact, dated.value] as const] : [])))
      known.set('deployment', deployment.name).set('model', deployment.model).set('provider', deployment.provider)
      expect(truthOf(book, where.models, known, deploymentFacts, at)).toBe('true')
      expect(row.exceptions).toContainEqual(expect.objectContaining({ exception: exception.name, rule: exception.rule }))
    })
  }), settings(3 * RUNS)))

  law('it is over at its last instant and not begun before its first', tried => fc.assert(fc.property(excused, ([book, request, at, where, n]) => {
    const rules = book.rules.filter(rule => rule.exceptions.allowed)
    const dated = (from: number, until: number): Rulebook =>
      withEdges({ ...book, exceptions: [...book.exceptions, exceptionFor(rules[n % rules.length]!.name, { ...where, window: { from, until } }, 99)] })
    const without = decide(book, request, at)
    if (decide(dated(at, at + 1), request, at).permitted.length > without.permitted.length) tried()
    expect(decide(dated(TICKS[0]! - 1e9, at), request, at).permitted).toEqual(without.permitted)
    expect(decide(dated(at + 1, TICKS[3]! + 1e9), request, at).permitted).toEqual(without.permitted)
  }), settings(3 * RUNS)))

  law('it never rests on data that only the registration speaks for', tried => fc.assert(fc.property(rulebook, claims(fc.constant('plain')), instant, (book, trusted, at) => {
    const carrying: Rulebook = { ...book, apps: new Map([...book.apps, ['plain', { ...book.apps.get('plain')!, mayCarry: ['personal'] }]]) }
    const rule = plainRule({ exceptions: { allowed: true, atMostDays: undefined, approvers: ['dpo'] } })
    const scope = { for: { kind: 'fact', fact: 'data', match: { any: [{ value: 'personal' }] } }, models: ALL, window: { from: at, until: at + 1 } } as const
    const excepted = withEdges({ ...carrying, rules: [...book.rules, rule], exceptions: [...book.exceptions, exceptionFor(rule.name, scope, 99)] })
    const said = decide(excepted, { trusted: { ...trusted, data: ['personal'] } }, at)
    if (said.permitted.length > 0) tried()
    expect(decide(excepted, { trusted: { ...trusted, data: 'unknown' } }, at).permitted).toEqual([])
  }), settings(RUNS)))
})

describe('what falls back is inside the permitted set', () => {
  law('a permit covers exactly the permitted deployments, while the decision lasts', tried => fc.assert(fc.property(rulebook, asked, instant, (book, request, at) => {
    const decision = decide(book, request, at)
    if (decision.permit === undefined) { expect(decision).toMatchObject({ outcome: 'refuse', permitted: [] }); return }
    tried()
    expect(decision).toMatchObject({ outcome: 'permit', code: undefined })
    expect(decision.permit).toBeInstanceOf(Permit)
    expect(decision.permit.deployments).toEqual(decision.permitted)
    for (const { name } of book.deployments) {
      expect(decision.permit.covers(name, at)).toBe(decision.permitted.includes(name))
      if (Number.isFinite(decision.until)) expect(decision.permit.covers(name, decision.until)).toBe(false)
      if (Number.isFinite(decision.from)) expect(decision.permit.covers(name, decision.from - 1)).toBe(false)
    }
    expect(decision.permit.covers('nobody', at)).toBe(false)
  }), settings(RUNS)))

  test('nobody can make a permit by hand, and a list that was handed out cannot be written to', () => {
    // @ts-expect-error Only `decide` makes permits: the constructor is private.
    const construct = (): Permit => new Permit(['d'], -Infinity, Infinity)
    // @ts-expect-error A permit has a private field, which no literal and no JSON has.
    const literal: Permit = { deployments: ['d'], covers: () => true }
    expect(construct).toBeTypeOf('function')
    expect(literal).not.toBeInstanceOf(Permit)
    const forged = Object.create(Permit.prototype) as Permit
    expect(() => forged.covers('d', 0)).toThrow(TypeError)
    expect(() => forged.deployments).toThrow(TypeError)
    const book = fc.sample(rulebook, { seed, numRuns: 1 })[0]!
    const open = { ...book, rules: [], apps: new Map([['plain', { ...book.apps.get('plain')!, grants: 'all' as const }]]) }
    const { permitted, permit } = decide(open, { trusted: { app: 'plain' } }, TICKS[0]!)
    expect(() => (permitted as string[]).push('smuggled')).toThrow(TypeError)
    expect(() => (permit!.deployments as string[]).push('smuggled')).toThrow(TypeError)
    expect(permit!.covers('smuggled', TICKS[0]!)).toBe(false)
    expect(permit!.covers(permitted[0]!, TICKS[0]!)).toBe(true)
  })
})

describe('found at random, kept as cases', () => {
  const single: Rulebook = withEdges({
    deployments: [{ name: 'only', model: 'v1/a', provider: 'p1', facts: {}, price: undefined }], rules: [], exceptions: [], labels: new Map(fc.sample(rulebook, { seed, numRuns: 1 })[0]!.labels),
    groups: new Map([
      ['north', { name: 'north', of: 'countries', members: [{ value: 'CA', window: ALWAYS }], source: 'a list', asOf: '2026-11-01', reviewBy: '2027-05-01', place: { file: 'groups/north.yaml', line: 1, column: 1 } }],
    ]),
    apps: new Map([['plain', { name: 'plain', title: undefined, owner: 'lead@example.eu', grants: 'all', registered: {}, mayCarry: undefined, mayAssert: [], assumptions: [], place: { file: 'apps/plain.yaml', line: 1, column: 1 } }]]),
  })
  const at = TICKS[0]!
  const about = (fact: string, value: string): Block => ({ kind: 'fact', fact, match: { any: [{ value }] } })

  test('records of a rule that says Quebec and a rule that says a group with Canada may be kept in Quebec', () => {
    const rules = [[{ group: 'north' }], [{ value: 'CA-QC' }]].map((logIn, n) => plainRule({ name: `law/r${n}`, blocks: [about('deployment', 'other')], duties: { logIn } }))
    expect(decide(withEdges({ ...single, rules }), { trusted: { app: 'plain' } }, at).duties.logIn).toEqual(['CA-QC'])
  })

  test('a caller cannot put its own word for a set or a level that nobody vouches for, and so escape what it said elsewhere', () => {
    for (const [fact, bad, good] of [['user-nationality', 'CN', ['FR']], ['classification', 'restricted', 'public']] as const) {
      const book = withRule(single, plainRule({ when: { kind: 'and', parts: [about('data', 'personal'), about(fact, bad)] } }))
      const trusted = { app: 'plain', data: ['none'] }
      const stated = { data: ['personal'], [fact]: good }
      expect(decide(book, { trusted: { ...trusted, [fact]: bad }, stated }, at).outcome, `${fact} known to be ${bad}`).toBe('refuse')
      expect(decide(book, { trusted, stated }, at).outcome, `${fact} unknown`).toBe('refuse')
      expect(decide(book, { trusted: { ...trusted, [fact]: good }, stated }, at).outcome, `${fact} known to be ${String(good)}`).toBe('permit')
    }
  })
})

/** A raw value that reads as a known value of the fact. Free words take any text. */
const readable = (fact: string, raw: unknown): boolean => typeof raw === 'string' && ['free', 'open'].includes(requestFacts.get(fact)!.type)

function noLighter(after: Decision['duties'], before: Decision['duties']): void {
  isInside(before.redact ?? [], after.redact ?? [])
  isInside(before.notify ?? [], after.notify ?? [])
  if (before.cache !== undefined) isInside(after.cache ?? ['neither'], before.cache)
  if (before.log !== undefined) expect(['none', 'metadata', 'full'].indexOf(after.log ?? 'full')).toBeLessThanOrEqual(['none', 'metadata', 'full'].indexOf(before.log))
  expect(after.retainEvidence ?? 0).toBeGreaterThanOrEqual(before.retainEvidence ?? 0)
  if (before.rescue !== undefined) expect(after.rescue).toBe('no')
  if (before.requestDigest !== undefined) expect(after.requestDigest).toBe('yes')
  for (const name of Object.keys(before.header ?? {})) expect(Object.keys(after.header ?? {})).toContain(name)
}
