/**
 * Local dates to instants. The expected instants are worked out by hand from the clock changes that the zones publish,
 * and then by brute force: the local clock is read at every quarter of an hour around, by other means than time.ts.
 */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { endOf, inUtc, inZone, isZone, offsetAt, readLocal, readings, startOf } from '../../src/policy/time.ts'
import { seed, settings } from './worlds.ts'

const utc = (text: string): number => Date.parse(text)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const both = (local: string, zone: string): string[] => readings(readLocal(local)!.utc, zone).map(inUtc)
const iso = (text: string): string => new Date(text).toISOString()

describe('an ordinary day', () => {
  test.each([
    ['Europe/Brussels', '2026-11-01', '2026-10-31T23:00:00Z', '2026-11-01T23:00:00Z'],
    ['Europe/Brussels', '2026-07-01', '2026-06-30T22:00:00Z', '2026-07-01T22:00:00Z'],
    ['America/New_York', '2026-06-12', '2026-06-12T04:00:00Z', '2026-06-13T04:00:00Z'],
    ['Asia/Kathmandu', '2026-11-01', '2026-10-31T18:15:00Z', '2026-11-01T18:15:00Z'],
    ['Asia/Kolkata', '2026-11-01', '2026-10-31T18:30:00Z', '2026-11-01T18:30:00Z'],
    ['Pacific/Kiritimati', '2026-11-01', '2026-10-31T10:00:00Z', '2026-11-01T10:00:00Z'],
    ['Pacific/Pago_Pago', '2026-11-01', '2026-11-01T11:00:00Z', '2026-11-02T11:00:00Z'],
    ['Pacific/Marquesas', '2026-11-01', '2026-11-01T09:30:00Z', '2026-11-02T09:30:00Z'],
    ['Pacific/Chatham', '2026-06-15', '2026-06-14T11:15:00Z', '2026-06-15T11:15:00Z'],
    ['Pacific/Chatham', '2026-12-15', '2026-12-14T10:15:00Z', '2026-12-15T10:15:00Z'],
    ['America/St_Johns', '2026-01-15', '2026-01-15T03:30:00Z', '2026-01-16T03:30:00Z'],
    ['Australia/Eucla', '2026-01-15', '2026-01-14T15:15:00Z', '2026-01-15T15:15:00Z'],
    ['UTC', '2026-11-01', '2026-11-01T00:00:00Z', '2026-11-02T00:00:00Z'],
  ])('%s: %s begins and ends at local midnight, whichever reading is asked for', (zone, day, begins, ends) => {
    for (const reading of ['earlier', 'later'] as const) {
      expect(inUtc(startOf(day, zone, reading))).toBe(iso(begins))
      expect(inUtc(endOf(day, zone, reading))).toBe(iso(ends))
    }
  })

  test('a timed until ends at its time, a bare one at the next midnight', () => {
    expect(endOf('2026-06-30T23:59:00', 'America/New_York', 'later')).toBe(utc('2026-07-01T03:59:00Z'))
    expect(endOf('2026-06-30', 'America/New_York', 'later')).toBe(utc('2026-07-01T04:00:00Z'))
    expect(startOf('2026-06-12T17:21:00', 'America/New_York', 'earlier')).toBe(utc('2026-06-12T17:21:00-04:00'))
  })

  test('the last day of a year and a leap day end where the next day begins', () => {
    expect(endOf('2026-12-31', 'Europe/Brussels', 'earlier')).toBe(startOf('2027-01-01', 'Europe/Brussels', 'earlier'))
    expect(endOf('2028-02-29', 'Europe/Brussels', 'earlier')).toBe(utc('2028-02-29T23:00:00Z'))
  })
})

describe('a local time that a clock change repeats has two readings', () => {
  test.each([
    ['Europe/Brussels', '2026-10-25T02:30:00', '2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'],
    ['America/New_York', '2026-11-01T01:00:00', '2026-11-01T05:00:00Z', '2026-11-01T06:00:00Z'],
    ['Australia/Lord_Howe', '2026-04-05T01:45:00', '2026-04-04T14:45:00Z', '2026-04-04T15:15:00Z'],
    ['Pacific/Chatham', '2026-04-05T03:00:00', '2026-04-04T13:15:00Z', '2026-04-04T14:15:00Z'],
    ['America/Havana', '2026-11-01T00:00:00', '2026-11-01T04:00:00Z', '2026-11-01T05:00:00Z'],
    ['Europe/Dublin', '2026-10-25T01:30:00', '2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'],
  ])('%s %s', (zone, local, earlier, later) => {
    expect(both(local, zone)).toEqual([iso(earlier), iso(later)])
  })

  test.each([
    ['Europe/Brussels', '2026-10-25T01:59:59', '2026-10-24T23:59:59Z'],
    ['Europe/Brussels', '2026-10-25T03:00:00', '2026-10-25T02:00:00Z'],
    ['Australia/Lord_Howe', '2026-04-05T01:29:59', '2026-04-04T14:29:59Z'],
    ['Australia/Lord_Howe', '2026-04-05T02:00:00', '2026-04-04T15:30:00Z'],
  ])('%s %s lies just beside it and has one', (zone, local, only) => {
    expect(both(local, zone)).toEqual([iso(only), iso(only)])
  })

  test('where midnight itself is repeated, a restriction takes the longer day and an exception the shorter', () => {
    expect(endOf('2026-10-31', 'America/Havana', 'later') - endOf('2026-10-31', 'America/Havana', 'earlier')).toBe(HOUR)
    expect(endOf('2026-11-01', 'America/Havana', 'later') - startOf('2026-11-01', 'America/Havana', 'earlier')).toBe(25 * HOUR)
    expect(endOf('2026-11-01', 'America/Havana', 'earlier') - startOf('2026-11-01', 'America/Havana', 'later')).toBe(24 * HOUR)
  })
})

