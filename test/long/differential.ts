/**
 * `npm run test:long`: the compiled evaluator against the oracle on many random worlds, with a fresh seed each time.
 * BAILIWICK_SEED repeats a run, BAILIWICK_WORLDS says how many worlds. A difference ends it with 1 and with the seed.
 */
import { randomInt } from 'node:crypto'
import * as fc from 'fast-check'
import { compare, world, type Difference } from '../policy/compare.ts'

const WORLDS = wholeNumber('BAILIWICK_WORLDS') ?? 20_000
const seed = wholeNumber('BAILIWICK_SEED') ?? randomInt(2 ** 31 - 1)
const STEP = 500

function wholeNumber(variable: string): number | undefined {
  const written = process.env[variable]
  if (written === undefined || written === '') return undefined
  if (/^\d{1,10}$/.test(written)) return Number(written)
  throw new Error(`${variable} is a whole number, not '${written}'`)
}

let worlds = 0
/** The last one found belongs to the smallest world. */
let found: Difference | undefined
const started = performance.now()

function progress(): void {
  const line = `long: ${worlds} of ${WORLDS} worlds, ${((performance.now() - started) / 1000).toFixed(0)} s, seed ${seed}`
  if (process.stderr.isTTY) process.stderr.write(`\r${line}`)
  else if (worlds % (STEP * 10) === 0) process.stderr.write(`${line}\n`)
}

const run = fc.check(fc.property(world, ({ book, requests, times }) => {
  if (found === undefined && ++worlds % STEP === 0) progress()
  for (const request of requests) {
    for (const at of times) {
      const { difference } = compare(book, request, at)
      if (difference === undefined) continue
      found = difference
      return false
    }
  }
  return true
}), { seed, numRuns: WORLDS })

if (process.stderr.isTTY) process.stderr.write('\n')
if (run.failed) {
  console.error(found === undefined ? fc.defaultReportMessage(run) : `${found.who} said\n${JSON.stringify(found.seen, undefined, 1)}\nthe oracle said\n${JSON.stringify(found.law, undefined, 1)}`)
  console.error(`Again with BAILIWICK_SEED=${seed} npm run test:long (path ${run.counterexamplePath ?? 'none'}); the smallest world that differs:\n${fc.stringify(run.counterexample)}`)
  process.exitCode = 1
}
console.log(`long: ${run.numRuns} worlds, ${run.failed ? 1 : 0} differ`)
