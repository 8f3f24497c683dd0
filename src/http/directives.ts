/**
 * Notices at a running gateway: what there is, what one would do, enacting and lifting it.
 *
 * What it assumes: a host that keeps the policies as files and lets nothing else change them during `alone`.
 * What it promises: a text with a mistake changes nothing; nobody enacts what they were not shown; a notice that was enacted
 * or lifted is kept as a file and in the records before the answer.
 */
import type { Bundle, Sources } from '../bundle/bundle.ts'
import { compile } from '../bundle/compile.ts'
import { laidOver, layOver } from '../bundle/drilled.ts'
import { parse, valueOf, type Tree } from '../bundle/parse.ts'
import { printProblem } from '../bundle/problem.ts'
import type { Failure } from '../failure.ts'
import { standingsNow } from '../gateway/coverage.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { compared, coverage, type Covered } from '../policy/coverage.ts'
import type { Instant, Rule } from '../policy/rule.ts'
import { inUtc } from '../policy/time.ts'
import type { DirectiveEntry } from '../record/record.ts'
import { readAuthor, readSigned, refuse, type Outcome, type Refused } from './changing.ts'
import { sha256InHex } from './key.ts'

/** The policies folder as text, and the bundle that was compiled of it. */
export type Policies = { readonly sources: Sources; readonly bundle: Bundle }

/** One notice more, or one less: its file, and everything as it is with it done. */
export type DirectiveChange = { readonly file: string; readonly text: string; readonly next: Policies; readonly entry: DirectiveEntry }

/** What a host with a policies folder can do while the gateway serves. */
export type DirectivesPort = {
  /** The policies that are in force when the work begins are so until it has ended or has carried out its change. */
  alone<T>(work: (inForce: Policies, carryOut: (change: DirectiveChange) => Promise<Failure | undefined>) => Promise<T>): Promise<T>
  inForce(): Policies
  /** What was enacted and lifted here, oldest first. */
  history(): readonly DirectiveEntry[]
}

