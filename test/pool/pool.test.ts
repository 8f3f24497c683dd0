import { describe, expect, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { readRequest, type Needs } from '../../src/openai/request.ts'
import { decide, type Decision, type Permit } from '../../src/policy/decide.ts'
import type { Operation } from '../../src/policy/facts.ts'
import { buildPool, type PoolQuestion } from '../../src/pool/pool.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')
const at = (name: string): string => `dialect: openai\nbase-url: http://127.0.0.1:1/${name}`

const files = {
  'apps/any.yaml': app('any'),
  'apps/strict.yaml': app('strict', 'grants: all\nsubstitutes: no'),
  'apps/same.yaml': app('same', 'grants: all\nsubstitutes: same-developer'),
  'apps/climber.yaml': app('climber', 'grants: all\nladder: [beta/*, alpha/small]'),
  'catalog/one.yaml': provider('one', at('one'), [
    '{ deployment: large-us, model: alpha/large, processed-in: [US], trains-on-data: no, retention: 0d, can: [tools, json-schema], context: 100000, quality: 90, price: { input: 3, output: 9, currency: USD } }',
    '{ deployment: small-us, model: alpha/small, processed-in: [US], trains-on-data: yes, can: [tools], context: 8000, quality: 50, price: { input: 1, output: 1, currency: USD } }',
  ]),
  'catalog/two.yaml': provider('two', at('two'), [
    '{ deployment: beta-fr, model: beta/medium, processed-in: [FR], retention: 30d, context: 32000, quality: 70 }',
    '{ deployment: large-fr, model: alpha/large, processed-in: [FR], context: 32000, quality: 90, price: { input: 2, output: 2, currency: USD } }',
    '{ deployment: vectors-a, model: alpha/vectors, operations: [embedding], embedding-space: a-1 }',
    '{ deployment: vectors-b, model: beta/vectors, operations: [embedding], embedding-space: a-1 }',
    '{ deployment: vectors-c, model: gamma/vectors, operations: [embedding], embedding-space: c-9 }',
    '{ deployment: vectors-x, model: delta/vectors, operations: [embedding] }',
  ]),
  'catalog/facts.yaml': provider('facts', '', ['{ deployment: facts-only, model: epsilon/one }']),
  'rules/home.policy.yaml': policy('home', rule('france-only', 'when: { purpose: [home] }\nrequire: { processed-in: { only: [FR] } }')),
}
const bundle: Promise<Bundle> = bundleOf(files)

type Ask = { app?: string; purpose?: string; operation?: Operation; body: Record<string, unknown>; down?: readonly string[] }

async function pool({ app: name = 'any', purpose = 'work', operation = 'chat', body, down = [] }: Ask) {
  const b = await bundle
  const full = operation === 'chat' ? { messages: [{ role: 'user', content: 'x' }], ...body } : { input: 'x', ...body }
  const read = readRequest(operation, full, JSON.stringify(full).length) as { ok: true; needs: Needs }
  expect(read).toMatchObject({ ok: true })
  const decision = decide(b.rulebook, { trusted: { app: name, operation, purpose } }, NOW)
  const question: PoolQuestion = {
    operation, needs: read.needs, decision: decision as Decision & { permit: Permit }, app: b.apps.get(name)!, bundle: b, epoch: 7,
    connected: d => (d.connection === undefined ? 'no-connection' : undefined), health: d => (down.includes(d) ? 'out' : 'well'), notBefore: () => undefined, now: 0,
  }
  const answer = buildPool(question)
  return answer.ok ? answer.pool.members.map(d => d.name) : answer.failure
}

