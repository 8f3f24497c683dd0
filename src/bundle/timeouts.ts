/** Waits as files state them: of a server in the catalog, of an application over them. */
import type { Timeouts } from '../catalog/catalog.ts'
import { valueOf, type Tree } from './parse.ts'
import type { Reading } from './reading.ts'

const WAITS = { connect: 'connect', 'first-token': 'firstToken', idle: 'idle', whole: 'whole', total: 'total' } as const
const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const
/** One request has one deadline, and no part of it waits longer (resilience, section 4). */
export const WAIT_MS_MAX = 3_600_000

/** The waits under `timeouts` in milliseconds; only those that are written. */
export function readTimeouts(tree: Tree, reading: Reading): Partial<Timeouts> | undefined {
  const timeouts = valueOf(tree, 'timeouts')
  if (timeouts === undefined) return undefined
  const read: { -readonly [wait in keyof Timeouts]?: number } = {}
  for (const [word, wait] of Object.entries(WAITS)) {
    const written = reading.scalar(timeouts, word)
    const parts = /^(\d+)(ms|s|m|h)$/.exec(written?.text ?? '')
    if (written === undefined || parts === null) continue
    const ms = Number(parts[1]) * UNITS[parts[2] as keyof typeof UNITS]
    if (ms === 0) reading.refuse(written, 'wait-too-short', `${word} ${written.text} leaves no time at all`, 'write the time to wait, such as 20s')
    else if (ms > WAIT_MS_MAX) reading.refuse(written, 'wait-too-long', `${word} ${written.text} is longer than one hour, and no request waits longer`, 'write at most 60m')
    else read[wait] = ms
  }
  return read
}
