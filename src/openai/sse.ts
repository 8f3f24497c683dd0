/**
 * Server-sent events as OpenAI's dialect uses them (WHATWG HTML, section 9.2.6): a scanner that watches a stream go by
 * as bytes, and the encoding of our own events.
 */
import { concat } from './bytes.ts'
import { errorIn, token, type ErrorEnvelope, type ProviderError } from './error.ts'

/** An event longer than this is not read, not passed on and counted as malformed. */
export const EVENT_BYTES_MAX = 1024 * 1024
const CHOICES_MAX = 128
/** Of what is kept of a stream's text. */
const TEXT_CHARACTERS_MAX = 1024 * 1024

export type StreamScanner = {
  /**
   * Takes the next bytes, cut anywhere, and gives the well-formed events that are now whole, as they came (undefined:
   * none yet). `[DONE]` is not among them: whether the answer is complete is for the reader of this scanner to say. What a cut stream leaves half-written is held back, so that an error can follow in its place.
   */
  feed(chunk: Uint8Array): Uint8Array | undefined
  /** The bytes have ended: gives a last event whose blank line the server left out, with the line; a half one is malformed. */
  end(): Uint8Array | undefined
  /** The first content, refusal, reasoning or call has been seen. */
  readonly hasContent: boolean
  /** Every choice that was asked for, or began, has given its finish reason. */
  readonly finished: boolean
  /** `[DONE]`, and all that began has finished, but fewer choices than were asked for: a server that does not know `n`. */
  readonly isFewer: boolean
  /** The last finish reason seen. */
  readonly finishReason: string | undefined
  /** `[DONE]` has been seen. */
  readonly done: boolean
  readonly usage: { readonly input: number; readonly output: number } | undefined
  /** The model the server says it is. */
  readonly model: string | undefined
  /** Where the server says that the model ran: the last `usage.inference_geo` seen. */
  readonly geo: string | undefined
  /** The first error event, as tokens. */
  readonly error: ProviderError | undefined
  readonly malformed: number
  /** An event was too large to be read: something of the answer is missing. */
  readonly overflow: boolean
  /** Well-formed events that held content so far, about one token each. */
  readonly pieces: number
  /** Well-formed events of the answer so far, with content or without; comments and errors are none. */
  readonly events: number
  /**
   * What the first choice has said so far, so that somebody else could go on after it. Undefined where that cannot be done:
   * more than plain text was said (a call, a refusal, sound, several choices), or too much.
   */
  readonly text: string | undefined
}

/** Sees every well-formed event of a stream, and says what is passed on in its place: bytes, or nothing. */
export type Rewrite = (event: Readonly<Record<string, unknown>>, bytes: Uint8Array) => Uint8Array | undefined

const LINE_FEED = 0x0a, RETURN = 0x0d

