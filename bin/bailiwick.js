#!/usr/bin/env node
/**
 * The `bailiwick` command. Plain JavaScript for any Node from 20 on: a published package holds built code and runs it
 * here; a checkout is made ready first and runs its sources on the pinned Node.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const at = path => fileURLToPath(new URL(`../${path}`, import.meta.url))

if (existsSync(at('src/runtime/node.ts'))) process.exitCode = await fromCheckout()
else await import('../dist/runtime/node.js')

async function fromCheckout() {
  const { pinnedNode, setup, SetupFailed } = await import('../scripts/setup.mjs')
  try {
    await setup()
  } catch (error) {
    if (!(error instanceof SetupFailed)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
  // Nothing is said over the channel: its end tells the child that this process was killed, and nobody is left to be told for it.
  const child = spawn(pinnedNode(), [at('src/runtime/node.ts'), ...process.argv.slice(2)], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)))
  })
}
