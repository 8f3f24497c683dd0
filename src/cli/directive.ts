/** `bailiwick directive`: notices at a running gateway, enacted, lifted and listed over HTTP (policy-language, a notice). */
import { columns, counted } from './class-text.ts'
import { maybe, oneOf, UsageError, type Command, type Given } from './command.ts'
import { short } from './compiled.ts'
import { EXIT, type Exit } from './exit.ts'
import { AUTHOR_OPTION, authorOf, complain, effectInText, GATEWAY_OPTIONS, gatewayOf, inJson, isAgreed, textOf, type Effect } from './gateway.ts'
import type { Host } from './host.ts'

const FORMATS = ['text', 'json'] as const
type Format = (typeof FORMATS)[number]
const DOES = ['enact', 'lift', 'list'] as const

type Window = { readonly from: string | null; readonly until: string | null }
type Shown = Window & { readonly name: string; readonly file: string; readonly rules: readonly string[]; readonly effect: Effect; readonly bundle: string; readonly confirm: string; readonly warnings: readonly string[] }
type Enacted = Window & { readonly name: string; readonly file: string; readonly at: string; readonly author: string; readonly bundle: string }
type Lifted = { readonly name: string; readonly file: string; readonly at: string; readonly author: string; readonly bundle: string; readonly effect: Effect }
type Signed = { readonly author: string; readonly at: string }
type Listed = {
  readonly bundle: string
  readonly directives: readonly (Window & { readonly name: string; readonly title: string; readonly owner: string; readonly file: string; readonly state: string; readonly rules: readonly object[]; readonly enacted: Signed | null })[]
  readonly lifted: readonly (Signed & { readonly name: string })[]
}

export const directiveCommand: Command = {
  name: 'directive',
  words: 'enact FILE | lift NAME | list',
  wordsMax: 2,
  says: 'Enacts or lifts a notice at a running gateway, at once and on record, or lists the notices there are.',
  options: {
    ...GATEWAY_OPTIONS,
    author: AUTHOR_OPTION,
    yes: { says: 'enact without asking' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run(given, host) {
    const [does, what] = given.words
    const format = oneOf('format', given.options['format'] ?? 'text', FORMATS)
    if (does === undefined) throw new UsageError('directive needs a word: directive enact FILE, directive lift NAME, directive list.')
    if (!(DOES as readonly string[]).includes(does)) throw new UsageError(`directive does not know '${does}'.${maybe(does, DOES)}`)
    if (given.options['yes'] !== undefined && does !== 'enact') throw new UsageError('--yes is for directive enact.')
    if (does === 'list' ? what !== undefined : what === undefined) throw new UsageError(does === 'list' ? 'directive list takes no name.' : `directive ${does} needs ${does === 'enact' ? 'a file' : 'the name of a notice'}.`)
    // INVARIANT: `what` is there for the two that need it.
    if (does === 'enact') return enact(what!, given, format, host)
    if (does === 'lift') return lift(what!, given, format, host)
    return list(given, format, host)
  },
}

async function enact(file: string, given: Given, format: Format, host: Host): Promise<Exit> {
  const yaml = await textOf(file)
  const author = authorOf(given, host)
  const gateway = await gatewayOf(given, host)
  const effect = await gateway<Shown>('POST', '/admin/directives', { yaml, author })
  if (!effect.ok) return complain(effect, host)
  const { value, value: { name, confirm } } = effect
  const proposal = { text: shownInText(value), value, question: `Enact ${name} now, as ${author}?`, todo: 'enact it', format, isSure: given.options['yes'] !== undefined }
  if (!await isAgreed(proposal, host)) return EXIT.refused
  const done = await gateway<Enacted>('POST', '/admin/directives', { yaml, author, confirm })
  if (!done.ok) return complain(done, host)
  host.out(format === 'json' ? inJson(done.value)
    : `enacted   ${done.value.name} at ${done.value.at} by ${done.value.author}; bundle ${short(done.value.bundle)}; kept as ${done.value.file}\n${whenItActs(done.value)}`)
  return EXIT.fine
}

async function lift(name: string, given: Given, format: Format, host: Host): Promise<Exit> {
  const author = authorOf(given, host)
  const gateway = await gatewayOf(given, host)
  const done = await gateway<Lifted>('DELETE', `/admin/directives/${encodeURIComponent(name)}`, { author })
  if (!done.ok) return complain(done, host)
  const { at, bundle, effect } = done.value
  host.out(format === 'json' ? inJson(done.value)
    : `lifted    ${name} at ${at} by ${author}; bundle ${short(bundle)}; its text is kept in directives/lifted\n${effectInText(effect)}`)
  return EXIT.fine
}

async function list(given: Given, format: Format, host: Host): Promise<Exit> {
  const gateway = await gatewayOf(given, host)
  const listed = await gateway<Listed>('GET', '/admin/directives')
  if (!listed.ok) return complain(listed, host)
  host.out(format === 'json' ? inJson(listed.value) : listedInText(listed.value))
  return EXIT.fine
}

function shownInText(shown: Shown): string {
  return [
    `notice    ${shown.name}, ${counted(shown.rules.length, 'rule')}, ${windowInText(shown)}\n`,
    ...shown.warnings.map(w => `${w}\n`), effectInText(shown.effect),
  ].join('')
}

function listedInText({ bundle, directives, lifted }: Listed): string {
  return [
    `bundle ${short(bundle)}\n`,
    ...directives.length === 0 ? ['There are no notices.\n'] : [],
    ...directives.map(d => [
      `\n${d.name}  ${d.state.replace('-', ' ')}, ${windowInText(d)}\n`, `  ${d.title}\n`,
      `  owner ${d.owner}, ${counted(d.rules.length, 'rule')}, ${d.file}\n`,
      d.enacted === null ? '' : `  enacted by ${d.enacted.author} at ${d.enacted.at}\n`,
    ].join('')),
    ...lifted.length === 0 ? [] : ['\nlifted\n', columns(lifted.map(l => [`  ${l.name}`, l.at, l.author]))],
  ].join('')
}

const windowInText = ({ from, until }: Window): string => `from ${from ?? 'ever'} until ${until ?? 'it is lifted'}`
const whenItActs = ({ from, until, at }: Enacted): string => {
  if (from !== null && from > at) return `It acts from ${from} on.\n`
  return until !== null && until <= at ? 'Its time is over: it changes nothing.\n' : 'It is in force.\n'
}
