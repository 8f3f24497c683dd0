/** `bailiwick records export`: the records as a sealed chain, as tables, and as the registers that are made from them (docs/records.md). */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Bundle } from '../bundle/bundle.ts'
import { coverage } from '../policy/coverage.ts'
import { inUtc } from '../policy/time.ts'
import { article30 } from '../record/article-30.ts'
import { canonical } from '../record/canonical.ts'
import { makeSeal } from '../record/checkpoint.ts'
import { doraInCsv } from '../record/dora.ts'
import { joined, NotWhole, type Joined, type Met } from '../record/joined.ts'
import { BEFORE_ALL, digestOfLine, readLine } from '../record/line.ts'
import { NOT_KNOWN, sumUp, TooManyKinds, type Held, type HeldOf, type Summed } from '../record/recipients.ts'
import { inCsvLine, inJsonLine, REQUESTS_HEADER } from '../record/requests-flat.ts'
import type { SigningKey } from '../record/signing.ts'
import { transfersInCsv } from '../record/transfers.ts'
import { verifyRecords, type Verified } from '../record/verify.ts'
import { counted, grouped, standingsIn } from './class-text.ts'
import { oneOf, UsageError, type Given } from './command.ts'
import { bundleOf, short } from './compiled.ts'
import { EXIT, type Exit } from './exit.ts'
import type { Host, ReadRecords, RecordsLine } from './host.ts'
import { readInstant } from './instant.ts'
import type { RecordsPart } from './records.ts'

const FORMATS = ['chain', 'jsonl', 'csv', 'article-30', 'transfers', 'dora'] as const
const DATA = '.bailiwick'
/** Made again and at hand; one that comes back later is read again. */
const BUNDLES_MAX = 50
/** Digests that are told, of as many as there are. */
const TOLD_MAX = 5
const PROGRESS_EVERY = 10_000
const CHUNK_CHARACTERS = 65_536
const SUFFIX_BYTES = 6
const DAY = 86_400_000
const A_DAY = /^\d{4}-\d{2}-\d{2}$/
/** The last member of a line, by the order of their names. */
const SEQ = /"seq":(\d+)\}$/
/** An export says what apps asked for. */
const FILE_MODE = 0o600

