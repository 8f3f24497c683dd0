/**
 * What this is for: single values of policy files, typed: countries, durations, dates, zones, names that must exist.
 *
 * What it assumes: the file has the shape of its kind, or that has been said. What it promises: a value that cannot be
 * read gives undefined and a problem, never a guess.
 */
import { countryName, isCountry, nearestCountry } from '../policy/countries.ts'
import { NOT_COLLECTED, type FactDefinition } from '../policy/facts.ts'
import type { Instant, Term, Window } from '../policy/rule.ts'
import { endOf, isZone, readLocal, startOf } from '../policy/time.ts'
import { listed, nearest } from './nearest.ts'
import { valueOf, type Scalar, type Spot, type Tree } from './parse.ts'
import type { Problem } from './problem.ts'

/** Everything that has a name somewhere in the tree. */
export type Names = {
  readonly apps: ReadonlySet<string>
  readonly deployments: ReadonlySet<string>
  readonly models: ReadonlySet<string>
  readonly providers: ReadonlySet<string>
  /** Providers that are asked which models they hold. */
  readonly discovering: ReadonlySet<string>
  readonly labels: ReadonlyMap<string, string | undefined>
  readonly groups: ReadonlyMap<string, 'countries' | 'certificates'>
  /** Kinds of names of which a file could not be read: a name that is missing there is not called missing. */
  readonly incomplete: ReadonlySet<'app' | 'catalog' | 'labels' | 'group' | 'policy'>
}

export type Report = (problem: Problem) => void

/** Every use of a word of an open vocabulary, by fact. */
export type OpenWords = Map<string, Map<string, { readonly file: string; readonly at: Spot | undefined }[]>>

export class Reading {
  readonly file: string
  readonly names: Names
  readonly #report: Report
  readonly #openWords: OpenWords

  constructor(file: string, names: Names, report: Report, openWords: OpenWords) {
    this.file = file
    this.names = names
    this.#report = report
    this.#openWords = openWords
  }

  /** Refuses; returns undefined so that a reader can end with it. */
  refuse(at: Spot, rule: string, wrong: string, write: string): undefined {
    this.#report({ file: this.file, line: at.line, column: at.column, severity: 'error', rule, wrong, write })
    return undefined
  }

  warn(at: Spot, rule: string, wrong: string, write: string): void {
    this.#report({ file: this.file, line: at.line, column: at.column, severity: 'warning', rule, wrong, write })
  }

  /** The scalar under a word, if there is one. */
  scalar(tree: Tree, key: string): Scalar | undefined {
    const value = valueOf(tree, key)
    return value?.kind === 'scalar' ? value : undefined
  }

  text(tree: Tree, key: string): string | undefined {
    return this.scalar(tree, key)?.text
  }

  /** A list, or one value without brackets; undefined when the word is absent. */
  list(tree: Tree, key: string): readonly Scalar[] | undefined {
    const value = valueOf(tree, key)
    return value === undefined ? undefined : this.scalars(value)
  }

  scalars(value: Tree): readonly Scalar[] {
    if (value.kind === 'list') return value.items.filter(item => item.kind === 'scalar' && !item.broken) as readonly Scalar[]
    return value.kind === 'scalar' && !value.broken ? [value] : []
  }

  /** Blocks in a list, or one block without the dash. */
  blocks(tree: Tree, key: string): readonly Tree[] {
    const value = valueOf(tree, key)
    return value === undefined ? [] : value.kind === 'list' ? value.items : [value]
  }

  hours(scalar: Scalar | undefined): number | undefined {
    const read = scalar === undefined ? null : /^(\d{1,6})([dh])$/.exec(scalar.text)
    if (read === null) return scalar && this.refuse(scalar, 'wrong-form', `${scalar.text} is not a duration`, 'write a whole number and d or h, such as 30d or 12h')
    return Number(read[1]) * (read[2] === 'd' ? 24 : 1)
  }

  count(scalar: Scalar | undefined): number | undefined {
    if (scalar === undefined) return undefined
    return /^\d{1,9}$/.test(scalar.text) ? Number(scalar.text) : this.refuse(scalar, 'wrong-form', `${scalar.text} is not a whole number`, 'write digits only')
  }

