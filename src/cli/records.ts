/** `bailiwick records`: what a gateway recorded, checked without it (docs/records.md). */
import { basename } from 'node:path'
import { readPublicJwk, type PublicJwk } from '../record/signing.ts'
import { verifyRecords, type HeldReceipt, type PlacedText } from '../record/verify.ts'
import { grouped } from './class-text.ts'
import { maybe, oneOf, UsageError, type Command, type Given, type Option } from './command.ts'
import { EXIT, type Exit } from './exit.ts'
import { inJson, textOf } from './gateway.ts'
import type { Host } from './host.ts'
import { recordsExport } from './records-export.ts'
import { inText, inValue, sayOf } from './verified-text.ts'

const FORMATS = ['text', 'json'] as const
const DATA = '.bailiwick'
const PROGRESS_EVERY = 10_000

/** What stands after `records`: its words, its options, and what it does. */
export type RecordsPart = {
  readonly words: string
  readonly options: Readonly<Record<string, Option>>
  run(word: string | undefined, given: Given, host: Host): Promise<Exit>
}

const DATA_OPTION: Option = { value: 'DIR', variable: 'BAILIWICK_DATA', says: `The data folder of the gateway; ./${DATA} unless given` }
const FORMAT_OPTION: Option = { value: 'text|json', says: 'text unless given' }

const verify: RecordsPart = {
  words: 'verify PATH',
  options: {
    key: { value: 'FILE', says: "The gateway's public key (JWK), from elsewhere than the records" },
    receipt: { value: 'FILE', many: true, says: 'A receipt that the records must agree with; more than once' },
    format: FORMAT_OPTION,
  },
  async run(path, { options }, host) {
    if (path === undefined) throw new UsageError('records verify needs what to verify: an export, a file of records, or the data folder of a gateway.')
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const knownKey = options['key'] === undefined ? undefined : await readKeyFile(options['key'])
    const receipts: HeldReceipt[] = []
    for (const file of options['receipt']?.split(',') ?? []) receipts.push({ name: basename(file), text: await textOf(file) })
    const read = await host.readRecords(path)
    if (!read.ok) {
      host.err(`bailiwick: ${read.wrong}\n`)
      return EXIT.other
    }
    const isExport = read.kind === 'export'
    try {
      const verified = await verifyRecords(shown(read.lines, host), {
        ...knownKey !== undefined && { knownKey }, ...read.publicKey !== undefined && { foundKey: read.publicKey }, receipts,
        ends: isExport ? { by: 'seal' } : { by: 'head', head: read.head },
      }, host.sha256)
      const said = sayOf(verified, isExport)
      host.out(format === 'json' ? inJson(inValue(verified, said)) : inText(path, verified, said))
      return verified.wrong === 0 ? EXIT.fine : EXIT.refused
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      host.err(`bailiwick: ${path} cannot be read to its end (${error.message}).\n`)
      return EXIT.other
    }
  },
}

/** A disk or a database that ends the reading is no finding about what was recorded. */
class Unreadable extends Error {}

function* shown(lines: Iterable<PlacedText>, host: Host): Generator<PlacedText> {
  let count = 0
  try {
    for (const line of lines) {
      count += 1
      if (count % PROGRESS_EVERY === 0) host.progress?.(`${grouped(count)} lines`)
      yield line
    }
  } catch (error) {
    throw new Unreadable(error instanceof Error ? error.message : String(error), { cause: error })
  } finally {
    host.progress?.('')
  }
}

const key: RecordsPart = {
  words: 'key',
  options: { data: DATA_OPTION },
  async run(word, { options }, host) {
    if (word !== undefined) throw new UsageError('records key takes no word; --data names the data folder.')
    try {
      const { publicJwk, name } = await host.readSigningKey(options['data'] ?? DATA)
      host.out(`${JSON.stringify({ ...publicJwk, kid: name })}\n`)
      return EXIT.fine
    } catch (error) {
      host.err(`bailiwick: ${error instanceof Error ? error.message : String(error)}\n`)
      return EXIT.other
    }
  },
}

const PARTS: Readonly<Record<string, RecordsPart>> = { verify, key, export: recordsExport }

export const recordsCommand: Command = {
  name: 'records',
  words: Object.values(PARTS).map(part => part.words).join(' | '),
  wordsMax: 2,
  says: 'Verifies the records of a gateway and says what they prove, prints the public key that they are signed with, or exports them: sealed, as tables, or as registers.',
  options: Object.assign({}, ...Object.values(PARTS).map(part => part.options)) as Command['options'],
  async run(given, host) {
    const [does, word] = given.words
    if (does === undefined) throw new UsageError(`records needs a word: ${Object.values(PARTS).map(part => `records ${part.words}`).join(', ')}.`)
    const part = Object.hasOwn(PARTS, does) ? PARTS[does] : undefined
    if (part === undefined) throw new UsageError(`records does not know '${does}'.${maybe(does, Object.keys(PARTS))}`)
    for (const [name, { variable }] of Object.entries(recordsCommand.options)) {
      if (part.options[name] === undefined && variable === undefined && given.options[name] !== undefined) throw new UsageError(`--${name} is not an option of records ${does}.`)
    }
    return part.run(word, given, host)
  },
}

/** Throws UsageError where the file holds no Ed25519 key. */
export async function readKeyFile(file: string): Promise<PublicJwk> {
  const text = await textOf(file)
  try {
    const value: unknown = JSON.parse(text), jwk = readPublicJwk(value)
    if (jwk !== undefined && !('d' in (value as object))) return jwk
    if (jwk !== undefined) throw new UsageError(`${file} is a private key, and only the gateway needs it: verifying takes the public one, such as bailiwick records key prints.`)
  } catch (error) {
    if (error instanceof UsageError) throw error
    // Said below: it is not JSON.
  }
  throw new UsageError(`${file} is no public key: it holds a JWK such as bailiwick records key prints.`)
}
