/**
 * What this is for: an independent reader of printed sentences. It turns the text back into a rulebook, so that what was
 * signed can be held against what decides.
 * What it assumes: text as `printSections` writes it, deployments included. What it promises: it shares nothing with the
 * printer but the vocabulary of facts, and a line that it does not understand is an error.
 */
import { CLASSIFICATIONS, deploymentFacts, requestFacts } from '../../src/policy/facts.ts'
import type { FactDefinition, Value } from '../../src/policy/facts.ts'
import type { App, Assumption, Block, DatedFact, Duties, Exception, Grant, Group, LogLevel, Matcher, Rule, RuledDeployment, Rulebook, Term, Window } from '../../src/policy/rule.ts'

const NOWHERE = { file: 'read back', line: 1, column: 1 }
const ALL: Block = { kind: 'all' }

/** A line and the lines below it. */
type Node = { readonly text: string; readonly under: Node[] }

export function readSentences(text: string): Omit<Rulebook, 'edges'> {
  const sections = new Map<string, Node[]>()
  for (const page of text.split(/\n(?=[A-Z]{4,}\n)/)) {
    const [title, ...lines] = page.split('\n')
    sections.set(title!, treeOf(lines.filter(line => line !== '')))
  }
  const entries = (title: string): readonly Node[] => sections.get(title) ?? []
  const named = <T extends { readonly name: string }>(list: readonly T[]): Map<string, T> => new Map(list.map(one => [one.name, one]))
  return {
    rules: entries('RULES').map(readRule),
    exceptions: entries('EXCEPTIONS').map(readException),
    groups: named(entries('GROUPS').map(readGroup)),
    labels: new Map(entries('LABELS').map(({ text: line }) => {
      const words = new Words(line)
      words.expect('Label')
      const name = words.name()
      words.expect('is')
      return [name, words.next() === 'by' ? undefined : words.name()]
    })),
    apps: named(entries('APPS').map(readApp)),
    deployments: entries('DEPLOYMENTS').map(readDeployment),
  }
}

function treeOf(lines: readonly string[]): Node[] {
  const root: Node = { text: '', under: [] }
  const open: Node[] = [root]
  for (const line of lines) {
    const [, indent, dash, text] = /^((?: {2})*)(- )?(.*)$/.exec(line)!
    const depth = indent!.length / 2
    if ((dash !== undefined) !== depth > 1 || depth >= open.length) throw new Error(`does not stand where it should: ${line}`)
    const node: Node = { text: text!, under: [] }
    open.length = depth + 1
    open[depth]!.under.push(node)
    open.push(node)
  }
  return root.under
}

/** The words of a line: names, quoted texts with their quotes, commas. What stands in brackets is passed over. */
class Words {
  readonly #words: string[] = []
  readonly #line: string
  #at = 0

