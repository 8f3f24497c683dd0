import { describe, expect, it } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { withDiscovered } from '../../src/bundle/compile.ts'
import { rulesOfDrill, withDrills } from '../../src/bundle/drilled.ts'
import { keptOf, madeAgain, type KeptBundle } from '../../src/bundle/kept.ts'
import { registeredClasses } from '../../src/policy/classes.ts'
import { decide } from '../../src/policy/decide.ts'
import type { Rule } from '../../src/policy/rule.ts'
import { canonical } from '../../src/record/canonical.ts'
import { AT, exception, FOLDER } from '../cli/officer-folder.ts'
import { bundleOf, policy, provider, rule } from '../support/tree.ts'

const at = Date.parse(AT), MINUTE_MS = 60_000
const OWN = provider('own', 'dialect: ollama\nbase-url: http://127.0.0.1:1\ndiscover: models\nhosting: local\nprocessed-in: [FR]', []).replace('deployments:\n', 'deployments: []\n')
const FILES = { ...FOLDER, 'catalog/own.yaml': OWN, 'exceptions/2026.yaml': exception('EX-1', '2026-11-01', '2026-12-01') }
const FOUND = [{ provider: 'own', upstreamModel: 'Qwen3:8b', context: 4096, can: ['tools' as const] }, { provider: 'own', upstreamModel: 'tiny' }]

/** One that has no end, and one that only watches. */
async function noticeRules(): Promise<readonly Rule[]> {
  const notice = policy('notice', `${rule('gone', 'forbid: { controlled-from: { any: [US] } }')}\n${rule('seen', 'mode: warn\nmode-until: 2027-01-01\nwhen: { data: [personal] }\nforbid: { hosting: [cloud] }')}`)
  const { rulebook } = await bundleOf({ ...FILES, 'rules/notice.policy.yaml': notice })
  return rulebook.rules.filter(r => r.policy === 'notice')
}
const drill = async (id: string): Promise<{ readonly id: string; readonly rules: readonly Rule[] }> =>
  ({ id, rules: rulesOfDrill({ id, revocations: [{ fact: 'provider', value: 'abroad' }], notice: await noticeRules(), window: { from: at - MINUTE_MS, until: at + MINUTE_MS } }) })

/** As it comes back from the disk. */
const kept = (bundle: Bundle): KeptBundle => JSON.parse(canonical(keptOf(bundle, '1.2.3'))) as KeptBundle
const answers = ({ rulebook }: Bundle): readonly unknown[] => [-2 * MINUTE_MS, 0, 2 * MINUTE_MS].flatMap(ms => registeredClasses(rulebook).map(({ asked }) => {
  const { permitted, ranks, active, exceptions, from, until, duties } = decide(rulebook, asked, at + ms)
  return { permitted, ranks, active, exceptions, from, until, duties }
}))

const plain = (): Promise<Bundle> => bundleOf(FILES)
const states: readonly (readonly [string, () => Promise<Bundle>])[] = [
  ['a bundle as it was compiled', plain],
  ['one with what servers held', async () => withDiscovered(await plain(), FOUND)],
  ['one under drills', async () => withDrills(await plain(), [await drill('d-1'), await drill('d-2')])],
  ['one with both', async () => withDrills(await withDiscovered(await plain(), FOUND), [await drill('d-1')])],
]

