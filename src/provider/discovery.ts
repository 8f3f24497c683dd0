/**
 * What a server says it holds (resilience, section 2). Nothing here is a fact for a decision: a discovered model gets its
 * provider's facts, and what nobody stated stays unknown.
 */
import type { ModelResponse, Ollama, ShowResponse } from 'ollama/browser'
import OpenAI from 'openai'
import type { Capability, Connection, DiscoveredModel, Provider } from '../catalog/catalog.ts'
import { DEFAULT_TIMEOUTS } from '../catalog/catalog.ts'
import { failure, type Failure } from '../failure.ts'
import type { Operation } from '../policy/facts.ts'
import type { Ports, Transport } from '../ports.ts'
import { BrokenAnswer, failureOf } from './broken.ts'
import { fetchOverTransport } from './fetch-over-transport.ts'
import { isCloudName } from './held.ts'
import { onlyLocalOf, ownTransport } from './local.ts'
import { ollamaClient } from './ollama-client.ts'
import { isRemote } from './ollama-remote.ts'
import { refusal } from './refusal.ts'
import { keyOf } from './secret.ts'

/** A server that lists more is read to here. */
const MODELS_MAX = 1_000
/** Ollama reads a file for each. */
const SHOWN_AT_ONCE = 8
const MODEL_NAME_CHARACTERS_MAX = 256

/** What a server holds, as it says. */
export type Holding = {
  readonly models: readonly DiscoveredModel[]
  /** Names that it answers to and passes on to somebody else's machines: never local, whatever its address. */
  readonly elsewhere: readonly string[]
  /** False: the list was longer than it is read, so a name that is not in it may be held all the same. */
  readonly isWhole: boolean
}
export type Discovery = (Holding & { readonly ok: true }) | { readonly ok: false; readonly failure: Failure }
type DiscoveryPorts = Pick<Ports, 'transport' | 'secrets' | 'clock'>

/** Asks one provider. How long it may take is the signal's to say; a server that is not there is an ordinary result. */
export async function discover(provider: Provider, ports: DiscoveryPorts, signal: AbortSignal): Promise<Discovery> {
  const { name, connection } = provider
  if (connection === undefined) return { ok: false, failure: failure('misconfigured', `${name} has no connection.`) }
  const own = { ...ports, transport: ownTransport(provider, ports.transport) }
  try {
    return connection.dialect === 'ollama'
      ? await discoverOllama(provider, connection, own, signal)
      : await discoverOpenai(provider, connection, own, signal)
  } catch (error) {
    return { ok: false, failure: failureOf(error, signal, name) }
  }
}

async function discoverOllama(provider: Provider, connection: Connection, ports: DiscoveryPorts, signal: AbortSignal): Promise<Discovery> {
  const { name } = provider
  const made = ollamaClient(connection, ports, { signal, name, connectTimeoutMs: DEFAULT_TIMEOUTS.connect })
  if (!made.ok) return made
  const listed: unknown = (await made.client.list()).models
  if (!Array.isArray(listed)) throw new BrokenAnswer(failure('upstream_error', `${name} gave no list of models.`))
  const models: DiscoveredModel[] = [], elsewhere: string[] = []
  const entries = listed.slice(0, MODELS_MAX) as Partial<ModelResponse>[]
  for (let at = 0; at < entries.length; at += SHOWN_AT_ONCE) {
    const some = await Promise.all(entries.slice(at, at + SHOWN_AT_ONCE).map(async entry => {
      const model = entry?.model ?? entry?.name
      if (!isName(model) || made.repeats(model)) return undefined
      const shown = isElsewhere(model, entry) ? undefined : await show(made.client, model)
      return { model, shown, isAway: isElsewhere(model, shown ?? entry) }
    }))
    for (const one of some) {
      if (one?.isAway === true) elsewhere.push(one.model)
      else if (one?.shown) models.push({ provider: name, upstreamModel: one.model, ...describe(one.shown) })
    }
  }
  return { ok: true, models, elsewhere, isWhole: listed.length <= MODELS_MAX }
}

