import { expect, test } from 'vitest'
import { decide, Permit } from '../../src/policy/decide.ts'
import { app, bundleOf, provider } from '../support/tree.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')

async function permit(): Promise<Permit> {
  const bundle = await bundleOf({
    'apps/crm.yaml': app('crm', 'grants:\n  - deployment: a\nassume:\n  - user-in: FR\n    basis: b\n    owner: o\n    until: 2026-12-31'),
    'catalog/p.yaml': provider('p', '', ['{ deployment: a, model: p/a }', '{ deployment: b, model: p/b }']),
  })
  return decide(bundle.rulebook, { trusted: { app: 'crm' } }, NOW).permit!
}

test('a permit covers what was decided and nothing else', async () => {
  const given = await permit()
  expect(given.deployments).toEqual(['a'])
  expect(given.covers('a', NOW)).toBe(true)
  expect(given.covers('b', NOW)).toBe(false)
})

test('a permit ends with the stretch of time it was decided for', async () => {
  const given = await permit()
  const end = Date.parse('2027-01-01T00:00:00Z')
  expect(given.covers('a', end - 1)).toBe(true)
  expect(given.covers('a', end)).toBe(false)
})

test('a forged permit fails shut on its first use', async () => {
  const forged = Object.create(Permit.prototype) as Permit
  expect(() => forged.covers('a', NOW)).toThrow(TypeError)
  expect(() => forged.deployments).toThrow(TypeError)
  const cast = JSON.parse('{"deployments":["a"]}') as Permit
  expect(() => cast.covers('a', NOW)).toThrow(TypeError)
})

test('the list inside a permit cannot be widened', async () => {
  const given = await permit()
  expect(() => (given.deployments as string[]).push('b')).toThrow(TypeError)
  expect(given.covers('b', NOW)).toBe(false)
})
