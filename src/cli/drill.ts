/** `bailiwick drill`: coverage before and after a revocation that is only pretended. It touches no running gateway. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import { isCountry, nearestCountry } from '../policy/countries.ts'
import { coverage, coverageChanges, REVOCABLE, withRevoked, type Covered, type CoverageChange, type Revocation } from '../policy/coverage.ts'
import { deploymentFacts } from '../policy/facts.ts'
import type { Rulebook } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import { classInWords, isFitIn } from './class-text.ts'
import { maybe, oneOf, UsageError, type Command } from './command.ts'
import { compileFolder, printProblems, short } from './compiled.ts'
import { changeInWords, coverageInJson, coverageTable, withNone } from './coverage-text.ts'
import { EXIT } from './exit.ts'
import type { Host } from './host.ts'
import { instantOrNow } from './instant.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json'] as const

export const drill: Command = {
  name: 'drill',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Shows coverage before and after a provider, a country or a directive takes deployments away.',
  options: {
    revoke: { value: 'FACT=VALUE', many: true, says: `What goes away, such as controlled-from=US; one of ${REVOCABLE.join(', ')}; may be repeated` },
    'from-directive': { value: 'FILE', says: 'A directive that is not in the folder yet (*.policy.yaml)' },
    at: { value: 'TIME', says: 'Pretend at this time instead of now' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run({ options, words }, host) {
    const { revoke, 'from-directive': directive } = options
    if (revoke === undefined && directive === undefined) throw new UsageError('drill needs what goes away: --revoke controlled-from=US, or --from-directive FILE.')
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const now = instantOrNow(options['at'], host.now)
    const compiled = await compileFolder(words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES, host)
    if (!compiled.ok) {
      host.err(printProblems(compiled.problems, compiled.sources))
      return EXIT.doesNotCompile
    }
    const revocations = revoke === undefined ? [] : readRevocations(revoke, compiled.bundle)
    const enacted = directive === undefined ? { bundle: compiled.bundle, at: now } : await enact(directive, compiled.sources, now, host)
    if (enacted === undefined) return EXIT.doesNotCompile

    const { at } = enacted
    const rows = (bundle: Bundle, rulebook: Rulebook): readonly Covered[] => coverage(rulebook, at, isFitIn(bundle))
    const before = rows(compiled.bundle, compiled.bundle.rulebook), after = rows(enacted.bundle, withRevoked(enacted.bundle.rulebook, revocations))
    const changes = coverageChanges(before, after), emptied = changes.filter(c => c.before.length > 0 && c.after.length === 0)
    const what = [...revocations.map(r => `${r.fact}=${r.value}`), ...(directive === undefined ? [] : [`directive ${basename(directive)}`])].join(' and ')
    host.out(format === 'json' ? `${JSON.stringify({
      at: inUtc(at), bundle: compiled.bundle.digest, revoked: revocations, directive: directive ?? null, before: coverageInJson(before), after: coverageInJson(after),
      changes, emptied: emptied.map(({ app, data }) => ({ app, data })),
    }, undefined, 2)}\n` : inText({ what, at, bundle: compiled.bundle, before, after, changes, emptied }))
    return emptied.length > 0 ? EXIT.refused : EXIT.fine
  },
}

/** Throws UsageError for a fact that no drill takes away, and for a value that nothing in the catalog could have. */
function readRevocations(written: string, { rulebook }: Bundle): readonly Revocation[] {
  const known = {
    provider: rulebook.deployments.map(d => d.provider), model: rulebook.deployments.map(d => d.model),
    deployment: rulebook.deployments.map(d => d.name), hosting: deploymentFacts.get('hosting')!.words!,
  }
  return written.split(',').map(one => {
    const [name = '', ...rest] = one.trim().split('='), value = rest.join('=')
    const fact = REVOCABLE.find(f => f === name)
    if (fact === undefined || value === '') throw new UsageError(`--revoke takes FACT=VALUE, with one of ${REVOCABLE.join(', ')}, not '${one}'.${maybe(name, REVOCABLE)}`)
    if (fact === 'controlled-from' || fact === 'developer-in') {
      const meant = nearestCountry(value)
      if (!isCountry(value)) throw new UsageError(`'${value}' is no ISO country code.${meant === undefined ? '' : ` Did you mean ${meant}?`}`)
    } else if (!known[fact].some(v => v === value || (fact === 'model' && value.endsWith('/*') && v.startsWith(value.slice(0, -1))))) {
      throw new UsageError(`No deployment of the catalog has ${fact} ${value}.${maybe(value, known[fact])}`)
    }
    return { fact, value }
  })
}

/**
 * The folder with the directive in it, and when to look: now, or at the directive's first second if that is to come.
 * Undefined after its problems were written to standard error.
 */
async function enact(file: string, sources: Sources, now: number, host: Host): Promise<{ readonly bundle: Bundle; readonly at: number } | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}).`)
  }
  const name = `directives/${basename(file)}`
  if (!name.endsWith('.policy.yaml')) throw new UsageError(`${file} is no directive: its name ends in .policy.yaml.`)
  const all = new Map([...sources, [name, text]])
  const compiled = await compile(all)
  if (!compiled.ok) {
    host.err(printProblems(compiled.problems, all))
    return undefined
  }
  const windows = compiled.bundle.rulebook.rules.filter(r => r.place.file === name).map(r => r.window)
  const at = Math.max(now, Math.min(...windows.map(w => w.from)))
  if (windows.every(w => w.until <= at)) throw new UsageError(`${file} is over at ${inUtc(at)}; --at chooses a time when it is in force.`)
  return { bundle: compiled.bundle, at }
}

type Drilled = {
  readonly what: string
  readonly at: number
  readonly bundle: Bundle
  readonly before: readonly Covered[]
  readonly after: readonly Covered[]
  readonly changes: readonly CoverageChange[]
  readonly emptied: readonly CoverageChange[]
}

function inText({ what, at, bundle, before, after, changes, emptied }: Drilled): string {
  const already = withNone(before)
  return [
    `drill: ${what}, at ${inUtc(at)}, bundle ${short(bundle.digest)}; nothing was changed\n\nbefore\n`, coverageTable(before), '\nafter\n', coverageTable(after), '\n',
    changes.length === 0 ? 'No profile loses a deployment.\n' : changes.map(c => `${changeInWords(c)}\n`).join(''), '\n',
    emptied.length === 0 ? `Every profile that had a deployment still has one.\n` : `${emptied.length} of ${before.length} profiles would have none: ${emptied.map(c => classInWords(c)).join('; ')}\n`,
    already.length === 0 ? '' : `${already.length} had none before.\n`,
  ].join('')
}
