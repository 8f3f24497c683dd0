/** A small policies folder for a gateway in a process of its own, and how to ask it. */
import { createHash } from 'node:crypto'
import { ADMIN_TOKEN, type Serving } from '../support/processes.ts'
import { app, policy, provider, rule } from '../support/tree.ts'

export const KEY = 'bw-key-of-the-desk'

export const PLACE_RULE = 'rules/place.policy.yaml'
export const onlyIn = (country: string): string => policy('place', rule('stays', `require:\n  processed-in: { only: [${country}] }`))

/** Two pretended providers, one in France and one in the United States, and an app that may use both. */
export const REHEARSAL = {
  'apps/desk.yaml': app('desk', `grants: all\nmay-carry: []\nkey-hashes: ["sha256:${createHash('sha256').update(KEY).digest('hex')}"]`),
  'catalog/pretend-eu.yaml': provider('pretend-eu', 'rehearsal: eu-cloud\ndialect: openai\nprocessed-in: [FR]', ['{ deployment: eu-one, model: eu/one }']),
  'catalog/pretend-us.yaml': provider('pretend-us', 'rehearsal: us-cloud\ndialect: openai\nprocessed-in: [US]', ['{ deployment: us-one, model: us/one }']),
}

/** A real provider at an address. */
export const real = (url: string, more = ''): string =>
  provider('real', `dialect: openai\nbase-url: ${url}\nprocessed-in: [FR]${more}`, ['{ deployment: real-one, model: real/one }'])

export const chat = (serving: Serving, { model = 'auto', stream = false, headers = {} }: { readonly model?: string; readonly stream?: boolean; readonly headers?: Record<string, string> } = {}): Promise<Response> =>
  fetch(`${serving.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Good day?' }] }),
  })

export type Readiness = { readonly status: string; readonly bundle: string; readonly epoch: number; readonly alarms: readonly { readonly name: string; readonly message: string }[]; readonly rehearsal: false | readonly string[] }
export const readiness = async (serving: Serving): Promise<Readiness> => (await fetch(`${serving.url}/health/readiness`)).json() as Promise<Readiness>

export type PoolState = { readonly deployments: readonly { readonly deployment: string; readonly unfit: readonly string[] }[]; readonly events: readonly { readonly cause: string }[] }
export const pool = async (serving: Serving): Promise<PoolState> =>
  (await fetch(`${serving.url}/admin/pool`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })).json() as Promise<PoolState>

/** Why each deployment cannot be used now; empty text for one that can. */
export const unfit = async (serving: Serving): Promise<Record<string, string>> =>
  Object.fromEntries((await pool(serving)).deployments.map(d => [d.deployment, d.unfit.join(', ')]))
