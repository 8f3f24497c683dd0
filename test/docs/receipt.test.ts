/** The lines under "Receipts" do what they say, before a gateway that rehearses. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { cleanUp, freshFolder, serve } from '../support/processes.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
afterAll(cleanUp)

test('an answer is asked for, its decision shown, its receipt fetched and verified', async () => {
  const gateway = await serve(`${root}/policies`)
  const lines = /## Receipts[\s\S]*?```sh\n([\s\S]*?)```/.exec(readFileSync(`${root}/docs/operations.md`, 'utf8'))![1]!
    .replaceAll('http://127.0.0.1:8787', gateway.url).replaceAll('bin/bailiwick.js', `'${root}/bin/bailiwick.js'`)
  const child = spawn('sh', ['-e'], { cwd: freshFolder(), stdio: 'pipe' })
  let out = '', err = ''
  child.stdout.on('data', (part: Buffer) => { out += part.toString() })
  child.stderr.on('data', (part: Buffer) => { err += part.toString() })
  child.stdin.end(lines)
  const code = await new Promise(resolve => { child.once('close', resolve) })
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/^\{"id":"d-[^"]+","decision":\{.*"outcome":"permit".*\},"outcome":\{.*"outcome":"answered".*\}/)
  expect(out).toMatch(/\nverified +receipt\.jws|\}verified +receipt\.jws/)
})
