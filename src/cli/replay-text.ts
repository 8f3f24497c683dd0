/** What a replay found, for a person and for a tool. */
import type { Bundle } from '../bundle/bundle.ts'
import { inUtc } from '../policy/time.ts'
import type { Part } from '../record/replay.ts'
import { printable } from '../record/printable.ts'
import { columns, counted, grouped } from './class-text.ts'
import { short } from './compiled.ts'

/** So many differences are told, of as many as there are. */
export const TOLD_MAX = 20

export type Difference = { readonly id: string; readonly at: number; readonly bundle: string; readonly parts: readonly { readonly part: Part; readonly recorded: unknown; readonly again: unknown }[] }
export type NotReplayable = { readonly why: string; count: number; readonly first: string }
/** What another bundle does: how many decisions, and the first of them. */
export type Change = { count: number; readonly first: string }

export type Result = {
  decisions: number
  agree: number
  differ: number
  readonly bundles: Set<string>
  readonly versions: Set<string>
  readonly differences: Difference[]
  readonly notReplayable: Map<string, NotReplayable>
  /** Only under another bundle; by deployment and, the last, by rule. */
  readonly newlyPermitted: Map<string, Change>
  readonly newlyRemoved: Map<string, Change>
  readonly firstChoice: Map<string, Change>
  readonly rulesNow: Map<string, Change>
  readonly rulesBefore: Map<string, Change>
}

export type Told = { readonly records: string; readonly last: string | undefined; readonly result: Result; readonly other: { readonly name: string; readonly bundle: Bundle } | undefined; readonly version: string }

/** Never rounded up to all of them. */
function percent({ agree, decisions }: Pick<Result, 'agree' | 'decisions'>): string {
  return agree === decisions ? '100 %' : `${(Math.floor(agree / decisions * 100_000) / 1_000).toFixed(3)} %`
}

export function inText({ records, last, result, other, version }: Told): string {
  const { decisions, agree, differ, bundles, versions, differences, notReplayable } = result
  const lost = [...notReplayable.values()]
  const changes = (word: string, of: Map<string, Change>, what: string): [string, string][] =>
    [...of].sort((a, b) => b[1].count - a[1].count).slice(0, TOLD_MAX).map(([name, { count, first }]) => [word, `${name}${what} for ${counted(count, 'decision')} (first ${first})`])
  const strangers = [...versions].filter(v => v !== version)
  return [
    `replay    ${records}${last === undefined ? '' : `, the last ${last}`}: ${counted(decisions, 'decision')} under ${other === undefined ? counted(bundles.size, 'bundle') : `${other.name} (bundle ${short(other.bundle.digest)}), each at its own time`}\n`,
    columns([
      ['agrees', decisions === 0 ? 'there is no decision to replay' : `${grouped(agree)} of ${grouped(decisions)} (${percent(result)})`],
      ...lost.map(({ why, count, first }) => ['unreplayed', `${counted(count, 'decision')} (first ${first}): ${why}`]),
      ...changes('permits', result.newlyPermitted, ' newly'), ...changes('removes', result.newlyRemoved, ''), ...changes('first', result.firstChoice, ''),
      ...changes('rule', result.rulesNow, ' applies and did not'), ...changes('rule', result.rulesBefore, ' applied and does not'),
      ...differences.map(({ id, at, parts }) => ['differs', `${id}  ${inUtc(at)}  ${parts.map(({ part, recorded, again }) => `${part} ${JSON.stringify(recorded)} -> ${JSON.stringify(again)}`).join('; ')}`]),
      ...differ > differences.length ? [['differs', `and ${counted(differ - differences.length, 'more', 'more')}`]] : [],
      ...differ > 0 && strangers.length > 0 ? [['note', `decided by version ${strangers.join(', ')}, replayed by ${version}`]] : [],
    ].map(cells => cells.map(printable))),
  ].join('')
}

export function inJson({ records, last, result, other, version }: Told): string {
  const changes = (of: Map<string, Change>): object => Object.fromEntries([...of].sort((a, b) => b[1].count - a[1].count).map(([name, { count, first }]) => [name, { decisions: count, first }]))
  return `${JSON.stringify({
    records, last: last ?? null, 'bundle': other === undefined ? null : { name: other.name, bundle: other.bundle.digest },
    'decisions': result.decisions, 'agree': result.agree, 'differ': result.differ, 'bundles': result.bundles.size, 'version': version, 'kept-by': [...result.versions],
    'not-replayable': [...result.notReplayable.values()],
    ...(other !== undefined && {
      'newly-permitted': changes(result.newlyPermitted), 'newly-removed': changes(result.newlyRemoved), 'first-choice': changes(result.firstChoice),
      'rules': { now: changes(result.rulesNow), before: changes(result.rulesBefore) },
    }),
    'differences': result.differences.map(({ id, at, bundle, parts }) => ({ id, at: inUtc(at), bundle, parts: Object.fromEntries(parts.map(({ part, recorded, again }) => [part, { recorded, again }])) })),
  }, undefined, 2)}\n`
}
