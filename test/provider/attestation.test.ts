import { describe, expect, test } from 'vitest'
import { catalogOf, type Catalog, type Deployment, type Reports } from '../../src/catalog/catalog.ts'
import { attest, type Said } from '../../src/provider/attestation.ts'
import { deployment } from './support.ts'

const HEADER = 'x-ms-region'
const REGION: NonNullable<Reports['region']> = { header: HEADER, countries: new Map([['swedencentral', 'SE'], ['east us', 'US'], ['canadaeast', 'CA-QC'], ['canada', 'CA']]) }

type Given = Partial<Pick<Deployment, 'name' | 'model' | 'upstreamModel' | 'processedIn'>> & Partial<Reports>
const placed = ({ models, region, ...more }: Given): Deployment =>
  ({ ...deployment('http://127.0.0.1:1'), ...more, reports: { models, region } })
const without = (more: Given): Deployment => ({ ...placed(more), reports: undefined })
const catalog = (...deployments: readonly Deployment[]): Catalog => catalogOf(new Map(), deployments)
const alone = (d: Deployment, said: Said): string | undefined => attest(d, catalog(d), said)

describe('the region that a header names', () => {
  const inSweden = placed({ processedIn: ['SE'], region: REGION })

  test('agrees with the facts', () => {
    expect(alone(inSweden, { headers: { [HEADER]: 'swedencentral' } })).toBeUndefined()
    expect(alone(inSweden, { headers: { [HEADER]: ' SwedenCentral ' } })).toBeUndefined()
  })

  test('does not, when the request was processed in another country', () => {
    expect(alone(inSweden, { headers: { [HEADER]: 'east us' } })).toBe('it was processed in US, the catalog says SE')
  })

  test('does not, when the catalog does not know the word', () => {
    expect(alone(inSweden, { headers: { [HEADER]: 'westus3' } })).toBe("it names the region 'westus3', which the catalog does not list")
  })

  test('is not repeated where it could be text', () => {
    const detail = alone(inSweden, { headers: { [HEADER]: `canary <${'x'.repeat(80)}>` } })
    expect(detail).toBe('it names a region that the catalog does not list')
  })

  test.each([['absent', {}], ['empty', { [HEADER]: '' }]])('says nothing when it is %s', (_, headers) => {
    expect(alone(inSweden, { headers })).toBeUndefined()
  })

  test('has nothing to be compared with where nobody stated the place, or the header', () => {
    const headers = { [HEADER]: 'eastus' }
    expect(alone(placed({ processedIn: undefined, region: REGION }), { headers })).toBeUndefined()
    expect(alone(without({ processedIn: ['SE'] }), { headers })).toBeUndefined()
  })

  test.each([
    [['CA'], 'canadaeast'], [['CA-QC'], 'canadaeast'], [['CA-QC'], 'canada'], [['SE', 'CA'], 'canada'],
  ])('%j and %s do not contradict each other', (processedIn, word) => {
    expect(alone(placed({ processedIn, region: REGION }), { headers: { [HEADER]: word } })).toBeUndefined()
  })

  test('one part of a country contradicts another', () => {
    expect(alone(placed({ processedIn: ['CA-ON'], region: REGION }), { headers: { [HEADER]: 'canadaeast' } })).toBe('it was processed in CA-QC, the catalog says CA-ON')
  })

  test('contradicts a catalog that says nowhere', () => {
    expect(alone(placed({ processedIn: [], region: REGION }), { headers: { [HEADER]: 'canada' } })).toBe('it was processed in CA, the catalog says nowhere')
  })
})

describe('the geography that the usage names', () => {
  test.each([
    ['us', ['US'], undefined], ['US', ['US', 'DE'], undefined], ['us', ['US-VA'], undefined],
    ['us', ['DE'], 'it was processed in US, the catalog says DE'],
    ['global', ['US'], "it says 'global', the catalog says US"], ['global', undefined, undefined],
    ['us', undefined, undefined], ['not_available', ['DE'], undefined], ['emea', ['US'], undefined], ['EU', ['US'], undefined],
  ])('%s where the catalog says %j', (geo, processedIn, expected) => {
    expect(alone(without({ processedIn }), { geo })).toBe(expected)
  })
})

