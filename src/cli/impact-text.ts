/** The impact of a change as a person, a tool and a pull request read it. What is newly permitted stands first in each, then what lets more through. */
import type { Bundle } from '../bundle/bundle.ts'
import type { Difference } from '../policy/difference.ts'
import type { ClassImpact, Impact, LaterImpact } from '../policy/impact.ts'
import type { Place } from '../policy/rule.ts'
import { inUtc, inZone } from '../policy/time.ts'
import { classInWords, columns, counted, grouped } from './class-text.ts'
import { short } from './compiled.ts'

export type Found = {
  readonly old: { readonly name: string; readonly bundle: Bundle }
  readonly next: { readonly name: string; readonly bundle: Bundle }
  readonly at: number
  /** How far back the records were read, as written; undefined without records. */
  readonly last: string | undefined
  /** What was read for it. */
  readonly read?: string | undefined
  readonly impact: Impact
  readonly later: readonly LaterImpact[]
  /** Somebody said that wider is meant. */
  readonly accepted: boolean
}

/** So many lines of one kind are enough for people; tools get them all. */
const LINES_MAX = 20

export function inText(found: Found): string {
  const { impact, later } = found
  const wide = widened(impact)
  const blocks = found.accepted ? '' : '   <- blocks release'
  return [
    `impact    ${found.old.name} (bundle ${short(found.old.bundle.digest)}) -> ${found.next.name} (bundle ${short(found.next.bundle.digest)}), judged at ${inUtc(found.at)}\n`,
    columns([
      ...wide.length === 0 ? [['permits', 'nothing that was not permitted before']] : few('permits', wide, c => `${c.newlyPermitted.join(', ')}  for ${classInWords(c)}${share(c.weight, found)}${blocks}`),
      ...few('permits', later.filter(l => l.newlyPermitted.length > 0), l => `${l.newlyPermitted.join(', ')}  for ${classInWords(l)}, from ${inZone(l.at, l.zone)} on${blocks}`),
      ...loosened(impact).map(d => ['differs', `${differenceInWords(d)}${blocks}`]),
      ...impact.differences.filter(d => d.wider === undefined).map(d => ['differs', differenceInWords(d)]),
      ...summary(found),
    ]),
  ].join('')
}

type Line = readonly [word: string, sentence: string]

/** Whether the change permits something, now or later, or lets more through where it is permitted: what nobody should accept unseen. */
export const isWider = ({ impact, later }: Pick<Found, 'impact' | 'later'>): boolean =>
  widened(impact).length > 0 || later.some(l => l.newlyPermitted.length > 0) || loosened(impact).length > 0

const widened = ({ classes }: Impact): readonly ClassImpact[] => classes.filter(c => c.newlyPermitted.length > 0)
const loosened = ({ differences }: Impact): readonly Difference[] => differences.filter(d => d.wider !== undefined)

/** A line for each of the first, and one that counts the rest. */
const few = <T>(word: string, of: readonly T[], sentence: (one: T) => string): readonly Line[] => [
  ...of.slice(0, LINES_MAX).map<Line>(one => [word, sentence(one)]),
  ...of.length <= LINES_MAX ? [] : [[word, `and ${counted(of.length - LINES_MAX, 'more', 'more')} (--format json lists them all)`] as const],
]

const at = ({ file, line }: Place): string => `${file}:${line}`

function differenceInWords({ kind, name, change, parts, wider, place }: Difference): string {
  return `${place === undefined ? '' : `${at(place)}  `}${kind} ${name} ${change}${parts.length === 0 ? '' : ` (${parts.join(', ')})`}${wider === undefined ? '' : `; ${wider.join(', ')} let${wider.length === 1 ? 's' : ''} more through`}`
}

