/** Exception files to exceptions. What an exception may do is decided by the rule it suspends (section 6). */
import type { Exception, Rule } from '../policy/rule.ts'
import { readLocal } from '../policy/time.ts'
import { readBlock } from './blocks.ts'
import { nearest } from './nearest.ts'
import { valueOf, type Scalar, type Tree } from './parse.ts'
import type { Reading } from './reading.ts'

const DAY = 86_400_000

export type NamedRules = {
  /** Full names of all rules that are written, readable or not; true for those of directives. */
  readonly written: ReadonlyMap<string, boolean>
  readonly rules: ReadonlyMap<string, Rule>
}

export type ZonedException = { readonly exception: Exception; readonly zone: string }

export function readExceptionFile(tree: Tree, named: NamedRules, reading: Reading): readonly (ZonedException | undefined)[] {
  if (tree.kind !== 'list') return []
  return tree.items.map(item => readException(item, named, reading))
}

function readException(tree: Tree, named: NamedRules, reading: Reading): ZonedException | undefined {
  const zone = reading.zone(tree)
  const window = reading.window(tree, zone, 'shorter')
  const forTree = valueOf(tree, 'for'), modelsTree = valueOf(tree, 'models')
  const forBlock = forTree && readBlock(forTree, 'request', reading)
  const models = modelsTree && readBlock(modelsTree, 'deployment', reading)
  const rule = readRuleName(reading.scalar(tree, 'rule'), named, reading)
  const requestedBy = reading.scalar(tree, 'requested-by'), approvedBy = reading.scalar(tree, 'approved-by')
  if (requestedBy !== undefined && approvedBy !== undefined && requestedBy.text.toLowerCase() === approvedBy.text.toLowerCase()) {
    reading.refuse(approvedBy, 'same-person', `${approvedBy.text} asked for the exception and cannot approve it`, 'somebody else approves')
  }
  const allowed = rule === undefined || isAllowed(tree, rule, approvedBy, reading)
  const [name, category, reason, ticket] = ['exception', 'category', 'reason', 'ticket'].map(key => reading.text(tree, key))
  if (name === undefined || reason === undefined || ticket === undefined || (category !== 'waiver' && category !== 'mitigated')) return undefined
  if (!allowed || rule === undefined || zone === undefined || window === undefined || forBlock === undefined || models === undefined) return undefined
  if (requestedBy === undefined || approvedBy === undefined) return undefined
  return {
    zone,
    exception: {
      name, rule: rule.name, for: forBlock, models, category, reason, ticket, requestedBy: requestedBy.text, approvedBy: approvedBy.text, window,
      place: { file: reading.file, line: tree.line, column: tree.column },
    },
  }
}

function readRuleName(scalar: Scalar | undefined, { written, rules }: NamedRules, reading: Reading): Rule | undefined {
  if (scalar === undefined) return undefined
  const directive = written.get(scalar.text)
  if (directive === true) return reading.refuse(scalar, 'directive-exception', `${scalar.text} is a rule of a directive, and a directive allows no exception`, 'delete the exception')
  if (directive === false) return rules.get(scalar.text)
  if (reading.names.incomplete.has('policy')) return undefined
  const whole = [...written.keys()].filter(name => name.endsWith(`/${scalar.text}`))
  const meant = whole.length === 1 ? whole[0] : nearest(scalar.text, written.keys())
  return reading.refuse(scalar, 'unknown-rule', `There is no rule ${scalar.text}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`,
    meant === undefined ? 'write the name of one rule, as policy/id' : `write ${meant}`)
}

function isAllowed(tree: Tree, rule: Rule, approvedBy: Scalar | undefined, reading: Reading): boolean {
  const at = reading.scalar(tree, 'rule')!
  const { allowed, atMostDays, approvers } = rule.exceptions
  if (!allowed) {
    reading.refuse(at, 'not-exceptable', `The rule ${rule.name} allows no exceptions`, 'delete the exception; only the owner of the rule can allow them')
    return false
  }
  let fine = true
  if (approvedBy !== undefined && !approvers.some(a => a === approvedBy.text || a === approvedBy.text.split('@')[0])) {
    reading.refuse(approvedBy, 'wrong-approver', `${approvedBy.text} may not approve exceptions to ${rule.name}`,
      approvers.length === 0 ? 'the rule names no approver' : `one of these may: ${approvers.join(', ')}`)
    fine = false
  }
  const days = countDays(reading.text(tree, 'from'), reading.text(tree, 'until'))
  if (atMostDays !== undefined && days !== undefined && days > atMostDays) {
    reading.refuse(reading.scalar(tree, 'until')!, 'exception-too-long', `The exception lasts ${days} days; the rule allows ${atMostDays}`, 'write an earlier until')
    fine = false
  }
  return fine
}

/** Local days from the first to the last, both counted; a timed `until` at midnight does not begin a day. */
function countDays(from: string | undefined, until: string | undefined): number | undefined {
  const first = from === undefined ? undefined : readLocal(from), last = until === undefined ? undefined : readLocal(until)
  if (first === undefined || last === undefined) return undefined
  return Math.floor((last.bare ? last.utc : last.utc - 1) / DAY) - Math.floor(first.utc / DAY) + 1
}
