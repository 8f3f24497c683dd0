/** Tampering with a gateway's own database by SQL, on copies. */
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { canonical } from '../../src/record/canonical.ts'
import { digestOfLine, readLine, type Line } from '../../src/record/line.ts'
import { makeReceipt } from '../../src/record/receipt.ts'
import type { PublicJwk } from '../../src/record/signing.ts'
import { openRecorder } from '../../src/runtime/node-recorder.ts'
import { chance, type Chance } from '../simulation/chance.ts'
import { ours } from './judge.ts'
import { answered, BEGIN, hexOf, sha256, start } from './log.ts'

type Copy = { readonly database: DatabaseSync; readonly last: number; text(seq: number): string; line(seq: number): Line }
/** `isSilent`: nothing in what is left shows it; only somebody who holds a receipt can. */
type SqlTampering = { readonly kind: string; readonly isSilent?: true; do(chance: Chance, copy: Copy): void }

const put = ({ database }: Copy, seq: number, text: string): void => { database.prepare('UPDATE lines SET text = ? WHERE seq = ?').run(text, seq) }
const moveHead = ({ database }: Copy, line: Line): void => { database.prepare('UPDATE head SET seq = ?, digest = ?').run(line.seq, digestOfLine(line, sha256)) }
const later = (line: Line): Line => ({ ...line, open: { ...line.open, at: line.open.at + 1 } })
const anyOf = (chance: Chance, { last }: Copy): number => chance.whole(1, last - 1)

function chainAgain(copy: Copy, from: number, first: Line): Line {
  let before = first
  put(copy, from, canonical(before))
  for (let seq = from + 1; seq <= copy.last; seq += 1) {
    before = { ...copy.line(seq), prev: digestOfLine(before, sha256) }
    put(copy, seq, canonical(before))
  }
  return before
}

const TAMPERINGS: readonly SqlTampering[] = [
  { kind: 'change a line', do: (chance, copy) => { const seq = anyOf(chance, copy); put(copy, seq, canonical(later(copy.line(seq)))) } },
  {
    kind: 'change one character',
    do(chance, copy) {
      const seq = anyOf(chance, copy), text = copy.text(seq), at = chance.whole(0, text.length - 1)
      put(copy, seq, text.slice(0, at) + (text[at] === '0' ? '1' : '0') + text.slice(at + 1))
    },
  },
  { kind: 'delete a line', do: (chance, copy) => { copy.database.prepare('DELETE FROM lines WHERE seq = ?').run(anyOf(chance, copy)) } },
  {
    kind: 'insert a line at the end',
    do(_, copy) {
      const line = copy.line(copy.last)
      copy.database.prepare('INSERT INTO lines VALUES (?, ?)').run(copy.last + 1, canonical({ ...later(line), seq: copy.last + 1, prev: digestOfLine(line, sha256) }))
    },
  },
  {
    kind: 'insert a line in the middle',
    do(chance, copy) {
      const seq = chance.whole(2, copy.last - 1), line = later(copy.line(seq))
      for (let moved = copy.last; moved >= seq; moved -= 1) copy.database.prepare('UPDATE lines SET seq = seq + 1 WHERE seq = ?').run(moved)
      copy.database.prepare('INSERT INTO lines VALUES (?, ?)').run(seq, canonical(line))
    },
  },
  {
    kind: 'swap two lines',
    do(chance, copy) {
      const a = chance.whole(1, copy.last - 2), b = chance.whole(a + 1, copy.last - 1), text = copy.text(a)
      put(copy, a, copy.text(b))
      put(copy, b, text)
    },
  },
  { kind: 'change a line, chain anew, move the head', do: (chance, copy) => { const seq = anyOf(chance, copy); moveHead(copy, chainAgain(copy, seq, later(copy.line(seq)))) } },
  { kind: 'cut off the end', do: (chance, copy) => { copy.database.prepare('DELETE FROM lines WHERE seq > ?').run(anyOf(chance, copy)) } },
  { kind: 'remove the head', do: (_, copy) => { copy.database.exec('DELETE FROM head') } },
  {
    kind: 'cut off the end and move the head back',
    isSilent: true,
    do(chance, copy) {
      const places = Array.from({ length: copy.last - 1 }, (_, i) => i + 1).filter(seq => copy.line(seq).open.kind === 'checkpoint')
      const last = chance.is(0.7) ? chance.one(places) : anyOf(chance, copy)
      copy.database.prepare('DELETE FROM lines WHERE seq > ?').run(last)
      moveHead(copy, copy.line(last))
    },
  },
]

