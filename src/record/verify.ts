/**
 * What this is for: whether records are what a gateway wrote, and where they are not. It reads lines in the order in which they are
 * given, once, and keeps the digests since the last checkpoint and the decisions that have no outcome yet.
 *
 * What it assumes: a key is known to be the gateway's only where whoever asks brought it; one that was found with the records shows
 * that they agree with themselves, which somebody who made all of them anew would have seen to.
 * What it promises: it names the lines that are wrong, first the cause; one wrong line does not make every later one wrong. What the
 * text of docs/records.md does not prove is said to be not proven.
 */
import { isCheckpoint, isCheckpointBy, isSealBy, readSeal, type Seal } from './checkpoint.ts'
import type { Sha256 } from './hash.ts'
import { BEFORE_ALL, digestOfLine, readLine, type Line } from './line.ts'
import { rootOf } from './merkle.ts'
import { printable } from './printable.ts'
import { checkReceipt } from './receipt.ts'
import { nameOfKey, readPublicJwk, type PublicJwk } from './signing.ts'

/** `where`: how a person finds it, `FILE:LINE` or `FILE seq N`. */
export type PlacedText = { readonly text: string; readonly where: string }

/** A receipt in the hands of whoever asks: the records must hold what it shows. */
export type HeldReceipt = { readonly name: string; readonly text: string }

export type Asked = {
  /** Known to be the gateway's, from elsewhere than the records. */
  readonly knownKey?: PublicJwk
  /** Found beside the records. */
  readonly foundKey?: PublicJwk
  readonly receipts?: readonly HeldReceipt[]
  /** A seal must end an export; a database says in its head where it ends. */
  readonly ends: { readonly by: 'seal' } | { readonly by: 'head'; readonly head: { readonly seq: number; readonly digest: string } | undefined }
}

export type Finding = {
  readonly where: string
  /** The lines that it is about, where it can be said by their numbers: not what stands there, where something is missing. */
  readonly lines?: { readonly first: number; readonly last: number }
  readonly wrong: string
}

export type Range = { readonly first: number; readonly last: number }

export type Verified = {
  /** The first of them, in the order in which they were found. */
  readonly findings: readonly Finding[]
  /** How many there are. */
  readonly wrong: number
  readonly log: string | undefined
  readonly key: { readonly name: string; readonly isKnown: boolean } | undefined
  /** Lines that were read, whether they are right or not. */
  readonly read: number
  /** The lines that stand in the chain. */
  readonly lines: Range | undefined
  /** The earliest and the latest time that a line names, in milliseconds since 1970. */
  readonly times: { readonly earliest: number; readonly latest: number } | undefined
  readonly checkpoints: number
  /** The last line that a signature covers, itself or by what is chained to it, before anything wrong was found. */
  readonly signedTo: number | undefined
  readonly isSealed: boolean
  /** Deletions that lines speak of, oldest first. */
  readonly retired: readonly Range[]
  /** Decisions without an outcome: their answers had not ended, or the gateway was stopped before. */
  readonly unended: number
  readonly receipts: readonly { readonly name: string; readonly agreed: number; readonly deleted: number }[]
}

const FINDINGS_MAX = 100
/** An id whose outcome came so many outcomes ago may come again unnoticed. */
const RECENT_MAX = 10_000

type Placed = { readonly line: Line; readonly digest: string; readonly where: string }
type Anchor = { readonly digest: string; readonly receipt: Held }
type Held = { readonly name: string; readonly logs: Set<string>; agreed: number; deleted: number }
type Retired = Range & { readonly head: unknown; readonly seq: number; readonly where: string }

export async function verifyRecords(texts: Iterable<PlacedText>, asked: Asked, sha256: Sha256): Promise<Verified> {
  const walk = new Walk(asked, sha256)
  for (const placed of texts) await walk.next(placed)
  return walk.end()
}

class Walk {
  private readonly asked: Asked
  private readonly sha256: Sha256
  private readonly findings: Finding[] = []
  private wrong = 0
  private read = 0
  private lastWhere = 'the records'

