/** `bailiwick quarantine`: deployments that a running gateway has set aside, listed and released over HTTP (resilience, section 3). */
import { nearest } from '../bundle/nearest.ts'
import { counted } from './class-text.ts'
import { maybe, oneOf, UsageError, type Command, type Given } from './command.ts'
import { EXIT, type Exit } from './exit.ts'
import { agreed, AUTHOR_OPTION, authorOf, complain, GATEWAY_OPTIONS, gatewayOf, inJson } from './gateway.ts'
import type { Host } from './host.ts'

const FORMATS = ['text', 'json'] as const
type Format = (typeof FORMATS)[number]
const DOES = ['list', 'release'] as const

type Aside = { readonly deployment: string; readonly reason: string; readonly detail: string; readonly since: string; readonly breaker: string; readonly 'released-by': string; readonly 'in-catalog': boolean }
type Listed = { readonly quarantine: readonly Aside[] }
type Released = { readonly deployment: string; readonly reason: string; readonly at: string; readonly author: string }

export const quarantineCommand: Command = {
  name: 'quarantine',
  words: 'list | release DEPLOYMENT',
  wordsMax: 2,
  says: 'Lists the deployments that a running gateway has set aside and why, or releases one, on record.',
  options: {
    ...GATEWAY_OPTIONS,
    author: AUTHOR_OPTION,
    yes: { says: 'release without asking' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run(given, host) {
    const [does, what] = given.words
    const format = oneOf('format', given.options['format'] ?? 'text', FORMATS)
    if (does === undefined) throw new UsageError('quarantine needs a word: quarantine list, quarantine release DEPLOYMENT.')
    if (!(DOES as readonly string[]).includes(does)) throw new UsageError(`quarantine does not know '${does}'.${maybe(does, DOES)}`)
    if (does === 'list') {
      if (what !== undefined) throw new UsageError('quarantine list takes no name.')
      for (const option of ['yes', 'author']) if (given.options[option] !== undefined) throw new UsageError(`--${option} is for quarantine release.`)
      return list(given, format, host)
    }
    if (what === undefined) throw new UsageError('quarantine release needs the name of a deployment.')
    return release(what, given, format, host)
  },
}

async function list(given: Given, format: Format, host: Host): Promise<Exit> {
  const gateway = await gatewayOf(given, host)
  const listed = await gateway<Listed>('GET', '/admin/quarantine')
  if (!listed.ok) return complain(listed, host)
  host.out(format === 'json' ? inJson(listed.value) : listedInText(listed.value))
  return EXIT.fine
}

async function release(name: string, given: Given, format: Format, host: Host): Promise<Exit> {
  const author = authorOf(given, host)
  const gateway = await gatewayOf(given, host)
  const listed = await gateway<Listed>('GET', '/admin/quarantine')
  if (!listed.ok) return complain(listed, host)
  const { quarantine } = listed.value
  const aside = quarantine.find(q => q.deployment === name)
  if (aside === undefined) {
    const meant = nearest(name, quarantine.map(q => q.deployment))
    host.err(`bailiwick: ${name} is not set aside.${meant === undefined ? '' : ` Did you mean ${meant}?`}\n`)
    return EXIT.refused
  }
  if (given.options['yes'] === undefined) {
    host.err(asideInText(aside))
    const isAgreed = await agreed(`Release ${name} now, as ${author}?`, host)
    if (isAgreed !== true) {
      host.err(`bailiwick: nothing was changed.${isAgreed === undefined ? ' Nobody can be asked here; add --yes to release it.' : ''}\n`)
      return EXIT.refused
    }
  }
  const done = await gateway<Released>('POST', `/admin/quarantine/${encodeURIComponent(name)}/release`, { author })
  if (!done.ok) return complain(done, host)
  const { at, reason } = done.value
  host.out(format === 'json' ? inJson(done.value) : `released  ${name} at ${at} by ${done.value.author}; it was set aside as ${reason}\n`)
  return EXIT.fine
}

function listedInText({ quarantine }: Listed): string {
  if (quarantine.length === 0) return 'No deployment is set aside.\n'
  return `${quarantine.map(asideInText).join('\n')}\n${counted(quarantine.length, 'deployment')} set aside.\n`
}

const asideInText = ({ deployment, reason, detail, since, breaker, 'released-by': by, 'in-catalog': isListed }: Aside): string => [
  `${deployment}  ${reason}, since ${since}`, `  ${detail}`,
  `  released by ${by}${breaker === 'closed' ? '' : `; its breaker is ${breaker}`}${isListed ? '' : '; not in the catalog now'}`, '',
].join('\n')