  country(scalar: Scalar, groups: boolean): string | undefined {
    if (isCountry(scalar.text)) return scalar.text
    const { text } = scalar
    const group = [...this.names.groups].filter(([, of]) => of === 'countries').map(([name]) => name)
    const meant = nearestCountry(text)
    if (text.toUpperCase() === 'EU') {
      return this.refuse(scalar, 'not-a-country', `${text} is not a country; did you mean the group eu or eea?`,
        groups ? 'write the name of a group' : 'a fact names countries: list them')
    }
    if (!groups && this.names.groups.has(text)) {
      return this.refuse(scalar, 'not-a-country', `${text} is a group, and a fact names countries`, 'list the countries')
    }
    if (this.names.groups.has(text)) {
      return this.refuse(scalar, 'wrong-group', `${text} is a group of certificates, not of countries`, 'name a country, or a group of countries')
    }
    if (meant !== undefined && /^[A-Z]{2}$/.test(text)) return this.refuse(scalar, 'not-a-country', `${text} is not an ISO code, use ${meant}.`, `write ${meant}`)
    if (meant !== undefined) {
      return this.refuse(scalar, 'not-a-country', `${text} is not a country code. Did you mean ${meant} (${countryName(meant)!})?`, `write ${meant}`)
    }
    const near = groups ? nearest(text, group) : undefined
    if (near !== undefined) return this.refuse(scalar, 'not-a-country', `${text} is not a country code. Did you mean the group ${near}?`, `write ${near}`)
    if (groups && this.names.incomplete.has('group')) return undefined
    return this.refuse(scalar, 'not-a-country', `${text} is not a country code${groups ? ' or a group' : ''}.`, 'use a code of ISO 3166, such as FR or CA-QC')
  }

  /** A country or a group of countries, as a term. */
  place(scalar: Scalar): Term | undefined {
    if (this.names.groups.get(scalar.text) === 'countries') return { group: scalar.text }
    const value = this.country(scalar, true)
    return value === undefined ? undefined : { value }
  }

  label(scalar: Scalar): string | undefined {
    if (this.names.labels.has(scalar.text)) return scalar.text
    return this.#missing(scalar, 'label', this.names.labels.keys(), 'labels')
  }

  /** One element of a fact as a rule writes it. */
  term(fact: FactDefinition, scalar: Scalar): Term | undefined {
    const { text } = scalar
    if (text === 'unknown') return this.refuse(scalar, 'unknown-asked', 'unknown cannot be asked for in a rule', 'leave it out; what is not known never satisfies a rule')
    if (text === NOT_COLLECTED) return this.refuse(scalar, 'not-collected', 'not-collected is a value for assume only', 'leave it out')
    if (fact.type === 'country') return this.place(scalar)
    if (fact.name === 'certificates' && this.names.groups.get(text) === 'certificates') return { group: text }
    if (fact.name === 'certificates' && this.names.groups.has(text)) {
      return this.refuse(scalar, 'wrong-group', `${text} is a group of countries, not of certificates`, 'name a certificate, or a group of certificates')
    }
    if (fact.type === 'model' && text.endsWith('/*')) return this.vendor(scalar)
    const value = this.element(fact, scalar)
    return value === undefined ? undefined : { value }
  }

  /** One element of a fact as a value. */
  element(fact: FactDefinition, scalar: Scalar): string | number | undefined {
    const { text } = scalar
    switch (fact.type) {
      case 'country': return this.country(scalar, false)
      case 'label': return this.label(scalar)
      case 'closed':
        if (fact.words!.includes(text)) return text
        return this.refuse(scalar, 'unknown-value', `${text} is not a value of ${fact.name}.`, `write ${listed(fact.words!)}`)
      case 'yes-no': return text === 'yes' || text === 'no' ? text : this.refuse(scalar, 'not-yes-or-no', `${text} is neither yes nor no`, 'write yes or no')
      case 'number': return this.count(scalar)
      case 'duration': return this.hours(scalar)
      case 'app': return this.names.apps.has(text) ? text : this.#missing(scalar, 'app', this.names.apps, 'app')
      case 'provider': return this.names.providers.has(text) ? text : this.#missing(scalar, 'provider', this.names.providers, 'catalog')
      case 'deployment': return this.deployment(scalar)
      case 'model': return this.model(scalar)
      case 'open': case 'free':
        if (text === '') return this.refuse(scalar, 'no-value', `${fact.name} is empty`, 'write a word')
        if (fact.type === 'open') this.use(fact.name, scalar)
        return text
    }
  }

  /** Notes the use of a word of an open vocabulary. */
  use(fact: string, scalar: Scalar, place = true): void {
    const words = this.#openWords.get(fact) ?? new Map<string, { readonly file: string; readonly at: Spot | undefined }[]>()
    this.#openWords.set(fact, words)
    const uses = words.get(scalar.text) ?? []
    words.set(scalar.text, uses)
    uses.push({ file: this.file, at: place ? scalar : undefined })
  }

