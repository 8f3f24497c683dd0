/**
 * What this is for: the text of one policy file to a small tree in which every key and value knows its line and column.
 *
 * What it assumes: nothing about the text. js-yaml's events give the structure; its values are never used, because a
 * YAML reader would guess types (NO, 012, 2026-11-30) that only the policy language may decide (section 7).
 * What it promises: scalars stay text; whatever the subset of section 7 leaves out is refused in our own words at its
 * place; it never throws.
 */
import { EVENT_ID, getScalarValue, parseEvents, SCALAR_STYLE, YAMLException, type Event } from 'js-yaml'
import type { Problem } from './problem.ts'

export type Spot = { readonly line: number; readonly column: number }

export type Scalar = Spot & {
  readonly kind: 'scalar'
  readonly text: string
  /** In quotes or a text block. */
  readonly quoted: boolean
  /** Where a comment follows on the line on which the text ends. */
  readonly comment: Spot | undefined
  /** Already refused: whoever reads it stays silent. */
  readonly broken: boolean
}
export type Entry = { readonly key: string; readonly at: Spot; readonly value: Tree }
export type Mapping = Spot & {
  readonly kind: 'mapping'
  readonly entries: readonly Entry[]
  /** Something that stands here was refused: what seems to be missing may be it, so nothing here is called missing. */
  readonly partial: boolean
}
export type List = Spot & { readonly kind: 'list'; readonly items: readonly Tree[] }
export type Tree = Scalar | Mapping | List

export type Parsed = { readonly tree: Tree | undefined; readonly problems: readonly Problem[] }

export const FILE_BYTES_MAX = 256 * 1024
export const DEPTH_MAX = 12
/** Above our own limit, so that ours can name the place; below what would tire the parser. */
const PARSER_DEPTH_MAX = 60
/** A file that is wrong from end to end is not listed from end to end. */
const INVISIBLE_MAX = 20

/**
 * Code points that nobody sees on a screen, or that move what stands around them: controls but tab and line breaks, spaces
 * other than the plain one, joiners, direction marks, variation selectors, halves of surrogate pairs, tags.
 */
const INVISIBLE_RANGES: readonly (readonly [first: number, last: number])[] = [
  [0x00, 0x08], [0x0b, 0x0c], [0x0e, 0x1f], [0x7f, 0xa0], [0xad, 0xad], [0x34f, 0x34f], [0x61c, 0x61c], [0x115f, 0x1160], [0x17b4, 0x17b5],
  [0x180b, 0x180f], [0x2000, 0x200f], [0x2028, 0x202f], [0x205f, 0x206f], [0x3000, 0x3000], [0x3164, 0x3164], [0xd800, 0xdfff], [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff], [0xffa0, 0xffa0], [0xfff0, 0xffff], [0xe0000, 0xe0fff],
]
const INVISIBLE = new RegExp(`[${INVISIBLE_RANGES.map(([first, last]) => `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`).join('')}]`, 'u')

/** Letters of other scripts that look like Latin ones, and the ones they look like. */
const LOOK_ALIKES: ReadonlyMap<string, string> = new Map(
  [['АВЕЅІЈКМНОРСТУХасеіјорсухѕԁԛԝһ', 'ABESIJKMHOPCTYXaceijopcyxsdqwh'], ['ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονιν', 'ABEZHIKMNOPTYXovlv'], ['ıɡ', 'ig']]
    .flatMap(([from, to]) => Array.from(from!, (letter, i) => [letter, to![i]!] as const)))

/** The Latin text that a word with look-alike letters imitates; undefined when it imitates none. */
export function imitated(text: string): string | undefined {
  let changed = false
  const latin = Array.from(text, letter => {
    const code = letter.codePointAt(0)!
    const like = code >= 0xff01 && code <= 0xff5e ? String.fromCharCode(code - 0xfee0) : LOOK_ALIKES.get(letter)
    if (like !== undefined) changed = true
    return like ?? letter
  }).join('')
  if (!changed) return undefined
  // A word written wholly in another script is that script's word; mixed with Latin letters it is a trap.
  return /[A-Za-z]/.test(text) || /^[\x21-\x7e]+$/.test(latin) ? latin : undefined
}