export const recordsExport: RecordsPart = {
  words: 'export',
  options: {
    data: { value: 'DIR', variable: 'BAILIWICK_DATA', says: `The data folder of the gateway; ./${DATA} unless given` },
    records: { value: 'PATH', says: 'export: a records file or an export, in place of the data folder' },
    format: { value: 'FORMAT', says: `verify: text or json, text unless given; export: ${FORMATS.join(', ')}; ${FORMATS[0]} unless given` },
    from: { value: 'TIME', says: 'export: requests decided from then on; a day begins at midnight UTC' },
    to: { value: 'TIME', says: 'export: requests decided before then; of a day, to its end' },
    out: { value: 'FILE', says: 'export: where to write; standard output unless given' },
    force: { says: 'export: replace FILE where it is there' },
    policies: { value: 'DIR', says: 'export: where to take facts from where the bundle that decided is not kept' },
    controller: { value: 'TEXT', says: 'export --format article-30: the controller and how to reach them' },
    dpo: { value: 'TEXT', says: 'export --format article-30: the data protection officer and how to reach them' },
    unverified: { says: 'export: do not ask first whether the records are whole' },
  },
  async run(word, { options }, host) {
    if (word !== undefined) throw new UsageError('records export takes no word; --data or --records says what to export.')
    const format = oneOf('format', options['format'] ?? 'chain', FORMATS)
    const from = instantOf('from', options['from'], 0), to = instantOf('to', options['to'], DAY)
    if (from !== undefined && to !== undefined && from >= to) throw new UsageError('--from must be before --to.')
    if (format === 'chain' && (from !== undefined || to !== undefined)) throw new UsageError('--from and --to are not for --format chain: a chain is exported whole, and to show a part of it is what a receipt is for.')
    if (format === 'chain' && options['unverified'] !== undefined) throw new UsageError('--unverified is not for --format chain: what is sealed must be what the gateway wrote.')
    for (const name of ['controller', 'dpo']) if (format !== 'article-30' && options[name] !== undefined) throw new UsageError(`--${name} is for --format article-30.`)
    const path = options['records'] ?? options['data'] ?? DATA
    const found = statSync(path, { throwIfNoEntry: false }), isFolder = found?.isDirectory() === true
    if (found === undefined) return complain(`${path} does not exist. --data DIR names the data folder of a gateway, --records PATH a file of records or an export.`, host)
    if (format === 'chain' && options['records'] !== undefined && !isFolder) throw new UsageError('--format chain needs --data, the data folder of a gateway: a chain is exported whole and sealed with the key that is there.')
    const { out } = options
    if (out === undefined && options['force'] !== undefined) throw new UsageError('--force is for --out.')
    if (out !== undefined && existsSync(out) && options['force'] === undefined) throw new UsageError(`${out} is there already; --force replaces it.`)

    try {
      // The key first: without it there is nothing to begin.
      const key = format === 'chain' ? await keyOf(path, host) : undefined
      const verified = format === 'chain' || options['unverified'] !== undefined ? undefined : await whole(path, host)
      const read = await opened(path, host)
      const sink = sinkTo(out, host)
      try {
        const exit = format === 'chain'
          ? await chain(read, key!, sink, host)
          : await report(read, { path, format, from, to, options, verified, data: options['data'] ?? (isFolder ? path : dirname(path)) }, sink, host)
        if (exit === EXIT.fine) sink.finish()
        return exit
      } finally {
        sink.drop()
        host.progress?.('')
      }
    } catch (error) {
      if (error instanceof UsageError) throw error
      if (error instanceof NobodyReads) return EXIT.fine
      if (error instanceof NotVerified) return complain(`${error.message} Nothing was written. 'bailiwick records verify ${path}' says more; --unverified exports all the same, and says so.`, host, EXIT.refused)
      if (error instanceof NotWhole) return complain(`the records are not whole: ${error.message}. 'bailiwick records verify ${path}' says more.`, host, EXIT.refused)
      if (error instanceof TooManyKinds) return complain(`${error.message}; ask for a shorter time with --from and --to.`, host)
      const said = error instanceof Error ? error.message : String(error)
      // What has a code is the system's or the database's, and names no file.
      return complain(error instanceof Error && 'code' in error ? `${path} cannot be read to its end (${said}). 'bailiwick records verify ${path}' says how far its lines go.` : said, host)
    }
  },
}

/** Rejects, with words for people, where there is none. */
async function keyOf(data: string, host: Host): Promise<SigningKey> {
  try {
    return await host.readSigningKey(data)
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    throw new Error(`the signing key in ${data} cannot be read (${String(error.code)}), and a chain is sealed with it. --data DIR names the data folder of a gateway; a key that is gone comes back from the backup. The other formats need none.`, { cause: error })
  }
}

function complain(wrong: string, host: Host, exit: Exit = EXIT.other): Exit {
  host.err(`bailiwick: ${wrong}\n`)
  return exit
}

/** `ofDay`: how far into a day, in milliseconds, where a day is written and no time. */
function instantOf(name: string, written: string | undefined, ofDay: number): number | undefined {
  if (written === undefined) return undefined
  const day = A_DAY.test(written) ? readInstant(`${written}T00:00:00Z`) : undefined
  const at = day === undefined ? readInstant(written) : day + ofDay
  if (at === undefined) throw new UsageError(`--${name} is a day, such as 2026-11-22 (UTC), or a time with its offset, such as 2026-11-22T11:00:00Z or 2026-11-22T12:00:00+01:00, not '${written}'.`)
  return at
}

/** They were not found to be what a gateway wrote. */
class NotVerified extends Error {}

/** Rejects, with words for people, where they cannot be opened. */
async function opened(path: string, host: Host): Promise<Readable> {
  const read = await host.readRecords(path)
  if (read.ok) return read
  throw new Error(`${read.wrong}${statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? ' --data DIR names the data folder of a gateway: the one that it serves with.' : ''}`)
}

