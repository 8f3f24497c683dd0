/** SHA-256, in lower-case hex, over parts that cannot run into one another. */
export async function digestOf(parts: readonly (readonly [name: string, text: string])[]): Promise<string> {
  const bytes = new TextEncoder().encode(parts.map(part => JSON.stringify(part)).join('\n'))
  const hash = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes))
  return Array.from(hash, b => b.toString(16).padStart(2, '0')).join('')
}

/** Orders texts as their UTF-8 bytes, which is the order of their code points. */
export function byBytes(a: string, b: string): number {
  const left = Array.from(a), right = Array.from(b)
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!
    if (difference !== 0) return difference
  }
  return left.length - right.length
}
