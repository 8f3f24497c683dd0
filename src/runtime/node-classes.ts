/**
 * What this is for: how many requests of each class there were in each hour, in a file of its own that is kept longer than the records.
 *
 * What it assumes: it is statistics; a process that is killed loses what it counted in the last minute, and the file says so.
 * What it promises: counting never holds up a request nor refuses one, whatever the file; memory and file are bounded.
 */
import { chmodSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { ReadRecorded, RecordedRequests } from '../cli/host.ts'
import type { Rulebook } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import type { Ports } from '../ports.ts'
import { classOf, isLessThanRecorded } from '../record/classes.ts'
import type { Entry, Recorder } from '../record/record.ts'
import { makeDataFolder } from './node-recorder.ts'

export const CLASSES_FILE = 'classes.sqlite'
const HOUR_MS = 3_600_000
const FLUSH_EVERY_MS = 60_000
/** Five years, where records are kept for months; where those are kept for years, twice as long as they. */
const RETAIN_MS = 5 * 366 * 24 * HOUR_MS
/** Of one hour. Requests of further classes are counted together, as class ''. */
const CLASSES_PER_HOUR_MAX = 2_000
/** Rows that wait for a file that cannot be written. What comes after is lost, and the hour is not whole. */
const PENDING_MAX = 10_000
const MORE = ''
/** A flush is done between requests: it must not wait for whoever reads the file. */
const BUSY_WRITING_MS = 20
const BUSY_READING_MS = 2_000

/** A span is a stretch of time in which everything was counted; one that was not ended belongs to a process that was killed. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS classes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS counts (hour INTEGER NOT NULL, class INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (hour, class)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS spans (began INTEGER PRIMARY KEY, until INTEGER NOT NULL, ended INTEGER NOT NULL) STRICT`

export type Classes = {
  /** The same recorder, whose decisions are counted when they have been kept. */
  counting(recorder: Recorder): Recorder
  /** Writes what was counted. */
  end(): void
}

type Given = { readonly data: string; readonly ports: Pick<Ports, 'clock' | 'log'>; readonly rulebook: () => Rulebook; readonly retainMs?: number | undefined }

export function createClasses({ data, ports: { clock, log }, rulebook, retainMs = 0 }: Given): Classes {
  const began = clock.now()
  /** Counted and not written yet. */
  let pending = new Map<string, { readonly hour: number; readonly text: string; count: number }>()
  let thisHour = { hour: 0, classes: new Set<string>() }
  let complaint: string | undefined

  const count = (entry: Entry): void => {
    if (entry.kind !== 'decision') return
    const hour = Math.floor(entry.at / HOUR_MS)
    if (thisHour.hour !== hour) thisHour = { hour, classes: new Set() }
    const found = classOf({ request: entry.request, stated: entry.stated as Readonly<Record<string, unknown>> }, rulebook())
    const isTooMany = !thisHour.classes.has(found) && thisHour.classes.size >= CLASSES_PER_HOUR_MAX
    const text = isTooMany || pending.size >= PENDING_MAX ? MORE : found
    if (text !== MORE) thisHour.classes.add(text)
    const key = `${hour} ${text}`, known = pending.get(key)
    if (known === undefined) pending.set(key, { hour, text, count: 1 })
    else known.count += 1
  }
  const complain = (error: unknown): void => {
    const why = error instanceof Error && 'code' in error ? String(error.code) : error instanceof Error ? error.name : typeof error
    if (why !== complaint) log('warn', 'classes', { error: why, note: 'Classes of requests cannot be counted; requests go on.' })
    complaint = why
  }
  const flush = (isLast: boolean): void => {
    try {
      write(data, [...pending.values()], { began, until: clock.now(), isLast, retainMs: Math.max(RETAIN_MS, 2 * retainMs) })
      pending = new Map()
      complaint = undefined
    } catch (error) {
      complain(error)
    }
  }
  let forget = (): void => undefined
  const later = (): void => {
    forget = clock.after(FLUSH_EVERY_MS, () => {
      flush(false)
      later()
    })
  }
  flush(false)
  later()
  return {
    counting: recorder => ({
      async append(entry) {
        await recorder.append(entry)
        try {
          count(entry)
        } catch (error) {
          complain(error)
        }
      },
    }),
    end() {
      forget()
      flush(true)
    },
  }
}

