/** A mistake in a policy file, in words for the officer who wrote it. */
export type Problem = {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
  readonly severity: 'error' | 'warning'
  /** A stable word for machines: unknown-word, not-a-country, duplicate-key ... */
  readonly rule: string
  /** What is wrong. */
  readonly wrong: string
  /** What to write instead. */
  readonly write: string
}

const LINE_SHOWN_MAX = 160

/** `file:line:column: what is wrong - what to write`, then the line and a caret when the source is at hand. */
export function printProblem(p: Problem, source?: string): string {
  const head = `${p.file}:${p.line}:${p.column}: ${p.severity === 'warning' ? 'warning: ' : ''}${p.wrong}${p.write === '' ? '' : ` - ${p.write}`}`
  const line = source?.split(/\r\n|\n|\r/)[p.line - 1]
  if (line === undefined || line.trim() === '') return head
  // Of a very long line, what stands around the place: eight thousand mistakes on one line would else print it eight thousand times.
  const from = line.length <= LINE_SHOWN_MAX ? 0 : Math.max(0, p.column - LINE_SHOWN_MAX / 2)
  const shown = line.slice(from, from + LINE_SHOWN_MAX)
  const pad = Array.from(line.slice(from, p.column - 1), c => (c === '\t' ? '\t' : ' ')).join('')
  return `${head}\n  ${shown}\n  ${pad}^`
}