  /** The first and the last line that are taken to belong here. */
  private first: Placed | undefined
  private last: Placed | undefined
  private beforeLast: Placed | undefined
  /** One that did not fit after the last: the next one tells which of the two is wrong. */
  private suspect: Placed | undefined
  /** How many texts after the last were found to be wrong: as many numbers may be missing. */
  private skipped = 0
  /** The highest line that was found to be wrong: what a checkpoint says of it is no news. */
  private wrongTo = 0

  private key: PublicJwk | undefined
  private keyName = ''
  private isKeyMissed = false
  private log: string | undefined
  private earliest = Infinity
  private latest = -Infinity

  private readonly digests = new Map<number, string>()
  private checkpoints = 0
  /** The last line of the last checkpoint; undefined before the first, and after one that was wrong. */
  private tiledTo: number | undefined
  private signedTo: number | undefined
  private seal: Seal | undefined
  private isSealRight = false
  private readonly retired: Retired[] = []

  private readonly openDecisions = new Set<string>()
  private readonly recent = new Set<string>()
  private readonly held: Held[] = []
  private readonly anchors = new Map<number, Anchor[]>()

  constructor(asked: Asked, sha256: Sha256) {
    this.asked = asked
    this.sha256 = sha256
  }

  async next({ text, where }: PlacedText): Promise<void> {
    this.read += 1
    if (this.seal !== undefined) return this.find({ where, wrong: 'This stands after the seal, and a seal is the last line.' })
    const line = readLine(text)
    if (this.read === 1) await this.begin(line)
    if (line !== undefined) await this.placeLine({ line, digest: digestOfLine(line, this.sha256), where })
    else {
      const seal = this.asked.ends.by === 'seal' ? readSeal(text) : undefined
      if (seal === undefined) {
        await this.judgeSuspect()
        this.skipped += 1
        this.reject(where, { first: this.nextSeq() - 1, last: this.nextSeq() - 1 }, 'This is no line of records: it is not the canonical text of one.')
      } else {
        await this.judgeSuspect(seal.seal.head)
        this.seal = seal
        await this.checkSeal(seal, where)
      }
    }
    this.lastWhere = where
  }

  async end(): Promise<Verified> {
    const { ends } = this.asked
    await this.judgeSuspect(ends.by === 'head' ? ends.head?.digest : undefined)
    if (this.first === undefined && this.wrong === 0) this.find({ where: this.lastWhere, wrong: 'There is no line.' })
    if (ends.by === 'seal' && this.seal === undefined) this.find({ where: this.lastWhere, wrong: 'No seal follows: the end was cut off, or the export did not come to its end.' })
    if (ends.by === 'head') this.checkHead(ends.head)
    this.checkBeginning()
    this.checkHeld()
    if (this.wrong === 0 && this.signedTo === undefined) this.find({ where: this.lastWhere, wrong: 'No line is signed: whoever knows the format could have written all of them.' })
    return {
      findings: this.findings, wrong: this.wrong, log: this.log,
      key: this.key && { name: this.keyName, isKnown: this.asked.knownKey !== undefined },
      read: this.read,
      lines: this.first && this.last && { first: this.first.line.seq, last: this.last.line.seq },
      times: this.first && { earliest: this.earliest, latest: this.latest },
      checkpoints: this.checkpoints, signedTo: this.signedTo, isSealed: this.isSealRight,
      retired: this.retired.map(({ first, last }) => ({ first, last })),
      unended: this.openDecisions.size,
      receipts: this.held.map(({ name, agreed, deleted }) => ({ name, agreed, deleted })),
    }
  }

