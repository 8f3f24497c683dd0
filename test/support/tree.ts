/** Small policies folders as text, for tests that need a bundle and not a page of YAML. */
import { compile } from '../../src/bundle/compile.ts'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { printProblem } from '../../src/bundle/problem.ts'

/** One provider file whose deployments are given as lines of YAML flow mappings. */
export const provider = (name: string, top: string, deployments: readonly string[]): string => `language: bailiwick/v1
provider: ${name}
source: a test
facts-as-of: 2026-01-01
good-until: 2040-01-01
timezone: UTC
${top}
deployments:
${deployments.map(d => `  - ${d}`).join('\n')}
`

export const app = (name: string, more = 'grants: all'): string => `language: bailiwick/v1
app: ${name}
owner: owner@example.com
timezone: UTC
${more}
`

export const policy = (name: string, rules: string, effective = '{ from: 2026-01-01, timezone: UTC }'): string => `language: bailiwick/v1
policy: ${name}
title: Policy ${name}
owner: owner@example.com
effective: ${effective}
review-by: 2040-01-01
rules:
${rules}
`

export const rule = (id: string, body: string): string => `  - id: ${id}
    title: The rule ${id}
    because: A test wants it
${body.split('\n').map(l => `    ${l}`).join('\n')}`

/** SHA-256 of a key in the form that an app file takes. */
export async function keyHash(key: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key)))
  return `sha256:${Array.from(digest, b => b.toString(16).padStart(2, '0')).join('')}`
}

/** Compiles a tree that a test wrote and expects to be right. */
export async function bundleOf(files: Readonly<Record<string, string>>): Promise<Bundle> {
  const compiled = await compile(new Map(Object.entries(files)))
  if (!compiled.ok) throw new Error(compiled.problems.map(p => printProblem(p, files[p.file])).join('\n'))
  return compiled.bundle
}