export function streamScanner({ choices: asked = 1, rewrite }: { readonly choices?: number; readonly rewrite?: Rewrite } = {}): StreamScanner {
  let hasContent = false
  let finishReason: string | undefined
  let done = false
  let usage: { input: number; output: number } | undefined
  let model: string | undefined
  let geo: string | undefined
  let error: ProviderError | undefined
  let malformed = 0
  let overflow = false
  let pieces = 0
  let events = 0
  let text: string | undefined = ''
  const choices = new Map<number, boolean>()

  let held = new Uint8Array(0)
  let heldBytes = 0
  let oversized = false
  let lineEmpty = true
  let afterReturn = false
  const decoder = new TextDecoder('utf-8', { fatal: true })

  function hold(part: Uint8Array): void {
    if (oversized || heldBytes + part.length > EVENT_BYTES_MAX) {
      oversized = true
      heldBytes = 0
      return
    }
    if (heldBytes + part.length > held.length) {
      const larger = new Uint8Array(Math.max(2 * held.length, heldBytes + part.length))
      larger.set(held.subarray(0, heldBytes))
      held = larger
    }
    held.set(part, heldBytes)
    heldBytes += part.length
  }

  /** Reads one whole event, and gives what is passed on of it: nothing of an error, which whoever reads on tells in its own way. */
  function read(bytes: Uint8Array): Uint8Array | 'keep' | 'malformed' {
    let lines: string
    try {
      lines = decoder.decode(bytes)
    } catch {
      return 'malformed'
    }
    let name = ''
    let data: string | undefined
    for (const line of lines.split(/\r\n|\n|\r/)) {
      if (line.startsWith('data:')) {
        const value = line.slice(line[5] === ' ' ? 6 : 5)
        data = data === undefined ? value : `${data}\n${value}`
      } else if (line.startsWith('event:')) name = line.slice(6).trim()
    }
    if (data === undefined) return bytes
    if (data.trim() === '[DONE]') {
      done = true
      return 'keep'
    }
    let value: unknown
    try {
      value = JSON.parse(data)
    } catch {
      if (name !== 'error') return 'malformed'
      error ??= {}
      return 'keep'
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'malformed'
    look(value as Record<string, unknown>, name)
    if (error !== undefined) return 'keep'
    return rewrite === undefined ? bytes : rewrite(value as Record<string, unknown>, bytes) ?? 'keep'
  }

  function look(event: Record<string, unknown>, name: string): void {
    const wrong = errorIn(event) ?? errorInChoices(event) ?? (name === 'error' || event['object'] === 'error' ? errorIn({ error: event }) : undefined)
    if (wrong !== undefined) error ??= wrong
    model = modelName(event['model']) ?? model
    usage = readUsage(event['usage']) ?? usage
    geo = readGeo(event['usage']) ?? geo
    if (wrong !== undefined || !Array.isArray(event['choices'])) return
    events += 1
    for (const item of event['choices'].slice(0, CHOICES_MAX) as unknown[]) {
      if (typeof item !== 'object' || item === null) continue
      const choice = item as Record<string, unknown>
      if (filled(choice['text']) || deltaSays(choice['delta'])) {
        hasContent = true
        pieces += 1
      }
      const index = typeof choice['index'] === 'number' ? choice['index'] : 0
      text = said(text, index, choice)
      const reason = choice['finish_reason']
      const ended = typeof reason === 'string' && reason !== ''
      if (ended) finishReason = token(reason)
      if (choices.size < CHOICES_MAX || choices.has(index)) choices.set(index, ended || choices.get(index) === true)
    }
  }

  return {
    feed(chunk) {
      const good: Uint8Array[] = []
      let start = 0
      let at = 0
      const finishEvent = (end: number): void => {
        const whole = heldBytes === 0 && !oversized && end - start <= EVENT_BYTES_MAX
        if (!whole) hold(chunk.subarray(start, end))
        const event = whole ? chunk.subarray(start, end) : held.slice(0, heldBytes)
        const how = oversized ? 'malformed' : read(event)
        if (typeof how !== 'string') good.push(how)
        if (how === 'malformed') malformed += 1
        overflow ||= oversized
        heldBytes = 0
        oversized = false
        start = end
      }
      if (afterReturn && chunk.length > 0) {
        afterReturn = false
        if (chunk[0] === LINE_FEED) at = 1
      }
      let nextReturn = chunk.indexOf(RETURN, at)
      while (at < chunk.length) {
        const nextLineFeed = chunk.indexOf(LINE_FEED, at)
        if (nextReturn !== -1 && nextReturn < at) nextReturn = chunk.indexOf(RETURN, at)
        if (nextLineFeed === -1 && nextReturn === -1) {
          lineEmpty = false
          break
        }
        const end = nextReturn === -1 ? nextLineFeed : nextLineFeed === -1 ? nextReturn : Math.min(nextLineFeed, nextReturn)
        const blank = lineEmpty && end === at
        lineEmpty = true
        at = end + 1
        if (end === nextReturn) {
          if (at === chunk.length) afterReturn = true
          else if (chunk[at] === LINE_FEED) at += 1
        }
        if (blank) finishEvent(at)
      }
      if (start < chunk.length) hold(chunk.subarray(start))
      return good.length === 0 ? undefined : good.length === 1 ? good[0] : joined(chunk, good)
    },
    end() {
      if (heldBytes === 0 && !oversized) return undefined
      const event = held.slice(0, heldBytes)
      const how = oversized ? 'malformed' : read(event)
      overflow ||= oversized
      heldBytes = 0
      oversized = false
      if (typeof how !== 'string') return how === event ? concat([event, encoder.encode('\n\n')]) : how
      if (how === 'malformed') malformed += 1
      return undefined
    },
    get hasContent() { return hasContent },
    get isFewer() { return done && choices.size > 0 && choices.size < asked && [...choices.values()].every(ended => ended) },
    get finished() { return choices.size >= Math.max(1, asked) && [...choices.values()].every(ended => ended) },
    get finishReason() { return finishReason },
    get done() { return done },
    get usage() { return usage },
    get model() { return model },
    get geo() { return geo },
    get error() { return error },
    get malformed() { return malformed },
    get overflow() { return overflow },
    get pieces() { return pieces },
    get events() { return events },
    get text() { return text },
  }
}

/** Events that lie side by side in the chunk leave as one piece of it; only a gap or a held beginning costs a copy. */
function joined(chunk: Uint8Array, events: readonly Uint8Array[]): Uint8Array {
  const first = events[0]
  const last = events.at(-1)
  const bytes = events.reduce((sum, event) => sum + event.length, 0)
  if (first !== undefined && last !== undefined && events.every(event => event.buffer === chunk.buffer)
    && last.byteOffset + last.length - first.byteOffset === bytes) {
    const from = first.byteOffset - chunk.byteOffset
    return chunk.subarray(from, from + bytes)
  }
  return concat(events)
}

/** An error that stands in a choice (OpenRouter): what that choice has said is not all of it. */
export const errorInChoices = ({ choices }: Readonly<Record<string, unknown>>): ProviderError | undefined => {
  if (!Array.isArray(choices)) return undefined
  for (const choice of choices.slice(0, CHOICES_MAX) as unknown[]) {
    const wrong = errorIn(choice)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** Tokens of a usage object, as chat, completions and embeddings write it; undefined when it is none. */
export function readUsage(value: unknown): { readonly input: number; readonly output: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { prompt_tokens: input, completion_tokens: output } = value as Record<string, unknown>
  if (!isCount(input) && !isCount(output)) return undefined
  return { input: isCount(input) ? input : 0, output: isCount(output) ? output : 0 }
}

/** Where the model ran, as a usage object says it: a short token, or nothing. */
export const readGeo = (value: unknown): string | undefined =>
  (typeof value === 'object' && value !== null ? token((value as Record<string, unknown>)['inference_geo']) : undefined)

/** A model's name as a server gives it; anything longer or stranger is not repeated, for it could be anything. */
export const modelName = (value: unknown): string | undefined =>
  (typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/.test(value) ? value : undefined)

/** The text of a choice with one more event of it; undefined where text alone is not what it says. */
function said(before: string | undefined, index: number, choice: Record<string, unknown>): string | undefined {
  if (before === undefined || index !== 0) return undefined
  const more = contentOf(choice)
  if (saysMoreThanText(choice) || more === undefined || before.length + more.length > TEXT_CHARACTERS_MAX) return undefined
  return before + more
}

/** Whether one event's choice holds a call, a refusal, sound or probabilities, which no text can stand for. */
export function saysMoreThanText(choice: Readonly<Record<string, unknown>>): boolean {
  return callsOrRefuses(choice) || (typeof choice['logprobs'] === 'object' && choice['logprobs'] !== null)
}

/** The same without probabilities, which may be left out of an answer that began without them. */
export function callsOrRefuses(choice: Readonly<Record<string, unknown>>): boolean {
  const delta = (choice['delta'] ?? {}) as Readonly<Record<string, unknown>>
  return filled(delta['tool_calls']) || filled(delta['refusal']) || [delta['function_call'], delta['audio']].some(v => typeof v === 'object' && v !== null)
}

/** The text in one event's choice; undefined where it is something else than text. */
export function contentOf(choice: Readonly<Record<string, unknown>>): string | undefined {
  const delta = choice['delta'] as { readonly content?: unknown } | null | undefined
  const content = choice['text'] ?? delta?.content ?? ''
  return typeof content === 'string' ? content : undefined
}

/** More than any answer can hold is not believed: it would be counted against an app's limits. */
const TOKENS_MAX = 100_000_000
const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= TOKENS_MAX
const filled = (value: unknown): boolean => (typeof value === 'string' || Array.isArray(value)) && value.length > 0

function deltaSays(delta: unknown): boolean {
  if (typeof delta !== 'object' || delta === null) return false
  const part = delta as Record<string, unknown>
  return filled(part['content']) || filled(part['refusal']) || filled(part['reasoning_content']) || filled(part['reasoning'])
    || filled(part['tool_calls']) || (typeof part['function_call'] === 'object' && part['function_call'] !== null)
    || (typeof part['audio'] === 'object' && part['audio'] !== null)
}

const encoder = new TextEncoder()

/** The end of a complete stream. */
export const DONE: Uint8Array = encoder.encode('data: [DONE]\n\n')

/** One event with a JSON value. */
export const encodeEvent = (data: unknown): Uint8Array => encoder.encode(`data: ${JSON.stringify(data)}\n\n`)

/** An error after the stream began. Both of OpenAI's clients raise it; no `[DONE]` follows. */
export const errorEvent = (envelope: ErrorEnvelope): Uint8Array => encoder.encode(`event: error\ndata: ${JSON.stringify(envelope)}\n\n`)
