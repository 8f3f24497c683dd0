/**
 * The recorder on Node: the chain of lines in SQLite, in the data folder, and the signatures over it.
 *
 * What it assumes: one process for a data folder, which a lock makes sure of; several appends of one turn of the event loop may share a
 * transaction.
 * What it promises: the promise of an append is fulfilled when the entry is on disk and rejected when it is not, with the system's name
 * for why as `code`. Write-ahead log with `synchronous = FULL`: each commit is flushed, so that a kept entry outlives a power cut and
 * not only a crash of the process. NORMAL would be faster and would make "kept" untrue for the last moments before one. No append waits
 * for a signature. A chain is never begun anew or gone on with where it is not known where it stands.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../ports.ts'
import type { Quarantined } from '../pool/quarantine.ts'
import { makeCheckpoint, type Checkpoint } from '../record/checkpoint.ts'
import { BEFORE_ALL, digestOfLine, entryOf, lineOf, readLine, type Line } from '../record/line.ts'
import { pathTo, rootFrom } from '../record/merkle.ts'
import type { CheckpointEntry, DirectiveEntry, Entry, LogEntry, QuarantineEntry, Recorder, RecordsPort, RetiredEntry, WholeProven } from '../record/record.ts'
import type { SigningKey } from '../record/signing.ts'
import { KEY_FILE, openSigningKey, sha256 } from './node-key.ts'
import { lockFolder } from './node-lock.ts'
import { nodeClock } from './node-ports.ts'
import { codeOf, coded, findRecords, makeFirst, makeNext, olderFiles, openCurrent, openSegment, keepAnchor, putAside, readAnchor, segmentFile, type Current, type Head, type Segment } from './node-segment.ts'

export { RECORDS_FILE } from './node-segment.ts'

/** Lines between two checkpoints, and lines of one file, unless given. */
const CHECKPOINT_EVERY = 1_000
const SEGMENT_LINES = 1_000_000
/** A file that is full and is being read is put aside when this many more lines have come. */
const TRY_AGAIN_LINES = 1_000
const HOUR_MS = 3_600_000
/** Where lines are deleted in time, a file is put aside when it holds this part of that time: it is deleted as a whole. */
const FILES_IN_TIME = 10
const SALT_BYTES = 16, LOG_ID_BYTES = 16

export type RecorderOptions = {
  readonly clock?: Clock
  /** How long lines are kept at least, in milliseconds; for ever where it is not given. */
  readonly retainMs?: number | undefined
  readonly checkpointEvery?: number
  readonly segmentLines?: number
  /** Told of what goes wrong beside any append: lines that are due and cannot be deleted. */
  readonly failed?: (error: unknown) => void
}

export type NodeRecorder = Omit<Recorder, 'append'> & RecordsPort & {
  append(entry: Entry): Promise<void>
  /** Notices that were enacted and lifted, oldest first. Throws when they cannot be read. */
  directives(): readonly DirectiveEntry[]
  /** Compliance mismatches that nobody has released, oldest first: what is withdrawn is found out again. Throws when they cannot be read. */
  quarantined(): readonly Quarantined[]
  /** Writes what was appended before, signs it, and closes the files; later appends are refused. */
  close(): Promise<void>
}

type Waiting = { readonly entry: Entry; readonly kept: () => void; readonly lost: (error: unknown) => void }
type Older = { readonly file: string; readonly first: number; readonly head: Head }
/** Where the chain stands, and which of its last lines nobody has signed. */
type Chain = { readonly log: string; readonly head: Head; readonly signedTo: number; readonly unsigned: readonly string[]; readonly lastKind: string; readonly older: readonly Older[]; readonly first: number; readonly begunAt: number | undefined }

/** Opens or makes the records of a data folder. Rejects, with words for people, when they cannot be gone on with. */
export async function openRecorder(data: string, options: RecorderOptions = {}): Promise<NodeRecorder> {
  makeDataFolder(data)
  const unlock = lockFolder(data)
  try {
    const { file, kind } = findRecords(data)
    if (kind === 'lines' && !existsSync(join(data, KEY_FILE))) throw new Error(`${join(data, KEY_FILE)} is missing, with which ${file} is signed. Put it back; or move the records away, and a new log is begun with a new key.`)
    const key = await openSigningKey(data)
    if (kind === 'nothing') makeFirst(data, { seq: 0, digest: BEFORE_ALL, segment: 1, newest: 0, evidenceHours: 0 })
    const current = openCurrent(data)
    try {
      return recorderOf(data, { current, chain: readChain(data, current, key), key, unlock, options })
    } catch (error) {
      current.close()
      throw error
    }
  } catch (error) {
    unlock()
    throw error
  }
}

