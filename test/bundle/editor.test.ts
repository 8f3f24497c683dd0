/**
 * What an editor says of a file: yaml-language-server with the published schemas, against the compiler over the corpus.
 * A schema knows words, shapes and forms of values. What needs other files, dates or countries it lets pass.
 */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { getLanguageService, TextDocument } from 'yaml-language-server'
import { describe, expect, test } from 'vitest'
import { kindOf } from '../../src/bundle/files.ts'
import { KINDS } from '../../src/bundle/schema.ts'
import { filesIn } from './tree.ts'

/** Mistakes that a schema can know: both refuse. */
const KNOWN: ReadonlySet<string> = new Set([
  'unknown-word', 'missing-word', 'wrong-shape', 'wrong-form', 'unknown-value', 'unknown-language', 'not-yes-or-no', 'empty-list', 'empty-block', 'too-many-words',
  'one-effect', 'mode-missing', 'mode-until-missing', 'prefer-has-no-mode', 'prefer-has-no-exceptions', 'zone-missing',
])
/** Mistakes in how a text is written: our subset of YAML is smaller than an editor's, so each may say more than the other. */
const WRITING: ReadonlySet<string> = new Set([
  'directive', 'anchor', 'alias', 'tag', 'merge-key', 'several-documents', 'duplicate-key', 'complex-key', 'key-not-a-word', 'key-not-ascii', 'look-alike', 'tab',
  'invisible-character', 'empty-file', 'too-deep', 'text-cut', 'colon-splits', 'space-after-dash', 'no-value', 'space-after-colon', 'open-quote', 'open-bracket',
  'list-shape', 'after-quote', 'backslash', 'list-on-key-line', 'special-character', 'indentation', 'no-colon', 'not-readable', 'stray-file', 'unknown-asked',
])

const ROOT = 'file:///policies/'
const schemas = new Map([...filesIn('../../policies/schema')].map(([name, text]) => [`${ROOT}schema/${name}`, text]))
const service = getLanguageService({
  schemaRequestService: uri => (schemas.has(uri) ? Promise.resolve(schemas.get(uri)!) : Promise.reject(new Error(`nothing is fetched: ${uri}`))),
  workspaceContext: { resolveRelativePath: (path, base) => new URL(path, base).href },
})
service.configure({ validate: true })
// A file without a first line of its own is read with the schema of its place.
service.registerCustomSchemaProvider(uri => Promise.resolve(`${ROOT}schema/${kindOf(uri.slice(uri.indexOf('//', ROOT.length) + 2))}.schema.json`))

/** What the editor says of a file; `tree` keeps files of one path apart. */
async function saidOf(tree: string, file: string, text: string): Promise<readonly string[]> {
  const path = text.startsWith('# yaml-language-server') ? file : `${tree}//${file}`
  // The service wants the newer of two document types and uses nothing that the one it exports lacks.
  const document = TextDocument.create(`${ROOT}${path}`, 'yaml', 1, text) as Parameters<typeof service.doValidation>[0]
  const said = await service.doValidation(document, false)
  return said.map(({ range, message }) => `${file}:${range.start.line + 1}:${range.start.character + 1} ${typeof message === 'string' ? message : message.value}`)
}

const isOurs = ([file]: readonly [string, string]): boolean => (KINDS as readonly string[]).includes(kindOf(file))
const allSaid = async (tree: string, folder: string): Promise<readonly string[]> =>
  (await Promise.all([...filesIn(folder)].filter(isOurs).map(([file, text]) => saidOf(tree, file, text)))).flat()

describe('an editor', () => {
  test('says nothing of the starter, nor of a folder without a mistake', async () => {
    expect(await allSaid('starter', '../../policies')).toEqual([])
    expect(await allSaid('good', 'good')).toEqual([])
  })

  const mistakes = readdirSync(fileURLToPath(new URL('bad', import.meta.url)), { withFileTypes: true }).filter(e => e.isDirectory()).map(e => e.name).sort()
  const judged = mistakes.flatMap(mistake => {
    const files = filesIn(`bad/${mistake}`)
    const [rule, place] = files.get('expected.txt')!.split('\n') as [string, string]
    const file = place.split(':')[0]!, text = files.get(file)
    return WRITING.has(rule) || text === undefined ? [] : [{ mistake, rule, file, text }]
  })

  test('has something to judge', () => {
    expect(judged.filter(j => KNOWN.has(j.rule)).length).toBeGreaterThan(100)
    expect(judged.filter(j => !KNOWN.has(j.rule)).length).toBeGreaterThan(50)
  })

  test.each(judged)('judges as the compiler does, where a schema can know: $mistake', async ({ mistake, rule, file, text }) => {
    const said = await saidOf(mistake, file, text)
    if (KNOWN.has(rule)) expect(said, 'refused by the compiler, so refused here').not.toEqual([])
    else expect(said, 'a matter of other files, dates or countries').toEqual([])
  })
})
