/** The wall of sixteen faults before a gateway process: what `npm run faults` prints, as tests. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cleanUp } from '../support/processes.ts'
import { openBench, tryFault, type Bench } from './bench.ts'
import { FAULTS } from './cases.ts'
import { MODES } from './trial.ts'

let bench: Bench
beforeAll(async () => { bench = await openBench() })
afterAll(async () => {
  await bench.close()
  await cleanUp()
})

test('there are sixteen faults, each as a stream and as a whole answer', () => {
  expect(FAULTS.map(f => f.id)).toEqual(Array.from({ length: 16 }, (_, i) => `S${String(i + 1).padStart(2, '0')}`))
  expect(FAULTS.filter(f => !MODES.every(mode => f.cases.some(c => c.mode === mode)))).toEqual([])
})

describe.concurrent('the gateway stands before', () => {
  for (const fault of FAULTS) {
    for (const mode of MODES) {
      test(`${fault.id} ${fault.title}, ${mode}`, async ({ expect }) => {
        expect((await tryFault(fault, mode, bench)).wrong).toEqual([])
      }, 60_000)
    }
  }
})
