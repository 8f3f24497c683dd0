/**
 * What this is for: the content of a request, kept where the policies let it be kept: `log: full` is all that the rules say of logging,
 * and the place of the sink is one that `log-in` allows (docs/decisions/011).
 *
 * What it assumes: the sink is given sealed text only.
 * What it promises: to be allowed to keep content is no duty to keep it, so a sink that fails or hangs fails no request and holds it up for
 * a second at most; what came of it is on record. Memory is bounded for each item, and nothing is collected that may not be kept.
 */
import { whyContentMayNotBeKept, type Host } from '../obligation/obligation.ts'
import type { CombinedDuties } from '../policy/frame.ts'
import type { Content, Sealer } from '../record/content.ts'
import type { Gateway } from './gateway.ts'

export type ContentSink = {
  /** The country where it is kept, or undefined when nobody said. */
  readonly place: string | undefined
  readonly sealer: Sealer
  /** Adds whole lines of sealed text. Rejects when they cannot be kept; may never be fulfilled. */
  append(text: string, at: number): Promise<void>
}

export type ContentLog = {
  /** The same bytes, remembered as they are given. */
  heard(answer: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
  /** Seals what left and what was given, and puts what came of it among the duties done. Never rejects. */
  keep(done: readonly string[], whole?: Uint8Array): Promise<readonly string[]>
}

export const CONTENT_ALARM = 'content-log'
/** Of one request, and of one answer: what is longer is cut. */
export const CONTENT_BYTES_MAX = 4 * 1024 * 1024
const WITHIN_MS = 1_000
const FIRST_ROOM = 16 * 1024

export type OfRequest = {
  readonly id: string
  readonly duties: CombinedDuties
  readonly members: Host['members']
  /** As it left: what is redacted is not in it. */
  readonly request: Uint8Array
}

/** Undefined where nothing is said of the content: the policies do not let all of it be logged, or there is nowhere to keep it. */
export function contentLog(gateway: Gateway, { id, duties, members, request }: OfRequest): ContentLog | undefined {
  const { content: sink } = gateway
  if (duties.log !== 'full' || sink === undefined) return undefined
  const why = whyContentMayNotBeKept(duties, { place: sink.place, members })
  if (why !== undefined) return { heard: answer => answer, keep: async done => told(done, `not kept, ${why}`) }

  const answer = collecting()
  const isKept = async (): Promise<boolean> => {
    const at = gateway.ports.clock.now()
    const left = collecting()
    left.add(request)
    const items = [left.as({ decision: id, part: 'request', at }), ...(answer.isEmpty() ? [] : [answer.as({ decision: id, part: 'answer', at })])]
    try {
      const lines = await Promise.all(items.map(item => sink.sealer.seal(item)))
      await sink.append(lines.map(line => `${line}\n`).join(''), at)
      gateway.clear(CONTENT_ALARM)
      return true
    } catch (error) {
      gateway.raise(CONTENT_ALARM, `Content that may be kept cannot be (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}); requests go on without.`)
      return false
    }
  }
  return {
    heard: body => passing(body, answer.add),
    async keep(done, whole) {
      if (whole !== undefined) answer.add(whole)
      const late = Promise.withResolvers<'late'>()
      const forget = gateway.ports.clock.after(WITHIN_MS, () => late.resolve('late'))
      const came = await Promise.race([isKept(), late.promise])
      forget()
      if (came === 'late') gateway.raise(CONTENT_ALARM, `Content that may be kept is not kept within ${WITHIN_MS / 1_000} s; requests go on without.`)
      return told(done, came === 'late' ? 'not kept in time' : came ? 'sealed' : 'could not be kept')
    },
  }
}

const told = (done: readonly string[], came: string): readonly string[] => done.map(word => (word === 'log full' ? `log full: ${came}` : word))

async function* passing(body: AsyncIterable<Uint8Array>, add: (bytes: Uint8Array) => void): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const bytes of body) {
    add(bytes)
    yield bytes
  }
}

type Collecting = {
  readonly add: (bytes: Uint8Array) => void
  isEmpty(): boolean
  as(head: Pick<Content, 'decision' | 'part' | 'at'>): Content
}

/** A copy in one piece, so that small chunks cost what they hold and keep no larger buffer alive. */
function collecting(): Collecting {
  let room = new Uint8Array(0)
  let length = 0, bytes = 0
  return {
    add(chunk) {
      bytes += chunk.length
      const taken = chunk.subarray(0, CONTENT_BYTES_MAX - length)
      if (length + taken.length > room.length) {
        const larger = new Uint8Array(Math.min(CONTENT_BYTES_MAX, Math.max(FIRST_ROOM, 2 * room.length, length + taken.length)))
        larger.set(room.subarray(0, length))
        room = larger
      }
      room.set(taken, length)
      length += taken.length
    },
    isEmpty: () => bytes === 0,
    as: head => ({ ...head, bytes, ...(bytes > length && { cut: true as const }), content: room.subarray(0, length) }),
  }
}
