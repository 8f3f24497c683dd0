/** What `test --at` does to the clocks of cases: all of them to one instant, or each of them a while later. */
import { UsageError } from './command.ts'
import { readInstant } from './instant.ts'

export type Shift = (at: number) => number

const LATER = /^\+(\d{1,4})([ymd])$/
const DAY_MS = 86_400_000

/** Reads `+1y`, `+6m`, `+30d` or a time with its offset. Throws UsageError. */
export function readShift(written: string): Shift {
  const later = LATER.exec(written)
  if (later !== null) {
    const count = Number(later[1])
    if (later[2] === 'd') return at => at + count * DAY_MS
    return at => monthsLater(at, count * (later[2] === 'y' ? 12 : 1))
  }
  const instant = readInstant(written)
  if (instant === undefined) throw new UsageError(`--at is +1y, +6m, +30d or a time with its offset, such as 2026-11-22T11:00:00Z, not '${written}'.`)
  return () => instant
}

/** The same day of a later month, or its last one; by the calendar of UTC. */
function monthsLater(at: number, months: number): number {
  const date = new Date(at)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() + months)
  const days = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  return date.setUTCDate(Math.min(day, days))
}
