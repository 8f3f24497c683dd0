/** The drill of June at a smaller scale, and what its judge would say if the gateway did wrong. */
import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp } from '../support/processes.ts'
import { runDrill } from './drill.ts'
import { confused, lost, unlawful, type Evidence } from './judge.ts'
import type { Answered } from './traffic.ts'
import { lastLineOf } from './timeline.ts'

describe('a notice, a killed provider and the end of the last cloud, under traffic', () => {
  afterEach(cleanUp)

  it('let nothing go where it may not, lose nothing that could be answered, and pass by themselves', async () => {
    const report = await runDrill({ perSecond: 30, phaseMs: 1_500 })
    expect({ unlawful: report.unlawful, lost: report.lost, wrong: report.checks.filter(c => !c.holds) }).toEqual({ unlawful: [], lost: [], wrong: [] })
    expect(lastLineOf(report)).toMatch(/^sent \d+, unlawful 0, lost 0$/)
    expect(report.answers.length).toBeGreaterThan(300)
  }, 60_000)
})

describe('the judge of the drill', () => {
  const NOTICE = { from: 10_000, until: 20_000 }
  const answer = (more: Partial<Answered>): Answered =>
    ({ nonce: 'r-000001', app: 'desk', data: 'none', model: 'auto', stream: false, sentAt: 5_000, endedAt: 5_100, status: 200, deployment: 'us-large', code: undefined, wrong: undefined, ...more })
  const evidence = (more: Partial<Evidence>): Evidence => ({
    answers: [answer({})], arrivals: [{ at: 5_010, deployment: 'us-large', nonce: 'r-000001' }],
    records: { attempts: new Map([['r-000001', [{ deployment: 'us-large', epoch: 1 }]]]), rescued: 0 },
    epochs: new Map([[1, 0], [2, 10_000], [3, 20_000]]), notice: NOTICE, down: new Map(), ...more,
  })
  const tried = (epoch: number, deployment = 'us-large'): Evidence['records'] => ({ attempts: new Map([['r-000001', [{ deployment, epoch }]]]), rescued: 0 })

  it('finds nothing in what is lawful', () => {
    expect(unlawful(evidence({}))).toEqual([])
  })

  it('lets what was sent before the second arrive a moment after it, and nothing that was sent at the second', () => {
    const late = { arrivals: [{ at: 10_004, deployment: 'us-large', nonce: 'r-000001' }] } as const
    expect(unlawful(evidence({ ...late, answers: [answer({ sentAt: 9_999 })] }))).toEqual([])
    expect(unlawful(evidence({ ...late, answers: [answer({ sentAt: 10_000 })] }))).toHaveLength(1)
    expect(unlawful(evidence({ ...late, answers: [answer({ sentAt: 9_999 })], records: tried(2) }))).toHaveLength(1)
  })

  it('finds a prompt abroad that may not leave, one off the record, and one that comes too late to have been under way', () => {
    expect(unlawful(evidence({ answers: [answer({ app: 'clinic', data: 'personal' })] }))).toHaveLength(1)
    expect(unlawful(evidence({ records: tried(1, 'us-swift') }))).toHaveLength(1)
    expect(unlawful(evidence({ answers: [answer({ sentAt: 9_999 })], arrivals: [{ at: 11_000, deployment: 'us-large', nonce: 'r-000001' }] }))).toHaveLength(1)
  })

  it('finds a sign of life asked of a model that nobody may use', () => {
    expect(unlawful(evidence({ arrivals: [{ at: 9_000, deployment: 'us-swift', nonce: null }] }))).toEqual([])
    expect(unlawful(evidence({ arrivals: [{ at: 15_000, deployment: 'us-swift', nonce: null }] }))).toHaveLength(1)
  })

  it('counts an error as lost where somebody could have answered, and not where nobody could', () => {
    const refused = { app: 'newsroom', status: 403, code: 'no_permitted_model', wrong: '403 no_permitted_model', deployment: undefined } as const
    const of = (answers: readonly Answered[], down: Evidence['down'] = new Map()): number => lost({ answers, notice: NOTICE, down }).length
    expect(of([answer({ ...refused, sentAt: 12_000, endedAt: 12_010 })])).toBe(0)
    expect(of([answer({ ...refused, sentAt: 9_000, endedAt: 9_010 })])).toBe(1)
    expect(of([answer({ ...refused, app: 'desk', sentAt: 12_000, endedAt: 12_010 })])).toBe(1)
    const usGone = new Map([['us-large', { from: 21_000, until: 22_000 }], ['us-swift', { from: 21_000, until: 22_000 }]] as const)
    const out = answer({ ...refused, status: 503, code: 'permitted_models_unavailable', wrong: '503', sentAt: 21_500, endedAt: 21_510 })
    expect(of([out], usGone)).toBe(0)
    expect(of([{ ...out, sentAt: 22_000, endedAt: 22_010 }], usGone)).toBe(1)
  })

  it('counts half an answer that says it is whole as lost, even where nobody could have answered', () => {
    expect(lost({ answers: [answer({ app: 'newsroom', wrong: 'other words than were to be said', sentAt: 12_000, endedAt: 12_010 })], notice: NOTICE, down: new Map() })).toHaveLength(1)
  })

  it('finds what is forbidden called unavailable, and the other way round', () => {
    const refused = (status: number, code: string, sentAt: number): Answered => answer({ app: 'newsroom', status, code, wrong: code, sentAt, endedAt: sentAt + 10 })
    const of = (one: Answered): number => confused({ answers: [one], notice: NOTICE }).length
    expect(of(refused(403, 'no_permitted_model', 12_000))).toBe(0)
    expect(of(refused(503, 'permitted_models_unavailable', 12_000))).toBe(1)
    expect(of(refused(503, 'permitted_models_unavailable', 21_000))).toBe(0)
    expect(of(refused(403, 'no_permitted_model', 21_000))).toBe(1)
  })
})
