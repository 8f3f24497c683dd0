/** The drill as text: every second what went where, and between the seconds what happened and what it did to the pool. */
import type { Happening, Rebuild, Report } from './drill.ts'
import type { Answered } from './traffic.ts'
import { DEPLOYMENT_NAMES } from './world.ts'

const LOST_SHOWN_MAX = 20

export function timelineOf(report: Report): string {
  const { begunAt, answers, happenings, rebuilds, checks } = report
  const since = (at: number): string => `+${((at - begunAt) / 1_000).toFixed(3).padStart(7, '0')}`
  const marks = [
    ...happenings.map(h => ({ at: h.at, lines: [`${since(h.at)}  ${h.what.toUpperCase()}${latency(h)}`] })),
    ...rebuilds.map(r => ({ at: r.at, lines: [`${since(r.at)}  pool rebuilt, epoch ${r.epoch}: ${r.cause}`, ...r.profiles.map(p => `          ${changeOf(p)}`)] })),
  ].sort((a, b) => a.at - b.at)
  const seconds = Math.ceil((Math.max(...answers.map(a => a.sentAt)) + 1 - begunAt) / 1_000)
  const lines = [row(['second', ...DEPLOYMENT_NAMES, '403', '503', 'other'])]
  let next = 0
  for (let second = 0; second < seconds; second++) {
    const from = begunAt + second * 1_000
    for (; next < marks.length && marks[next]!.at < from; next++) lines.push(...marks[next]!.lines)
    lines.push(row([`+${String(second).padStart(3, '0')}`, ...countsOf(answers.filter(a => a.sentAt >= from && a.sentAt < from + 1_000))]))
  }
  lines.push(...marks.slice(next).flatMap(m => m.lines), '')
  lines.push(`after the second of the notice the removed models were reached for ${Math.max(0, report.lastArrivalMs)} ms by what had been sent before it`)
  lines.push(`${report.prompts} prompts and ${report.signsOfLife} signs of life reached a provider`)
  lines.push(`${report.rescued} streams were begun by a deployment that was killed and completed by another`)
  for (const { says, holds, found } of checks) lines.push(`${holds ? 'yes' : 'NO '}  ${says}`, ...found.slice(0, LOST_SHOWN_MAX).map(f => `       ${f}`))
  for (const [word, found] of [['unlawful', report.unlawful], ['lost', report.lost]] as const) lines.push(...found.slice(0, LOST_SHOWN_MAX).map(f => `${word}: ${f}`))
  return lines.join('\n')
}

export const lastLineOf = ({ answers, unlawful, lost }: Report): string => `sent ${answers.length}, unlawful ${unlawful.length}, lost ${lost.length}`
export const isWell = ({ unlawful, lost, checks }: Report): boolean => unlawful.length === 0 && lost.length === 0 && checks.every(c => c.holds)

const row = (cells: readonly string[]): string => cells.map((c, i) => (i === 0 ? c.padEnd(8) : c.padStart(12))).join('')

function countsOf(answers: readonly Answered[]): readonly string[] {
  const by = DEPLOYMENT_NAMES.map(d => answers.filter(a => a.deployment === d && a.wrong === undefined).length)
  const refused = [403, 503].map(status => answers.filter(a => a.status === status).length)
  const counts = [...by, ...refused]
  return [...counts, answers.length - counts.reduce((sum, n) => sum + n, 0)].map(n => (n === 0 ? '.' : String(n)))
}

/** How long the gateway took, from when it could have known. */
function latency({ slowestMs, at, knowable }: Happening): string {
  const later = Math.max(...knowable.values()) - at
  return later === 0 ? `: in the pool after ${slowestMs} ms` : `: its first answers again after ${later} ms at most, in the pool ${slowestMs} ms after them`
}

function changeOf({ app, data, added, removed, promoted, left }: Rebuild['profiles'][number]): string {
  const changes = [...removed.map(r => `- ${r.deployment}: ${r.because}`), ...added.map(name => `+ ${name}`)]
  return `${app} with ${data === 'unknown' ? 'data unstated' : data.join(', ')}: ${changes.join(' · ')}${promoted === undefined ? '' : `, first ${promoted}`}, ${left} left`
}
