/** The chain on disk: over restarts, files that are put aside, files that are moved, and time. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../src/ports.ts'
import { isCheckpointBy } from '../../src/record/checkpoint.ts'
import { BEFORE_ALL, digestOfLine, entryOf, type Line } from '../../src/record/line.ts'
import { rootFrom, rootOf } from '../../src/record/merkle.ts'
import type { CheckpointEntry, DecisionEntry, Entry, OutcomeEntry, QuarantineEntry, RetiredEntry } from '../../src/record/record.ts'
import { KEY_FILE, PUBLIC_KEY_FILE, readSigningKey, sha256 } from '../../src/runtime/node-key.ts'
import { openRecorder, RECORDS_FILE, type NodeRecorder, type RecorderOptions } from '../../src/runtime/node-recorder.ts'
import { readRecords } from '../../src/runtime/node-records.ts'
import { linesIn } from '../support/kept.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'

const DAY_MS = 86_400_000, YEAR_MS = 365 * DAY_MS
const NOW = Date.parse('2026-11-23T00:00:00Z')
const outcome = (id: string, at = NOW): OutcomeEntry => ({ kind: 'outcome', id, at, outcome: 'answered', attempts: [], ms: 3 })
const decision = (id: string, at = NOW, duties = {}): DecisionEntry => ({
  kind: 'decision', id, at, requestId: 'r', app: 'desk', bundle: 'b', catalog: 'c', epoch: 1, outcome: 'permit',
  request: {}, stated: {}, permitted: [], activeRules: [], exceptions: [], assumptions: [], duties,
})
const start = (bundle: string): Entry => ({ kind: 'start', id: 's', at: NOW, version: '1', bundle, place: null, quarantined: [] })

/** What is wrong with a chain, in the simplest words. */
async function wrongWith(lines: readonly Line[], data: string): Promise<readonly string[]> {
  const wrong: string[] = [], { publicJwk } = await readSigningKey(data)
  let last: { readonly seq: number; readonly digest: string } | undefined
  const digests = new Map<number, string>()
  for (const line of lines) {
    if (last !== undefined && (line.seq !== last.seq + 1 || line.prev !== last.digest)) wrong.push(`line ${line.seq} after ${last.seq}`)
    last = { seq: line.seq, digest: digestOfLine(line, sha256) }
    digests.set(line.seq, last.digest)
  }
  let signedTo: number | undefined
  for (const line of lines.filter(l => l.open.kind === 'checkpoint')) {
    const c = entryOf(line) as CheckpointEntry
    if (signedTo !== undefined && c.from !== signedTo + 1) wrong.push(`checkpoint ${line.seq} begins at ${c.from}`)
    signedTo = c.to
    if (c.to >= line.seq || !await isCheckpointBy(c, publicJwk)) wrong.push(`checkpoint ${line.seq}`)
    if (!digests.has(c.from)) continue
    const covered = Array.from({ length: c.to - c.from + 1 }, (_, i) => digests.get(c.from + i)!)
    if (c.head !== covered.at(-1) || c.root !== rootOf(covered, sha256)) wrong.push(`root of ${line.seq}`)
  }
  return wrong
}

let data: string
const open: NodeRecorder[] = []
const opened = async (options?: RecorderOptions): Promise<NodeRecorder> => {
  const recorder = await openRecorder(data, options)
  open.push(recorder)
  return recorder
}
const many = (recorder: NodeRecorder, count: number, name = 'o', at = NOW): Promise<unknown> => Promise.all(Array.from({ length: count }, (_, i) => recorder.append(outcome(`${name}${i}`, at))))
const kinds = async (): Promise<readonly string[]> => (await linesIn(data)).map(l => l.open.kind)
const files = (): readonly string[] => readdirSync(data).filter(name => name.endsWith('.sqlite')).toSorted()

beforeEach(() => { data = freshFolder() })
afterEach(async () => {
  for (const recorder of open.splice(0)) await recorder.close()
  await cleanUp()
})

