/** Seeds that once failed, each with what it found: they run with every commit. */
export const FOUND: readonly (readonly [seed: number, what: string])[] = [
  [1, 'an attempt was made for a caller who had hung up already'],
  [12, 'the same, in the middle of a request'],
  [13, 'a stream whose slow reader came to its deadline ended without a word'],
  [57, 'the same, under another law'],
  [14, 'attempts made before the law changed were missing in the outcome of the refusal that followed'],
  [36, 'the same, with one attempt'],
  [1480, 'a deployment that was asked to go on with a stream and said that it is another model was not set aside, because its answer diverged'],
  [1852, 'the same, at the other gateway'],
  [2634, 'a Retry-After that came when the breaker had just been opened by somebody else was forgotten'],
  [3269, 'the same, of a shorter wait'],
]
