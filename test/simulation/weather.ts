/** What a provider does with one call: drawn by chance, from what its mood lets it do. Nothing here knows the gateway. */
import type { Deployment } from '../../src/catalog/catalog.ts'
import type { Chance } from './chance.ts'
import { REGION_HEADER } from './laws.ts'

/** cutting: what it begins to say breaks off. elsewhere: it runs in another country than before. impostor: it serves another model. gone: the vendor took the model away. */
export const MOODS = ['well', 'flaky', 'down', 'silent', 'slow', 'busy', 'cutting', 'elsewhere', 'impostor', 'gone'] as const
export type Mood = (typeof MOODS)[number]

/**
 * A piece of a body, so long after the one before. `lie`: who has read so far knows that the facts are others; `lieToTheEnd`: who
 * has read so far and is done with the answer.
 */
export type Piece = { readonly afterMs: number; readonly does: Uint8Array | 'reset' | 'stall'; readonly lie?: string; readonly lieToTheEnd?: string }

export type Plan =
  | { readonly kind: 'no-connection'; readonly afterMs: number; readonly code: 'ECONNREFUSED' | 'ECONNRESET' }
  | { readonly kind: 'silent' }
  | {
    readonly kind: 'response'; readonly afterMs: number; readonly status: number; readonly headers: Readonly<Record<string, string>>
    readonly pieces: readonly Piece[]
    /** The whole answers that this could become for the caller, were it not cut. */
    readonly offers: readonly string[]
    readonly lie?: string
    /** It asks to be left alone for so long. */
    readonly waitMs?: number
  }

export type Question = {
  readonly deployment: Deployment
  readonly mood: Mood
  readonly operation: 'chat' | 'embedding'
  readonly stream: boolean
  readonly tools: boolean
  /** The text that the answer is to go on from; empty where it begins. */
  readonly begun: string
  /** What every willing provider would say to this request, word for word. */
  readonly expected: readonly string[]
}

export function plan(q: Question, chance: Chance): Plan {
  switch (q.mood) {
    case 'down': return { kind: 'no-connection', afterMs: chance.whole(1, 100), code: 'ECONNREFUSED' }
    case 'silent': return chance.is(0.7) ? { kind: 'silent' } : faulty(q, chance)
    case 'busy': return chance.is(0.8) ? status(429, chance) : good(q, chance)
    case 'gone': return chance.one([status(404, chance, 'model_not_found'), status(451, chance), status(403, chance, 'unsupported_country_region_territory')])
    case 'slow': return chance.is(0.5) ? good(q, chance, chance.whole(8_000, 40_000)) : good(q, chance, chance.whole(500, 8_000))
    case 'cutting': return chance.is(0.8) ? good(q, chance, undefined, true) : good(q, chance)
    case 'flaky': return chance.is(0.7) ? faulty(q, chance) : good(q, chance)
    case 'elsewhere': case 'impostor': case 'well': return good(q, chance)
  }
}

function faulty(q: Question, chance: Chance): Plan {
  const { tools } = q
  const fault = chance.weighted<() => Plan>([
    [2, () => ({ kind: 'no-connection', afterMs: chance.whole(1, 200), code: chance.one(['ECONNREFUSED', 'ECONNRESET']) })],
    [1, () => ({ kind: 'silent' })],
    [2, () => status(429, chance)],
    [3, () => status(500, chance)],
    [2, () => status(chance.one([502, 503, 504]), chance)],
    [0.5, () => status(401, chance, 'invalid_api_key')],
    [1, () => status(400, chance, 'content_filter')],
    [1, () => status(400, chance, 'context_length_exceeded')],
    [0.5, () => status(400, chance, 'invalid_value')],
    [0.3, () => status(302, chance)],
    [0.3, () => ({ kind: 'response', afterMs: chance.whole(5, 300), status: 200, headers: { 'content-type': 'text/html' }, pieces: [{ afterMs: 1, does: encode('<html>'), }], offers: [] })],
    [tools ? 3 : 10, () => good(q, chance, undefined, true)],
  ])
  return fault()
}

function status(code: number, chance: Chance, word = ''): Plan {
  const seconds = (code === 429 || code === 503) && chance.is(0.5) ? chance.whole(1, 40) : undefined
  const wait = seconds === undefined ? {} : { 'retry-after': String(seconds) }
  const body = encode(JSON.stringify({ error: { message: 'a raw text that nobody may see', type: 'some_error', code: word || null } }))
  const end: readonly Piece[] = chance.is(0.2) ? [{ afterMs: 10, does: body.subarray(0, 20) }, { afterMs: 5, does: chance.one(['stall', 'reset']) }] : [{ afterMs: 5, does: body }]
  return { kind: 'response', afterMs: chance.whole(5, 800), status: code, headers: { 'content-type': 'application/json', ...wait }, pieces: end, offers: [], ...(code === 429 && seconds !== undefined && { waitMs: seconds * 1_000 }) }
}

