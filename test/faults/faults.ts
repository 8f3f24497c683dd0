/**
 * `npm run faults`: the wall of sixteen faults, as a table. One line a fault: how it went as a stream and as a whole answer, the
 * most attempts that the wall saw for one request, and the slowest answer. It ends with 1 unless all of them pass.
 */
import { cleanUp } from '../support/processes.ts'
import { openBench, tryFault, type Verdict } from './bench.ts'
import { FAULTS } from './cases.ts'
import { inTurns } from './turns.ts'
import { MODES } from './trial.ts'

const bench = await openBench()
const verdicts = new Map<string, Verdict>()
// The last ones take longest: they begin first.
await inTurns(FAULTS.toReversed().flatMap(fault => MODES.map(mode => async () => { verdicts.set(`${fault.id} ${mode}`, await tryFault(fault, mode, bench)) })))
await bench.close()
await cleanUp()

const cell = (text: string, width: number): string => text.padEnd(width)
console.log([cell('', 5), cell('fault', 34), cell('stream', 8), cell('whole', 8), cell('attempts', 10), 'ms'].join(''))
for (const fault of FAULTS) {
  const both = MODES.map(mode => verdicts.get(`${fault.id} ${mode}`)!)
  const words = both.map(v => cell(v.wrong.length === 0 ? 'pass' : 'FAIL', 8))
  console.log([cell(fault.id, 5), cell(fault.title, 34), ...words, cell(both.map(v => v.attemptsMost).join(' / '), 10), both.map(v => Math.round(v.msMost)).join(' / ')].join(''))
  for (const { mode, wrong } of both) for (const what of wrong) console.log(`       ${mode} ${what}`)
}
const passed = MODES.map(mode => [...verdicts.values()].filter(v => v.mode === mode && v.wrong.length === 0).length)
process.exitCode = passed.every(n => n === FAULTS.length) ? 0 : 1
console.log(`faults: ${MODES.map((mode, i) => `${passed[i]}/${FAULTS.length} ${mode}`).join(', ')}`)
