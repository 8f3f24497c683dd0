/**
 * Telling an Ollama server to fetch a model (resilience, section 1: the ladder down). Nothing of any user is in it.
 * What it promises: it ends; half a model is never said to be there; of what the server says only its figures are passed on,
 * and words of ours for what it is doing.
 */
import type { ProgressResponse } from 'ollama/browser'
import { DEFAULT_TIMEOUTS, type Provider } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import type { Ports, Transport } from '../ports.ts'
import { failureOf } from './broken.ts'
import { isCloudName } from './held.ts'
import { ollamaClient } from './ollama-client.ts'
import { ownTransport } from './local.ts'

export type PullStatus = 'asking' | 'fetching' | 'verifying' | 'writing' | 'working' | 'success'

export type PullProgress = {
  readonly status: PullStatus
  /** Bytes of all parts that are known so far; absent while none is. */
  readonly completed?: number
  readonly total?: number
}

type PullPorts = Pick<Ports, 'transport' | 'secrets' | 'clock'>

const HOUR_MS = 3_600_000
const PULL_MS_MAX = 6 * HOUR_MS
/** Checking the sum of a large file takes minutes, in which the server says nothing. */
const SILENCE_MS_MAX = 600_000
/** Files that a model is made of; further ones are fetched and not counted. */
const PARTS_MAX = 256

/** Undefined: the server holds the model now. `progress` is called for every line that it sends. */
export async function pull(provider: Provider, model: string, ports: PullPorts, signal: AbortSignal, progress: (now: PullProgress) => void): Promise<Failure | undefined> {
  const { name, connection } = provider
  if (connection?.dialect !== 'ollama') return failure('misconfigured', `${name} cannot be told to fetch a model.`)
  // It would fetch nothing but a way out of the house.
  if (isCloudName(model)) return failure('compliance_mismatch', `${name} cannot fetch a model that runs in the cloud of Ollama.`)
  const limit = new AbortController()
  const both = AbortSignal.any([signal, limit.signal])
  const tooLong = (): void => limit.abort(failure('deadline_exceeded', `${name} took too long to fetch a model.`))
  const forgetWhole = ports.clock.after(PULL_MS_MAX, tooLong)
  let forgetSilence = ports.clock.after(SILENCE_MS_MAX, tooLong)
  const parts = new Map<string, Part>()
  try {
    const transport = asLines(ownTransport(provider, ports.transport))
    const made = ollamaClient(connection, { ...ports, transport }, { signal: both, name, connectTimeoutMs: DEFAULT_TIMEOUTS.connect })
    if (!made.ok) return made.failure
    const lines = await made.client.pull({ model, stream: true })
    try {
      for await (const line of lines) {
        forgetSilence()
        forgetSilence = ports.clock.after(SILENCE_MS_MAX, tooLong)
        count(parts, line)
        const status = wordFor(line.status)
        progress({ status, ...sumOf(parts) })
        if (status === 'success') return undefined
      }
    } finally {
      // The package alone would leave the connection open.
      lines.abort()
    }
    return failure('upstream_error', `${name} did not say that the model is there.`, { upstream: { status: 200 } })
  } catch (error) {
    return failureOf(error, both, name)
  } finally {
    forgetWhole()
    forgetSilence()
  }
}

/** What the client looks at to know that an answer must be whole lines of JSON. Said here for servers that call it otherwise. */
function asLines(transport: Transport): Transport {
  return {
    async send(request, signal) {
      const response = await transport.send(request, signal)
      return response.status === 200 ? { ...response, headers: { ...response.headers, 'content-type': 'application/x-ndjson' } } : response
    },
  }
}

/** Ollama's sentences as a closed set of words. */
function wordFor(status: unknown): PullStatus {
  if (typeof status !== 'string') return 'working'
  if (status === 'success') return 'success'
  if (status === 'pulling manifest') return 'asking'
  if (status.startsWith('pulling ') || status.startsWith('downloading ')) return 'fetching'
  if (status.startsWith('verifying ')) return 'verifying'
  if (status.startsWith('writing ')) return 'writing'
  return 'working'
}

type Part = { readonly completed: number; readonly total: number }

function count(parts: Map<string, Part>, { digest, completed = 0, total }: Partial<ProgressResponse>): void {
  if (typeof digest !== 'string' || !isBytes(total) || !isBytes(completed)) return
  if (parts.has(digest) || parts.size < PARTS_MAX) parts.set(digest, { completed: Math.min(completed, total), total })
}

const isBytes = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

function sumOf(parts: ReadonlyMap<string, Part>): { readonly completed?: number; readonly total?: number } {
  if (parts.size === 0) return {}
  let completed = 0, total = 0
  for (const part of parts.values()) {
    completed += part.completed
    total += part.total
  }
  return { completed, total }
}
