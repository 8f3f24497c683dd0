/** Addresses that do not hold the place a catalog states for them: each trap beside the setting that does hold it. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/bundle/compile.ts'
import { TRAPS } from '../../src/bundle/traps.ts'
import { policy, provider, rule } from '../support/tree.ts'

type Stated = { readonly url: string; readonly places?: string; readonly hosting?: string; readonly dialect?: string; readonly model?: string }

/** What the compiler says of one deployment: nothing, `warning` or `error`. */
async function said({ url, places = '[DE, FR]', hosting = 'cloud', dialect = 'openai', model = 'large' }: Stated, rules: readonly string[] = []): Promise<string> {
  const compiled = await compile(new Map(Object.entries({
    'catalog/own.yaml': provider('own', `hosting: ${hosting}`, [`{ deployment: one, model: own/m, upstream-model: '${model}', dialect: ${dialect}, base-url: '${url}', processed-in: ${places} }`]),
    ...(rules.length > 0 && { 'rules/house.policy.yaml': policy('house', rules.join('\n')) }),
  })))
  const problems = compiled.ok ? compiled.bundle.warnings : compiled.problems
  expect(problems.filter(p => p.rule !== 'place-not-held')).toEqual([])
  expect(problems.length).toBeLessThan(2)
  return problems.map(p => p.severity).join()
}

const BEDROCK = 'https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1'
const rows: readonly (readonly [name: string, trapped: Stated, holds: Stated])[] = [
  ['Azure Global', { url: 'https://own.openai.azure.com/openai/v1', model: 'gpt-GlobalStandard' }, { url: 'https://own.openai.azure.com/openai/v1', model: 'gpt-standard' }],
  ['a global profile of Bedrock', { url: BEDROCK, model: 'global.vendor.large' }, { url: BEDROCK, model: 'eu.vendor.large' }],
  ['Bedrock without a geography', { url: BEDROCK, model: 'vendor.large' }, { url: BEDROCK, model: 'vendor.large', places: '[DE]' }],
  ['Vertex global', { url: 'https://aiplatform.googleapis.com/v1/projects/p/locations/global' }, { url: 'https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4' }],
  ['Vertex global in the path', { url: 'https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/global' }, { url: 'https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu' }],
  ["Mistral's default address", { url: 'https://api.mistral.ai/v1' }, { url: 'https://api.eu.mistral.ai/v1' }],
  ["Anthropic's own address", { url: 'https://api.anthropic.com/v1' }, { url: 'https://api.anthropic.com/v1', places: '[US]' }],
  ["OpenAI's default address", { url: 'https://api.openai.com/v1' }, { url: 'https://eu.api.openai.com/v1' }],
  ['public Nebius', { url: 'https://api.tokenfactory.nebius.com/v1' }, { url: 'https://api.tokenfactory.eu-west1.nebius.com/v1' }],
  ['a cloud model of Ollama', { url: 'http://127.0.0.1:11434', dialect: 'ollama', hosting: 'local', model: 'gpt-oss:120b-cloud' }, { url: 'http://127.0.0.1:11434', dialect: 'ollama', hosting: 'local', model: 'gpt-oss:20b' }],
  ['Ollama itself', { url: 'https://ollama.com', dialect: 'ollama' }, { url: 'http://ollama:11434', dialect: 'ollama' }],
]

describe.each(rows)('%s', (_, trapped, holds) => {
  test('is warned of where a place is stated, and refused where a rule relies on it', async () => {
    expect(await said(trapped)).toBe('warning')
    expect(await said(trapped, [rule('near', 'require: { processed-in: { only: [DE, FR] } }')])).toBe('error')
    expect(await said(trapped, [rule('near', 'forbid: { processed-in: { any: [US] } }')])).toBe('error')
  })

  test('is fine where nothing is stated, or what is stated is held', async () => {
    expect(await said({ ...trapped, places: 'unknown', hosting: 'cloud' })).toBe('')
    expect(await said(holds, [rule('near', 'require: { processed-in: { only: [DE, FR, US] } }')])).toBe('')
  })
})

test('a rule relies on a place only when the place is why the deployment passes', async () => {
  const trapped: Stated = { url: 'https://api.mistral.ai/v1' }
  expect(await said(trapped, [rule('far', 'require: { processed-in: { only: [US] } }')]), 'it is removed either way').toBe('warning')
  expect(await said(trapped, [rule('either', 'require:\n  one-of: [{ processed-in: { only: [DE, FR] } }, { hosting: cloud }]')]), 'it passes either way').toBe('warning')
  expect(await said(trapped, [rule('order', 'prefer: { processed-in: { only: [DE, FR] } }')])).toBe('warning')
})

test('local is loopback, private or link-local, or a name that only a local network knows', async () => {
  const local = ['127.0.0.1', '127.8.0.1', 'localhost', '10.1.2.3', '172.16.0.1', '172.31.255.1', '192.168.1.1', '169.254.1.1', '[::1]', '[fd00::1]', '[fe80::1]', 'vllm', 'gpu.local', 'gpu.internal', 'gpu.home.arpa']
  const away = ['8.8.8.8', '172.15.0.1', '172.32.0.1', '192.169.1.1', '11.0.0.1', '[2001:db8::1]', 'gpu.example.com', 'localhost.example.com', '10.0.0.1.example.com']
  for (const host of local) expect([host, await said({ url: `http://${host}:8000/v1`, hosting: 'local' }, [rule('home', 'require: { hosting: local }')])]).toEqual([host, ''])
  for (const host of away) expect([host, await said({ url: `http://${host}:8000/v1`, hosting: 'local' }, [rule('home', 'require: { hosting: local }')])]).toEqual([host, 'error'])
  for (const host of away) expect([host, await said({ url: `http://${host}:8000/v1`, hosting: 'cloud' })]).toEqual([host, ''])
})

