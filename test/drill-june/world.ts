/**
 * The world of the drill: a cloud in the United States with two frontier models and an older one, a cloud in France, and a
 * server of our own that runs open weights. Three apps send what they carry: open text, text about people, and papers that
 * stay in the house; a newsroom is granted the frontier models and nothing else.
 */
import { app, keyHash, policy, provider, rule } from '../support/tree.ts'

export const PROVIDERS = ['us-cloud', 'eu-cloud', 'local'] as const
export type ProviderName = (typeof PROVIDERS)[number]

/** In the order in which open text prefers them. */
export const DEPLOYMENTS = {
  'us-large': { model: 'frontier/large', provider: 'us-cloud' },
  'us-swift': { model: 'frontier/swift', provider: 'us-cloud' },
  'us-classic': { model: 'classic/steady', provider: 'us-cloud' },
  'eu-one': { model: 'europa/one', provider: 'eu-cloud' },
  'local-one': { model: 'open/weights', provider: 'local' },
} as const satisfies Readonly<Record<string, { readonly model: string; readonly provider: ProviderName }>>
export type DeploymentName = keyof typeof DEPLOYMENTS
export const DEPLOYMENT_NAMES = Object.keys(DEPLOYMENTS) as readonly DeploymentName[]
export const isDeployment = (name: string | null): name is DeploymentName => name !== null && Object.hasOwn(DEPLOYMENTS, name)

export type AppName = 'desk' | 'clinic' | 'newsroom'
export const KEYS: Readonly<Record<AppName, string>> = { desk: 'bw-key-of-the-desk', clinic: 'bw-key-of-the-clinic', newsroom: 'bw-key-of-the-newsroom' }

/** What a request says that it carries. Unstated is taken to be everything its app may carry. */
export type Data = 'none' | 'personal' | 'trade-secret' | 'unstated'

/** The two models that the notice takes away. */
export const REMOVED: readonly DeploymentName[] = ['us-large', 'us-swift']
export const NOTICE = 'notice-of-june'

export async function policiesFor(urls: Readonly<Record<ProviderName, string>>): Promise<Record<string, string>> {
  const of = (name: ProviderName): readonly string[] => DEPLOYMENT_NAMES.filter(d => DEPLOYMENTS[d].provider === name)
    .map(d => `{ deployment: ${d}, model: ${DEPLOYMENTS[d].model}, upstream-model: ${d}, quality: ${90 - 10 * DEPLOYMENT_NAMES.indexOf(d)} }`)
  const file = (name: ProviderName, more: string): string =>
    provider(name, `dialect: openai\nbase-url: ${urls[name]}/v1\noperations: [chat]\ntimeouts: { connect: 2s, first-token: 5s, idle: 5s, total: 20s }\n${more}`, of(name))
  const key = async (name: AppName): Promise<string> => `key-hashes: [ "${await keyHash(KEYS[name])}" ]`
  return {
    'apps/desk.yaml': app('desk', `grants: all\nmay-assert: [data]\nsubstitutes: yes\n${await key('desk')}`),
    'apps/clinic.yaml': app('clinic', `grants: all\nmay-carry: [personal, trade-secret]\nmay-assert: [data]\nsubstitutes: yes\n${await key('clinic')}`),
    'apps/newsroom.yaml': app('newsroom', `grants:\n  - model: [frontier/*]\nmay-assert: [data]\nsubstitutes: yes\n${await key('newsroom')}`),
    'catalog/us-cloud.yaml': file('us-cloud', 'hosting: cloud\nprocessed-in: [US]'),
    'catalog/eu-cloud.yaml': file('eu-cloud', 'hosting: cloud\nprocessed-in: [FR]'),
    'catalog/local.yaml': file('local', 'hosting: local\nprocessed-in: [FR]\ncan: [prefill]'),
    'rules/house.policy.yaml': policy('house', [
      rule('people-stay-in-france', 'when: { data: [personal] }\nrequire: { processed-in: { only: [FR] } }'),
      rule('papers-stay-with-us', 'when: { data: [trade-secret] }\nrequire: { hosting: local }'),
    ].join('\n')),
  }
}

/** Text of the notice: in force from one second to another, both in milliseconds since 1970. */
export function noticeFor({ from, until }: Window): string {
  const second = (at: number): string => new Date(at).toISOString().slice(0, 19)
  return policy(NOTICE, rule('two-models-go', `forbid: { model: [${REMOVED.map(d => DEPLOYMENTS[d].model).join(', ')}] }`),
    `{ from: ${second(from)}, until: ${second(until)}, timezone: UTC }`)
}

export type Window = { readonly from: number; readonly until: number }

/** The law of this world, said again without the product: whether a deployment may see a request, with the notice in force or not. */
export function permits(deployment: DeploymentName, { app, data }: { readonly app: AppName; readonly data: Data }, isNoticeInForce: boolean): boolean {
  if (isNoticeInForce && REMOVED.includes(deployment)) return false
  if (app === 'newsroom' && !REMOVED.includes(deployment)) return false
  if (data === 'trade-secret' || data === 'unstated') return deployment === 'local-one'
  if (data === 'personal') return deployment === 'eu-one' || deployment === 'local-one'
  return true
}

/** What every provider answers to a request: the same words, so that another can go on with a stream. */
export const sayingOf = (nonce: string): string => `${nonce} went only where it may go and came back whole as it was promised`
export const NONCE = /\br-\d{6}\b/