describe('the chain', () => {
  it('begins with the log and its key, and every line holds the digest of the one before', async () => {
    const recorder = await opened()
    await many(recorder, 3)
    const lines = await linesIn(data)
    expect(lines[0]).toMatchObject({ seq: 1, prev: BEFORE_ALL, open: { kind: 'log', key: recorder.key.publicJwk } })
    expect(lines).toHaveLength(4)
    expect(await wrongWith(lines, data)).toEqual([])
    expect(new Set(lines.map(l => l.salt)).size).toBe(4)
  })

  it('goes on over restarts, each signed at its end', async () => {
    for (const name of ['a', 'b', 'c']) {
      const recorder = await openRecorder(data)
      await many(recorder, 2, name)
      await recorder.close()
    }
    expect(await kinds()).toEqual(['log', 'outcome', 'outcome', 'checkpoint', 'outcome', 'outcome', 'checkpoint', 'outcome', 'outcome', 'checkpoint'])
    expect(await wrongWith(await linesIn(data), data)).toEqual([])
    // One file, with nothing beside it that it would need.
    expect(files()).toEqual([RECORDS_FILE])
    expect(readdirSync(data)).not.toContain(`${RECORDS_FILE}-wal`)
  })

  it('has no line of its own for a start and an end that brought nothing', async () => {
    for (let i = 0; i < 3; i++) await (await openRecorder(data)).close()
    expect(await kinds()).toEqual(['log', 'checkpoint'])
  })

  it('is signed every so many lines and where the policies change, while nobody waits', async () => {
    const recorder = await opened({ checkpointEvery: 10 })
    await recorder.append(start('one'))
    const [log] = await linesIn(data)
    await recorder.prove([log!])
    expect(await kinds()).toEqual(['log', 'start', 'checkpoint'])
    await recorder.append(start('one'))
    expect(await kinds()).toEqual(['log', 'start', 'checkpoint', 'start'])
    for (let i = 0; i < 5; i++) await many(recorder, 7, `n${i}-`)
    await recorder.close()
    const checkpoints = (await linesIn(data)).map(entryOf).filter(e => e.kind === 'checkpoint')
    expect(checkpoints.length).toBeGreaterThanOrEqual(4)
    expect(await wrongWith(await linesIn(data), data)).toEqual([])
  })

  it('does not lose other entries of a turn to one that is no JSON', async () => {
    const recorder = await opened()
    const ends = await Promise.allSettled([recorder.append(outcome('a')), recorder.append({ ...outcome('b'), ms: Number.NaN }), recorder.append(outcome('c'))])
    expect(ends.map(e => e.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await linesIn(data)).map(l => l.open.id).slice(1)).toEqual(['a', 'c'])
    expect(await wrongWith(await linesIn(data), data)).toEqual([])
  })

  it('finds and proves the lines of a decision, with one signature for all who ask at once', async () => {
    const recorder = await opened()
    for (const id of ['a', 'b']) await Promise.all([recorder.append(decision(id)), recorder.append(outcome(id))])
    const lines = recorder.linesOf('a')
    expect(lines.map(l => [l.open.kind, l.open.id])).toEqual([['decision', 'a'], ['outcome', 'a']])
    expect(recorder.linesOf('no such')).toEqual([])
    const [proven] = await Promise.all([recorder.prove(lines), recorder.prove(recorder.linesOf('b')), recorder.prove(lines)])
    for (const { line, path, checkpoint } of proven) {
      expect(rootFrom(digestOfLine(line, sha256), path, sha256)).toBe(checkpoint.root)
      expect(await isCheckpointBy(checkpoint, recorder.key.publicJwk)).toBe(true)
    }
    expect((await kinds()).filter(k => k === 'checkpoint')).toHaveLength(1)
    await expect(recorder.prove([{ ...lines[0]!, salt: '0'.repeat(32) }])).rejects.toThrow(/not the one that was signed/)
    await expect(recorder.prove([{ ...lines[0]!, seq: 99 }])).rejects.toThrow(/no line 99/)
  })
})

