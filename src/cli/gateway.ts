/** Asking a gateway that runs, over HTTP, as its operator. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CoverageChange } from '../policy/coverage.ts'
import { columns, counted, dataInWords } from './class-text.ts'
import { UsageError, type Given, type Option } from './command.ts'
import { afterInWords } from './coverage-text.ts'
import { EXIT, type Exit } from './exit.ts'
import type { Host } from './host.ts'

const URL_UNLESS_GIVEN = 'http://127.0.0.1:8787'
const DATA = '.bailiwick'
const ANSWER_WITHIN_MS = 30_000
const YES = ['y', 'yes']

/** Where it listens and how it is opened. */
export const GATEWAY_OPTIONS = {
  url: { value: 'URL', says: `Where the gateway listens; ${URL_UNLESS_GIVEN} unless given` },
  data: { value: 'DIR', variable: 'BAILIWICK_DATA', says: `Where the admin token is kept, unless BAILIWICK_ADMIN_TOKEN holds it; ./${DATA} unless given` },
} as const satisfies Readonly<Record<string, Option>>

export const AUTHOR_OPTION: Option = { value: 'NAME', says: 'Who does this, for the records; the user of this machine unless given' }

export type Answered<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly exit: Exit; readonly wrong: string; readonly param?: string | null }
export type Asking = <T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) => Promise<Answered<T>>

/** How to ask this gateway. Throws UsageError when there is no address or no token to ask with. */
export async function gatewayOf({ options }: Given, host: Host): Promise<Asking> {
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
    return { ok: false, exit: isText ? EXIT.doesNotCompile : status < 500 ? EXIT.refused : EXIT.other, wrong: message, ...(param !== undefined && { param }) }
  }
}

/** The options that reach this gateway, for a command that somebody will type. What the environment says it will say again. */
export const sameGateway = ({ options }: Given, host: Host): string => Object.entries<Option>(GATEWAY_OPTIONS).map(([name, { variable }]) => {
  const value = options[name]
  return value === undefined || (variable !== undefined && value === host.environment[variable]) ? '' : ` --${name} ${inShell(value)}`
}).join('')

const inShell = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** Says why it did not work; the number is the exit code. */
export function complain({ wrong, exit }: Extract<Answered<unknown>, { ok: false }>, host: Host): Exit {
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

/** Throws UsageError where the file cannot be read. */
export async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}).`)
  }
}

/** Throws UsageError where nobody is named. */
export function authorOf({ options }: Given, host: Host): string {
  const { USER, LOGNAME, USERNAME } = host.environment
  const author = options['author'] ?? [USER, LOGNAME, USERNAME].find(Boolean) ?? host.userName()
  if (!author) throw new UsageError('--author NAME says who does this; the records keep it.')
  return author
}

export const inJson = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

/** Whether whoever sits at the terminal agrees; undefined where nobody does. */
export async function agreed(question: string, host: Host): Promise<boolean | undefined> {
  return host.ask === undefined ? undefined : YES.includes((await host.ask(`${question} [y/N] `)).trim().toLowerCase())
}

/** What is to be agreed to: as text, for tools, and as a question. */
export type Proposal = { readonly text: string; readonly value: unknown; readonly question: string; readonly todo: string; readonly format: 'text' | 'json'; readonly isSure: boolean }

/** Shows what would be done and asks, unless whoever called is sure. False: nothing is to be done, and it was said why. */
export async function isAgreed({ text, value, question, todo, format, isSure }: Proposal, host: Host): Promise<boolean> {
  if (format === 'text') host.out(text)
  else if (!isSure && host.ask !== undefined) host.err(text)
  if (isSure) return true
  const answer = await agreed(question, host)
  if (answer === undefined) {
    if (format === 'json') host.out(inJson(value))
    host.err(`bailiwick: nothing was changed. Nobody can be asked here; add --yes to ${todo}.\n`)
    return false
  }
  if (!answer) host.err('bailiwick: nothing was changed.\n')
  return answer
}

/** Deployments that an app could be answered by, for prompts that carry this, before and after; and for what nobody is left. */
type Row = Pick<CoverageChange, 'app' | 'data' | 'before' | 'after' | 'emptied'>
export type Effect = { readonly at: string; readonly coverage: readonly Row[] }

export function effectInText({ at, coverage }: Effect): string {
  const changed = coverage.filter(({ before, after }) => before.length !== after.length || before.some(d => !after.includes(d)))
  if (changed.length === 0) return `coverage  as before at ${at}, for every app and what its prompts may carry\n`
  const none = changed.filter(({ emptied }) => emptied.length > 0).length
  return [
    `coverage  changes at ${at}; connected models that may be used:\n`,
    columns([['  app', 'data', 'before', 'after', ''], ...changed.map(({ app, data, before, after, emptied }) => [
      `  ${app}`, dataInWords(data), String(before.length), afterInWords({ after, emptied }),
      [...before.filter(d => !after.includes(d)).map(d => `-${d}`), ...after.filter(d => !before.includes(d)).map(d => `+${d}`)].join(' '),
    ])]),
    `${counted(changed.length, 'row')} of ${coverage.length} changed; ${none} left with nothing.\n`,
  ].join('')
}
