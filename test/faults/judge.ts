/**
 * What an answer was worth: complete, refused or broken off, and everything that is wrong with it. It knows nothing of how a
 * gateway works; what it says of a gateway it says of the bytes, and of what OpenAI's client made of them.
 */
import type { Heard } from './hearing.ts'
import { ANSWER, WALL_WORDS } from './wall.ts'

export type Worth = {
  /** refused: an HTTP error in the one shape. broken-off: a stream that says so itself, and is not taken for an answer. */
  readonly kind: 'complete' | 'refused' | 'broken-off' | 'wrong'
  readonly wrong: readonly string[]
  readonly text: string
  readonly finish: string | undefined
  /** The models that the body names, each once, in the order of their appearance. */
  readonly models: readonly string[]
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | undefined
  readonly code: string | undefined
}

type Said = { text: string; finish: string[]; models: string[]; usage: Worth['usage']; errors: unknown[]; done: number; isDoneLast: boolean }
type Choice = { readonly delta?: { readonly role?: unknown; readonly content?: unknown }; readonly message?: { readonly content?: unknown }; readonly finish_reason?: unknown }
type Json = { readonly model?: unknown; readonly choices?: readonly Choice[]; readonly usage?: Worth['usage'] | null; readonly error?: unknown }

export type Text = { readonly text?: string; readonly finish?: string }

/** `expected`: the one text that counts as the whole answer. */
export function worthOf(heard: Heard, { text = ANSWER, finish = 'stop' }: Text = {}): Worth {
  const wrong: string[] = []
  if (heard.how === 'endless') wrong.push(`it was not over after ${Math.round(heard.ms)} ms`)
  if (heard.how === 'broken') wrong.push('the connection broke without a word')
  if (heard.body.includes(WALL_WORDS) || [...heard.headers.values()].some(v => v.includes(WALL_WORDS))) wrong.push("a provider's words reached the caller")
  const judged = heard.status !== 200 ? refusal(heard) : heard.stream ? stream(heard, { text, finish }) : whole(heard, { text, finish })
  wrong.push(...judged.wrong)
  return { ...judged, kind: wrong.length > 0 ? 'wrong' : judged.kind, wrong }
}

const NOTHING = { text: '', finish: undefined, models: [], usage: undefined, code: undefined }

function refusal({ status, body, headers, client, how }: Heard): Worth {
  const wrong: string[] = []
  const error = envelope(parsed(body))
  if (how === 'complete' && error === undefined) wrong.push(`status ${status} without an error in OpenAI's shape`)
  if (how === 'complete' && headers.get('content-type')?.startsWith('application/json') !== true) wrong.push('an error that is not called JSON')
  if (client.raised === undefined) wrong.push(`OpenAI's client raised nothing at status ${status}`)
  else if (how === 'complete' && (!client.raised.isApiError || client.raised.status !== status)) wrong.push(`OpenAI's client raised something else at status ${status}`)
  return { ...NOTHING, kind: 'refused', wrong, code: error?.code ?? undefined }
}

function stream(heard: Heard, expected: Required<Text>): Worth {
  const { client } = heard
  const wrong: string[] = []
  const said = readStream(heard.body, wrong)
  if (!heard.headers.get('content-type')?.startsWith('text/event-stream')) wrong.push('a stream that is not called one')
  const isWhole = said.text === expected.text
  const isBeginning = expected.text.startsWith(said.text)
  if (!isBeginning) wrong.push('the text is not the sentence, nor its beginning')
  const worth = { text: said.text, finish: said.finish.at(-1), models: said.models, usage: said.usage }
  if (said.errors.length > 0) {
    const error = envelope({ error: said.errors[0] })
    if (error === undefined) wrong.push("an error in the stream that is not in OpenAI's shape")
    if (said.errors.length > 1) wrong.push('more than one error in the stream')
    if (said.done > 0) wrong.push('[DONE] beside an error')
    if (said.finish.length > 0) wrong.push('a finish reason beside an error')
    if (client.raised?.isApiError !== true) wrong.push("OpenAI's client did not raise the error of the stream")
    if (!expected.text.startsWith(client.text)) wrong.push("OpenAI's client read a text that is not the sentence, nor its beginning")
    return { ...worth, kind: 'broken-off', wrong, code: error?.code ?? undefined }
  }
  if (isBeginning && !isWhole && heard.how === 'complete') wrong.push(`truncated text shown as success: ${said.text.length} of ${expected.text.length} characters`)
  if (isWhole && said.finish.length !== 1) wrong.push(`${said.finish.length} finish reasons`)
  if (isWhole && said.finish.length === 1 && said.finish[0] !== expected.finish) wrong.push(`finish reason ${said.finish[0]}`)
  if (isWhole && said.done !== 1) wrong.push(`${said.done} times [DONE]`)
  else if (isWhole && !said.isDoneLast) wrong.push('[DONE] is not the last word')
  if (isWhole) wrong.push(...clientAgrees(heard, expected))
  return { ...worth, kind: 'complete', wrong, code: undefined }
}

