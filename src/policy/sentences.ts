/**
 * What this is for: a rulebook printed back as English sentences, exact enough to be signed and to be read back.
 * What it assumes: a compiled rulebook. What it promises: everything that can change a decision is said, and what is not
 * known is said where it matters; the order of files, rules, keys and lists never shows, nor does anything else that
 * changes no meaning. It prints what the policies say, not what follows from them.
 */
import { DEPLOYMENT_FACTS, REQUEST_FACTS, type FactDefinition } from './facts.ts'
import { country, duration, holdsAlways, inOrder, instant, listed, model, place, printBlock, quote, sortedOnce, span, stated, word, zonesOf, type Line, type Zones } from './phrases.ts'
import type { App, Block, Duties, Exception, Group, Rule, RuledDeployment, Rulebook, Window } from './rule.ts'

export { printBlock } from './phrases.ts'
export type { Line } from './phrases.ts'

/** One rule, exception, group, label, app, deployment or word. */
export type Entry = { readonly name: string; readonly heading: string; readonly lines: readonly Line[] }
export type Section = { readonly title: string; readonly entries: readonly Entry[] }

/** What every sentence leans on, in sentences. */
export const HOW_TO_READ: readonly string[] = [
  'A request may use the deployments that its app is granted and that no rule forbids. Where none is left, it is refused.',
  'Every fact is either known or not known. What is absent, cannot be read or is past its date is not known.',
  '"All of these" holds when each part is known to hold, and does not hold when one part is known not to; "at least one of these" holds when one part is known to hold, and does not hold when each is known not to. Otherwise it is not known.',
  '"From" an instant includes it and "until" an instant does not. Days are whole days of 24 hours.',
  'A list that names a country names its parts as well. Where a list names only a part of a country and a fact names the whole of it, it is not known whether the fact is in the list.',
  '"Includes nothing but" and "does not include" hold of what is known to be empty.',
  'A group stands for the members it has at the instant of the decision. A label carries the labels it is said to be also.',
  '"not-collected" is a known value that is in no list.',
  'A request that contradicts its registration, or whose caller adds to what is known of it, is decided under each reading, and a deployment must be permitted under all of them.',
  'Of several rules, everything is redacted that one of them redacts, as little is logged as one of them says, records and answers are kept only where all of them let them be kept, everybody is notified, evidence is kept for the longest time, and no other deployment goes on with an answer that breaks off and a salted digest of the request is put on record if one of them says so.',
  'The duties of a rule are owed for every request it applies to while it is enforced, whichever deployment answers.',
  'Preferences add up: a deployment counts 0 when the first condition is known to hold, 1 when it is the second and so on, and as many as there are conditions when it is none. The lowest sum comes first; then the cheapest, then the one whose name comes first.',
  'To an exception, data that nobody stated is not known. An exception frees a deployment of its rule and leaves the duties of that rule.',
]

const sentence = (text: string): Line => ({ depth: 1, text: `${text}.` })
const quoted = (what: string, text: string | undefined): readonly Line[] => (text === undefined ? [] : [{ depth: 1, text: `${what}: ${quote(text)}` }])
const over = (text: string, items: readonly Line[]): readonly Line[] => [{ depth: 1, text: `${text}:` }, ...items]

/** A sentence about everything, or about that for which a condition holds. */
const about = (what: string, block: Block, unknown: 'counts' | 'does not count'): readonly Line[] =>
  (holdsAlways(block) ? [sentence(what)]
    : over(`${what} for which this ${unknown === 'counts' ? 'holds or is not known' : 'is known to hold'}`, printBlock(block, 2)))

const inForce = (window: Window, zones: Zones): Line => sentence(`It is in force${span(window, zones) || ' always'}`)

export function printRule(rule: Rule, zones: Zones = new Map()): Entry {
  return {
    name: rule.name,
    heading: `Rule ${word(rule.name)}`,
    lines: [
      ...quoted('Title', rule.title),
      ...(rule.directive ? [sentence('It belongs to a directive')] : []),
      inForce(rule.window, zones),
      ...about('It applies to every request', rule.when, 'counts'),
      ...effect(rule),
      ...mode(rule, zones),
      ...duties(rule.duties),
      exceptionsTo(rule),
      ...quoted('Because', rule.because),
      ...quoted('Law', rule.law),
    ],
  }
}

function effect({ effect: kind, blocks }: Rule): readonly Line[] {
  switch (kind) {
    case 'forbid': return about('It forbids every deployment', blocks[0]!, 'counts')
    case 'require': return holdsAlways(blocks[0]!) ? [sentence('It requires nothing of a deployment')] : over('It forbids every deployment but those for which this is known to hold', printBlock(blocks[0]!, 2))
    case 'prefer': return over('It forbids nothing and prefers deployments by the first of these that is known to hold, the others last', blocks.flatMap(block => printBlock(block, 2)))
  }
}

