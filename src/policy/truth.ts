/**
 * Kleene's three-valued logic: false, unknown, true as 0, 1, 2, so that and is the smaller,
 * or the larger, and not the mirror image. (S. C. Kleene, Introduction to Metamathematics, 1952, § 64.)
 */
export type Truth = 0 | 1 | 2
export const FALSE = 0
export const UNKNOWN = 1
export const TRUE = 2

export const not = (a: Truth): Truth => (2 - a) as Truth
export const and = (a: Truth, b: Truth): Truth => (a < b ? a : b)
export const or = (a: Truth, b: Truth): Truth => (a > b ? a : b)
export const truth = (known: boolean): Truth => (known ? TRUE : FALSE)
