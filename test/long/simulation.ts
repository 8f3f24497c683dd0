/**
 * `npm run test:long`: the simulation under many seeds, fresh ones with each run. `--seed N --trace` runs one of them again and
 * tells what happened; `--from N` and `--seeds N` say where to begin and how many. A seed that fails ends it with 1.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { simulate } from '../simulation/simulator.ts'

const { values } = parseArgs({ options: { seed: { type: 'string' }, from: { type: 'string' }, seeds: { type: 'string', default: '20000' }, trace: { type: 'boolean', default: false } } })
const whole = (text: string): number => {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new Error(`a seed is a whole number, not '${text}'`)
}
const from = whole(values.seed ?? values.from ?? String(randomInt(2 ** 31 - 1)))
const many = values.seed === undefined ? whole(values.seeds) : 1
const TELL_EVERY = 1_000

let failed = 0
const began = performance.now()
for (let seed = from; seed < from + many; seed++) {
  const result = await simulate(seed)
  if (values.trace) console.log(result.trace.join('\n'))
  for (const { checker, what } of result.violations) console.log(`seed ${seed}: ${checker}: ${what}`)
  if (result.violations.length > 0) {
    failed += 1
    console.log(`  again: node test/long/simulation.ts --seed ${seed} --trace`)
  }
  if ((seed - from + 1) % TELL_EVERY === 0) console.error(`simulation: ${seed - from + 1} of ${many} seeds from ${from}, ${failed} failed, ${((performance.now() - began) / 1000).toFixed(0)} s`)
}
console.log(`simulation: ${many} seeds, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
