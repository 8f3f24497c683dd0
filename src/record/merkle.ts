/**
 * A tree of digests, by the construction of RFC 9162, section 2.1: one root for many lines, and from each line a path to it that
 * is as long as the tree is deep.
 */
import { fromHex, inHex, isDigest, type Sha256 } from './hash.ts'

/** The other half at each level, from the leaf up, and on which side it stands. */
export type Path = readonly { readonly side: 'left' | 'right'; readonly digest: string }[]

const LEAF = 0, NODE = 1

const DIGEST_BYTES = 32
const leafBytes = new Uint8Array(1 + DIGEST_BYTES), nodeBytes = new Uint8Array(1 + 2 * DIGEST_BYTES)
leafBytes[0] = LEAF
nodeBytes[0] = NODE

/** One buffer for all of them: `sha256` takes what is in it before it returns. */
function hashed(prefix: number, parts: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  const bytes = prefix === LEAF ? leafBytes : nodeBytes
  bytes.set(parts[0]!, 1)
  if (parts[1] !== undefined) bytes.set(parts[1], 1 + DIGEST_BYTES)
  return sha256(bytes)
}

/** The largest power of two that is smaller. */
const split = (count: number): number => 2 ** (Math.ceil(Math.log2(count)) - 1)

function rootBytes(digests: readonly string[], sha256: Sha256): Uint8Array {
  if (digests.length === 1) return hashed(LEAF, [fromHex(digests[0]!)], sha256)
  const half = split(digests.length)
  return hashed(NODE, [rootBytes(digests.slice(0, half), sha256), rootBytes(digests.slice(half), sha256)], sha256)
}

/** The root over digests of lines, of which there is at least one. */
export const rootOf = (digests: readonly string[], sha256: Sha256): string => inHex(rootBytes(digests, sha256))

/** From the digest at an index to the root over all of them. */
export function pathTo(digests: readonly string[], index: number, sha256: Sha256): Path {
  if (digests.length <= 1) return []
  const half = split(digests.length)
  const left = digests.slice(0, half), right = digests.slice(half)
  return index < half
    ? [...pathTo(left, index, sha256), { side: 'right', digest: rootOf(right, sha256) }]
    : [...pathTo(right, index - half, sha256), { side: 'left', digest: rootOf(left, sha256) }]
}

/** The root that a digest and its path lead to. */
export function rootFrom(digest: string, path: Path, sha256: Sha256): string {
  let at = hashed(LEAF, [fromHex(digest)], sha256)
  for (const { side, digest: other } of path) at = hashed(NODE, side === 'left' ? [fromHex(other), at] : [at, fromHex(other)], sha256)
  return inHex(at)
}

export const isPath = (value: unknown): value is Path => Array.isArray(value) && value.length <= 64
  && value.every(step => typeof step === 'object' && step !== null && ['left', 'right'].includes((step as Path[number]).side) && isDigest((step as Path[number]).digest))