test('a host that the provider lists is local, and no other', async () => {
  const problemsOf = async (host: string, hosts: string): Promise<readonly string[]> => {
    const compiled = await compile(new Map(Object.entries({
      'catalog/own.yaml': provider('own', `hosting: local\nlocal-hosts: ${hosts}`, [`{ deployment: one, model: own/m, dialect: openai, base-url: 'http://${host}:8000/v1' }`]),
      'rules/house.policy.yaml': policy('house', rule('home', 'require: { hosting: local }')),
    })))
    return (compiled.ok ? compiled.bundle.warnings : compiled.problems).map(p => p.rule)
  }
  expect(await problemsOf('203.0.113.7', '[203.0.113.7]')).toEqual([])
  expect(await problemsOf('GPU.example.com.', 'gpu.example.com')).toEqual([])
  expect(await problemsOf('[2001:db8::7]', "['2001:DB8:0::7']")).toEqual([])
  expect(await problemsOf('203.0.113.8', '[203.0.113.7]')).toEqual(['place-not-held'])
  expect(await problemsOf('other.gpu.example.com', 'gpu.example.com')).toEqual(['place-not-held'])
})

describe('what is written beside a fact that it is nothing without', () => {
  const REGION = 'region: { header: x-served-from, means: { paris: FR, frankfurt: DE } }'
  const warned = async (top: string, deployments: readonly string[]): Promise<readonly string[]> => {
    const compiled = await compile(new Map([['catalog/own.yaml', provider('own', top, deployments).replace(/deployments:\n+$/, 'deployments: []\n')]]))
    return compiled.ok ? compiled.bundle.warnings.map(w => `${w.rule} ${w.line}:${w.column} ${/processed-in of (.*?)(?: is not known)?,/.exec(w.wrong)?.[1] ?? ''}`.trim()) : [JSON.stringify(compiled.problems)]
  }
  const ASKED = 'dialect: openai\nbase-url: http://127.0.0.1:9/v1\ndiscover: models'

  test.each<readonly [string, string, readonly string[], readonly string[]]>([
    ['a region with a place', `reports: { ${REGION} }`, ['{ deployment: a, model: own/a, processed-in: [FR, US] }'], []],
    ['a part of a place', `reports: { ${REGION} }`, ['{ deployment: a, model: own/a, processed-in: [FR-IDF] }'], []],
    ['a place above', `processed-in: DE`, [`{ deployment: a, model: own/a, reports: { ${REGION} } }`], []],
    ['names of models without a place', 'reports: { model: a }', ['{ deployment: a, model: own/a }'], []],
    ['a region without a place, at the top for two', `reports: { ${REGION} }`, ['{ deployment: a, model: own/a }', '{ deployment: b, model: own/b, processed-in: FR }', '{ deployment: c, model: own/c, processed-in: unknown }'], ['region-without-a-place 7:12 a and c']],
    ['a region without a place, of one', '', [`{ deployment: a, model: own/a, reports: { ${REGION} } }`], ['region-without-a-place 9:47 a']],
    ['a region without a place for what is discovered', `${ASKED}\nreports: { ${REGION} }`, [], ['region-without-a-place 10:12 models that are discovered']],
    ['a region with other places', `reports: { ${REGION} }`, ['{ deployment: a, model: own/a, processed-in: [US, CA-QC] }', '{ deployment: b, model: own/b, processed-in: [] }'], ['region-never-right 7:45 a and b']],
    ['a region of one over that of its provider', `processed-in: FR\nreports: { ${REGION} }`, ['{ deployment: a, model: own/a, reports: { region: { header: x-geo, means: { us: US } } } }'], ['region-never-right 10:72 a']],
    ['local hosts of a local provider', 'hosting: local\nlocal-hosts: 203.0.113.7', ['{ deployment: a, model: own/a }'], []],
    ['local hosts of one local deployment', 'hosting: cloud\nlocal-hosts: 203.0.113.7', ['{ deployment: a, model: own/a }', '{ deployment: b, model: own/b, hosting: local }'], []],
    ['local hosts of local models that are discovered', `hosting: local\n${ASKED}\nlocal-hosts: 203.0.113.7`, [], []],
    ['local hosts of clouds', 'hosting: cloud\nlocal-hosts: 203.0.113.7', ['{ deployment: a, model: own/a, hosting: unknown }'], ['local-hosts-unused 8:1']],
    ['local hosts where all that is local is elsewhere', 'hosting: local\nlocal-hosts: 203.0.113.7', ['{ deployment: a, model: own/a, hosting: cloud }'], ['local-hosts-unused 8:1']],
  ])('%s', async (_, top, deployments, expected) => {
    expect(await warned(top, deployments)).toEqual(expected)
  })
})

test('every trap says where it is known from, and since when', () => {
  for (const { source, asOf } of TRAPS) {
    expect(source).not.toBe('')
    expect(asOf).toMatch(/^2026-\d\d-\d\d$/)
  }
})
