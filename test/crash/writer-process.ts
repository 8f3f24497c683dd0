/** Appends to the records of a data folder until it is killed, and says of each entry that it was kept; its files are small, so that many kills meet a change of files. */
import { writeSync } from 'node:fs'
import { openRecorder } from '../../src/runtime/node-recorder.ts'

const recorder = await openRecorder(process.argv[2]!, { segmentLines: 12, checkpointEvery: 5 })
writeSync(1, 'open\n')
for (let n = 0; ; n++) {
  const id = `${process.pid}-${n}`
  await recorder.append({ kind: 'outcome', id, at: n, outcome: 'answered', attempts: [], ms: 0 })
  writeSync(1, `${id}\n`)
}