const encoder = new TextEncoder()
const encode = (text: string): Uint8Array => encoder.encode(text)
const event = (value: unknown): Uint8Array => encode(`data: ${JSON.stringify(value)}\n\n`)

/** An answer, and what is wrong with how it comes where it is to be broken. */
function good(q: Question, chance: Chance, afterMs = chance.whole(20, 1_500), isBroken = false): Plan {
  const { deployment, mood } = q
  const isElsewhere = mood === 'elsewhere'
  const region: Record<string, string> = deployment.reports?.region === undefined ? {} : { [REGION_HEADER]: isElsewhere ? 'us-east' : 'fr-par' }
  const country = deployment.reports?.region?.countries.get(region[REGION_HEADER] ?? '')
  const lie = country === undefined || (deployment.processedIn ?? []).includes(country) ? undefined : `region ${country}`
  const { pieces, offers } = q.operation === 'embedding' ? vectors(q) : q.stream ? streamed(q, chance, isBroken) : whole(q, chance, isBroken)
  return {
    kind: 'response', afterMs, status: 200, headers: { 'content-type': q.stream ? 'text/event-stream; charset=utf-8' : 'application/json', ...region },
    pieces, offers: lie === undefined ? offers : [], ...(lie !== undefined && { lie }),
  }
}

/** Where it says that it ran, in the usage at the end: only a server that has moved says so, and only where a country is known for certain. */
function geoOf({ deployment, mood }: Question): { readonly said: object; readonly lie?: string } {
  if (mood !== 'elsewhere' || deployment.reports?.region !== undefined || deployment.processedIn === undefined) return { said: {} }
  return { said: { inference_geo: 'cn' }, lie: 'geography CN' }
}

/** Under which name it answers. Only where the catalog lists the names, any other one is a lie for certain. */
const servedBy = ({ deployment, mood }: Question): string => (mood === 'impostor' && deployment.reports?.models !== undefined ? 'another-model' : deployment.upstreamModel)
/** What a whole answer gives away. */
const lieOf = (q: Question): string | undefined => (servedBy(q) === 'another-model' ? 'another model' : geoOf(q).lie)

function vectors(q: Question): { readonly pieces: readonly Piece[]; readonly offers: readonly string[] } {
  const { deployment } = q
  const body = { object: 'list', model: servedBy(q), data: [{ object: 'embedding', index: 0, embedding: [deployment.embeddingSpace === 'v1' ? 1 : 2] }], usage: { prompt_tokens: 2, total_tokens: 2 } }
  return { pieces: [{ afterMs: 5, does: encode(JSON.stringify(body)) }], offers: [`vector of ${deployment.embeddingSpace}`] }
}

const OWN_WORDS = ['quite', 'another', 'thing', 'is', 'said', 'here', 'than', 'elsewhere', 'about', 'it']

/** The words that come, and the whole answers that the caller may have got when they have come. */
function wordsOf(q: Question, chance: Chance): { readonly words: readonly string[]; readonly offers: readonly string[] } {
  const { begun, tools } = q
  if (tools) return { words: ['{"a', '":1', '}'], offers: ['call {"a":1}'] }
  const mine = chance.is(0.7) ? q.expected : OWN_WORDS.slice(0, chance.whole(1, OWN_WORDS.length)).map(word => `${word} `)
  const full = mine.join('')
  if (begun === '') return { words: mine, offers: [full] }
  // Asked to go on: it does, or says everything again, or goes on with words of its own.
  if (full.startsWith(begun)) {
    if (full !== begun && chance.is(0.7)) return { words: wordsIn(full.slice(begun.length)), offers: [full] }
    // A beginning said again is known as one where it is long enough.
    return { words: mine, offers: [full, begun + full] }
  }
  return { words: mine, offers: [begun + full] }
}

const wordsIn = (text: string): readonly string[] => text.match(/\S+\s*|\s+/g) ?? []

function whole(q: Question, chance: Chance, isBroken: boolean): { readonly pieces: readonly Piece[]; readonly offers: readonly string[] } {
  const { words, offers } = wordsOf(q, chance)
  const message = q.tools
    ? { role: 'assistant', content: null, tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: words.join('') } }] }
    : { role: 'assistant', content: words.join('') }
  const body = encode(JSON.stringify({ id: 'x', object: 'chat.completion', model: servedBy(q), choices: [{ index: 0, message, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: words.length, total_tokens: 9, ...geoOf(q).said } }))
  if (!isBroken) {
    const half = chance.whole(1, body.length - 1)
    const blanks: readonly Piece[] = chance.is(0.1) ? [{ afterMs: 5, does: encode(' \n') }, { afterMs: chance.whole(0, 8_000), does: encode(' ') }] : []
    return { pieces: [...blanks, { afterMs: 5, does: body.subarray(0, half) }, { afterMs: chance.whole(0, 3_000), does: body.subarray(half), ...(lieOf(q) !== undefined && { lieToTheEnd: lieOf(q)! }) }], offers: lieOf(q) === undefined ? offers : [] }
  }
  const cut = body.subarray(0, chance.whole(1, body.length - 1))
  return {
    offers,
    pieces: chance.one<readonly Piece[]>([
      [{ afterMs: 5, does: cut }, { afterMs: 5, does: 'reset' }], [{ afterMs: 5, does: cut }, { afterMs: 5, does: 'stall' }], [{ afterMs: 5, does: cut }],
      [{ afterMs: 5, does: encode('{}') }], [{ afterMs: 5, does: encode('{"error":{"message":"raw","code":"boom"}}') }],
    ]),
  }
}

