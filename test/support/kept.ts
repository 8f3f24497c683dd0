/** What a data folder holds, read beside a gateway that may be writing. */
import { entryOf, readLine, type Line } from '../../src/record/line.ts'
import type { Entry } from '../../src/record/record.ts'
import { readRecords } from '../../src/runtime/node-records.ts'

export async function linesIn(path: string): Promise<readonly Line[]> {
  const read = await readRecords(path)
  if (!read.ok) throw new Error(read.wrong)
  return Array.from(read.lines, ({ text, where }) => {
    const line = readLine(text)
    if (line === undefined) throw new Error(`no line: ${where}`)
    return line
  })
}

/** Entries of requests and of the gateway; what the chain itself needs is left out. */
export const entriesIn = async (path: string): Promise<readonly Entry[]> => (await linesIn(path)).map(entryOf).filter(e => e.kind !== 'log' && e.kind !== 'checkpoint' && e.kind !== 'retired')
