/**
 * The `ollama` package over the transport port, with its edges covered: it looks into the environment for a key, writes
 * to the console what it cannot parse, and raises errors that hold the server's text. Here it gets whole valid lines or
 * a BrokenAnswer, and its headers are ours.
 */
import { Ollama } from 'ollama/browser'
import type { Connection } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import type { Ports, Transport } from '../ports.ts'
import { BrokenAnswer } from './broken.ts'
import { fetchOverTransport } from './fetch-over-transport.ts'
import { refusal } from './refusal.ts'
import { repeatsOf, type Repeats } from './repeat.ts'
import { keyOf } from './secret.ts'

const LINE_BYTES_MAX = 8 * 1024 * 1024
const ANSWER_BYTES_MAX = 64 * 1024 * 1024
const LINE_FEED = 0x0a
const NOTHING = new Uint8Array()

export type OllamaClient = { readonly ok: true; readonly client: Ollama; readonly repeats: Repeats } | { readonly ok: false; readonly failure: Failure }

/** A client for one call under one signal. `name` is who the failures speak of, `body` what they must not repeat. */
export function ollamaClient(
  connection: Connection,
  { transport, secrets, clock }: Pick<Ports, 'transport' | 'secrets' | 'clock'>,
  { signal, name, connectTimeoutMs, streams = false, body = NOTHING }: { readonly streams?: boolean; readonly body?: Uint8Array; readonly signal: AbortSignal; readonly name: string; readonly connectTimeoutMs: number },
): OllamaClient {
  const key = keyOf(connection, secrets)
  if (!key.ok) return { ok: false, failure: failure('misconfigured', `The key of ${name} is not set.`) }
  const repeats = repeatsOf(body, key.isIn)
  const guarded: Transport = {
    async send(request, both) {
      const headers = { 'content-type': 'application/json', accept: 'application/json', ...key.headers }
      const response = await transport.send({ ...request, headers }, both)
      if (response.status !== 200) throw new BrokenAnswer(await refusal(response, { name, clock, repeats }))
      // The package skips and prints lines that it cannot read; what a server calls them is no reason to let it.
      const lines = streams || response.headers['content-type']?.includes('ndjson') === true
      return { ...response, body: lines ? wholeLines(response.body, name) : bounded(response.body, name) }
    },
  }
  return { ok: true, repeats, client: new Ollama({ host: connection.baseUrl, fetch: fetchOverTransport(guarded, { signal, connectTimeoutMs }) }) }
}

const broken = (name: string, wrong: string): BrokenAnswer => new BrokenAnswer(failure('upstream_error', `${name} ${wrong}.`, { upstream: { status: 200 } }))

async function* bounded(body: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw broken(name, 'sent an answer without end')
    yield chunk
  }
}

/** Passes on lines that are JSON objects and no error, each with its line feed, and nothing else. */
async function* wholeLines(body: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const encoder = new TextEncoder()
  let held: Uint8Array[] = []
  let heldBytes = 0
  const takeLine = (): Uint8Array | undefined => {
    const line = new Uint8Array(heldBytes)
    let at = 0
    for (const part of held) {
      line.set(part, at)
      at += part.length
    }
    held = []
    heldBytes = 0
    let text: string
    let value: unknown
    try {
      text = decoder.decode(line).trim()
      if (text === '') return undefined
      value = JSON.parse(text)
    } catch {
      throw broken(name, 'answered with something that is not JSON')
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken(name, 'answered with something that is no answer')
    if ('error' in value) throw broken(name, 'failed in the middle of its answer')
    return encoder.encode(`${text}\n`)
  }
  for await (const chunk of body) {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      held.push(chunk.subarray(start, end))
      heldBytes += end - start
      start = end + 1
      const line = takeLine()
      if (line !== undefined) yield line
    }
    held.push(chunk.subarray(start))
    heldBytes += chunk.length - start
    if (heldBytes > LINE_BYTES_MAX) throw broken(name, 'sent a line without end')
  }
  const last = takeLine()
  if (last !== undefined) yield last
}
