/**
 * What this is for: the cases of *.test.yaml files, read, and one case's expectations held against one answer. It knows
 * nothing of how the answer was made: `decide`, `explain`, the oracle and a listening server are asked the same cases.
 * What it assumes: the answer has the machine form of policy-language, section 10.
 * What it promises: a case that expects nothing, or that names a word nobody checks, is an error and not a success.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { CORE_SCHEMA, load } from 'js-yaml'

/** Request facts by name, as JSON would give them. */
export type GivenFacts = { readonly [fact: string]: unknown }

export type PolicyCase = {
  readonly file: string
  readonly name: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** Trusted facts; `app` is one of them. */
  readonly request: GivenFacts
  /** Stands for what the app may carry; undefined leaves the registration alone. */
  readonly mayCarry: readonly string[] | undefined
  /** A catalog to use in place of the tree's own, relative to the tree. */
  readonly catalog: string | undefined
  readonly expects: Expectations
}

export type Expectations = {
  readonly allowed?: readonly string[]
  readonly excluded?: { readonly [deployment: string]: string | readonly string[] }
  readonly 'would-exclude'?: { readonly [deployment: string]: string | readonly string[] }
  readonly first?: string
  readonly 'must-do'?: { readonly [duty: string]: unknown }
  readonly 'used-exceptions'?: readonly string[]
  readonly refused?: 'yes' | 'no'
}
const EXPECTATIONS = ['allowed', 'excluded', 'would-exclude', 'first', 'must-do', 'used-exceptions', 'refused']

/** As much of the machine form as expectations look at. */
export type Answer = {
  readonly outcome: string
  readonly permitted: readonly string[]
  readonly deployments: readonly {
    readonly deployment: string
    readonly because: readonly { readonly rule: string }[]
    readonly 'would-exclude': readonly { readonly rule: string }[]
    readonly exceptions: readonly { readonly exception: string }[]
  }[]
  readonly duties: { readonly [duty: string]: unknown }
}

type Mapping = { readonly [key: string]: unknown }

/** Every file of a policies folder by its name relative to the folder, with forward slashes. */
export function treeOf(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile() && entry.name.endsWith('.yaml'))
  const named = files.map(entry => join(entry.parentPath, entry.name)).map(path => [relative(folder, path).split(sep).join('/'), readFileSync(path, 'utf8')] as const)
  return new Map(named.sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function readPolicyCases(file: string, text: string): readonly PolicyCase[] {
  const page = load(text, { schema: CORE_SCHEMA }) as Mapping & { readonly catalog?: string }
  const people = (page['people'] ?? {}) as { readonly [person: string]: Mapping | undefined }
  const besideThis = (name: string): string => [...file.split('/').slice(0, -1), name].join('/')
  return listed(page['cases']).map((entry): PolicyCase => {
    const { name, at = page['clock'], given, ...expects } = entry as Mapping & { readonly name: string; readonly given: Mapping }
    const { who, 'may-carry': mayCarry, ...facts } = given as Mapping & { readonly who?: string }
    const where = `${file}: ${name}`
    if (who !== undefined && people[who] === undefined) throw new Error(`${where}: nobody is called ${who}`)
    const stranger = Object.keys(expects).find(word => !EXPECTATIONS.includes(word))
    if (stranger !== undefined) throw new Error(`${where}: ${stranger} is no expectation`)
    if (Object.keys(expects).length === 0) throw new Error(`${where}: expects nothing`)
    const instant = Date.parse(String(at))
    if (Number.isNaN(instant) || !/(?:Z|[+-]\d\d:\d\d)$/.test(String(at))) throw new Error(`${where}: ${String(at)} is no time with an offset`)
    return {
      file, name, at: instant, request: { ...people[who ?? ''], ...facts },
      mayCarry: mayCarry === undefined ? undefined : listed(mayCarry) as string[],
      catalog: page.catalog === undefined ? undefined : besideThis(page.catalog),
      expects,
    }
  })
}

/** What is wrong with an answer, in sentences; empty when the case holds. */
export function complaints({ expects }: PolicyCase, answer: Answer): readonly string[] {
  const found: string[] = []
  const say = (holds: boolean, sentence: string): void => { if (!holds) found.push(sentence) }
  const rowOf = (deployment: string): Answer['deployments'][number] | undefined => {
    const row = answer.deployments.find(one => one.deployment === deployment)
    say(row !== undefined, `${deployment} is not in the catalog`)
    return row
  }
  const named = (rules: readonly { readonly rule: string }[], rule: string): boolean => rules.some(one => one.rule === rule || one.rule.endsWith(`/${rule}`))

  if (expects.allowed !== undefined) say(sameSet(answer.permitted, listed(expects.allowed)), `allowed is [${answer.permitted.join(', ')}], not [${listed(expects.allowed).join(', ')}]`)
  for (const [deployment, rules] of Object.entries(expects.excluded ?? {})) {
    say(!answer.permitted.includes(deployment), `${deployment} is allowed`)
    for (const rule of listed(rules)) say(named(rowOf(deployment)?.because ?? [], String(rule)), `${deployment} is not excluded by ${String(rule)}`)
  }
  for (const [deployment, rules] of Object.entries(expects['would-exclude'] ?? {})) {
    for (const rule of listed(rules)) say(named(rowOf(deployment)?.['would-exclude'] ?? [], String(rule)), `${String(rule)} would not exclude ${deployment}`)
  }
  if (expects.first !== undefined) say(answer.permitted[0] === expects.first, `first is ${String(answer.permitted[0])}, not ${expects.first}`)
  for (const [duty, value] of Object.entries(expects['must-do'] ?? {})) say(dutyDone(duty, answer.duties[duty], value), `${duty} is ${JSON.stringify(answer.duties[duty])}, not ${JSON.stringify(value)}`)
  const used = new Set(answer.deployments.flatMap(row => row.exceptions.map(one => one.exception)))
  for (const exception of listed(expects['used-exceptions'])) say(used.has(String(exception)), `${String(exception)} was not used`)
  if (expects.refused !== undefined) say((expects.refused === 'yes') === (answer.outcome === 'refuse'), `the outcome is ${answer.outcome}`)
  return found
}

/** Duties that pile up hold at least what is asked; those that narrow are exactly what is asked. */
function dutyDone(duty: string, done: unknown, asked: unknown): boolean {
  if (done === undefined) return false
  if (duty === 'redact' || duty === 'notify') return listed(asked).every(one => listed(done).includes(one))
  if (duty === 'header') return Object.entries(asked as Mapping).every(([name, value]) => (done as Mapping)[name] === value)
  if (duty === 'retain-evidence') return hours(done) === hours(asked)
  const without = (list: readonly unknown[]): readonly unknown[] => (duty === 'cache' ? list.filter(one => one !== 'none') : list)
  return sameSet(without(listed(done)), without(listed(asked)))
}

const hours = (duration: unknown): number => Number.parseInt(String(duration), 10) * (String(duration).endsWith('d') ? 24 : 1)
const sameSet = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every(one => b.includes(one))
/** One value may be written without brackets. */
const listed = (value: unknown): readonly unknown[] => (value === undefined ? [] : Array.isArray(value) ? value : [value])
