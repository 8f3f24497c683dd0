/**
 * The bundles of the simulated world: one catalog in several states, under several laws, with time edges around a midnight.
 * They are compiled once and shared by all seeds.
 */
import type { Bundle } from '../../src/bundle/bundle.ts'
import { withDiscovered } from '../../src/bundle/compile.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'

/** The instant around which the edges lie. */
export const MIDNIGHT = Date.parse('2026-06-13T00:00:00Z')

/** The response header in which two of the providers name the place of their work. */
export const REGION_HEADER = 'x-served-in'

const at = (name: string): string => `dialect: openai\nbase-url: http://${name}.test/v1`
const chat = 'operations: [chat]'
const priced = (price: number): string => `price: { input: ${price}, output: ${price}, currency: EUR }`

const reports = (more = ''): string => `reports: { region: { header: ${REGION_HEADER}, means: { fr-par: FR, us-east: US } }${more} }`

/** Deployments of the cloud in the US are cheap and good, those at home dear and slow: what is lawful is not what is tempting. */
const catalogFiles = (euIn = 'FR'): Record<string, string> => ({
  'catalog/us.yaml': provider('us', at('us'), [
    `{ deployment: us-large, model: lab/large, hosting: cloud, processed-in: [US], controlled-from: [US], developer-in: US, can: [tools, prefill], quality: 95, ${chat}, ${priced(1)} }`,
    `{ deployment: us-small, model: lab/small, hosting: cloud, processed-in: [US], controlled-from: [US], developer-in: US, quality: 60, ${chat}, ${priced(0.1)} }`,
    `{ deployment: us-vectors, model: lab/vectors, hosting: cloud, processed-in: [US], controlled-from: [US], operations: [embedding], embedding-space: v1, ${priced(0.1)} }`,
    `{ deployment: us-vectors-two, model: lab/vectors-two, hosting: cloud, processed-in: [US], controlled-from: [US], operations: [embedding], embedding-space: v2, ${priced(0.1)} }`,
  ]),
  'catalog/eu.yaml': provider('eu', at('eu'), [
    `{ deployment: eu-large, model: lab/large, hosting: cloud, processed-in: [${euIn}], controlled-from: [US], developer-in: US, can: [tools], quality: 95, ${reports()}, ${chat}, ${priced(2)} }`,
    `{ deployment: eu-medium, model: other/medium, hosting: cloud, processed-in: [${euIn}], controlled-from: [FR], developer-in: FR, can: [tools, prefill], quality: 70, ${reports(', model: [medium, "medium-*"]')}, ${chat}, ${priced(2)} }`,
    `{ deployment: eu-vectors, model: lab/vectors, hosting: cloud, processed-in: [${euIn}], controlled-from: [US], operations: [embedding], embedding-space: v1, ${priced(1)} }`,
  ]),
  'catalog/sovereign.yaml': provider('sovereign', at('sovereign'), [
    `{ deployment: de-medium, model: other/medium, hosting: sovereign, processed-in: [DE], controlled-from: [DE], developer-in: FR, can: [prefill], quality: 70, context: 4000, ${chat}, ${priced(4)} }`,
  ]).replace('good-until: 2040-01-01', 'good-until: 2026-06-12'),
  'catalog/home.yaml': provider('home', `dialect: openai\nbase-url: http://10.0.0.5/v1\ndiscover: models\nhosting: local\nprocessed-in: [FR]\ncontrolled-from: [FR]`, [
    `{ deployment: home-open, model: open/local, developer-in: FR, quality: 30, context: 8000, ${chat} }`,
    '{ deployment: home-vectors, model: open/vectors, operations: [embedding], embedding-space: v1 }',
  ]),
})

