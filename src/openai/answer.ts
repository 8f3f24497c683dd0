/** What an answer that is not a stream says about itself. Tolerant: what is missing or odd is absent. */
import type { Operation } from '../policy/facts.ts'
import { errorIn, token, type ProviderError } from './error.ts'
import { errorInChoices, modelName, readGeo, readUsage } from './sse.ts'

export type Answer = {
  readonly usage: { readonly input: number; readonly output: number } | undefined
  /** The model the server says it is. */
  readonly model: string | undefined
  /** Where the server says that the model ran. */
  readonly geo: string | undefined
  readonly finishReasons: readonly string[]
  /** It holds what the operation asks for: choices, or vectors. `{}` is JSON and no answer. */
  readonly complete: boolean
  /** Set when the body is an error in spite of its status. */
  readonly error: ProviderError | undefined
}

/** Undefined when the bytes are no JSON object: cut, or no answer at all. */
export function readAnswer(bytes: Uint8Array, operation: Operation): Answer | undefined {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const body = value as Record<string, unknown>
  const choices: readonly unknown[] = Array.isArray(body['choices']) ? body['choices'] : []
  return {
    usage: readUsage(body['usage']),
    model: modelName(body['model']),
    geo: readGeo(body['usage']),
    finishReasons: choices.flatMap(choice => token((choice as { finish_reason?: unknown } | null)?.finish_reason) ?? []),
    complete: operation === 'embedding' ? holdsObjects(body['data']) : holdsObjects(choices) && choices.every(choice => isSaid((choice as { message?: unknown; text?: unknown }))),
    error: errorIn(body) ?? errorInChoices(body),
  }
}

const isSaid = ({ message, text }: { readonly message?: unknown; readonly text?: unknown }): boolean => typeof text === 'string' || (typeof message === 'object' && message !== null)
const holdsObjects = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(item => typeof item === 'object' && item !== null)
