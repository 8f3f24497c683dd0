/**
 * What this is for: deciding a recorded request again, and saying in what the two decisions differ.
 *
 * What it assumes: nothing of the records; whether they were changed is for verify.ts. What it promises: a request is decided at its
 * own time by the one decision that the gateway uses, and every part of what its entry says of it is compared.
 */
import { decideUnderstood } from '../policy/decide.ts'
import { understand } from '../policy/request.ts'
import type { Rulebook } from '../policy/rule.ts'
import { canonical } from './canonical.ts'
import { askedOf, decidedOf, type Decided } from './decided.ts'
import type { DecisionEntry } from './record.ts'

export type Replayable = Decided & Pick<DecisionEntry, 'id' | 'at' | 'bundle' | 'catalog'> & { readonly stated: Readonly<Record<string, unknown>> }

/** What a line of the records holds for a replay: a decision, something else, or what cannot be replayed and why. */
export type Found = { readonly kind: 'decision'; readonly entry: Replayable } | { readonly kind: 'other' } | { readonly kind: 'unreadable'; readonly id: string | undefined; readonly wrong: string }

/** Reads the text of a line, or of an entry. */
export function decisionIn(text: string): Found {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { kind: 'unreadable', id: undefined, wrong: 'lines are not JSON' }
  }
  if (!isObject(value)) return { kind: 'unreadable', id: undefined, wrong: 'lines are no entries' }
  const { open, closed } = value
  if (!isObject(open)) return 'seal' in value ? { kind: 'other' } : { kind: 'unreadable', id: undefined, wrong: 'lines are no entries' }
  if (open['kind'] !== 'decision') return { kind: 'other' }
  const id = typeof open['id'] === 'string' ? open['id'] : undefined
  if (!isObject(closed)) return { kind: 'unreadable', id, wrong: 'the closed part is not there' }
  const entry = { ...open, ...closed }
  return isReplayable(entry) ? { kind: 'decision', entry } : { kind: 'unreadable', id, wrong: 'the entry lacks what decided' }
}

/** The same request under a rulebook, at the time at which it came. */
export function decideAgain(rulebook: Rulebook, entry: Pick<Replayable, 'request' | 'stated' | 'at'>): Decided {
  const understood = understand(rulebook, askedOf(rulebook, entry), entry.at)
  return decidedOf(understood, decideUnderstood(rulebook, understood, entry.at))
}

const PARTS = ['outcome', 'code', 'permitted', 'activeRules', 'exceptions', 'duties', 'assumptions', 'request'] as const satisfies readonly (keyof Decided)[]
export type Part = (typeof PARTS)[number]

/** The parts that are not the same, in order of weight; the order of lists counts. */
export const differingParts = (recorded: Decided, again: Decided): readonly Part[] => PARTS.filter(part => !isSame(recorded[part], again[part]))

function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true
  return one !== undefined && other !== undefined && canonical(one) === canonical(other)
}

function isReplayable(entry: Readonly<Record<string, unknown>>): entry is typeof entry & Replayable {
  return ['id', 'bundle', 'catalog', 'outcome'].every(name => typeof entry[name] === 'string') && Number.isFinite(entry['at'])
    && ['permitted', 'activeRules', 'exceptions', 'assumptions'].every(name => Array.isArray(entry[name]))
    && isObject(entry['stated']) && isObject(entry['request']) && Object.values(entry['request']).every(fact => isObject(fact) && typeof fact['source'] === 'string')
}
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
