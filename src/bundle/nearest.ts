/** Finds the word that somebody most likely meant. A suggestion is shown to a person and never used by itself. */

const DISTANCE_MAX = 2

/** Insertions, deletions, replacements and swaps of neighbours between two words; stops counting above the maximum. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > DISTANCE_MAX) return DISTANCE_MAX + 1
  let before: number[] = [], last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1)
      row.push(least)
    }
    before = last
    last = row
  }
  return last[b.length]!
}

/** The nearest of the given words within an edit distance of 2, or undefined. A short word allows one edit only: two make another word of it. */
export function nearest(written: string, words: Iterable<string>): string | undefined {
  const plain = written.trim().toLowerCase().replaceAll('_', '-').replace(/^[“”„‘’"']+|[“”„‘’"']+$/g, '')
  let best: string | undefined, least = (plain.length < 2 ? 0 : plain.length < 6 ? 1 : DISTANCE_MAX) + 1
  for (const word of words) {
    const d = distance(plain, word.toLowerCase())
    if (d < least) [best, least] = [word, d]
  }
  return best
}

/** A list for a sentence: a, b or c; cut after a dozen. */
export function listed(words: Iterable<string>, join = 'or'): string {
  const all = [...words]
  if (all.length > 12) return `${all.slice(0, 12).join(', ')} ...`
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} ${join} ${all.at(-1)!}`
}