function streamed(q: Question, chance: Chance, isBroken: boolean): { readonly pieces: readonly Piece[]; readonly offers: readonly string[] } {
  const { words, offers } = wordsOf(q, chance)
  const model = servedBy(q), { mood } = q
  const chunk = (delta: object, finish: string | null = null): Uint8Array => event({ id: 'x', object: 'chat.completion.chunk', model, choices: [{ index: 0, delta, finish_reason: finish }] })
  const said = words.map((word, i) => chunk(q.tools ? { tool_calls: [{ index: 0, ...(i === 0 && { id: 'c', type: 'function' }), function: { ...(i === 0 && { name: 'f' }), arguments: word } }] } : { content: word }))
  const finish = [chunk({}, q.tools ? 'tool_calls' : 'stop')]
  const { said: geo, lie: wrongPlace } = geoOf(q)
  const usage = chance.is(0.5) || wrongPlace !== undefined ? [event({ id: 'x', model, choices: [], usage: { prompt_tokens: 3, completion_tokens: words.length, total_tokens: 9, ...geo } })] : []
  const done = encode('data: [DONE]\n\n')
  const garbage = chance.weighted<readonly Uint8Array[]>([[14, []], [3, [encode('data: {"choices": [{"ind\n\n')]], [3, [encode(': still here\n\n'), encode(': and here\n\n')]]])
  const role = chunk({ role: 'assistant', content: '' })
  const gap = (): number => (chance.is(0.05) ? chance.whole(1_000, mood === 'well' ? 4_000 : 20_000) : chance.whole(1, 300))
  const timed = (events: readonly Uint8Array[]): readonly Piece[] => events.map(does => ({ afterMs: gap(), does }))
  if (!isBroken) {
    const end = chance.weighted([[7, [...finish, ...usage, done]], [1, [...finish, ...usage]], [wrongPlace === undefined ? 1 : 0, finish]])
    const pieces = timed([role, ...said.slice(0, 1), ...garbage, ...said.slice(1), ...end])
    // The first content says who serves it; nothing is cut across, so that the lie comes whole.
    if (model === 'another-model') return { pieces: pieces.map((piece, i) => (i === 1 ? { ...piece, lie: 'another model' } : piece)), offers: [] }
    // The place comes with the usage, after every word: what was said stays said, and the next one is not asked here.
    if (wrongPlace !== undefined) return { pieces: pieces.map((piece, i) => (i === pieces.length - (end.at(-1) === done ? 2 : 1) ? { ...piece, lieToTheEnd: wrongPlace } : piece)), offers }
    const after: readonly Piece[] = chance.is(0.1) ? [{ afterMs: 1, does: 'stall' }] : []
    return { pieces: [...chance.is(0.3) ? cutAnywhere(pieces, chance) : pieces, ...after], offers }
  }
  const kept = timed([role, ...said.slice(0, chance.whole(0, said.length))])
  const fault = chance.one<readonly Piece[]>([
    [{ afterMs: gap(), does: 'reset' }],
    [{ afterMs: gap(), does: 'stall' }],
    [],
    timed([done]),
    timed([event({ error: { message: 'raw', type: 'server_error', code: 'boom' } })]),
    [{ afterMs: gap(), does: said[0]!.subarray(0, 25) }, { afterMs: 5, does: 'reset' }],
    timed([encode('event: error\ndata: raw\n\n')]),
  ])
  return { pieces: [...chance.is(0.3) ? cutAnywhere(kept, chance) : kept, ...fault], offers: model === 'another-model' ? [] : offers }
}

/** The same bytes in other pieces: servers and networks cut where they like. */
function cutAnywhere(pieces: readonly Piece[], chance: Chance): readonly Piece[] {
  return pieces.flatMap(({ afterMs, does }): readonly Piece[] => {
    if (typeof does === 'string') return [{ afterMs, does }]
    const at = chance.whole(1, does.length - 1)
    return [{ afterMs, does: does.subarray(0, at) }, { afterMs: chance.whole(0, 50), does: does.subarray(at) }]
  })
}
