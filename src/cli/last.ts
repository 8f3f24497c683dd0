/** How far back something is read, as a person writes it: `7d`, `12h`. */
import { UsageError } from './command.ts'

const WRITTEN = /^([1-9]\d{0,3})([dh])$/
const UNIT_MS = { d: 86_400_000, h: 3_600_000 } as const

/** In milliseconds. Throws UsageError. */
export function durationMs(written: string): number {
  const parts = WRITTEN.exec(written)
  if (parts === null) throw new UsageError(`--last is a number of days or hours, such as 7d or 12h, not '${written}'.`)
  return Number(parts[1]) * UNIT_MS[parts[2] as keyof typeof UNIT_MS]
}