/** The text of a notice, read as if its file stood in the policies folder. */
export type Notice = {
  readonly ok: true
  readonly name: string
  readonly file: string
  /** The policies with the notice among them. */
  readonly next: Policies
  readonly rules: readonly Rule[]
  readonly warnings: readonly string[]
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const UNNAMED = 'new'
const fileNamed = (name: string): string => `directives/${name}.policy.yaml`

/** Every notice of the folder: in force, to come and ended; beside them those that were lifted here. */
export async function listDirectives(gateway: Gateway, port: DirectivesPort): Promise<unknown> {
  const { sources, bundle } = port.inForce()
  const now = gateway.ports.clock.now(), history = port.history()
  const notices = [...Map.groupBy(bundle.rulebook.rules.filter(r => r.directive), r => r.place.file)]
  return {
    bundle: bundle.digest,
    directives: await Promise.all(notices.map(async ([file, rules]) => {
      const text = sources.get(file)!, digest = await sha256InHex(text)
      const tree = parse(file, text).tree
      const { policy: name, window } = rules[0]!
      // A file that was changed or put back by hand since is not what somebody enacted here.
      const enacted = history.findLast(e => e.name === name)
      return {
        name, title: textAt(tree, 'title'), owner: textAt(tree, 'owner'), file, digest,
        state: now < window.from ? 'to-come' : now < window.until ? 'in-force' : 'ended', ...windowInUtc(window),
        rules: rules.map(r => ({ id: r.id, title: r.title, effect: r.effect, mode: now < r.modeUntil ? r.mode : 'enforce', law: r.law ?? null })),
        enacted: enacted?.action === 'enact' && enacted.digest === digest ? { author: enacted.author, at: inUtc(enacted.at) } : null,
      }
    })),
    lifted: history.filter(e => e.action === 'lift').map(({ name, author, at, digest }) => ({ name, author, at: inUtc(at), digest })),
  }
}

/** With `confirm` as it was given with the effect: enacts the notice. Without: says what it would do. */
export async function enactDirective(gateway: Gateway, port: DirectivesPort, body: Readonly<Record<string, unknown>>): Promise<Outcome> {
  const { yaml, author: written, confirm, ...others } = body
  const strange = Object.keys(others)[0]
  if (strange !== undefined) return refuse("The body takes 'yaml', 'author' and 'confirm' and nothing else.", strange.slice(0, 64))
  if (typeof yaml !== 'string' || yaml === '') return refuse("'yaml' must be the text of the notice.", 'body')
  const signed = readAuthor(written)
  if (!signed.ok) return signed
  const { author } = signed
  if (confirm !== undefined && typeof confirm !== 'string') return refuse("'confirm' must be the text that the effect was shown with.", 'confirm')

  return port.alone(async (inForce, carryOut) => {
    const notice = await readNotice(yaml, inForce)
    if (!notice.ok) return notice
    const { name, file, next, rules: own, warnings } = notice
    const now = gateway.ports.clock.now()
    // A notice that is still to come is judged by its first second.
    const effect = effectOf(gateway, next.bundle, Math.max(now, own[0]?.window.from ?? now))
    const about = { name, file, ...(own[0] && windowInUtc(own[0].window)), rules: own.map(r => r.name), effect }
    const digest = await sha256InHex(JSON.stringify([yaml, inForce.bundle.digest]))
    if (confirm === undefined) return { ok: true, value: { ...about, enacted: false, bundle: inForce.bundle.digest, confirm: digest, warnings } }
    if (confirm !== digest) {
      return refuse('The confirmation is not for this text and the policies now in force; nothing was changed. Ask for the effect again.', 'confirm', 409)
    }
    const entry = await entryFor(gateway, { name, action: 'enact', author, text: yaml, before: inForce.bundle, after: next.bundle })
    const failed = await carryOut({ file, text: yaml, next, entry })
    if (failed !== undefined) return { ok: false, failure: failed }
    return { ok: true, value: { ...about, enacted: true, at: inUtc(entry.at), author, bundle: next.bundle.digest, previousBundle: inForce.bundle.digest } }
  })
}

/** Takes a notice out of force at once, whoever wrote its file. */
export async function liftDirective(gateway: Gateway, port: DirectivesPort, name: string, body: Readonly<Record<string, unknown>>): Promise<Outcome> {
  const signed = readSigned(body)
  if (!signed.ok) return signed
  const { author } = signed

  return port.alone(async (inForce, carryOut) => {
    const rule = inForce.bundle.rulebook.rules.find((r: Rule) => r.directive && r.policy === name)
    if (rule === undefined) return refuse('There is no notice of this name. GET /admin/directives lists them.', 'name', 404)
    const { file } = rule.place, text = inForce.sources.get(file)!
    const sources = new Map([...inForce.sources].filter(([other]) => other !== file && other !== testBeside(file)))
    const compiled = await compile(sources, { tests: 'left-out' })
    if (!compiled.ok) {
      return refuse(`Without the notice the policies do not compile, and nothing was changed.\n${compiled.problems.map(p => printProblem(p, sources.get(p.file))).join('\n')}`, 'name', 409)
    }
    const effect = effectOf(gateway, compiled.bundle, gateway.ports.clock.now())
    const entry = await entryFor(gateway, { name, action: 'lift', author, text, before: inForce.bundle, after: compiled.bundle })
    const failed = await carryOut({ file, text, next: { sources, bundle: compiled.bundle }, entry })
    if (failed !== undefined) return { ok: false, failure: failed }
    return { ok: true, value: { name, file, at: inUtc(entry.at), author, bundle: compiled.bundle.digest, previousBundle: inForce.bundle.digest, effect } }
  })
}

/** What the text of a notice calls itself, what it is called here, and the file that its problems are told of. */
export function nameOfNotice(yaml: string): { readonly written: string | undefined; readonly name: string; readonly file: string } {
  const written = textAt(parse(fileNamed(UNNAMED), yaml).tree, 'policy')
  const name = written !== undefined && NAME.test(written) ? written : UNNAMED
  return { written, name, file: fileNamed(name) }
}

/** Refuses a text that does not compile beside the policies in force, and one whose file is there already. */
export async function readNotice(yaml: string, inForce: Policies): Promise<Notice | Refused> {
  const { written, name, file } = nameOfNotice(yaml)
  if (inForce.sources.has(file)) return refuse(`There is a file ${file} already. Give the notice another name, or lift that one first.`, 'policy', 409)
  const sources = new Map([...inForce.sources, [file, yaml]])
  const compiled = await compile(sources, { tests: 'left-out' })
  if (!compiled.ok) {
    const errors = compiled.problems.filter(p => p.severity === 'error')
    return refuse(`The notice does not compile, and nothing was changed.\n${errors.map(p => printProblem(p, sources.get(p.file))).join('\n')}`, 'yaml')
  }
  if (written !== name) return refuse(`The notice needs a name of letters, digits and . _ - under 'policy'.`, 'yaml')
  const { bundle } = compiled
  return {
    ok: true, name, file, next: { sources, bundle }, rules: bundle.rulebook.rules.filter(r => r.place.file === file),
    warnings: bundle.warnings.filter(p => p.file === file).map(p => printProblem(p, yaml)),
  }
}

/** The test that stands beside a notice and goes with it: without the policy it is about, it would not be read. */
export const testBeside = (file: string): string => file.replace(/\.policy\.yaml$/, '.test.yaml')

type Done = Pick<DirectiveEntry, 'name' | 'action' | 'author'> & { readonly text: string; readonly before: Bundle; readonly after: Bundle }

const entryFor = async (gateway: Gateway, { text, before, after, ...done }: Done): Promise<DirectiveEntry> => ({
  kind: 'directive', id: gateway.nextId(), at: gateway.ports.clock.now(), ...done,
  bundle: after.digest, previousBundle: before.digest, digest: await sha256InHex(text),
})

/** For every app and what its prompts may carry: which connected deployments it may use before and after. */
function effectOf(gateway: Gateway, next: Bundle, at: Instant): { readonly at: string; readonly coverage: readonly object[] } {
  const { bundle } = gateway.epochs.current()
  const standings = standingsNow(gateway, bundle, gateway.epochs.connected)
  // What discovery found stays, and so do drills: a notice brings rules, and the moments at which they begin and end.
  const changed = layOver({ ...bundle.rulebook, rules: next.rulebook.rules, edges: next.rulebook.edges }, laidOver(bundle.rulebook))
  return { at: inUtc(at), coverage: effectRows(coverage(bundle.rulebook, at, standings), coverage(changed, at, standings)) }
}

/** `emptied`: for what nobody is left. */
export const effectRows = (before: readonly Covered[], after: readonly Covered[]): readonly object[] =>
  compared(before, after).map(({ app, data, before, after, emptied }) => ({ app, data, before, after, emptied }))

const textAt = (tree: Tree | undefined, key: string): string | undefined => {
  const value = tree && valueOf(tree, key)
  return value?.kind === 'scalar' ? value.text : undefined
}

const windowInUtc = ({ from, until }: Rule['window']): { readonly from: string | null; readonly until: string | null } =>
  ({ from: Number.isFinite(from) ? inUtc(from) : null, until: Number.isFinite(until) ? inUtc(until) : null })