/** A first pass over the records, as `records verify` makes it. Throws NotVerified where they are not whole. */
async function whole(path: string, host: Host): Promise<Verified> {
  const read = await opened(path, host)
  const verified = await verifyRecords(counting(read.lines, host, 'verified'), {
    ...read.publicKey !== undefined && { foundKey: read.publicKey }, ends: read.kind === 'export' ? { by: 'seal' } : { by: 'head', head: read.head },
  }, host.sha256)
  const [first] = verified.findings
  if (first !== undefined) throw new NotVerified(`the records are not whole: ${first.where}: ${first.wrong}${verified.wrong > 1 ? ` (${counted(verified.wrong, 'finding')} in all.)` : ''}`)
  return verified
}

/** What a report says of the records that it is made from. */
function verifiedInWords(verified: Verified | undefined): string {
  if (verified?.lines === undefined) return 'not verified (--unverified): whether lines were changed, put in or taken out is not known here'
  const { lines: { first, last }, key, signedTo } = verified
  const signed = key === undefined || signedTo === undefined ? 'none of them signed yet'
    : `${signedTo >= last ? 'all' : `those up to ${grouped(signedTo)}`} signed with the key ${key.name}, which was found with the records themselves`
  return `lines ${grouped(first)} to ${grouped(last)} verified, ${signed}`
}

/** Lines that came after the records were verified are for the next export. */
function* upTo(last: number, lines: Readable['lines']): Generator<RecordsLine> {
  for (const line of lines) {
    if (Number(SEQ.exec(line.text)?.[1] ?? 0) > last) return
    yield line
  }
}

/** Where an export goes, piece by piece. A file has its name only when it is whole and on disk. */
type Sink = {
  /** To be waited for where it is a promise, so that no more is in memory than was not taken yet. Rejects with NobodyReads. */
  write(text: string): Promise<void> | undefined
  finish(): void
  /** Takes back what is not finished, where it can be. */
  drop(): void
}

/** Whoever read our output has left, as `head` does: that is no error. */
class NobodyReads extends Error {}

function sinkTo(out: string | undefined, host: Host): Sink {
  let held = ''
  if (out === undefined) {
    const give = (): void => {
      if (held !== '') host.out(held)
      held = ''
    }
    const taken = async (): Promise<void> => {
      if (await host.outTaken?.() === false) throw new NobodyReads()
    }
    return {
      write(text) {
        held += text
        if (held.length < CHUNK_CHARACTERS) return undefined
        give()
        return taken()
      },
      finish: give, drop: () => undefined,
    }
  }
  const unfinished = `${out}.${Buffer.from(host.randomBytes(SUFFIX_BYTES)).toString('hex')}.unfinished`
  const opened = writing(out, () => openSync(unfinished, 'w', FILE_MODE))
  let isOpen = true
  const give = (): void => writing(out, () => {
    const bytes = Buffer.from(held)
    for (let done = 0; done < bytes.length;) done += writeSync(opened, bytes, done)
    held = ''
  })
  return {
    write(text) {
      held += text
      if (held.length >= CHUNK_CHARACTERS) give()
      return undefined
    },
    finish() {
      give()
      writing(out, () => {
        fsyncSync(opened)
        closeSync(opened)
        isOpen = false
        renameSync(unfinished, out)
      })
    },
    drop() {
      if (isOpen) closeSync(opened)
      isOpen = false
      rmSync(unfinished, { force: true })
    },
  }
}

/** What a person does about the system's own name for why a file cannot be written. */
const NEXT_STEPS: { readonly [code: string]: string | undefined } = {
  ENOSPC: 'the disk is full: make room, or name a place on another disk', EDQUOT: 'the quota of this user is used up: make room, or name a place on another disk',
  EFBIG: 'the file would be larger than is allowed here: name a place on another disk, or ask for a shorter time with --from and --to', ENOENT: 'its folder does not exist: make it, or name another place',
  ENOTDIR: 'what should be its folder is a file: name another place', EISDIR: 'it is a folder: name a file', EACCES: 'this user may not write there: name another place', EROFS: 'nothing can be written there: name another place',
}