/** The data folder holds who asked what for whom: its owner alone may read it. */
export function makeDataFolder(data: string): void {
  mkdirSync(data, { recursive: true, mode: 0o700 })
}

type Parts = { readonly current: Current; readonly chain: Chain; readonly key: SigningKey; readonly unlock: () => void; readonly options: RecorderOptions }

function recorderOf(data: string, { current: opened, chain, key, unlock, options }: Parts): NodeRecorder {
  const { clock = nodeClock, retainMs, checkpointEvery = CHECKPOINT_EVERY, segmentLines = SEGMENT_LINES, failed = () => undefined } = options
  let current = opened
  let { head, signedTo, lastKind, first } = chain, { log } = chain
  const older = [...chain.older]
  /** The digests of all lines after `signedTo`. */
  let unsigned = [...chain.unsigned]
  /** A line that is to be signed soon, for the policies changed with it. */
  let signSoon = 0, bundle: string | undefined
  let fullAt = first + segmentLines - 1
  const fileMs = retainMs === undefined ? Infinity : Math.max(HOUR_MS, retainMs / FILES_IN_TIME)
  /** When the file is old enough to be put aside; nothing is known of one that has no line. */
  let agedAt = chain.begunAt === undefined ? undefined : chain.begunAt + fileMs
  let waiting: Waiting[] = [], isClosed = false
  let signing: Promise<Checkpoint> | undefined, retiring: Promise<void> | undefined

  /** One transaction for all of them: kept together or lost together. What is known of the chain changes after it and not before. */
  const commit = (batch: readonly Waiting[]): void => {
    const loseAll = (error: unknown): void => {
      const known = wordsOf(error)
      for (const { lost } of batch) lost(known)
    }
    try {
      // First of all: the file that is written to may be the next one by now, and where the chain stands is said of that.
      stand()
    } catch (error) {
      return loseAll(error)
    }
    const lines: { readonly seq: number; readonly text: string }[] = [], digests: string[] = [], taken: Waiting[] = []
    const salts = randomBytes(SALT_BYTES * batch.length)
    let { seq, digest, newest, evidenceHours } = head
    for (const [i, w] of batch.entries()) {
      try {
        const salt = salts.toString('hex', i * SALT_BYTES, (i + 1) * SALT_BYTES)
        const line = lineOf(w.entry, { seq: seq + 1, prev: digest, salt }, sha256)
        seq++
        digest = line.digest
        newest = Math.max(newest, Math.ceil(w.entry.at))
        evidenceHours = Math.max(evidenceHours, evidenceHoursOf(w.entry))
        lines.push({ seq, text: line.text })
        digests.push(digest)
        taken.push(w)
      } catch (error) {
        // An entry that is no JSON is lost alone.
        w.lost(error)
      }
    }
    if (taken.length === 0) return
    const after: Head = { ...head, seq, digest, newest, evidenceHours }
    try {
      current.insert(lines, head, after)
    } catch (error) {
      return loseAll(error)
    }
    head = after
    unsigned.push(...digests)
    lastKind = taken.at(-1)!.entry.kind
    for (const [i, { entry, kept }] of taken.entries()) {
      const named = bundleOf(entry)
      if (named !== undefined && named !== bundle) {
        bundle = named
        signSoon = lines[i]!.seq
      }
      kept()
    }
    agedAt ??= clock.now() + fileMs
    if (head.seq >= fullAt) rotate()
    signWhenDue()
  }

  /** Whoever moves the file away takes the end of the chain with it: nothing is written until it is back. A file that was closed to be put aside is opened again. */
  const stand = (): void => {
    if (current.isInPlace()) return
    // What another file seems to hold may come from what ours has written beside it: none is taken for ours while ours is open.
    if (current.isOpen()) {
      if (!existsSync(current.file)) throw coded('ENOENT', `${current.file} was moved away`)
      throw coded('ESTALE', `${current.file} is another file than the one that was written to, or what was written beside it is gone`)
    }
    findRecords(data)
    const found = openCurrent(data)
    const there = found.head()
    if (there.seq !== head.seq || there.digest !== head.digest) {
      found.close()
      throw coded('ESTALE', `${found.file} is another file than the one that was written to: it ends with line ${there.seq}, and the last line was ${head.seq}`)
    }
    current.close()
    current = found
    if (there.segment === head.segment) return
    older.push({ file: segmentFile(data, head.segment), first, head })
    head = there
    first = head.seq + 1
    fullAt = head.seq + segmentLines
    agedAt = undefined
    signSoon = head.seq
  }

  const write = (): void => {
    const batch = waiting
    waiting = []
    if (batch.length > 0) commit(batch)
  }
  const keep = (entry: Entry): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (waiting.length === 0) setImmediate(write)
    waiting.push({ entry, kept: resolve, lost: reject })
    return promise
  }

  /** Puts the full file aside. While somebody reads it, or where there is no room for another, the next lines go into it too. */
  const rotate = (): void => {
    fullAt = head.seq + TRY_AGAIN_LINES
    try {
      makeNext(data, head)
      if (!current.settle()) return
      current.close()
      putAside(data, head)
      stand()
    } catch (error) {
      // A file that was closed is opened again by the next append.
      failed(error)
    }
  }

  /** Where it cannot be kept, the one before stands, and says less. */
  const anchor = ({ to, head: digest }: Checkpoint): void => {
    try {
      keepAnchor(data, { log, seq: to, digest })
    } catch (error) {
      failed(error)
    }
  }
  /** A checkpoint signs lines of one file, so that a file can be deleted and what is left still be proven. */
  const sign = async (): Promise<Checkpoint> => {
    const endOfFile = older.find(o => o.head.seq > signedTo)?.head.seq
    const count = endOfFile === undefined ? unsigned.length : endOfFile - signedTo
    const checkpoint = await makeCheckpoint({ log, at: clock.now(), from: signedTo + 1, digests: unsigned.slice(0, count) }, key, sha256)
    await keep({ kind: 'checkpoint', id: `c-${checkpoint.to}`, ...checkpoint })
    unsigned = unsigned.slice(count)
    signedTo = checkpoint.to
    anchor(checkpoint)
    return checkpoint
  }
  /** One at a time: whoever asks while one is being made waits for that. */
  const checkpoint = (): Promise<Checkpoint> => {
    if (signing !== undefined) return signing
    if (unsigned.length === 0) return Promise.reject(new Error('there is no line to sign'))
    return signing = sign().finally(() => { signing = undefined })
  }
  const signWhenDue = (): void => {
    if (isClosed || signing !== undefined || (signedTo >= signSoon && unsigned.length < checkpointEvery)) return
    // One that could not be kept is made again after the next append that can.
    checkpoint().then(signWhenDue, () => undefined)
  }
  const signTo = async (seq: number): Promise<void> => {
    if (seq > head.seq) throw new Error(`there is no line ${seq}`)
    for (let to = signedTo; to < seq;) ({ to } = await checkpoint())
  }

  /** Reads in the file that holds a line, or in all, the newest first, until there is something. */
  const inFile = <T>({ file }: Older, read: (segment: Segment) => T): T => {
    const segment = openSegment(file)
    try {
      return read(segment)
    } finally {
      segment.close()
    }
  }
  const rare = (kind: Entry['kind']): readonly Entry[] => [...older.flatMap(o => inFile(o, s => s.rare(kind))), ...current.rare(kind)].map(text => entryOf(lineFrom(text)))
  const quarantined = (): readonly Quarantined[] => mismatches(rare('quarantine') as readonly QuarantineEntry[])

  /** `known`: digests that were read for another line of the same request, by the last of them. */
  const prove = (line: Line, known: Map<number, readonly string[]>): WholeProven => {
    const place = older.findIndex(o => line.seq <= o.head.seq)
    const later = place < 0 ? [] : older.slice(place + 1)
    const digestsIn = (segment: Segment, { from, to }: Checkpoint, last: string): readonly string[] => [...Array.from(segment.lines(from + 1, to), ({ text }) => prevIn(text)), last]
    const covering = (segment: Segment): Checkpoint | undefined => segment.rare('checkpoint', line.seq, 4).map(text => entryOf(lineFrom(text)) as CheckpointEntry).find(c => c.from <= line.seq && line.seq <= c.to)
    const among = [...(place < 0 ? [] : [older[place]!]), ...later]
    const found = among.reduce<Checkpoint | undefined>((had, o) => had ?? inFile(o, covering), undefined) ?? covering(current)
    if (found === undefined) throw new Error(`no checkpoint is there for line ${line.seq}`)
    const digests = known.get(found.to) ?? (place < 0 ? digestsIn(current, found, found.head) : inFile(older[place]!, s => digestsIn(s, found, found.head)))
    known.set(found.to, digests)
    const path = pathTo(digests, line.seq - found.from, sha256)
    if (rootFrom(digestOfLine(line, sha256), path, sha256) !== found.root) throw new Error(`line ${line.seq} is not the one that was signed`)
    const { log: ofLog, at, from, to, head: last, root, key: name, signature } = found
    return { line, path, checkpoint: { log: ofLog, at, from, to, head: last, root, key: name, signature } }
  }

  /** One line of one receipt in a turn of the event loop, whoever asks: it costs milliseconds, and entries of requests go between. */
  let lastTurn: Promise<void> = Promise.resolve()
  const turn = (): Promise<void> => lastTurn = lastTurn.then(() => new Promise(resolve => { setImmediate(resolve) }))

  /** The files that were due at the last look. A clock that was wrong for a moment is right at the next, and has deleted nothing. */
  let wereDue: ReadonlySet<string> = new Set()
  /** Deletes the oldest files of which every line is due, and was an hour ago, after saying so in a line that is signed. */
  const retire = async (keepMs: number): Promise<void> => {
    if (agedAt !== undefined && clock.now() >= agedAt) rotate()
    const isDue = ({ head: { newest, evidenceHours } }: Older): boolean => clock.now() - newest > Math.max(keepMs, evidenceHours * HOUR_MS)
    const before = wereDue
    wereDue = new Set(older.filter(isDue).map(o => o.file))
    let said = (rare('retired').at(-1) as RetiredEntry | undefined)?.last ?? 0
    for (let oldest = older[0]; oldest !== undefined; oldest = older[0]) {
      if (isClosed) return
      const { file, first: from, head: { seq: last, digest } } = oldest
      if (!isDue(oldest) || !before.has(file)) return
      // What only a person may release is known from the records alone.
      const aside = new Set(quarantined().map(q => `${q.deployment} ${q.since}`))
      if (inFile(oldest, s => s.rare('quarantine')).some(text => isAmong(aside, entryOf(lineFrom(text)) as QuarantineEntry))) return
      if (said < last) {
        await keep({ kind: 'retired', id: `r-${last}`, at: clock.now(), first: from, last, head: digest })
        said = last
      }
      await signTo(head.seq)
      rmSync(file)
      older.shift()
    }
  }
  let forget = (): void => undefined
  const retireNow = (keepMs: number): void => {
    retiring = retire(keepMs).catch(failed).finally(() => {
      retiring = undefined
      if (!isClosed) forget = clock.after(HOUR_MS, () => retireNow(keepMs))
    })
  }
  if (head.seq === 0) {
    log = randomBytes(LOG_ID_BYTES).toString('hex')
    let wrong: unknown
    const entry: LogEntry = { kind: 'log', id: `l-${log}`, at: clock.now(), log, key: key.publicJwk }
    commit([{ entry, kept: () => undefined, lost: error => { wrong = error } }])
    if (wrong !== undefined) throw wrong
  }
  if (retainMs !== undefined) retireNow(retainMs)

  return {
    key, sha256,
    append: entry => (isClosed ? Promise.reject(new Error('the records are closed')) : keep(entry)),
    directives: () => rare('directive') as readonly DirectiveEntry[],
    quarantined,
    linesOf(id) {
      let found: readonly Line[] = []
      const add = (texts: readonly string[]): boolean => {
        found = [...texts.map(lineFrom).filter(l => l.open.kind === 'decision' || l.open.kind === 'outcome'), ...found]
        return found[0]?.open.kind === 'decision'
      }
      if (!add(current.byId(id))) older.findLast(o => add(inFile(o, s => s.byId(id))))
      return found
    },
    async prove(lines) {
      if (isClosed) throw new Error('the records are closed')
      await signTo(Math.max(0, ...lines.map(line => line.seq)))
      const proven: WholeProven[] = [], known = new Map<number, readonly string[]>()
      for (const line of lines) {
        await turn()
        if (isClosed) throw new Error('the records are closed')
        proven.push(prove(line, known))
      }
      return proven
    },
    async close() {
      if (isClosed) return
      isClosed = true
      forget()
      write()
      try {
        await retiring
        await signing?.catch(() => undefined)
        if (unsigned.length > 1 || (unsigned.length === 1 && lastKind !== 'checkpoint')) await signTo(head.seq)
        if (current.isInPlace()) current.settle()
      } catch (error) {
        // Chained and on disk they are; the next start signs them.
        failed(error)
      } finally {
        current.close()
        unlock()
      }
    },
  }
}

