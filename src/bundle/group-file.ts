/** Group files and the labels file. */
import { BUILT_IN_LABELS } from '../policy/facts.ts'
import type { Group } from '../policy/rule.ts'
import { endOf, startOf } from '../policy/time.ts'
import type { Dated } from './bundle.ts'
import { nearest } from './nearest.ts'
import { entryOf, isPartial, valueOf, type Tree } from './parse.ts'
import { passed } from './policy-file.ts'
import type { Reading } from './reading.ts'

/** Words that mean something else wherever a group or a label could stand. */
const RESERVED: ReadonlySet<string> = new Set(['all', 'unknown', 'not-collected', 'yes', 'no'])

export type GroupFile = { readonly group: Group | undefined; readonly zone: string | undefined; readonly due: readonly Dated[] }

export function readGroupFile(tree: Tree, reading: Reading): GroupFile {
  const name = reading.scalar(tree, 'group')
  if (name !== undefined && RESERVED.has(name.text)) reading.refuse(name, 'reserved-name', `${name.text} has a meaning of its own`, 'choose another name')
  const of = reading.text(tree, 'of') === 'certificates' ? 'certificates' : 'countries'
  const from = entryOf(tree, 'from'), until = entryOf(tree, 'until'), timezone = entryOf(tree, 'timezone')
  const zone = reading.zone(tree)
  const whole = !isPartial(tree)
  if (whole && timezone === undefined && (from ?? until) !== undefined) {
    reading.refuse((from ?? until)!.at, 'zone-missing', 'Days of members need a timezone', 'add "timezone: ..." at the top of the file')
  }
  if (whole && timezone !== undefined && from === undefined && until === undefined) {
    reading.refuse(timezone.at, 'zone-unused', 'timezone stands in a group only with from or until', 'delete timezone')
  }
  const written = reading.list(tree, 'members') ?? []
  const members = written.map(m => {
    if (reading.names.groups.has(m.text)) return reading.refuse(m, 'group-in-group', `${m.text} is a group; members are codes or certificates`, 'list its members')
    if (of === 'countries') return reading.country(m, false)
    reading.use('certificates', m)
    return m.text
  })
  const days = (word: 'from' | 'until'): ReadonlyMap<string, string> | undefined => {
    const block = valueOf(tree, word)
    if (block?.kind !== 'mapping') return new Map()
    for (const { key, at } of block.entries) {
      if (whole && !written.some(m => m.text === key)) reading.refuse(at, 'not-a-member', `${key} is not a member of the group`, 'add it to members, or delete this')
    }
    const read = block.entries.map(e => [e.key, reading.day(block, e.key)] as const)
    return read.every(([, day]) => day !== undefined) ? new Map(read as readonly (readonly [string, string])[]) : undefined
  }
  const starts = days('from'), ends = days('until')
  const source = reading.text(tree, 'source'), asOf = reading.day(tree, 'as-of'), review = reading.time(tree, 'review-by')
  const due = review === undefined ? [] : [{ file: reading.file, line: review.line, column: review.column, what: `review-by of group ${name?.text ?? ''}`, at: passed(review.text) }]
  if (starts === undefined || ends === undefined || name === undefined || source === undefined || asOf === undefined || review === undefined) return { group: undefined, zone, due }
  if (!members.every(m => m !== undefined) || ((starts.size > 0 || ends.size > 0) && zone === undefined)) return { group: undefined, zone, due }
  const windowed = [...new Set(members)].map(value => {
    const start = starts.get(value), end = ends.get(value)
    // A member loosens whatever names its group, so it counts for the shorter of two readings.
    const window = {
      from: start === undefined ? -Infinity : startOf(start, zone!, 'later'),
      until: end === undefined ? Infinity : endOf(end, zone!, 'earlier'),
    }
    if (window.until <= window.from) {
      reading.refuse(entryOf(until!.value, value)!.value, 'empty-window', `until ${end!} does not come after from ${start ?? ''}`, 'write a later until')
    }
    return { value, window }
  })
  return {
    group: {
      name: name.text, of, members: windowed, source, asOf, reviewBy: review.text,
      place: { file: reading.file, line: tree.line, column: tree.column },
    },
    zone, due,
  }
}

/** Checks the label tree; the labels themselves are already among the names. */
export function checkLabelFile(tree: Tree, reading: Reading): void {
  const list = valueOf(tree, 'labels')
  const seen = new Map<string, Tree>()
  /** Labels of circles that are refused already: one message a circle. */
  const circled = new Set<string>()
  const labels = reading.names.labels
  for (const item of list?.kind === 'list' ? list.items : []) {
    const label = reading.scalar(item, 'label'), parent = reading.scalar(item, 'parent')
    if (label === undefined) continue
    const first = seen.get(label.text)
    if (BUILT_IN_LABELS.has(label.text)) reading.refuse(label, 'built-in-label', `The label ${label.text} is built in and cannot be defined again`, 'choose another name')
    else if (RESERVED.has(label.text)) reading.refuse(label, 'reserved-name', `${label.text} has a meaning of its own`, 'choose another name')
    else if (first !== undefined) reading.refuse(label, 'duplicate-label', `The label ${label.text} is defined twice, first at ${first.line}:${first.column}`, 'keep one of them')
    seen.set(label.text, first ?? label)
    if (parent === undefined) continue
    if (parent.text === 'none') reading.refuse(parent, 'parent-none', 'none means no label at all and cannot be a parent', 'name another parent, or none at all')
    else if (!labels.has(parent.text)) {
      const meant = nearest(parent.text, labels.keys())
      reading.refuse(parent, 'unknown-label', `There is no label ${parent.text}.${meant === undefined ? '' : ` Did you mean ${meant}?`}`, meant === undefined ? 'define it in this file' : `write ${meant}`)
    } else if (!circled.has(label.text) && isInCycle(label.text, labels)) {
      for (let at: string | undefined = label.text; at !== undefined && !circled.has(at); at = labels.get(at)) circled.add(at)
      reading.refuse(parent, 'label-cycle', `${label.text} is, through its parents, a kind of itself`, 'cut the circle')
    }
  }
}

function isInCycle(label: string, labels: ReadonlyMap<string, string | undefined>): boolean {
  let at = labels.get(label)
  for (let steps = 0; at !== undefined && steps <= labels.size; steps++) {
    if (at === label) return true
    at = labels.get(at)
  }
  return false
}

