/**
 * What this is for: the question whether tests would notice a changed rule (policy-language, section 10). Each rule is
 * dropped, turned round and robbed of its conditions one at a time; for each such mutation some case must fail.
 *
 * What it assumes: every case holds before anything is changed.
 * What it promises: a case is judged again whenever a mutation changes anything that its rule does in that case, so a
 * survivor is one that no case notices. Left out are only mutations that leave `when` alone and that no case could notice:
 * in every stretch of time the rule does the same to every deployment of every catalog the tests use; or it only orders,
 * and for no registered class, in the circumstances of any case, another deployment comes first.
 */
import { bookFor, judgeCase, type PolicyCase } from './case.ts'
import { registeredClasses } from './classes.ts'
import { decide } from './decide.ts'
import { deploymentFacts, requestFacts, type Facts } from './facts.ts'
import { frameAt, type FrameRule } from './frame.ts'
import { evaluate } from './match.ts'
import { understand, type Asked } from './request.ts'
import type { Block, Instant, Matcher, Place, Rule, Rulebook, Term } from './rule.ts'
import { FALSE } from './truth.ts'

export type Mutation = {
  readonly rule: string
  readonly place: Place
  /** What was changed, in words: "without data under when". */
  readonly change: string
  /** The rule as changed; undefined where it was dropped. */
  readonly mutant: Rule | undefined
}

/** Every mutation of one rule. Each changes one thing. */
export function mutationsOf(rule: Rule): readonly Mutation[] {
  const mutation = (change: string, mutant: Rule | undefined): Mutation => ({ rule: rule.name, place: rule.place, change, mutant })
  const turned = rule.effect === 'forbid' ? 'require' : 'forbid'
  const { when, blocks, enforceFor } = rule
  return [
    mutation('without the rule', undefined),
    ...(rule.effect === 'prefer' ? [] : [mutation(`${turned} in place of ${rule.effect}`, { ...rule, effect: turned })]),
    ...(when.kind === 'all' ? [] : [mutation('without its when', { ...rule, when: ALL })]),
    ...changesTo(when, 'when').map(c => mutation(c.change, { ...rule, when: c.block })),
    ...(blocks.length < 2 ? [] : blocks.map((_, i) => mutation(`without item ${i + 1} of ${rule.effect}`, { ...rule, blocks: blocks.toSpliced(i, 1) }))),
    ...blocks.flatMap((block, i) => changesTo(block, blocks.length < 2 ? rule.effect : `item ${i + 1} of ${rule.effect}`)
      .map(c => mutation(c.change, { ...rule, blocks: blocks.with(i, c.block) }))),
    ...(enforceFor === undefined ? [] : [
      mutation('without its enforce-for', { ...rule, enforceFor: undefined }),
      ...changesTo(enforceFor, 'enforce-for').map(c => mutation(c.change, { ...rule, enforceFor: c.block })),
    ]),
  ]
}

const ALL: Block = { kind: 'all' }
type Change = { readonly change: string; readonly block: Block }

/** A block with one of its parts dropped, or one word turned, at any depth. */
function changesTo(block: Block, under: string): readonly Change[] {
  if (block.kind === 'all') return []
  if (block.kind === 'fact') {
    return turnedMatchers(block.fact, block.match).map(({ change, match }) => ({ change: `${change} under ${under}`, block: { ...block, match } }))
  }
  const { parts } = block
  const nameOf = (part: Block, i: number): string => (block.kind === 'or' ? `item ${i + 1} of one-of` : part.kind === 'fact' ? part.fact : 'one-of')
  return [
    ...(parts.length < 2 ? [] : parts.map((part, i) => ({ change: `without ${nameOf(part, i)} under ${under}`, block: { ...block, parts: parts.toSpliced(i, 1) } }))),
    ...parts.flatMap((part, i) => changesTo(part, block.kind === 'or' ? `item ${i + 1} of one-of under ${under}` : under)
      .map(c => ({ change: c.change, block: { ...block, parts: parts.with(i, c.block) } }))),
  ]
}

