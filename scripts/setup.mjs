/**
 * Makes a checkout ready to run: the locked packages (with the pinned Node among them) and the generated validators.
 * Plain JavaScript for any Node from 20 on, since it runs before anything is installed.
 *
 * What it promises: silent and quick when there is nothing to do; two at once do not disturb each other; a failure says
 * what to do next.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const at = path => join(root, path)
const packagesStamp = at('node_modules/.bailiwick/packages')
const validatorsStamp = at('node_modules/.bailiwick/validators')
const validators = at('src/bundle/validators.gen.js')
const buildScript = at('scripts/build-validators.mjs')

const LOCK_WAIT_MS = 300_000
const LOCK_POLL_MS = 200
const OUTPUT_LINES_SHOWN = 20

/** A reason to stop, already in words for the person at the terminal. */
export class SetupFailed extends Error {}

/** The pinned Node, or the one running now where npm makes no plain link to it. */
export const pinnedNode = () => {
  const link = at('node_modules/.bin/node')
  return process.platform !== 'win32' && existsSync(link) ? link : process.execPath
}

/** Brings packages and validators up to date. Throws SetupFailed. */
export async function setup() {
  if (packagesAreCurrent() && validatorsAreCurrent()) return
  await alone(async () => {
    if (!packagesAreCurrent()) {
      if (!packagesMatchTheLock()) await installPackages()
      stamp(packagesStamp, packagesDigest())
    }
    if (!validatorsAreCurrent()) {
      await buildValidators()
      stamp(validatorsStamp, validatorsDigest())
    }
  })
}

const digest = files => {
  const hash = createHash('sha256')
  for (const file of files) hash.update(file).update('\0').update(readFileSync(at(file))).update('\0')
  return hash.digest('hex')
}
const readStamp = path => (existsSync(path) ? readFileSync(path, 'utf8') : '')
const stamp = (path, text) => {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
}

const packagesDigest = () => digest(['package-lock.json'])
const packagesAreCurrent = () => readStamp(packagesStamp) === packagesDigest()

const validatorsDigest = () => {
  const schemas = readdirSync(at('src/bundle')).filter(name => /^schema.*\.ts$/.test(name)).sort().map(name => `src/bundle/${name}`)
  return digest([...schemas, 'src/policy/facts.ts', 'src/catalog/catalog.ts', 'scripts/build-validators.mjs', 'package-lock.json'])
}
const validatorsAreCurrent = () => existsSync(validators) && readStamp(validatorsStamp) === validatorsDigest()

/** Whether somebody already ran npm by hand: npm keeps beside the packages what it installed, and writes it last. */
function packagesMatchTheLock() {
  const kept = at('node_modules/.package-lock.json')
  if (!existsSync(kept)) return false
  const installed = JSON.parse(readFileSync(kept, 'utf8')).packages
  const locked = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages
  const same = (a, b) => a !== undefined && b !== undefined && a.version === b.version && a.integrity === b.integrity
  return Object.entries(installed).every(([name, entry]) => same(entry, locked[name]))
    && Object.entries(locked).every(([name, entry]) => !name.startsWith('node_modules/') || entry.optional === true || entry.devOptional === true || installed[name] !== undefined)
    && existsSync(at('node_modules/.bin/node'))
}

async function installPackages() {
  say('Installing the locked packages, about 15 s ...')
  // The pinned Node is a development dependency behind an optional one: a production setting must not leave it out.
  const done = await run('npm', ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'], { shell: process.platform === 'win32' })
  if (done.code === 0) return
  if (done.missing) throw new SetupFailed('npm was not found. Install Node 20 or later together with npm, then start again.')
  throw new SetupFailed(`${lastLines(done.output)}\n\nnpm could not install the locked packages. Check that the package registry can be reached from here (npm ping), then start again, or run: npm ci`)
}

async function buildValidators() {
  say('Building the policy validators ...')
  const done = await run(pinnedNode(), [buildScript], {})
  if (done.code !== 0 || !existsSync(validators)) {
    throw new SetupFailed(`${lastLines(done.output)}\n\nThe policy validators could not be built. Undo the latest change to src/bundle/schema*.ts, or see what is wrong with: node_modules/.bin/node scripts/build-validators.mjs`)
  }
}

/** Runs a program and keeps what it says, to be shown only when it fails. */
function run(command, args, options) {
  return new Promise(resolve => {
    let output = ''
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options })
    child.stdout.on('data', text => { output += text })
    child.stderr.on('data', text => { output += text })
    child.on('error', error => resolve({ code: 1, missing: error.code === 'ENOENT', output: String(error) }))
    child.on('close', code => resolve({ code: code ?? 1, missing: false, output }))
  })
}

const lastLines = output => output.trimEnd().split('\n').slice(-OUTPUT_LINES_SHOWN).join('\n')
const say = line => process.stderr.write(`${line}\n`)

/** One set-up of one checkout at a time. The lock names its process, so that a lock left behind by a crash is seen. */
async function alone(work) {
  const lock = join(tmpdir(), `bailiwick-setup-${createHash('sha256').update(realpathSync(root)).digest('hex').slice(0, 16)}`)
  const giveUpAt = Date.now() + LOCK_WAIT_MS
  let waiting = false
  while (!take(lock)) {
    if (Date.now() > giveUpAt) throw new SetupFailed(`Another set-up of this checkout is still running. If it is not, remove ${lock} and start again.`)
    if (!waiting) say('Waiting for another set-up of this checkout ...')
    waiting = true
    await new Promise(resolve => { setTimeout(resolve, LOCK_POLL_MS) })
  }
  try {
    await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  const owner = Number(readStamp(lock))
  if (owner > 0 && !isAlive(owner)) rmSync(lock, { force: true })
  return false
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await setup()
  } catch (error) {
    if (!(error instanceof SetupFailed)) throw error
    say(error.message)
    process.exitCode = 1
  }
}