/**
 * Undefined when the model went between the list and the question (404) or the server cannot read it (500): such a model is
 * not held, and the others are none the worse for it.
 */
async function show(client: Ollama, model: string): Promise<Partial<ShowResponse> | undefined> {
  try {
    return await client.show({ model })
  } catch (error) {
    if (error instanceof BrokenAnswer && [404, 500].includes(error.failure.upstream?.status ?? 0)) return undefined
    throw error
  }
}

/**
 * Ollama passes some models on to its maker's cloud under the address of the local server: they are never local, so they
 * are never offered as held. INVARIANT: either sign is enough, the name or what it says of a remote host.
 */
const isElsewhere = (model: string, said: object): boolean => isCloudName(model) || isRemote(said)

/** Servers of before 2025 give no capabilities; then nothing is claimed about them. */
function describe({ capabilities, model_info: info }: Partial<ShowResponse>): Pick<DiscoveredModel, 'context' | 'can' | 'operations'> {
  const context = contextIn(info)
  const known = context === undefined ? {} : { context }
  if (!Array.isArray(capabilities)) return known
  const has = (word: string): boolean => capabilities.includes(word)
  const can: Capability[] = []
  if (has('tools')) can.push('tools')
  if (has('vision')) can.push('vision')
  if (has('completion')) can.push('json-schema')
  if (has('thinking')) can.push('reasoning')
  const operations: Operation[] = []
  if (has('completion')) operations.push('chat')
  if (has('embedding')) operations.push('embedding')
  return { ...known, can, operations }
}

/** The key is named after the architecture: `llama.context_length`. */
function contextIn(info: unknown): number | undefined {
  if (typeof info !== 'object' || info === null) return undefined
  const found = Object.entries(info).find(([key, value]) => key.endsWith('.context_length') && isCount(value))
  return found?.[1] as number | undefined
}

async function discoverOpenai(provider: Provider, connection: Connection, { transport, secrets, clock }: DiscoveryPorts, signal: AbortSignal): Promise<Discovery> {
  const { name } = provider
  const isLocal = onlyLocalOf(provider) !== undefined
  const key = keyOf(connection, secrets)
  if (!key.ok) return { ok: false, failure: failure('misconfigured', `The key of ${name} is not set.`) }
  const guarded: Transport = {
    async send(request, both) {
      const response = await transport.send({ ...request, headers: { accept: 'application/json', ...key.headers } }, both)
      if (response.status !== 200) throw new BrokenAnswer(await refusal(response, { name, clock, repeats: key.isIn }))
      return response
    },
  }
  // Everything that the package would otherwise look for in the environment is given, and its headers are replaced.
  const client = new OpenAI({
    baseURL: connection.baseUrl, apiKey: 'none', adminAPIKey: null, organization: null, project: null, webhookSecret: null,
    maxRetries: 0, logLevel: 'off',
    fetch: fetchOverTransport(guarded, { signal, connectTimeoutMs: DEFAULT_TIMEOUTS.connect }),
  })
  const models: DiscoveredModel[] = [], elsewhere: string[] = []
  const listed: unknown = (await client.models.list({ signal })).data
  if (!Array.isArray(listed)) throw new BrokenAnswer(failure('upstream_error', `${name} gave no list of models.`))
  for (const entry of listed.slice(0, MODELS_MAX) as (Record<string, unknown> | null)[]) {
    if (!isName(entry?.['id']) || key.isIn(entry['id'])) continue
    // Ollama speaks this dialect too, and then its name is the only sign of a model of its cloud.
    if (isLocal && isCloudName(entry['id'])) {
      elsewhere.push(entry['id'])
      continue
    }
    // vLLM says max_model_len; several others context_length. OpenAI says nothing.
    const context = [entry['max_model_len'], entry['context_length']].find(isCount)
    models.push({ provider: name, upstreamModel: entry['id'], ...(context === undefined ? {} : { context }) })
  }
  return { ok: true, models, elsewhere, isWhole: listed.length <= MODELS_MAX }
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value > 0
const isName = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= MODEL_NAME_CHARACTERS_MAX
