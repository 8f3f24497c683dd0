/** Classes of requests hold what decides and no word of a caller that no policy names. */
import { describe, expect, it } from 'vitest'
import type { Rulebook } from '../../src/policy/rule.ts'
import { classOf, isLessThanRecorded, OTHER } from '../../src/record/classes.ts'
import type { Recorded } from '../../src/record/decided.ts'
import { withRules } from '../cli/officer-folder.ts'
import { app, bundleOf, rule } from '../support/tree.ts'

const CANARY = 'canary of Jane Doe'
const RULE = rule('care', 'when: { purpose: [care], governed-by: { any: [gdpr] }, model-asked: [special] }\nforbid: { processed-in: { any: [US] } }')
const book = async (): Promise<Rulebook> => (await bundleOf({ ...withRules(RULE), 'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [personal]\npurpose: payroll') })).rulebook
const recorded = (request: Record<string, readonly [value: unknown, source: string]>, stated: Record<string, unknown> = {}): Recorded =>
  ({ request: Object.fromEntries(Object.entries(request).map(([fact, [value, source]]) => [fact, { value, source }])), stated })
const read = async (of: Recorded): Promise<Recorded> => JSON.parse(classOf(of, await book())) as Recorded

describe('a class of requests', () => {
  it.each([
    ['a purpose', recorded({ purpose: [CANARY, 'request'] }, { purpose: CANARY })],
    ['a model', recorded({ 'model-asked': [CANARY, 'gateway'] })],
    ['a law', recorded({ 'governed-by': [['gdpr', CANARY], 'request'] }, { 'governed-by': ['gdpr', CANARY] })],
    ['a label', recorded({}, { data: [CANARY] })],
    ['a country', recorded({}, { 'user-in': CANARY })],
    ['a fact that does not exist', recorded({}, { [CANARY]: CANARY })],
    ['a level', recorded({}, { classification: CANARY })],
  ])('does not hold a word of a caller that no policy names: %s', async (_, of) => {
    expect(classOf(of, await book())).not.toContain('canary')
  })

  it('holds words that policies name, and models of the catalog', async () => {
    const { request, stated } = await read(recorded({ 'purpose': ['care', 'request'], 'model-asked': ['special', 'gateway'], 'governed-by': [['gdpr'], 'request'] }, { 'purpose': 'payroll', 'data': ['personal'], 'user-in': 'FR' }))
    expect([request['purpose']?.value, request['model-asked']?.value, request['governed-by']?.value]).toEqual(['care', 'special', ['gdpr']])
    expect(stated).toEqual({ 'purpose': 'payroll', 'data': ['personal'], 'user-in': 'FR' })
    for (const model of ['auto', 'lab/large']) expect((await read(recorded({ 'model-asked': [model, 'gateway'] }))).request['model-asked']).toEqual({ value: model, source: 'gateway' })
  })

  it('counts unknown words as one, and says that it says less', async () => {
    const one = classOf(recorded({ purpose: ['a', 'request'] }, { purpose: 'a' }), await book())
    expect(classOf(recorded({ purpose: ['b', 'request'] }, { purpose: 'b' }), await book())).toBe(one)
    expect(JSON.parse(one)).toEqual({ request: { purpose: { value: OTHER, source: 'request' } }, stated: { purpose: OTHER } })
    expect([isLessThanRecorded(JSON.parse(one) as Recorded, ['app', 'purpose']), isLessThanRecorded(JSON.parse(one) as Recorded, ['app', 'data'])]).toEqual([true, false])
    expect(isLessThanRecorded(recorded({ 'governed-by': [['gdpr', OTHER], 'request'] }), ['governed-by'])).toBe(true)
  })

  it('keeps what the policies themselves say, and numbers', async () => {
    const of = recorded({ 'team': ['whatever the registration says', 'registration'], 'agent-depth': [2, 'gateway'], 'data': [['personal'], 'may-carry'] })
    expect(await read(of)).toEqual(of)
  })

  it('is the same for a set in another order', async () => {
    const rules = await book()
    expect(classOf(recorded({}, { data: ['personal', 'phi'] }), rules)).toBe(classOf(recorded({}, { data: ['phi', 'personal'] }), rules))
  })
})
