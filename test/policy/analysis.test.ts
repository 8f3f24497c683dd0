/** What is said of a rulebook before any request comes: each finding has a twin that is fine, and none is a false alarm. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { analyse, type Finding, type FindingKind } from '../../src/policy/analysis.ts'
import { registeredClasses } from '../../src/policy/classes.ts'
import { decide } from '../../src/policy/decide.ts'
import { REGISTERED_FACTS } from '../../src/policy/facts.ts'
import type { Rulebook } from '../../src/policy/rule.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'
import { instant, rulebook, seed, settings, statements } from './worlds.ts'

const AT = Date.parse('2026-11-22T11:00:00Z')
const TWO = ['{ deployment: paris, model: own/a, processed-in: FR, hosting: local }', '{ deployment: ohio, model: own/b, processed-in: US, hosting: cloud }']
const CATALOG = (deployments = TWO): Record<string, string> => ({ 'catalog/own.yaml': provider('own', 'weights: open', deployments) })
const bookOf = async (files: Record<string, string>): Promise<Rulebook> => (await bundleOf({ ...CATALOG(), 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [personal, child]'), ...files })).rulebook
const found = async (kind: FindingKind, files: Record<string, string>): Promise<readonly string[]> =>
  analyse(await bookOf(files), AT).filter(f => f.kind === kind).map(({ place, says }) => `${place.file}:${place.line} ${says}`)
const inHouse = (...rules: readonly string[]): Record<string, string> => ({ 'rules/house.policy.yaml': policy('house', rules.join('\n')) })
const house = inHouse

describe('a rule that never applies', () => {
  const none = 'rules/house.policy.yaml:8 The rule house/some never applies: what it says under when is false of every registered app.'
  const when = (condition: string): Record<string, string> => house(rule('some', `when: { ${condition} }\nforbid: { hosting: cloud }`))

  test('is about what no app carries, and not about what one may carry', async () => {
    expect(await found('rule-never-applies', when('data: [itar]'))).toEqual([none])
    expect(await found('rule-never-applies', when('data: [personal]'))).toEqual([])
    expect(await found('rule-never-applies', when('data: { only: [none] }')), 'every app may send what carries nothing').toEqual([])
  })

  test('is about an app or a team that nobody registered, and not about what a request may state', async () => {
    const team = { 'apps/desk.yaml': app('desk', 'grants: all\nteam: care') }
    expect(await found('rule-never-applies', { ...when('team: sales'), ...team })).toEqual([none])
    expect(await found('rule-never-applies', { ...when('team: care'), ...team })).toEqual([])
    expect(await found('rule-never-applies', when('user-in: FR'))).toEqual([])
    const assumed = { 'apps/desk.yaml': app('desk', 'grants: all\nassume: { user-in: DE, basis: b, owner: o, until: 2030-01-01 }') }
    expect(await found('rule-never-applies', { ...when('user-in: FR'), ...assumed }), 'an assumption gives way to what a request states').toEqual([])
  })

  test('has ended, and not one that begins later or ends today', async () => {
    const dated = (effective: string): Record<string, string> => ({ 'rules/house.policy.yaml': policy('house', rule('some', 'forbid: { hosting: cloud }'), effective) })
    expect(await found('rule-never-applies', dated('{ from: 2026-01-01, until: 2026-11-21, timezone: UTC }'))).toEqual(['rules/house.policy.yaml:8 The rule house/some never applies again: it ended on 2026-11-22 (UTC).'])
    expect(await found('rule-never-applies', dated('{ from: 2026-01-01, until: 2026-11-22, timezone: UTC }'))).toEqual([])
    expect(await found('rule-never-applies', dated('{ from: 2029-01-01, timezone: UTC }'))).toEqual([])
  })
})

describe('a rule shadowed by another', () => {
  const house = (...rules: readonly string[]): Record<string, string> => ({ ...CATALOG([...TWO, '{ deployment: berlin, model: own/c, processed-in: DE, hosting: local }']), ...inHouse(...rules) })
  const wide = rule('wide', 'when: { data: [personal] }\nrequire: { processed-in: { only: [FR] } }')
  const narrow = (when: string, more = ''): string => rule('narrow', `when: { ${when} }\nforbid: { hosting: cloud }${more}`)
  const shadowed = ['rules/house.policy.yaml:13 The rule house/narrow changes nothing: wherever it applies, house/wide removes every deployment that it removes.']

  test('removes no more than the other, wherever it applies', async () => {
    expect(await found('rule-shadowed', house(wide, narrow('data: [personal]')))).toEqual(shadowed)
    expect(await found('rule-shadowed', house(wide, narrow('data: [child]'))), 'a label carries its parents').toEqual(shadowed)
  })

  test('is not one that applies more widely, adds a duty, or stands beside an exception, a later start or a dry run', async () => {
    expect(await found('rule-shadowed', house(wide, narrow('data: { only: [none] }')))).toEqual([])
    expect(await found('rule-shadowed', house(wide, narrow('data: [personal]', '\nthen: { log: metadata }')))).toEqual([])
    expect(await found('rule-shadowed', house(`${wide}\n    mode: shadow\n    mode-until: 2027-01-01`, narrow('data: [personal]')))).toEqual([])
    expect(await found('rule-shadowed', { ...house(narrow('data: [personal]')), 'rules/later.policy.yaml': policy('later', wide, '{ from: 2027-01-01, timezone: UTC }') })).toEqual([])
    expect(await found('rule-shadowed', { ...house(narrow('data: [personal]')), 'rules/ends.policy.yaml': policy('ends', wide, '{ from: 2026-01-01, until: 2027-01-01, timezone: UTC }') })).toEqual([])
    const excepted = `- { exception: EX-1, rule: house/wide, for: { app: desk }, models: { deployment: ohio }, category: waiver, reason: r, ticket: t, requested-by: a, approved-by: dpo, from: 2026-11-01, until: 2026-12-01, timezone: UTC }\n`
    expect(await found('rule-shadowed', { ...house(`${wide}\n    exceptions: { allowed: yes, approver: [dpo] }`, narrow('data: [personal]')), 'exceptions/2026.yaml': excepted })).toEqual([])
  })

  test('of two that say the same, the later one is told, and a rule that removes nothing yet is left alone', async () => {
    expect(await found('rule-shadowed', house(rule('one', 'forbid: { hosting: cloud }'), rule('two', 'forbid: { hosting: cloud }'))))
      .toEqual(['rules/house.policy.yaml:12 The rule house/two changes nothing: wherever it applies, house/one removes every deployment that it removes.'])
    expect(await found('rule-shadowed', house(rule('one', 'forbid: { hosting: cloud }'), rule('two', 'forbid: { hosting: sovereign }')))).toEqual([])
  })

  test('when the two differ in what a request may still state, neither is called shadowed', async () => {
    expect(await found('rule-shadowed', house(rule('one', 'when: { user-in: FR }\nforbid: { hosting: cloud }'), rule('two', 'when: { user-in: DE }\nforbid: { hosting: cloud }')))).toEqual([])
  })
})

describe('what a class may use', () => {
  const europe = rule('europe', 'require: { processed-in: { only: [FR] } }'), america = rule('america', 'require: { processed-in: { only: [US] } }')

  test('two rules that together leave nothing contradict, and both are named with their places', async () => {
    expect(await found('contradiction', house(europe, america))).toEqual([
      'rules/house.policy.yaml:12 The rules house/america and house/europe (rules/house.policy.yaml:8) together leave app desk with data [child], [personal] or unknown no deployment; neither does alone.',
    ])
    expect(await found('empty-pool', house(europe, america)), 'one mistake, one message').toEqual([])
    expect(await found('contradiction', house(europe))).toEqual([])
  })

  test('a contradiction to come is told with its day', async () => {
    const later = { ...house(europe), 'rules/later.policy.yaml': policy('later', america, '{ from: 2027-03-01, timezone: UTC }') }
    expect(await found('contradiction', later)).toEqual([expect.stringMatching(/^rules\/later\.policy\.yaml:8 From 2027-03-01 \(UTC\) on, the rules later\/america and house\/europe/)])
  })

  test('one rule that removes everything is an empty pool and no contradiction', async () => {
    expect(await found('empty-pool', house(rule('nothing', 'when: { data: [child] }\nforbid: all'), europe))).toEqual([
      'apps/desk.yaml:1 App desk with data [child] or unknown has no permitted deployment: house/nothing removes all that it is granted.',
    ])
    expect(await found('contradiction', house(rule('nothing', 'forbid: all'), europe))).toEqual([])
    expect(await found('empty-pool', house(europe))).toEqual([])
  })

  test('a single deployment has no fallback; two have', async () => {
    expect(await found('single-deployment', house(europe))).toEqual(['apps/desk.yaml:1 App desk with data [child], [personal] or unknown may use paris and nothing else, so there is no fallback.'])
    expect(await found('single-deployment', {})).toEqual([])
  })

  test('facts that end later are not called an empty pool now: they are overdue when they are', async () => {
    const soon = { 'catalog/own.yaml': CATALOG()['catalog/own.yaml']!.replace('good-until: 2040-01-01', 'good-until: 2026-12-01'), ...house(rule('open', 'require: { weights: open }')) }
    expect(await found('empty-pool', soon)).toEqual([])
    expect(analyse(await bookOf(soon), Date.parse('2026-12-02T00:00:00Z')).map(f => f.kind)).toContain('empty-pool')
  })

  test('a deployment that no app is granted is told', async () => {
    expect(await found('granted-to-nobody', { 'apps/desk.yaml': app('desk', 'grants: { deployment: paris }') })).toEqual(['catalog/own.yaml:10 The deployment ohio is granted to no app.'])
    expect(await found('granted-to-nobody', {})).toEqual([])
  })
})

describe('an exception without effect', () => {
  const excepted = (models: string, { forWhom = '{ app: desk }', until = '2026-12-01' } = {}): Record<string, string> => ({
    'exceptions/2026.yaml': `- { exception: EX-1, rule: house/near, for: ${forWhom}, models: ${models}, category: waiver, reason: r, ticket: t, requested-by: a, approved-by: dpo, from: 2026-10-01, until: ${until}, timezone: UTC }\n`,
  })
  const near = rule('near', 'when: { data: [personal] }\nrequire: { processed-in: { only: [FR] } }\nexceptions: { allowed: yes, approver: [dpo] }')
  const told = ['exceptions/2026.yaml:1 The exception EX-1 has no effect: for no registered app does it give back a deployment that only house/near removes.']

  test('gives back what is not removed, or what another rule removes as well', async () => {
    expect(await found('exception-without-effect', { ...house(near), ...excepted('{ deployment: ohio }') })).toEqual([])
    expect(await found('exception-without-effect', { ...house(near), ...excepted('{ deployment: paris }') })).toEqual(told)
    expect(await found('exception-without-effect', { ...house(near, rule('far', 'forbid: { hosting: cloud }')), ...excepted('{ deployment: ohio }') })).toEqual(told)
  })

  test('is for data that the app may not carry; one that depends on what a request states may have an effect', async () => {
    expect(await found('exception-without-effect', { ...house(near), ...excepted('{ deployment: ohio }', { forWhom: '{ data: [itar] }' }) })).toEqual(told)
    expect(await found('exception-without-effect', { ...house(near), ...excepted('{ deployment: ohio }', { forWhom: '{ user-in: FR }' }) })).toEqual([])
  })

  test('is not told when it has ended: check lists it as ended', async () => {
    expect(await found('exception-without-effect', { ...house(near), ...excepted('{ deployment: paris }', { until: '2026-11-01' }) })).toEqual([])
  })
})

test('a rulebook without apps is not told that everything in it is useless', async () => {
  const { rulebook: book } = await bundleOf({ ...CATALOG(), ...house(rule('some', 'when: { data: [itar] }\nforbid: all')) })
  expect(analyse(book, AT)).toEqual([])
})

/** The rulebook without one rule or one exception. */
const without = (book: Rulebook, name: string): Rulebook =>
  ({ ...book, rules: book.rules.filter(r => r.name !== name), exceptions: book.exceptions.filter(e => e.name !== name && e.rule !== name) })