const WORDS: readonly (readonly [word: keyof Matcher, written: string])[] = [['any', 'any'], ['only', 'only'], ['none', 'none'], ['atLeast', 'at-least'], ['atMost', 'at-most']]

function turnedMatchers(fact: string, match: Matcher): readonly { readonly change: string; readonly match: Matcher }[] {
  const written = WORDS.filter(([word]) => match[word] !== undefined)
  return [
    ...(written.length < 2 ? [] : written.map(([word, name]) => {
      const { [word]: _, ...rest } = match
      return { change: `without ${name} of ${fact}`, match: rest }
    })),
    ...(['any', 'only', 'none'] as const).flatMap(word => {
      const { [word]: terms, ...others } = match
      if (terms === undefined) return []
      const rest: Matcher = others
      const other = turnedWord(fact, word, terms)
      // Where the other word stands there already, both would have to hold.
      return rest[other] === undefined ? [{ change: `${other} in place of ${word} of ${fact}`, match: { ...rest, [other]: terms } }] : []
    }),
  ]
}

/** What a word is turned into: only and any are each other's opposite mistake, unless they say the same of this fact. */
function turnedWord(fact: string, word: 'any' | 'only' | 'none', terms: readonly Term[]): 'any' | 'only' | 'none' {
  if (word === 'none') return 'any'
  const definition = requestFacts.get(fact) ?? deploymentFacts.get(fact)
  // The label none excludes every other, so a set that has it has nothing else.
  const single = definition?.shape === 'one' || (definition?.type === 'label' && terms.every(t => 'value' in t && t.value === 'none'))
  if (single) return 'none'
  return word === 'only' ? 'any' : 'only'
}

/** A rulebook and the cases that are held against it; test files that bring a catalog have a rulebook of their own. */
export type Suite = { readonly rulebook: Rulebook; readonly cases: readonly PolicyCase[] }

export type MutationReport = {
  readonly tried: number
  readonly killed: number
  /** Left out: over these catalogs no case could tell them from the rule as it is. */
  readonly equal: readonly Mutation[]
  readonly survivors: readonly Mutation[]
}

/** Tries every mutation of the rules that `isTried` names. `tell` hears how far it is, rule by rule. */
export function tryMutations(suites: readonly Suite[], isTried: (rule: Rule) => boolean, tell: (done: number, of: number) => void = () => {}): MutationReport {
  const prepared = suites.map(suite => ({ ...suite, cases: suite.cases.map(one => prepare(suite.rulebook, one)) }))
  const rules = suites[0]?.rulebook.rules.filter(isTried) ?? []
  const equal: Mutation[] = [], survivors: Mutation[] = []
  let tried = 0
  for (const [done, rule] of rules.entries()) {
    tell(done, rules.length)
    for (const mutation of mutationsOf(rule)) {
      tried++
      if (prepared.some(suite => isNoticed(suite, rule, mutation.mutant))) continue
      if (mutation.mutant !== undefined && suites.every(s => isEqual(s, rule, mutation.mutant!))) equal.push(mutation)
      else survivors.push(mutation)
    }
  }
  return { tried: tried - equal.length, killed: tried - equal.length - survivors.length, equal, survivors }
}

type Prepared = { readonly one: PolicyCase; readonly readings: readonly Facts[] }
type PreparedSuite = { readonly rulebook: Rulebook; readonly cases: readonly Prepared[] }

/** A request whose data is not registered is refused before any rule is asked: it has no reading to look at. */
function prepare(rulebook: Rulebook, one: PolicyCase): Prepared {
  const understood = understand(bookFor(rulebook, one), one.asked, one.at)
  return { one, readings: understood.dataNotRegistered ? [] : understood.readings }
}

