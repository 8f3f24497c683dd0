/** Ways to tamper with an export without its key, each at a place that chance names. */
import { canonical } from '../../src/record/canonical.ts'
import { makeCheckpoint, makeSeal } from '../../src/record/checkpoint.ts'
import { BEFORE_ALL, digestOfLine, readLine, withoutClosed, type Line } from '../../src/record/line.ts'
import type { SigningKey } from '../../src/record/signing.ts'
import type { Chance } from '../simulation/chance.ts'
import { sha256, type MadeLog } from './log.ts'

/** `at`: the first place, from 1, where something else stands than the gateway wrote; where the end was cut off, the last that is left. */
export type Tampered = { readonly bytes: Buffer; readonly at: number }
export type Tampering = { readonly kind: string; do(chance: Chance, log: MadeLog, other: MadeLog, stranger: SigningKey): Tampered | Promise<Tampered> }

const joined = (texts: readonly string[]): Buffer => Buffer.from(texts.map(text => `${text}\n`).join(''))
const tampered = (texts: readonly string[], at: number): Tampered => ({ bytes: joined(texts), at })
const linesIn = ({ texts }: MadeLog): readonly string[] => texts.slice(0, -1)
const placesOf = (log: MadeLog, kind: string): readonly number[] => linesIn(log).flatMap((text, i) => (readLine(text)!.open.kind === kind ? [i] : []))

/** Canonical text of a line; whoever tampers knows the format. */
const textOf = (line: Line): string => canonical(line)

/** From an index on, every line is bound to the one before it again, as anybody can who knows the format. */
function chainedAgain(texts: readonly string[], from: number): string[] {
  const again = [...texts]
  for (let i = Math.max(from, 1); i < again.length; i += 1) {
    const before = readLine(again[i - 1]!)!, line = readLine(again[i]!)!
    again[i] = textOf({ ...line, seq: before.seq + 1, prev: digestOfLine(before, sha256) })
  }
  return again
}

/** Another line in the words of one that is there. */
function madeUp(chance: Chance, texts: readonly string[], at: number): Line {
  const model = readLine(chance.one(texts))!, next = readLine(texts[at]!)!
  return { ...model, seq: next.seq, prev: next.prev, open: { ...model.open, id: `d-made-up-${chance.whole(1, 1e6)}` } }
}

/** Adds something to one number that the entry says. */
function withAnotherNumber(chance: Chance, line: Line): Line {
  const copy = structuredClone(line) as { open: Record<string, unknown>; closed: Record<string, unknown> } & Line
  const places: (() => void)[] = []
  const look = (value: Record<string, unknown>): void => {
    for (const [name, part] of Object.entries(value)) {
      if (typeof part === 'number') places.push(() => { value[name] = part + chance.whole(1, 1_000) })
      else if (typeof part === 'object' && part !== null) look(part as Record<string, unknown>)
    }
  }
  look(copy.open)
  look(copy.closed)
  chance.one(places)()
  return copy
}

function changedAgain(chance: Chance, log: MadeLog): { readonly texts: string[]; readonly index: number } {
  const texts = [...linesIn(log)], index = chance.whole(0, texts.length - 1)
  texts[index] = textOf(withAnotherNumber(chance, readLine(texts[index]!)!))
  return { texts: chainedAgain(texts, index + 1), index }
}

