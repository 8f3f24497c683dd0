/** `bailiwick directive`: notices at a running gateway, enacted, lifted and listed over HTTP (policy-language, a notice). */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { columns, counted, dataInWords } from './class-text.ts'
import { maybe, oneOf, UsageError, type Command, type Given } from './command.ts'
import { short } from './compiled.ts'
import { EXIT, type Exit } from './exit.ts'
import type { Host } from './host.ts'

const FORMATS = ['text', 'json'] as const
type Format = (typeof FORMATS)[number]
const DOES = ['enact', 'lift', 'list'] as const
const URL_UNLESS_GIVEN = 'http://127.0.0.1:8787'
const DATA = '.bailiwick'
const ANSWER_WITHIN_MS = 30_000
const YES = ['y', 'yes']

/** Deployments that an app may use and that are connected, for prompts that carry this, before and after. */
type Row = { readonly app: string; readonly data: readonly string[] | 'unknown'; readonly before: readonly string[]; readonly after: readonly string[] }
type Effect = { readonly at: string; readonly coverage: readonly Row[] }
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
    url: { value: 'URL', says: `Where the gateway listens; ${URL_UNLESS_GIVEN} unless given` },
    data: { value: 'DIR', variable: 'BAILIWICK_DATA', says: `Where the admin token is kept, unless BAILIWICK_ADMIN_TOKEN holds it; ./${DATA} unless given` },
    author: { value: 'NAME', says: 'Who enacts or lifts, for the records; the user of this machine unless given' },
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
  const isAsked = given.options['yes'] === undefined
  if (format === 'text') host.out(shownInText(effect.value))
  else if (isAsked && host.ask !== undefined) host.err(shownInText(effect.value))
  if (isAsked && host.ask === undefined) {
    if (format === 'json') host.out(inJson(effect.value))
    host.err(`bailiwick: nothing was changed. Nobody can be asked here; add --yes to enact it.\n`)
    return EXIT.refused
  }
  if (isAsked && !YES.includes((await host.ask!(`Enact ${effect.value.name} now, as ${author}? [y/N] `)).trim().toLowerCase())) {
    host.err('bailiwick: nothing was changed.\n')
    return EXIT.refused
  }
  const done = await gateway<Enacted>('POST', '/admin/directives', { yaml, author, confirm: effect.value.confirm })
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

const inJson = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

function shownInText(shown: Shown): string {
  return [
    `notice    ${shown.name}, ${counted(shown.rules.length, 'rule')}, ${windowInText(shown)}\n`,
    ...shown.warnings.map(w => `${w}\n`), effectInText(shown.effect),
  ].join('')
}

function effectInText({ at, coverage }: Effect): string {
  const changed = coverage.filter(({ before, after }) => before.length !== after.length || before.some(d => !after.includes(d)))
  if (changed.length === 0) return `coverage  as before at ${at}, for every app and what its prompts may carry\n`
  const none = changed.filter(({ after }) => after.length === 0).length
  return [
    `coverage  changes at ${at}; connected models that may be used:\n`,
    columns([['  app', 'data', 'before', 'after', ''], ...changed.map(({ app, data, before, after }) => [
      `  ${app}`, dataInWords(data), String(before.length), after.length === 0 ? 'NONE' : String(after.length),
      [...before.filter(d => !after.includes(d)).map(d => `-${d}`), ...after.filter(d => !before.includes(d)).map(d => `+${d}`)].join(' '),
    ])]),
    `${counted(changed.length, 'row')} of ${coverage.length} changed; ${none} left with nothing.\n`,
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

type Answered<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly exit: Exit; readonly wrong: string }
type Asking = <T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => Promise<Answered<T>>

/** How to ask this gateway. Throws UsageError when there is no address or no token to ask with. */
async function gatewayOf({ options }: Given, host: Host): Promise<Asking> {
  const address = options['url'] ?? URL_UNLESS_GIVEN
  if (!/^https?:\/\//.test(address) || !URL.canParse(address)) throw new UsageError(`--url is where the gateway listens, such as ${URL_UNLESS_GIVEN}, not '${address}'.`)
  const token = await tokenOf(options['data'] ?? DATA, host)
  return async (method, path, body) => {
    let status: number, answer: unknown
    try {
      const response = await fetch(`${address.replace(/\/+$/, '')}${path}`, {
        method, redirect: 'error', signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
        headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      status = response.status
      answer = await response.json()
    } catch (error) {
      return { ok: false, exit: EXIT.other, wrong: `no gateway answers at ${address} (${whyUnreachable(error)}). Is it running? --url says where it listens.` }
    }
    if (status === 200) return { ok: true, value: answer as never }
    const { message = `The gateway answered ${status}.`, param } = (answer as { readonly error?: { readonly message?: string; readonly param?: string | null } }).error ?? {}
    if (status === 401) return { ok: false, exit: EXIT.other, wrong: `the gateway at ${address} refused the admin token. It is in BAILIWICK_ADMIN_TOKEN, or in the file admin-token of the gateway's data folder (--data).` }
    const isText = status === 400 && param === 'yaml'
    return { ok: false, exit: isText ? EXIT.doesNotCompile : status < 500 ? EXIT.refused : EXIT.other, wrong: message }
  }
}

function complain({ wrong, exit }: Extract<Answered<unknown>, { ok: false }>, host: Host): Exit {
  host.err(`bailiwick: ${wrong}\n`)
  return exit
}

function whyUnreachable(error: unknown): string {
  const cause = error instanceof Error ? error.cause ?? error : error
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : cause instanceof Error ? cause.message || cause.name : String(cause)
}

async function tokenOf(data: string, host: Host): Promise<string> {
  const given = host.environment['BAILIWICK_ADMIN_TOKEN']
  if (given) return given
  const file = join(data, 'admin-token')
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch {
    throw new UsageError(`There is no admin token: BAILIWICK_ADMIN_TOKEN is not set, and ${file} cannot be read. --data names the gateway's data folder.`)
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}).`)
  }
}

function authorOf({ options }: Given, host: Host): string {
  const author = options['author'] ?? host.environment['USER'] ?? host.environment['USERNAME']
  if (!author) throw new UsageError('--author NAME says who does this; the records keep it.')
  return author
}
