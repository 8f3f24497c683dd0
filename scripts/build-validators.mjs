/**
 * Compiles the schemas of policy files ahead of time: a Worker may not make code while it answers, and the checker
 * needs no schema compiler at run time. Runs on the pinned Node, which reads the TypeScript of schema.ts.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import standalone from 'ajv/dist/standalone/index.js'
import { build } from 'esbuild'
import { KINDS, SCHEMAS } from '../src/bundle/schema.ts'

/** Writes src/bundle/validators.gen.js: one function per kind of file. */
export async function buildValidators() {
  const root = fileURLToPath(new URL('../', import.meta.url))
  const ajv = new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true, inlineRefs: false, code: { source: true, esm: true } })
  for (const kind of KINDS) ajv.addSchema(SCHEMAS[kind])
  const code = standalone.default(ajv, Object.fromEntries(KINDS.map(kind => [kind, SCHEMAS[kind].$id])))
  const out = await build({
    stdin: { contents: code, resolveDir: root, loader: 'js' },
    bundle: true, format: 'esm', platform: 'neutral', mainFields: ['main'], minify: true, write: false,
  })
  const file = `${root}src/bundle/validators.gen.js`
  mkdirSync(`${root}src/bundle`, { recursive: true })
  // Written beside and renamed, so that a process that starts meanwhile never reads half a file.
  writeFileSync(`${file}.${process.pid}`, `// Written by scripts/build-validators.mjs from src/bundle/schema.ts; do not edit.\n${out.outputFiles[0].text}`)
  renameSync(`${file}.${process.pid}`, file)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildValidators()
