/** Every pack that is shipped: it compiles, its cases hold for the law and for the oracle, each word of its rules is needed, its lists are what they say. */
import territories from 'cldr-core/supplemental/territoryContainment.json' with { type: 'json' }
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { getAlpha2Codes } from 'i18n-iso-countries'
import { iso31661, iso31662 } from 'iso-3166'
import { describe, expect, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { compile } from '../../src/bundle/compile.ts'
import { readPackFile, type Pack } from '../../src/bundle/pack-file.ts'
import { printProblem } from '../../src/bundle/problem.ts'
import { readTests, type TestFile } from '../../src/bundle/test-file.ts'
import { digestOfFile } from '../../src/cli/packs.ts'
import { bookFor, judgeCase } from '../../src/policy/case.ts'
import { explain } from '../../src/policy/explain.ts'
import { tryMutations } from '../../src/policy/mutations.ts'
import { reference } from '../policy/reference.ts'
import { treeOf } from '../support/policy-cases.ts'

const PACKS = fileURLToPath(new URL('../../src/packs', import.meta.url))
const STARTER = fileURLToPath(new URL('../../policies', import.meta.url))
/** The day on which the packs were finished: nothing in them is overdue before it has begun. */
const SHIPPED = '2026-11-22'
const AT = Date.parse(`${SHIPPED}T12:00:00Z`)

const names = readdirSync(PACKS, { withFileTypes: true }).filter(e => e.isDirectory()).map(e => e.name).sort()

type Loaded = { readonly name: string; readonly tree: ReadonlyMap<string, string>; readonly about: Pack; readonly page: string; readonly bundle: Bundle; readonly tests: readonly TestFile[] }

async function load(name: string): Promise<Loaded> {
  const tree = treeOf(`${PACKS}/${name}`)
  const compiled = await compile(tree)
  if (!compiled.ok) throw new Error(compiled.problems.map(p => printProblem(p, tree.get(p.file))).join('\n'))
  const { files, problems } = await readTests(tree, compiled.bundle)
  if (problems.length > 0) throw new Error(problems.map(p => printProblem(p, tree.get(p.file))).join('\n'))
  return { name, tree, about: readPackFile(`${name}/pack.yaml`, tree.get('pack.yaml')!), page: readFileSync(`${PACKS}/${name}/README.md`, 'utf8'), bundle: compiled.bundle, tests: files }
}

const packs = await Promise.all(names.map(load))
const packNamed = (name: string): Loaded => packs.find(p => p.name === name)!

test('every pack that was promised is there', () => {
  expect(names).toEqual(['china-pipl', 'eu-sovereign', 'gdpr', 'gdpr-dpf-off', 'gdpr-special-categories', 'hipaa', 'open-weight-licences', 'sanctions-geo',
    'swiss-fadp', 'uk-gdpr', 'us-ai-diffusion', 'us-bulk-data', 'us-export'])
})

describe.each(packs)('the pack $name', ({ name, about, page, bundle, tests }) => {
  test('says who it is, from when, until when, and what it does not cover, in the file and on the page', () => {
    expect(about.name).toBe(name)
    expect(about.doesNotCover.length).toBeGreaterThan(2)
    for (const gap of about.doesNotCover) expect(page).toContain(gap)
    expect(page).toContain('**This is not legal\nadvice**')
    expect(about.asOf <= SHIPPED && about.reviewBy > SHIPPED).toBe(true)
    expect(page).toContain(about.reviewBy)
    expect(about.needs.filter(need => !names.includes(need))).toEqual([])
    expect(about.variants.filter(variant => packNamed(variant).about.variantOf !== name)).toEqual([])
    expect(about.variantOf === undefined || packNamed(about.variantOf).about.variants.includes(name)).toBe(true)
  })

  test('compiles without a warning, and nothing in it is overdue', () => {
    expect(bundle.warnings).toEqual([])
    expect(bundle.due.filter(due => due.at <= AT)).toEqual([])
  })

  test('every rule has a reason, and every one that takes away cites its law', () => {
    expect(bundle.rulebook.rules.length).toBeGreaterThan(0)
    for (const rule of bundle.rulebook.rules) {
      expect(rule.because.length, rule.name).toBeGreaterThan(20)
      expect(rule.effect === 'prefer' || (rule.law?.length ?? 0) > 8, rule.name).toBe(true)
    }
  })

  test('every list has a source and dates, and names what exists', () => {
    const codes = new Set([...iso31661.map(c => c.alpha2), ...iso31662.map(c => c.code)])
    const second = new Set(Object.keys(getAlpha2Codes()))
    for (const group of bundle.rulebook.groups.values()) {
      expect(group.source.length, group.name).toBeGreaterThan(20)
      expect(group.asOf <= SHIPPED && group.reviewBy > SHIPPED, group.name).toBe(true)
      expect(new Set(group.members.map(m => m.value)).size, group.name).toBe(group.members.length)
      if (group.of === 'countries') expect(group.members.filter(m => !codes.has(m.value) || !second.has(m.value.slice(0, 2))), group.name).toEqual([])
    }
  })

  test('every case holds', () => {
    const complaints = tests.flatMap(file => file.cases.flatMap(one => judgeCase(file.rulebook, one).complaints.map(c => `${one.name}: ${c}`)))
    expect(tests.flatMap(file => file.cases).length).toBeGreaterThan(2)
    expect(complaints).toEqual([])
  })

  test('the oracle says of every case what the law says', () => {
    for (const { rulebook, cases } of tests) {
      for (const one of cases) {
        const book = bookFor(rulebook, one)
        const law = reference(book, one.asked, one.at), said = explain(book, one.asked, one.at)
        expect({ outcome: said.outcome, permitted: said.permitted }, one.name).toEqual({ outcome: law.outcome, permitted: law.permitted })
        for (const row of said.deployments) {
          const other = law.rows.get(row.deployment)!
          expect(new Set(row.because.map(r => r.rule)), `${one.name}: ${row.deployment}`).toEqual(other.removedBy)
          expect(new Set(row['would-exclude'].map(r => r.rule)), `${one.name}: ${row.deployment}`).toEqual(other.wouldExclude)
        }
      }
    }
  })

  test('no word of a rule can be dropped or turned without a case that fails', () => {
    const { tried, survivors, equal } = tryMutations(tests, () => true)
    expect(tried).toBeGreaterThan(9)
    expect([...survivors, ...equal].map(m => `${m.rule}: ${m.change}`)).toEqual([])
  })

  test('every rule asks for a duty that a case sees', () => {
    const seen = (id: string): boolean => tests.some(file => file.cases.some(one => one.expects.mustDo !== undefined && judgeCase(file.rulebook, one).active.includes(id)))
    expect(bundle.rulebook.rules.filter(rule => Object.keys(rule.duties).length > 0 && !seen(rule.name)).map(rule => rule.name)).toEqual([])
  })
})

describe('lists', () => {
  const membersOf = (pack: string, group: string): readonly string[] => packNamed(pack).bundle.rulebook.groups.get(group)!.members.map(m => m.value)
  const inAll = new Map<string, Map<string, string>>()
  for (const { name, tree } of [...packs, { name: 'the starter', tree: treeOf(STARTER) }]) {
    for (const [file, text] of tree) if (file.startsWith('groups/')) inAll.set(file, (inAll.get(file) ?? new Map<string, string>()).set(name, digestOfFile(text)))
  }

  test('that several packs or the starter share are the same file, but for the line for an editor', () => {
    // The variant is the pack with one list in another text.
    const isVariant = (name: string, file: string): boolean => name === 'gdpr-dpf-off' && file === 'groups/gdpr-us-framework.yaml'
    const several = [...inAll].filter(([file, byPack]) => new Set([...byPack].filter(([name]) => !isVariant(name, file)).map(([, digest]) => digest)).size > 1)
    expect(several.map(([file]) => file)).toEqual([])
    expect([...inAll.values()].filter(byPack => byPack.size > 1).length).toBeGreaterThan(5)
  })

  test('of the Union and the EEA agree with Unicode CLDR, which nobody here wrote: twenty-seven, and three more', () => {
    const eu = membersOf('eu-sovereign', 'eu'), eea = membersOf('gdpr', 'eea')
    expect(new Set(eu)).toEqual(new Set(territories.supplemental.territoryContainment.EU._contains))
    expect(eu).toHaveLength(27)
    expect(new Set(eea)).toEqual(new Set([...eu, 'IS', 'LI', 'NO']))
    expect(eea.filter(code => ['EL', 'UK', 'EU', 'CH', 'GB'].includes(code))).toEqual([])
  })

  test('of adequate countries do not name a country twice, and each law has its own', () => {
    const eea = membersOf('gdpr', 'eea')
    for (const [pack, whole, partial] of [['gdpr', 'gdpr-adequate', 'gdpr-adequate-partial'], ['uk-gdpr', 'uk-adequate', 'uk-adequate-partial']] as const) {
      expect(membersOf(pack, whole).filter(code => membersOf(pack, partial).includes(code) || eea.includes(code) || code === 'US'), pack).toEqual([])
    }
    expect(eea.filter(code => !membersOf('swiss-fadp', 'swiss-adequate').includes(code))).toEqual([])
    expect(membersOf('gdpr', 'gdpr-adequate')).toContain('BR')
    expect(membersOf('uk-gdpr', 'uk-adequate')).not.toContain('BR')
  })

  test('of embargoed countries lie inside one another as the law says', () => {
    const d5 = membersOf('us-export', 'ear-d5')
    expect([...membersOf('us-export', 'ear-e1'), ...membersOf('us-export', 'ear-e2')].filter(code => !d5.includes(code))).toEqual([])
    expect(membersOf('sanctions-geo', 'ofac-covered-regions').every(code => code.startsWith('UA-'))).toBe(true)
  })
})

test('the variant dpf-off is the pack gdpr with one list in another text', () => {
  const given = (name: string): Map<string, string> => new Map([...packNamed(name).tree].filter(([file]) => /^(?:rules\/[^/]+\.policy|groups\/[^/]+)\.yaml$/.test(file)))
  const off = given('gdpr-dpf-off')
  expect([...off.keys()]).toEqual([...given('gdpr').keys()])
  expect([...given('gdpr')].filter(([file, text]) => off.get(file) !== text).map(([file]) => file)).toEqual(['groups/gdpr-us-framework.yaml'])
})

test('the dry run of a rule whose standing is disputed never enforces', () => {
  const { rules } = packNamed('us-ai-diffusion').bundle.rulebook
  expect(rules.map(rule => [rule.mode, rule.modeUntil === rule.window.until])).toEqual([['shadow', true]])
})
