/** `bailiwick drill`: coverage before and after a revocation that is only pretended. It touches no running gateway unless told to. */
import { basename } from 'node:path'
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import { readRevocation } from '../bundle/revocation.ts'
import { coverage, coverageChanges, coverageInJson, REVOCABLE, withNone, withRevoked, type Covered, type CoverageChange, type Revocation } from '../policy/coverage.ts'
import { inUtc } from '../policy/time.ts'
import { standingsIn } from './class-text.ts'
import { oneOf, UsageError, type Command, type Given } from './command.ts'
import { compileFolder, printProblems, short } from './compiled.ts'
import { changeInWords, coverageTable, noneInWords, partlyEmptied } from './coverage-text.ts'
import { EXIT } from './exit.ts'
import { AUTHOR_OPTION, GATEWAY_OPTIONS, textOf } from './gateway.ts'
import type { Host } from './host.ts'
import { instantOrNow } from './instant.ts'
import { liveDrill } from './live-drill.ts'
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
    live: { says: 'Lay it over a running gateway for a while, after it showed what it would do' },
    for: { value: 'TIME', says: 'How long a live drill lasts: 90s, 10m, 2h; 24h at most' },
    list: { says: 'With --live: the drills that run' },
    end: { value: 'ID', says: 'With --live: end this one now' },
    yes: { says: 'With --live: begin without asking' },
    ...GATEWAY_OPTIONS,
    author: AUTHOR_OPTION,
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run(given, host) {
    const { options, words } = given
    const { revoke, 'from-directive': directive } = options
    if (options['live'] !== undefined) return liveDrill(given, oneOf('format', options['format'] ?? 'text', FORMATS), host)
    refuseLive(given)
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
    const before = coverage(compiled.bundle.rulebook, at, standingsIn(compiled.bundle))
    const after = coverage(withRevoked(enacted.bundle.rulebook, revocations), at, standingsIn(enacted.bundle), before)
    const changes = coverageChanges(before, after), emptied = changes.filter(c => c.emptied.length > 0)
    const what = [...revocations.map(r => `${r.fact}=${r.value}`), ...(directive === undefined ? [] : [`directive ${basename(directive)}`])].join(' and ')
    host.out(format === 'json' ? `${JSON.stringify({
      at: inUtc(at), bundle: compiled.bundle.digest, revoked: revocations, directive: directive ?? null, before: coverageInJson(before), after: coverageInJson(after),
      changes, emptied: emptied.map(({ app, data, emptied: operations }) => ({ app, data, operations })),
    }, undefined, 2)}\n` : inText({ what, at, bundle: compiled.bundle, before, after, changes, emptied }))
    return emptied.length > 0 ? EXIT.refused : EXIT.fine
  },
}

const LIVE_ONLY = ['for', 'list', 'end', 'yes', 'url', 'author'] as const

/** What means nothing to a drill on paper is not passed over. */
function refuseLive({ options }: Given): void {
  const first = LIVE_ONLY.find(name => options[name] !== undefined)
  if (first !== undefined) throw new UsageError(`--${first} is for drill --live.`)
}

/** Throws UsageError for a fact that no drill takes away, and for a value that nothing in the catalog could have. */
const readRevocations = (written: string, { rulebook }: Bundle): readonly Revocation[] => written.split(',').map(one => {
  const read = readRevocation(one, rulebook)
  if (!read.ok) throw new UsageError(read.wrong)
  return read.revocation
})

/**
 * The folder with the directive in it, and when to look: now, or at the directive's first second if that is to come.
 * Undefined after its problems were written to standard error.
 */
async function enact(file: string, sources: Sources, now: number, host: Host): Promise<{ readonly bundle: Bundle; readonly at: number } | undefined> {
  const text = await textOf(file)
  const name = `directives/${basename(file)}`
  if (!name.endsWith('.policy.yaml')) throw new UsageError(`${file} is no directive: its name ends in .policy.yaml.`)
  const compiled = await compile(new Map([...sources, [name, text]]))
  if (!compiled.ok) {
    // Told of the file that was given, not of the one that it would become.
    const problems = compiled.problems.map(p => ({ ...p, file: p.file === name ? file : p.file, wrong: p.wrong.replaceAll(`${name}:`, `${file}:`) }))
    host.err(printProblems(problems, new Map([...sources, [file, text]])))
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
    `drill: ${what}, at ${inUtc(at)}, bundle ${short(bundle.digest)}; nothing was changed\n\nbefore\n`, coverageTable(coverageInJson(before)), '\nafter\n', coverageTable(coverageInJson(after)), '\n',
    changes.length === 0 ? 'No profile loses a deployment.\n' : changes.map(c => `${changeInWords(c)}\n`).join(''), '\n',
    emptied.length === 0 ? `Every profile that had a deployment still has one.\n` : `${emptied.length} of ${before.length} profiles would have none: ${emptied.map(c => noneInWords(c, partlyEmptied(c))).join('; ')}\n`,
    already.length === 0 ? '' : `${already.length} had none before.\n`,
  ].join('')
}
