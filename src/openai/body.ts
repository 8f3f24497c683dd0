/**
 * What this is for: the wire of OpenAI's dialect, without behaviour. This file reads a request body and changes single
 * top-level members of it by splicing bytes.
 * What it assumes: nothing about who wrote the bytes.
 * What it promises: whatever an edit does not name leaves as it came, byte for byte: numbers keep their digits, text its
 * escapes, whitespace its place. A body that two readers could understand differently is refused.
 */
import { concat } from './bytes.ts'

export type Change = {
  /** New values by top-level name; a name that is not there yet is added at the end, an undefined value asks nothing. */
  readonly set?: Readonly<Record<string, unknown>>
  /** Top-level names to take out; a name that is not there asks nothing. */
  readonly remove?: readonly string[]
}

export type RequestBody = {
  readonly bytes: Uint8Array
  readonly value: Readonly<Record<string, unknown>>
  /** The bytes with this change and no other. */
  edit(change: Change): Uint8Array
}

export type ReadBody =
  | { readonly ok: true; readonly body: RequestBody }
  | { readonly ok: false; readonly wrong: string; readonly param?: string }

/** One member of the top-level object: offsets into the bytes, the end one past the last byte. */
type Member = { readonly name: string; readonly start: number; readonly valueStart: number; readonly end: number }
type Members = { readonly list: readonly Member[]; readonly open: number; readonly duplicate: string | undefined; readonly tooMany: boolean }

const QUOTE = 0x22, BACKSLASH = 0x5c, OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d, OPEN_LIST = 0x5b, CLOSE_LIST = 0x5d, COMMA = 0x2c, COLON = 0x3a

/** No request of the dialect has so many members; a body of millions would only keep everybody waiting. */
const MEMBERS_MAX = 1_000

/** The members of the dialect that a caller may be told by name; any other name could be prompt text. */
const NAMES = new Set(['model', 'models', 'provider', 'messages', 'prompt', 'input', 'stream', 'stream_options', 'tools', 'tool_choice', 'response_format',
  'max_tokens', 'max_completion_tokens', 'temperature', 'top_p', 'n', 'stop', 'seed', 'user', 'metadata', 'encoding_format', 'dimensions'])

/**
 * Reads a body once. `wrong` is a sentence for the caller that holds none of the body but the name of a member that the dialect has.
 * A member written twice is refused because servers differ in which one they take (RFC 8259, section 4), so that what
 * was decided on and what is answered could be two different requests.
 */
export function readBody(bytes: Uint8Array): ReadBody {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return wrong('The body begins with a byte order mark; send UTF-8 without one.')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return wrong('The body is not valid UTF-8.')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return wrong('The body is not valid JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('The body must be a JSON object.')
  const members = scan(bytes)
  if (members.tooMany) return wrong(`The body holds more than ${MEMBERS_MAX} members.`)
  if (members.duplicate !== undefined) {
    return NAMES.has(members.duplicate)
      ? { ok: false, wrong: `The body holds "${members.duplicate}" twice.`, param: members.duplicate }
      : wrong('The body holds a member twice.')
  }
  return { ok: true, body: { bytes, value: value as Record<string, unknown>, edit: change => splice(bytes, members, change) } }
}

/** The same edit over bytes that `readBody` or an edit gave. Throws when they are not such bytes. */
export function editBody(bytes: Uint8Array, change: Change): Uint8Array {
  return splice(bytes, scan(bytes), change)
}

const wrong = (sentence: string): ReadBody => ({ ok: false, wrong: sentence })

/** Builds the edited bytes from pieces: each kept member brings the text before it, the first kept one the text after `{`. */
function splice(bytes: Uint8Array, { list, open }: Members, { set = {}, remove = [] }: Change): Uint8Array {
  const removed = new Set(remove)
  const added = new Set(Object.keys(set).filter(name => set[name] !== undefined))
  const encoder = new TextEncoder()
  const pieces: Uint8Array[] = [bytes.subarray(0, open + 1)]
  let kept = 0
  list.forEach((member, index) => {
    const replaced = added.delete(member.name)
    if (removed.has(member.name) && !replaced) return
    const before = kept === 0 ? list[0] : member
    const beforeStart = kept === 0 ? open + 1 : list[index - 1]?.end
    pieces.push(bytes.subarray(beforeStart, before?.start))
    pieces.push(bytes.subarray(member.start, replaced ? member.valueStart : member.end))
    if (replaced) pieces.push(encoder.encode(JSON.stringify(set[member.name])))
    kept += 1
  })
  for (const name of added) {
    pieces.push(encoder.encode(`${kept === 0 ? '' : ','}${JSON.stringify(name)}:${JSON.stringify(set[name])}`))
    kept += 1
  }
  pieces.push(bytes.subarray(list.at(-1)?.end ?? open + 1))
  return concat(pieces)
}

/** Finds the top-level members. INVARIANT: the bytes are valid JSON with an object on top, so only its marks need telling apart. */
function scan(bytes: Uint8Array): Members {
  const decoder = new TextDecoder()
  const list: Member[] = []
  const seen = new Set<string>()
  let duplicate: string | undefined
  const open = skipSpace(bytes, 0)
  if (bytes[open] !== OPEN_OBJECT) throw new Error('an edit needs a body that was read before')
  let at = skipSpace(bytes, open + 1)
  while (bytes[at] === QUOTE) {
    const start = at
    const nameEnd = skipString(bytes, start)
    const name = JSON.parse(decoder.decode(bytes.subarray(start, nameEnd))) as string
    const colon = skipSpace(bytes, nameEnd)
    if (bytes[colon] !== COLON) throw new Error('an edit needs a body that was read before')
    const valueStart = skipSpace(bytes, colon + 1)
    const end = skipValue(bytes, valueStart)
    if (list.length === MEMBERS_MAX) return { list, open, duplicate, tooMany: true }
    if (seen.has(name)) duplicate ??= name
    seen.add(name)
    list.push({ name, start, valueStart, end })
    at = skipSpace(bytes, end)
    if (bytes[at] !== COMMA) break
    at = skipSpace(bytes, at + 1)
  }
  if (bytes[at] !== CLOSE_OBJECT) throw new Error('an edit needs a body that was read before')
  return { list, open, duplicate, tooMany: false }
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from
  for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = bytes[at]) at += 1
  return at
}

/** From an opening quote to one past the closing one: a quote behind an odd number of backslashes does not close. */
function skipString(bytes: Uint8Array, from: number): number {
  for (let quote = bytes.indexOf(QUOTE, from + 1); quote !== -1; quote = bytes.indexOf(QUOTE, quote + 1)) {
    let first = quote
    while (bytes[first - 1] === BACKSLASH) first -= 1
    if ((quote - first) % 2 === 0) return quote + 1
  }
  throw new Error('an edit needs a body that was read before')
}

function skipValue(bytes: Uint8Array, from: number): number {
  if (bytes[from] === QUOTE) return skipString(bytes, from)
  let depth = 0
  let at = from
  while (at < bytes.length) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = skipString(bytes, at)
      continue
    }
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth += 1
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      if (depth === 0) return trimSpace(bytes, at)
      depth -= 1
      if (depth === 0) return at + 1
    } else if (byte === COMMA && depth === 0) return trimSpace(bytes, at)
    at += 1
  }
  return at
}

/** A number or word ends where the whitespace behind it begins. */
function trimSpace(bytes: Uint8Array, end: number): number {
  let at = end
  for (let byte = bytes[at - 1]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = bytes[at - 1]) at -= 1
  return at
}