/** Whether some case fails under the mutant. Only cases in which the rule now does something else are judged again. */
function isNoticed({ rulebook, cases }: PreparedSuite, { name }: Rule, mutant: Rule | undefined): boolean {
  const alone = mutant && aloneWith(rulebook, mutant)
  let mutated: Rulebook | undefined
  return cases.some(({ one, readings }) => {
    const before = frameAt(rulebook, one.at).rules.find(r => r.rule.name === name)
    const after = alone && frameAt(alone, one.at).rules[0]
    if (readings.every(facts => doesTheSame(before, after, facts))) return false
    mutated ??= withMutant(rulebook, name, mutant)
    return judgeCase(mutated, one).complaints.length > 0
  })
}

const withMutant = (rulebook: Rulebook, name: string, mutant: Rule | undefined): Rulebook =>
  ({ ...rulebook, rules: rulebook.rules.flatMap(r => (r.name !== name ? [r] : mutant === undefined ? [] : [mutant])) })

/** The rulebook with this rule only: what one rule does is compiled without all the others. */
const aloneWith = (rulebook: Rulebook, rule: Rule): Rulebook => ({ ...rulebook, rules: [rule], exceptions: rulebook.exceptions.filter(e => e.rule === rule.name) })

/** Exceptions and duties are those of one rule, so two that apply alike and remove alike lead to one decision. */
function doesTheSame(before: FrameRule | undefined, after: FrameRule | undefined, facts: Facts): boolean {
  const [a, b] = [effectOf(before, facts), effectOf(after, facts)]
  if (a === undefined || b === undefined) return a === b
  return a.enforcing === b.enforcing && sameMask(a.rule, b.rule) && sameRanks(a.rule, b.rule)
}

function effectOf(rule: FrameRule | undefined, facts: Facts): { readonly rule: FrameRule; readonly enforcing: boolean } | undefined {
  if (rule === undefined || evaluate(rule.when, facts) === FALSE) return undefined
  return { rule, enforcing: rule.enforces || (rule.ring !== undefined && evaluate(rule.ring, facts) !== FALSE) }
}

const sameMask = (a: FrameRule, b: FrameRule): boolean => a.removes.every((word, w) => word === b.removes[w])

/** The same order: ranks that differ by one number for all put nothing elsewhere. */
function sameRanks({ ranks: a }: FrameRule, { ranks: b }: FrameRule): boolean {
  if (a === undefined || b === undefined) return a === b
  const shift = b[0]! - a[0]!
  return a.every((rank, i) => rank + shift === b[i])
}

/** Whether no case could tell a mutant from its rule. */
function isEqual({ rulebook, cases }: Suite, rule: Rule, mutant: Rule): boolean {
  if (mutant.when !== rule.when || mutant.enforceFor !== rule.enforceFor) return false
  const before = aloneWith(rulebook, rule), after = aloneWith(rulebook, mutant)
  const isAlike = stretchesOf(rulebook).every(at => {
    const a = frameAt(before, at).rules[0], b = frameAt(after, at).rules[0]
    return a === undefined || b === undefined ? a === b : sameMask(a, b) && sameRanks(a, b)
  })
  return isAlike || (rule.effect === 'prefer' && leadsAlike({ rulebook, cases }, withMutant(rulebook, rule.name, mutant)))
}

/** One instant of every stretch between two edges. */
const stretchesOf = ({ edges }: Rulebook): readonly Instant[] => [-Infinity, ...edges.map(e => e.at)]

/** A case sees of an order only who comes first: whether that is the same for every class in the circumstances of every case. */
function leadsAlike({ rulebook, cases }: Suite, mutated: Rulebook): boolean {
  const classes = registeredClasses(rulebook)
  return cases.every(one => {
    const { app: _, data: __, ...circumstances } = one.asked.trusted
    const isSame = (before: Rulebook, after: Rulebook, asked: Asked): boolean => decide(before, asked, one.at).permitted[0] === decide(after, asked, one.at).permitted[0]
    return isSame(bookFor(rulebook, one), bookFor(mutated, one), one.asked)
      && classes.every(({ asked }) => isSame(rulebook, mutated, { trusted: { ...circumstances, ...asked.trusted } }))
  })
}
