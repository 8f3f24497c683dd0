/** Which kind a file in the policies folder is (policy-language, section 2). */
import type { Kind } from './schema.ts'

const ROWS: readonly (readonly [RegExp, Kind])[] = [
  [/(?:^|\/)[^/]+\.test\.yaml$/, 'test'],
  [/^rules\/[^/]+\.policy\.yaml$/, 'policy'],
  [/^directives\/[^/]+\.policy\.yaml$/, 'policy'],
  [/^exceptions\/[^/]+\.yaml$/, 'exceptions'],
  [/^groups\/[^/]+\.yaml$/, 'group'],
  [/^labels\.yaml$/, 'labels'],
  [/^apps\/[^/]+\.yaml$/, 'app'],
  [/^catalog\/[^/]+\.yaml$/, 'catalog'],
]

/** What a pack says of itself (src/packs/README.md). It is read by the pack command and decides nothing. */
export const PACK_FILE = 'pack.yaml'

/** The kind of a file; `stray` for YAML that no kind covers, `other` for what is no YAML and none of our business. */
export function kindOf(file: string): Kind | 'stray' | 'other' {
  if (!/\.ya?ml$/i.test(file) || file === PACK_FILE) return 'other'
  return ROWS.find(([path]) => path.test(file))?.[1] ?? 'stray'
}

export const isDirective = (file: string): boolean => file.startsWith('directives/')

/** Where a stray file might belong. */
export function whereItBelongs(file: string): string {
  if (/\.(?:yml|YAML|YML)$/.test(file)) return 'give it a name that ends in .yaml'
  if (/^(?:rules|directives)\/[^/]+$/.test(file)) return 'give it a name that ends in .policy.yaml, or .test.yaml for a test'
  return 'move it to rules/, directives/, exceptions/, groups/, apps/ or catalog/, or out of this folder'
}

/** A file that a test names, relative to the test, as the tree calls it. */
export function besideTest(test: string, written: string): string {
  const path = test.split('/').slice(0, -1)
  for (const step of written.split('/')) {
    if (step === '..') path.pop()
    else if (step !== '.') path.push(step)
  }
  return path.join('/')
}