type Span = { readonly began: number; readonly until: number; readonly isLast: boolean; readonly retainMs: number }

/** Opened anew each time, once a minute: whoever moves the file away finds a new one in its place. */
function write(data: string, rows: readonly { readonly hour: number; readonly text: string; readonly count: number }[], { began, until, isLast, retainMs }: Span): void {
  makeDataFolder(data)
  const file = join(data, CLASSES_FILE)
  const database = new DatabaseSync(file, { timeout: BUSY_WRITING_MS })
  try {
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; ${SCHEMA}`)
    chmodSync(file, 0o600)
    const named = database.prepare('INSERT INTO classes (text) VALUES (?) ON CONFLICT DO NOTHING')
    const counted = database.prepare('INSERT INTO counts (hour, class, count) SELECT ?, id, ? FROM classes WHERE text = ? ON CONFLICT DO UPDATE SET count = count + excluded.count')
    for (const { hour, text, count } of rows) {
      named.run(text)
      counted.run(hour, count, text)
    }
    database.prepare('INSERT INTO spans (began, until, ended) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = excluded.until, ended = excluded.ended').run(began, until, isLast ? 1 : 0)
    const oldest = Math.floor((until - retainMs) / HOUR_MS)
    const { changes } = database.prepare('DELETE FROM counts WHERE hour < ?').run(oldest)
    if (Number(changes) > 0) {
      database.prepare('DELETE FROM spans WHERE until < ?').run(oldest * HOUR_MS)
      database.exec('DELETE FROM classes WHERE id NOT IN (SELECT class FROM counts)')
    }
    database.exec('COMMIT')
  } finally {
    database.close()
  }
}

export type ReadClasses = Extract<ReadRecorded, { readonly ok: true }> & {
  /** What the records of the same time would say and this does not; empty where the two agree. */
  readonly lacks: readonly string[]
}

/** Requests from the hour of an instant on, those alike in these facts as one. Throws when the file cannot be read as one of classes. */
export function readClasses(path: string, since: number, facts: readonly string[]): ReadClasses {
  const file = statSync(path).isDirectory() ? join(path, CLASSES_FILE) : path
  const database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_READING_MS })
  try {
    const rows = database.prepare('SELECT text, sum(count) AS count FROM counts JOIN classes ON classes.id = counts.class WHERE hour >= ? GROUP BY class ORDER BY class').all(Math.floor(since / HOUR_MS)) as unknown as readonly { readonly text: string; readonly count: number }[]
    const spans = database.prepare('SELECT began, until, ended FROM spans ORDER BY began').all() as unknown as readonly { readonly began: number; readonly until: number; readonly ended: number }[]
    const requests: RecordedRequests[] = []
    let more = 0, less = 0
    for (const { text, count } of rows) {
      if (text === MORE) {
        more += count
        continue
      }
      const { request, stated } = JSON.parse(text) as Omit<RecordedRequests, 'count'>
      const one = { request: only(request, facts), stated: only(stated, facts), count }
      if (isLessThanRecorded(one, facts)) less += count
      requests.push(one)
    }
    const first = spans[0]?.began ?? Infinity, until = Math.max(...spans.map(s => s.until))
    const killed = spans.slice(0, -1).filter(s => s.ended === 0 && s.until >= since).length
    return {
      ok: true, requests, read: `the histogram ${file}${Number.isFinite(until) ? `, counted until ${inUtc(until)}` : ''}`,
      lacks: [
        ...first > since ? [`everything before ${Number.isFinite(first) ? inUtc(first) : 'now'}`] : [],
        ...killed > 0 ? [`the last minute of ${killed === 1 ? 'a process' : `${killed} processes`} that did not end by itself`] : [],
        ...more > 0 ? [`${more} requests of more classes than are counted in an hour`] : [],
        ...less > 0 ? [`words of ${less} requests that no policy named then`] : [],
      ],
    }
  } finally {
    database.close()
  }
}

const only = <T>(of: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(names.flatMap(name => (of[name] === undefined ? [] : [[name, of[name]]])))
