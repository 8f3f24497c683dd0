import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isPath, pathTo, rootFrom, rootOf } from '../../src/record/merkle.ts'

const sha256 = (of: string | Uint8Array): Uint8Array => createHash('sha256').update(of).digest()
const digestsOf = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => createHash('sha256').update(`line ${i}`).digest('hex'))

/** RFC 9162, section 2.1.1, as it is written there: MTH of a list, k found by trying. */
function naive(list: readonly Buffer[]): Buffer {
  if (list.length === 1) return createHash('sha256').update(Buffer.concat([Buffer.from([0x00]), list[0]!])).digest()
  let k = 1
  for (let power = 1; power < list.length; power *= 2) k = power
  return createHash('sha256').update(Buffer.concat([Buffer.from([0x01]), naive(list.slice(0, k)), naive(list.slice(k))])).digest()
}

describe('the tree of RFC 9162', () => {
  it.each([...Array.from({ length: 40 }, (_, i) => i + 1), 64, 65, 127, 1_000, 1_024, 1_025])('of %i lines', count => {
    const digests = digestsOf(count), root = rootOf(digests, sha256)
    expect(root).toBe(naive(digests.map(digest => Buffer.from(digest, 'hex'))).toString('hex'))
    const some = count <= 40 ? digests.keys() : [0, 1, count >> 1, count - 2, count - 1]
    for (const index of some) {
      const path = pathTo(digests, index, sha256)
      expect(isPath(path)).toBe(true)
      expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(count)) || 0)
      expect(rootFrom(digests[index]!, path, sha256)).toBe(root)
      // The path of one line leads no other line there.
      if (count > 1) expect(rootFrom(digests[(index + 1) % count]!, path, sha256)).not.toBe(root)
    }
  })

  it('has another root when a line is added, taken or moved', () => {
    const seven = digestsOf(7), root = rootOf(seven, sha256)
    for (const other of [digestsOf(8), digestsOf(6), [seven[1]!, seven[0]!, ...seven.slice(2)], [...seven, seven[6]!]]) expect(rootOf(other, sha256)).not.toBe(root)
  })

  it('takes no node for a line', () => {
    const [a, b] = digestsOf(2) as [string, string], root = rootOf([a, b], sha256)
    expect(rootFrom(root, [], sha256)).not.toBe(root)
  })

  it.each([[undefined], [[{ side: 'up', digest: 'a'.repeat(64) }]], [[{ side: 'left', digest: 'A'.repeat(64) }]], [Array.from({ length: 65 }, () => ({ side: 'left', digest: 'a'.repeat(64) }))]])('knows no path in %j', value => {
    expect(isPath(value)).toBe(false)
  })
})