/** Reads one file. The tree is undefined when the text has no structure that could be checked further. */
export function parse(file: string, written: string): Parsed {
  const source = written.startsWith('\ufeff') ? written.slice(1) : written
  const problems: Problem[] = []
  const spot = spotter(source)
  const refuse = (at: number | Spot, rule: string, wrong: string, write: string, severity: Problem['severity'] = 'error'): void => {
    const { line, column } = typeof at === 'number' ? spot(at) : at
    problems.push({ file, line, column, severity, rule, wrong, write })
  }
  const refused = (): Parsed => ({ tree: undefined, problems })

  if (source.length > FILE_BYTES_MAX || new TextEncoder().encode(source).length > FILE_BYTES_MAX) {
    refuse(0, 'file-too-large', 'The file is larger than 256 KB', 'split it into several files')
    return refused()
  }
  refuseHidden(source, refuse)
  if (problems.length > 0) return refused()
  const directive = /^(?:[ ]*(?:#[^\r\n]*)?(?:\r\n|\n|\r))*%/.exec(source)
  if (directive !== null) {
    refuse(directive[0].length - 1, 'directive', 'A line that starts with % changes how the file is read', 'Remove the % line.')
    return refused()
  }

  let events: Event[]
  try {
    events = parseEvents(source, { maxDepth: PARSER_DEPTH_MAX })
  } catch (error) {
    explainException(error, source, refuse)
    return refused()
  }
  const second = events.findIndex((e, i) => i > 0 && e.type === EVENT_ID.DOCUMENT)
  if (second > 0) {
    const end = Math.max(0, ...events.slice(0, second).map(offsetOf))
    const mark = /^(?:---|\.\.\.)(?=\s|$)/gm
    mark.lastIndex = end
    refuse(mark.exec(source)?.index ?? end, 'several-documents', 'The file holds more than one document', 'keep one and move the rest to files of their own')
    return refused()
  }
  const builder = new TreeBuilder(events, source, spot, refuse)
  if (events.length === 0 || builder.isEmpty()) {
    refuse(0, 'empty-file', 'The file is empty', 'write something in it, or delete the file')
    return refused()
  }
  return { tree: builder.build(), problems }
}

type Refuse = (at: number | Spot, rule: string, wrong: string, write: string, severity?: Problem['severity']) => void

/** Line and column, from 1, of an offset; a line ends at LF, CR LF or CR. */
function spotter(source: string): (offset: number) => Spot {
  const starts = [0]
  for (const end of source.matchAll(/\r\n|\n|\r/g)) starts.push(end.index + end[0].length)
  return offset => {
    let low = 0, high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - starts[low]! + 1 }
  }
}

function refuseHidden(source: string, refuse: Refuse): void {
  const lines = source.split(/\r\n|\n|\r/)
  let found = 0
  for (const [i, line] of lines.entries()) {
    if (found >= INVISIBLE_MAX) return
    const tab = line.indexOf('\t')
    const hidden = line.search(INVISIBLE)
    if (tab < 0 && hidden < 0) continue
    found++
    if (hidden >= 0) {
      refuse({ line: i + 1, column: hidden + 1 }, 'invisible-character', `Line ${i + 1} contains an invisible character pasted from a document.`,
        'delete it and type a plain space where one is wanted')
    } else if (line.slice(0, tab).trim() === '') {
      refuse({ line: i + 1, column: tab + 1 }, 'tab', 'The line is indented with a tab', 'indent with spaces')
    } else {
      refuse({ line: i + 1, column: tab + 1 }, 'tab', 'The line contains a tab', 'write spaces instead')
    }
  }
}

const offsetOf = (e: Event): number =>
  (e.type === EVENT_ID.SCALAR ? e.valueEnd : e.type === EVENT_ID.ALIAS ? e.anchorEnd : e.type === EVENT_ID.MAPPING || e.type === EVENT_ID.SEQUENCE ? e.start : -1)

/** What js-yaml found out of place, in our words. The texts it may give are fixed by the pinned version. */
function explainException(error: unknown, source: string, refuse: Refuse): void {
  const mark = error instanceof YAMLException ? error.mark : undefined
  const reason = error instanceof YAMLException ? error.reason : ''
  const at = Math.min(mark?.position ?? 0, source.length)
  const start = Math.max(source.lastIndexOf('\n', at - 1), source.lastIndexOf('\r', at - 1)) + 1
  const line = /^[^\r\n]*/.exec(source.slice(start))![0]
  const before = line.slice(0, at - start), here = source[at] ?? ''

  if (/maxDepth/.test(reason)) return refuse(at, 'too-deep', `Blocks stand inside blocks more than ${DEPTH_MAX} deep`, 'write it flatter')
  if (here === ':' && /:\s/.test(before)) {
    return refuse(at, 'colon-splits', 'A colon followed by a space splits the line. Put the text in quotes.', 'put the text after the first colon in quotes')
  }
  const special = /^[@`%|>&*!]/.exec(here)
  if (special !== null) return refuse(at, 'special-character', `${here} has a special meaning. Put it in quotes.`, 'put the text in quotes')
  const read = source.slice(0, start + line.length)
  const opened = /quoted scalar|within a flow collection|deficient indentation|missed comma|separator is expected/.test(reason) ? lastOpened(read.slice(0, at)) : undefined
  if (opened?.sign === '"' || opened?.sign === "'") return refuse(opened.at, 'open-quote', 'A quotation mark is opened and never closed', 'close it')
  if (opened !== undefined && !/missed comma/.test(reason)) return refuse(opened.at, 'open-bracket', 'A bracket is opened and never closed', 'close it with ] or }')
  const dash = /^[ ]*-(?=[A-Za-z][\w-]*:(?:[ ]|$))/m.exec(read)
  if (dash !== null) return refuse(dash.index + dash[0].length - 1, 'space-after-dash', 'A space is missing after the dash.', 'write "- " before the text')
  const colon = /implicit key|expected ':'|indentation/.test(reason) ? /^([ ]*(?:- )?)([A-Za-z][\w.-]*):(?=[^\s:/\\])/m.exec(read) : null
  if (colon !== null) {
    return refuse(colon.index + colon[1]!.length + colon[2]!.length, 'space-after-colon', 'A space is missing after the colon.', `write "${colon[2]!}: "`)
  }
  if (/quoted scalar/.test(reason)) return refuse(at, 'open-quote', 'A quotation mark is opened and never closed', 'close it')
  if (/within a flow collection/.test(reason)) return refuse(at, 'open-bracket', 'A bracket is opened and never closed', 'close it with ] or }')
  if (/flow|found ','/.test(reason)) return refuse(at, 'list-shape', 'A comma is missing or one too many', 'separate what stands in brackets by single commas')
  if (/escape sequence|hexadecimal/.test(reason)) return refuse(at, 'backslash', 'A backslash has a special meaning inside double quotes', 'use single quotes')
  if (/implicit key|expected ':'/.test(reason)) return refuse(at, 'no-colon', 'This line has no word with a colon', 'write "word: value"')
  if (/mapping entry/.test(reason) && /["'\]}]\s*$/.test(before)) {
    return refuse(at, 'after-quote', 'Something follows the closing quotation mark or bracket', 'put all of the text inside, or start a new line')
  }
  if (here === '-' && /mapping entry/.test(reason)) return refuse(at, 'list-on-key-line', 'A list with dashes cannot start on the line of its word', 'start it on the next line')
  if (/indentation|separator is expected/.test(reason)) {
    return refuse(at, 'indentation', 'The line does not stand under the lines it belongs to', 'indent it like its neighbours')
  }
  const sign = /(?:^|: |- |[[{,])[ ]*([@`%|>&*!])/.exec(line)
  if (sign !== null) return refuse(start + sign.index + sign[0].length - 1, 'special-character', `${sign[1]!} has a special meaning. Put it in quotes.`, 'put the text in quotes')
  refuse(at, 'not-readable', 'The file cannot be read from here on', 'compare this line with the examples of the policy language')
}

