/** The three providers: started, killed without a word, started again at the same port; and everything that reached them. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PROVIDERS, type DeploymentName, type ProviderName } from './world.ts'

/** One request as it reached a provider; without a nonce it is a sign of life that was asked for, and nobody's prompt. */
export type Arrival = { readonly at: number; readonly deployment: DeploymentName; readonly nonce: string | null }

/** An answer that is over at the provider, to its end or because nobody reads on. */
export type Over = { readonly at: number; readonly deployment: DeploymentName }

export type Providers = {
  readonly urls: Readonly<Record<ProviderName, string>>
  readonly arrivals: readonly Arrival[]
  readonly overs: readonly Over[]
  /** Resolves when the process is gone; the number is when it was told to, in milliseconds since 1970. */
  kill(name: ProviderName): Promise<number>
  /** Resolves when it listens again; the number is when. */
  start(name: ProviderName): Promise<number>
  close(): Promise<void>
}

export async function openProviders(): Promise<Providers> {
  const arrivals: Arrival[] = [], overs: Over[] = []
  const children = new Map<ProviderName, ChildProcess>()
  const urls = new Map<ProviderName, string>()

  const start = async (name: ProviderName): Promise<number> => {
    const port = urls.has(name) ? new URL(urls.get(name)!).port : '0'
    const child = spawn(process.execPath, [fileURLToPath(new URL('provider-process.ts', import.meta.url)), port], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.set(name, child)
    const ready = Promise.withResolvers<string>()
    child.once('exit', () => ready.reject(new Error(`${name} did not start`)))
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.startsWith('ready ')) return ready.resolve(line.slice('ready '.length))
      const told = JSON.parse(line) as { readonly arrival: Arrival } | { readonly over: Over }
      if ('arrival' in told) arrivals.push(told.arrival)
      else overs.push(told.over)
    })
    urls.set(name, await ready.promise)
    return Date.now()
  }
  const kill = async (name: ProviderName): Promise<number> => {
    const child = children.get(name)
    const at = Date.now()
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return at
    // `close` comes after the last line that it wrote.
    const gone = once(child, 'close')
    child.kill('SIGKILL')
    await gone
    return at
  }

  await Promise.all(PROVIDERS.map(start))
  return {
    urls: Object.fromEntries(urls) as Record<ProviderName, string>, arrivals, overs, kill, start,
    async close() { await Promise.all(PROVIDERS.map(kill)) },
  }
}