/** Does something to a file that is being written; an error says which file it is and what to do next. */
export function writing<T>(file: string, does: () => T): T {
  try {
    return does()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Error(`${file} cannot be written (${code}): ${NEXT_STEPS[code] ?? 'name another place'}, with --out. Nothing is left of it.`, { cause: error })
  }
}

type Readable = Extract<ReadRecords, { ok: true }>

/** The lines as they are, and the seal. Throws NotWhole where they are no chain: what is sealed must be what the gateway wrote. */
async function chain({ lines, head }: Readable, key: SigningKey, sink: Sink, host: Host): Promise<Exit> {
  let first: number | undefined, last = 0, digest = BEFORE_ALL, log: string | undefined
  for (const { text, where } of counting(lines, host)) {
    const line = readLine(text)
    if (line === undefined) throw new NotWhole(`${where} is no line`)
    if (first === undefined ? line.seq === 1 && line.prev !== BEFORE_ALL : line.seq !== last + 1 || line.prev !== digest) throw new NotWhole(`${where} does not follow the line before it`)
    first ??= line.seq
    last = line.seq
    digest = digestOfLine(line, host.sha256)
    const { open } = line
    if (open.kind === 'log' || open.kind === 'checkpoint') {
      log ??= String(open['log'])
      const signer = open.kind === 'log' ? (open['key'] as { readonly x?: unknown } | undefined)?.x === key.publicJwk.x : open['key'] === key.name
      if (!signer) throw new NotWhole(`${where} names another key than the one in the data folder`)
    }
    const taking = sink.write(`${text}\n`)
    if (taking !== undefined) await taking
  }
  if (first === undefined || log === undefined) return complain('there is nothing to export: no line says which log it is.', host)
  if (head !== undefined && head.digest !== digest) throw new NotWhole(`the last line is ${last}, and the records say of themselves that they end with line ${head.seq}`)
  await sink.write(`${canonical(await makeSeal({ log, at: host.now(), first, last, head: digest }, key))}\n`)
  return EXIT.fine
}

function* counting<T>(lines: Iterable<T>, { progress }: Host, done = ''): Generator<T> {
  let count = 0
  for (const line of lines) {
    count += 1
    if (count % PROGRESS_EVERY === 0) progress?.(`${grouped(count)} lines ${done}`.trimEnd())
    yield line
  }
}

type Wanted = {
  readonly path: string
  readonly data: string
  readonly format: Exclude<(typeof FORMATS)[number], 'chain'>
  readonly from: number | undefined
  readonly to: number | undefined
  readonly options: Given['options']
  /** Undefined where it was not asked. */
  readonly verified: Verified | undefined
}

async function report({ lines }: Readable, { path, data, format, from, to, options, verified }: Wanted, sink: Sink, host: Host): Promise<Exit> {
  const met: Met = { deletedTo: 0, withoutDecision: 0 }
  const proven = verifiedInWords(verified)
  const requests = joined(counting(verified?.lines === undefined ? lines : upTo(verified.lines.last, lines), host), { from: from ?? -Infinity, to: to ?? Infinity }, met)
  if (format === 'jsonl' || format === 'csv') {
    if (format === 'csv') await sink.write(REQUESTS_HEADER)
    const inLine: (one: Joined) => string = format === 'csv' ? inCsvLine : inJsonLine
    let count = 0
    for (const one of requests) {
      count += 1
      const taking = sink.write(inLine(one))
      if (taking !== undefined) await taking
    }
    noteOn([proven, ...notesOn(met), ...emptyIn(count, { from, to }, verified)], host)
    return EXIT.fine
  }
  const stand = options['policies'] === undefined ? undefined : await bundleOf(options['policies'], host)
  if (stand === undefined && options['policies'] !== undefined) return EXIT.doesNotCompile
  const summed = await sumUp(requests, remembering(data, stand, host))
  const notes = [proven, ...notesOn(met), ...factsIn(summed, options['policies'])]
  const empty = emptyIn(summed.decisions, { from, to }, verified)
  if (format === 'article-30') {
    const period = from === undefined && to === undefined ? 'all that is on record' : `${from === undefined ? 'from the first on record' : `from ${inUtc(from)}`} ${to === undefined ? 'to the last on record' : `to before ${inUtc(to)}`}`
    const span = summed.first === undefined ? '' : `; the first request is of ${inUtc(summed.first)}, the last of ${inUtc(summed.last!)}`
    await sink.write(article30(summed, { version: host.version, at: host.now(), records: path, period: period + span, notes, controller: options['controller'], dataProtectionOfficer: options['dpo'] }))
    noteOn([proven, ...empty], host)
    return EXIT.fine
  }
  await sink.write(format === 'transfers' ? transfersInCsv(summed.recipients) : doraInCsv(summed, coverageOf(summed)))
  noteOn([...notes, ...empty], host)
  return EXIT.fine
}

