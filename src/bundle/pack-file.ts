/** `pack.yaml`: what a pack says of itself (src/packs/README.md). */
import { parse, valueOf } from './parse.ts'
import { LANGUAGE } from './schema.ts'

export type Pack = {
  readonly name: string
  readonly title: string
  readonly version: string
  /** Bare dates: when its law was looked up, and when somebody must have looked again. */
  readonly asOf: string
  readonly reviewBy: string
  /** The pack in whose place this one is put; undefined for one that is not a variant. */
  readonly variantOf: string | undefined
  readonly variants: readonly string[]
  /** Packs without which this one says too little. */
  readonly needs: readonly string[]
  readonly doesNotCover: readonly string[]
}

const WORDS = ['language', 'pack', 'title', 'version', 'as-of', 'review-by', 'variant-of', 'variants', 'needs', 'does-not-cover']
const DATE = /^\d{4}-\d{2}-\d{2}$/

/** Throws for what does not follow the form: packs come with Bailiwick, and a broken one is a fault of ours. */
export function readPackFile(file: string, text: string): Pack {
  const broken = (why: string): never => { throw new Error(`${file}: ${why}`) }
  const { tree, problems } = parse(file, text)
  if (tree?.kind !== 'mapping' || problems.length > 0) return broken(problems[0]?.wrong ?? 'is no mapping')
  const stranger = tree.entries.find(e => !WORDS.includes(e.key))
  if (stranger !== undefined) return broken(`unknown word ${stranger.key}`)
  const optional = (word: string): string | undefined => {
    const value = valueOf(tree, word)
    return value === undefined ? undefined : value.kind === 'scalar' && value.text !== '' ? value.text : broken(`${word} is one text`)
  }
  const word = (name: string): string => optional(name) ?? broken(`${name} is missing`)
  const date = (name: string): string => (DATE.test(word(name)) ? word(name) : broken(`${name} is a date`))
  const list = (name: string): readonly string[] => {
    const value = valueOf(tree, name)
    if (value === undefined) return []
    return value.kind === 'list' ? value.items.map(item => (item.kind === 'scalar' ? item.text : broken(`${name} is a list of texts`))) : broken(`${name} is a list`)
  }
  if (word('language') !== LANGUAGE) broken(`language is ${LANGUAGE}`)
  return {
    name: word('pack'), title: word('title'), version: word('version'), asOf: date('as-of'), reviewBy: date('review-by'),
    variantOf: optional('variant-of'), variants: list('variants'), needs: list('needs'), doesNotCover: list('does-not-cover'),
  }
}
