/** Promise 3: headers, body and metadata may ask for less freedom, never for more. */
import { afterEach, expect, test } from 'vitest'
import { said } from '../support/listening.ts'
import { threePlaces, threePlacesFiles, type ThreePlaces } from '../support/three-places.ts'
import { policy, rule } from '../support/tree.ts'

let world: ThreePlaces
afterEach(() => world.stop())

test('no-caller-lowers-sensitivity: a header that says the data is harmless changes nothing', async () => {
  world = await threePlaces()
  for (const header of ['none', 'personal']) {
    expect(await said(await world.chat({ model: 'lab/large' }, { 'x-bailiwick-data': header }))).toBe('from home')
  }
  expect(await world.abroad.count()).toBe(0)
})

test('no-caller-lowers-sensitivity: the app may assert it only when it is registered to', async () => {
  const files = await threePlacesFiles({ home: '', second: '', abroad: '' })
  world = await threePlaces({ files: { 'apps/desk.yaml': `${files['apps/desk.yaml']!}may-assert: [data]\n` } })
  expect(await said(await world.chat({ model: 'auto' }, { 'x-bailiwick-data': 'none' }))).toBe('from abroad')
  expect(await said(await world.chat({ model: 'auto' }, { 'x-bailiwick-data': 'personal' }))).toBe('from home')
})

test('a caller may narrow: a stated classification brings a rule to bear', async () => {
  const files = { 'rules/secret.policy.yaml': policy('secret', rule('second-only', 'when: { classification: { at-least: restricted } }\nrequire: { deployment: fr-two }')), }
  const registered = (await threePlacesFiles({ home: '', second: '', abroad: '' }))['apps/desk.yaml']!
  world = await threePlaces({ files: { ...files, 'apps/desk.yaml': `${registered}assume:\n  - classification: internal\n    basis: b\n    owner: o\n    until: 2039-01-01\n` } })
  expect(await said(await world.chat())).toBe('from home')
  expect(await said(await world.chat({}, { 'x-bailiwick-classification': 'restricted' }))).toBe('from second')
  expect(await said(await world.chat({}, { 'x-bailiwick-classification': 'public' }))).toBe('from home')
})

test('a label outside the registration is refused outright', async () => {
  world = await threePlaces()
  const answer = await world.chat({}, { 'x-bailiwick-data': 'itar' })
  expect(answer.status).toBe(403)
  expect(await said(answer)).toBe('data_not_registered')
})

test('metadata and user fields of the body are not facts', async () => {
  world = await threePlaces()
  expect(await said(await world.chat({ user: 'data=none', metadata: { data: 'none', 'x-bailiwick-data': 'none' } }))).toBe('from home')
  expect(await world.abroad.count()).toBe(0)
})
