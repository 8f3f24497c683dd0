/** What a verification of records found, in words: what is wrong, what is proven, and what is not. */
import { inUtc } from '../policy/time.ts'
import { printable } from '../record/printable.ts'
import type { Range, Verified } from '../record/verify.ts'
import { counted, grouped } from './class-text.ts'

/** What can be said of records, a sentence each. */
export type Said = { readonly proven: readonly string[]; readonly notProven: readonly string[] }

export function sayOf({ wrong, key, lines, log, signedTo, checkpoints, isSealed, retired, unended, receipts }: Verified, isExport: boolean): Said {
  if (lines === undefined) return { proven: [], notProven: [] }
  const { first, last } = lines, signed = signedTo !== undefined && signedTo >= first ? { first, last: signedTo } : undefined
  const by = key === undefined ? '' : `the key ${key.name}`
  const proven = [
    ...signed === undefined ? [] : [`${linesInWords(signed)} of log ${printable(String(log))} ${signed.first === signed.last ? 'is' : 'are'} as ${by} signed ${signed.first === signed.last ? 'it' : 'them'}: none was changed, put in, taken out or moved${wrong > 0 ? '' : ` (${counted(checkpoints, 'checkpoint')}${isSealed ? ' and the seal' : ''})`}.`],
    ...isSealed && wrong === 0 ? [`The export ends with line ${last}, as it did when it was made.`] : [],
    ...receipts.filter(r => r.agreed > 0 && wrong === 0).map(r => `The receipt ${r.name} agrees with these records.`),
  ]
  const unsigned = { first: Math.max(first, (signedTo ?? 0) + 1), last }
  const notProven = [
    ...wrong > 0 ? ['Nothing from the first finding on.'] : [],
    ...key?.isKnown === false ? [`Whose records these are: the key ${key.name} was found with the records themselves, and whoever made all of them anew would have put another there. They agree with themselves, no more; --key FILE gives a key that you have from elsewhere.`] : [],
    ...wrong === 0 && unsigned.first <= unsigned.last ? [`${linesInWords(unsigned)}: chained to what is before, and not signed yet. Whoever can write to the file could have changed, added or cut off such lines.`] : [],
    ...first > 1 ? [`What lines 1 to ${grouped(first - 1)} said: they are not here${retired.some(r => r.last >= first - 1 && r.first < first) ? ', and a line that is signed says that they were deleted' : ''}.`] : [],
    ...!isExport ? [`That nothing followed line ${grouped(last)}: whoever can write to the file could cut off its end and what says where it ends. A receipt or an export of later lines would show it${receipts.length === 0 ? ' (--receipt FILE)' : ''}.`] : [],
    ...receipts.filter(r => r.deleted > 0).map(r => `What the receipt ${r.name} shows of lines that are not here.`),
    ...unended > 0 ? [`How ${counted(unended, 'decision')} ended: no outcome is there. The answer had not come to its end, or the gateway was stopped.`] : [],
    'What whoever holds the private key did: they can write another history, which a receipt, an export or a checkpoint in other hands contradicts.',
    'That providers did what they said: the records hold what the gateway saw.',
  ]
  return { proven, notProven }
}

export function inText(path: string, verified: Verified, { proven, notProven }: Said): string {
  const { findings, wrong, lines, log, times } = verified
  return [
    wrong === 0 ? `verified    ${path}\n` : `wrong       ${path}: ${counted(wrong, 'finding')}\n`,
    ...lines === undefined || times === undefined ? [] : [`            ${linesInWords(lines)} of log ${printable(log ?? 'unknown')}, ${instant(times.earliest)} to ${instant(times.latest)}\n`],
    ...findings.map(({ where, wrong: what }) => `\n${where}\n  ${what}\n`),
    ...wrong > findings.length ? [`\nand ${grouped(wrong - findings.length)} more\n`] : [],
    ...list('proven', proven), ...list('not proven', notProven),
  ].join('')
}

const list = (title: string, sentences: readonly string[]): readonly string[] => (sentences.length === 0 ? [] : [`\n${title}\n`, ...sentences.map(sentence => `  ${sentence}\n`)])

const linesInWords = ({ first, last }: Range): string => (first === last ? `Line ${grouped(first)}` : `Lines ${grouped(first)} to ${grouped(last)}`)

export const inValue = ({ wrong, findings, log, key, read, lines, times, checkpoints, signedTo, isSealed, retired, unended, receipts }: Verified, { proven, notProven }: Said): object => ({
  verified: wrong === 0, wrong, findings, log: log ?? null,
  key: key === undefined ? null : { name: key.name, known: key.isKnown },
  read, lines: lines ?? null, earliest: times === undefined ? null : instant(times.earliest), latest: times === undefined ? null : instant(times.latest),
  checkpoints, 'signed-to': signedTo ?? null, sealed: isSealed, retired, unended, receipts, proven, 'not-proven': notProven,
})

/** What is no time that a calendar has is shown as the number that it is. */
const instant = (at: number): string => (Number.isNaN(new Date(at).getTime()) ? String(at) : inUtc(at))
