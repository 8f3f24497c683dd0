/** Reads a chain as it grows, from where it was read before: what was read once must still be what the next line goes on from. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isCheckpointBy } from '../../src/record/checkpoint.ts'
import { BEFORE_ALL, digestOfLine, entryOf, readLine } from '../../src/record/line.ts'
import { rootOf } from '../../src/record/merkle.ts'
import type { CheckpointEntry, Entry } from '../../src/record/record.ts'
import type { PublicJwk } from '../../src/record/signing.ts'
import { readPublicKey, sha256 } from '../../src/runtime/node-key.ts'
import { olderFiles, openSegment } from '../../src/runtime/node-segment.ts'
import { RECORDS_FILE } from '../../src/runtime/node-recorder.ts'

export type Following = {
  /** Reads on. What is wrong, in words; the entries that came since. */
  on(): Promise<{ readonly wrong: readonly string[]; readonly entries: readonly Entry[] }>
  readonly lines: number
  /** How many lines are signed. */
  readonly signed: number
}

export function follow(data: string): Following {
  let seq = 0, digest = BEFORE_ALL, signed = 0
  /** Of lines that are not signed yet. */
  let digests: string[] = []
  const read = (to: number): readonly { readonly seq: number; readonly text: string }[] => [...olderFiles(data), join(data, RECORDS_FILE)].flatMap(file => {
    const segment = openSegment(file)
    try {
      return [...segment.lines(seq + 1, to)]
    } finally {
      segment.close()
    }
  })
  return {
    get lines() { return seq },
    get signed() { return signed },
    async on() {
      const wrong: string[] = [], entries: Entry[] = []
      const key: PublicJwk = readPublicKey(data)!
      // First the end, then the lines up to it: the gateway goes on writing.
      const head = headOf(data)
      for (const stored of read(head.seq)) {
        const line = readLine(stored.text)
        if (line === undefined) return { wrong: [...wrong, `line ${stored.seq} is no line`], entries }
        if (stored.seq !== seq + 1 || line.seq !== stored.seq || line.prev !== digest) wrong.push(`line ${stored.seq} does not follow line ${seq}`)
        const entry = entryOf(line)
        if (entry.kind === 'checkpoint') wrong.push(...await wrongWith(entry, key))
        seq = stored.seq
        digest = digestOfLine(line, sha256)
        digests.push(digest)
        entries.push(entry)
      }
      if (head.seq !== seq || head.digest !== digest) wrong.push(`the head is line ${head.seq}, the last line is ${seq}`)
      return { wrong, entries }
    },
  }

  async function wrongWith(checkpoint: CheckpointEntry, key: PublicJwk): Promise<readonly string[]> {
    const { from, to, head, root } = checkpoint, covered = digests.slice(0, to - signed)
    const isRight = from === signed + 1 && to <= seq && head === covered.at(-1) && root === rootOf(covered, sha256) && await isCheckpointBy(checkpoint, key)
    digests = digests.slice(covered.length)
    signed = to
    return isRight ? [] : [`the checkpoint of lines ${from} to ${to} is wrong`]
  }
}

function headOf(data: string): { readonly seq: number; readonly digest: string } {
  const database = new DatabaseSync(join(data, RECORDS_FILE), { readOnly: true })
  try {
    return database.prepare('SELECT seq, digest FROM head').get() as { readonly seq: number; readonly digest: string }
  } finally {
    database.close()
  }
}