describe('the model that was served', () => {
  const ours = without({ name: 'ours', model: 'openai/gpt-5.5', upstreamModel: 'gpt-5.5' })
  const other = without({ name: 'other', model: 'qwen/qwen3', upstreamModel: 'qwen3:8b' })
  const twin = without({ name: 'twin', model: 'openai/gpt-5.5', upstreamModel: 'our-gpt' })
  const inCatalog = (model: string): string | undefined => attest(ours, catalog(ours, other, twin), { model })

  test('is another model of the catalog', () => {
    expect(inCatalog('qwen3:8b')).toBe("it served 'qwen3:8b', which the catalog knows as qwen/qwen3")
    expect(inCatalog('QWEN3:8B')).toContain('qwen/qwen3')
  })

  test.each(['gpt-5.5', 'GPT-5.5', 'gpt-5.5-2026-04-01', 'gpt-5', 'our-gpt', 'never-heard-of', '/models/gguf/file.gguf'])('%s contradicts nothing', model => {
    expect(inCatalog(model)).toBeUndefined()
  })

  test('a longer name of the catalog that begins with ours is a version of ours, not another', () => {
    const pinned = without({ name: 'pinned', model: 'openai/gpt-5.5-pinned', upstreamModel: 'gpt-5.5-2026-04-01' })
    expect(attest(ours, catalog(ours, pinned), { model: 'gpt-5.5-2026-04-01' })).toBeUndefined()
    expect(attest(pinned, catalog(ours, pinned), { model: 'gpt-5.5' })).toBeUndefined()
  })

  test.each([['gpt-5.5-mini', 'openai/gpt-5.5-mini'], ['gpt-5.5-mini-2026-04-01', 'openai/gpt-5.5-mini']])('%s, which the catalog knows, is not ours because it begins like it', (upstream, model) => {
    const smaller = without({ name: 'smaller', model, upstreamModel: upstream })
    expect(attest(ours, catalog(ours, smaller), { model: upstream })).toContain(model)
    expect(attest(smaller, catalog(ours, smaller), { model: 'gpt-5.5' })).toContain('openai/gpt-5.5')
  })

  test('latest is what a name without a tag means', () => {
    const llama = without({ name: 'l', model: 'meta/llama3', upstreamModel: 'llama3' })
    expect(attest(ours, catalog(ours, llama), { model: 'llama3:latest' })).toContain('meta/llama3')
    expect(attest(llama, catalog(ours, llama), { model: 'llama3:latest' })).toBeUndefined()
  })

  test('is one of the names that the catalog lists', () => {
    const listed = placed({ upstreamModel: 'gpt-5.5', models: ['gpt-5.5-2026-*', 'fp-exact'] })
    expect(alone(listed, { model: 'gpt-5.5-2026-04-01' })).toBeUndefined()
    expect(alone(listed, { model: 'FP-Exact:latest' })).toBeUndefined()
  })

  test('is none of them, even where it is only a version of what was asked for', () => {
    const listed = placed({ upstreamModel: 'gpt-5.5', models: ['gpt-5.5-2026-*'] })
    expect(alone(listed, { model: 'gpt-5.5-2025-12-01' })).toBe("it served 'gpt-5.5-2025-12-01', which is none of the names that the catalog lists")
    expect(alone(placed({ upstreamModel: 'gpt-5.5', models: [] }), { model: 'gpt-5.5' })).toBeDefined()
  })

  test('was not said', () => {
    expect(alone(placed({ models: ['gpt-5.5'] }), {})).toBeUndefined()
    expect(alone(placed({ models: ['gpt-5.5'] }), { model: undefined, geo: undefined, headers: undefined })).toBeUndefined()
  })
})

test('a catalog that was exchanged is not remembered', () => {
  const one = without({ name: 'one', model: 'a/one', upstreamModel: 'one' }), two = without({ name: 'two', model: 'a/two', upstreamModel: 'two' })
  expect(attest(one, catalog(one), { model: 'two' })).toBeUndefined()
  expect(attest(one, catalog(one, two), { model: 'two' })).toBeDefined()
  expect(attest(one, catalog(one, { ...two, upstreamModel: 'three' }), { model: 'two' })).toBeUndefined()
})
