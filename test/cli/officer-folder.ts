/** A folder for the officer's commands: a deployment at home, one abroad that personal data must not reach, and one whose owner nobody knows. */
import { app, policy, provider, rule } from '../support/tree.ts'

export const AT = '2026-11-22T11:00:00Z'
export const RULES = 'rules/home.policy.yaml'
export const STAYS = rule('stays', 'when: { data: [personal] }\nrequire: { processed-in: { only: [FR] } }\nexceptions: { allowed: yes, at-most: 90d, approver: [dpo] }')
export const NOT_KEPT = rule('not-kept', 'forbid: { deployment: odd }')

export const FOLDER = {
  'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [personal, source-code]\nmay-assert: [data]'),
  'catalog/abroad.yaml': provider('abroad', 'dialect: openai\nbase-url: http://127.0.0.1:9\nhosting: cloud\ncontrolled-from: [US]\nprocessed-in: [US]', ['{ deployment: us, model: lab/large, price: { input: 1, output: 1, currency: USD } }']),
  'catalog/home.yaml': provider('home', 'dialect: openai\nbase-url: http://127.0.0.1:9\nhosting: local\ncontrolled-from: [FR]\nprocessed-in: [FR]', ['{ deployment: fr, model: lab/small, price: { input: 2, output: 2, currency: USD } }']),
  'catalog/odd.yaml': provider('odd', 'dialect: openai\nbase-url: http://127.0.0.1:9\nhosting: cloud\nprocessed-in: [FR]', ['{ deployment: odd, model: lab/odd }']),
  [RULES]: policy('home', STAYS),
}
export const withRules = (...rules: readonly string[]): Record<string, string> => ({ ...FOLDER, [RULES]: policy('home', rules.join('\n')) })

export const exception = (name: string, from: string, until: string, models = '{ deployment: us }', scope = '{ app: desk, data: [personal] }'): string => `- exception: ${name}
  rule: home/stays
  for: ${scope}
  models: ${models}
  category: waiver
  reason: A test wants it
  ticket: T-1
  requested-by: desk@example.com
  approved-by: dpo@example.com
  from: ${from}
  until: ${until}
  timezone: UTC
`