/** Reads where the chain stands, and whether what says so agrees with the last lines. Throws, for people, where a person must decide. */
function readChain(data: string, current: Current, key: SigningKey): Chain {
  const older = olderFiles(data).map((file): Older & { readonly checkpoint: string | undefined; readonly began: string | undefined } => {
    const segment = openSegment(file)
    try {
      return { file, first: segment.first() ?? 0, head: segment.head(), checkpoint: segment.lastRare('checkpoint'), began: segment.rare('log', 0, 1)[0] }
    } finally {
      segment.close()
    }
  })
  const refuse = (file: string, what: string): never => {
    throw new Error(`${file} is not as it was left: ${what}. 'bailiwick records verify ${data}' says more. Put back a copy that is whole; or move all records away, and a new log is begun.`)
  }
  const head = current.head(), first = current.first() ?? head.seq + 1
  for (const [i, { file, head: end }] of older.entries()) {
    const next = older[i + 1]?.first ?? first
    if (next !== end.seq + 1) refuse(file, `it ends with line ${end.seq}, and the next file begins with line ${next}`)
  }
  const before = older.at(-1)?.head
  if (head.seq < first && before !== undefined && (before.seq !== head.seq || before.digest !== head.digest)) refuse(current.file, `it does not go on after line ${before.seq}`)

  const texts = [current.lastRare('checkpoint'), ...older.map(o => o.checkpoint).reverse()].filter(t => t !== undefined)
  const checkpoint = texts[0] === undefined ? undefined : entryOf(lineFrom(texts[0])) as CheckpointEntry
  const began = older.map(o => o.began).find(t => t !== undefined) ?? current.rare('log', 0, 1)[0]
  const logEntry = began === undefined ? undefined : entryOf(lineFrom(began)) as LogEntry
  const log = logEntry?.log ?? checkpoint?.log ?? ''
  if (head.seq > 0 && log === '') refuse(current.file, 'its first line does not say which log it is')
  if ((checkpoint !== undefined && checkpoint.key !== key.name) || (logEntry !== undefined && logEntry.key.x !== key.publicJwk.x)) {
    throw new Error(`${current.file} was signed with another key than ${join(data, KEY_FILE)}. Put that key back; or move all records away, and a new log is begun.`)
  }

  // The lines that nobody has signed are read again: they are few.
  const signedTo = checkpoint?.to ?? 0, unsigned: string[] = []
  let last: { readonly seq: number; readonly digest: string } | undefined = checkpoint === undefined ? { seq: 0, digest: BEFORE_ALL } : { seq: checkpoint.to, digest: checkpoint.head }
  let lastKind = ''
  const follow = (segment: Segment): void => {
    for (const { seq, text } of segment.lines(signedTo + 1, Number.MAX_SAFE_INTEGER)) {
      const line = readLine(text)
      if (line === undefined || line.seq !== seq || seq !== last!.seq + 1 || line.prev !== last!.digest) refuse(segment.file, `line ${seq} does not follow the one before it`)
      last = { seq, digest: digestOfLine(line!, sha256) }
      lastKind = line!.open.kind
      unsigned.push(last.digest)
    }
  }
  for (const { file, head: end } of older) {
    if (end.seq <= signedTo) continue
    const segment = openSegment(file)
    try {
      follow(segment)
    } finally {
      segment.close()
    }
  }
  follow(current)
  if (last.seq !== head.seq || last.digest !== head.digest) refuse(current.file, `its last line is ${last.seq}, and it says of itself that it ends with ${last.seq === head.seq ? 'another line of that number' : `line ${head.seq}`}`)
  const lines = current.count()
  if (lines !== head.seq - first + 1) refuse(current.file, `it holds ${lines} lines, and from ${first} to ${head.seq} there were ${head.seq - first + 1}`)
  refuseAnOlderCopy(data, { log, head, lineAt: seq => lineAt(seq, [...older.map(o => o.file), current.file]) })
  return { log, head, signedTo, unsigned, lastKind, older: older.map(({ file, first: from, head: end }) => ({ file, first: from, head: end })), first, begunAt: beginningOf(current, first) }
}