function mode({ mode: kind, modeUntil, enforceFor }: Rule, zones: Zones): readonly Line[] {
  if (kind === 'enforce') return [sentence('It is enforced')]
  const does = kind === 'warn' ? 'it only warns of what it would forbid' : 'it only records, in shadow, what it would forbid'
  return [
    sentence(modeUntil === Infinity ? `Without end ${does}` : `Until ${instant(modeUntil, zones)} ${does}, and from then on it is enforced`),
    ...(enforceFor === undefined ? [] : about('Even so it is enforced for every request', enforceFor, 'counts')),
  ]
}

const LOGGED = { none: 'nothing of the content', metadata: 'only metadata', full: 'all of the content' } as const

function duties({ redact, log, logIn, cache, notify, retainEvidence, rescue, requestDigest, header }: Duties): readonly Line[] {
  const words = (list: readonly string[]): string => listed(list.map(word), 'and')
  return [
    ...(redact === undefined ? [] : [sentence(`It redacts ${words(redact)}`)]),
    ...(log === undefined ? [] : [sentence(`It lets ${LOGGED[log]} be logged`)]),
    ...(logIn === undefined ? [] : [sentence(`It lets records be kept only in ${listed(logIn.map(place), 'or')}`)]),
    ...(cache === undefined ? [] : [sentence(cache.length === 0 ? 'It lets no answer be cached' : `It lets answers be cached only by ${words(cache)}`)]),
    ...(notify === undefined ? [] : [sentence(`It notifies ${words(notify)}`)]),
    ...(retainEvidence === undefined ? [] : [sentence(`It has evidence kept for ${duration(retainEvidence)}`)]),
    ...(rescue === undefined ? [] : [sentence('It lets no other deployment go on with an answer that breaks off')]),
    ...(requestDigest === undefined ? [] : [sentence('It puts a salted digest of the request on record')]),
    ...Object.entries(header ?? {}).sort(([a], [b]) => inOrder(a, b)).map(([name, value]) => sentence(`It puts the header ${quote(name)} on the answer with the value ${quote(value)}`)),
  ]
}

function exceptionsTo({ exceptions: { allowed, atMostDays, approvers } }: Rule): Line {
  if (!allowed) return sentence('It allows no exception')
  const length = atMostDays === undefined ? 'of any length' : `of at most ${duration(atMostDays * 24)}`
  return sentence(`It allows exceptions ${length}, approved by ${approvers.length === 0 ? 'nobody' : listed(approvers.map(quote), 'or')}`)
}

const CATEGORIES = { waiver: 'It is a waiver: the risk is accepted', mitigated: 'It is mitigated: the data is protected in another way' } as const

export function printException(exception: Exception, zones: Zones = new Map()): Entry {
  return {
    name: exception.name,
    heading: `Exception ${word(exception.name)} to the rule ${word(exception.rule)}`,
    lines: [
      inForce(exception.window, zones),
      ...about('It applies to every request', exception.for, 'does not count'),
      ...about('It frees every deployment', exception.models, 'does not count'),
      sentence(CATEGORIES[exception.category]),
      ...quoted('Reason', exception.reason), ...quoted('Ticket', exception.ticket),
      ...quoted('Requested by', exception.requestedBy), ...quoted('Approved by', exception.approvedBy),
    ],
  }
}

export function printGroup({ name, of, members, source, asOf, reviewBy }: Group, zones: Zones = new Map()): Entry {
  const windows = [...new Map(members.map(m => [`${m.window.from} ${m.window.until}`, m.window])).values()].sort((a, b) => by(a.from, b.from) || by(a.until, b.until))
  return {
    name,
    heading: `Group ${word(name)} of ${of}`,
    lines: [
      ...(members.length === 0 ? [sentence('It has no members')] : windows.map(window => {
        const these = members.filter(m => m.window.from === window.from && m.window.until === window.until).map(m => (of === 'countries' ? country(m.value) : word(m.value)))
        return sentence(`Members${span(window, zones) || ' always'}: ${listed(these, 'and')}`)
      })),
      sentence(`It is as of ${asOf}, to be reviewed by ${reviewBy}`),
      ...quoted('Source', source),
    ],
  }
}

const by = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0)

const printLabel = (name: string, parent: string | undefined): Entry =>
  ({ name, heading: `Label ${word(name)} is ${parent === undefined ? 'by itself' : `also ${word(parent)}`}`, lines: [] })

