/** `bailiwick rehearse` as a process. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

export async function spawnRehearsal(args: readonly string[]): Promise<{ readonly url: string; stop(): Promise<number | null> }> {
  const child = spawn(at('node_modules/.bin/node'), [at('src/runtime/node.ts'), 'rehearse', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>(resolve => { child.once('close', resolve) })
  const url = await new Promise<string>((resolve, reject) => {
    let out = ''
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString()
      const ready = /^ready (\S+)\n$/.exec(out)
      if (ready !== null) resolve(ready[1]!)
    })
    void ended.then(code => reject(new Error(`rehearse ended with ${code}: ${out}`)))
  })
  return {
    url,
    stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}