/** Server-sent events by the book, and nothing else between them. */
function readStream(body: string, wrong: string[]): Said {
  const said: Said = { text: '', finish: [], models: [], usage: undefined, errors: [], done: 0, isDoneLast: false }
  const blocks = body.split('\n\n')
  if (blocks.pop() !== '') wrong.push('the last event is a half one')
  for (const block of blocks) {
    said.isDoneLast = false
    const lines = block.split('\n').filter(line => line.startsWith('data:'))
    if (lines.length === 0) continue
    const data = lines.map(line => line.slice(5).trim()).join('\n')
    if (data === '[DONE]') {
      said.done += 1
      said.isDoneLast = true
      continue
    }
    const value = parsed(data)
    if (value === undefined) {
      wrong.push('an event that is no JSON')
      continue
    }
    if (value.error !== undefined) said.errors.push(value.error)
    note(said, value)
    const [choice] = value.choices ?? []
    if (typeof choice?.delta?.content === 'string') said.text += choice.delta.content
    if (typeof choice?.finish_reason === 'string') said.finish.push(choice.finish_reason)
    // The role is said at the beginning or not at all.
    if (choice?.delta?.role !== undefined && said.text !== '') wrong.push('the role is said again after content')
  }
  return said
}

function note(said: Said, { model, usage }: Json): void {
  if (typeof model === 'string' && !said.models.includes(model)) said.models.push(model)
  if (usage !== undefined && usage !== null) said.usage = usage
}

function whole(heard: Heard, expected: Required<Text>): Worth {
  const value = parsed(heard.body)
  if (value === undefined) return { ...NOTHING, kind: 'complete', wrong: heard.how === 'complete' ? ['a body that is no JSON, shown as success'] : [] }
  const content = value.choices?.[0]?.message?.content, finish = value.choices?.[0]?.finish_reason
  const wrong: string[] = []
  const text = typeof content === 'string' ? content : ''
  if (value.error !== undefined || typeof content !== 'string') wrong.push('status 200 without an answer')
  else if (text !== expected.text) wrong.push(expected.text.startsWith(text) ? `truncated text shown as success: ${text.length} of ${expected.text.length} characters` : 'the text is not the sentence')
  else if (finish !== expected.finish) wrong.push(`finish reason ${String(finish)}`)
  else wrong.push(...clientAgrees(heard, expected))
  return {
    kind: 'complete', wrong, text, finish: typeof finish === 'string' ? finish : undefined, code: undefined,
    models: typeof value.model === 'string' ? [value.model] : [], usage: value.usage ?? undefined,
  }
}

function clientAgrees({ client }: Heard, expected: Required<Text>): readonly string[] {
  if (client.raised !== undefined) return [`OpenAI's client raised an error at a complete answer (${client.raised.code ?? client.raised.status ?? 'no API error'})`]
  if (client.text !== expected.text || client.finish !== expected.finish) return ["OpenAI's client read another answer than the bytes hold"]
  return []
}

/** The one shape of errors: exactly these four fields. */
function envelope(value: Json | undefined): { readonly code: string | null } | undefined {
  const error = value?.error
  if (typeof error !== 'object' || error === null) return undefined
  const { message, type, param, code } = error as Record<string, unknown>
  const isShape = Object.keys(error).sort().join() === 'code,message,param,type' && typeof message === 'string' && message !== '' && typeof type === 'string'
  return isShape && (param === null || typeof param === 'string') && (code === null || typeof code === 'string') ? { code } : undefined
}

function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
