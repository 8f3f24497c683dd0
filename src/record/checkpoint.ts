/**
 * What this is for: a signature over many lines at once, so that from then on none of them can be changed by whoever does not
 * hold the key: the last digest of the chain, and the root of a tree over the lines since the checkpoint before.
 */
import { canonical } from './canonical.ts'
import { isDigest, type Sha256 } from './hash.ts'
import { rootOf } from './merkle.ts'
import { isSignedBy, type PublicJwk, type SigningKey } from './signing.ts'

export type Statement = {
  /** The id of the log, so that no checkpoint of another log can stand in this one. */
  readonly log: string
  readonly at: number
  /** The first and the last line that are signed here; the first follows the last of the checkpoint before. */
  readonly from: number
  readonly to: number
  /** The digest of line `to`. */
  readonly head: string
  /** Of the tree over the digests of lines `from` to `to`. */
  readonly root: string
  /** The name of the key. */
  readonly key: string
}

export type Checkpoint = Statement & { readonly signature: string }

/** What is in front of a signed text, so that a signature over one kind of text is none over another. */
const CHECKPOINT = 'bailiwick checkpoint v1\n', SEAL = 'bailiwick seal v1\n'

const statementOf = ({ log, at, from, to, head, root, key }: Statement): Statement => ({ log, at, from, to, head, root, key })

/** `digests`: of lines `from` and those that follow, at least one. */
export async function makeCheckpoint({ log, at, from, digests }: { readonly log: string; readonly at: number; readonly from: number; readonly digests: readonly string[] }, key: SigningKey, sha256: Sha256): Promise<Checkpoint> {
  const statement: Statement = { log, at, from, to: from + digests.length - 1, head: digests.at(-1)!, root: rootOf(digests, sha256), key: key.name }
  return { ...statement, signature: await key.sign(CHECKPOINT + canonical(statement)) }
}

export const isCheckpointBy = (checkpoint: Checkpoint, jwk: PublicJwk): Promise<boolean> => isSignedBy(jwk, CHECKPOINT + canonical(statementOf(checkpoint)), checkpoint.signature)

/** Whether a value that was read from somewhere has the shape of a checkpoint. */
export function isCheckpoint(value: unknown): value is Checkpoint {
  if (typeof value !== 'object' || value === null) return false
  const { log, at, from, to, head, root, key, signature } = value as Partial<Checkpoint>
  return [log, key, signature].every(text => typeof text === 'string') && Number.isFinite(at) && Number.isSafeInteger(from) && Number.isSafeInteger(to)
    && from! >= 1 && to! >= from! && isDigest(head) && isDigest(root)
}

/** The last line of an export: that nothing follows, by whoever holds the key. */
export type SealStatement = { readonly log: string; readonly at: number; readonly first: number; readonly last: number; readonly head: string; readonly key: string }
export type Seal = { readonly seal: SealStatement; readonly signature: string }

export async function makeSeal(statement: Omit<SealStatement, 'key'>, key: SigningKey): Promise<Seal> {
  const { log, at, first, last, head } = statement
  const seal: SealStatement = { log, at, first, last, head, key: key.name }
  return { seal, signature: await key.sign(SEAL + canonical(seal)) }
}

/** Undefined where the text is no seal, or not the one text that the seal has. */
export function readSeal(text: string): Seal | undefined {
  try {
    const value = JSON.parse(text) as Partial<Seal>
    if (canonical(value) !== text || Object.keys(value).join() !== 'seal,signature' || typeof value.signature !== 'string') return undefined
    const { log, at, first, last, head, key } = value.seal as Partial<SealStatement>
    const isWhole = Object.keys(value.seal!).join() === 'at,first,head,key,last,log' && typeof log === 'string' && typeof key === 'string' && Number.isFinite(at)
      && Number.isSafeInteger(first) && Number.isSafeInteger(last) && isDigest(head)
    return isWhole ? value as Seal : undefined
  } catch {
    return undefined
  }
}

export const isSealBy = ({ seal, signature }: Seal, jwk: PublicJwk): Promise<boolean> => isSignedBy(jwk, SEAL + canonical(seal), signature)
