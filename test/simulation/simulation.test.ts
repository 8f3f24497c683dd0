/** The whole flow under seeds: the same ones with every commit, and those that once failed. `test/long/simulation.ts` runs fresh ones. */
import { describe, expect, test } from 'vitest'
import { FOUND } from './seeds.ts'
import { simulate } from './simulator.ts'

const SEEDS = 300
const BATCH = 50
const BATCH_MS_MAX = 120_000

/** What has to happen somewhere in all those runs, or they say nothing about it. */
const TOLD = [
  'answered whole', 'answered stream', 'answered dry-run', 'answered failed no_permitted_model', 'answered failed data_not_registered', 'answered failed permitted_models_unavailable',
  'answered failed deadline_exceeded', 'answered failed cannot_record', 'answered failed refused_by_provider', 'answered failed cancelled',
  'outcome answered', 'outcome cut', 'outcome cancelled', 'outcome superseded', 'outcome refused', 'outcome failed', 'outcome lost', 'decision lost',
  'rescued by prefill', 'rescued by restart', 'probe', 'lied', 'ended left', 'compliance-mismatch set', 'compliance-mismatch released', 'withdrawn set', 'withdrawn released',
  'warned', 'table slow', 'table gone', 'table hanging', 'table forgetful',
  'pool: breaker opened', 'pool: breaker closed', 'pool: discovery', 'pool: policies changed', 'pool: time',
]

async function failuresOf(seeds: readonly number[], counts = new Map<string, number>()): Promise<readonly string[]> {
  const failures: string[] = []
  for (const seed of seeds) {
    const result = await simulate(seed)
    for (const [kind, count] of result.counts) counts.set(kind, (counts.get(kind) ?? 0) + count)
    for (const { checker, what } of result.violations) failures.push(`seed ${seed}: ${checker}: ${what} (again: node test/long/simulation.ts --seed ${seed} --trace)`)
  }
  return failures
}

describe('the simulation', () => {
  const counts = new Map<string, number>()
  test.each(Array.from({ length: SEEDS / BATCH }, (_, i) => i * BATCH + 1))('seeds from %i on: every checker holds after every step', async from => {
    expect(await failuresOf(Array.from({ length: BATCH }, (_, i) => from + i), counts)).toEqual([])
  }, BATCH_MS_MAX)

  test('whatever the checkers are about happened in these runs', () => {
    expect(TOLD.filter(kind => !counts.has(kind))).toEqual([])
  })

  test.each(FOUND)('seed %i, which found: %s', async seed => {
    expect(await failuresOf([seed])).toEqual([])
  })

  test('the same seed gives the same run, another one another', async () => {
    const [first, second, other] = [await simulate(1), await simulate(1), await simulate(2)]
    expect(second.trace).toEqual(first.trace)
    expect(other.trace).not.toEqual(first.trace)
    expect(first.trace.length).toBeGreaterThan(100)
  })
})