  /** Which key counts, and what the receipts say, before anything is checked with them. */
  private async begin(line: Line | undefined): Promise<void> {
    const said = line?.open.kind === 'log' ? readPublicJwk(line.open['key']) : undefined
    this.key = this.asked.knownKey ?? said ?? this.asked.foundKey
    if (this.key === undefined) return this.asked.receipts?.length ? this.missKey('the records') : undefined
    this.keyName = nameOfKey(this.key, this.sha256)
    for (const { name, text } of this.asked.receipts ?? []) {
      const checked = await checkReceipt(text, this.key, this.sha256)
      if (!checked.ok) {
        this.find({ where: name, wrong: checked.wrong })
        continue
      }
      const receipt: Held = { name, logs: new Set(), agreed: 0, deleted: 0 }
      this.held.push(receipt)
      for (const { line: shown, checkpoint } of checked.receipt.entries) {
        receipt.logs.add(checkpoint.log)
        this.hold(shown.seq, { digest: digestOfLine(shown, this.sha256), receipt })
        this.hold(checkpoint.to, { digest: checkpoint.head, receipt })
      }
    }
  }

  private hold(seq: number, anchor: Anchor): void {
    this.anchors.set(seq, [...this.anchors.get(seq) ?? [], anchor])
  }

  private nextSeq(): number {
    return (this.last?.line.seq ?? 0) + 1 + this.skipped
  }

  /** Whether it belongs after the last; if that cannot be said yet, the next line will tell. */
  private async placeLine(placed: Placed): Promise<void> {
    const { last, suspect } = this
    if (last === undefined) return this.take(placed)
    if (suspect === undefined) {
      if (follows(placed, last) || this.isWhereOneWasSkipped(placed, last)) return this.take(placed)
      this.suspect = placed
      return
    }
    if (follows(placed, suspect)) {
      await this.clearSuspect(suspect, last)
      return this.take(placed)
    }
    this.accuseSuspect(suspect, last)
    if (follows(placed, last) || this.isWhereOneWasSkipped(placed, last)) return this.take(placed)
    this.suspect = placed
  }

  private isWhereOneWasSkipped({ line }: Placed, last: Placed): boolean {
    const between = line.seq - last.line.seq - 1
    return between >= 1 && between <= this.skipped
  }

  /** What follows the suspect shows that it was written so: the fault is before it. */
  private async clearSuspect(suspect: Placed, last: Placed): Promise<void> {
    this.suspect = undefined
    const { seq } = suspect.line, before = last.line.seq
    if (suspect.digest === last.digest) return this.reject(suspect.where, { first: seq, last: seq }, `Line ${seq} stands here twice.`)
    const isLastPutIn = seq <= before && (this.beforeLast === undefined || follows(suspect, this.beforeLast))
    if (isLastPutIn) {
      this.reject(last.where, { first: before, last: before }, `Line ${before} stands here, and what follows goes on without it: it was put in.`)
      if (this.first === last) this.first = undefined
      this.digests.delete(before)
    } else if (seq === before + 1) this.reject(last.where, { first: before, last: before }, `Line ${before} is not the one that line ${seq} was chained to: it was changed, or is another one.`)
    else if (seq > before + 1) this.reject(suspect.where, { first: before + 1, last: seq - 1 }, `${inWords({ first: before + 1, last: seq - 1 })} missing before this one.`)
    else this.reject(suspect.where, { first: seq, last: seq }, `Line ${seq} stands here after line ${before}, and others after it.`)
    await this.take(suspect)
  }

  private accuseSuspect({ line, where }: Placed, last: Placed): void {
    this.suspect = undefined
    const expected = this.nextSeq()
    this.skipped += 1
    this.reject(where, { first: Math.min(line.seq, expected), last: expected }, line.seq === last.line.seq + 1
      ? `Line ${line.seq} does not follow line ${last.line.seq}, and nothing follows it: it was changed, or put in.`
      : `Line ${line.seq} stands here, after line ${last.line.seq}: it was put in or moved.`)
  }

  /** Where no line follows the suspect. `head`: the digest that the end says it has, if it says one. */
  private async judgeSuspect(head?: string): Promise<void> {
    const { suspect, last } = this
    if (suspect === undefined || last === undefined) return
    if (head === suspect.digest) return this.clearSuspect(suspect, last)
    if (suspect.line.seq !== last.line.seq + 1 || head === last.digest) return this.accuseSuspect(suspect, last)
    this.suspect = undefined
    this.reject(last.where, { first: last.line.seq, last: suspect.line.seq }, `Line ${suspect.line.seq} does not follow line ${last.line.seq}: one of the two was changed, or put in.`)
  }