describe('order', () => {
  test('the asked model comes first, its cheaper deployment before the dearer', async () => {
    expect(await pool({ body: { model: 'alpha/large' } })).toEqual(['large-fr', 'large-us', 'beta-fr', 'small-us'])
  })
  test('substitutes follow the ladder of the app', async () => {
    expect(await pool({ app: 'climber', body: { model: 'alpha/large' } })).toEqual(['large-fr', 'large-us', 'beta-fr', 'small-us'])
    expect(await pool({ app: 'climber', body: { model: 'beta/medium' } })).toEqual(['beta-fr', 'small-us', 'large-fr', 'large-us'])
  })
  test('an app that allows no substitute gets the asked model or nothing', async () => {
    expect(await pool({ app: 'strict', body: { model: 'alpha/small' } })).toEqual(['small-us'])
    expect(await pool({ app: 'strict', purpose: 'home', body: { model: 'alpha/small' } })).toMatchObject({ code: 'no_permitted_model' })
  })
  test('the same developer may stand in, another may not', async () => {
    expect(await pool({ app: 'same', body: { model: 'alpha/small' } })).toEqual(['small-us', 'large-fr', 'large-us'])
  })
  test('models of the body are the only ones, in their order', async () => {
    expect(await pool({ body: { model: 'beta/medium', models: ['alpha/small'] } })).toEqual(['beta-fr', 'small-us'])
  })
})

describe('never outside the permit', () => {
  test('a forbidden deployment of the asked model is not in the pool, and neither is a forbidden substitute', async () => {
    expect(await pool({ purpose: 'home', body: { model: 'alpha/large' } })).toEqual(['large-fr', 'beta-fr'])
  })
  test("the caller's order cannot bring back what the law removed", async () => {
    expect(await pool({ purpose: 'home', body: { model: 'auto', provider: { order: ['large-us', 'one'] } } })).toEqual(['large-fr', 'beta-fr'])
  })
  test('what is down empties the pool and does not widen it', async () => {
    expect(await pool({ purpose: 'home', body: { model: 'auto' }, down: ['large-fr', 'beta-fr'] })).toMatchObject({ code: 'permitted_models_unavailable', retryAfterMs: expect.any(Number) as number })
  })
})

describe('what the caller asks of a provider only narrows', () => {
  test('only, ignore and allow_fallbacks', async () => {
    expect(await pool({ body: { model: 'auto', provider: { only: ['one'] } } })).toEqual(['small-us', 'large-us'])
    expect(await pool({ body: { model: 'auto', provider: { ignore: ['one'] } } })).toEqual(['large-fr', 'beta-fr'])
    expect(await pool({ body: { model: 'alpha/large', provider: { allow_fallbacks: false } } })).toEqual(['large-fr'])
  })
  test('zero retention and no training hold only where they are known', async () => {
    expect(await pool({ body: { model: 'auto', provider: { zdr: true } } })).toEqual(['large-us'])
    expect(await pool({ body: { model: 'auto', provider: { data_collection: 'deny' } } })).toEqual(['large-us'])
  })
  test('a ceiling on the price leaves out what has no price', async () => {
    expect(await pool({ body: { model: 'auto', provider: { max_price: { prompt: 2 } } } })).toEqual(['small-us', 'large-fr'])
  })
  test('an unknown wish is refused, not ignored', async () => {
    expect(await pool({ body: { model: 'auto', provider: { region: 'eu' } } })).toMatchObject({ code: 'invalid_request', param: 'provider' })
    expect(await pool({ body: { model: 'auto', provider: { only: 'one' } } })).toMatchObject({ code: 'invalid_request', param: 'provider.only' })
  })
  test('a wish that nothing satisfies is told as the wish it is', async () => {
    expect(await pool({ body: { model: 'auto', provider: { only: ['nobody'] } } })).toMatchObject({ code: 'invalid_request', param: 'provider' })
  })
})

describe('fit', () => {
  test('tools, a schema and a long prompt keep out what cannot do them', async () => {
    expect(await pool({ body: { model: 'auto', tools: [{ type: 'function' }] } })).toEqual(['small-us', 'large-us'])
    expect(await pool({ body: { model: 'auto', response_format: { type: 'json_schema' } } })).toEqual(['large-us'])
    expect(await pool({ body: { model: 'auto', max_tokens: 40_000 } })).toEqual(['large-us'])
  })
  test('what none can do is the request at fault, not the weather', async () => {
    expect(await pool({ purpose: 'home', body: { model: 'auto', tools: [{ type: 'function' }] } })).toMatchObject({ code: 'invalid_request' })
  })
  test('a deployment without a connection is never tried', async () => {
    expect(await pool({ app: 'strict', body: { model: 'epsilon/one' } })).toMatchObject({ code: 'permitted_models_unavailable' })
  })
})

