/** `bailiwick exceptions`: which are in force, which end soon, which have ended, and which would not be missed. */
import { registeredClasses } from '../policy/classes.ts'
import { exceptionsInUse, undecidedFacts } from '../policy/exceptions-in-use.ts'
import type { Exception, Rulebook } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import { columns, counted } from './class-text.ts'
import { oneOf, type Command } from './command.ts'
import { bundleOf } from './compiled.ts'
import { EXIT } from './exit.ts'
import { instantOrNow } from './instant.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json'] as const
const DAY_MS = 86_400_000
const SOON_MS = 14 * DAY_MS

/** In this order they are listed. */
const STATES = ['ends-soon', 'live', 'to-come', 'ended'] as const
type State = (typeof STATES)[number]
type Listed = {
  readonly exception: Exception
  readonly state: State
  /** no: it would change nothing for any registered class. Not known: that hangs on facts that none of them states. Undefined while it is not in force. */
  readonly used: 'yes' | 'no' | 'not-known' | undefined
  readonly hangsOn: readonly string[]
}

export const exceptionsCommand: Command = {
  name: 'exceptions',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Lists exceptions: in force, ending within 14 days, ended, and those that change nothing.',
  options: {
    at: { value: 'TIME', says: 'Look at this time instead of now' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run({ options, words }, host) {
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const at = instantOrNow(options['at'], host.now)
    const bundle = await bundleOf(words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES, host)
    if (bundle === undefined) return EXIT.doesNotCompile
    const all = list(bundle.rulebook, at)
    host.out(format === 'json' ? inJson(all, at) : inText(all, at))
    return EXIT.fine
  },
}

function list(rulebook: Rulebook, at: number): readonly Listed[] {
  const classes = registeredClasses(rulebook).map(({ asked }) => ({ asked, at }))
  const inUse = exceptionsInUse(rulebook, classes)
  return rulebook.exceptions.map<Listed>(exception => {
    const state = stateOf(exception, at)
    const live = state === 'live' || state === 'ends-soon'
    const hangsOn = live && !inUse.has(exception.name) ? undecidedFacts(rulebook, exception.name, classes) : []
    return { exception, state, hangsOn, used: !live ? undefined : inUse.has(exception.name) ? 'yes' : hangsOn.length > 0 ? 'not-known' : 'no' }
  }).sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || a.exception.window.until - b.exception.window.until)
}

function stateOf({ window }: Exception, at: number): State {
  if (window.until <= at) return 'ended'
  if (at < window.from) return 'to-come'
  return window.until - at <= SOON_MS ? 'ends-soon' : 'live'
}

function inText(all: readonly Listed[], at: number): string {
  if (all.length === 0) return 'There are no exceptions.\n'
  const unused = all.filter(one => one.used === 'no')
  return [
    columns(all.map(one => [
      one.state, one.exception.name, `from ${one.exception.rule}`, whenInWords(one, at), useInWords(one), `${one.exception.place.file}:${one.exception.place.line}`,
    ])),
    `${STATES.map(state => `${all.filter(one => one.state === state).length} ${state}`).join(', ')}, ${unused.length} unused\n`,
  ].join('')
}

function whenInWords({ exception: { window }, state }: Listed, at: number): string {
  const days = (ms: number): string => counted(Math.ceil(ms / DAY_MS), 'day')
  if (state === 'ended') return `ended ${inUtc(window.until)}`
  return state === 'to-come' ? `begins ${inUtc(window.from)} (in ${days(window.from - at)})` : `ends ${inUtc(window.until)} (in ${days(window.until - at)})`
}

function useInWords({ used, hangsOn }: Listed): string {
  if (used === 'no') return 'unused: changes nothing for any registered class'
  return used === 'not-known' ? `not known to be used: hangs on ${hangsOn.join(', ')}` : ''
}

function inJson(all: readonly Listed[], at: number): string {
  return `${JSON.stringify({
    at: inUtc(at),
    exceptions: all.map(({ exception: e, state, used, hangsOn }) => ({
      exception: e.name, rule: e.rule, state, from: inUtc(e.window.from), until: inUtc(e.window.until), used: used ?? null, 'hangs-on': hangsOn, file: e.place.file, line: e.place.line,
    })),
  }, undefined, 2)}\n`
}