function beginningOf(segment: Segment, first: number): number | undefined {
  for (const { text } of segment.lines(first, first)) return lineFrom(text).open.at
  return undefined
}

/** The text of a line in whichever file holds it. */
function lineAt(seq: number, files: readonly string[]): string | undefined {
  for (const file of files) {
    const segment = openSegment(file)
    try {
      for (const { text } of segment.lines(seq, seq)) return text
    } finally {
      segment.close()
    }
  }
  return undefined
}

/** What was signed once is there: an older copy, or another history, is not gone on with as if nothing had been. */
function refuseAnOlderCopy(data: string, { log, head, lineAt: find }: { readonly log: string; readonly head: Head; readonly lineAt: (seq: number) => string | undefined }): void {
  const known = readAnchor(data)
  // Another log was begun since, or put here with all that is its own.
  if (known === undefined || known.anchor.log !== log) return
  const { file, anchor: { seq, digest } } = known
  const found = seq > head.seq ? undefined : find(seq)
  // A line that was deleted when its time was over is not missing.
  if (seq <= head.seq && found === undefined) return
  const line = found === undefined ? undefined : readLine(found)
  if (line !== undefined && digestOfLine(line, sha256) === digest) return
  throw new Error(`The records of ${data} are not those that were signed: ${found === undefined ? `they end with line ${head.seq}, and line ${seq} was signed` : `line ${seq} is another one than the one that was signed`}. Put back the newest copy. To go on with this one all the same, remove ${file}: what came after it is lost then, and receipts of it will say so.`)
}

