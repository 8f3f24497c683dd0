/**
 * What this is for: the executable on Node. It hands arguments, environment, streams and the machine to the command line
 * and ends with its exit code.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Host, RehearseOptions } from '../cli/host.ts'
import { main } from '../cli/main.ts'
import { readAsked } from './node-asked.ts'
import { readBundle } from './node-bundles.ts'
import { readSigningKey, sha256 } from './node-key.ts'
import { readPolicies } from './node-policies.ts'
import { readRecords } from './node-records.ts'
import { startRehearsal } from './node-rehearsal.ts'
import { readRevision } from './node-revision.ts'
import { nodeClock } from './node-ports.ts'
import { toldToStop } from './node-stop.ts'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }

let hasReaderLeft = false

const host: Host = {
  version: manifest.version,
  environment: process.env,
  userName,
  now: Date.now,
  out: words => { process.stdout.write(words) },
  err: words => { process.stderr.write(words) },
  async outTaken() {
    if (process.stdout.writableNeedDrain && !hasReaderLeft) {
      await new Promise<void>(resolve => {
        const go = (): void => {
          process.stdout.off('drain', go).off('error', go)
          resolve()
        }
        process.stdout.on('drain', go).on('error', go)
      })
    }
    return !hasReaderLeft
  },
  // Back to the start of the line, and nothing left of what stood there.
  ...(process.stderr.isTTY && { progress: (words: string) => { process.stderr.write(`\r\u001B[K${words}`) } }),
  readInput: () => text(process.stdin),
  ...(process.stdin.isTTY && process.stderr.isTTY && { ask }),
  randomBytes,
  readFolder: readPolicies,
  readRevision,
  readRecorded: readAsked,
  readRecords,
  readSigningKey,
  sha256,
  readBundle,
  starterFolder: fileURLToPath(new URL('../../policies', import.meta.url)),
  // The gateway and its packages are loaded by the command that needs them: the others answer at once.
  serve: async options => (await import('./node-serve.ts')).serve(options, host),
  rehearse,
}

/** A user without a name, as in some containers, throws. */
function userName(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    // Who leaves without a word has said nothing.
    const left = new Promise<string>(resolve => { terminal.once('close', () => resolve('')) })
    return await Promise.race([terminal.question(question), left])
  } finally {
    terminal.close()
  }
}

async function rehearse({ pretends, models, hostname, port }: RehearseOptions): Promise<number> {
  const stop = toldToStop()
  const server = await startRehearsal({ pretends, models, hostname, port, clock: nodeClock })
  host.out(`ready ${server.url}\n`)
  await stop.first
  void stop.second.then(() => server.cut())
  await server.close()
  return 0
}

// Whoever reads our output may leave before the end, as `head` does; that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') {
    hasReaderLeft = true
    return
  }
  process.stderr.write(`bailiwick: what was to be said cannot be written (${error.code ?? error.name}).\n`, () => process.exit(1))
})

// Whoever started us as its child is gone without a word: we are told to stop as it would have told us.
if (process.channel !== undefined && process.channel !== null) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
}

process.exitCode = await main(process.argv.slice(2), host)
// What was written leaves first; a socket that somebody forgot keeps nobody waiting.
process.stdout.write('', () => process.stderr.write('', () => process.exit()))
