import { beforeAll, describe, expect, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { readStated } from '../../src/http/stated.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'

let bundle: Bundle
beforeAll(async () => {
  bundle = await bundleOf({ 'catalog/p.yaml': provider('p', 'processed-in: [FR]', ['{ deployment: d, model: p/m }']), 'apps/a.yaml': app('a'), 'rules/r.policy.yaml': policy('r', rule('r', 'when: { governed-by: [gdpr, ca-qc-25] }\nforbid: all')) })
})
const read = (headers: Record<string, string>): ReturnType<typeof readStated> => readStated(new Headers(headers), bundle.rulebook)

describe('a header that is well-formed is a fact', () => {
  test.each([
    ['data', 'personal', ['personal']],
    ['data', 'personal,  payment-card', ['personal', 'payment-card']],
    ['governed-by', 'gdpr, ca-qc-25', ['gdpr', 'ca-qc-25']],
    ['user-nationality', 'FR,NO', ['FR', 'NO']],
    ['user-in', 'CA-QC', 'CA-QC'],
    ['user-us-person', 'no', 'no'],
    ['classification', 'restricted', 'restricted'],
    ['purpose', 'fraud detection', 'fraud detection'],
  ])('%s: %s', (name, text, value) => {
    expect(read({ [`x-bailiwick-${name}`]: text })).toEqual({ ok: true, facts: { [name]: value }, dryRun: false, unread: [] })
  })

  test('headers of others are nobody’s business', () => {
    expect(read({ 'x-request-id': 'r', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'x-stainless-lang': 'js' })).toEqual({ ok: true, facts: {}, dryRun: false, unread: [] })
  })

  test('dry-run is yes or no', () => {
    expect(read({ 'x-bailiwick-dry-run': 'yes' })).toMatchObject({ ok: true, dryRun: true })
    expect(read({ 'x-bailiwick-dry-run': 'no' })).toMatchObject({ ok: true, dryRun: false })
  })
})

describe('a word that the vocabulary does not hold says nothing, and is reported by its header', () => {
  test.each([
    ['user-in', 'XX'], ['user-in', 'UK'], ['user-nationality', 'FR, ZZ'], ['data', 'persnal'], ['data', 'none, personal'],
    // A law that no policy names is a law misspelt, or one that nothing here knows: to believe it would switch the others off.
    ['governed-by', 'gdrp'], ['governed-by', 'GDPR'], ['governed-by', 'gdpr, lgpd'],
  ])('%s: %s', (name, text) => {
    expect(read({ [`x-bailiwick-${name}`]: text })).toEqual({ ok: true, facts: {}, dryRun: false, unread: [`x-bailiwick-${name}`] })
  })
})

describe('a header of the wrong form is refused by name', () => {
  test.each([
    ['data', ''], ['data', 'personal,'], ['data', ',personal'], ['data', 'personal,,phi'], ['data', 'personal, personal'], ['data', 'a b'], ['data', 'a;b'],
    ['data', Array.from({ length: 65 }, (_, i) => `l${i}`).join(',')], ['data', 'x'.repeat(65)],
    ['user-in', ''], ['user-in', 'fr'], ['user-in', 'FRA'], ['user-in', 'France'], ['user-in', 'FR,DE'], ['user-in', 'CA-'], ['user-in', 'CA-qc'],
    ['user-nationality', 'FR,de'], ['user-nationality', 'FR,FR'], ['user-us-person', 'true'], ['user-us-person', 'Yes'], ['user-us-person', 'yes, no'],
    ['classification', 'secret'], ['classification', 'Public'], ['classification', 'unknown'], ['purpose', ''], ['purpose', 'a\u00e9'], ['purpose', 'x'.repeat(65)],
    ['dry-run', 'true'], ['dry-run', ''], ['dry-run', 'yes, yes'],
  ])('%s: %j', (name, text) => {
    const stated = read({ [`x-bailiwick-${name}`]: text })
    expect(stated).toMatchObject({ ok: false, failure: { code: 'invalid_request', param: `x-bailiwick-${name}` } })
    if (!stated.ok && text.length > 8) expect(stated.failure.message).not.toContain(text)
  })
})

describe('a header that would be ignored is refused', () => {
  test('with the one that was meant', () => {
    expect(read({ 'x-bailiwick-user-inn': 'FR' })).toMatchObject({
      ok: false, failure: { code: 'invalid_request', param: 'x-bailiwick-user-inn', message: 'x-bailiwick-user-inn is not a header that Bailiwick reads. Did you mean x-bailiwick-user-in?' },
    })
  })
  test('or with all that there are', () => {
    const stated = read({ 'x-bailiwick-region': 'eu' })
    expect(stated).toMatchObject({ ok: false, failure: { param: 'x-bailiwick-region' } })
    expect(!stated.ok && stated.failure.message).toMatch(/^x-bailiwick-region is not .* Known are x-bailiwick-data, /)
  })
  test.each(['decision', 'team', 'people-in', 'constructor'])('%s is not one for callers', name => {
    expect(read({ [`x-bailiwick-${name}`]: 'x' })).toMatchObject({ ok: false, failure: { param: `x-bailiwick-${name}` } })
  })
  test('a subject token cannot be checked yet, and says so', () => {
    const stated = read({ 'x-bailiwick-subject': 'eyJhbGciOiJub25lIn0.e30.' })
    expect(stated).toMatchObject({ ok: false, failure: { code: 'invalid_request', param: 'x-bailiwick-subject' } })
    expect(!stated.ok && stated.failure.message).toMatch(/no issuer/)
  })
})
