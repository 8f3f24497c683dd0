/**
 * The small grammar of sentences: values, lists, instants and conditions as English phrases.
 *
 * A phrase says exactly one thing and can be read back: a word that could be mistaken for one of the grammar's own stands
 * in quotes, and what stands in brackets only explains. What means the same reads the same: nesting without effect,
 * repetition and order inside lists do not show.
 */
import { countryName, countryOf } from './countries.ts'
import { CLASSIFICATIONS, deploymentFacts, requestFacts, type FactDefinition, type Value } from './facts.ts'
import type { Block, Edge, Instant, Matcher, Term, Window } from './rule.ts'
import { inUtc, inZone } from './time.ts'

/** One line of an entry; a deeper line belongs to the nearest line above it that is less deep. */
export type Line = { readonly depth: number; readonly text: string }

/** The zone in which an instant is written, where one is known. */
export type Zones = ReadonlyMap<Instant, string>
export const zonesOf = (edges: readonly Edge[]): Zones => new Map(edges.map(e => [e.at, e.zone]))

const BARE = /^[A-Za-z0-9][A-Za-z0-9._:/@+*-]*$/
/** Words of the grammar that may stand where a value may stand. */
const GRAMMAR_WORDS: ReadonlySet<string> = new Set(['and', 'at', 'but', 'exactly', 'known', 'not', 'nothing', 'or', 'the'])

/** Text as it was written, in quotes; characters that cannot be seen are written as their codes. */
export const quote = (text: string): string =>
  JSON.stringify(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, c => Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''))

/** A name or value: bare where nobody can mistake it, otherwise in quotes. */
export const word = (text: string): string => (BARE.test(text) && !GRAMMAR_WORDS.has(text) ? text : quote(text))

/** By code units, so that no language's alphabet decides. */
export const inOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
export const sortedOnce = (texts: Iterable<string>): readonly string[] => [...new Set(texts)].sort(inOrder)

/** `a`, `a or b`, `a, b or c`: each once, in order. */
export function listed(texts: Iterable<string>, joint: 'and' | 'or'): string {
  const all = sortedOnce(texts)
  if (all.length === 0) return 'nothing'
  return all.length === 1 ? all[0]! : `${all.slice(0, -1).join(', ')} ${joint} ${all.at(-1)!}`
}

