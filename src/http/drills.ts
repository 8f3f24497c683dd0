/**
 * Drills at a running gateway: what one would do, beginning it, those that run, ending one.
 *
 * What it assumes: a host that lays drills over whatever law is in force.
 * What it promises: nobody begins what they were not shown; a drill that begins is on record before it acts, takes away and
 * never permits, and has an end; to end one nothing is needed but its id.
 */
import type { Bundle } from '../bundle/bundle.ts'
import { layOver, rulesOfDrill, type Drill } from '../bundle/drilled.ts'
import { readRevocation } from '../bundle/revocation.ts'
import type { Failure } from '../failure.ts'
import { standingsNow } from '../gateway/coverage.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { coverage, type Revocation, type StandingOf } from '../policy/coverage.ts'
import type { Rule, Window } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import type { DrillEntry } from '../record/record.ts'
import { readAuthor, readSigned, refuse, type Outcome, type Refused } from './changing.ts'
import { effectRows, readNotice, type Policies } from './directives.ts'
import { sha256InHex } from './key.ts'

/** `isRecorded` is false where an end could not be kept: it is the end all the same. */
export type DrillDone = { readonly ok: true; readonly entry: DrillEntry; readonly isRecorded: boolean } | Refused

/** What a host does that can lay something over the law. */
export type DrillsPort = {
  /** The policies in force, without drills. */
  inForce(): Policies
  /** Those that run, the oldest first. */
  running(): readonly Drill[]
  /** Records a drill and lays it over, if the bundle in force is still the one that its effect was shown under. A failure has changed nothing. */
  begin(drill: Drill, shownUnder: string): Promise<DrillDone>
  /** Takes a drill away; undefined when none of this id runs. */
  end(id: string, author: string): Promise<DrillDone | undefined>
}

export const NOT_AS_SHOWN = refuse('The confirmation is not for this drill and the policies and drills now in force; nothing was changed. Ask for the effect again.', 'confirm', 409)

/** At once. */
export const DRILLS_MAX = 8
export const DRILL_SECONDS_MAX = 24 * 60 * 60
/** Of one drill. */
const REVOCATIONS_MAX = 20

export function listDrills(port: DrillsPort): unknown {
  return { drills: port.running().map(({ id, what, author, window }) => ({ id, what, author, from: inUtc(window.from), until: inUtc(window.until) })) }
}

type Asked = { readonly revoke: readonly string[]; readonly yaml: string | undefined; readonly seconds: number; readonly author: string; readonly confirm: string | undefined }

/** With `confirm` as it was given with the effect: begins the drill. Without: says what it would do. */
export async function beginDrill(gateway: Gateway, port: DrillsPort, body: Readonly<Record<string, unknown>>): Promise<Outcome> {
  const read = readAsked(body)
  if (!read.ok) return read
  const { asked: { revoke, yaml, seconds, author, confirm } } = read
  const { bundle } = gateway.epochs.current()
  const revocations: Revocation[] = []
  for (const written of revoke) {
    const one = readRevocation(written, bundle.rulebook)
    if (!one.ok) return refuse(one.wrong, 'revoke')
    revocations.push(one.revocation)
  }
  const notice = yaml === undefined ? undefined : await readNotice(yaml, port.inForce())
  if (notice?.ok === false) return notice
  if (port.running().length >= DRILLS_MAX) return refuse(`There are ${DRILLS_MAX} drills already, the most at once. End one first.`, undefined, 409)

  const now = gateway.ports.clock.now(), window: Window = { from: now, until: now + seconds * 1_000 }
  const id = gateway.nextId()
  const rules = rulesOfDrill({ id, revocations, notice: notice?.rules ?? [], window })
  if (rules.length === 0) return refuse('The notice is over: there is nothing to pretend.', 'yaml', 409)
  const what = [...revocations.map(r => `${r.fact}=${r.value}`), ...(notice === undefined ? [] : [`notice ${notice.name}`])]
  const about = { what, author, effect: effectOf(bundle, rules, { at: now, standings: standingsNow(gateway, bundle) }) }
  const digest = await sha256InHex(JSON.stringify([revoke, yaml ?? null, seconds, bundle.digest]))
  if (confirm === undefined) {
    return { ok: true, value: { ...about, begun: false, 'for-seconds': seconds, until: inUtc(window.until), bundle: bundle.digest, confirm: digest, warnings: notice?.warnings ?? [] } }
  }
  if (confirm !== digest) return NOT_AS_SHOWN
  const begun = await port.begin({ id, what, author, window, rules, ...(yaml !== undefined && { digest: await sha256InHex(yaml) }) }, bundle.digest)
  if (!begun.ok) return begun
  return { ok: true, value: { ...about, begun: true, ...told(begun.entry) } }
}

/** Ends a drill before its time. */
export async function endDrill(port: DrillsPort, id: string, body: Readonly<Record<string, unknown>>): Promise<Outcome> {
  const signed = readSigned(body)
  if (!signed.ok) return signed
  const { author } = signed
  const ended = await port.end(id, author)
  if (ended === undefined) return refuse('No drill of this id runs. GET /admin/drills lists those that do.', 'id', 404)
  return ended.ok ? { ok: true, value: { what: ended.entry.what, author, ...told(ended.entry), recorded: ended.isRecorded } } : ended
}

const told = ({ id, at, until, bundle, previousBundle }: DrillEntry): object => ({ id, at: inUtc(at), until: inUtc(until), bundle, previousBundle })

function readAsked(body: Readonly<Record<string, unknown>>): { readonly ok: true; readonly asked: Asked } | { readonly ok: false; readonly failure: Failure } {
  const { revoke = [], yaml, 'for-seconds': seconds, author, confirm, ...others } = body
  const strange = Object.keys(others)[0]
  if (strange !== undefined) return refuse("The body takes 'revoke', 'yaml', 'for-seconds', 'author' and 'confirm' and nothing else.", strange.slice(0, 64))
  if (!isTexts(revoke) || revoke.length > REVOCATIONS_MAX) return refuse(`'revoke' must be a list of at most ${REVOCATIONS_MAX} texts such as "provider=NAME".`, 'revoke')
  if (yaml !== undefined && (typeof yaml !== 'string' || yaml === '')) return refuse("'yaml' must be the text of a notice.", 'body')
  if (revoke.length === 0 && yaml === undefined) return refuse("A drill needs what goes away: 'revoke', or a notice as 'yaml'.", 'revoke')
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds < 1 || seconds > DRILL_SECONDS_MAX) {
    return refuse(`'for-seconds' must say how long, in whole seconds from 1 to ${DRILL_SECONDS_MAX}.`, 'for-seconds')
  }
  const signed = readAuthor(author)
  if (!signed.ok) return signed
  if (confirm !== undefined && typeof confirm !== 'string') return refuse("'confirm' must be the text that the effect was shown with.", 'confirm')
  return { ok: true, asked: { revoke, yaml, seconds, author: signed.author, confirm } }
}

const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(one => typeof one === 'string')

/** For every app and what its prompts may carry: which deployments could answer before and after. */
function effectOf({ rulebook }: Bundle, rules: readonly Rule[], { at, standings }: { readonly at: number; readonly standings: StandingOf }): object {
  return { at: inUtc(at), coverage: effectRows(coverage(rulebook, at, standings), coverage(layOver(rulebook, rules), at, standings)) }
}
