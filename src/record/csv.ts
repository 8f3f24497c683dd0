/**
 * Rows as CSV (RFC 4180), for spreadsheets and for tools.
 *
 * What it promises: a cell that a spreadsheet would take for a formula begins with an apostrophe, so that opening a file runs nothing.
 */

/** What makes a spreadsheet take a cell for a formula, in the first place of it. */
const FORMULA = /^[=+\-@\t\r\n]/
const MUST_BE_QUOTED = /[",\r\n]/

export type Cell = string | number | readonly string[] | undefined

/** One line with its end. Lists are joined with spaces; what is undefined is empty. */
export const inCsv = (cells: readonly Cell[]): string => `${cells.map(cell).join(',')}\r\n`

function cell(of: Cell): string {
  if (of === undefined) return ''
  if (typeof of === 'number') return String(of)
  const text = typeof of === 'string' ? of : of.join(' ')
  const harmless = FORMULA.test(text) ? `'${text}` : text
  return MUST_BE_QUOTED.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
