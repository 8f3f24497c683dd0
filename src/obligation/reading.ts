/**
 * A text as an identifier is looked for in it: wide digits, odd spaces, soft hyphens and other disguises that a person
 * reads over are made plain, and every place in the plain text knows the place in the original.
 */
export type Reading = {
  readonly plain: string
  /** From a stretch of the plain text to the same stretch of the original. */
  span(from: number, to: number): readonly [from: number, to: number]
}

/** The zero of the digit rows that are not wide or styled forms of ASCII (those fall to ASCII by normalisation). */
const ZEROS = [0x0660, 0x06f0, 0x0966, 0x09e6, 0x0e50]
const INVISIBLE = /[\p{Cf}\u{fe00}-\u{fe0f}]/u

export function readPlainly(text: string): Reading {
  // ASCII needs no second look.
  if (/^\p{ASCII}*$/u.test(text)) return { plain: text, span: (from, to) => [from, to] }
  const pieces: string[] = []
  const starts: number[] = []
  const ends: number[] = []
  let at = 0
  for (const character of text) {
    const end = at + character.length
    const plain = plainForm(character)
    pieces.push(plain)
    for (let unit = 0; unit < plain.length; unit++) {
      starts.push(at)
      ends.push(end)
    }
    at = end
  }
  return { plain: pieces.join(''), span: (from, to) => [starts[from]!, ends[to - 1]!] }
}

/** Compatibility forms fall to their plain letters and digits (Unicode Standard Annex 15, NFKC). */
function plainForm(character: string): string {
  const code = character.codePointAt(0)!
  if (code < 0x80) return character
  if (INVISIBLE.test(character)) return ''
  if (code === 0x2212 || /\p{Pd}/u.test(character)) return '-'
  if (/\p{Zs}/u.test(character)) return ' '
  const zero = ZEROS.find(z => code >= z && code < z + 10)
  return zero === undefined ? character.normalize('NFKC') : String(code - zero)
}
