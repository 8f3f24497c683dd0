/** `bailiwick calendar`: every date of the coming days at which decisions may change, and what it does to coverage. */
import type { Bundle } from '../bundle/bundle.ts'
import { turnsAt, type Turn } from '../policy/calendar.ts'
import { coverage, coverageChanges, type CoverageChange } from '../policy/coverage.ts'
import type { Edge } from '../policy/rule.ts'
import { inUtc, inZone } from '../policy/time.ts'
import { counted, standingsIn } from './class-text.ts'
import { oneOf, wholeNumber, type Command } from './command.ts'
import { bundleOf, short } from './compiled.ts'
import { changeInWords } from './coverage-text.ts'
import { EXIT } from './exit.ts'
import { instantOrNow } from './instant.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json'] as const
const DAY_MS = 86_400_000
const DAYS = '90'
const DAYS_MOST = 3_660

type Day = Edge & { readonly turns: readonly (Turn & { readonly where: readonly string[] })[]; readonly changes: readonly CoverageChange[] }

export const calendar: Command = {
  name: 'calendar',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Lists every date of the coming days at which something starts or ends, and which app gains or loses by it.',
  options: {
    days: { value: 'DAYS', says: `How many days ahead; ${DAYS} unless given` },
    at: { value: 'TIME', says: 'Begin at this time instead of now' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run({ options, words }, host) {
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const at = instantOrNow(options['at'], host.now)
    const ahead = wholeNumber('days', options['days'] ?? DAYS, { least: 1, most: DAYS_MOST })
    const bundle = await bundleOf(words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES, host)
    if (bundle === undefined) return EXIT.doesNotCompile
    const days = bundle.rulebook.edges.filter(e => e.at > at && e.at <= at + ahead * DAY_MS).map(edge => dayOf(bundle, edge))
    host.out(format === 'json' ? inJson(bundle, at, days) : inText(bundle, { at, ahead, days }))
    return EXIT.fine
  },
}

function dayOf(bundle: Bundle, edge: Edge): Day {
  const { rulebook } = bundle, standings = standingsIn(bundle)
  return {
    ...edge,
    turns: turnsAt(rulebook, edge.at).map(turn => ({ ...turn, where: turn.place === undefined ? datesAt(bundle, edge.at, turn) : [`${turn.place.file}:${turn.place.line}`] })),
    changes: coverageChanges(coverage(rulebook, edge.at - 1, standings), coverage(rulebook, edge.at, standings)),
  }
}

/** Where the date of a deployment's facts is written: the good-until of the fact, of the deployment, or of its provider. */
function datesAt({ due, rulebook }: Bundle, at: number, { what }: Turn): readonly string[] {
  const deployment = rulebook.deployments.find(d => what.endsWith(` of deployment ${d.name}`))
  const of = [`deployment ${deployment?.name}`, `provider ${deployment?.provider}`]
  return due.filter(d => d.at === at && of.some(o => d.what.endsWith(` of ${o}`))).map(d => `${d.file}:${d.line}`)
}

function inText(bundle: Bundle, { at, ahead, days }: { readonly at: number; readonly ahead: number; readonly days: readonly Day[] }): string {
  const head = `calendar from ${inUtc(at)}, ${counted(ahead, 'day')}, bundle ${short(bundle.digest)}\n`
  if (days.length === 0) return `${head}\nNothing starts or ends.\n`
  return head + days.map(day => [
    `\n${inZone(day.at, day.zone)} ${day.zone}  in ${counted(Math.ceil((day.at - at) / DAY_MS), 'day')}\n`,
    ...day.turns.map(({ turn, kind, what, where }) => `  ${turn.padEnd(8)}  ${kind} ${what}  ${where.join(', ')}`.trimEnd() + '\n'),
    day.changes.length === 0 ? '  coverage  as before\n' : day.changes.map(c => `  coverage  ${changeInWords(c)}\n`).join(''),
  ].join('')).join('')
}

function inJson(bundle: Bundle, at: number, days: readonly Day[]): string {
  return `${JSON.stringify({
    from: inUtc(at), bundle: bundle.digest,
    dates: days.map(({ at: instant, zone, turns, changes }) => ({
      at: inZone(instant, zone), zone, turns: turns.map(({ turn, kind, what, where }) => ({ turn, kind, what, where })), changes,
    })),
  }, undefined, 2)}\n`
}
