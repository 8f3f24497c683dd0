/**
 * Text out of a file that somebody else may have written, for a terminal: what would move the cursor, begin another line, hide or turn
 * around what stands there is shown by its number.
 */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, character => `\\u{${character.codePointAt(0)!.toString(16)}}`)