describe('a kept bundle', () => {
  it.each(states)('%s is made again with its two digests and decides alike', async (_, make) => {
    const bundle = await make(), again = await madeAgain(kept(bundle))
    if (!again.ok) throw new Error(again.wrong)
    expect([again.bundle.digest, again.bundle.catalogDigest, again.version]).toEqual([bundle.digest, bundle.catalogDigest, '1.2.3'])
    expect(answers(again.bundle)).toEqual(answers(bundle))
    expect(again.bundle.rulebook.edges).toEqual(bundle.rulebook.edges)
    expect(canonical(keptOf(again.bundle, '1.2.3'))).toBe(canonical(kept(bundle)))
  })

  it('the four have four names', async () => {
    const bundles = await Promise.all(states.map(([, make]) => make()))
    expect(new Set(bundles.map(b => `${b.digest}-${b.catalogDigest}`)).size).toBe(4)
  })

  it('holds what decides and nothing else', async () => {
    const bundle = await withDiscovered(await bundleOf(FILES), [...FOUND, { provider: 'home', upstreamModel: 'not-asked-for' }, { provider: 'own', upstreamModel: 'no name\n' }])
    expect(kept(bundle)).toMatchObject({ format: 'bailiwick bundle v1', bundle: bundle.digest, catalog: bundle.catalogDigest, drills: [] })
    expect(Object.keys(kept(bundle).sources).sort()).toEqual(Object.keys(FILES).sort())
    expect(kept(bundle).discovered).toEqual(FOUND)
  })

  it('a model that is spelt otherwise is another bundle, for rules and grants read its name', async () => {
    const spelt = (name: string): Promise<Bundle> => plain().then(bundle => withDiscovered(bundle, [{ provider: 'own', upstreamModel: name }]))
    const upper = await spelt('Qwen3:8b'), lower = await spelt('qwen3:8b')
    expect(upper.rulebook.deployments.at(-1)!.name).toBe(lower.rulebook.deployments.at(-1)!.name)
    expect(upper.rulebook.deployments.at(-1)!.model).not.toBe(lower.rulebook.deployments.at(-1)!.model)
    expect(upper.catalogDigest).not.toBe(lower.catalogDigest)
  })

  const changed = async (change: (one: KeptBundle) => object): Promise<string> => {
    const one = kept(await states[3]![1]())
    const again = await madeAgain({ ...one, ...change(one) })
    return again.ok ? 'ok' : again.wrong
  }
  it.each([
    ['nothing', () => ({}), /^ok$/],
    ['a rule', ({ sources }: KeptBundle) => ({ sources: { ...sources, 'rules/home.policy.yaml': sources['rules/home.policy.yaml']!.replace('[FR]', '[DE]') } }), /^its sources or its drills are not what it was made of/],
    ['a fact of the catalog', ({ sources }: KeptBundle) => ({ sources: { ...sources, 'catalog/home.yaml': sources['catalog/home.yaml']!.replace('processed-in: [FR]', 'processed-in: [DE]') } }), /^the files of its catalog or what was discovered is not/],
    ['a file that is gone', ({ sources }: KeptBundle) => ({ sources: Object.fromEntries(Object.entries(sources).filter(([path]) => path !== 'apps/desk.yaml')) }), /^its sources (?:do not compile|or its drills are not)/],
    ['text that is no policy', ({ sources }: KeptBundle) => ({ sources: { ...sources, 'rules/home.policy.yaml': 'policy: [' } }), /^its sources do not compile \(rules\/home\.policy\.yaml:/],
    ['what was discovered', ({ discovered }: KeptBundle) => ({ discovered: discovered.slice(1) }), /what was discovered is not/],
    ['a drill that is gone', () => ({ drills: [] }), /^its sources are not/],
    ['rules of a drill', ({ drills }: KeptBundle) => ({ drills: drills.map(d => ({ ...d, rules: d.rules.replace('abroad', 'home') })) }), /its drills are not/],
    ['rules that are none', ({ drills }: KeptBundle) => ({ drills: drills.map(d => ({ ...d, rules: '7' })) }), /^the rules of its drills cannot be read$/],
    ['another digest', () => ({ bundle: '0'.repeat(64) }), /and not 0{64}$/],
    ['another format', () => ({ format: 'bailiwick bundle v2' }), /^it is not in the format/],
    ['words for models', () => ({ discovered: ['tiny'] }), /^it is not in the format/],
  ] as const)('says what differs: %s', async (_, change, wrong) => {
    expect(await changed(change)).toMatch(wrong)
  })

  it.each([undefined, null, 7, 'text', [], {}])('%s is no kept bundle', async value => {
    expect(await madeAgain(value)).toMatchObject({ ok: false, wrong: expect.stringContaining('format') as string })
  })
})
