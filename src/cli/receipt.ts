/** `bailiwick receipt verify`: whether a receipt is what a gateway gave out, without the gateway and without its records. */
import { basename } from 'node:path'
import { inUtc } from '../policy/time.ts'
import { printable } from '../record/printable.ts'
import { checkReceipt, type Proven, type Receipt } from '../record/receipt.ts'
import { columns } from './class-text.ts'
import { maybe, oneOf, UsageError, type Command } from './command.ts'
import { EXIT } from './exit.ts'
import { inJson, textOf } from './gateway.ts'
import { readKeyFile } from './records.ts'

const FORMATS = ['text', 'json'] as const
const STDIN = '-'

export const receiptCommand: Command = {
  name: 'receipt',
  words: 'verify FILE',
  wordsMax: 2,
  says: `Verifies a receipt with the public key of the gateway and says what it shows; FILE is ${STDIN} for standard input.`,
  options: {
    key: { value: 'FILE', says: "The gateway's public key (JWK), as bailiwick records key prints it there" },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run({ options, words: [does, file] }, host) {
    if (does === undefined) throw new UsageError('receipt needs a word: receipt verify FILE --key FILE.')
    if (does !== 'verify') throw new UsageError(`receipt does not know '${does}'.${maybe(does, ['verify'])}`)
    if (file === undefined) throw new UsageError('receipt verify needs a file, or - for standard input.')
    if (options['key'] === undefined) throw new UsageError("receipt verify needs --key FILE, the gateway's public key: a receipt cannot vouch for itself.")
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const jwk = await readKeyFile(options['key'])
    const checked = await checkReceipt(file === STDIN ? await host.readInput() : await textOf(file), jwk, host.sha256)
    const name = file === STDIN ? 'the receipt' : basename(file)
    if (!checked.ok) {
      host.out(format === 'json' ? inJson({ verified: false, wrong: checked.wrong }) : `wrong       ${name}\n  ${checked.wrong}\n`)
      return EXIT.refused
    }
    const { receipt, key } = checked, proven = provenBy(receipt, key), notProven = notProvenBy(receipt)
    host.out(format === 'json'
      ? inJson({ verified: true, key, at: inUtc(receipt.at), entries: receipt.entries.map(({ line, checkpoint: { log, at } }) => ({ line: line.seq, log, signed: inUtc(at), ...line.open, at: inUtc(line.open.at), shown: 'salt' in line ? 'whole' : 'open part' })), proven, 'not-proven': notProven })
      : [
        `verified    ${name}, given out ${inUtc(receipt.at)}\n`, ...receipt.entries.map(entryInText),
        '\nproven\n', ...proven.map(sentence => `  ${sentence}\n`), '\nnot proven\n', ...notProven.map(sentence => `  ${sentence}\n`),
      ].join(''))
    return EXIT.fine
  },
}

/** Members of an entry whose own name would not tell. */
const NAMES: Readonly<Record<string, string>> = {
  id: 'decision id', requestId: 'request id', bundle: 'bundle digest', catalog: 'catalog digest', processedIn: 'processed in', epoch: 'epoch of the pool', ms: 'milliseconds', servedModel: 'model served', reportedRegion: 'region reported',
}

function entryInText({ line, checkpoint }: Proven): string {
  const { kind, at, ...rest } = line.open
  return `\n${printable(kind)}, ${inUtc(at)}\n${columns([
    ...Object.entries({ ...rest, ...('salt' in line && line.closed) }).map(([name, value]) => [`  ${NAMES[name] ?? printable(name)}`, inWords(value)]),
    ['  line', `${line.seq} of log ${printable(checkpoint.log)}, signed ${inUtc(checkpoint.at)}`],
  ])}`
}

function inWords(value: unknown): string {
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value.length === 0 ? 'none' : printable(value.join(', '))
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

const provenBy = ({ entries }: Receipt, key: string): readonly string[] => [
  `The gateway with the key ${key} recorded ${entries.length === 1 ? 'this' : 'these'}, and signed ${entries.length === 1 ? 'it' : 'them'} at the times given.`,
  'Records that say otherwise in these lines contradict this receipt: bailiwick records verify --receipt finds it.',
]

const notProvenBy = ({ entries }: Receipt): readonly string[] => [
  ...entries.some(({ line }) => line.open.kind === 'decision') && !entries.some(({ line }) => line.open.kind === 'outcome') ? ['How the answer ended: the receipt does not hold its outcome.'] : [],
  ...entries.some(({ line }) => !('salt' in line)) ? ['What the closed part of an entry says: the receipt holds its digest only.'] : [],
  'That the prompt or the answer was this or that one: records hold neither.',
  'That the provider did what it said: the gateway recorded what it saw.',
]