const named = ({ says }: Finding): string => /^The (?:rule|exception) (\S+)/.exec(says)![1]!

test(`what is called useless changes no decision, whatever requests state besides (seed ${seed})`, { timeout: 60_000 }, () => {
  const told = { 'rule-never-applies': 0, 'rule-shadowed': 0, 'exception-without-effect': 0 }
  fc.assert(fc.property(rulebook, instant, statements, (book, at, facts) => {
    const besides = Object.fromEntries(Object.entries(facts).filter(([name]) => name !== 'data' && !(REGISTERED_FACTS as readonly string[]).includes(name)))
    for (const finding of analyse(book, at)) {
      if (!(finding.kind in told)) continue
      told[finding.kind as keyof typeof told]++
      const less = without(book, named(finding))
      for (const { asked: { trusted } } of registeredClasses(book)) {
        const asked = { trusted: { ...besides, ...trusted } }
        expect([finding.says, decide(less, asked, at).permitted.toSorted()]).toEqual([finding.says, decide(book, asked, at).permitted.toSorted()])
      }
    }
  }), settings(300))
  for (const [kind, times] of Object.entries(told)) expect(times, kind).toBeGreaterThan(10)
})

test(`every class with one deployment or none is told, and no other (seed ${seed})`, { timeout: 60_000 }, () => {
  fc.assert(fc.property(rulebook, instant, (book, at) => {
    const sizes = new Map<string, number>()
    for (const { app: name, asked } of registeredClasses(book)) sizes.set(name, Math.min(sizes.get(name) ?? 2, decide(book, asked, at).permitted.length))
    const now = analyse(book, at).filter(f => !f.says.startsWith('From '))
    for (const [name, least] of sizes) {
      const about = now.filter(f => new RegExp(`\\bapp ${name}\\b`, 'i').test(f.says)).map(f => f.kind)
      expect(about.some(kind => kind === 'empty-pool' || kind === 'contradiction')).toBe(least === 0)
      if (least === 1) expect(about).toContain('single-deployment')
      if (least === 2) expect(about).toEqual([])
    }
  }), settings(300))
})
