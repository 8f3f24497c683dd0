/**
 * What this is for: carrying out the duties of a decision, or saying that it cannot be done (policy-language, sections 6, 13 and 15).
 *
 * What it assumes: `duties` are those of the decision for this very request. What it promises: a duty that is not
 * understood, or cannot be carried out whole, refuses the request; a refusal names the duty and never the content.
 *
 * One duty asks nothing more of this gateway than what it always does: it keeps no answers for others (`cache`). Another (`log`) says
 * how much may be logged, and not that it must: what came of it, gateway/content.ts says. Records are deleted by the
 * recorder, whole files at a time and none before its time (`retain-evidence`).
 */
import { failure, type Failure } from '../failure.ts'
import type { Operation } from '../policy/facts.ts'
import { dutiesInWords } from '../policy/explain.ts'
import type { CombinedDuties } from '../policy/frame.ts'
import { isKind, type Kind } from './identifiers.ts'
import { redact } from './redact.ts'

export type Host = {
  /** The country, or part of one, where this gateway keeps its records; undefined when nobody said. */
  readonly place: string | undefined
  /** The members of a country group now; none for a name that is no group. */
  readonly members: (group: string) => readonly string[]
}

export type CarriedOut =
  | {
    readonly ok: true
    /** Top-level members of the body to replace, for `RequestBody.edit`; undefined when the body leaves as it came. */
    readonly edit: { readonly set: Readonly<Record<string, unknown>> } | undefined
    /** For the answer, names in lower case. */
    readonly headers: Readonly<Record<string, string>>
    /** Short words for the record: `redact iban: 2`. */
    readonly done: readonly string[]
  }
  | { readonly ok: false; readonly failure: Failure }

/**
 * Whether this request may be put on record here; a failure where it may not. Asked before anything is written: a record
 * in a place that the policies forbid would be the harm itself.
 */
export function mayRecord(duties: CombinedDuties, host: Host): Failure | undefined {
  const why = duties.logIn && whyRecordsMayNotStay(duties.logIn, host)
  return why === undefined ? undefined : failure('no_permitted_model', why)
}

/**
 * Why the content of this request may not be kept at a place, in a few words; undefined where it may. Nothing is refused for it: content
 * that may be kept nowhere is not kept (policy-language, section 15).
 */
export function whyContentMayNotBeKept({ logIn }: CombinedDuties, { place, members }: Host): string | undefined {
  if (logIn === undefined) return undefined
  if (logIn.length === 0) return 'no place is allowed'
  if (place === undefined) return 'its place is not known'
  return liesIn(place, logIn, members) ? undefined : `${place} is not in ${logIn.join(', ')}`
}

/** Carries out what is to be done to the request and the answer. Where the records may stay is `mayRecord`'s question. */
export function carryOut(duties: CombinedDuties, operation: Operation, body: Readonly<Record<string, unknown>>, host: Pick<Host, 'place'>): CarriedOut {
  const refuse = (message: string): CarriedOut => ({ ok: false, failure: failure('no_permitted_model', message) })

  const headers = Object.entries(duties.header ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const)
  const wrongHeader = headers.find(([name, value]) => !maySet(name, value))
  if (wrongHeader !== undefined) return refuse(`The policies ask for the answer header '${wrongHeader[0]}', which this gateway may not set.`)

  const cannotRedact = (kinds: readonly string[]): CarriedOut => refuse(`The policies ask to redact ${kinds.join(', ')}, which this gateway cannot do for this request.`)
  const asked = duties.redact ?? []
  const unknown = asked.filter(kind => !isKind(kind))
  if (unknown.length > 0) return cannotRedact(unknown)
  const redacted = asked.length === 0 ? undefined : redact(asked as readonly Kind[], operation, body)
  if (redacted?.ok === false) return refuse(`The policies ask to redact ${asked.join(', ')}, which this gateway can do in text only, and this request holds something else.`)

  const words = dutiesInWords(duties)
  return {
    ok: true,
    edit: redacted !== undefined && Object.keys(redacted.set).length > 0 ? { set: redacted.set } : undefined,
    headers: Object.fromEntries(headers),
    done: [
      ...Array.from(redacted?.counts ?? [], ([kind, count]) => `redact ${kind}: ${count}`),
      ...(words.log === undefined ? [] : [`log ${words.log}`]),
      ...(duties.logIn === undefined ? [] : [`log-in ${host.place}`]),
      ...(words.cache === undefined ? [] : ['cache: nothing is kept']),
      ...(duties.notify ?? []).map(name => `notify ${name}`),
      ...(words['retain-evidence'] === undefined ? [] : [`retain-evidence ${words['retain-evidence']}: kept at least so long`]),
      ...(words.rescue === undefined ? [] : [`rescue ${words.rescue}`]),
      ...(words['request-digest'] === undefined ? [] : ['request-digest: on record']),
      ...headers.map(([name]) => `header ${name}`),
    ],
  }
}

/** Why the records of this request may not be kept where this gateway keeps them; undefined when they may. */
function whyRecordsMayNotStay(places: readonly string[], { place, members }: Host): string | undefined {
  if (places.length === 0) return 'The policies leave no place where the records of this request may be kept.'
  const must = `The policies ask that the records of this request stay in ${places.join(', ')}`
  if (place === undefined) return `${must}, and this gateway was not told where it keeps them (--place).`
  return liesIn(place, places, members) ? undefined : `${must}, and this gateway keeps them in ${place}.`
}

/** A part of a country lies in it; a whole country is not known to lie in one of its parts. */
function liesIn(place: string, places: readonly string[], members: Host['members']): boolean {
  const countries = places.flatMap(name => [name, ...members(name)])
  return countries.includes(place) || (place.includes('-') && countries.includes(place.slice(0, place.indexOf('-'))))
}

/** A field name and a field value of RFC 9110, sections 5.1 and 5.5. */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?$/

/** Fields that say how the connection or the body is to be read, or that are the gateway's own. */
const OURS = [
  'connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
  'age', 'allow', 'authorization', 'date', 'host', 'location', 'retry-after', 'server', 'set-cookie', 'vary', 'www-authenticate', 'x-request-id',
]

const maySet = (name: string, value: string): boolean =>
  NAME.test(name) && VALUE.test(value) && !OURS.includes(name) && !name.startsWith('x-bailiwick-') && !name.startsWith('content-') && !name.startsWith('access-control-')
