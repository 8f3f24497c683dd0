/**
 * A language model of half a megabyte, made when the tests start: random weights in the Llama architecture, as a GGUF file
 * (version 3, github.com/ggml-org/ggml/blob/master/docs/gguf.md). What it says means nothing; that a real engine loads it,
 * samples from it, holds it to a grammar and stops when told is the point.
 */

const SHAPE = { width: 64, layers: 2, heads: 4, feedForward: 128, contextTokens: 4_096 } as const
const ALIGNMENT = 32
const SEED = 20_260_612

/** Tags of the format's value types. */
const TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const
/** Kinds of tokens, as the format numbers them. */
const TOKEN = { normal: 1, unknown: 2, control: 3, byte: 6 } as const

export const CONTEXT_TOKENS = SHAPE.contextTokens

type Token = { readonly text: string; readonly kind: number; readonly score: number }
type Tensor = { readonly name: string; readonly columns: number; readonly rows: number; readonly values: Float32Array }
type Entry = { readonly key: string; readonly type: number; readonly bytes: readonly Buffer[] }

export function tinyModel(): Buffer {
  const tokens = vocabulary()
  const metadata = metadataFor(tokens), tensors = tensorsFor(tokens)
  const out: Buffer[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.length)]
  for (const { key, type, bytes } of metadata) out.push(string(key), u32(type), ...bytes)
  let offset = 0
  for (const { name, columns, rows, values } of tensors) {
    const dimensions = rows === 1 ? [columns] : [columns, rows]
    out.push(string(name), u32(dimensions.length), ...dimensions.map(u64), u32(0), u64(offset))
    offset += aligned(values.byteLength)
  }
  out.push(padding(out.reduce((sum, part) => sum + part.length, 0)))
  for (const { values } of tensors) out.push(Buffer.from(values.buffer), padding(values.byteLength))
  return Buffer.concat(out)
}

/** Three marks, a token for each byte, one for each printable ASCII character, and the space as this kind of tokenizer writes it. */
function vocabulary(): readonly Token[] {
  const bytes = Array.from({ length: 256 }, (_, value): Token => ({ text: `<0x${value.toString(16).toUpperCase().padStart(2, '0')}>`, kind: TOKEN.byte, score: 0 }))
  const letters = Array.from({ length: 94 }, (_, i): Token => ({ text: String.fromCharCode(33 + i), kind: TOKEN.normal, score: -1 - i }))
  return [
    { text: '<unk>', kind: TOKEN.unknown, score: 0 }, { text: '<s>', kind: TOKEN.control, score: 0 }, { text: '</s>', kind: TOKEN.control, score: 0 },
    ...bytes, ...letters, { text: '\u2581', kind: TOKEN.normal, score: -1_000 },
  ]
}

function metadataFor(tokens: readonly Token[]): readonly Entry[] {
  const number = (key: string, value: number): Entry => ({ key, type: TYPE.u32, bytes: [u32(value)] })
  const text = (key: string, value: string): Entry => ({ key, type: TYPE.string, bytes: [string(value)] })
  const flag = (key: string, value: boolean): Entry => ({ key, type: TYPE.bool, bytes: [Buffer.from([value ? 1 : 0])] })
  const list = (key: string, type: number, items: readonly Buffer[]): Entry => ({ key, type: TYPE.array, bytes: [u32(type), u64(items.length), ...items] })
  return [
    text('general.architecture', 'llama'), text('general.name', 'tiny'), number('general.file_type', 0),
    number('llama.context_length', SHAPE.contextTokens), number('llama.embedding_length', SHAPE.width), number('llama.block_count', SHAPE.layers),
    number('llama.feed_forward_length', SHAPE.feedForward), number('llama.attention.head_count', SHAPE.heads), number('llama.attention.head_count_kv', SHAPE.heads),
    { key: 'llama.attention.layer_norm_rms_epsilon', type: TYPE.f32, bytes: [f32(1e-5)] },
    number('llama.rope.dimension_count', SHAPE.width / SHAPE.heads), number('llama.vocab_size', tokens.length),
    text('tokenizer.ggml.model', 'llama'),
    list('tokenizer.ggml.tokens', TYPE.string, tokens.map(t => string(t.text))),
    list('tokenizer.ggml.scores', TYPE.f32, tokens.map(t => f32(t.score))),
    list('tokenizer.ggml.token_type', TYPE.i32, tokens.map(t => u32(t.kind))),
    number('tokenizer.ggml.bos_token_id', 1), number('tokenizer.ggml.eos_token_id', 2), number('tokenizer.ggml.unknown_token_id', 0),
    flag('tokenizer.ggml.add_bos_token', true), flag('tokenizer.ggml.add_space_prefix', false),
  ]
}

/**
 * The first channel of the hidden state carries a constant through all layers, and the last matrix turns it into a push: letters
 * stay level, everything else goes down. So the model writes lower-case letters, and only a grammar can make it write more.
 */
function tensorsFor(tokens: readonly Token[]): readonly Tensor[] {
  const { width, layers, feedForward } = SHAPE
  const normal = normals(SEED), spread = 1 / Math.sqrt(width)
  const matrix = (name: string, columns: number, rows: number, value: (row: number, column: number) => number): Tensor =>
    ({ name, columns, rows, values: Float32Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns)) })
  const ones = (name: string): Tensor => matrix(name, width, 1, () => 1)
  const spared = (row: number): number => (row === 0 ? 0 : normal() * spread)
  const push = tokens.map(({ text, kind }) => (kind === TOKEN.normal && /^[a-z\u2581]$/.test(text) ? 0 : -12))
  return [
    matrix('token_embd.weight', width, tokens.length, (_, column) => (column === 0 ? 4 : normal())),
    ...Array.from({ length: layers }, (_, layer) => `blk.${layer}.`).flatMap(block => [
      ones(`${block}attn_norm.weight`),
      ...['attn_q', 'attn_k', 'attn_v'].map(name => matrix(`${block}${name}.weight`, width, width, () => normal() * spread)),
      matrix(`${block}attn_output.weight`, width, width, spared),
      ones(`${block}ffn_norm.weight`),
      matrix(`${block}ffn_gate.weight`, width, feedForward, () => normal() * spread),
      matrix(`${block}ffn_up.weight`, width, feedForward, () => normal() * spread),
      matrix(`${block}ffn_down.weight`, feedForward, width, spared),
    ]),
    ones('output_norm.weight'),
    matrix('output.weight', width, tokens.length, (row, column) => (column === 0 ? push[row]! : normal() * 0.3)),
  ]
}

/** Normally distributed numbers, the same ones for a seed: a linear congruence, and twelve of its draws summed. */
function normals(seed: number): () => number {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return () => Array.from({ length: 12 }, uniform).reduce((sum, draw) => sum + draw, -6)
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
const padding = (bytes: number): Buffer => Buffer.alloc(aligned(bytes) - bytes)
function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}
function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
function string(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}
