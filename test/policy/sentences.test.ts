/** What is printed is what decides: sentences are read back by an independent reader, and the two laws are compared. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide } from '../../src/policy/decide.ts'
import { explain } from '../../src/policy/explain.ts'
import { DEPLOYMENT_FACTS, REQUEST_FACTS } from '../../src/policy/facts.ts'
import { evaluate, resolve } from '../../src/policy/match.ts'
import { understand, type Asked } from '../../src/policy/request.ts'
import type { Block, Matcher, Rule, Rulebook, Term } from '../../src/policy/rule.ts'
import { printApp, printBlock, printRule, printSections, sentencesOf } from '../../src/policy/sentences.ts'
import { readSentences } from './read-sentences.ts'
import { asked, block, instant, namelessRule, numbered, rulebook, seed, settings, withEdges } from './worlds.ts'

const textOf = (book: Rulebook): string => printSections(sentencesOf(book, { catalog: true }))
const phrase = (given: Block): string => printBlock(given).map(({ depth, text }) => `${'  '.repeat(depth)}${text}`).join('\n')
const fact = (name: string, match: Matcher): Block => ({ kind: 'fact', fact: name, match })
const values = (...list: readonly (string | number)[]): Term[] => list.map(value => ({ value }))

describe('read back', () => {
  test(`the printed law decides as the law does (seed ${seed})`, { timeout: 120_000 }, () => {
    const reached = { decisions: 0, permits: 0, removals: 0, unknown: 0, duties: 0, excepted: 0, watched: 0, assumed: 0 }
    fc.assert(fc.property(rulebook, fc.array(asked, { minLength: 2, maxLength: 3 }), fc.uniqueArray(instant, { minLength: 2, maxLength: 2 }), (book, requests, times) => {
      const back = withEdges(readSentences(textOf(book)))
      for (const request of requests) {
        for (const at of times) {
          const [written, read] = [answer(book, request, at), answer(back, request, at)]
          if (JSON.stringify(written) !== JSON.stringify(read)) expect(read, textOf(book)).toEqual(written)
          reached.decisions++
          if (written.outcome === 'permit') reached.permits++
          if (written.rows.some(row => row.because.length > 0)) reached.removals++
          if (written.rows.some(row => row.because.some(reason => reason.unknown))) reached.unknown++
          if (Object.keys(written.duties).length > 0) reached.duties++
          if (written.exceptions.length > 0) reached.excepted++
          if (written.rows.some(row => row.watching.length > 0)) reached.watched++
          if (written.assumptions.length > 0) reached.assumed++
        }
      }
    }), settings(1200))
    for (const [what, times] of Object.entries(reached)) expect(times, `${what} in ${reached.decisions} decisions`).toBeGreaterThan(100)
  })

  test(`reading and printing again gives the same text (seed ${seed})`, () => {
    fc.assert(fc.property(rulebook, book => {
      expect(textOf(withEdges(readSentences(textOf(book))))).toBe(textOf(book))
    }), settings(200))
  })

  test(`texts and words of any kind come back as they were written (seed ${seed})`, () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.constantFrom('or', 'and', 'the', 'nothing', 'a, b or c', '(x', '"', 'end.', 'end:', '\n  - x', 'RULES\n'))
    fc.assert(fc.property(rulebook, namelessRule('any'), text, text, text, (book, nameless, title, team, notified) => {
      const rule: Rule = {
        ...numbered(nameless, 0), title, because: team, law: notified, when: fact('team', { any: values(team, title), none: values(notified) }),
        duties: { notify: [notified, title], header: { [title]: team } }, exceptions: { allowed: true, atMostDays: 3, approvers: [team] },
      }
      const back = readSentences(textOf(withEdges({ ...book, rules: [rule], exceptions: [] }))).rules[0]!
      expect(back).toMatchObject({ title, because: team, law: notified, exceptions: { atMostDays: 3, approvers: [team] }, duties: { header: { [title]: team } } })
      expect(new Set(back.duties.notify)).toEqual(new Set([notified, title]))
      expect(phrase(back.when)).toBe(phrase(rule.when))
    }), settings(300))
  })

  test('a line that says something else is not read over', () => {
    const book = fc.sample(rulebook, { seed, numRuns: 1 })[0]!
    expect(() => readSentences(textOf(book))).not.toThrow()
    expect(() => readSentences(textOf(book).replace('It is granted', 'It may have'))).toThrow(/cannot be read/)
  })
})

describe('one meaning, one text', () => {
  test(`order, repetition and nesting without effect do not show (seed ${seed})`, { timeout: 60_000 }, () => {
    let disguised = 0
    fc.assert(fc.property(rulebook, fc.nat(), (book, shuffle) => {
      const other = disguise(book, randomFrom(shuffle))
      if (JSON.stringify(other.rules) !== JSON.stringify(book.rules)) disguised++
      expect(textOf(other)).toBe(textOf(book))
    }), settings(500))
    expect(disguised).toBeGreaterThan(300)
  })

  test.each<[string, Block, Block]>([
    ['a part alone', { kind: 'and', parts: [{ kind: 'or', parts: [fact('hosting', { any: values('local') })] }] }, fact('hosting', { any: values('local') })],
    ['several words of one matcher', fact('certificates', { any: values('a'), none: values('b') }), { kind: 'and', parts: [fact('certificates', { none: values('b') }), fact('certificates', { any: values('a') })] }],
    ['only of a single value', fact('hosting', { only: values('local', 'cloud') }), fact('hosting', { any: values('cloud', 'local', 'cloud') })],
    ['all beside something', { kind: 'and', parts: [{ kind: 'all' }, fact('hosting', { any: values('local') })] }, fact('hosting', { any: values('local') })],
  ])('%s', (_, one, other) => {
    expect(phrase(one)).toBe(phrase(other))
  })
})

describe('another meaning, another text', () => {
  test(`a changed condition that some request or deployment notices is printed differently (seed ${seed})`, { timeout: 60_000 }, () => {
    let noticed = 0
    fc.assert(fc.property(rulebook, block('request'), block('deployment'), fc.array(asked, { minLength: 8, maxLength: 8 }), instant, fc.nat(), (book, when, models, requests, at, pick) => {
      const members = new Map([...book.groups.values()].map(g => [g.name, g.members.filter(m => m.window.from <= at && at < m.window.until).map(m => m.value)]))
      const subjects = {
        request: requests.flatMap(request => understand(book, request, at).readings),
        deployment: book.deployments.map(d => ({ deployment: d.name, model: d.model, provider: d.provider, ...Object.fromEntries(Object.entries(d.facts).flatMap(([name, f]) => (f === undefined ? [] : [[name, f.value]]))) })),
      }
      for (const [of, original] of [['request', when], ['deployment', models]] as const) {
        const variants = mutants(original)
        const changed = variants[pick % variants.length]!
        const [a, b] = [resolve(original, members), resolve(changed, members)]
        if (!subjects[of].some(facts => evaluate(a, facts) !== evaluate(b, facts))) continue
        noticed++
        expect(phrase(changed)).not.toBe(phrase(original))
      }
    }), settings(2000))
    expect(noticed).toBeGreaterThan(800)
  })

  test(`so is a rule that is changed anywhere else (seed ${seed})`, () => {
    const tick = Date.UTC(2026, 10, 22)
    const changes: readonly ((rule: Rule) => Rule)[] = [
      r => ({ ...r, window: { from: r.window.from === -Infinity ? tick : r.window.from + 1, until: r.window.until } }),
      r => ({ ...r, window: { from: r.window.from, until: r.window.until === Infinity ? tick : r.window.until - 1 } }),
      r => ({ ...r, mode: r.mode === 'warn' ? 'shadow' : 'warn', modeUntil: tick }),
      r => (r.mode === 'enforce' ? { ...r, mode: 'shadow' } : { ...r, modeUntil: r.modeUntil + 1 }),
      r => (r.mode === 'enforce' ? { ...r, mode: 'warn' } : { ...r, enforceFor: r.enforceFor === undefined ? { kind: 'all' } : undefined }),
      r => ({ ...r, effect: r.effect === 'forbid' ? 'require' : 'forbid' }),
      r => ({ ...r, when: { kind: 'or', parts: [r.when, fact('team', { any: values('green') })] } }),
      r => ({ ...r, blocks: [...r.blocks, fact('hosting', { any: values('elsewhere') })], effect: 'prefer' }),
      r => ({ ...r, directive: !r.directive }),
      r => ({ ...r, exceptions: { ...r.exceptions, allowed: !r.exceptions.allowed } }),
      r => ({ ...r, exceptions: { allowed: true, atMostDays: 7, approvers: ['rssi'] } }),
      ...(['redact', 'notify'] as const).map(duty => (r: Rule): Rule => ({ ...r, duties: { ...r.duties, [duty]: [...r.duties[duty] ?? [], 'another'] } })),
      r => ({ ...r, duties: { ...r.duties, log: r.duties.log === 'none' ? 'full' : 'none' } }),
      r => ({ ...r, duties: { ...r.duties, logIn: [...r.duties.logIn ?? [], { group: 'elsewhere' }] } }),
      r => ({ ...r, duties: { ...r.duties, cache: r.duties.cache?.length === 0 ? ['app'] : [] } }),
      r => ({ ...r, duties: { ...r.duties, retainEvidence: (r.duties.retainEvidence ?? 0) + 1 } }),
      ({ duties: { rescue, ...others }, ...r }) => ({ ...r, duties: rescue === 'no' ? others : { ...others, rescue: 'no' } }),
      ({ duties: { requestDigest, ...others }, ...r }) => ({ ...r, duties: requestDigest === 'yes' ? others : { ...others, requestDigest: 'yes' } }),
      r => ({ ...r, duties: { ...r.duties, header: { ...r.duties.header, 'x-one': 'other' } } }),
      r => ({ ...r, law: 'another' }), r => ({ ...r, because: 'another' }), r => ({ ...r, title: 'another' }),
    ]
    fc.assert(fc.property(namelessRule('any'), fc.constantFrom(...changes.keys()), (nameless, which) => {
      const rule = numbered(nameless, 0)
      expect(printRule(changes[which]!(rule))).not.toEqual(printRule(rule))
    }), settings(1000))
  })

  test('what a group of one name and a country of the same letters mean is kept apart', () => {
    expect(phrase(fact('processed-in', { any: [{ group: 'eea' }] }))).not.toBe(phrase(fact('processed-in', { any: [{ value: 'eea' }] })))
  })
})

describe('the words of the language', () => {
  test.each<[string, Block, string]>([
    ['a value', fact('hosting', { any: values('local') }), 'hosting is local'],
    ['another value', fact('hosting', { none: values('local') }), 'hosting is not local'],
    ['several', fact('hosting', { any: values('sovereign', 'local', 'cloud') }), 'hosting is cloud, local or sovereign'],
    ['countries, parts of them and groups', fact('processed-in', { only: [{ group: 'eea' }, ...values('US', 'CA-QC')] }), 'processed-in includes nothing but CA-QC (part of Canada), US (United States) or the group eea'],
    ['a set that must be empty', fact('subprocessors-in', { only: [] }), 'subprocessors-in is empty'],
    ['a set without', fact('data', { none: values('phi', 'itar') }), 'data does not include itar or phi'],
    ['a vendor', fact('model', { any: values('v1/*') }), 'model is v1/* (every model whose name begins with v1/)'],
    ['a name that only looks like one', fact('model-asked', { any: values('v1/*') }), 'model-asked is v1/*'],
    ['a level', fact('classification', { atLeast: 2 }), 'classification is at least confidential'],
    ['days and hours', { kind: 'or', parts: [fact('retention', { atMost: 24 }), fact('retention', { any: values(36) })] }, 'at least one of these:\n  retention is 36 hours\n  retention is at most 1 day'],
    ['a word that the grammar uses too', fact('team', { any: values('or', 'a or b') }), 'team is "a or b" or "or"'],
    ['everything', { kind: 'all' }, 'in every case'],
  ])('%s', (_, given, said) => {
    expect(phrase(given)).toBe(said)
  })

  test('every fact can be asked for and is read back', () => {
    for (const { name, type, shape, ...definition } of [...REQUEST_FACTS, ...DEPLOYMENT_FACTS]) {
      const [one, two] = type === 'country' ? ['FR', 'NO'] : type === 'duration' || type === 'number' ? [1, 48] : 'words' in definition ? definition.words : ['first', 'second']
      const matchers: Matcher[] = [{ any: values(one, two) }, { none: values(two) }, { only: values(one) }, ...('ordered' in definition ? [{ atLeast: 1 }, { atMost: 1 }] : [])]
      const texts = matchers.map(match => phrase(fact(name, match)))
      expect(new Set(texts).size, `${name}, ${shape}`).toBe(matchers.length)
      for (const [i, match] of matchers.entries()) {
        const rule = { ...numbered(fc.sample(namelessRule('restricting'), { seed, numRuns: 1 })[0]!, 0), when: fact(name, match) }
        const back = readSentences(printSections([{ title: 'Rules', entries: [printRule(rule)] }])).rules[0]!
        expect(phrase(back.when)).toBe(texts[i])
      }
    }
  })

  test('an instant is in UTC, and in the zone it is written in where that is known', () => {
    const rule = { ...numbered(fc.sample(namelessRule('restricting'), { seed, numRuns: 1 })[0]!, 0), window: { from: Date.UTC(2026, 9, 31, 23), until: Infinity } }
    expect(printRule(rule).lines.map(l => l.text)).toContain('It is in force from 2026-10-31T23:00:00Z.')
    expect(printRule(rule, new Map([[rule.window.from, 'Europe/Brussels']])).lines.map(l => l.text)).toContain('It is in force from 2026-10-31T23:00:00Z (2026-11-01T00:00:00+01:00).')
  })

  test('of two assumptions about one fact the later speaks, and so their order is printed', () => {
    const book = fc.sample(rulebook, { seed, numRuns: 1 })[0]!
    const app = book.apps.get('plain')!
    const assume = (value: string): (typeof app.assumptions)[number] => ({ fact: 'team', value, basis: 'b', owner: 'o', until: Infinity, place: app.place })
    expect(printApp({ ...app, assumptions: [assume('red'), assume('blue')] })).not.toEqual(printApp({ ...app, assumptions: [assume('blue'), assume('red')] }))
  })
})

/** All that a decision and its explanation say, in an order that does not depend on the rulebook's. */
function answer(book: Rulebook, request: Asked, at: number) {
  const { outcome, code, permitted, ranks, active, bitten, exceptions, duties, from, until } = decide(book, request, at)
  const explanation = explain(book, request, at)
  return {
    outcome, code, permitted, ranks, active: active.toSorted(), bitten: bitten.toSorted(), exceptions, from, until,
    duties: Object.fromEntries(Object.entries(duties).sort(([a], [b]) => (a < b ? -1 : 1))),
    rows: explanation.deployments.map(({ deployment, verdict, granted, because, 'would-exclude': watching, exceptions: used }) => ({
      deployment, verdict, granted,
      because: because.map(({ rule, effect, facts, unknown }) => ({ rule, effect, facts: facts.toSorted(), unknown })).sort((a, b) => (a.rule < b.rule ? -1 : 1)),
      watching: watching.map(({ rule, mode }) => `${rule} ${mode}`).sort(),
      used: used.map(({ exception, rule, ends }) => `${exception} ${rule} ${ends}`).sort(),
    })).sort((a, b) => (a.deployment < b.deployment ? -1 : 1)),
    assumptions: explanation.assumptions.map(a => JSON.stringify([a.fact, typeof a.value === 'object' ? a.value.toSorted() : a.value, a.from, a.basis, a.owner, a.until])).sort(),
  }
}