/** Only a person's release of the mismatch itself ends one. */
function mismatches(entries: readonly QuarantineEntry[]): readonly Quarantined[] {
  const aside = new Map<string, Quarantined>()
  for (const { deployment, reason, action, detail, at, author } of entries) {
    if (reason !== 'compliance-mismatch') continue
    if (action === 'set' && !aside.has(deployment)) aside.set(deployment, { deployment, reason, detail, since: at })
    if (action === 'released' && author !== undefined) aside.delete(deployment)
  }
  return [...aside.values()]
}

const isAmong = (aside: ReadonlySet<string>, { deployment, at, action }: QuarantineEntry): boolean => action === 'set' && aside.has(`${deployment} ${at}`)

function lineFrom(text: string): Line {
  const line = readLine(text)
  if (line === undefined) throw coded('EBADMSG', 'a line of the records is not as it was written')
  return line
}

/** The digest of the line before, from the end of a line's text: cheaper than to read all of it. */
function prevIn(text: string): string {
  const found = /"prev":"([0-9a-f]{64})","salt":"[0-9a-f]{32}","seq":\d+\}$/.exec(text)
  if (found === null) throw coded('EBADMSG', 'a line of the records is not as it was written')
  return found[1]!
}

const bundleOf = (entry: Entry): string | undefined => (entry.kind !== 'decision' && 'bundle' in entry ? entry.bundle : undefined)

/** Duties are on a decision in words: `730d`, `36h`. */
function evidenceHoursOf(entry: Entry): number {
  if (entry.kind !== 'decision') return 0
  const stated = (entry.duties as { readonly 'retain-evidence'?: unknown } | null)?.['retain-evidence']
  const [, count, unit] = /^(\d+)([dh])$/.exec(typeof stated === 'string' ? stated : '') ?? []
  return count === undefined ? 0 : Number(count) * (unit === 'd' ? 24 : 1)
}

/** SQLite's errors under the system's names. */
const wordsOf = (error: unknown): unknown => (error instanceof Error && 'errcode' in error ? coded(codeOf(error), error.message, error) : error)