/** The last quotation mark or bracket at the start of a value that nothing closes, and where it stands. */
function lastOpened(text: string): { readonly sign: string; readonly at: number } | undefined {
  const open: { readonly sign: string; readonly at: number }[] = []
  let quote: { readonly sign: string; readonly at: number } | undefined
  for (let i = 0; i < text.length; i++) {
    const sign = text[i]!, before = text[i - 1] ?? '\n'
    if (quote !== undefined) {
      if (sign === '\\' && quote.sign === '"') i++
      else if (sign === quote.sign) quote = undefined
    } else if (sign === '#' && /\s/.test(before)) {
      while (i + 1 < text.length && !/[\r\n]/.test(text[i + 1]!)) i++
    } else if (/["']/.test(sign) && /[\s[{,]/.test(before)) quote = { sign, at: i }
    else if (/[[{]/.test(sign) && /[\s[{,]/.test(before)) open.push({ sign, at: i })
    else if (/[\]}]/.test(sign)) open.pop()
  }
  return quote ?? open.at(-1)
}

const NOT_A_WORD = /^(?:~|null|true|false|[-+]?(?:\d[\d_.eE+-]*|\.inf)|\.nan)?$/i
const CURLY_QUOTES = /^[“”„‟«»‘’‚‛]/

type Value = Exclude<Event, { type: typeof EVENT_ID.DOCUMENT } | { type: typeof EVENT_ID.POP }>

/** Walks the events once, by recursion no deeper than the parser's limit. */
class TreeBuilder {
  readonly #events: readonly Event[]
  readonly #source: string
  readonly #spot: (offset: number) => Spot
  readonly #refuse: Refuse
  readonly #lines: readonly string[]
  #next = 1
  /** Names of anchors that were refused: who removes the anchor sees its aliases. */
  readonly #anchors = new Set<string>()
  /** Where the last text that was read ends: the place of a key that has no text of its own. */
  #end = 0

  constructor(events: readonly Event[], source: string, spot: (offset: number) => Spot, refuse: Refuse) {
    this.#events = events
    this.#source = source
    this.#lines = source.split(/\r\n|\n|\r/)
    this.#spot = spot
    this.#refuse = refuse
  }

  isEmpty(): boolean {
    const first = this.#events[1]
    return first === undefined || first.type === EVENT_ID.POP || (first.type === EVENT_ID.SCALAR && first.valueStart < 0 && first.anchorStart < 0 && first.tagStart < 0)
  }

  build(): Tree {
    return this.#value(0, this.#spot(0))
  }

  #value(depth: number, fallback: Spot): Tree {
    const event = this.#events[this.#next++] as Value
    this.#end = Math.max(this.#end, offsetOf(event))
    const broken = this.#refuseMarks(event)
    if (event.type === EVENT_ID.ALIAS) return this.#scalar('', this.#spot(event.anchorStart - 1), { broken: true })
    if (event.type === EVENT_ID.SCALAR) return this.#leaf(event, fallback, broken)
    const at = this.#spot(event.start)
    if (depth === DEPTH_MAX) this.#refuse(event.start, 'too-deep', `Blocks stand inside blocks more than ${DEPTH_MAX} deep`, 'write it flatter')
    if (event.type === EVENT_ID.SEQUENCE) {
      const items: Tree[] = []
      while (!this.#pop()) {
        const item = this.#value(depth + 1, at)
        if (item.kind === 'scalar' && !item.broken && !item.quoted && item.text === '') {
          this.#refuse(item, 'no-value', 'An item of this list has no value', 'write it, or delete the dash')
          items.push({ ...item, broken: true })
        } else items.push(item)
      }
      return { kind: 'list', items, ...at }
    }
    return { kind: 'mapping', ...this.#entries(depth), ...at }
  }

  #entries(depth: number): Pick<Mapping, 'entries' | 'partial'> {
    const entries = new Map<string, Entry>()
    let partial = false
    while (!this.#pop()) {
      const key = this.#events[this.#next] as Value
      if (key.type !== EVENT_ID.SCALAR) {
        const start = key.type === EVENT_ID.ALIAS ? key.anchorStart - 1 : key.start
        this.#refuse(start, 'complex-key', 'A word is expected before the colon, not a list, a block or a reference', 'write one plain word')
        this.#skip()
        this.#skip()
        partial = true
        continue
      }
      this.#next++
      const text = getScalarValue(this.#source, key)
      const at = this.#spot(Math.max(0, key.valueStart < 0 ? this.#end : key.style === SCALAR_STYLE.PLAIN ? key.valueStart : key.valueStart - 1))
      const fine = !this.#refuseMarks(key) && this.#keyIsFine(text, key.style === SCALAR_STYLE.PLAIN, at)
      let value = this.#value(depth + 1, at)
      if (value.kind === 'scalar' && !value.broken && !value.quoted && value.text === '') {
        partial = true
        if (fine && !this.#refuseEmpty(text, at)) continue
        value = { ...value, ...at, broken: true }
      }
      if (value.kind === 'scalar' && value.broken) partial = true
      const first = entries.get(text)
      if (!fine) {
        partial = true
        continue
      }
      if (first === undefined) entries.set(text, { key: text, at, value })
      else {
        this.#refuse(at, 'duplicate-key', `${text} is written twice: at ${first.at.line}:${first.at.column} and at ${at.line}:${at.column}`, 'keep one of them')
      }
    }
    return { entries: [...entries.values()], partial }
  }

  #keyIsFine(text: string, plain: boolean, at: Spot): boolean {
    const refuse = (rule: string, wrong: string, write: string): false => {
      this.#refuse(at, rule, wrong, write)
      return false
    }
    if (text === '<<') return refuse('merge-key', '<< would copy another block in', 'write the words out, or use a group')
    if (plain && /^-[A-Za-z]/.test(text)) return refuse('space-after-dash', 'A space is missing after the dash.', `write "- ${text.slice(1)}: "`)
    if (plain && NOT_A_WORD.test(text)) {
      return text === '' ? refuse('key-not-a-word', 'A word is missing before the colon', 'write it')
        : refuse('key-not-a-word', `${text} stands where a word is expected`, `put it in quotes if it is a name: '${text}'`)
    }
    if (/[^\x20-\x7e]/.test(text)) {
      const like = imitated(text)
      return like === undefined ? refuse('key-not-ascii', `${text} contains a letter that words of the language do not have`, 'use the letters a to z')
        : refuse('look-alike', `${text} contains a letter of another alphabet that looks like a Latin one`, `type it again: ${like}`)
    }
    return true
  }

  /** Refuses a word without a value; false when not even the word is one. */
  #refuseEmpty(key: string, at: Spot): boolean {
    const line = this.#lines[at.line - 1]!.slice(at.column - 1 + key.length)
    const colon = key.indexOf(':')
    if (colon > 0 && !/^["']/.test(line)) {
      this.#refuse({ line: at.line, column: at.column + colon }, 'space-after-colon', 'A space is missing after the colon.', `write "${key.slice(0, colon)}: "`)
      return false
    }
    if (/^["']?\s*:\s+#/.test(line)) {
      this.#refuse(at, 'text-cut', `${key} has no value. Everything after # is ignored here. Put the sentence in quotes.`, 'put the text in quotes')
    } else {
      this.#refuse(at, 'no-value', `${key} has no value.`, `write "${key}: " and a value, or delete the word`)
    }
    return true
  }

  #leaf(event: Extract<Event, { type: typeof EVENT_ID.SCALAR }>, fallback: Spot, broken: boolean): Scalar {
    const plain = event.style === SCALAR_STYLE.PLAIN
    if (event.valueStart < 0) return this.#scalar('', event.tagStart >= 0 || event.anchorStart >= 0 ? this.#spot(this.#markOf(event)) : fallback, { broken })
    const text = getScalarValue(this.#source, event)
    const quotes = event.style === SCALAR_STYLE.DOUBLE_QUOTED || event.style === SCALAR_STYLE.SINGLE_QUOTED
    const offset = Math.max(0, event.valueStart - (quotes ? 1 : 0))
    const at = this.#spot(offset)
    if (plain && CURLY_QUOTES.test(text)) {
      this.#refuse(at, 'curly-quotes', 'Curly quotation marks are part of the text', 'type straight ones, or none', 'warning')
    }
    if (plain && /^-[A-Za-z]/.test(text) && /^[ ]*$/.test(this.#source.slice(offset - (at.column - 1), offset))) {
      this.#refuse(at, 'space-after-dash', 'A space is missing after the dash.', 'write "- " before the text')
      return this.#scalar(text, at, { broken: true })
    }
    const comment = plain ? /^[ ]+#/.exec(this.#source.slice(event.valueEnd, event.valueEnd + 200)) : null
    return this.#scalar(text, at, { quoted: !plain, broken, ...(comment !== null && { comment: this.#spot(event.valueEnd + comment[0].length - 1) }) })
  }

  #scalar(text: string, at: Spot, more: { readonly quoted?: boolean; readonly broken?: boolean; readonly comment?: Spot }): Scalar {
    return { kind: 'scalar', text, quoted: more.quoted ?? false, comment: more.comment, broken: more.broken ?? false, line: at.line, column: at.column }
  }

  #markOf(event: Extract<Event, { type: typeof EVENT_ID.SCALAR }>): number {
    return event.tagStart >= 0 ? event.tagStart : event.anchorStart - 1
  }

  /** Refuses an anchor, a tag or an alias; true when there was one. */
  #refuseMarks(event: Value): boolean {
    const special = (offset: number, rule: string, sign: string): void =>
      this.#refuse(offset, rule, `${sign} has a special meaning. Put it in quotes.`, `put the text in quotes, or remove the ${sign}`)
    const name = event.anchorStart < 0 ? '' : this.#source.slice(event.anchorStart, event.anchorEnd)
    if (event.type === EVENT_ID.ALIAS) {
      if (!this.#anchors.has(name)) special(event.anchorStart - 1, 'alias', '*')
      return true
    }
    if (name !== '') this.#anchors.add(name)
    if (event.tagStart >= 0) special(event.tagStart, 'tag', '!')
    else if (event.anchorStart >= 0) special(event.anchorStart - 1, 'anchor', '&')
    return event.tagStart >= 0 || event.anchorStart >= 0
  }

  #pop(): boolean {
    if (this.#events[this.#next]?.type !== EVENT_ID.POP) return false
    this.#next++
    return true
  }

  /** Passes over one value without reading it. */
  #skip(): void {
    let open = 0
    do {
      const { type } = this.#events[this.#next++]!
      if (type === EVENT_ID.SEQUENCE || type === EVENT_ID.MAPPING) open++
      else if (type === EVENT_ID.POP) open--
    } while (open > 0)
  }
}

/** Whether something of a block was refused already. */
export const isPartial = (tree: Tree): boolean => tree.kind === 'mapping' && tree.partial

/** The entry of a mapping by its word. */
export const entryOf = (tree: Tree, key: string): Entry | undefined => (tree.kind === 'mapping' ? tree.entries.find(e => e.key === key) : undefined)

/** The value under a word of a mapping; undefined when the word is not there, or the value was refused already. */
export function valueOf(tree: Tree, key: string): Tree | undefined {
  const value = entryOf(tree, key)?.value
  return value?.kind === 'scalar' && value.broken ? undefined : value
}

/** What `JSON` would hold, with every scalar as text. Objects have no prototype, so that no word means anything by itself. */
export function plainValue(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.text
  if (tree.kind === 'list') return tree.items.map(plainValue)
  const value = Object.create(null) as Record<string, unknown>
  for (const { key, value: of } of tree.entries) value[key] = plainValue(of)
  return value
}
