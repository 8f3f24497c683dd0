/** What the names of models at a server mean: when two are the same, and when one names somebody else's machine. */
import type { Dialect } from '../catalog/catalog.ts'

/**
 * The name under which two spellings of one model meet. Ollama takes `qwen3` for `qwen3:latest`, does not tell letter cases
 * apart and lets its own registry and library go unsaid; every other server means what it lists.
 */
export function heldName(dialect: Dialect, model: string): string {
  if (dialect !== 'ollama') return model
  const short = model.toLowerCase().replace(/^registry\.ollama\.ai\//, '').replace(/^library\//, '')
  return /:[^/]*$/.test(short) ? short : `${short}:latest`
}

/** The ending by which Ollama marks a model that runs in its maker's cloud: `gpt-oss:120b-cloud`, `glm-4.6:cloud`. */
export const isCloudName = (model: string): boolean => /[:-]cloud$/i.test(model)