export const TAMPERINGS: readonly Tampering[] = [
  {
    kind: 'flip a bit',
    do(chance, { texts }) {
      const bytes = joined(texts), at = chance.whole(0, bytes.length - 1)
      const line = bytes.subarray(0, at).filter(byte => byte === 10).length + 1
      bytes[at] = bytes[at]! ^ (1 << chance.whole(0, 7))
      return { bytes, at: line }
    },
  },
  {
    kind: 'drop a line',
    do(chance, { texts }) {
      const at = chance.whole(0, texts.length - 2)
      return tampered(texts.toSpliced(at, 1), at + 1)
    },
  },
  {
    kind: 'swap two lines',
    do(chance, { texts }) {
      const a = chance.whole(0, texts.length - 3), b = chance.is(0.5) ? a + 1 : chance.whole(a + 1, texts.length - 2)
      return tampered(texts.with(a, texts[b]!).with(b, texts[a]!), a + 1)
    },
  },
  {
    kind: 'move a line',
    do(chance, { texts }) {
      const from = chance.whole(2, texts.length - 2), to = chance.whole(0, from - 2)
      return tampered(texts.toSpliced(from, 1).toSpliced(to, 0, texts[from]!), to + 1)
    },
  },
  {
    kind: 'duplicate a line',
    do(chance, { texts }) {
      const at = chance.whole(0, texts.length - 2), to = chance.is(0.5) ? at + 1 : chance.whole(0, texts.length - 1)
      return tampered(texts.toSpliced(to, 0, texts[at]!), to + 1)
    },
  },
  {
    kind: 'insert a line',
    do(chance, log) {
      const at = chance.whole(0, log.texts.length - 2)
      return tampered(log.texts.toSpliced(at, 0, textOf(madeUp(chance, linesIn(log), at))), at + 1)
    },
  },
  {
    kind: 'insert a line and chain anew',
    do(chance, log) {
      const lines = linesIn(log), at = chance.whole(1, lines.length - 1)
      return tampered([...chainedAgain(lines.toSpliced(at, 0, textOf(madeUp(chance, lines, at))), at + 1), log.seal], at + 1)
    },
  },
  {
    kind: 'drop a line and chain anew',
    do(chance, log) {
      const lines = linesIn(log), at = chance.whole(1, lines.length - 1)
      return tampered([...chainedAgain(lines.toSpliced(at, 1), at), log.seal], at + 1)
    },
  },
  {
    kind: 'change a number',
    do(chance, log) {
      const lines = linesIn(log), at = chance.whole(0, lines.length - 1)
      return tampered([...lines.with(at, textOf(withAnotherNumber(chance, readLine(lines[at]!)!))), log.seal], at + 1)
    },
  },
  {
    kind: 'change a number and chain anew',
    do(chance, log) {
      const { texts, index } = changedAgain(chance, log)
      return tampered([...texts, log.seal], index + 1)
    },
  },
  {
    kind: 'swap two checkpoints',
    do(chance, log) {
      const places = placesOf(log, 'checkpoint'), a = chance.whole(0, places.length - 2), b = chance.whole(a + 1, places.length - 1)
      const [i, j] = [places[a]!, places[b]!], one = readLine(log.texts[i]!)!, two = readLine(log.texts[j]!)!
      if (chance.is(0.5)) return tampered(log.texts.with(i, log.texts[j]!).with(j, log.texts[i]!), i + 1)
      // What they say is swapped, and everything after is bound anew.
      const lines = linesIn(log).with(i, textOf({ ...one, open: two.open })).with(j, textOf({ ...two, open: one.open }))
      return tampered([...chainedAgain(lines, i + 1), log.seal], i + 1)
    },
  },
  {
    kind: 'checkpoint of another log',
    do(chance, log, other) {
      const i = chance.one(placesOf(log, 'checkpoint')), theirs = readLine(other.texts[chance.one(placesOf(other, 'checkpoint'))]!)!
      if (chance.is(0.5)) return tampered(log.texts.with(i, textOf(theirs)), i + 1)
      const lines = linesIn(log).with(i, textOf({ ...readLine(log.texts[i]!)!, open: theirs.open }))
      return tampered([...chainedAgain(lines, i + 1), log.seal], i + 1)
    },
  },
  {
    kind: 'drop a checkpoint and chain anew',
    do(chance, log) {
      const i = chance.one(placesOf(log, 'checkpoint'))
      return tampered([...chainedAgain(linesIn(log).toSpliced(i, 1), i), log.seal], i + 1)
    },
  },
  {
    kind: 'cut off the end',
    do(chance, log) {
      const left = chance.one([log.texts.length - 1, chance.one(placesOf(log, 'checkpoint')) + 1, chance.whole(1, log.texts.length - 1)])
      return tampered(log.texts.slice(0, left), left)
    },
  },
  {
    kind: 'cut off the end before the seal',
    do(chance, log) {
      const left = chance.is(0.5) ? chance.one(placesOf(log, 'checkpoint')) + 1 : chance.whole(1, log.texts.length - 2)
      return tampered([...log.texts.slice(0, left), log.seal], left + 1)
    },
  },
  {
    kind: 'cut off the beginning',
    do(chance, { texts }) {
      return tampered(texts.slice(chance.whole(1, texts.length - 2)), 1)
    },
  },
  {
    kind: 'strip closed parts',
    do(chance, log) {
      const from = chance.whole(0, log.texts.length - 2), to = chance.is(0.5) ? from : log.texts.length - 2
      return tampered(log.texts.map((text, i) => (i < from || i > to ? text : canonical(withoutClosed(readLine(text)!, sha256)))), from + 1)
    },
  },
  {
    kind: 'seal of another log',
    do: (_, log, other) => tampered([...linesIn(log), other.seal], log.texts.length),
  },
  {
    kind: 'seal by another key',
    async do(chance, log, _, stranger) {
      const statement = { log: log.log, at: 0, first: log.deleted + 1, last: log.all.length, head: log.all.at(-1)!.digest }
      const seal = await makeSeal(statement, chance.is(0.5) ? stranger : { ...stranger, name: log.key.name })
      return tampered([...linesIn(log), canonical(seal)], log.texts.length)
    },
  },
  {
    kind: 'all of it made anew by another key',
    async do(chance, log, _, stranger) {
      const isNamed = chance.is(0.5), name = isNamed ? log.key.name : stranger.name
      const { forged, first } = await forgedBy({ ...stranger, name }, chance, log)
      return tampered(forged, first + 1)
    },
  },
]

/** Everything that a stranger can do: a number changed, chained anew, every checkpoint and the seal signed with their own key. */
async function forgedBy(stranger: SigningKey, chance: Chance, log: MadeLog): Promise<{ readonly forged: readonly string[]; readonly first: number }> {
  const lines = [...linesIn(log)], index = chance.whole(1, lines.length - 1)
  lines[index] = textOf(withAnotherNumber(chance, readLine(lines[index]!)!))
  const digests: string[] = []
  let prev = readLine(lines[0]!)!.prev
  for (const [i, text] of lines.entries()) {
    const line = { ...readLine(text)!, prev }
    let { open } = line
    if (open.kind === 'checkpoint') {
      const { from, to, at } = open as unknown as { readonly from: number; readonly to: number; readonly at: number }
      // Of lines that were deleted before, the stranger makes something up.
      const signed = Array.from({ length: Math.max(to - from + 1, 1) }, (_, k) => digests[from - log.deleted - 1 + k] ?? BEFORE_ALL)
      open = { ...open, ...await makeCheckpoint({ log: log.log, at, from, digests: signed }, stranger, sha256) }
    }
    lines[i] = textOf({ ...line, open })
    prev = digestOfLine({ ...line, open }, sha256)
    digests.push(prev)
  }
  const seal = await makeSeal({ log: log.log, at: 0, first: log.deleted + 1, last: log.all.length, head: prev }, stranger)
  const forged = [...lines, canonical(seal)]
  return { forged, first: forged.findIndex((text, i) => text !== log.texts[i]) }
}