export function printApp(app: App, zones: Zones = new Map()): Entry {
  const registered = Object.entries(app.registered).filter(([, value]) => value !== undefined)
  return {
    name: app.name,
    heading: `App ${word(app.name)}`,
    lines: [
      ...quoted('Title', app.title), ...quoted('Owner', app.owner),
      ...grants(app),
      sentence(app.mayCarry === undefined ? 'It does not say what data it may carry: where its request does not say either, the data is not known'
        : app.mayCarry.length === 0 ? 'It may carry no labelled data: a request that does not say counts as carrying none, and one that states a label is refused'
          : `Its request that does not say its data counts as carrying all that it may carry, and one that states another label is refused; it may carry ${listed(app.mayCarry.map(word), 'and')}`),
      ...(app.mayAssert.length === 0 ? [] : [sentence(`It is trusted to state ${listed(app.mayAssert, 'and')}`)]),
      ...(registered.length === 0 ? [] : over('This is registered of its requests', facts(registered.map(([fact, value]) => `${fact} is ${stated(fact, value!)}`)))),
      // INVARIANT: of two assumptions about one fact the later speaks, so their order stays.
      ...app.assumptions.toSorted((a, b) => inOrder(a.fact, b.fact)).map(({ fact, value, basis, owner, until }) => sentence(
        `${until === Infinity ? 'Without end' : `Until ${instant(until, zones)}`}, on the basis ${quote(basis)} for which ${quote(owner)} answers, where nobody states it ${fact} counts as ${stated(fact, value)}`)),
    ],
  }
}

const facts = (texts: readonly string[]): readonly Line[] => sortedOnce(texts).map(text => ({ depth: 2, text }))

function grants({ grants: granted }: App): readonly Line[] {
  if (granted === 'all') return [sentence('It is granted every deployment')]
  const models = granted.flatMap(g => ('model' in g ? g.model : [])), deployments = granted.flatMap(g => ('deployment' in g ? g.deployment : []))
  const some = [
    ...(models.length === 0 ? [] : [sentence(`It is granted every deployment of the model ${listed(models.map(model), 'or')}`)]),
    ...(deployments.length === 0 ? [] : [sentence(`It is granted by name the deployment ${listed(deployments.map(word), 'and')}`)]),
  ]
  return some.length === 0 ? [sentence('It is granted no deployment')] : some
}

export function printDeployment({ name, model: of, provider, facts: known, price }: RuledDeployment, zones: Zones = new Map()): Entry {
  const believed = Object.entries(known).flatMap(([fact, dated]) => (dated === undefined ? [] : [{ fact, ...dated }]))
  const ends = [...new Set(believed.map(f => f.goodUntil))].sort(by)
  return {
    name,
    heading: `Deployment ${word(name)}`,
    lines: [
      sentence(`It is the model ${word(of)} at the provider ${word(provider)}`),
      sentence(price === undefined ? 'Its price is not stated, which counts as dearest' : `Its price for a million tokens in and a million out is ${price}`),
      ...ends.flatMap(end => over(`This is known of it${span({ from: -Infinity, until: end }, zones) || ' always'}`,
        facts(believed.filter(f => f.goodUntil === end).map(f => `${f.fact} is ${stated(f.fact, f.value)}`)))),
    ],
  }
}

const explained = ({ name, says }: FactDefinition): Entry => ({ name, heading: `${name}: ${says}`, lines: [] })

/** The whole rulebook, each kind by name; the facts of the deployments only when asked for. */
export function sentencesOf(rulebook: Rulebook, { catalog }: { readonly catalog: boolean }): readonly Section[] {
  const zones = zonesOf(rulebook.edges)
  const section = (title: string, entries: readonly Entry[]): Section => ({ title, entries: entries.toSorted((a, b) => inOrder(a.name, b.name)) })
  return [
    section('Rules', rulebook.rules.map(r => printRule(r, zones))),
    section('Exceptions', rulebook.exceptions.map(e => printException(e, zones))),
    section('Groups', [...rulebook.groups.values()].map(g => printGroup(g, zones))),
    section('Labels', [...rulebook.labels].map(([name, parent]) => printLabel(name, parent))),
    section('Apps', [...rulebook.apps.values()].map(a => printApp(a, zones))),
    ...(catalog ? [section('Deployments', rulebook.deployments.map(d => printDeployment(d, zones)))] : []),
    section('Words', [...REQUEST_FACTS, ...DEPLOYMENT_FACTS].map(explained)),
  ]
}

/** Sections as plain text: a heading at the margin, its sentences two spaces in, the parts of a sentence as a list below it. */
export function printSections(sections: readonly Section[]): string {
  return sections.filter(s => s.entries.length > 0).map(({ title, entries }) => `${title.toUpperCase()}\n\n${entries.map(printEntry).join('')}`)
    .map(text => `${text.trimEnd()}\n`).join('\n')
}

function printEntry({ heading, lines }: Entry): string {
  if (lines.length === 0) return `${heading}\n`
  return `${heading}\n${lines.map(({ depth, text }) => `${'  '.repeat(depth)}${depth > 1 ? '- ' : ''}${text}\n`).join('')}\n`
}
