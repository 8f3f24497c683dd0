/** llama.cpp with the tiny model loaded: text, text held to a schema, and vectors. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONTEXT_TOKENS, tinyModel } from './tiny-model.ts'

/** What is used of the library. It is not installed with the project, so its own types are not there to be checked against. */
type Library = { readonly getLlama: (options: object) => Promise<Llama>; readonly LlamaCompletion: new (options: object) => Completion }
type Llama = { loadModel(options: object): Promise<Model>; createGrammarForJsonSchema(schema: object): Promise<object> }
type Model = { tokenize(text: string): readonly number[]; createContext(options: object): Promise<Context>; createEmbeddingContext(options: object): Promise<Embedder> }
type Context = { getSequence(): { dispose(): void }; readonly sequencesLeft: number }
type Embedder = { getEmbeddingFor(text: string): Promise<{ readonly vector: readonly number[] }> }
type Completion = { generateCompletionWithMeta(prompt: string, options: object): Promise<{ readonly response: string; readonly metadata: { readonly stopReason: string } }>; dispose(): void }

export type Message = { readonly role: string; readonly content: string }
export type Wish = {
  readonly messages: readonly Message[]
  readonly tokensMax: number | undefined
  readonly seed: number | undefined
  readonly temperature: number | undefined
  readonly schema: object | undefined
  readonly signal: AbortSignal
  readonly said?: (text: string) => void
}
export type Said = { readonly text: string; readonly reason: 'stop' | 'length'; readonly tokensIn: number; readonly tokensOut: number }

export type Engine = {
  say(wish: Wish): Promise<Said>
  embed(text: string): Promise<{ readonly vector: readonly number[]; readonly tokens: number }>
  /** Generations under way. */
  busy(): number
}

const LIBRARY: string = 'node-llama-cpp'
const SEQUENCES = 8
const TOKENS_UNLESS_SAID = 48
const SEED_UNLESS_SAID = 1
const TEMPERATURE_UNLESS_SAID = 0.8

export async function startLlama(): Promise<Engine> {
  const { getLlama, LlamaCompletion } = await import(LIBRARY) as Library
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error', maxThreads: 1 })
  const folder = mkdtempSync(join(tmpdir(), 'bailiwick-engine-'))
  const file = join(folder, 'tiny.gguf')
  writeFileSync(file, tinyModel())
  const model = await llama.loadModel({ modelPath: file })
  // llama.cpp has mapped the file or read it; it needs the name no more.
  rmSync(folder, { recursive: true })
  const context = await model.createContext({ contextSize: CONTEXT_TOKENS, sequences: SEQUENCES })
  const embedder = await model.createEmbeddingContext({ contextSize: CONTEXT_TOKENS })
  let busy = 0

  return {
    async say({ messages, tokensMax = TOKENS_UNLESS_SAID, seed = SEED_UNLESS_SAID, temperature = TEMPERATURE_UNLESS_SAID, schema, signal, said }) {
      const prompt = `${messages.map(m => `${m.role}: ${m.content}\n`).join('')}assistant: `
      const contextSequence = context.getSequence()
      const completion = new LlamaCompletion({ contextSequence })
      busy++
      try {
        const { response, metadata } = await completion.generateCompletionWithMeta(prompt, {
          maxTokens: tokensMax, seed, temperature, signal, stopOnAbortSignal: true, onTextChunk: said,
          ...(schema !== undefined && { grammar: await llama.createGrammarForJsonSchema(schema) }),
        })
        return { text: response, reason: metadata.stopReason === 'maxTokens' ? 'length' : 'stop', tokensIn: model.tokenize(prompt).length, tokensOut: model.tokenize(response).length }
      } finally {
        busy--
        completion.dispose()
        contextSequence.dispose()
      }
    },
    async embed(text) {
      const { vector } = await embedder.getEmbeddingFor(text)
      return { vector, tokens: model.tokenize(text).length }
    },
    busy: () => busy,
  }
}