/** Everything but what is newly permitted, as pairs of a word and a sentence. */
function summary(found: Found): readonly Line[] {
  const { impact, later, next, old } = found
  const { classes, compared, unseen, unmet, pointless } = impact
  const losing = [...new Set(classes.flatMap(c => c.newlyRemoved))].sort()
  const empty = classes.filter(c => c.empty), single = classes.filter(c => c.single), first = classes.filter(c => c.first !== undefined)
  const laterEmpty = later.filter(l => l.empty)
  const weight = (of: readonly ClassImpact[]): number => of.reduce((sum, c) => sum + c.weight, 0)
  const what = found.last === undefined ? 'registered class' : 'class'
  const inCatalog = new Set([...old.bundle.rulebook.deployments, ...next.bundle.rulebook.deployments].map(d => d.name)).size
  return [
    ...losing.length === 0 ? [] : [['removes', `${losing.join(', ')}   ${losing.length} of ${counted(inCatalog, 'deployment')} ${losing.length === 1 ? 'loses' : 'lose'} at least one class`] as const],
    ['affects', `${grouped(classes.length)} of ${counted(compared.classes, what, `${what}es`)}${shareOfAll(weight(classes), found)}`],
    ...few('empty', empty, c => `${classInWords(c)} would have no model${share(c.weight, found)}`),
    ...few('empty', laterEmpty, l => `${classInWords(l)} would have no model from ${inZone(l.at, l.zone)} on`),
    ...single.length === 0 ? [] : [['single', `${counted(single.length, 'class', 'classes')} would have no fallback: ${single.slice(0, LINES_MAX).map(c => classInWords(c)).join('; ')}`] as const],
    ...first.length === 0 ? [] : [['cost', `preferred deployment changes for ${counted(first.length, 'class', 'classes')}${shareOfAll(weight(first), found)}${priceInWords(first)}`] as const],
    ...found.last === undefined ? [] : [['unseen', `${counted(unseen.classes, 'registered class', 'registered classes')} had no traffic; checked statically: ${unseen.empty === 0 ? 'not empty' : `${grouped(unseen.empty)} would have no model`}`] as const],
    ...found.read === undefined ? [] : [['read', found.read] as const],
    ...unmet.map(d => ['unmet', `${d.name} differs and ${found.last === undefined ? 'no registered class' : 'none of the classes'} meets it: what it does to others was not asked`] as const),
    ...pointless.map(e => ['exceptions', `${e.name} becomes pointless  ${at(e.place)}`] as const),
  ]
}

const total = ({ impact }: Found): number => impact.compared.weight
const percent = (part: number, whole: number): string => `${(part / whole * 100).toFixed(1)} %`

function share(weight: number, found: Found): string {
  if (found.last === undefined) return ''
  return weight === 0 ? ' (no traffic)' : ` (${counted(weight, 'request')}, ${percent(weight, total(found))})`
}

function shareOfAll(weight: number, found: Found): string {
  if (found.last === undefined) return ''
  return total(found) === 0 ? `; there were no requests in the last ${found.last}` : `, ${percent(weight, total(found))} of the requests of the last ${found.last} (${grouped(weight)} of ${grouped(total(found))})`
}

/** The mean price of the first choice before and after, over the classes where both are known; classes count by their requests. */
function priceInWords(first: readonly ClassImpact[]): string {
  const priced = first.flatMap(({ first: change, weight }) =>
    (change?.priceFrom === undefined || change.priceTo === undefined ? [] : [{ from: change.priceFrom, to: change.priceTo, weight: Math.max(weight, 1) }]))
  if (priced.length === 0) return '; what that costs the catalog does not say'
  const weight = priced.reduce((sum, p) => sum + p.weight, 0)
  const mean = (of: 'from' | 'to'): string => (priced.reduce((sum, p) => sum + p[of] * p.weight, 0) / weight).toFixed(2)
  return `; price per million tokens in and out ${mean('from')} -> ${mean('to')} where both are known`
}

