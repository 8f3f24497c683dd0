/**
 * What this is for: taking identifiers out of a request before it leaves. Every text of the body is read, names of
 * members included, wherever it stands; what carries something that cannot be read is refused.
 *
 * What it assumes: a parsed body. What it promises: either no identifier of the asked kinds that the finders know is left
 * in any text, or the answer is a refusal. A redacted text still carries its labels: nothing here lowers them.
 */
import type { Operation } from '../policy/facts.ts'
import { findAll, type Kind } from './identifiers.ts'
import { readPlainly } from './reading.ts'

export type Redacted =
  /** Members to write anew, and how many identifiers of each kind were replaced. */
  | { readonly ok: true; readonly set: Readonly<Record<string, unknown>>; readonly counts: ReadonlyMap<Kind, number> }
  | { readonly ok: false }

/** Operations whose requests are text. */
const READABLE: readonly Operation[] = ['chat', 'completion', 'embedding', 'rerank', 'moderation']

/** Parts of a message that are text. Any other (images, audio, files, what comes next year) cannot be read. */
const TEXT_PARTS = ['text', 'input_text', 'output_text', 'refusal', 'thinking']

/** Members that hold, or point to, something other than text. */
const UNREADABLE = [
  'image', 'images', 'image_url', 'mask', 'input_audio', 'file', 'files', 'file_id', 'file_ids', 'file_data', 'attachments',
  'encrypted_content', 'previous_response_id', 'conversation', 'container',
]

const CHARACTERS_MAX = 16 * 1024 * 1024
const DEPTH_MAX = 64

/** Something cannot be read: caught in `redact`, where it becomes a refusal. */
class Unreadable extends Error {}

type Work = { readonly kinds: readonly Kind[]; readonly counts: Map<Kind, number>; characters: number }

export function redact(kinds: readonly Kind[], operation: Operation, body: Readonly<Record<string, unknown>>): Redacted {
  if (!READABLE.includes(operation)) return { ok: false }
  const work: Work = { kinds, counts: new Map(kinds.map(kind => [kind, 0])), characters: 0 }
  try {
    refuseWhatIsNoText(body)
    const set: [string, unknown][] = []
    for (const [name, value] of Object.entries(body)) {
      // A name on top cannot be changed by an edit; a model's name is replaced when the request leaves; numbers on top are settings.
      if (redactText(name, work, 0) !== name) throw new Unreadable()
      if (name === 'model' || typeof value === 'number') continue
      const clean = redactValue(value, work, 0)
      // A member written twice inside hides its first value from every reader but the next one: what was read is what leaves.
      if (clean !== value || typeof value === 'object') set.push([name, clean])
    }
    return { ok: true, set: Object.fromEntries(set), counts: work.counts }
  } catch (thrown) {
    if (thrown instanceof Unreadable) return { ok: false }
    throw thrown
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value])

function refuseWhatIsNoText(body: Readonly<Record<string, unknown>>): void {
  refuseMembers(body)
  // Token numbers stand for text that only the model's own table can tell.
  for (const entry of [...listOf(body['prompt']), ...listOf(body['input'])]) {
    if (typeof entry === 'number' || Array.isArray(entry)) throw new Unreadable()
    refuseParts([entry])
  }
  for (const entry of [...listOf(body['documents']), ...listOf(body['query'])]) refuseParts([entry])
  for (const message of listOf(body['messages'])) {
    if (!isObject(message)) continue
    refuseMembers(message)
    // An earlier spoken answer, kept by the provider.
    if (message['audio'] !== undefined && message['audio'] !== null) throw new Unreadable()
    refuseParts(listOf(message['content']))
    refuseParts(listOf(message['reasoning_details']))
  }
  if (isObject(body['prediction'])) refuseParts(listOf(body['prediction']['content']))
}

