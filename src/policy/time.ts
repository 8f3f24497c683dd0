/**
 * Local dates to instants (policy-language, sections 4 and 15; policy-files, words).
 *
 * A local time that a clock change repeats has two readings; one that it skips has the readings of both offsets.
 * Whatever restricts takes the longer window, whatever loosens the shorter; the caller says which end it wants.
 */
import type { Instant } from './rule.ts'

const DAY = 86_400_000
const formats = new Map<string, Intl.DateTimeFormat>()

function format(zone: string): Intl.DateTimeFormat {
  let known = formats.get(zone)
  if (known === undefined) {
    known = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, calendar: 'iso8601', numberingSystem: 'latn', hourCycle: 'h23',
      year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
    })
    formats.set(zone, known)
  }
  return known
}

/** Names of three or four capitals that the IANA database holds and that change their clocks as their places do. */
const SHORT_ZONES = ['UTC', 'GMT', 'CET', 'EET', 'MET', 'WET']

/**
 * True when the zone is an IANA name. Offsets such as +02:00 are not, nor are abbreviations such as EST, by which people
 * mean a place and which stand for a fixed offset.
 */
export function isZone(zone: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9]*(?:[/_+-][A-Za-z0-9]+)*$/.test(zone) || (/^[A-Z]{3,4}$/.test(zone) && !SHORT_ZONES.includes(zone))) return false
  try { return format(zone) !== undefined } catch { return false }
}

/** How far the zone's clock is ahead of UTC at an instant, in milliseconds. */
export function offsetAt(at: Instant, zone: string): number {
  const part: Record<string, number> = {}
  for (const p of format(zone).formatToParts(at)) part[p.type] = Number(p.value)
  const local = Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'], part['second'])
  return local - Math.floor(at / 1000) * 1000
}

/** The instants a local time may mean: one, or two around a clock change, the earlier first. */
export function readings(localAsUtc: number, zone: string): readonly [earlier: Instant, later: Instant] {
  const before = localAsUtc - offsetAt(localAsUtc - DAY, zone)
  const after = localAsUtc - offsetAt(localAsUtc + DAY, zone)
  const real = [before, after].filter(at => at + offsetAt(at, zone) === localAsUtc)
  const candidates = real.length > 0 ? real : [before, after]
  return [Math.min(...candidates), Math.max(...candidates)]
}

const WRITTEN = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2}))?)?$/

/** Reads `2026-11-30` or `2026-11-30T17:21:00`; undefined when it is neither or no such day or time exists. */
export function readLocal(text: string): { readonly utc: number; readonly bare: boolean } | undefined {
  const m = WRITTEN.exec(text)
  if (m === null) return undefined
  const [year, month, day, hour, minute, second] = m.slice(1).map(x => Number(x ?? 0)) as [number, number, number, number, number, number]
  const utc = Date.UTC(year, month - 1, day, hour, minute, second)
  const back = new Date(utc)
  const same = back.getUTCFullYear() === year && back.getUTCMonth() === month - 1 && back.getUTCDate() === day
    && back.getUTCHours() === hour && back.getUTCMinutes() === minute && back.getUTCSeconds() === second
  return same ? { utc, bare: m[4] === undefined } : undefined
}

/** The first instant of a `from`. Take the earlier reading where it restricts, the later where it loosens. */
export function startOf(text: string, zone: string, reading: 'earlier' | 'later'): Instant {
  return readings(readLocal(text)!.utc, zone)[reading === 'earlier' ? 0 : 1]
}

/** The instant at which an `until` has ended: a bare date lasts to the next local midnight. */
export function endOf(text: string, zone: string, reading: 'earlier' | 'later'): Instant {
  const { utc, bare } = readLocal(text)!
  return readings(bare ? utc + DAY : utc, zone)[reading === 'earlier' ? 0 : 1]
}

/** An instant as ISO text with milliseconds, in the offset its zone has then: 2026-12-01T00:00:00.000+01:00. */
export function inZone(at: Instant, zone: string): string {
  const offset = offsetAt(at, zone)
  const text = new Date(at + offset).toISOString().slice(0, -1)
  const minutes = Math.abs(Math.round(offset / 60_000))
  const two = (n: number): string => String(n).padStart(2, '0')
  return `${text}${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/** An instant as ISO text in UTC. */
export const inUtc = (at: Instant): string => new Date(at).toISOString()
