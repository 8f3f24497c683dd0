/**
 * Facts about the graph of files (architecture, section 4): who may import whom, who may use what, no dead file,
 * and that the lock file can be installed. It checks; it does not count lines.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const ORDER = ['policy', 'openai', 'failure', 'ports', 'catalog', 'bundle', 'classify', 'obligation', 'pool', 'breaker', 'provider', 'dispatch',
  'record', 'gateway', 'orchestration', 'http', 'console', 'cli', 'runtime']

/** Which folders may import a package. Everything else may not. */
const PACKAGES: readonly [test: RegExp, folders: readonly string[]][] = [
  [/^hono(\/|$)/, ['http', 'console']],
  [/^@hono\/node-server(\/|$)/, ['runtime', 'cli']],
  [/^undici$/, ['runtime', 'cli']],
  [/^node:/, ['runtime', 'cli']],
  [/^cloudflare:/, ['runtime']],
  [/^opossum$/, ['breaker']],
  [/^js-yaml$/, ['bundle']],
  [/^ajv(\/|$)/, ['bundle', 'orchestration']],
  [/^(openai|ollama)(\/|$)/, ['provider']],
  [/^jose$/, ['record']],
]

/** Globals that only the edge may touch: time, randomness, network, environment and console are arguments elsewhere. */
const GLOBALS: readonly [what: string, test: RegExp][] = [
  ['process', /(?<![.\w])process\.\w/],
  ['Date.now', /\bDate\.now\b/],
  ['new Date()', /\bnew Date\(\)/],
  ['Math.random', /\bMath\.random\b/],
  ['randomness of crypto', /\bcrypto\.(randomUUID|getRandomValues)\b/],
  ['console', /(?<![.\w'"/-])console\.\w/],
  ['fetch', /(?<![.\w])(globalThis\.)?fetch\(/],
  ['timers', /(?<![.\w])(setTimeout|setInterval|setImmediate)\(/],
]

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(e => e.isFile() && !e.parentPath.includes('node_modules')).map(e => join(e.parentPath, e.name))
}
const sources = filesBelow(join(root, 'src')).filter(f => f.endsWith('.ts') && !f.endsWith('.d.ts'))
const folderOf = (file: string): string => relative(join(root, 'src'), file).split('/')[0]!.replace(/\.ts$/, '')
const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(?<![:'"`])\/\/.*$/gm, '')
const importsOf = (text: string): readonly string[] =>
  [...withoutComments(text).matchAll(/(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s+'([^']+)'|(?:^|\n)\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'/g)].map(m => (m[1] ?? m[2] ?? m[3])!)

describe('the graph of files', () => {
  test('every folder of src has its place in the order', () => {
    expect([...new Set(sources.map(folderOf))].filter(f => !ORDER.includes(f))).toEqual([])
  })

  test('imports go down the order only', () => {
    const wrong = sources.flatMap(file => importsOf(readFileSync(file, 'utf8')).filter(i => i.startsWith('.')).flatMap(i => {
      const from = folderOf(file), to = folderOf(resolve(dirname(file), i))
      const fine = from === to || (ORDER.indexOf(to) >= 0 && ORDER.indexOf(to) < ORDER.indexOf(from))
      return fine ? [] : [`${relative(root, file)} imports ${i}`]
    }))
    expect(wrong).toEqual([])
  })

  test('packages stay in their folders', () => {
    const wrong = sources.flatMap(file => importsOf(readFileSync(file, 'utf8')).filter(i => !i.startsWith('.')).flatMap(i => {
      const allowed = PACKAGES.find(([name]) => name.test(i))?.[1] ?? []
      return allowed.includes(folderOf(file)) ? [] : [`${relative(root, file)} imports ${i}`]
    }))
    expect(wrong).toEqual([])
  })

  test('time, randomness, network, environment and console are used at the edge only', () => {
    const wrong = sources.filter(f => !['runtime', 'cli'].includes(folderOf(f))).flatMap(file => {
      const code = withoutComments(readFileSync(file, 'utf8'))
      return GLOBALS.filter(([, pattern]) => pattern.test(code)).map(([what]) => `${relative(root, file)} uses ${what}`)
    })
    expect(wrong).toEqual([])
  })

  test('the law imports nothing but itself', () => {
    const wrong = sources.filter(f => folderOf(f) === 'policy')
      .flatMap(file => importsOf(readFileSync(file, 'utf8')).filter(i => !i.startsWith('./')).map(i => `${relative(root, file)} imports ${i}`))
    expect(wrong).toEqual([])
  })

  test('only decide issues a permit and only buildPool makes a pool', () => {
    // runtime/ has a Pool of another kind: undici's.
    const makers = sources.filter(f => folderOf(f) !== 'runtime' && /\bnew (Permit|Pool)\(/.test(withoutComments(readFileSync(f, 'utf8')))).map(f => relative(root, f)).sort()
    expect(makers).toEqual(['src/policy/decide.ts', 'src/pool/pool.ts'])
  })

  test('no file of src is dead: each is reached from an entry', () => {
    const entries = [join(root, 'src/runtime/node.ts')]
    const reached = new Set<string>()
    const visit = (file: string): void => {
      if (reached.has(file) || !existsSync(file)) return
      reached.add(file)
      for (const i of importsOf(readFileSync(file, 'utf8'))) if (i.startsWith('.') && i.endsWith('.ts')) visit(resolve(dirname(file), i))
    }
    entries.forEach(visit)
    expect(sources.filter(f => !reached.has(f)).map(f => relative(root, f))).toEqual([])
  })
})

describe('the project', () => {
  test('the lock file can be installed and names no address', () => {
    execFileSync('npm', ['ci', '--dry-run', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root, stdio: 'pipe', shell: process.platform === 'win32' })
    const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
    expect(lock.match(/"resolved": "(?:https?|git)/g) ?? []).toEqual([])
  })

  test('every dependency is used', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
    const code = [...sources, ...filesBelow(join(root, 'scripts'))].map(f => readFileSync(f, 'utf8')).join('\n')
    expect(Object.keys(dependencies).filter(name => !new RegExp(`from '${name}[/']|import\\('${name}[/']`).test(code))).toEqual([])
  })

  test('documents link to files that exist', () => {
    const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...(existsSync(join(root, 'docs')) ? filesBelow(join(root, 'docs')).map(f => relative(root, f)) : []), 'policies/README.md']
    const dead = documents.filter(d => existsSync(join(root, d)) && d.endsWith('.md')).flatMap(d =>
      [...readFileSync(join(root, d), 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(m => m[1]!).filter(l => !existsSync(join(root, dirname(d), l))).map(l => `${d}: ${l}`))
    expect(dead).toEqual([])
  })
})
