/** Real processes of the command line, for tests: one that runs to its end, and a gateway that is started, watched and stopped. */
import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const NODE = at('node_modules/.bin/node')
const COMMAND = at('src/runtime/node.ts')

/** Settings of the shell must not reach a test, and keys least of all: with one, a real provider would be there. */
const CLEAN: NodeJS.ProcessEnv = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:BAILIWICK_|HOST$|PORT$)|_(?:KEY|TOKEN)$/.test(name)))

export type Ran = { readonly code: number; readonly out: string; readonly err: string }

/** Runs `bailiwick` with these arguments to its end. */
export async function bailiwick(args: readonly string[], { input = '', environment = {}, directory }: { readonly input?: string; readonly environment?: Readonly<Record<string, string>>; readonly directory?: string } = {}): Promise<Ran> {
  const child = start(args, { environment, directory })
  let out = '', err = ''
  child.stdout!.on('data', (bytes: Buffer) => { out += bytes.toString() })
  child.stderr!.on('data', (bytes: Buffer) => { err += bytes.toString() })
  child.stdin!.end(input)
  return { code: await ended(child), out, err }
}

export type Line = { readonly level: string; readonly event: string; readonly [field: string]: unknown }

export type Serving = {
  readonly url: string
  /** The first twelve digits of the bundle's digest, as printed. */
  readonly bundle: string
  readonly process: ChildProcess
  readonly data: string
  /** Everything on standard output and standard error so far. */
  out(): string
  err(): string
  /** The log so far, without lines that are no JSON. */
  log(): readonly Line[]
  /** The first log line, past or to come, for which this holds. */
  logged(holds: (line: Line) => boolean): Promise<Line>
  /** Sends SIGTERM; the number is the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number>
}

export type ServeSettings = {
  /** A data folder to keep; a fresh one, removed at the end, unless given. */
  readonly data?: string
  readonly args?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

export const ADMIN_TOKEN = 'admin-token-for-tests'
const running = new Set<ChildProcess>()
const folders = new Set<string>()

/** Starts `bailiwick serve` on a free port and waits for its `ready` line. Rejects with what it said when it ends before. */
export async function serve(policies: string, { data = freshFolder(), args = [], environment = {} }: ServeSettings = {}): Promise<Serving> {
  const child = start(['serve', '--port', '0', '--policies', policies, '--data', data, ...args], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN_TOKEN, ...environment } })
  child.stdin!.end()
  let out = '', err = ''
  const waiting = new Set<() => void>()
  const look = (): void => { waiting.forEach(check => check()) }
  child.stdout!.on('data', (bytes: Buffer) => { out += bytes.toString(); look() })
  child.stderr!.on('data', (bytes: Buffer) => { err += bytes.toString(); look() })
  const end = ended(child)
  void end.then(look)

  const until = <T>(find: () => T | undefined, what: string): Promise<T> => new Promise((resolve, reject) => {
    const check = (): void => {
      const found = find()
      const isOver = child.exitCode !== null || child.signalCode !== null
      if (found === undefined && !isOver) return
      waiting.delete(check)
      if (found !== undefined) resolve(found)
      else reject(new Error(`serve ended (${child.exitCode ?? child.signalCode}) before ${what}:\n${out}${err}`))
    }
    waiting.add(check)
    check()
  })
  const log = (): readonly Line[] => err.split('\n').slice(0, -1).flatMap(line => (line.startsWith('{') ? [JSON.parse(line) as Line] : []))
  const [, url, bundle] = await until(() => /^ready (\S+) bundle ([0-9a-f]+)\n/m.exec(out) ?? undefined, 'it was ready')
  return {
    url: url!, bundle: bundle!, process: child, data, out: () => out, err: () => err, log,
    logged: holds => until(() => log().find(holds), 'the line was logged'),
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return end
    },
  }
}

/** A folder of its own for a test, removed by `cleanUp`. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bailiwick-test-'))
  folders.add(folder)
  return folder
}

/** A copy of a policies folder that a test may change. */
export function copyOf(policies: string): string {
  const folder = join(freshFolder(), 'policies')
  cpSync(policies, folder, { recursive: true })
  return folder
}

/** Call it after each test: stops what a failed test left running, and removes the folders. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...running].map(child => {
    child.kill('SIGKILL')
    return ended(child)
  }))
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  folders.clear()
}

function start(args: readonly string[], { environment, directory }: { readonly environment: Readonly<Record<string, string>>; readonly directory?: string | undefined }): ChildProcess {
  const child = spawn(NODE, [COMMAND, ...args], { env: { ...CLEAN, ...environment }, cwd: directory, stdio: 'pipe' })
  running.add(child)
  child.once('close', () => running.delete(child))
  return child
}

/** 128 and more for an end by a signal is left to the shell: here that is -1. */
function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    if (!running.has(child)) return resolve(child.exitCode ?? -1)
    child.once('error', reject)
    child.once('close', code => resolve(code ?? -1))
  })
}

/** A folder with these files. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = freshFolder()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
