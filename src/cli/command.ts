/**
 * One command and how its arguments are read: every word that is not understood is refused, with what may have been meant.
 */
import { parseArgs } from 'node:util'
import { nearest } from '../bundle/nearest.ts'
import type { Host } from './host.ts'

export type Option = {
  /** What stands after the option, such as PORT; absent for one that is only there or not. */
  readonly value?: string
  /** The environment variable that speaks when the option does not. */
  readonly variable?: string
  /** It may be given more than once; its values are then joined with commas. */
  readonly many?: true
  readonly says: string
}

/** What was written: every option at most once, and the words beside the options. */
export type Given = {
  readonly options: Readonly<Record<string, string | undefined>>
  readonly words: readonly string[]
}

export type Command = {
  readonly name: string
  /** The words after the name: `[DIR]`, `new APP`. */
  readonly words: string
  /** At most so many words beside the options. */
  readonly wordsMax: number
  readonly says: string
  readonly options: Readonly<Record<string, Option>>
  /** The number is the exit code. */
  run(given: Given, host: Host): Promise<number>
}

/** A mistake in how a command was called: exit 2 with this text. */
export class UsageError extends Error {}

/** Reads the arguments of one command. Throws UsageError. */
export function readArguments(command: Command, args: readonly string[], host: Host): Given {
  const { tokens } = parseArgs({
    args: [...args], strict: false, tokens: true, allowPositionals: true,
    options: Object.fromEntries(Object.entries(command.options).map(([name, o]) => [name, { type: o.value === undefined ? 'boolean' : 'string' }])),
  })
  const options: Record<string, string | undefined> = {}
  const words: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const option = command.options[token.name]
    if (option === undefined) throw new UsageError(`${token.rawName} is not an option of ${command.name}.${maybe(token.name, Object.keys(command.options), '--')}`)
    const before = options[token.name]
    if (before !== undefined && option.many === undefined) throw new UsageError(`${token.rawName} was given twice.`)
    if (option.value === undefined && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value.`)
    if (option.value !== undefined && (token.value === undefined || token.value === '' || (!token.inlineValue && /^-./.test(token.value)))) {
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${option.value}`)
    }
    options[token.name] = before === undefined ? token.value ?? 'yes' : `${before},${token.value}`
  }
  if (words.length > command.wordsMax) throw new UsageError(`${command.name} does not know what to do with '${words[command.wordsMax]}'.`)
  for (const [name, { variable }] of Object.entries(command.options)) {
    if (variable !== undefined) options[name] ??= host.environment[variable] || undefined
  }
  return { options, words }
}

/** The value of an option, when it is one of the words allowed. */
export function oneOf<const T extends readonly string[]>(name: string, value: string, allowed: T): T[number] {
  if (allowed.includes(value)) return value
  throw new UsageError(`--${name} is one of ${allowed.join(', ')}, not '${value}'.${maybe(value, allowed)}`)
}

/** A whole number between two bounds, both in. */
export function wholeNumber(name: string, value: string, { least, most }: { readonly least: number; readonly most: number }): number {
  const number = /^\d{1,12}$/.test(value) ? Number(value) : NaN
  if (number >= least && number <= most) return number
  throw new UsageError(`--${name} is a whole number from ${least} to ${most}, not '${value}'.`)
}

/** ` Did you mean x?`, or nothing. */
export function maybe(written: string, known: readonly string[], before = ''): string {
  const meant = nearest(written, known)
  return meant === undefined ? '' : ` Did you mean ${before}${meant}?`
}

/** The help of one command. */
export function helpFor(command: Command): string {
  const rows = Object.entries(command.options).map(([name, o]) => [
    `--${name}${o.value === undefined ? '' : ` ${o.value}`}`, `${o.says}${o.variable === undefined ? '' : ` (or ${o.variable})`}`,
  ] as const)
  const width = Math.max(0, ...rows.map(([left]) => left.length))
  return [
    `bailiwick ${command.name}${command.words === '' ? '' : ` ${command.words}`}${rows.length > 0 ? ' [options]' : ''}`,
    '', `  ${command.says}`, '',
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`), '',
  ].join('\n')
}
