/**
 * The transfer register: who received what kind of data, where, on what basis, how often; as CSV.
 *
 * What it promises: a row for every deployment that received something or may have, and a cell for everything that is asked of it.
 */
import { inUtc } from '../policy/time.ts'
import { inCsv, type Cell } from './csv.ts'
import { NOT_KNOWN, TOLD_FACTS, wordsOf, type Recipient } from './recipients.ts'

type Column = readonly [name: string, of: (row: Recipient) => Cell]

const COLUMNS: readonly Column[] = [
  ['app', r => r.app], ['purposes', r => (r.purposes.size === 0 ? NOT_KNOWN : [...r.purposes].join('; '))], ['data', r => r.data], ['governed by', r => r.governedBy],
  ['deployment', r => r.deployment], ['model', r => r.described.model], ['provider', r => r.described.provider], ['provider title', r => r.described.title], ['pretended', r => r.described.pretended],
  ...TOLD_FACTS.map<Column>(fact => [fact, r => r.described.facts[fact]]),
  ['outside the EEA', r => r.described.outsideEea], ['outside the EEA, as what', r => r.described.outsideAs],
  ['rules applied', r => (r.rules.length === 0 ? wordsOf([]) : r.rules.join('; '))],
  ['exceptions used', r => (r.exceptions.length === 0 ? wordsOf([]) : r.exceptions.join('; '))],
  ['requests received', r => r.received], ['requests maybe received', r => r.mayHave], ['first', r => inUtc(r.first)], ['last', r => inUtc(r.last)],
  ['facts from', r => r.factsFrom],
]

export const transfersInCsv = (recipients: readonly Recipient[]): string => [inCsv(COLUMNS.map(([name]) => name)), ...recipients.map(row => inCsv(COLUMNS.map(([, of]) => of(row))))].join('')