/** An export without a request says so: an empty file may also be a slip in the period. */
function emptyIn(requests: number, { from, to }: Pick<Wanted, 'from' | 'to'>, verified: Verified | undefined): readonly string[] {
  if (requests > 0) return []
  const period = `${from === undefined ? '' : ` from ${inUtc(from)}`}${to === undefined ? '' : ` to before ${inUtc(to)}`}`, times = verified?.times
  return [`no request was decided${period === '' ? '' : ' in the period'}${period}${times === undefined ? '' : `; what is on record is of ${inUtc(times.earliest)} to ${inUtc(times.latest)}`}`]
}

/** A table has no place for them. */
const noteOn = (notes: readonly string[], host: Host): void => notes.forEach(note => host.err(`bailiwick: ${note}\n`))

const notesOn = ({ deletedTo, withoutDecision }: Met): readonly string[] => [
  ...deletedTo === 0 ? [] : [`lines up to ${grouped(deletedTo)} were deleted when their time was over; requests in them are not here`],
  ...withoutDecision === 0 ? [] : [`${counted(withoutDecision, 'outcome')} without ${withoutDecision === 1 ? 'its' : 'their'} decision on record ${withoutDecision === 1 ? 'is' : 'are'} not here`],
]

function factsIn({ bundles: { 'deciding bundle': own, 'other policies': others, [NOT_KNOWN]: unknown } }: Summed, policies: string | undefined): readonly string[] {
  const told = (digests: ReadonlySet<string>): string => `${counted(digests.size, 'bundle')} (${[...digests].slice(0, TOLD_MAX).map(short).join(', ')}${digests.size > TOLD_MAX ? ', ...' : ''})`
  return [
    ...own.size === 0 ? [] : [`facts as they stood when each request was decided: ${told(own)}`],
    ...others.size === 0 ? [] : [`${told(others)} not kept: the facts are those of ${policies} instead, and may be others than those that decided`],
    ...unknown.size === 0 ? [] : [`${told(unknown)} not kept: the facts are ${NOT_KNOWN}; --policies DIR names policies to take them from`],
  ]
}

function remembering(data: string, stand: Bundle | undefined, host: Host): HeldOf {
  const known = new Map<string, Held>()
  return async named => {
    const key = `${named.bundle}-${named.catalog}`
    let held = known.get(key)
    if (held === undefined) {
      held = await heldIn(data, named, stand, host)
      if (known.size >= BUNDLES_MAX) known.delete(known.keys().next().value!)
      known.set(key, held)
    }
    return held
  }
}

async function heldIn(data: string, named: Parameters<HeldOf>[0], stand: Bundle | undefined, host: Host): Promise<Held> {
  if (stand?.digest === named.bundle && stand.catalogDigest === named.catalog) return { from: 'deciding bundle', bundle: stand }
  const kept = await host.readBundle(data, named)
  if (kept.ok) return { from: 'deciding bundle', bundle: kept.bundle }
  return stand === undefined ? { from: NOT_KNOWN } : { from: 'other policies', bundle: stand }
}

/** What could answer, by what the last known bundle says; which servers are well, only a running gateway knows. */
function coverageOf({ latest }: Summed): Parameters<typeof doraInCsv>[1] {
  if (latest === undefined) return undefined
  const { bundle, at } = latest
  return { rows: coverage(bundle.rulebook, at, standingsIn(bundle)), providerOf: name => bundle.catalog.byName.get(name)?.provider }
}
