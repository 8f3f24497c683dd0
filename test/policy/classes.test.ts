import { expect, test } from 'vitest'
import { registeredClasses } from '../../src/policy/classes.ts'
import { app, bundleOf } from '../support/tree.ts'

const dataOf = async (more: string): Promise<readonly unknown[]> =>
  registeredClasses((await bundleOf({ 'apps/desk.yaml': app('desk', `grants: all\n${more}`) })).rulebook).map(c => c.data)

test.each([
  ['may-carry: [personal]', [['personal'], 'unknown']],
  ['may-carry: [personal]\nmay-assert: [user-in]', [['personal'], 'unknown']],
  ['may-carry: [trade-secret, personal]\nmay-assert: [data]', [['none'], ['personal'], ['trade-secret'], 'unknown']],
  ['may-carry: []', ['unknown']],
  ['may-carry: []\nmay-assert: [data]', [['none'], 'unknown']],
  ['may-assert: [data]', [['none'], 'unknown']],
  ['team: desk', [['none'], 'unknown']],
])('an app with %j is of its labels, of none where it can say so, and of what is not said', async (more, expected) => {
  expect(await dataOf(more)).toEqual(expected)
})
