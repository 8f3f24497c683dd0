/** `bailiwick drill --live`: a drill laid over a running gateway, which shows first what it would do and ends by itself. */
import { nameOfNotice } from '../http/directives.ts'
import { DRILL_SECONDS_MAX } from '../http/drills.ts'
import { columns } from './class-text.ts'
import { UsageError, type Given } from './command.ts'
import { short } from './compiled.ts'
import { EXIT, type Exit } from './exit.ts'
import { authorOf, complain, effectInText, gatewayOf, inJson, isAgreed, sameGateway, textOf, type Effect } from './gateway.ts'
import type { Host } from './host.ts'

type Format = 'text' | 'json'
type Shown = { readonly what: readonly string[]; readonly effect: Effect; readonly until: string; readonly bundle: string; readonly confirm: string; readonly warnings: readonly string[] }
type Done = { readonly id: string; readonly what: readonly string[]; readonly at: string; readonly until: string; readonly bundle: string }
type Ended = Done & { readonly recorded: boolean }
type Listed = { readonly drills: readonly { readonly id: string; readonly what: readonly string[]; readonly author: string; readonly from: string; readonly until: string }[] }

const SECONDS_OF = { s: 1, m: 60, h: 3_600 } as const

/** Begins, ends or lists, as the options say. Throws UsageError. */
export async function liveDrill(given: Given, format: Format, host: Host): Promise<Exit> {
  const { options, words } = given
  if (words.length > 0 || options['at'] !== undefined) throw new UsageError('drill --live is about the running gateway as it is now: it takes no folder and no --at.')
  const begins = ['revoke', 'from-directive', 'for', 'yes'].filter(name => options[name] !== undefined)
  const isListed = options['list'] !== undefined, ends = options['end']
  if ((isListed || ends !== undefined) && (begins.length > 0 || (isListed && ends !== undefined))) {
    throw new UsageError(`--${isListed ? 'list' : 'end'} stands alone beside --live${begins.length > 0 ? `, without --${begins[0]!}` : ''}.`)
  }
  if (isListed) return list(given, format, host)
  if (ends !== undefined) return end(ends, given, format, host)
  return begin(given, format, host)
}

async function begin(given: Given, format: Format, host: Host): Promise<Exit> {
  const { revoke, 'from-directive': directive, for: howLong } = given.options
  if (revoke === undefined && directive === undefined) throw new UsageError('drill needs what goes away: --revoke controlled-from=US, or --from-directive FILE.')
  if (howLong === undefined) throw new UsageError('drill --live needs --for TIME: how long it lasts, such as 10m.')
  const seconds = secondsOf(howLong), author = authorOf(given, host)
  const yaml = directive === undefined ? undefined : await textOf(directive)
  // The gateway never saw the file: its problems are told of the one that was given.
  const ofFile = (said: string): string => (yaml === undefined || directive === undefined ? said : said.replaceAll(`${nameOfNotice(yaml).file}:`, `${directive}:`))
  const wish = {
    ...(revoke !== undefined && { revoke: revoke.split(',').map(one => one.trim()) }), ...(yaml !== undefined && { yaml }),
    'for-seconds': seconds, author,
  }
  const gateway = await gatewayOf(given, host)
  const shown = await gateway<Shown>('POST', '/admin/drills', wish)
  if (!shown.ok) return complain({ ...shown, wrong: ofFile(shown.wrong) }, host)
  const value = { ...shown.value, warnings: shown.value.warnings.map(ofFile) }, { what, confirm } = value
  const question = `Pretend ${what.join(' and ')} on the running gateway for ${howLong}, as ${author}?`
  if (!await isAgreed({ text: shownInText(value, howLong), value, question, todo: 'begin it', format, isSure: given.options['yes'] !== undefined }, host)) return EXIT.refused
  const done = await gateway<Done>('POST', '/admin/drills', { ...wish, confirm })
  if (!done.ok) return complain(done, host)
  const { id, until, bundle } = done.value
  host.out(format === 'json' ? inJson(done.value)
    : `begun     ${id} by ${author}; bundle ${short(bundle)}; it ends by itself at ${until}, or now with: bailiwick drill --live --end ${id}${sameGateway(given, host)}\n`)
  return EXIT.fine
}

async function end(id: string, given: Given, format: Format, host: Host): Promise<Exit> {
  const author = authorOf(given, host)
  const gateway = await gatewayOf(given, host)
  const done = await gateway<Ended>('DELETE', `/admin/drills/${encodeURIComponent(id)}`, { author })
  if (!done.ok) return complain(done.param === 'id' ? { ...done, wrong: `no drill ${id} runs; bailiwick drill --live --list shows those that run.` } : done, host)
  const { what, at, bundle, recorded } = done.value
  host.out(format === 'json' ? inJson(done.value) : `ended     ${id} (${what.join(' and ')}) at ${at} by ${author}; bundle ${short(bundle)}\n`)
  if (!recorded) host.err('bailiwick: the end could not be recorded; the gateway cannot keep entries now.\n')
  return EXIT.fine
}

async function list(given: Given, format: Format, host: Host): Promise<Exit> {
  const gateway = await gatewayOf(given, host)
  const listed = await gateway<Listed>('GET', '/admin/drills')
  if (!listed.ok) return complain(listed, host)
  const { drills } = listed.value
  host.out(format === 'json' ? inJson(listed.value)
    : drills.length === 0 ? 'No drill runs.\n' : columns(drills.map(({ id, what, author, until }) => [id, what.join(' and '), `until ${until}`, author])))
  return EXIT.fine
}

const shownInText = ({ what, effect, warnings }: Shown, howLong: string): string =>
  [`drill     ${what.join(' and ')}, on the running gateway, for ${howLong}\n`, ...warnings.map(w => `${w}\n`), effectInText(effect)].join('')

/** Throws UsageError. */
function secondsOf(written: string): number {
  const [, count, unit] = /^(\d{1,6})([smh])$/.exec(written) ?? []
  if (count === undefined) throw new UsageError(`--for is a time such as 90s, 10m or 2h, not '${written}'.`)
  const seconds = Number(count) * SECONDS_OF[unit as keyof typeof SECONDS_OF]
  if (seconds < 1 || seconds > DRILL_SECONDS_MAX) throw new UsageError(`--for lasts from 1s to 24h, not '${written}'.`)
  return seconds
}
