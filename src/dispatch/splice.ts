/**
 * What this is for: where a stream that broke is gone on with by another deployment: the seam between the text the caller has
 * and the events that follow (stream rescue, resilience section 4).
 *
 * What it promises: the caller gets each character of the answer once. Where it cannot be told that the new answer goes on
 * from the text already said, nothing of it is passed on.
 */
import { callsOrRefuses, contentOf, encodeEvent, type Rewrite } from '../openai/sse.ts'

export type Splice = {
  readonly rewrite: Rewrite
  /** waiting: nothing that may be passed on has come. diverged: it never will. */
  readonly state: 'waiting' | 'joined' | 'diverged'
  /** What the caller has been given up to now, with what comes from here. */
  textWith(said: string): string
}

export type Seam = {
  /** What the caller has already. */
  readonly sent: string
  /** prefill: the server was given that text and goes on after it. restart: it was asked for the whole answer again. */
  readonly kind: 'prefill' | 'restart'
  /** All that took part, told beside the usage, which is the last one's. */
  readonly deployments: readonly string[]
}

/**
 * The shortest text that is given to a server to go on after. One that ignores it and begins again is found out by its repeating so
 * much; of less it could not be told whether the answer itself repeats it, and there asking for the whole again costs little.
 */
export const PREFILL_CHARACTERS_MIN = 32

type Event = Readonly<Record<string, unknown>>

export function createSplice({ sent, kind, deployments }: Seam): Splice {
  let state: Splice['state'] = 'waiting'
  let got = ''
  /** How much of what comes from here the caller had already. */
  let repeated = 0

  /** Passes on the event with this text in place of its own. */
  const join = (event: Event, choice: Event, content: string): Uint8Array => {
    state = 'joined'
    return encodeEvent(withUsage({ ...event, choices: [withContent(choice, content)] }))
  }
  const withUsage = (event: Event): Event => (typeof event['usage'] === 'object' && event['usage'] !== null ? { ...event, bailiwick: { deployments } } : event)

  const rewrite: Rewrite = (event, bytes) => {
    if (state === 'diverged') return undefined
    if (state === 'joined') return withUsage(event) === event ? bytes : encodeEvent(withUsage(event))
    const choice = firstChoice(event)
    if (choice === undefined) return undefined
    const more = contentOf(choice)
    if (more === undefined || !isOnlyChoice(event, choice)) {
      state = 'diverged'
      return undefined
    }
    if (callsOrRefuses(choice)) {
      // A call can follow the text that was said, and nothing else.
      state = kind === 'prefill' ? got === '' ? 'joined' : 'diverged' : got === sent ? 'joined' : 'diverged'
      repeated = kind === 'restart' ? sent.length : 0
      return state === 'joined' ? bytes : undefined
    }
    got += more
    const isOver = typeof choice['finish_reason'] === 'string'
    if (got.length >= sent.length && got.startsWith(sent)) {
      // Exactly as much as was said: what follows, or the end, is what is missing.
      if (got.length === sent.length && !isOver) return undefined
      repeated = sent.length
      return join(event, choice, got.slice(sent.length))
    }
    const isRepeating = sent.startsWith(got)
    // One that begins again may begin with blanks of its own.
    const again = got.trimStart(), had = sent.trimStart()
    if (kind === 'prefill' && again.length > had.length && again.startsWith(had)) {
      repeated = got.length - again.length + had.length
      return join(event, choice, got.slice(repeated))
    }
    if (kind === 'restart') {
      if (isOver || !isRepeating) state = 'diverged'
      return undefined
    }
    if (!isOver && (again === '' || isRepeating || had.startsWith(again))) return undefined
    // It began again and came to something else, or to an earlier end: where it goes on from cannot be told.
    if (inCommon(again, had) >= AGAIN_CHARACTERS) {
      state = 'diverged'
      return undefined
    }
    return join(event, choice, got)
  }
  return {
    rewrite,
    get state() { return state },
    textWith: said => (state === 'joined' ? sent + said.slice(repeated) : sent),
  }
}

/** So much of a beginning is not repeated by chance. */
const AGAIN_CHARACTERS = 12

function inCommon(a: string, b: string): number {
  let at = 0
  while (at < a.length && a[at] === b[at]) at += 1
  return at
}

const isOnlyChoice = (event: Event, choice: Event): boolean => (event['choices'] as readonly unknown[]).length === 1 && (choice['index'] ?? 0) === 0

function firstChoice(event: Event): Event | undefined {
  const choices: unknown = event['choices']
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
  return typeof choice === 'object' && choice !== null ? choice as Event : undefined
}

function withContent(choice: Event, content: string): Event {
  if (typeof choice['text'] === 'string') return { ...choice, text: content }
  const delta = choice['delta'] as Event | null | undefined
  return { ...choice, delta: { ...delta, content } }
}
