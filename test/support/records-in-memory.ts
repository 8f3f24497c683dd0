/** Records as a host keeps them, in memory: real lines, real checkpoints, a real key. */
import { createHash, randomBytes } from 'node:crypto'
import { makeCheckpoint, type Checkpoint } from '../../src/record/checkpoint.ts'
import { BEFORE_ALL, lineOf, readLine, type Line } from '../../src/record/line.ts'
import { pathTo } from '../../src/record/merkle.ts'
import type { Entry, Recorder, RecordsPort } from '../../src/record/record.ts'
import { newKey, signingKey } from '../../src/record/signing.ts'

export type RecordsInMemory = Recorder & RecordsPort

const sha256 = (of: string | Uint8Array): Uint8Array => createHash('sha256').update(of).digest()

export async function recordsInMemory(): Promise<RecordsInMemory> {
  const key = await signingKey(await newKey(), sha256)
  const lines: Line[] = [], digests: string[] = []
  return {
    key, sha256,
    append(entry: Entry) {
      const { text, digest } = lineOf(entry, { seq: lines.length + 1, prev: digests.at(-1) ?? BEFORE_ALL, salt: randomBytes(16).toString('hex') }, sha256)
      lines.push(readLine(text)!)
      digests.push(digest)
    },
    linesOf: id => lines.filter(({ open }) => open.id === id),
    async prove(some) {
      const checkpoint: Checkpoint = await makeCheckpoint({ log: 'in-memory', at: 0, from: 1, digests: [...digests] }, key, sha256)
      return some.map(line => ({ line, path: pathTo(digests, line.seq - 1, sha256), checkpoint }))
    },
  }
}