describe('files that are full', () => {
  it('are put aside, and the chain goes on over them and over restarts', async () => {
    for (let restart = 0; restart < 3; restart++) {
      const recorder = await openRecorder(data, { segmentLines: 20, checkpointEvery: 7 })
      await recorder.append(decision(`early-${restart}`))
      for (let i = 0; i < 8; i++) await many(recorder, 6, `r${restart}-${i}-`)
      await recorder.append(outcome(`early-${restart}`))
      for (let before = 0; before <= restart; before++) {
        const lines = recorder.linesOf(`early-${before}`)
        expect(lines.map(l => l.open.kind)).toEqual(['decision', 'outcome'])
        for (const { line, path, checkpoint } of await recorder.prove(lines)) expect(rootFrom(digestOfLine(line, sha256), path, sha256)).toBe(checkpoint.root)
      }
      await recorder.close()
    }
    expect(files().length).toBeGreaterThan(6)
    const lines = await linesIn(data)
    expect(lines.filter(l => l.open.kind === 'outcome')).toHaveLength(3 * 49)
    expect(await wrongWith(lines, data)).toEqual([])
    // No checkpoint signs lines of two files: a file can go and the rest be proven.
    const ends = files().filter(f => f !== RECORDS_FILE).map(f => Number(new DatabaseSync(join(data, f), { readOnly: true }).prepare('SELECT max(seq) AS last FROM lines').get()!['last']))
    for (const c of lines.map(entryOf).filter(e => e.kind === 'checkpoint')) expect(ends.filter(end => c.from <= end && end < c.to)).toEqual([])
  })

  it('are not signed across: lines of every file can be proven, however many are put aside before a signature', async () => {
    const data = freshFolder(), recorder = await openRecorder(data, { segmentLines: 4, checkpointEvery: 12 })
    for (let i = 0; i < 40; i += 5) await Promise.all(Array.from({ length: 5 }, (_, k) => recorder.append(decision(`d-${i + k}`))))
    for (let i = 0; i < 40; i++) expect(await recorder.prove(recorder.linesOf(`d-${i}`))).toHaveLength(1)
    await recorder.close()
  })

  it('wait until whoever reads them has gone', async () => {
    const recorder = await opened({ segmentLines: 10 })
    await recorder.append(outcome('first'))
    const read = await readRecords(data)
    if (!read.ok) throw new Error(read.wrong)
    const lines = read.lines[Symbol.iterator]()
    expect(lines.next().value).toMatchObject({ where: `${RECORDS_FILE} seq 1` })
    await many(recorder, 30)
    expect(files()).not.toContain('records-000001.sqlite')
    expect(Array.from({ [Symbol.iterator]: () => lines }, l => l.where)).toEqual([`${RECORDS_FILE} seq 2`])
    await many(recorder, 1_100, 'later')
    expect(files()).toContain('records-000001.sqlite')
    await many(recorder, 2, 'last')
    expect(await wrongWith(await linesIn(data), data)).toEqual([])
  })

  it.each([
    ['before the full one was put aside', () => { copyFileSync(join(data, RECORDS_FILE), join(data, 'records-next.sqlite')) }],
    ['after it was', () => { renameSync(join(data, RECORDS_FILE), join(data, 'records-next.sqlite')) }],
  ])('are brought to their place where the change was cut off %s', async (_, cutOff) => {
    const first = await openRecorder(data, { segmentLines: 5 })
    await many(first, 12)
    await first.close()
    const before = await linesIn(data)
    cutOff()
    await (await opened()).append(outcome('again'))
    const after = await linesIn(data)
    expect(after.slice(0, before.length)).toEqual(before)
    expect(await wrongWith(after, data)).toEqual([])
    expect(files()).not.toContain('records-next.sqlite')
  })
})

describe('a file that is put aside', () => {
  it('takes the place of no other: the next lines go into it too, and nothing is lost', async () => {
    const wrong: unknown[] = [], other = join(data, 'records-000001.sqlite')
    const recorder = await openRecorder(data, { segmentLines: 5, failed: error => wrong.push(error) })
    writeFileSync(other, 'something else')
    await many(recorder, 12)
    expect(wrong[0]).toMatchObject({ code: 'EEXIST' })
    expect(readFileSync(other, 'utf8')).toBe('something else')
    rmSync(other)
    await recorder.close()
    expect((await linesIn(data)).map(l => l.open.kind).filter(kind => kind === 'outcome')).toHaveLength(12)
    expect(await wrongWith(await linesIn(data), data)).toEqual([])
  })
})

