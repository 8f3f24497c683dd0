/**
 * A page that is a walk: commands, file edits and what is printed, read off the page in their order and carried out.
 *
 * It assumes that the page writes them in this way, and refuses a block that it does not understand:
 * - a block `sh` holds commands, one a line; the next block without a language is what the last of them prints, standard
 *   output before standard error. `…` on a line of its own stands for any lines, elsewhere in a line for any text;
 * - a command ends with 0, unless the words after it say "ends with 4";
 * - a block of YAML is a file or a part of one, and the line before it says which: "Write **file**:", "Add to the end of
 *   **file**:", "In **file**, delete:", "In **file**, put below `line`:";
 * - a small edit is a line of its own: "In **file**, write `new` instead of `old`, `new` instead of `old`.";
 * - the first moment on the page (2026-11-23T09:00:00Z) is the one at which every command that judges by the clock is asked.
 *
 * It promises that nothing of the page's blocks is left out.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bailiwick } from '../support/processes.ts'

export type Edit =
  | { readonly kind: 'write' | 'append'; readonly line: number; readonly file: string; readonly text: string }
  | { readonly kind: 'replace'; readonly line: number; readonly file: string; readonly old: string; readonly text: string }
export type Command = {
  readonly kind: 'command'
  readonly line: number
  readonly words: readonly string[]
  /** What the page shows, undefined where it shows nothing: then only the exit code counts. */
  readonly prints: string | undefined
  readonly code: number
}
export type Step = Edit | Command

/** `before` and `after` are the words between this block and its neighbours. */
type Block = { readonly language: string; readonly text: string; readonly line: number; readonly before: string; readonly after: string }

/** The steps of the page, in order. Throws on a block whose meaning the page does not say. */
export function stepsOf(page: string): readonly Step[] {
  const blocks = blocksOf(page)
  return blocks.flatMap((block, i) => [...editsWithin(block), ...stepsIn(block, blocks[i - 1], blocks[i + 1])])
}

function stepsIn({ language, text, line, before, after }: Block, previous: Block | undefined, next: Block | undefined): readonly Step[] {
  const isPrintedOf = (block: Block | undefined): boolean => block?.language === '' && block.before === ''
  if (language === 'sh') {
    const printed = isPrintedOf(next) ? next : undefined
    const last = { prints: printed?.text, code: codeSaid(printed?.after ?? after) }
    return text.trim().split('\n').map((command, at, all): Command =>
      ({ kind: 'command', line: line + 1 + at, words: wordsOf(command), ...(at === all.length - 1 ? last : { prints: undefined, code: 0 }) }))
  }
  if (language === '') {
    if (before !== '' || previous?.language !== 'sh') throw new Error(`line ${line}: this is printed by no command`)
    return []
  }
  const lead = before.split('\n').at(-1)!
  const whole = /^(Write|Add to the end of) \*\*(\S+)\*\*:$/.exec(lead)
  if (whole !== null) return [{ kind: whole[1] === 'Write' ? 'write' : 'append', line, file: whole[2]!, text }]
  const part = /^In \*\*(\S+)\*\*, (?:delete|put below `([^`]+)`):$/.exec(lead)
  if (part === null) throw new Error(`line ${line}: no line says which file this is`)
  const [, file, above] = part as unknown as [string, string, string | undefined]
  return [{ kind: 'replace', line, file, ...(above === undefined ? { old: text, text: '' } : { old: `${above}\n`, text: `${above}\n${text}` }) }]
}

/** The small edits among the words before a block. */
function editsWithin({ before, line }: Block): readonly Edit[] {
  return before.split('\n').flatMap(words => {
    const file = /^In \*\*(\S+)\*\*, write /.exec(words)?.[1]
    if (file === undefined) return []
    const edits = [...words.matchAll(/`([^`]+)` instead of `([^`]+)`/g)].map((m): Edit => ({ kind: 'replace', line, file, old: m[2]!, text: m[1]! }))
    if (edits.length === 0) throw new Error(`before line ${line}: nothing is written instead of anything in ${file}`)
    return edits
  })
}

/** The moment at which the page's commands were asked. */
export const momentOf = (page: string): string => /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)/.exec(page)![0]

/** Throws where what is to be replaced does not stand in the file exactly once. */
export function carryOut(edit: Edit, folder: string): void {
  const path = join(folder, edit.file)
  mkdirSync(dirname(path), { recursive: true })
  if (edit.kind !== 'replace') return edit.kind === 'append' ? appendFileSync(path, edit.text) : writeFileSync(path, edit.text)
  const parts = readFileSync(path, 'utf8').split(edit.old)
  if (parts.length !== 2) throw new Error(`line ${edit.line}: stands ${parts.length - 1} times in ${edit.file}`)
  writeFileSync(path, parts.join(edit.text))
}

const JUDGES_BY_THE_CLOCK: ReadonlySet<string> = new Set(['check', 'explain', 'impact', 'coverage', 'drill', 'calendar', 'exceptions'])

type Printed = { readonly code: number; readonly printed: string }

/** Runs a command in the folder; `cp` and `git` are the shell's own. */
export async function runIn(folder: string, { words }: Command, moment: string): Promise<Printed> {
  const [name, ...args] = words
  if (name === 'cp' || name === 'git') return { code: 0, printed: execFileSync(name, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' }) }
  if (name !== 'bailiwick') throw new Error(`a page that is walked through has no command ${name}`)
  const at = JUDGES_BY_THE_CLOCK.has(args[0]!) && !args.includes('--at') ? ['--at', moment] : []
  const { code, out, err } = await bailiwick([...args, ...at], { directory: folder })
  return { code, printed: out + err }
}

/** Whether this was printed, apart from what `…` stands for. Blanks at the ends of lines do not count. */
export function isPrinted(block: string, printed: string): boolean {
  const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const lines = block.trimEnd().split('\n').map(line =>
    (line.trim() === '…' ? '(?:.*\\n)*' : `${line.trimEnd().split('…').map(literal).join('.*')}\\n`))
  return new RegExp(`^${lines.join('')}$`).test(`${printed.replace(/[ \t]+$/gm, '').trimEnd()}\n`)
}

function blocksOf(page: string): readonly Block[] {
  const fences = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  return fences.map((fence, i) => {
    const previous = fences[i - 1]
    const before = page.slice(previous === undefined ? 0 : previous.index + previous[0].length, fence.index).trim()
    const end = fence.index + fence[0].length
    const line = page.slice(0, fence.index).split('\n').length
    return { language: fence[1]!, text: fence[2]!, line, before, after: page.slice(end, fences[i + 1]?.index) }
  })
}

const codeSaid = (after: string): number => Number(/\bends with (\d)/.exec(after)?.[1] ?? 0)

/** The words of a command; quotes hold a word together. */
const wordsOf = (command: string): readonly string[] => [...command.matchAll(/'([^']*)'|(\S+)/g)].map(m => m[1] ?? m[2]!)
