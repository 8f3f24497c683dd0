/** `bailiwick explain`: the decision for request facts, and for every deployment why (policy-language, sections 8 and 10). */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Bundle } from '../bundle/bundle.ts'
import { explain, type Explanation, type Row } from '../policy/explain.ts'
import { OPERATIONS, requestFacts, type Operation } from '../policy/facts.ts'
import { lawsNamed, readRequestFact, type RawFacts } from '../policy/request.ts'
import { unfitFor, type Wish } from '../pool/pool.ts'
import { VOUCHED } from '../record/record.ts'
import { maybe, oneOf, UsageError, type Command } from './command.ts'
import { bundleOf } from './compiled.ts'
import { EXIT } from './exit.ts'
import { explainedInText } from './explain-text.ts'
import type { Host } from './host.ts'
import { instantOrNow, readInstant } from './instant.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json'] as const
const STANDARD_INPUT = '-'

/** The machine form. Its order of keys is part of it. */
export type ExplainedRow = Row & { readonly unfit: readonly string[]; readonly health: 'unknown' }
export type Explained = Omit<Explanation, 'deployments'> & { readonly bundle: string; readonly deployments: readonly ExplainedRow[] }

/** A request as it was written: its facts, and its own time when it has one. */
type Written = { readonly facts: RawFacts; readonly at: number | undefined }

export const explainCommand: Command = {
  name: 'explain',
  words: '',
  wordsMax: 0,
  says: 'Decides requests given as facts and says for every deployment why.',
  options: {
    policies: { value: 'DIR', variable: 'BAILIWICK_POLICIES', says: 'The policies; ./policies unless given' },
    request: { value: 'FILE', says: 'One request as a JSON object of facts; - reads standard input' },
    requests: { value: 'FILE', says: 'One request a line, each a JSON object; - reads standard input' },
    at: { value: 'TIME', says: 'Decide at this time instead of now' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run({ options }, host) {
    const { request, requests } = options
    if ((request === undefined) === (requests === undefined)) throw new UsageError('explain takes either --request FILE or --requests FILE.')
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const at = instantOrNow(options['at'], host.now)
    const file = (request ?? requests)!
    const text = await readWritten(file, host)
    const one = request === undefined ? undefined : readRequest(text, nameOf(file), host)

    const bundle = await bundleOf(options['policies'] ?? POLICIES, host)
    if (bundle === undefined) return EXIT.doesNotCompile
    const answer = (written: Written): Explained => {
      warnOfUnread(bundle, written.facts, host)
      const explained = explainOne(bundle, written, at)
      if (format === 'text') host.out(explainedInText(bundle, written.facts, explained))
      else host.out(`${JSON.stringify(explained, undefined, one === undefined ? 0 : 2)}\n`)
      return explained
    }
    if (one !== undefined) return answer(one).outcome === 'permit' ? EXIT.fine : EXIT.refused
    for (const [index, line] of text.split(/\r?\n/).entries()) {
      if (line.trim() !== '') answer(readRequest(line, `${nameOf(file)}:${index + 1}`, host))
    }
    return EXIT.fine
  },
}

/** A value outside its vocabulary is unknown and decides as such; whoever typed it should hear of it. */
function warnOfUnread({ rulebook }: Bundle, facts: RawFacts, host: Host): void {
  for (const [name, value] of Object.entries(facts)) {
    if (value === null || value === 'unknown' || !requestFacts.has(name)) continue
    if (readRequestFact(name, value, rulebook) === undefined) host.err(`bailiwick: ${name} ${JSON.stringify(value)} is not in the vocabulary and is read as unknown.\n`)
    const laws = name === 'governed-by' ? readRequestFact(name, value, rulebook) : undefined
    const strange = Array.isArray(laws) ? (laws as readonly string[]).filter(law => !lawsNamed(rulebook).has(law)) : []
    if (strange.length > 0) host.err(`bailiwick: no policy names the law ${strange.join(', ')}; a caller who states it in a header is read as stating nothing.\n`)
  }
}

function explainOne(bundle: Bundle, { facts, at: own }: Written, at: number): Explained {
  const { outcome, code, at: decidedAt, deployments, duties, assumptions, request, permitted, 'next-change': next } = explain(bundle.rulebook, { trusted: facts }, own ?? at)
  const wish = wishOf(facts)
  return {
    outcome, ...(code !== undefined && { code }), at: decidedAt, bundle: bundle.digest, request, permitted,
    deployments: deployments.map(row => ({ ...row, unfit: unfitOf(bundle, row.deployment, wish), health: 'unknown' })),
    duties, assumptions, 'next-change': next,
  }
}

/** What keeps a deployment from serving as far as its files say; which keys and servers there are, only a running gateway knows. */
function unfitOf(bundle: Bundle, deployment: string, wish: Wish | undefined): readonly string[] {
  const listed = bundle.catalog.byName.get(deployment)
  return listed === undefined ? [] : unfitFor(listed, d => (d.connection === undefined ? 'no-connection' : undefined), wish)
}

function wishOf({ operation }: RawFacts): Wish | undefined {
  if (!(OPERATIONS as readonly unknown[]).includes(operation)) return undefined
  return {
    operation: operation as Operation,
    needs: { model: '', models: undefined, preferences: undefined, stream: false, choices: 1, tools: false, vision: false, jsonSchema: false, promptTokensAtLeast: 0, maxTokens: undefined },
  }
}

const nameOf = (file: string): string => (file === STANDARD_INPUT ? 'standard input' : file)

async function readWritten(file: string, host: Host): Promise<string> {
  if (file === STANDARD_INPUT) return host.readInput()
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : basename(file)}).`)
  }
}

/** Throws UsageError naming the place. A word that is no fact changes nothing, and is said so. */
function readRequest(text: string, place: string, host: Host): Written {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new UsageError(`${place}: this is not JSON (${(error as Error).message}).`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UsageError(`${place}: a request is a JSON object of facts, such as {"app": "crm"}.`)
  const { at: written, ...facts } = recorded(value as Record<string, unknown>)
  const at = typeof written === 'string' ? readInstant(written) : undefined
  if (written !== undefined && written !== null && at === undefined) {
    throw new UsageError(`${place}: "at" is a time with its offset, such as "2026-11-22T11:00:00Z", not ${JSON.stringify(written)}.`)
  }
  for (const name of Object.keys(facts)) {
    if (!requestFacts.has(name)) host.err(`${place}: '${name}' is not a request fact and changes nothing.${maybe(name, [...requestFacts.keys(), 'at'])}\n`)
  }
  return { facts, at }
}

/**
 * A decision of the records, a line or its entry, as a request: what was vouched for, at its time. What registration, `may-carry` and
 * `assume` said then, the policies say again.
 */
function recorded(value: Record<string, unknown>): Record<string, unknown> {
  const { open, closed } = value
  const { kind, at, request } = typeof open === 'object' && typeof closed === 'object' ? { ...open, ...closed } as Record<string, unknown> : value
  if (kind !== 'decision' || typeof at !== 'number' || typeof request !== 'object' || request === null) return value
  const facts = Object.entries(request as Record<string, { readonly value: unknown; readonly source: string }>)
    .filter(([, fact]) => (VOUCHED as readonly string[]).includes(fact.source)).map(([name, fact]) => [name, fact.value])
  return { ...Object.fromEntries(facts) as Record<string, unknown>, at: new Date(at).toISOString() }
}
