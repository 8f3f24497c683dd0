/**
 * What this is for: one line of the records: an entry, bound to the one before it.
 *
 * An entry is kept in two parts. What its caller may know is open; the rest is closed, and the line's digest holds only a salted
 * digest of it, so that a line can be shown without it and still be checked.
 * What it promises: one entry at one place has one text; a line of which any byte was changed is no line, or has another digest.
 */
import { canonical } from './canonical.ts'
import { inHex, isDigest, type Sha256 } from './hash.ts'
import type { Entry } from './record.ts'

export type Members = Readonly<Record<string, unknown>>

export type Line = {
  /** Counts up from 1. */
  readonly seq: number
  /** The digest of the line before; zeros before the first. */
  readonly prev: string
  readonly open: Members & { readonly kind: string; readonly id: string; readonly at: number }
  readonly closed: Members
  /** 16 random bytes in hex: without them nobody can try out what the closed part might say. */
  readonly salt: string
}

/** Before the first line. */
export const BEFORE_ALL = '0'.repeat(64)

/** What whoever asked may know of the answer to it: nothing of other apps, of rules or of deployments that did not answer. */
const OPEN: { readonly [kind: string]: readonly string[] | 'all' } = {
  decision: ['app', 'requestId', 'bundle', 'catalog', 'epoch', 'outcome', 'code'],
  outcome: ['outcome', 'code', 'deployment', 'deployments', 'model', 'processedIn', 'usage', 'duties', 'ms'],
  checkpoint: 'all', log: 'all', retired: 'all',
}
const OF_ALL = ['kind', 'id', 'at']

export type Place = { readonly seq: number; readonly prev: string; readonly salt: string }

/** An entry as a line, its text and its digest: one pass, for whoever writes them. */
export function lineOf(entry: Entry, { seq, prev, salt }: Place, sha256: Sha256): { readonly text: string; readonly digest: string } {
  const names = OPEN[entry.kind]
  const isOpen = (name: string): boolean => names === 'all' || OF_ALL.includes(name) || names?.includes(name) === true
  const members = Object.entries(entry)
  const open = kept(members.filter(([name]) => isOpen(name)))
  const closed = kept(members.filter(([name]) => !isOpen(name)))
  return {
    // The members of a line come in this order by their names, so that this is its canonical text.
    text: `{"closed":${closed},"open":${open},"prev":"${prev}","salt":"${salt}","seq":${seq}}`,
    digest: digestFrom({ closed: closedDigest(closed, salt, sha256), open, prev, seq }, sha256),
  }
}

/**
 * The canonical text of members. Half a surrogate pair, which a caller may put into a name, is no text that the scheme has: it is kept
 * as U+FFFD, so that nobody can make a line that a strict reader refuses.
 */
function kept(members: readonly (readonly [name: string, value: unknown])[]): string {
  const text = canonical(Object.fromEntries(members))
  return text.includes('\\ud') ? canonical(JSON.parse(text, (_, value: unknown) => (typeof value === 'string' ? value.toWellFormed() : value))) : text
}

const closedDigest = (closed: string, salt: string, sha256: Sha256): string => inHex(sha256(`{"salt":"${salt}","value":${closed}}`))

const digestFrom = ({ closed, open, prev, seq }: { readonly closed: string; readonly open: string; readonly prev: string; readonly seq: number }, sha256: Sha256): string =>
  inHex(sha256(`{"closed":"${closed}","open":${open},"prev":"${prev}","seq":${seq}}`))

/** A line as it is shown to somebody: whole, or with the digest of its closed part instead of it. */
export type ShownLine = Omit<Line, 'closed' | 'salt'> & ({ readonly closed: Members; readonly salt: string } | { readonly closed: string })

export const digestOfLine = (line: ShownLine, sha256: Sha256): string =>
  digestFrom({ closed: 'salt' in line ? closedDigest(canonical(line.closed), line.salt, sha256) : line.closed, open: canonical(line.open), prev: line.prev, seq: line.seq }, sha256)

/** The same line for somebody who may not know its closed part. */
export const withoutClosed = ({ seq, prev, open, closed, salt }: Line, sha256: Sha256): ShownLine =>
  ({ seq, prev, open, closed: closedDigest(canonical(closed), salt, sha256) })

/** Undefined where the text is no line, or not the one text that the line has. */
export function readLine(text: string): Line | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
    if (canonical(value) !== text) return undefined
  } catch {
    return undefined
  }
  return isLine(value) ? value : undefined
}

/** Whether a value that was read from somewhere is a line, shown whole or not. */
export const isShownLine = (value: unknown): value is ShownLine => isMembers(value) && (isDigest(value['closed']) ? hasNames(value, 'closed,open,prev,seq') && isPlaced(value) : isLine(value))

const isLine = (value: unknown): value is Line => isMembers(value) && hasNames(value, 'closed,open,prev,salt,seq') && isMembers(value['closed']) && isSalt(value['salt']) && isPlaced(value)

function isPlaced({ seq, prev, open }: Members): boolean {
  return Number.isSafeInteger(seq) && Number(seq) > 0 && isDigest(prev)
    && isMembers(open) && typeof open['kind'] === 'string' && typeof open['id'] === 'string' && Number.isFinite(open['at'])
}
const isMembers = (value: unknown): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value)
const hasNames = (value: Members, names: string): boolean => Object.keys(value).sort().join() === names
const isSalt = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)

/** The entry that a line holds, as it was recorded. */
export const entryOf = ({ open, closed }: Pick<Line, 'open' | 'closed'>): Entry => ({ ...open, ...closed }) as unknown as Entry
