/** Writes policies/schema/: the JSON Schemas that editors read, from src/bundle/schema.ts. A test keeps the two in step. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { KINDS } from '../src/bundle/schema.ts'
import { schemaFile } from '../src/bundle/schema-published.ts'

const policies = fileURLToPath(new URL('../policies/', import.meta.url))
mkdirSync(`${policies}schema`, { recursive: true })
for (const [name, text] of KINDS.map(schemaFile)) writeFileSync(policies + name, text)
