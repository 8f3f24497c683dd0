/** What every command ends with (policy-language, section 10). */
export const EXIT = {
  fine: 0,
  other: 1,
  usage: 2,
  doesNotCompile: 3,
  /** A test failed or the request is refused. */
  refused: 4,
  /** A review, an exception or a fact is overdue; `check` alone says so. */
  overdue: 5,
} as const

export type Exit = (typeof EXIT)[keyof typeof EXIT]