describe('a local time that a clock change skips has the readings of both offsets', () => {
  test.each([
    ['Europe/Brussels', '2026-03-29T02:30:00', '2026-03-29T00:30:00Z', '2026-03-29T01:30:00Z'],
    ['America/New_York', '2026-03-08T02:00:00', '2026-03-08T06:00:00Z', '2026-03-08T07:00:00Z'],
    ['Australia/Lord_Howe', '2026-10-04T02:15:00', '2026-10-03T15:15:00Z', '2026-10-03T15:45:00Z'],
    ['Africa/Cairo', '2026-04-24T00:00:00', '2026-04-23T21:00:00Z', '2026-04-23T22:00:00Z'],
    ['Asia/Beirut', '2026-03-29T00:00:00', '2026-03-28T21:00:00Z', '2026-03-28T22:00:00Z'],
    // Samoa moved to the other side of the date line: the whole of 30 December 2011 is missing.
    ['Pacific/Apia', '2011-12-30T12:00:00', '2011-12-29T22:00:00Z', '2011-12-30T22:00:00Z'],
  ])('%s %s', (zone, local, earlier, later) => {
    expect(both(local, zone)).toEqual([iso(earlier), iso(later)])
  })

  test.each([
    ['Europe/Brussels', '2026-03-29T01:59:59', '2026-03-29T00:59:59Z'],
    ['Europe/Brussels', '2026-03-29T03:00:00', '2026-03-29T01:00:00Z'],
    ['Australia/Lord_Howe', '2026-10-04T01:59:59', '2026-10-03T15:29:59Z'],
    ['Australia/Lord_Howe', '2026-10-04T02:30:00', '2026-10-03T15:30:00Z'],
  ])('%s %s lies just beside it and has one', (zone, local, only) => {
    expect(both(local, zone)).toEqual([iso(only), iso(only)])
  })

  test('where midnight is skipped, a restriction has no hour without it and an exception gains none', () => {
    expect(inUtc(endOf('2026-04-23', 'Africa/Cairo', 'later'))).toBe(iso('2026-04-23T22:00:00Z'))
    expect(inUtc(endOf('2026-04-23', 'Africa/Cairo', 'earlier'))).toBe(iso('2026-04-23T21:00:00Z'))
  })
})

