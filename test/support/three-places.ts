/**
 * The smallest world in which every promise can be broken: one provider that may be used at home (FR), a second one, and
 * one abroad (US) that personal data must never reach. Each is a process of its own.
 */
import { bundleOf, app, keyHash, policy, provider, rule } from './tree.ts'
import { KEY, listening, providerProcess, type Listening, type ProviderProcess, type Settings } from './listening.ts'

export type ThreePlaces = Listening & { readonly home: ProviderProcess; readonly second: ProviderProcess; readonly abroad: ProviderProcess; stop(): Promise<void> }

export const ALL = 'operations: [chat, completion, embedding], embedding-space: v1'

/** The files of the world, with more of them or others in their place. */
export async function threePlacesFiles(urls: { home: string; second: string; abroad: string }, more: Readonly<Record<string, string>> = {}): Promise<Record<string, string>> {
  const at = (url: string): string => `dialect: openai\nbase-url: ${url}`
  return {
    'apps/desk.yaml': app('desk', `grants: all\nmay-carry: [personal, special-category]\nkey-hashes: [ "${await keyHash(KEY)}" ]`),
    'catalog/abroad.yaml': provider('abroad', at(urls.abroad), [`{ deployment: us, model: lab/large, processed-in: [US], ${ALL}, price: { input: 0, output: 0, currency: USD } }`]),
    'catalog/home.yaml': provider('home', at(urls.home), [`{ deployment: fr, model: lab/large, processed-in: [FR], ${ALL}, price: { input: 1, output: 1, currency: USD } }`]),
    'catalog/second.yaml': provider('second', at(urls.second), [`{ deployment: fr-two, model: lab/small, processed-in: [FR], ${ALL}, price: { input: 2, output: 2, currency: USD } }`]),
    'rules/home.policy.yaml': policy('home', rule('personal-data-stays', 'when: { data: [personal] }\nrequire: { processed-in: { only: [FR] } }')),
    ...more,
  }
}

export async function threePlaces(given: { files?: Readonly<Record<string, string>> } & Omit<Settings, 'bundle'> = {}): Promise<ThreePlaces> {
  const [home, second, abroad] = await Promise.all(['home', 'second', 'abroad'].map(name => providerProcess(name))) as [ProviderProcess, ProviderProcess, ProviderProcess]
  const { files, ...settings } = given
  const bundle = await bundleOf(await threePlacesFiles({ home: home.url, second: second.url, abroad: abroad.url }, files))
  const gateway = await listening({ ...settings, bundle })
  return {
    ...gateway, home, second, abroad,
    async stop() {
      await gateway.close()
      await Promise.all([home.kill(), second.kill(), abroad.kill()])
    },
  }
}
