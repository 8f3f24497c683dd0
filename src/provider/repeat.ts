/**
 * Words of a server (codes, names of models, regions) go into records, logs and errors. One that gives back what it was sent would
 * put our key or somebody's prompt there, however short and plain the word looks.
 */

/** Whether a word of a server's is what it was sent. */
export type Repeats = (word: string) => boolean

/** A shorter word is in many a text by chance, and counts only where it stands alone. */
const PART_CHARACTERS_MIN = 8

/** For the answers to one request. The body is read only when there is a word to be looked for. */
export function repeatsOf(body: Uint8Array, isKeyIn: (word: string) => boolean): Repeats {
  let text: string | undefined
  return word => {
    if (isKeyIn(word)) return true
    text ??= new TextDecoder().decode(body).toLowerCase()
    const said = word.toLowerCase()
    return said.length >= PART_CHARACTERS_MIN ? text.includes(said) : new RegExp(`(?<![a-z0-9])${RegExp.escape(said)}(?![a-z0-9])`).test(text)
  }
}
