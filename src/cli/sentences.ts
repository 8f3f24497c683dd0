/** `bailiwick sentences`: the compiled policies as English sentences, with the digest of the bundle: what somebody signs. */
import { HOW_TO_READ, printSections, sentencesOf, type Entry, type Section } from '../policy/sentences.ts'
import type { Rulebook } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import { oneOf, type Command } from './command.ts'
import { bundleOf } from './compiled.ts'
import { EXIT } from './exit.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'markdown', 'json'] as const
const TITLE = 'Policies in sentences'
const HOW = 'How to read this'

export const sentences: Command = {
  name: 'sentences',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Prints the compiled policies as plain sentences, for those who answer for them.',
  options: {
    catalog: { says: 'With what is known of each deployment' },
    format: { value: 'text|markdown|json', says: 'text unless given' },
  },
  async run({ options, words }, host) {
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const bundle = await bundleOf(words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES, host)
    if (bundle === undefined) return EXIT.doesNotCompile
    const page: Page = {
      bundle: bundle.digest, date: inUtc(host.now()).slice(0, 10), counts: countsOf(bundle.rulebook),
      sections: sentencesOf(bundle.rulebook, { catalog: options['catalog'] !== undefined }),
    }
    host.out(PRINTERS[format](page))
    return EXIT.fine
  },
}

type Counts = Readonly<Record<'rules' | 'exceptions' | 'groups' | 'labels' | 'apps' | 'deployments', number>>
type Page = { readonly bundle: string; readonly date: string; readonly counts: Counts; readonly sections: readonly Section[] }

const countsOf = ({ rules, exceptions, groups, labels, apps, deployments }: Rulebook): Counts =>
  ({ rules: rules.length, exceptions: exceptions.length, groups: groups.size, labels: labels.size, apps: apps.size, deployments: deployments.length })

const countsInWords = (counts: Counts): string => Object.entries(counts).map(([what, n]) => `${n} ${n === 1 ? what.slice(0, -1) : what}`).join(', ')

const PRINTERS: { readonly [format in (typeof FORMATS)[number]]: (page: Page) => string } = {
  text: ({ bundle, date, counts, sections }) => [
    `${TITLE}\n`, `Bundle ${bundle}`, `Printed ${date}`, `${countsInWords(counts)}\n`, `${HOW}\n`, ...HOW_TO_READ, `\n${printSections(sections)}`,
  ].join('\n'),
  markdown: ({ bundle, date, counts, sections }) => [
    `# ${TITLE}`, `Bundle \`${bundle}\`  \nPrinted ${date}  \n${countsInWords(counts)}`, `## ${HOW}`, HOW_TO_READ.map(line => `- ${escaped(line)}`).join('\n'),
    ...sections.filter(s => s.entries.length > 0).flatMap(({ title, entries }) => [`## ${title}`, ...entriesInMarkdown(entries)]), '',
  ].join('\n\n').replace(/\n+$/, '\n'),
  json: ({ bundle, date, counts, sections }) => `${JSON.stringify({ bundle, date, counts, 'how-to-read': HOW_TO_READ, sections }, undefined, 2)}\n`,
}

/** Entries without lines of their own are one list; every other has its heading. */
function entriesInMarkdown(entries: readonly Entry[]): readonly string[] {
  if (entries.every(e => e.lines.length === 0)) return [entries.map(e => `- ${escaped(e.heading)}`).join('\n')]
  return entries.flatMap(({ heading, lines }) => [`### ${escaped(heading)}`, lines.map(({ depth, text }) => `${'  '.repeat(depth - 1)}- ${escaped(text)}`).join('\n')])
}

/** Text in which nothing means anything to Markdown. */
const escaped = (text: string): string => text.replace(/[\\`*_[\]<>|~&#]/g, sign => `\\${sign}`)