type Random = (below: number) => number

/** A small generator of its own, so that a seed of fast-check repeats it. */
function randomFrom(start: number): Random {
  let state = start >>> 0
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** The same law, written by somebody else. */
function disguise(book: Rulebook, random: Random): Rulebook {
  const shuffled = <T>(list: readonly T[]): T[] => list.map(one => [random(1 << 30), one] as const).sort(([a], [b]) => a - b).map(([, one]) => one)
  const repeated = <T>(list: readonly T[]): T[] => (list.length === 0 ? [] : shuffled([...list, list[random(list.length)]!]))
  const terms = (list: readonly Term[] | undefined, key: string): object => (list === undefined ? {} : { [key]: repeated(list) })
  const part = (b: Block): Block => {
    switch (b.kind) {
      case 'all': return wrapped(b)
      case 'and': case 'or': return wrapped({ kind: b.kind, parts: repeated(b.parts).map(part) })
      case 'fact': {
        const { any, only, none, ...bounds } = b.match
        const match = { ...bounds, ...terms(none, 'none'), ...terms(only, 'only'), ...terms(any, 'any') }
        return wrapped({ ...b, match })
      }
    }
  }
  const wrapped = (b: Block): Block => (random(3) === 0 ? { kind: random(2) === 0 ? 'and' : 'or', parts: [b] } : b)
  const shuffledMap = <V>(map: ReadonlyMap<string, V>): Map<string, V> => new Map(shuffled([...map]))
  const keys = <T extends object>(record: T): T => Object.fromEntries(shuffled(Object.entries(record))) as T
  return {
    ...book,
    deployments: shuffled(book.deployments.map(d => ({ ...d, facts: keys(d.facts) }))),
    rules: shuffled(book.rules.map(r => ({
      ...keys(r), when: part(r.when), blocks: r.blocks.map(part), enforceFor: r.enforceFor && part(r.enforceFor), place: { file: 'elsewhere', line: random(99), column: 1 },
      duties: keys({
        ...r.duties, ...(r.duties.redact && { redact: repeated(r.duties.redact) }), ...(r.duties.logIn && { logIn: repeated(r.duties.logIn) }),
        ...(r.duties.cache && { cache: repeated(r.duties.cache) }), ...(r.duties.notify && { notify: repeated(r.duties.notify) }), ...(r.duties.header && { header: keys(r.duties.header) }),
      }),
    }))),
    exceptions: shuffled(book.exceptions.map(e => ({ ...keys(e), for: part(e.for), models: part(e.models) }))),
    groups: new Map(shuffled([...book.groups].map(([name, g]) => [name, { ...g, members: repeated(g.members) }] as const))),
    labels: shuffledMap(book.labels),
    apps: new Map(shuffled([...book.apps].map(([name, a]) => [name, {
      ...a, registered: keys(a.registered), assumptions: shuffled(a.assumptions), ...(a.mayCarry && { mayCarry: repeated(a.mayCarry) }),
      grants: a.grants === 'all' ? 'all' as const : repeated(a.grants.map(g => ('model' in g ? { model: repeated(g.model) } : { deployment: repeated(g.deployment) }))),
    }] as const))),
  }
}

/** Conditions that differ from a condition in one place. */
function mutants(original: Block): readonly Block[] {
  switch (original.kind) {
    case 'all': return [fact('team', { any: values('red') })]
    case 'and': case 'or': return [
      { kind: original.kind === 'and' ? 'or' : 'and', parts: original.parts },
      ...original.parts.flatMap((part, i) => [
        ...(original.parts.length > 1 ? [{ kind: original.kind, parts: original.parts.toSpliced(i, 1) }] : []),
        ...mutants(part).map(other => ({ kind: original.kind, parts: original.parts.with(i, other) })),
      ]),
    ]
    case 'fact': {
      const { any, only, none, atLeast, atMost } = original.match
      const words = Object.entries({ any, only, none }).filter((entry): entry is ['any' | 'only' | 'none', readonly Term[]] => entry[1] !== undefined)
      const others: Matcher[] = [
        ...words.flatMap(([word, list]) => {
          const { [word]: _, ...rest } = original.match
          return [
            ...(['any', 'only', 'none'] as const).filter(other => other !== word).map((other): Matcher => ({ ...rest, [other]: list })),
            ...(list.length > 1 ? list.map((_, i): Matcher => ({ ...original.match, [word]: list.toSpliced(i, 1) })) : []),
          ]
        }),
        ...(atLeast === undefined ? [] : [{ ...original.match, atLeast: atLeast + 1 }, { atMost: atLeast }]),
        ...(atMost === undefined ? [] : [{ ...original.match, atMost: atMost + 1 }, { atLeast: atMost }]),
      ]
      return others.map(match => fact(original.fact, match))
    }
  }
}
