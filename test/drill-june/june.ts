/**
 * `npm run drill:june`: the drill before a gateway process, at fifty requests a second, as a timeline. It ends with 1 unless
 * nothing was unlawful, nothing was lost and every check holds.
 */
import { cleanUp } from '../support/processes.ts'
import { runDrill } from './drill.ts'
import { isWell, lastLineOf, timelineOf } from './timeline.ts'

try {
  const report = await runDrill({ perSecond: 50, phaseMs: 8_000 })
  console.log(timelineOf(report))
  console.log(lastLineOf(report))
  process.exitCode = isWell(report) ? 0 : 1
} finally {
  await cleanUp()
}
