/** Both verifiers on the same file, and what each says first. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { verifyRecords, type Verified } from '../../src/record/verify.ts'
import type { PublicJwk } from '../../src/record/signing.ts'
import { readRecords } from '../../src/runtime/node-records.ts'
import { chance } from '../simulation/chance.ts'
import { keyFrom, makeLog, sha256, type MadeLog } from './log.ts'
import { TAMPERINGS } from './tamperings.ts'

type Second = {
  readKey(jwk: PublicJwk): object
  linesOf(file: string): AsyncIterable<Uint8Array>
  checkExport(lines: AsyncIterable<Uint8Array>, key: object): Promise<string>
  checkReceipt(text: string, key: object): string
}
/** The checker of the documents, which shares nothing with ours. */
export const second = await import(new URL('../../docs/verify-records.mjs', import.meta.url).href) as Second

export async function ours(path: string, knownKey: PublicJwk, receipts: readonly { readonly name: string; readonly text: string }[] = []): Promise<Verified> {
  const read = await readRecords(path)
  if (!read.ok) throw new Error(read.wrong)
  return verifyRecords(read.lines, { knownKey, receipts, ends: read.kind === 'export' ? { by: 'seal' } : { by: 'head', head: read.head } }, sha256)
}

/** Undefined where nothing is wrong. */
export async function theirs(file: string, key: PublicJwk): Promise<{ readonly line: number; readonly message: string } | undefined> {
  try {
    await second.checkExport(second.linesOf(file), second.readKey(key))
    return undefined
  } catch (error) {
    return error as { readonly line: number; readonly message: string }
  }
}

/** `line`: it names that very line. `range`: lines among which it is. `elsewhere`: it was noticed, and the place is not among what it names. */
export type Named = 'line' | 'range' | 'elsewhere' | 'unnoticed'

export type Row = { readonly kind: string; count: number; readonly ours: Record<Named, number>; readonly theirs: Record<Named, number>; readonly examples: string[] }

function oursNamed({ findings }: Verified, at: number, log: MadeLog): Named {
  const [first] = findings
  if (first === undefined) return 'unnoticed'
  if (first.where.endsWith(`:${at}`)) return 'line'
  const seq = at + log.deleted
  return first.lines !== undefined && first.lines.first <= seq && seq <= first.lines.last ? 'range' : 'elsewhere'
}

function theirsNamed(found: Awaited<ReturnType<typeof theirs>>, at: number, log: MadeLog): Named {
  if (found === undefined) return 'unnoticed'
  if (found.line === at) return 'line'
  if (found.message.includes('one of the two') && found.line === at + 1) return 'range'
  const lines = /lines (\d+) to (\d+) are not those/.exec(found.message), seq = at + log.deleted
  return lines !== null && Number(lines[1]) <= seq && seq <= Number(lines[2]) ? 'range' : 'elsewhere'
}

const none = (): Record<Named, number> => ({ line: 0, range: 0, elsewhere: 0, unnoticed: 0 })

export type Corpus = { readonly rows: readonly Row[]; readonly noticed: number; readonly untouched: readonly string[] }

/** As many tamperings as asked for, of every kind in turn, with an export that is whole and one of which the first lines were deleted. */
export async function tamperWith(folder: string, { seed, count, requests, told }: { readonly seed: number; readonly count: number; readonly requests: number; readonly told?: (done: number) => void }): Promise<Corpus> {
  const luck = chance(seed), key = await keyFrom('the gateway'), stranger = await keyFrom('a stranger')
  const make = (log: string, isRetired: boolean): Promise<MadeLog> => makeLog({ chance: luck.fork(), requests, every: 25, key, log, isRetired })
  const logs = [await make('log-one', false), await make('log-two', true)], other = await make('log-three', false)
  const file = join(folder, 'export.jsonl'), untouched: string[] = []
  for (const log of [...logs, other]) {
    writeFileSync(file, log.texts.map(text => `${text}\n`).join(''))
    const mine = await ours(file, key.publicJwk), yours = await theirs(file, key.publicJwk)
    if (mine.wrong > 0 || !mine.isSealed || mine.signedTo !== log.all.length) untouched.push(`ours: ${JSON.stringify(mine.findings)}`)
    if (yours !== undefined) untouched.push(`the second: ${yours.line}: ${yours.message}`)
  }
  const rows = TAMPERINGS.map((tampering): Row & { readonly tampering: typeof tampering } => ({ kind: tampering.kind, tampering, count: 0, ours: none(), theirs: none(), examples: [] }))
  let noticed = 0
  for (let i = 0; i < count; i += 1) {
    const row = rows[i % rows.length]!, log = logs[Math.floor(i / rows.length) % logs.length]!
    const { bytes, at } = await row.tampering.do(luck.fork(), log, other, stranger)
    writeFileSync(file, bytes)
    const verified = await ours(file, key.publicJwk), found = await theirs(file, key.publicJwk)
    const mine = oursNamed(verified, at, log), yours = theirsNamed(found, at, log)
    row.count += 1
    row.ours[mine] += 1
    row.theirs[yours] += 1
    if (mine !== 'unnoticed' && yours !== 'unnoticed') noticed += 1
    if ([mine, yours].some(named => named === 'unnoticed' || named === 'elsewhere')) row.examples.push(`tampering ${i} at ${at} (${log.log}): ours ${mine} ${JSON.stringify(verified.findings[0])}, the second ${yours} ${found?.line} ${found?.message}`)
    told?.(i + 1)
  }
  return { rows, noticed, untouched }
}