export function inJson(found: Found): string {
  const { impact: { differences, unmet, classes, compared, unseen, pointless }, old, next, later } = found
  const named = ({ app, data, facts, stated }: ClassImpact): object => ({ app: app ?? null, data, facts, stated })
  return `${JSON.stringify({
    'newly-permitted': classes.flatMap(c => c.newlyPermitted.map(deployment => ({ deployment, ...named(c), requests: c.weight }))),
    'later': later.map(l => ({ at: inUtc(l.at), app: l.app, data: l.data, 'newly-permitted': l.newlyPermitted, empty: l.empty })),
    'wider': isWider(found),
    'accepted': found.accepted,
    'old': { name: old.name, bundle: old.bundle.digest },
    'new': { name: next.name, bundle: next.bundle.digest },
    'at': inUtc(found.at),
    'last': found.last ?? null,
    'read': found.read ?? null,
    'differences': differences.map(({ kind, name, change, parts, wider = [], place }) => ({ kind, name, change, parts, wider, file: place?.file ?? null, line: place?.line ?? null })),
    'classes': classes.map(c => ({
      ...named(c), requests: c.weight, before: c.before, after: c.after, 'newly-permitted': c.newlyPermitted, 'newly-removed': c.newlyRemoved, empty: c.empty, single: c.single,
      first: c.first === undefined ? null : { from: c.first.from, to: c.first.to, 'price-from': c.first.priceFrom ?? null, 'price-to': c.first.priceTo ?? null },
    })),
    'compared': { classes: compared.classes, requests: compared.weight },
    'unseen': unseen,
    'unmet-rules': unmet.map(d => d.name),
    'pointless-exceptions': pointless.map(e => ({ exception: e.name, rule: e.rule, file: e.place.file, line: e.place.line })),
  }, undefined, 2)}\n`
}

export function inMarkdown(found: Found): string {
  const { impact, later } = found
  const wide = widened(impact), widerLater = later.filter(l => l.newlyPermitted.length > 0)
  const looser = loosened(impact), permits = wide.length + widerLater.length > 0
  const list = (lines: readonly Line[]): string => lines.map(([, sentence]) => `- ${sentence}\n`).join('')
  return [
    `### Impact of the policies: \`${found.old.name}\` to \`${found.next.name}\`\n\n`,
    isWider(found) ? `**${permits ? 'Something is newly permitted' : 'Nothing is newly permitted, but more is let through'}${found.accepted ? ', and that was accepted' : ''}.**\n\n` : 'Nothing is newly permitted.\n\n',
    list(few('', wide, c => `**${c.newlyPermitted.map(cell).join(', ')}** for ${cell(classInWords(c))}${share(c.weight, found)}`)),
    list(few('', widerLater, l => `**${l.newlyPermitted.map(cell).join(', ')}** for ${cell(classInWords(l))}, from ${inZone(l.at, l.zone)} on`)),
    list(looser.map(d => ['', `**${cell(`${d.wider!.join(', ')} of ${d.kind} ${d.name}`)}** ${d.wider!.length === 1 ? 'lets' : 'let'} more through`])),
    isWider(found) ? '\n' : '',
    impact.differences.length === 0 ? 'The two do not differ in any rule, exception, group, app, provider, deployment or label.\n\n' : `| change | what | where |\n|---|---|---|\n${impact.differences.map(d =>
      `| ${d.change}${d.parts.length === 0 ? '' : `: ${cell(d.parts.join(', '))}`} | ${d.kind} ${cell(d.name)} | ${d.place === undefined ? '' : cell(at(d.place))} |\n`).join('')}\n`,
    `| | |\n|---|---|\n${summary(found).map(([word, sentence]) => `| ${word} | ${cell(sentence)} |\n`).join('')}`,
    `\nJudged at ${inUtc(found.at)}; bundles ${short(found.old.bundle.digest)} and ${short(found.next.bundle.digest)}.\n`,
  ].join('')
}

/** Names come from files and callers: in Markdown they are words, never markup. */
const cell = (text: string): string => text.replace(/[\\`*_{}[\]<>|#]/g, found => `\\${found}`).replace(/\s+/g, ' ')