  private async take(placed: Placed): Promise<void> {
    const { line, digest, where } = placed, { seq, open } = line
    if (this.first === undefined) {
      this.first = placed
      if (seq === 1 && line.prev !== BEFORE_ALL) this.find({ where, lines: { first: 1, last: 1 }, wrong: 'The first line follows another one.' })
      if (seq === 1 && open.kind !== 'log') this.find({ where, lines: { first: 1, last: 1 }, wrong: `The first line of a log says which log it is; this is of kind ${open.kind}.` })
    }
    this.beforeLast = this.last
    this.last = placed
    this.skipped = 0
    this.digests.set(seq, digest)
    this.earliest = Math.min(this.earliest, open.at)
    this.latest = Math.max(this.latest, open.at)
    for (const { digest: held, receipt } of this.anchors.get(seq) ?? []) {
      if (held === digest) receipt.agreed += 1
      else this.find({ where, lines: { first: seq, last: seq }, wrong: `The receipt ${receipt.name} proves another line ${seq}: these records were made anew.` })
    }
    if (open.kind === 'log') this.checkLog(placed)
    if (open.kind === 'checkpoint') await this.checkCheckpoint(placed)
    if (open.kind === 'retired') this.keepRetired(placed)
    if (open.kind === 'decision' || open.kind === 'outcome') this.pair(placed)
  }

  private checkLog({ line: { seq, open }, where }: Placed): void {
    const lines = { first: seq, last: seq }, key = readPublicJwk(open['key']), log = open['log']
    if (seq !== 1) return this.find({ where, lines, wrong: 'Another log begins here.' })
    if (typeof log !== 'string' || key === undefined) return this.find({ where, lines, wrong: 'It does not say which log it is and with which key it is signed.' })
    this.log = log
    const said = nameOfKey(key, this.sha256)
    if (said !== this.keyName) this.find({ where, lines, wrong: `The log says that it is signed with the key ${said}; the key given is ${this.keyName}.` })
  }

  private async checkCheckpoint({ line, where }: Placed): Promise<void> {
    const { seq, open } = line, lines = { first: seq, last: seq }
    const tiledTo = this.tiledTo, isFirst = this.checkpoints === 0
    this.checkpoints += 1
    this.tiledTo = undefined
    if (!isCheckpoint(open)) return this.find({ where, lines, wrong: `Line ${seq} is no checkpoint, although its kind says so.` })
    const { from, to, head, root, log, key } = open, start = this.first!.line.seq
    const about = `The checkpoint in line ${seq}`, unsigned = { first: Math.max(start, (tiledTo ?? 0) + 1), last: seq }
    if (!this.isOurLog(log)) return this.find({ where, lines, wrong: `${about} is of another log, ${log}.` })
    if (this.key === undefined) return this.missKey(where)
    if (key !== this.keyName || !await isCheckpointBy(open, this.key)) return this.find({ where, lines: unsigned, wrong: `${about} is not signed with the key ${this.keyName}, and nothing else speaks for the lines since the one before.` })
    if (to >= seq) return this.find({ where, lines: unsigned, wrong: `${about} signs lines up to ${to}, which came before it: lines were taken out.` })
    this.tiledTo = to
    // After lines that were deleted, the first checkpoint that is left may have signed some of them.
    const isTiled = isFirst ? (start === 1 ? from === 1 : from <= start) : tiledTo === undefined || from === tiledTo + 1
    if (!isTiled && this.wrongTo <= (tiledTo ?? 0)) {
      this.find({ where, lines: unsigned, wrong: `${about} signs lines from ${from}, and the first that was not signed is ${unsigned.first}: ${from > unsigned.first ? 'a checkpoint is missing' : 'a checkpoint stands here again'}.` })
    }
    if (!this.isSigned({ from, to, head, root })) this.reject(where, { first: from, last: to }, `${inWords({ first: from, last: to })} not what the checkpoint in line ${seq} signed.`)
    else if (this.wrong === 0) this.signedTo = to
    for (const old of this.digests.keys()) {
      if (old > to) break
      this.digests.delete(old)
    }
  }