describe('by brute force', () => {
  const ZONES = ['Europe/Brussels', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Pacific/Chatham', 'America/St_Johns', 'Africa/Cairo',
    'America/Havana', 'Africa/Casablanca', 'Asia/Beirut', 'Europe/Dublin', 'America/Santiago', 'Pacific/Kiritimati', 'Asia/Tehran', 'Antarctica/Troll', 'UTC']
  const QUARTER = 15 * MINUTE
  const clocks = new Map(ZONES.map(zone => [zone, new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })]))
  /** What a clock on the wall there shows, as if it were UTC. */
  const wall = (at: number, zone: string): number => Date.parse(`${clocks.get(zone)!.format(at).replace(' ', 'T')}Z`)
  const moment = fc.integer({ min: utc('2024-01-01T00:00:00Z') / QUARTER, max: utc('2030-12-31T00:00:00Z') / QUARTER }).map(n => n * QUARTER)

  /** Local times within three hours of a clock change, and any others. */
  const changes = ZONES.flatMap(zone => {
    const found: { zone: string; local: number }[] = []
    for (let at = utc('2025-01-01T00:00:00Z'); at < utc('2027-01-01T00:00:00Z'); at += 6 * HOUR) {
      if (wall(at, zone) - at !== wall(at + 6 * HOUR, zone) - at - 6 * HOUR) found.push({ zone, local: wall(at, zone) })
    }
    return found
  })
  const near = fc.constantFrom(...changes).chain(({ zone, local }) => fc.integer({ min: -8, max: 36 }).map(n => ({ zone, local: local + n * QUARTER })))
  const anywhere = fc.record({ zone: fc.constantFrom(...ZONES), local: moment })

  test(`readings are exactly the instants at which the wall shows that time (seed ${seed})`, () => {
    let repeated = 0
    let skipped = 0
    fc.assert(fc.property(fc.oneof(near, anywhere), ({ zone, local }) => {
      const shown: number[] = []
      for (let at = local - 27 * HOUR; at <= local + 27 * HOUR; at += QUARTER) if (wall(at, zone) === local) shown.push(at)
      const [earlier, later] = readings(local, zone)
      expect(earlier).toBeLessThanOrEqual(later)
      if (shown.length > 0) {
        if (shown.length > 1) repeated++
        expect([...new Set([earlier, later])]).toEqual(shown)
        return
      }
      skipped++
      // The two readings are those of the clock before the gap and of the clock after it.
      const gap = wall(later, zone) - wall(earlier, zone)
      expect(wall(later, zone) - local).toBe(later - earlier)
      expect(local - wall(earlier, zone)).toBe(later - earlier)
      expect(gap).toBe(2 * (later - earlier))
    }), settings(1500))
    expect(repeated).toBeGreaterThan(20)
    expect(skipped).toBeGreaterThan(20)
  })

  test(`the offset is what the wall shows, and the written form reads back (seed ${seed})`, () => {
    fc.assert(fc.property(fc.constantFrom(...ZONES), moment, fc.integer({ min: 0, max: QUARTER - 1 }), (zone, quarter, inside) => {
      const at = quarter + inside
      expect(offsetAt(at, zone)).toBe(wall(at, zone) - Math.floor(at / 1000) * 1000)
      expect(Date.parse(inZone(at, zone))).toBe(at)
      expect(inZone(at, zone).slice(0, 19)).toBe(new Date(wall(at, zone)).toISOString().slice(0, 19))
    }), settings(500))
  })
})

describe('how time is written', () => {
  test('with milliseconds and the offset of that moment', () => {
    expect(inZone(utc('2026-11-30T23:00:00Z'), 'Europe/Brussels')).toBe('2026-12-01T00:00:00.000+01:00')
    expect(inZone(utc('2026-06-12T21:21:00.5Z'), 'America/New_York')).toBe('2026-06-12T17:21:00.500-04:00')
    expect(inZone(utc('2026-01-15T00:00:00Z'), 'America/St_Johns')).toBe('2026-01-14T20:30:00.000-03:30')
    expect(inZone(utc('2026-01-15T00:00:00Z'), 'Asia/Kathmandu')).toBe('2026-01-15T05:45:00.000+05:45')
    expect(inZone(utc('2026-01-15T00:00:00Z'), 'UTC')).toBe('2026-01-15T00:00:00.000+00:00')
    expect(inUtc(utc('2026-11-22T12:00:00+01:00'))).toBe('2026-11-22T11:00:00.000Z')
  })

  test.each(['2026-11-30', '2026-11-30T17:21:00', '2026-11-30T17:21', '2028-02-29', '2026-12-31T23:59:59'])('%s is a date', text => {
    const read = readLocal(text)
    expect(read?.utc).toBe(utc(text.length === 10 ? `${text}T00:00:00Z` : `${text}Z`))
    expect(read?.bare).toBe(text.length === 10)
  })

  test.each([
    '2026-02-29', '2026-13-01', '2026-00-10', '2026-11-31', '2026-11-30T24:00:00', '2026-11-30T23:60:00', '2026-11-30T23:59:60', '2026-11-30T17:21:00Z',
    '2026-11-30T17:21:00+01:00', '2026-11-30 17:21:00', '26-11-30', '2026-1-1', '30-11-2026', '2026/11/30', '2026-11-30T17', '', 'unknown', ' 2026-11-30', '2026-11-30\n', '0000-01-01', '20260-11-30', '2026-11-30T17:21:00.5',
  ])('%j is not', text => {
    expect(readLocal(text)).toBeUndefined()
  })

  test.each(['Europe/Brussels', 'America/Argentina/Buenos_Aires', 'America/Port-au-Prince', 'Asia/Ho_Chi_Minh', 'UTC', 'CET', 'EST5EDT', 'Etc/GMT+5', 'Etc/UTC'])('%s is a zone', zone => {
    expect(isZone(zone)).toBe(true)
  })

  test.each(['+02:00', '-0500', 'CEST', 'EST', 'PST', 'Europe/Brusels', 'Brussels', '', 'UTC+2', 'Europe/', 'Europe/Brussels ', 'local', '../UTC'])('%j is none', zone => {
    expect(isZone(zone)).toBe(false)
  })
})