describe('no-mixed-vectors', () => {
  test('only a deployment of the same known space may stand in', async () => {
    expect(await pool({ operation: 'embedding', body: { model: 'alpha/vectors' } })).toEqual(['vectors-a', 'vectors-b'])
    expect(await pool({ operation: 'embedding', body: { model: 'gamma/vectors' } })).toEqual(['vectors-c'])
  })
  test('a model of an unknown space stands alone', async () => {
    expect(await pool({ operation: 'embedding', body: { model: 'delta/vectors' } })).toEqual(['vectors-x'])
    expect(await pool({ operation: 'embedding', body: { model: 'delta/vectors' }, down: ['vectors-x'] })).toMatchObject({ code: 'permitted_models_unavailable' })
  })
  test('auto is no name for an embedding model', async () => {
    expect(await pool({ operation: 'embedding', body: { model: 'auto' } })).toMatchObject({ code: 'invalid_request', param: 'model' })
  })
})

describe('illegal, unfit and unavailable are told apart', () => {
  const files = {
    'apps/any.yaml': app('any'),
    'catalog/one.yaml': provider('one', at('one'), ['{ deployment: talks, model: lab/talks, processed-in: [US] }', '{ deployment: counts, model: lab/counts, operations: [embedding], processed-in: [FR] }']),
    'rules/home.policy.yaml': policy('home', rule('home-only', 'when: { purpose: [home] }\nrequire: { processed-in: { only: [FR] } }')),
  }
  async function chat(purpose: string, lost: readonly string[] = [], operation: 'chat' | 'rerank' = 'chat'): Promise<string> {
    const b = await bundleOf(files)
    const { needs } = readRequest('chat', { model: operation === 'chat' ? 'lab/talks' : 'auto', messages: [{ role: 'user', content: 'x' }] }, 10) as { needs: Needs }
    const decision = decide(b.rulebook, { trusted: { app: 'any', purpose } }, NOW) as Decision & { permit: Permit }
    const answer = buildPool({
      operation, needs, decision, app: b.apps.get('any')!, bundle: b, epoch: 1, connected: d => (lost.includes(d.name) ? 'not-held' : undefined),
      health: () => 'well', notBefore: () => undefined, now: 0,
    })
    return answer.ok ? answer.pool.members.map(d => d.name).join() : answer.failure.code
  }
  test('an embedding model that is left does not make a lost chat model the request\'s mistake', async () => {
    expect(await chat('work')).toBe('talks')
    expect(await chat('work', ['talks'])).toBe('permitted_models_unavailable')
    expect(await chat('home')).toBe('no_permitted_model')
    expect(await chat('work', [], 'rerank')).toBe('invalid_request')
  })
  test('deployments of one embedding model whose spaces are not known are a gap in the catalog, not in the law', async () => {
    const twice = await bundleOf({
      'apps/any.yaml': app('any'),
      'catalog/one.yaml': provider('one', at('one'), ['{ deployment: v1, model: lab/vectors, operations: [embedding] }', '{ deployment: v2, model: lab/vectors, operations: [embedding] }']),
    })
    const needs = (readRequest('embedding', { model: 'lab/vectors', input: 'x' }, 10) as { needs: Needs }).needs
    const decision = decide(twice.rulebook, { trusted: { app: 'any' } }, NOW) as Decision & { permit: Permit }
    const answer = buildPool({ operation: 'embedding', needs, decision, app: twice.apps.get('any')!, bundle: twice, epoch: 1, connected: () => undefined, health: () => 'well', notBefore: () => undefined, now: 0 })
    expect(answer).toMatchObject({ ok: false, failure: { code: 'invalid_request' } })
  })
})
