import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { cleanUp, folderOf, freshFolder } from '../support/processes.ts'
import { REHEARSAL } from './places.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/bailiwick.js', import.meta.url))

describe('bin/bailiwick.js', () => {
  const started: ChildProcess[] = []
  afterEach(async () => {
    for (const child of started.splice(0)) child.kill('SIGKILL')
    await cleanUp()
  })
  const launch = (...args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [LAUNCHER, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    started.push(child)
    return child
  }
  const said = async (child: ChildProcess, words: RegExp): Promise<string> => {
    let out = ''
    for await (const bytes of child.stdout!.iterator({ destroyOnReturn: false })) {
      out += String(bytes)
      if (words.test(out)) break
    }
    return out
  }

  it('hands over its arguments and ends with the code it is given', async () => {
    const good = launch('--version')
    expect(await said(good, /\n/)).toBe(`bailiwick ${manifest.version}\n`)
    const bad = launch('nonsense')
    expect((await once(bad, 'close'))[0]).toBe(2)
  })

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('passes %s on and waits for the end', async signal => {
    const child = launch('serve', '--port', '0', '--policies', folderOf(REHEARSAL), '--data', freshFolder())
    expect(await said(child, /^ready /m)).toContain('ready http://127.0.0.1:')
    child.kill(signal)
    expect((await once(child, 'close'))[0]).toBe(0)
  })

  it('leaves no gateway behind when it is killed', async () => {
    const data = freshFolder(), child = launch('serve', '--port', '0', '--policies', folderOf(REHEARSAL), '--data', data)
    expect(await said(child, /^ready /m)).toContain('ready http://127.0.0.1:')
    child.kill('SIGKILL')
    // The gateway holds the other end of its output: that ends when it does.
    await once(child, 'close')
    const again = launch('serve', '--port', '0', '--policies', folderOf(REHEARSAL), '--data', data)
    expect(await said(again, /^ready /m)).toContain('ready http://127.0.0.1:')
  })
})