const apps = {
  'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [personal, special-category]\nmay-assert: [data]\ntimeouts: { total: 120s }'),
  'apps/strict.yaml': app('strict', 'grants: all\nmay-carry: [personal]\nsubstitutes: no\nstream-rescue: no\ntimeouts: { total: 45s }'),
  'apps/kin.yaml': app('kin', 'grants:\n  - model: [lab/*, open/*]\nmay-carry: [trade-secret]\nmay-assert: [data, user-in]\nsubstitutes: same-developer\non-content-filter: next\ntimeouts: { total: 70s, whole: 15s }'),
}

const gdpr = policy('gdpr', [
  rule('personal-data-stays', 'when: { data: [personal] }\nrequire: { processed-in: { only: [FR, DE] } }'),
  rule('special-data-under-our-law', 'when: { data: [special-category] }\nrequire: { controlled-from: { only: [FR, DE] } }'),
].join('\n'))

/** A notice that stands in the folder before it begins, to the second, and ends by itself. */
const notice = (name: string, from: string, until: string, forbids: string): string =>
  policy(name, rule('stop', `forbid: ${forbids}`), `{ from: ${from}, until: ${until}, timezone: UTC }`)

export type Law = {
  readonly name: string
  /** By how many models the server at home holds beside those of the catalog. */
  readonly byFound: readonly Bundle[]
}

export type Laws = {
  /** What can be put in force while faults go on. */
  readonly all: readonly Law[]
  /** What is in force at the end, when everything is well. */
  readonly peace: Law
}

const FOUND = [{ provider: 'home', upstreamModel: 'qwen3:8b', context: 32_000 }, { provider: 'home', upstreamModel: 'phi:mini', context: 2_000 }]

async function compileLaws(): Promise<Laws> {
  const files = (more: Record<string, string> = {}, catalog = catalogFiles()): Record<string, string> => ({ ...apps, ...catalog, 'rules/gdpr.policy.yaml': gdpr, ...more })
  const trees: Readonly<Record<string, Record<string, string>>> = {
    peace: files(),
    'notice at midnight': files({ 'directives/stop.policy.yaml': notice('stop-large', '2026-06-13T00:00:00', '2026-06-13T00:01:30', '{ model: lab/large }') }),
    'two notices, one of seconds': files({
      'directives/a.policy.yaml': notice('stop-us', '2026-06-12T23:59:10', '2026-06-12T23:59:25', '{ controlled-from: [US] }'),
      'directives/b.policy.yaml': notice('stop-eu', '2026-06-13T00:00:20', '2026-06-13T00:00:50', '{ provider: eu }'),
    }),
    'the US is revoked': files({ 'rules/drill.policy.yaml': policy('drill', rule('revoked', 'forbid: { controlled-from: [US] }')) }),
    'all clouds are revoked': files({ 'rules/drill.policy.yaml': policy('drill', rule('revoked', 'forbid: { hosting: cloud }')) }),
    'nothing is permitted': files({ 'rules/drill.policy.yaml': policy('drill', rule('revoked', 'forbid: all')) }),
    'nobody may go on with a broken stream': files({ 'rules/whole.policy.yaml': policy('whole', rule('no-splice', 'when: { data: [none, personal] }\nforbid: { processed-in: [KP] }\nthen: { rescue: no }')) }),
    'an app is gone': Object.fromEntries(Object.entries(files()).filter(([name]) => name !== 'apps/kin.yaml')),
    'the EU provider has moved': files({}, catalogFiles('US')),
    'a catalog without the EU provider': files({}, Object.fromEntries(Object.entries(catalogFiles()).filter(([name]) => name !== 'catalog/eu.yaml'))),
  }
  const all = await Promise.all(Object.entries(trees).map(async ([name, tree]): Promise<Law> => {
    const bundle = await bundleOf(tree)
    const extended = await Promise.all([1, 2].map(count => withDiscovered(bundle, FOUND.slice(0, count))))
    return { name, byFound: [bundle, ...extended] }
  }))
  return { all, peace: all[0]! }
}

let compiled: Promise<Laws> | undefined
export const laws = (): Promise<Laws> => compiled ??= compileLaws()
