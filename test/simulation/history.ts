/** What can be seen of a run from outside: every fact that a checker may use, in the order in which it happened. */
import type { AppConnection, Bundle } from '../../src/bundle/bundle.ts'
import type { Needs } from '../../src/openai/request.ts'
import type { Operation } from '../../src/policy/facts.ts'
import type { Entry } from '../../src/record/record.ts'

/** One caller's request. */
export type Ask = {
  readonly id: string
  readonly gateway: number
  readonly app: string
  readonly operation: Operation
  readonly needs: Needs
  readonly stated: Readonly<Record<string, unknown>>
  readonly body: Uint8Array
  readonly dryRun: boolean
  readonly receivedAt: number
  /** When all its time is over. */
  readonly deadline: number
  readonly connection: AppConnection
  /** What the caller has begun the answer with; empty where it has not. */
  readonly prefill: string
  /** Asked when every fault is healed, by a caller who waits. */
  readonly isLast: boolean
}

export type How = 'whole' | 'stream' | 'failed' | 'dry-run'

export type Seen = { readonly at: number } & (
  /** A bundle is in force at a gateway from now on. */
  | { readonly kind: 'law'; readonly gateway: number; readonly name: string; readonly bundle: Bundle }
  | { readonly kind: 'asked'; readonly ask: Ask }
  /** A provider is called. `ask` is whose words are in it; undefined where it is nobody's. */
  | { readonly kind: 'sent'; readonly gateway: number; readonly deployment: string; readonly ask: Ask | undefined; readonly text: string }
  /** An answer that some provider gives to this request, as it would be if nothing cut it. */
  | { readonly kind: 'offered'; readonly ask: Ask; readonly text: string }
  /** A server has shown that its facts are not those of the catalog. */
  | { readonly kind: 'lied'; readonly gateway: number; readonly deployment: string; readonly what: string }
  /** A server has asked to be left alone until then, and has been heard to the end. */
  | { readonly kind: 'told-to-wait'; readonly gateway: number; readonly deployment: string; readonly until: number }
  | { readonly kind: 'released'; readonly gateway: number; readonly deployment: string }
  /** A gateway was told by another that a server is not what the catalog says, as was last seen then. */
  | { readonly kind: 'warned'; readonly gateway: number; readonly deployment: string; readonly what: string; readonly lastSeen: number }
  /** The table that the gateways share comes, goes, or becomes slow. */
  | { readonly kind: 'table'; readonly mood: string }
  /** An entry was offered to the recorder, and whether it was kept. */
  | { readonly kind: 'entry'; readonly gateway: number; readonly entry: Entry; readonly kept: boolean }
  /** The caller has read this content. */
  | { readonly kind: 'given'; readonly ask: Ask; readonly text: string }
  /** The gateway has answered the call: with a body, with the beginning of a stream, with a failure. */
  | { readonly kind: 'answered'; readonly ask: Ask; readonly how: How; readonly code?: string }
  /** The answer has ended for the caller. complete: whole, or with the mark of a complete stream. */
  | { readonly kind: 'ended'; readonly ask: Ask; readonly how: 'complete' | 'error' | 'bare' | 'left' }
  | { readonly kind: 'thrown'; readonly what: string }
  /** Nothing more will happen. */
  | { readonly kind: 'over'; readonly timers: number; readonly listeners: readonly string[]; readonly bodies: readonly string[]; readonly open: readonly string[] }
)

/** What a seen fact says in the trace. */
export function inWords(seen: Seen, start: number): string {
  const when = `+${((seen.at - start) / 1000).toFixed(3)}s`
  switch (seen.kind) {
    case 'law': return `${when} g${seen.gateway} law: ${seen.name}`
    case 'asked': return `${when} g${seen.ask.gateway} ${seen.ask.id} asks ${seen.ask.needs.model} for ${seen.ask.app}${seen.ask.needs.stream ? ', stream' : ''} ${JSON.stringify(seen.ask.stated)}`
    case 'sent': return `${when} g${seen.gateway} ${seen.ask?.id ?? 'probe'} -> ${seen.deployment}`
    case 'offered': return `${when} ${seen.ask.id} offered "${seen.text}"`
    case 'lied': return `${when} g${seen.gateway} ${seen.deployment} lied: ${seen.what}`
    case 'told-to-wait': return `${when} g${seen.gateway} ${seen.deployment} wants to be left alone until +${((seen.until - start) / 1000).toFixed(3)}s`
    case 'warned': return `${when} g${seen.gateway} is told of ${seen.deployment}: ${seen.what}`
    case 'table': return `${when} the shared table is ${seen.mood}`
    case 'released': return `${when} g${seen.gateway} ${seen.deployment} released`
    case 'entry': return `${when} g${seen.gateway} entry ${seen.entry.kind} ${seen.entry.id}${seen.kept ? '' : ' LOST'} ${entryInWords(seen.entry)}`
    case 'given': return `${when} ${seen.ask.id} given "${seen.text}"`
    case 'answered': return `${when} ${seen.ask.id} ${seen.how}${seen.code === undefined ? '' : ` ${seen.code}`}`
    case 'ended': return `${when} ${seen.ask.id} ended ${seen.how}`
    case 'thrown': return `${when} thrown ${seen.what}`
    case 'over': return `${when} over: ${seen.timers} timers, ${seen.listeners.length} listeners, ${seen.bodies.length} bodies, open ${seen.open.join(', ')}`
  }
}

function entryInWords(entry: Entry): string {
  switch (entry.kind) {
    case 'decision': return `${entry.requestId} ${entry.outcome} [${entry.permitted.join(' ')}]`
    case 'outcome': return `${entry.outcome} ${entry.code ?? ''} [${entry.attempts.map(a => `${a.deployment}:${a.code}`).join(' ')}]`
    case 'pool': return entry.cause
    case 'quarantine': return `${entry.action} ${entry.deployment} ${entry.reason}`
    default: return ''
  }
}
