/** The schemas that editors read: in step with the compiler's, a description and a valid example on every word. */
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { kindOf } from '../../src/bundle/files.ts'
import { KINDS, type Schema } from '../../src/bundle/schema.ts'
import { publishedSchema, schemaFile } from '../../src/bundle/schema-published.ts'
import { filesIn } from './tree.ts'

type Word = { readonly block: string; readonly word: string; readonly schema: Schema }

/** Every word of every block of a schema. */
function wordsIn(part: unknown): readonly Word[] {
  if (typeof part !== 'object' || part === null) return []
  const { title, properties } = part as Schema
  const own = typeof title === 'string' && typeof properties === 'object' ? Object.entries(properties as { readonly [word: string]: Schema }).map(([word, schema]) => ({ block: title, word, schema })) : []
  return [...own, ...Object.values(part).flatMap(wordsIn)]
}

describe.each(KINDS)('%s', kind => {
  const schema = publishedSchema(kind)
  const words = wordsIn(schema)

  test('stands under policies/schema as the compiler has it; node scripts/build-schemas.ts writes it', () => {
    const [name, text] = schemaFile(kind)
    expect(readFileSync(new URL(`../../policies/${name}`, import.meta.url), 'utf8')).toBe(text)
  })

  test('every word has a description, and an example that the schema accepts', () => {
    const ajv = new Ajv({ strict: false, allErrors: true })
    expect(words.length).toBeGreaterThan(2)
    const wrong = words.flatMap(({ block, word, schema: { description, examples, ...rest } }) => {
      const validate = ajv.compile({ ...rest, definitions: schema['definitions'] })
      const valid = Array.isArray(examples) && examples.length > 0 && examples.every(example => validate(example))
      return typeof description === 'string' && description !== '' && valid ? [] : [`${block}: ${word} ${ajv.errorsText(validate.errors)}`]
    })
    expect(wrong).toEqual([])
  })
})

test('every file of the starter names the schema of its kind in its first line', () => {
  const files = [...filesIn('../../policies')].filter(([file]) => !['other', 'stray'].includes(kindOf(file)))
  expect(files.length).toBeGreaterThan(20)
  const wrong = files.filter(([file, text]) => {
    const written = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text)?.[1]
    return written === undefined || new URL(written, `file:///${file}`).pathname !== `/schema/${kindOf(file)}.schema.json`
  })
  expect(wrong.map(([file]) => file)).toEqual([])
})