  deployment(scalar: Scalar): string | undefined {
    const { text } = scalar
    const colon = text.indexOf(':')
    if (this.names.deployments.has(text) || (colon > 0 && this.names.discovering.has(text.slice(0, colon)))) return text
    return this.#missing(scalar, 'deployment', this.names.deployments, 'catalog')
  }

  model(scalar: Scalar): string | undefined {
    const { text } = scalar
    if (this.names.models.has(text) || (text.includes('/') && this.names.discovering.has(text.slice(0, text.indexOf('/'))))) return text
    if (text.includes('*')) return this.refuse(scalar, 'wildcard', `${text} is not a model: * stands only as vendor/*`, 'write vendor/*, or name the models')
    return this.#missing(scalar, 'model', this.names.models, 'catalog')
  }

  /** `vendor/*`, which must match something that is there or may be discovered. */
  vendor(scalar: Scalar): Term | undefined {
    const vendor = scalar.text.slice(0, -2)
    const vendors = new Set([...this.names.models].filter(m => m.includes('/')).map(m => m.slice(0, m.indexOf('/'))).concat(...this.names.discovering))
    const known = !vendor.includes('*') && vendor !== '' && ([...this.names.models].some(m => m.startsWith(`${vendor}/`)) || this.names.discovering.has(vendor))
    if (known) return { value: scalar.text }
    if (this.names.incomplete.has('catalog')) return undefined
    const meant = nearest(vendor, vendors)
    return this.refuse(scalar, 'unknown-model', `${scalar.text} matches no model of the catalog.${meant === undefined ? '' : ` Did you mean ${meant}/*?`}`,
      meant === undefined ? `vendors are ${listed(vendors, 'and')}` : `write ${meant}/*`)
  }

  /** A model or `vendor/*`, as text. */
  modelOrVendor(scalar: Scalar): string | undefined {
    if (!scalar.text.endsWith('/*')) return this.model(scalar)
    return this.vendor(scalar) === undefined ? undefined : scalar.text
  }

  #missing(scalar: Scalar, what: string, names: Iterable<string>, kind: 'app' | 'catalog' | 'labels'): undefined {
    if (this.names.incomplete.has(kind)) return undefined
    const all = [...names]
    const meant = nearest(scalar.text, all)
    const wrong = `There is no ${what} ${scalar.text}.`
    return meant === undefined
      ? this.refuse(scalar, `unknown-${what}`, wrong, all.length === 0 ? `define the ${what} first` : `there is ${listed(all, 'and')}`)
      : this.refuse(scalar, `unknown-${what}`, `${wrong} Did you mean ${meant}?`, `write ${meant}`)
  }

  zone(tree: Tree): string | undefined {
    const scalar = this.scalar(tree, 'timezone')
    if (scalar === undefined || isZone(scalar.text)) return scalar?.text
    return this.refuse(scalar, 'unknown-zone', `${scalar.text} is not a time zone`, 'write an IANA name, such as Europe/Brussels')
  }

  /** The text of a date or local time that exists. */
  time(tree: Tree, key: string): Scalar | undefined {
    const scalar = this.scalar(tree, key)
    if (scalar === undefined || readLocal(scalar.text) !== undefined) return scalar
    return this.refuse(scalar, 'no-such-day', `${scalar.text} is not a day or time that exists`, 'write a date, such as 2026-11-30')
  }

  /** A bare date that never changes a decision. */
  day(tree: Tree, key: string): string | undefined {
    return this.time(tree, key)?.text
  }

  /** The instant at which something that loosens is over: the earlier reading. */
  over(tree: Tree, key: string, zone: string | undefined): Instant | undefined {
    const scalar = this.time(tree, key)
    return scalar === undefined || zone === undefined ? undefined : endOf(scalar.text, zone, 'earlier')
  }

  /** The window of `from` and `until`: the longer reading for what restricts, the shorter for what loosens. */
  window(tree: Tree, zone: string | undefined, reading: 'longer' | 'shorter'): Window | undefined {
    const from = this.time(tree, 'from'), until = this.time(tree, 'until')
    if (zone === undefined) return undefined
    const longer = reading === 'longer'
    const window = {
      from: from === undefined ? -Infinity : startOf(from.text, zone, longer ? 'earlier' : 'later'),
      until: until === undefined ? Infinity : endOf(until.text, zone, longer ? 'later' : 'earlier'),
    }
    if (until !== undefined && window.until <= window.from) {
      return this.refuse(until, 'empty-window', `until ${until.text} does not come after from ${from?.text ?? ''}`, 'write a later until')
    }
    return window
  }
}
