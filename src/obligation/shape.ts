/**
 * Reading an identifier of a fixed shape at one place of a text, across the spaces, dashes, dots and slashes that people
 * put between its groups. What it promises: the work at one place is bounded by the shape, so a whole text takes linear time.
 */

/** `d` a digit, `a` a letter, `x` either; as long as the identifier. */
export type Shape = string

export type Taken = {
  /** The identifier without what stands between its groups, in upper case. */
  readonly compact: string
  /** One past its last character. */
  readonly end: number
}

/** The most characters that may stand between two groups. */
const BETWEEN_MAX = 2

export const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39
export const isLetter = (unit: number): boolean => (unit >= 0x41 && unit <= 0x5a) || (unit >= 0x61 && unit <= 0x7a)
/** The end of a text (not a number) is neither. */
export const isWord = (unit: number): boolean => isDigit(unit) || isLetter(unit)
const isBetween = (unit: number): boolean => unit === 0x20 || unit === 0x09 || unit === 0x2d || unit === 0x2e || unit === 0x2f

export function take(text: string, from: number, shape: Shape): Taken | undefined {
  let compact = ''
  let at = from
  for (let i = 0; i < shape.length; i++) {
    const latest = i === 0 ? at : at + BETWEEN_MAX
    while (at < latest && isBetween(text.charCodeAt(at))) at++
    const unit = text.charCodeAt(at)
    const wanted = shape[i]
    if (!(wanted === 'd' ? isDigit(unit) : wanted === 'a' ? isLetter(unit) : isWord(unit))) return undefined
    compact += text[at]
    at++
  }
  return { compact: compact.toUpperCase(), end: at }
}