function refuseParts(parts: readonly unknown[]): void {
  for (const part of parts) {
    if (!isObject(part)) continue
    refuseMembers(part)
    const type = part['type']
    if (type === undefined ? typeof part['text'] !== 'string' : typeof type !== 'string' || !TEXT_PARTS.includes(type)) throw new Unreadable()
  }
}

function refuseMembers(value: Readonly<Record<string, unknown>>): void {
  for (const name of UNREADABLE) if (value[name] !== undefined && value[name] !== null) throw new Unreadable()
}

/** The same value where nothing was found in it, else a copy without what was found. */
function redactValue(value: unknown, work: Work, depth: number): unknown {
  if (depth > DEPTH_MAX) throw new Unreadable()
  if (typeof value === 'string') return redactText(value, work, depth)
  if (typeof value === 'number') {
    // Beyond this, reading the body has already lost digits that are still in its bytes.
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER) throw new Unreadable()
    const text = String(value)
    const clean = redactText(text, work, depth)
    return clean === text ? value : clean
  }
  if (Array.isArray(value)) {
    const clean = value.map(element => redactValue(element, work, depth + 1))
    return clean.some((element, i) => element !== value[i]) ? clean : value
  }
  if (!isObject(value)) return value
  const members = Object.entries(value)
  const clean = members.map(([name, member]) => [redactText(name, work, depth), redactValue(member, work, depth + 1)] as const)
  if (clean.every(([name, member], i) => name === members[i]![0] && member === members[i]![1])) return value
  if (new Set(clean.map(([name]) => name)).size < members.length) throw new Unreadable()
  return Object.fromEntries(clean)
}

function redactText(text: string, work: Work, depth: number): string {
  work.characters += text.length
  if (work.characters > CHARACTERS_MAX || depth > DEPTH_MAX) throw new Unreadable()
  if (/data:[^,\s]{0,128};base64,/i.test(text)) throw new Unreadable()
  return isJson(text) ? redactJson(text, work, depth) : replace(text, work)
}

/** Arguments of tool calls and answers of tools are often JSON as text; in it, an escape can hide a character. */
function isJson(text: string): boolean {
  if (!/^\s*[{[]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Changes the strings and numbers of JSON text and nothing else of it. A number that goes becomes a string. */
function redactJson(text: string, work: Work, depth: number): string {
  const pieces: string[] = []
  for (let at = 0; at < text.length;) {
    const end = literalEnd(text, at)
    const written = text.slice(at, Math.max(end, at + 1))
    at += written.length
    if (end === -1) {
      pieces.push(written)
      continue
    }
    const value = written.startsWith('"') ? JSON.parse(written) as string : written
    const clean = redactText(value, work, depth + 1)
    pieces.push(clean === value ? written : JSON.stringify(clean))
  }
  return pieces.join('')
}

/** One past the string or number that begins here in valid JSON; -1 where none begins. */
function literalEnd(text: string, from: number): number {
  let at = from
  if (text[at] === '"') {
    for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++
    return at + 1
  }
  if (!/[-\d]/.test(text[at]!)) return -1
  while (at < text.length && /[-+.\deE]/.test(text[at]!)) at++
  return at
}

function replace(text: string, work: Work): string {
  const reading = readPlainly(text)
  const found = work.kinds.flatMap(kind => findAll(kind, reading.plain).map(f => ({ ...f, kind })))
    .sort((a, b) => (a.from === b.from ? b.to - a.to : a.from - b.from))
  if (found.length === 0) return text
  const pieces: string[] = []
  let kept = 0
  for (let i = 0; i < found.length;) {
    const { kind, from } = found[i]!
    let to = found[i]!.to
    // What overlaps goes with it: no half of a number may stay.
    for (i++; i < found.length && found[i]!.from < to; i++) to = Math.max(to, found[i]!.to)
    const [start, end] = reading.span(from, to)
    pieces.push(text.slice(kept, start), `[redacted ${kind}]`)
    work.counts.set(kind, work.counts.get(kind)! + 1)
    kept = end
  }
  pieces.push(text.slice(kept))
  return pieces.join('')
}
