/** `npm run crash [-- SEED]`: 200 kills of a gateway under load. Ends with `kills 200, answered N, missing 0`, and with 1 where that is not so. */
import { cleanUp } from '../support/processes.ts'
import { killAgainAndAgain } from './kills.ts'

const KILLS = 200, EVERY = 20
const seed = Number(process.argv[2] ?? 20_261_123)
console.log(`seed ${seed}`)
const began = performance.now(), seconds = (): string => ((performance.now() - began) / 1_000).toFixed(0)
try {
  const { kills, answered, missing, wrong, lines, signed, duringStart, cut } = await killAgainAndAgain(KILLS, seed, kill => { if (kill % EVERY === 0) console.log(`${kill} kills, ${seconds()} s`) })
  for (const what of wrong) console.log(what)
  console.log(`${duringStart} of the kills while it started; ${lines} lines, ${signed} of them signed; the chain was ${wrong.length === 0 ? 'whole after every start' : 'NOT whole'}`)
  console.log(`of the answers ${cut} were streams that the kill cut: of them the decision is asked for, of the others the outcome too`)
  console.log(`kills ${kills}, answered ${answered}, missing ${missing}`)
  process.exitCode = wrong.length === 0 && missing === 0 && answered > 0 ? 0 : 1
} finally {
  await cleanUp()
}