  constructor(line: string) {
    this.#line = line
    for (let rest = line.trimStart(); rest !== ''; rest = rest.trimStart()) {
      if (rest.startsWith('(')) {
        let depth = 0, end = 0
        do depth += rest[end] === '(' ? 1 : rest[end] === ')' ? -1 : 0; while (++end < rest.length && depth > 0)
        rest = rest.slice(end)
        continue
      }
      const [found] = /^"(?:[^"\\]|\\.)*"|^,|^[^\s,"(]+/.exec(rest) ?? this.fail()
      this.#words.push(found)
      rest = rest.slice(found.length)
    }
  }

  fail(): never { throw new Error(`cannot be read from word ${this.#at} on: ${this.#line}`) }
  peek(): string | undefined { return this.#words[this.#at] }
  next(): string { return this.#words[this.#at++] ?? this.fail() }
  expect(...words: readonly string[]): void { for (const word of words) if (this.next() !== word) this.fail() }
  accept(...words: readonly string[]): boolean {
    if (!words.every((word, i) => this.#words[this.#at + i] === word)) return false
    this.#at += words.length
    return true
  }
  end(): void { if (this.#at !== this.#words.length) this.fail() }
  name(): string {
    const word = this.next()
    return word.startsWith('"') ? JSON.parse(word) as string : word
  }
  /** The elements of a list that ends the line. */
  list<T>(joint: 'and' | 'or', read: () => T): T[] {
    if (this.accept('nothing')) return this.#ended([])
    const all = [read()]
    while (this.accept(',')) all.push(read())
    if (this.accept(joint)) all.push(read())
    else if (all.length > 1) this.fail()
    return this.#ended(all)
  }
  #ended<T>(value: T): T {
    this.end()
    return value
  }
  instant(): number {
    const at = Date.parse(this.next())
    return Number.isNaN(at) ? this.fail() : at
  }
  span(): Window {
    return { from: this.accept('from') ? this.instant() : -Infinity, until: this.accept('until') ? this.instant() : Infinity }
  }
}

/** A sentence without its full stop or the colon before its list. */
const wordsOf = ({ text }: Node): Words => new Words(/[.:]$/.test(text) ? text.slice(0, -1) : text)
const only = (nodes: readonly Node[]): Node => {
  if (nodes.length !== 1) throw new Error(`one condition is expected, not ${nodes.length}`)
  return nodes[0]!
}

function readElement(words: Words, { type }: FactDefinition): string | number {
  if (type !== 'number' && type !== 'duration') return words.name()
  const count = Number(words.next())
  if (!Number.isInteger(count)) words.fail()
  if (type === 'number') return count
  const unit = words.next()
  return unit.startsWith('day') ? count * 24 : unit.startsWith('hour') ? count : words.fail()
}

const factOf = (name: string): FactDefinition => {
  const fact = requestFacts.get(name) ?? deploymentFacts.get(name)
  if (fact === undefined) throw new Error(`${name} is no fact`)
  return fact
}

function readTerm(words: Words, fact: FactDefinition): Term {
  return words.accept('the', 'group') ? { group: words.name() } : { value: readElement(words, fact) }
}

function readBlock({ text, under }: Node): Block {
  if (text === 'all of these:') return { kind: 'and', parts: under.map(readBlock) }
  if (text === 'at least one of these:') return { kind: 'or', parts: under.map(readBlock) }
  if (text === 'in every case') return ALL
  const words = new Words(text)
  const fact = words.next()
  return { kind: 'fact', fact, match: readMatcher(words, factOf(fact)) }
}

function readMatcher(words: Words, fact: FactDefinition): Matcher {
  const terms = (): Term[] => words.list('or', () => readTerm(words, fact))
  const bound = (): number => {
    if (fact.name !== 'classification') return readElement(words, fact) as number
    const rank = (CLASSIFICATIONS as readonly string[]).indexOf(words.next())
    return rank < 0 ? words.fail() : rank
  }
  if (words.accept('is', 'at', 'least')) return { atLeast: bound() }
  if (words.accept('is', 'at', 'most')) return { atMost: bound() }
  if (words.accept('is', 'known')) return {}
  if (fact.shape === 'set') {
    if (words.accept('is', 'empty')) return { only: [] }
    if (words.accept('does', 'not', 'include')) return { none: terms() }
    if (words.accept('includes', 'nothing', 'but')) return { only: terms() }
    words.expect('includes')
    return { any: terms() }
  }
  if (words.accept('is', 'not')) return { none: terms() }
  words.expect('is')
  return { any: terms() }
}

/** Reads sentence by sentence; each reader says whether the sentence was its own. */
function readLines(entry: Node, read: (words: Words, line: Node) => void): void {
  for (const line of entry.under) {
    // A quoted text that ends a line is never cut: it ends in a quotation mark.
    const words = wordsOf(line)
    read(words, line)
  }
}

const aboutAll = (line: Node): Block => (line.under.length === 0 ? ALL : readBlock(only(line.under)))

function readRule(entry: Node): Rule {
  const heading = new Words(entry.text)
  heading.expect('Rule')
  const name = heading.name()
  const rule: { -readonly [key in keyof Rule]?: Rule[key] } = { directive: false, law: undefined, enforceFor: undefined }
  const duties: { -readonly [key in keyof Duties]: Duties[key] } = {}
  const headers: (readonly [name: string, value: string])[] = []
  readLines(entry, (words, line) => {
    const { text } = line
    if (words.accept('Title:')) rule.title = words.name()
    else if (words.accept('Because:')) rule.because = words.name()
    else if (words.accept('Law:')) rule.law = words.name()
    else if (text === 'It belongs to a directive.') rule.directive = true
    else if (words.accept('It', 'is', 'in', 'force')) rule.window = words.span()
    else if (text === 'It applies to every request.' || text === 'It applies to every request for which this holds or is not known:') rule.when = aboutAll(line)
    else if (text === 'It forbids every deployment.' || text === 'It forbids every deployment for which this holds or is not known:') [rule.effect, rule.blocks] = ['forbid', [aboutAll(line)]]
    else if (text === 'It requires nothing of a deployment.' || text === 'It forbids every deployment but those for which this is known to hold:') [rule.effect, rule.blocks] = ['require', [aboutAll(line)]]
    else if (text === 'It forbids nothing and prefers deployments by the first of these that is known to hold, the others last:') [rule.effect, rule.blocks] = ['prefer', line.under.map(readBlock)]
    else if (text === 'It is enforced.') [rule.mode, rule.modeUntil] = ['enforce', Infinity]
    else if (text.includes(' it only ')) {
      rule.modeUntil = words.accept('Until') ? words.instant() : Infinity
      rule.mode = text.includes(' it only warns ') ? 'warn' : 'shadow'
    } else if (text === 'Even so it is enforced for every request.' || text === 'Even so it is enforced for every request for which this holds or is not known:') rule.enforceFor = aboutAll(line)
    else if (words.accept('It', 'redacts')) duties.redact = words.list('and', () => words.name())
    else if (words.accept('It', 'lets', 'records', 'be', 'kept', 'only', 'in')) duties.logIn = words.list('or', () => readTerm(words, factOf('processed-in')))
    else if (words.accept('It', 'lets', 'answers', 'be', 'cached', 'only', 'by')) duties.cache = words.list('and', () => words.name()) as NonNullable<Duties['cache']>
    else if (text === 'It lets no answer be cached.') duties.cache = []
    else if (LOGGED.has(text)) duties.log = LOGGED.get(text)!
    else if (text === 'It lets no other deployment go on with an answer that breaks off.') duties.rescue = 'no'
    else if (text === 'It puts a salted digest of the request on record.') duties.requestDigest = 'yes'
    else if (words.accept('It', 'notifies')) duties.notify = words.list('and', () => words.name())
    else if (words.accept('It', 'has', 'evidence', 'kept', 'for')) duties.retainEvidence = readElement(words, factOf('retention')) as number
    else if (words.accept('It', 'puts', 'the', 'header')) {
      const key = words.name()
      words.expect('on', 'the', 'answer', 'with', 'the', 'value')
      headers.push([key, words.name()])
    } else if (text === 'It allows no exception.') rule.exceptions = { allowed: false, atMostDays: undefined, approvers: [] }
    else if (words.accept('It', 'allows', 'exceptions', 'of')) {
      const atMostDays = words.accept('any', 'length') ? undefined : (words.expect('at', 'most'), readElement(words, factOf('retention')) as number / 24)
      words.expect(',', 'approved', 'by')
      rule.exceptions = { allowed: true, atMostDays, approvers: words.peek() === 'nobody' ? [] : words.list('or', () => words.name()) }
    } else words.fail()
  })
  if (headers.length > 0) duties.header = Object.fromEntries(headers)
  const slash = name.indexOf('/')
  return { ...rule as Rule, name, policy: name.slice(0, slash), id: name.slice(slash + 1), place: NOWHERE, duties }
}

const LOGGED: ReadonlyMap<string, LogLevel> = new Map([
  ['It lets nothing of the content be logged.', 'none'], ['It lets only metadata be logged.', 'metadata'], ['It lets all of the content be logged.', 'full'],
])

function readException(entry: Node): Exception {
  const heading = new Words(entry.text)
  heading.expect('Exception')
  const exception: { -readonly [key in keyof Exception]?: Exception[key] } = { name: heading.name(), place: NOWHERE }
  heading.expect('to', 'the', 'rule')
  exception.rule = heading.name()
  readLines(entry, (words, line) => {
    const { text } = line
    if (words.accept('It', 'is', 'in', 'force')) exception.window = words.span()
    else if (text === 'It applies to every request.' || text === 'It applies to every request for which this is known to hold:') exception.for = aboutAll(line)
    else if (text === 'It frees every deployment.' || text === 'It frees every deployment for which this is known to hold:') exception.models = aboutAll(line)
    else if (words.accept('It', 'is', 'a', 'waiver:')) exception.category = 'waiver'
    else if (words.accept('It', 'is', 'mitigated:')) exception.category = 'mitigated'
    else if (words.accept('Reason:')) exception.reason = words.name()
    else if (words.accept('Ticket:')) exception.ticket = words.name()
    else if (words.accept('Requested', 'by:')) exception.requestedBy = words.name()
    else if (words.accept('Approved', 'by:')) exception.approvedBy = words.name()
    else words.fail()
  })
  return exception as Exception
}

function readGroup(entry: Node): Group {
  const heading = new Words(entry.text)
  heading.expect('Group')
  const name = heading.name()
  heading.expect('of')
  const of = heading.next() as Group['of']
  const members: Group['members'][number][] = []
  let asOf = '', reviewBy = '', source = ''
  readLines(entry, (words, line) => {
    const dates = /^It is as of (\S+), to be reviewed by (\S+)\.$/.exec(line.text)
    if (line.text === 'It has no members.') return
    if (dates !== null) [asOf, reviewBy] = [dates[1]!, dates[2]!]
    else if (words.accept('Source:')) source = words.name()
    else {
      const [, when, list] = /^Members(?: always)?(.*?): (.*)\.$/.exec(line.text) ?? words.fail()
      const window = new Words(when!).span()
      const listed = new Words(list!)
      members.push(...listed.list('and', () => ({ value: listed.name(), window })))
    }
  })
  return { name, of, members, source, asOf, reviewBy, place: NOWHERE }
}

/** `is X` or `is exactly X and Y`, the verb already read; a set stands without `exactly` only where it is no set. */
function readValue(words: Words, fact: FactDefinition): Value {
  if (words.accept('exactly')) return words.list('and', () => String(readElement(words, fact)))
  const value = words.peek() === 'not-collected' ? words.next() : readElement(words, fact)
  words.end()
  return value
}

function readFact({ text }: Node): readonly [string, Value] {
  const words = new Words(text)
  const fact = words.next()
  words.expect('is')
  return [fact, readValue(words, factOf(fact))]
}

function readApp(entry: Node): App {
  const heading = new Words(entry.text)
  heading.expect('App')
  const app: { -readonly [key in keyof App]?: App[key] } = { name: heading.name(), title: undefined, registered: {}, mayCarry: undefined, mayAssert: [], place: NOWHERE }
  const grants: Grant[] = [], assumptions: Assumption[] = []
  readLines(entry, (words, line) => {
    const { text } = line
    const carried = /; it may carry (.*)\.$/.exec(text)
    if (words.accept('Title:')) app.title = words.name()
    else if (words.accept('Owner:')) app.owner = words.name()
    else if (text === 'It is granted every deployment.') app.grants = 'all'
    else if (text === 'It is granted no deployment.') app.grants = []
    else if (words.accept('It', 'is', 'granted', 'every', 'deployment', 'of', 'the', 'model')) grants.push({ model: words.list('or', () => words.name()) })
    else if (words.accept('It', 'is', 'granted', 'by', 'name', 'the', 'deployment')) grants.push({ deployment: words.list('and', () => words.name()) })
    else if (text.startsWith('It does not say what data it may carry: ')) app.mayCarry = undefined
    else if (text.startsWith('It may carry no labelled data: ')) app.mayCarry = []
    else if (carried !== null) {
      const labels = new Words(carried[1]!)
      app.mayCarry = labels.list('and', () => labels.name())
    } else if (words.accept('It', 'is', 'trusted', 'to', 'state')) app.mayAssert = words.list('and', () => words.name())
    else if (text === 'This is registered of its requests:') app.registered = Object.fromEntries(line.under.map(readFact))
    else {
      const until = words.accept('Until') ? words.instant() : (words.expect('Without', 'end'), Infinity)
      words.expect(',', 'on', 'the', 'basis')
      const basis = words.name()
      words.expect('for', 'which')
      const owner = words.name()
      words.expect('answers', ',', 'where', 'nobody', 'states', 'it')
      const fact = words.next()
      words.expect('counts', 'as')
      assumptions.push({ fact, value: readValue(words, factOf(fact)), basis, owner, until, place: NOWHERE })
    }
  })
  return { ...app as App, grants: app.grants ?? grants, assumptions }
}

function readDeployment(entry: Node): RuledDeployment {
  const heading = new Words(entry.text)
  heading.expect('Deployment')
  const name = heading.name()
  const facts: Record<string, DatedFact> = {}
  let model = '', provider = '', price: number | undefined
  readLines(entry, (words, line) => {
    if (words.accept('It', 'is', 'the', 'model')) {
      model = words.name()
      words.expect('at', 'the', 'provider')
      provider = words.name()
    } else if (words.accept('Its', 'price', 'for', 'a', 'million', 'tokens', 'in', 'and', 'a', 'million', 'out', 'is')) price = Number(words.next())
    else if (words.accept('This', 'is', 'known', 'of', 'it')) {
      const { until: goodUntil } = words.span()
      for (const [fact, value] of line.under.map(readFact)) facts[fact] = { value, goodUntil }
    } else if (!words.accept('Its', 'price', 'is', 'not', 'stated')) words.fail()
  })
  return { name, model, provider, facts, price }
}