  /** False only where it can be said, and was not said already. */
  private isSigned({ from, to, head, root }: { readonly from: number; readonly to: number; readonly head: string; readonly root: string }): boolean {
    if (this.wrongTo >= from) return true
    const at = this.digests.get(to)
    if (at !== undefined && at !== head) return false
    // Of lines that were deleted nothing is left to compare; the last one holds what came before it.
    if (at === undefined || to - from + 1 > this.digests.size) return true
    const digests: string[] = []
    for (let seq = from; seq <= to; seq += 1) {
      const digest = this.digests.get(seq)
      if (digest === undefined) return true
      digests.push(digest)
    }
    return rootOf(digests, this.sha256) === root
  }

  private keepRetired({ line: { seq, open }, where }: Placed): void {
    const { first, last, head } = open as { readonly first?: unknown; readonly last?: unknown; readonly head?: unknown }
    const isRange = Number.isSafeInteger(first) && Number.isSafeInteger(last) && Number(first) >= 1 && Number(first) <= Number(last) && Number(last) < seq
    if (isRange) this.retired.push({ first: Number(first), last: Number(last), head, seq, where })
    else this.find({ where, lines: { first: seq, last: seq }, wrong: `Line ${seq} does not say which lines were deleted, although its kind says so.` })
  }

  /** An answer ends once, and not without its decision. Where lines are gone, its decision may be among them. */
  private pair({ line: { seq, open }, where }: Placed): void {
    const { kind, id } = open, lines = { first: seq, last: seq }
    if (kind === 'decision') {
      if (this.openDecisions.has(id) || this.recent.has(id)) this.find({ where, lines, wrong: `The decision ${id} was there before.` })
      this.openDecisions.add(id)
      return
    }
    if (!this.openDecisions.delete(id)) {
      if (this.recent.has(id)) this.find({ where, lines, wrong: `The decision ${id} had its outcome before.` })
      else if (this.first!.line.seq === 1 && this.wrong === 0) this.find({ where, lines, wrong: `This is the outcome of ${id}, of which there is no decision.` })
    }
    this.recent.add(id)
    if (this.recent.size > RECENT_MAX) this.recent.delete(this.recent.values().next().value!)
  }

  private async checkSeal(seal: Seal, where: string): Promise<void> {
    const { log, first, last, head, key } = seal.seal
    if (!this.isOurLog(log)) return this.find({ where, wrong: `The seal is of another log, ${log}.` })
    if (this.key === undefined) return this.missKey(where)
    if (key !== this.keyName || !await isSealBy(seal, this.key)) return this.find({ where, wrong: `The seal is not signed with the key ${this.keyName}.` })
    const from = this.first?.line.seq, to = this.last?.line.seq
    if (from === undefined || to === undefined) return this.find({ where, wrong: 'The seal stands alone.' })
    if (first !== from && this.wrongTo < from) this.find({ where: this.first!.where, lines: { first: Math.min(first, from), last: Math.max(first, from) }, wrong: `The seal says that the export begins with line ${first}, and it begins with line ${from}.` })
    if (last > to && this.wrongTo <= to) return this.find({ where, lines: { first: Math.max(from, (this.tiledTo ?? 0) + 1), last }, wrong: `The seal says that line ${last} is the last, and line ${to} is: the end is missing, or lines after line ${this.tiledTo ?? 0}.` })
    if (last < to) return this.find({ where, lines: { first: Math.max(from, (this.tiledTo ?? 0) + 1), last: to }, wrong: `The seal says that line ${last} is the last, and line ${to} is: something was put in.` })
    if (head !== this.last!.digest && this.wrongTo < to) {
      const unsigned = { first: Math.max(from, (this.tiledTo ?? 0) + 1), last: to }
      return this.reject(this.last!.where, unsigned, `${inWords(unsigned)} not what was sealed.`)
    }
    if (last !== to || head !== this.last!.digest) return
    this.isSealRight = true
    if (this.wrong === 0) this.signedTo = to
  }