describe('a file that is not where it was', () => {
  const moved = (to: string): void => {
    mkdirSync(to, { recursive: true })
    for (const name of [RECORDS_FILE, `${RECORDS_FILE}-wal`, `${RECORDS_FILE}-shm`]) if (existsSync(join(data, name))) renameSync(join(data, name), join(to, name))
  }
  const back = (from: string): void => { for (const name of readdirSync(from)) renameSync(join(from, name), join(data, name)) }

  it('is waited for: nothing is kept until it is back, and then the chain goes on', async () => {
    const recorder = await opened(), away = join(data, 'away')
    await recorder.append(outcome('a'))
    moved(away)
    await expect(recorder.append(outcome('lost'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(existsSync(join(data, RECORDS_FILE))).toBe(false)
    back(away)
    await recorder.append(outcome('b'))
    await recorder.close()
    expect((await linesIn(data)).map(l => l.open.id)).toEqual([expect.stringMatching(/^l-/), 'a', 'b', 'c-3'])
    expect(await wrongWith(await linesIn(data), data)).toEqual([])
  })

  it('is not replaced by another while it is written to, whatever that seems to hold', async () => {
    const recorder = await opened(), away = join(data, 'away'), older = freshFolder()
    await recorder.append(outcome('a'))
    cpSync(data, older, { recursive: true })
    await recorder.append(outcome('b'))
    // The file alone: what was written beside it stays, and would be read as if it belonged to the other.
    mkdirSync(away)
    renameSync(join(data, RECORDS_FILE), join(away, RECORDS_FILE))
    copyFileSync(join(older, RECORDS_FILE), join(data, RECORDS_FILE))
    await expect(recorder.append(outcome('lost'))).rejects.toMatchObject({ code: 'ESTALE' })
    await expect(recorder.append(outcome('lost'))).rejects.toMatchObject({ code: 'ESTALE' })
    rmSync(join(data, RECORDS_FILE))
    back(away)
    await recorder.append(outcome('c'))
    await recorder.close()
    expect((await linesIn(data)).map(l => l.open.id).slice(1)).toEqual(['a', 'b', 'c', 'c-4'])
    expect(await wrongWith(await linesIn(data), data)).toEqual([])
  })

  it('is not written to where somebody else added to it', async () => {
    const recorder = await opened()
    await recorder.append(outcome('a'))
    const other = new DatabaseSync(join(data, RECORDS_FILE))
    other.exec(`UPDATE head SET digest = '${'1'.repeat(64)}'`)
    other.close()
    await expect(recorder.append(outcome('b'))).rejects.toMatchObject({ code: 'ESTALE' })
  })

  it('is not gone on with as an older copy of itself, unless somebody says so', async () => {
    const older = freshFolder(), before = await opened()
    await before.append(outcome('a'))
    await before.close()
    cpSync(join(data, RECORDS_FILE), join(older, RECORDS_FILE))
    const after = await openRecorder(data)
    await after.append(outcome('b'))
    await after.close()
    const newest = readFileSync(join(data, RECORDS_FILE))
    copyFileSync(join(older, RECORDS_FILE), join(data, RECORDS_FILE))
    await expect(openRecorder(data)).rejects.toThrow(/they end with line 3, and line 4 was signed.*records\.head/)
    writeFileSync(join(data, RECORDS_FILE), newest)
    await (await openRecorder(data)).close()
    copyFileSync(join(older, RECORDS_FILE), join(data, RECORDS_FILE))
    rmSync(join(data, 'records.head'))
    await (await opened()).append(outcome('c'))
  })

  it('is not begun anew where its last lines lie beside it, nor gone on with where lines in its middle are gone', async () => {
    const recorder = await opened(), copy = freshFolder()
    await many(recorder, 5)
    cpSync(data, copy, { recursive: true })
    rmSync(join(copy, RECORDS_FILE))
    await expect(openRecorder(copy)).rejects.toThrow(/records\.sqlite-wal holds its last lines/)
    await recorder.close()
    const database = new DatabaseSync(join(data, RECORDS_FILE))
    database.exec('DELETE FROM lines WHERE seq = 3')
    database.close()
    await expect(openRecorder(data)).rejects.toThrow(/holds 6 lines, and from 1 to 7 there were 7/)
  })

  it('takes the last lines of the file that is gone to no other: a log beside is not begun over them, before a start and while it is written', async () => {
    const away = freshFolder(), next = join(data, 'records-next.sqlite')
    const recorder = await openRecorder(data, { segmentLines: 20 })
    for (let i = 0; i < 30; i++) await recorder.append(outcome(`o-${i}`))
    const reader = new DatabaseSync(join(data, RECORDS_FILE), { readOnly: true })
    reader.exec('BEGIN')
    reader.prepare('SELECT count(*) FROM lines').get()
    for (let i = 30; !existsSync(next); i++) await recorder.append(outcome(`o-${i}`))
    renameSync(join(data, RECORDS_FILE), join(away, RECORDS_FILE))
    await expect(recorder.append(outcome('none'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(existsSync(join(data, RECORDS_FILE))).toBe(false)
    // As it lies after a kill: the file was moved, and what stands beside it was not.
    const killed = freshFolder()
    cpSync(join(data, `${RECORDS_FILE}-wal`), join(killed, `${RECORDS_FILE}-wal`))
    await expect(openRecorder(killed)).rejects.toThrow(/-wal holds its last lines/)
    expect(statSync(join(killed, `${RECORDS_FILE}-wal`)).size).toBeGreaterThan(0)
    renameSync(join(away, RECORDS_FILE), join(data, RECORDS_FILE))
    await recorder.append(outcome('back'))
    reader.close()
    await recorder.close()
  })

  it('begins a new log where all of it was moved away before the start, and not where older files say otherwise', async () => {
    const first = await openRecorder(data, { segmentLines: 5 })
    await many(first, 12)
    await first.close()
    const away = join(data, 'away')
    moved(away)
    await expect(openRecorder(data)).rejects.toThrow(/records\.sqlite is missing, and .*records-00000\d\.sqlite says that there was one/)
    for (const name of files()) renameSync(join(data, name), join(away, name))
    await (await opened()).append(outcome('new'))
    const [log, ...rest] = await linesIn(data), [old] = await linesIn(away)
    expect(rest).toHaveLength(1)
    expect(log!.open['log']).not.toBe(old!.open['log'])
    expect(log!.open['key']).toEqual(old!.open['key'])
  })
})

describe('a start is refused', () => {
  const refused = (): Promise<string> => openRecorder(data).then(() => 'opened', (error: unknown) => (error as Error).message)
  const change = (sql: string): void => {
    const database = new DatabaseSync(join(data, RECORDS_FILE))
    database.exec(sql)
    database.close()
  }
  beforeEach(async () => {
    const recorder = await openRecorder(data)
    await many(recorder, 4)
    await recorder.close()
  })

  it.each([
    ['its last line is gone', 'DELETE FROM lines WHERE seq = (SELECT max(seq) FROM lines)'],
    ['a line was added', "INSERT INTO lines SELECT seq + 1, text FROM lines ORDER BY seq DESC LIMIT 1"],
    ['its head names another line', 'UPDATE head SET seq = seq - 1'],
    ['its head names another digest', `UPDATE head SET digest = '${'1'.repeat(64)}'`],
    ['its last line says something else', `UPDATE lines SET text = replace(text, '"at":', '"at":1') WHERE seq = (SELECT max(seq) FROM lines)`],
  ])('where %s', async (_, sql) => {
    change(sql)
    expect(await refused()).toContain(RECORDS_FILE)
    expect(await refused()).not.toBe('opened')
  })

  it('where the file is of the earlier format, which stays as it is', async () => {
    data = freshFolder()
    change(`CREATE TABLE entries (seq INTEGER PRIMARY KEY, id TEXT, kind TEXT, at INTEGER, body TEXT); INSERT INTO entries VALUES (1, 'q', 'quarantine', 1, '{"deployment":"se","reason":"compliance-mismatch"}')`)
    const before = readFileSync(join(data, RECORDS_FILE))
    expect(await refused()).toMatch(/earlier version.*move it away.*se\./)
    expect(readFileSync(join(data, RECORDS_FILE)).equals(before)).toBe(true)
  })

  it('where the key is not there, is no key, or is another', async () => {
    const file = join(data, KEY_FILE), key = readFileSync(file, 'utf8')
    rmSync(file)
    expect(await refused()).toMatch(/signing-key\.json is missing/)
    expect(existsSync(file)).toBe(false)
    writeFileSync(file, '')
    expect(await refused()).toMatch(/is no Ed25519 key/)
    expect(readFileSync(file, 'utf8')).toBe('')
    const other = freshFolder()
    await (await openRecorder(other)).close()
    const { d } = JSON.parse(readFileSync(join(other, KEY_FILE), 'utf8')) as { readonly d: string }
    writeFileSync(file, JSON.stringify({ ...JSON.parse(key) as object, d }))
    expect(await refused()).toMatch(/is no Ed25519 key/)
    copyFileSync(join(other, KEY_FILE), file)
    expect(await refused()).toMatch(/is not the public half/)
    rmSync(join(data, PUBLIC_KEY_FILE))
    expect(await refused()).toMatch(/signed with another key/)
    rmSync(join(data, PUBLIC_KEY_FILE))
    writeFileSync(file, key)
    expect(await refused()).toBe('opened')
  })

  it('to a second process, until the first is killed', async () => {
    const program = `import { openRecorder } from ${JSON.stringify(fileURLToPath(new URL('../../src/runtime/node-recorder.ts', import.meta.url)))}
      await openRecorder(${JSON.stringify(data)})
      process.stdout.write('open')
      setInterval(() => undefined, 1000)`
    const first = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(first.stdout, 'data')
    expect(await refused()).toMatch(/another gateway uses it/)
    first.kill('SIGKILL')
    await once(first, 'close')
    await (await opened()).append(outcome('after'))
    expect(await wrongWith(await linesIn(data), data)).toEqual([])
  })

  it('to a second recorder of this process', async () => {
    await opened()
    expect(await refused()).toMatch(/another gateway uses it/)
  })
})

describe('the key', () => {
  it('is made once, for its owner alone', async () => {
    await (await openRecorder(data)).close()
    const key = readFileSync(join(data, KEY_FILE), 'utf8')
    await (await openRecorder(data)).close()
    expect(readFileSync(join(data, KEY_FILE), 'utf8')).toBe(key)
    expect(statSync(join(data, KEY_FILE)).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(data, PUBLIC_KEY_FILE), 'utf8')).not.toContain('"d"')
  })
})

describe('lines that are due', () => {
  /** A clock that a test moves. */
  const clockAt = (now: number): { now: number; readonly clock: Clock; readonly tick: () => void } => {
    let due: (() => void) | undefined
    const hand = { now, tick: () => due?.(), clock: { now: () => hand.now, after: (_: number, then: () => void) => { due = then; return () => { due = undefined } } } }
    return hand
  }
  /** Three files: the first from NOW, then a year later each. */
  async function threeYears(second: readonly Entry[] = []): Promise<void> {
    const recorder = await openRecorder(data, { segmentLines: 10, clock: clockAt(NOW).clock })
    await many(recorder, 12, 'a')
    for (const entry of second) await recorder.append(entry)
    await many(recorder, 12 - second.length, 'b', NOW + YEAR_MS)
    await many(recorder, 2, 'c', NOW + 2 * YEAR_MS)
    await recorder.close()
  }
  const afterwards = async (retainMs: number | undefined, now: number): Promise<readonly Line[]> => {
    const time = clockAt(now), recorder = await openRecorder(data, { retainMs, clock: time.clock })
    await recorder.append(outcome('now', now))
    // An hour later it is still so.
    time.tick()
    // Whatever is deleted is deleted before this: a line of it is signed.
    for (let turn = 0; turn < 50; turn++) await recorder.append(outcome('turn', now))
    await recorder.close()
    return linesIn(data)
  }

  it('are kept for ever unless somebody said how long', async () => {
    await threeYears()
    expect((await afterwards(undefined, NOW + 90 * YEAR_MS))[0]!.seq).toBe(1)
  })

  it('are deleted by whole files, which a signed line says, and the rest is still a chain that can be proven', async () => {
    await threeYears()
    const before = await linesIn(data)
    const lines = await afterwards(400 * DAY_MS, NOW + 401 * DAY_MS)
    const retired = lines.map(entryOf).filter(e => e.kind === 'retired') as readonly RetiredEntry[]
    expect(retired).toMatchObject([{ first: 1, last: lines[0]!.seq - 1, head: lines[0]!.prev }])
    expect(lines[0]!.seq).toBeGreaterThan(5)
    expect(lines.find(l => l.seq === lines[0]!.seq)).toEqual(before.find(l => l.seq === lines[0]!.seq))
    expect(await wrongWith(lines, data)).toEqual([])
    const recorder = await opened()
    for (const { line, path, checkpoint } of await recorder.prove([lines[0]!])) expect(rootFrom(digestOfLine(line, sha256), path, sha256)).toBe(checkpoint.root)
  })

  it('of few requests are deleted in time too: a file is put aside when it holds a tenth of that time', async () => {
    const time = clockAt(NOW), recorder = await openRecorder(data, { retainMs: 100 * DAY_MS, clock: time.clock })
    await recorder.append(outcome('old', NOW))
    const turns = async (): Promise<void> => { for (let turn = 0; turn < 50; turn++) await recorder.append(outcome('turn', time.now)) }
    time.now = NOW + 9 * DAY_MS
    time.tick()
    await turns()
    expect(files()).toEqual([RECORDS_FILE])
    time.now = NOW + 11 * DAY_MS
    time.tick()
    await turns()
    expect(files()).toContain('records-000001.sqlite')
    time.now = NOW + 112 * DAY_MS
    for (let hour = 0; hour < 2; hour++) {
      time.tick()
      await turns()
    }
    await recorder.close()
    const lines = await linesIn(data)
    expect(lines.map(l => l.open.id)).not.toContain('old')
    expect(await wrongWith(lines, data)).toEqual([])
  })

  it('are not deleted by a clock that is wrong for a moment', async () => {
    await threeYears()
    const before = files(), time = clockAt(NOW), recorder = await openRecorder(data, { retainMs: 400 * DAY_MS, clock: time.clock })
    for (const now of [NOW + 20 * YEAR_MS, NOW + 3_600_000, NOW + 20 * YEAR_MS, NOW + 7_200_000]) {
      time.now = now
      time.tick()
      for (let turn = 0; turn < 20; turn++) await recorder.append(outcome('turn', NOW))
    }
    await recorder.close()
    expect(files()).toEqual(expect.arrayContaining([...before]))
  })

  it('are kept while a decision among them must be', async () => {
    await threeYears([decision('kept', NOW, { 'retain-evidence': '730d' })])
    const first = (lines: readonly Line[]): boolean => lines.some(l => l.open.id === 'kept')
    expect(first(await afterwards(DAY_MS, NOW + 400 * DAY_MS))).toBe(true)
    expect(first(await afterwards(DAY_MS, NOW + YEAR_MS + 731 * DAY_MS))).toBe(false)
  })

  it('are kept while a deployment that they set aside is not released', async () => {
    const set: QuarantineEntry = { kind: 'quarantine', id: 'q', at: NOW, deployment: 'se', reason: 'compliance-mismatch', action: 'set', detail: 'elsewhere' }
    await threeYears([set])
    expect((await afterwards(DAY_MS, NOW + 9 * YEAR_MS)).some(l => l.open.id === 'q')).toBe(true)
    const recorder = await openRecorder(data)
    expect(recorder.quarantined()).toHaveLength(1)
    await recorder.append({ ...set, id: 'released', action: 'released', author: 'Ada Adler' })
    await recorder.close()
    expect((await afterwards(DAY_MS, NOW + 9 * YEAR_MS)).some(l => l.open.id === 'q')).toBe(false)
  })

  it('are said to be deleted once, where that was cut off between the line and the file', async () => {
    await threeYears()
    const kept = freshFolder()
    cpSync(data, kept, { recursive: true })
    await afterwards(400 * DAY_MS, NOW + 401 * DAY_MS)
    for (const name of readdirSync(kept).filter(n => /^records-\d/.test(n))) if (!existsSync(join(data, name))) copyFileSync(join(kept, name), join(data, name))
    const lines = await afterwards(400 * DAY_MS, NOW + 402 * DAY_MS)
    expect(lines.filter(l => l.open.kind === 'retired')).toHaveLength(1)
    expect(lines[0]!.seq).toBeGreaterThan(5)
    expect(await wrongWith(lines, data)).toEqual([])
  })
})
