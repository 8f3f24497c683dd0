/** A point in time as a person writes it on the command line or in a request file. */
import { UsageError } from './command.ts'

const WRITTEN = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(?:Z|[+-](\d{2}):(\d{2}))$/

/** Milliseconds since 1970; undefined when it is no such time, or does not say which clock it means. */
export function readInstant(text: string): number | undefined {
  const part = WRITTEN.exec(text)
  if (part === null) return undefined
  const [year, month, day, hour, minute, second, offsetHour, offsetMinute] = part.slice(1).map(x => Number(x ?? 0)) as [number, number, number, number, number, number, number, number]
  const dayExists = new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day && month >= 1 && month <= 12
  if (!dayExists || hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}

/** The value of --at, or now. Throws UsageError. */
export function instantOrNow(written: string | undefined, now: () => number): number {
  if (written === undefined) return now()
  const at = readInstant(written)
  if (at === undefined) throw new UsageError(`--at is a time with its offset, such as 2026-11-22T11:00:00Z or 2026-11-22T12:00:00+01:00, not '${written}'.`)
  return at
}