export type SqlRow = { readonly kind: string; count: number; noticed: number; withReceipt: number }
export type Databases = { readonly rows: readonly SqlRow[]; readonly noticed: number; readonly withReceipt: number; readonly wrong: readonly string[]; readonly silent: number }

export async function tamperWithDatabases(folder: string, { seed, count }: { readonly seed: number; readonly count: number }): Promise<Databases> {
  const luck = chance(seed), data = join(folder, 'data'), copied = join(folder, 'copy'), wrong: string[] = []
  const { receipt, key } = await record(data, luck)
  const held = [{ name: 'receipt.jws', text: receipt }]
  const whole = await ours(data, key, held)
  if (whole.wrong > 0) wrong.push(`a database that nobody touched was refused: ${JSON.stringify(whole.findings)}`)
  const rows = TAMPERINGS.map((tampering): SqlRow & { readonly tampering: SqlTampering } => ({ kind: tampering.kind, tampering, count: 0, noticed: 0, withReceipt: 0 }))
  let noticed = 0, withReceipt = 0, silent = 0
  for (let i = 0; i < count; i += 1) {
    const row = rows[i % rows.length]!
    rmSync(copied, { recursive: true, force: true })
    cpSync(data, copied, { recursive: true })
    tamper(copied, row.tampering, luck.fork())
    const alone = await ours(copied, key), anchored = await ours(copied, key, held)
    row.count += 1
    if (alone.wrong > 0) {
      row.noticed += 1
      noticed += 1
    }
    if (anchored.wrong > 0) {
      row.withReceipt += 1
      withReceipt += 1
    }
    if (row.tampering.isSilent) silent += 1
    else if (alone.wrong === 0) wrong.push(`${row.kind} (${i}) was not noticed`)
  }
  return { rows, noticed, withReceipt, wrong, silent }
}

function tamper(data: string, tampering: SqlTampering, luck: Chance): void {
  const database = new DatabaseSync(join(data, 'records.sqlite'))
  try {
    // They would refuse what is no JSON; whoever can write to the file can do without them.
    for (const { name } of database.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").all()) database.exec(`DROP INDEX ${String(name)}`)
    const text = (seq: number): string => String(database.prepare('SELECT text FROM lines WHERE seq = ?').get(seq)!['text'])
    tampering.do(luck, { database, last: Number(database.prepare('SELECT max(seq) AS last FROM lines').get()!['last']), text, line: seq => readLine(text(seq))! })
  } finally {
    database.close()
  }
}

/** Records of a real recorder, and a receipt for one of the last requests. */
async function record(data: string, luck: Chance): Promise<{ readonly receipt: string; readonly key: PublicJwk }> {
  mkdirSync(data)
  const recorder = await openRecorder(data, { checkpointEvery: 20 }), requests = 60, id = `d-${requests}`
  await recorder.append(start(BEGIN, hexOf('bundle')))
  for (let number = 1; number <= requests; number += 1) for (const entry of answered(luck, number, BEGIN + number, hexOf('bundle'))) await recorder.append(entry)
  const receipt = await makeReceipt(await recorder.prove(recorder.linesOf(id)), BEGIN, recorder.key)
  await recorder.append(start(BEGIN, hexOf('bundle')))
  await recorder.close()
  return { receipt, key: recorder.key.publicJwk }
}