  private checkHead(head: { readonly seq: number; readonly digest: string } | undefined): void {
    const { last } = this
    if (last === undefined) return
    const { seq } = last.line
    if (head === undefined) return this.find({ where: last.where, wrong: 'Nothing says where the records end: the head of the database is missing.' })
    if (head.seq > seq && this.wrongTo <= seq) return this.find({ where: last.where, lines: { first: seq + 1, last: head.seq }, wrong: `${inWords({ first: seq + 1, last: head.seq })} missing at the end: the head of the database says that line ${head.seq} is the last.` })
    if (head.seq < seq) return this.find({ where: last.where, lines: { first: head.seq + 1, last: seq }, wrong: `${inWords({ first: head.seq + 1, last: seq })} there although the head of the database says that line ${head.seq} is the last.` })
    if (head.digest !== last.digest && this.wrongTo < seq) this.reject(last.where, { first: seq, last: seq }, `Line ${seq} is not the one that the head of the database names: it was changed, or the head was.`)
  }

  /** Where the first lines are not there, somebody who holds the key must have said so. */
  private checkBeginning(): void {
    const { first } = this
    if (first === undefined || first.line.seq <= this.wrongTo + 1) return
    const { seq, prev } = first.line, gone = { first: 1, last: seq - 1 }
    const said = this.retired.find(range => range.first < seq && range.last >= seq - 1)
    // A seal names the first line, and is signed.
    const isSealedSo = this.isSealRight && this.seal?.seal.first === seq
    if (said === undefined) {
      if (!isSealedSo) this.find({ where: first.where, lines: gone, wrong: `${inWords(gone)} missing, and no line says that they were deleted.` })
    } else if (said.seq > (this.signedTo ?? 0) && this.wrong === 0) this.find({ where: said.where, lines: gone, wrong: `${inWords(gone)} missing, and the line that says they were deleted is not signed.` })
    else if (said.last === seq - 1 && said.head !== prev) this.find({ where: first.where, lines: { first: seq, last: seq }, wrong: `Line ${seq} does not follow the last of the lines that were deleted.` })
  }

  private checkHeld(): void {
    const { first, last } = this
    if (first === undefined || last === undefined) return
    for (const { name, logs } of this.held) for (const log of logs) if (!this.isOurLog(log)) this.find({ where: name, wrong: `The receipt is of another log, ${log}.` })
    for (const [seq, anchors] of this.anchors) {
      for (const { receipt } of anchors) {
        if (seq < first.line.seq) receipt.deleted += 1
        if (seq > last.line.seq) this.find({ where: receipt.name, lines: { first: last.line.seq + 1, last: seq }, wrong: `The receipt proves line ${seq}, and the records end with line ${last.line.seq}: their end was cut off.` })
      }
    }
  }

  /** Where the first line is not there, the first signed checkpoint says which log it is. */
  private isOurLog(log: string): boolean {
    this.log ??= log
    return this.log === log
  }

  private missKey(where: string): void {
    if (!this.isKeyMissed) this.find({ where, wrong: 'The key is not known, so no signature was checked: the line that names it is not there, and no key was given.' })
    this.isKeyMissed = true
  }

  private find(finding: Finding): void {
    this.wrong += 1
    if (this.findings.length < FINDINGS_MAX) this.findings.push({ ...finding, wrong: printable(finding.wrong) })
  }

  /** A finding about a line as such: checkpoints over it say nothing new. */
  private reject(where: string, lines: Range, wrong: string): void {
    this.find({ where, lines, wrong })
    this.wrongTo = Math.max(this.wrongTo, lines.last)
  }
}

const follows = ({ line }: Placed, before: Placed): boolean => line.seq === before.line.seq + 1 && line.prev === before.digest

const inWords = ({ first, last }: Range): string => (first === last ? `Line ${first} is` : `Lines ${first} to ${last} are`)