/** Whole days where they are whole, otherwise hours. */
export function duration(hours: number): string {
  const [count, unit] = hours % 24 === 0 ? [hours / 24, 'day'] : [hours, 'hour']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

const short = (text: string): string => text.replace('.000', '')

/**
 * In UTC, and in brackets by the clock of its zone where one is known. The zone is not named: two files may write one
 * instant in two zones, and a rulebook keeps one of them.
 */
export function instant(at: Instant, zones: Zones): string {
  const zone = zones.get(at)
  const local = zone === undefined ? '' : short(inZone(at, zone))
  return `${short(inUtc(at))}${local === '' || local.endsWith('+00:00') ? '' : ` (${local})`}`
}

/** ` from X until Y`; empty for a window without ends. */
export const span = ({ from, until }: Window, zones: Zones): string =>
  `${from === -Infinity ? '' : ` from ${instant(from, zones)}`}${until === Infinity ? '' : ` until ${instant(until, zones)}`}`

export function country(code: string): string {
  const name = countryName(countryOf(code))
  return name === undefined ? word(code) : `${word(code)} (${code.includes('-') ? 'part of ' : ''}${name})`
}

export const model = (name: string): string => (name.endsWith('/*') ? `${word(name)} (every model whose name begins with ${word(name.slice(0, -1))})` : word(name))

/** A group of countries or a country, as a term. */
export const place = (term: Term): string => ('group' in term ? `the group ${word(term.group)}` : country(String(term.value)))

export const factNamed = (name: string): FactDefinition => (requestFacts.get(name) ?? deploymentFacts.get(name))!

function element({ type }: FactDefinition, value: string | number): string {
  if (typeof value === 'number') return type === 'duration' ? duration(value) : String(value)
  return type === 'country' ? country(value) : type === 'model' ? model(value) : word(value)
}

/** What a fact is, as a registration or a catalog states it: `is X`, or `is exactly X and Y` for a set. */
export function stated(fact: string, value: Value): string {
  const definition = factNamed(fact)
  return typeof value === 'object' ? `exactly ${listed(value.map(v => element(definition, v)), 'and')}` : element(definition, value)
}

/** What a matcher asks, one phrase for each of its words. */
function asks(fact: string, { any, only, none, atLeast, atMost }: Matcher): readonly string[] {
  const definition = factNamed(fact)
  const terms = (list: readonly Term[]): string => listed(list.map(t => ('group' in t ? place(t) : element(definition, t.value))), 'or')
  const bound = (rank: number): string => (definition.name === 'classification' ? CLASSIFICATIONS[rank] ?? String(rank) : element(definition, rank))
  const set = definition.shape === 'set'
  const phrases = [
    // A single value counts as a set of one, so that any and only ask the same of it.
    ...[any, set ? undefined : only].flatMap(list => (list === undefined ? [] : [`${set ? 'includes' : 'is'} ${terms(list)}`])),
    ...(set && only !== undefined ? [only.length === 0 ? 'is empty' : `includes nothing but ${terms(only)}`] : []),
    ...(none === undefined ? [] : [`${set ? 'does not include' : 'is not'} ${terms(none)}`]),
    ...(atLeast === undefined ? [] : [`is at least ${bound(atLeast)}`]),
    ...(atMost === undefined ? [] : [`is at most ${bound(atMost)}`]),
  ]
  return (phrases.length === 0 ? ['is known'] : phrases).map(phrase => `${fact} ${phrase}`)
}

/** A condition in its normal form. */
type Phrase = { readonly kind: 'one'; readonly text: string } | { readonly kind: 'and' | 'or'; readonly parts: readonly Phrase[] }

const ALWAYS: Phrase = { kind: 'one', text: 'in every case' }
const HEADS = { and: 'all of these:', or: 'at least one of these:' } as const

/** Leaves before lists, each by its text. */
const keyOf = (phrase: Phrase): string => (phrase.kind === 'one' ? `1 ${phrase.text}` : `2 ${HEADS[phrase.kind]}\n(${phrase.parts.map(keyOf).join('\n')})`)

function normal(block: Block): Phrase {
  switch (block.kind) {
    case 'all': return ALWAYS
    case 'fact': return joined('and', asks(block.fact, block.match).map(text => ({ kind: 'one', text })))
    case 'and': case 'or': return joined(block.kind, block.parts.map(normal))
  }
}

/**
 * The parts, taken out of a list of the same kind, each once and in order. What always holds adds nothing to "all of"; it
 * stays in "at least one of", where an explanation still names the facts beside it.
 */
function joined(kind: 'and' | 'or', parts: readonly Phrase[]): Phrase {
  const flat = parts.flatMap(part => (part.kind === kind ? part.parts : [part]))
  const telling = kind === 'and' && flat.length > 0 ? flat.filter(part => keyOf(part) !== keyOf(ALWAYS)) : flat
  if (telling.length < flat.length && telling.length === 0) return ALWAYS
  const once = [...new Map(telling.map(part => [keyOf(part), part]))].sort(([a], [b]) => inOrder(a, b)).map(([, part]) => part)
  return once.length === 1 ? once[0]! : { kind, parts: once }
}

const linesOf = (phrase: Phrase, depth: number): readonly Line[] =>
  (phrase.kind === 'one' ? [{ depth, text: phrase.text }] : [{ depth, text: HEADS[phrase.kind] }, ...phrase.parts.flatMap(part => linesOf(part, depth + 1))])

/** A condition as lines from a depth on. What is not known of it is said by the sentence it stands under. */
export const printBlock = (block: Block, depth = 0): readonly Line[] => linesOf(normal(block), depth)

/** True for a condition that holds of everything, in whatever form it is written. */
export const holdsAlways = (block: Block): boolean => keyOf(normal(block)) === keyOf(ALWAYS)
