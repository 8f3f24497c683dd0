/** Catalog files: one provider, its deployments, and the facts that hold for them until a date (policy-files). */
import { DEFAULT_TIMEOUTS, type Capability, type Connection, type Deployment, type Price, type Provider, type ProviderDefaults, type Reports, type Timeouts } from '../catalog/catalog.ts'
import { canonicalHost, isAddress } from '../catalog/local.ts'
import { DEPLOYMENT_FACTS, NAME_FACTS, type FactDefinition, type Operation, type Value } from '../policy/facts.ts'
import type { DatedFact, RuledDeployment } from '../policy/rule.ts'
import type { Dated } from './bundle.ts'
import { entryOf, isPartial, valueOf, type Scalar, type Tree } from './parse.ts'
import type { Reading } from './reading.ts'
import { readReports, regionIn, reportsOf, warnOfRegions, type Compared } from './reports.ts'
import { readTimeouts } from './timeouts.ts'
import type { Connected } from './traps.ts'

export type CatalogFile = {
  readonly provider: Provider | undefined
  /** As written, both forms in step. */
  readonly deployments: readonly ({ readonly ruled: RuledDeployment; readonly deployment: Deployment } | undefined)[]
  readonly zone: string | undefined
  readonly due: readonly Dated[]
  /** What is reached over an address, for traps.ts. */
  readonly connected: readonly Connected[]
}

const FACTS: readonly FactDefinition[] = DEPLOYMENT_FACTS.filter(f => !(NAME_FACTS as readonly string[]).includes(f.name))
const OPERATIONS_UNSTATED: readonly Operation[] = ['chat', 'completion']

type Facts = Readonly<Record<string, DatedFact | undefined>>

export function readCatalogFile(tree: Tree, reading: Reading): CatalogFile {
  const zone = reading.zone(tree)
  const due: Dated[] = []
  const name = reading.scalar(tree, 'provider')
  if (name?.text === 'unknown') reading.refuse(name, 'reserved-name', 'unknown has a meaning of its own', 'choose another name')
  reading.day(tree, 'facts-as-of')
  const goodUntil = readEnd(tree, zone, `provider ${name?.text ?? ''}`, due, reading)
  const facts = readFacts(tree, { zone, goodUntil, of: `provider ${name?.text ?? ''}` }, due, reading)
  const above = readFit(tree, reading)
  const localHosts = readLocalHosts(tree, reading)
  const rehearsal = reading.text(tree, 'rehearsal')
  if (rehearsal !== undefined && above.baseUrl !== undefined) {
    reading.refuse(entryOf(tree, 'base-url')!.at, 'rehearsal-address', 'A rehearsal provider is started here and has no address of its own', 'delete base-url or rehearsal')
  }
  const wanting = !isPartial(tree) && (rehearsal ?? reading.text(tree, 'discover')) !== undefined && connect(above, rehearsal !== undefined) === undefined
  if (wanting && above.dialect === undefined) {
    const word = rehearsal === undefined ? 'discover' : 'rehearsal'
    reading.refuse(entryOf(tree, word)!.at, 'connection-missing', `${word} needs a dialect`, 'add "dialect: openai" or "dialect: ollama"')
  } else if (wanting) {
    reading.refuse(entryOf(tree, 'discover')!.at, 'connection-missing', 'discover needs the address of the server', 'add "base-url: ..."')
  }

  const connected: Connected[] = []
  const noteConnection = (item: Tree, at: Connection | undefined, { named, facts: stated, upstreamModel }: Pick<Connected, 'named' | 'facts' | 'upstreamModel'>): void => {
    if (at === undefined || rehearsal !== undefined) return
    const spots = Object.fromEntries(['processed-in', 'hosting'].map(fact => [fact, (entryOf(item, fact) ?? entryOf(tree, fact))?.value]))
    connected.push({ file: reading.file, named, facts: stated, dialect: at.dialect, baseUrl: at.baseUrl, localHosts, upstreamModel, at: spots })
  }
  if (name !== undefined && entryOf(tree, 'discover') !== undefined) {
    noteConnection(tree, connect(above, false), { named: { deployment: '', model: '', provider: name.text }, facts, upstreamModel: '' })
  }

  const compared: Compared[] = []
  const isLocal = (stated: Facts): boolean => stated['hosting']?.value === 'local'
  let usesLocalHosts = false, isWhole = !isPartial(tree)
  const noteUse = (name: string, stated: Facts, reports: Partial<Reports>, ...blocks: readonly Tree[]): void => {
    usesLocalHosts ||= isLocal(stated)
    isWhole &&= !blocks.some(isPartial)
    compared.push({ name, region: regionIn(...blocks), countries: reports.region?.countries, places: stated['processed-in']?.value as readonly string[] | undefined })
  }
  if (entryOf(tree, 'discover') !== undefined) noteUse('models that are discovered', facts, above.reports, tree)

  const list = valueOf(tree, 'deployments')
  const deployments = (list?.kind === 'list' ? list.items : []).map(item => {
    const label = reading.scalar(item, 'deployment'), model = reading.scalar(item, 'model')
    for (const part of [label, model]) if (part?.text === 'unknown') reading.refuse(part, 'reserved-name', 'unknown has a meaning of its own', 'choose another name')
    reading.day(item, 'facts-as-of')
    const what = `deployment ${label?.text ?? ''}`
    const end = entryOf(item, 'good-until') === undefined ? goodUntil : readEnd(item, zone, what, due, reading)
    const own = readFacts(item, { zone, goodUntil: end, of: what }, due, reading)
    const fit = readFit(item, reading)
    const connection = connect({ ...above, ...fit }, rehearsal !== undefined)
    const written = [item, tree].flatMap(block => (['base-url', 'dialect'] as const).map(word => entryOf(block, word))).find(e => e !== undefined)
    if (written !== undefined && connection === undefined && !wanting && !isPartial(tree) && !isPartial(item)) {
      const word = written.key === 'dialect' ? 'base-url' : 'dialect'
      reading.refuse(written.at, 'connection-missing', `${written.key} needs a ${word} beside it`, `add "${word}: ..." to the deployment or at the top of the file`)
    }
    const pull = readPull(item, connection, { discover: reading.text(tree, 'discover'), connection: connect(above, false), isPartial: isPartial(tree) }, reading)
    const all: Facts = { ...facts, ...own }
    noteUse(label?.text ?? '', all, { ...above.reports, ...fit.reports }, item, tree)
    if (label === undefined || model === undefined || name === undefined) return undefined
    const { price } = { ...above, ...fit }
    const upstreamModel = reading.text(item, 'upstream-model') ?? afterSlash(model.text)
    noteConnection(item, connection, { named: { deployment: label.text, model: model.text, provider: name.text }, facts: all, upstreamModel })
    return {
      ruled: {
        name: label.text, model: model.text, provider: name.text, facts: all, price: price && price.input + price.output,
        place: { file: reading.file, line: item.line, column: item.column },
      },
      deployment: deploymentOf({
        name: label.text, model: model.text, provider: name.text, upstreamModel,
        connection, localHosts, rehearsal: rehearsal !== undefined, facts: all, discovered: false, pull,
        fit: { ...above, ...fit, timeouts: { ...above.timeouts, ...fit.timeouts }, reports: { ...above.reports, ...fit.reports } },
      }),
    }
  })

  if (isWhole) warnOfRegions(compared, reading)
  const hosts = entryOf(tree, 'local-hosts')
  if (isWhole && hosts !== undefined && localHosts.length > 0 && localHosts.length === reading.scalars(hosts.value).length && !usesLocalHosts) {
    reading.warn(hosts.at, 'local-hosts-unused', 'local-hosts count for what says hosting: local, and nothing here does', 'write hosting: local, or delete local-hosts')
  }

  const connection = connect(above, rehearsal !== undefined)
  const provider: Provider | undefined = name && {
    name: name.text, title: reading.text(tree, 'title'), connection, discover: reading.text(tree, 'discover') === 'models' ? 'models' : undefined, rehearsal, localHosts,
    defaults: {
      facts, zone: zone ?? 'UTC', price: above.price, context: above.context, maxOutput: above.maxOutput, can: above.can ?? [], quality: above.quality,
      timeouts: { ...DEFAULT_TIMEOUTS, ...above.timeouts }, reports: reportsOf(above.reports),
    },
    place: { file: reading.file, line: tree.line, column: tree.column },
  }
  return { provider, deployments, zone, due, connected }
}

const afterSlash = (model: string): string => model.slice(model.indexOf('/') + 1)

/** Hosts in one spelling, so that they can be compared with those of connections. */
function readLocalHosts(tree: Tree, reading: Reading): readonly string[] {
  return (reading.list(tree, 'local-hosts') ?? []).flatMap(written => {
    const host = canonicalHost(written.text)
    // 203.0.113 would be read as 203.0.0.113: an address that nobody wrote.
    if (host !== undefined && (!isAddress(host) || host.includes(':') || written.text === host || written.text.includes(':'))) return [host]
    reading.refuse(written, 'not-a-host', `${written.text} is neither a host name nor an address`, 'write a name such as gpu.example.internal, or all of an address')
    return []
  })
}

/** What the top of the file says about asking for models. */
type Asked = { readonly discover: string | undefined; readonly connection: Connection | undefined; readonly isPartial: boolean }

/** A model is fetched by the server that is asked what it holds, or nobody would see that it is missing. */
function readPull(item: Tree, connection: Connection | undefined, above: Asked, reading: Reading): boolean {
  const pull = entryOf(item, 'pull')
  if (pull === undefined || reading.text(item, 'pull') !== 'yes') return false
  const asked = above.discover === undefined ? undefined : above.connection
  if (asked?.dialect === 'ollama' && connection?.dialect === 'ollama' && connection.baseUrl === asked.baseUrl) return true
  if (isPartial(item) || above.isPartial) return false
  reading.refuse(pull.at, 'pull-nowhere', 'Only a server of Ollama that is asked which models it holds can be told to fetch one',
    'delete pull, or write "dialect: ollama" and "discover: models" at the top of the file and no other address here')
  return false
}

/** `good-until` of a block, noted as due. */
function readEnd(tree: Tree, zone: string | undefined, of: string, due: Dated[], reading: Reading): number {
  const written = reading.scalar(tree, 'good-until')
  const at = reading.over(tree, 'good-until', zone)
  if (written === undefined || at === undefined) return -Infinity
  due.push({ file: reading.file, line: written.line, column: written.column, what: `good-until of ${of}`, at })
  return at
}

type Place = { readonly zone: string | undefined; readonly goodUntil: number; readonly of: string }

/** The facts that a block states; a fact stated as unknown is there and undefined, and so hides an inherited one. */
function readFacts(tree: Tree, { zone, goodUntil, of }: Place, due: Dated[], reading: Reading): Facts {
  const facts: Record<string, DatedFact | undefined> = {}
  for (const fact of FACTS) {
    const entry = entryOf(tree, fact.name)
    if (entry === undefined) continue
    const long = entry.value.kind === 'mapping' ? entry.value : undefined
    const written = long === undefined ? entry.value : valueOf(long, 'value')
    if (long !== undefined) reading.day(long, 'as-of')
    const end = long === undefined || entryOf(long, 'good-until') === undefined ? goodUntil : readEnd(long, zone, `${fact.name} of ${of}`, due, reading)
    const value = written && readValue(fact, written, reading)
    facts[fact.name] = value === undefined ? undefined : { value, goodUntil: end }
  }
  return facts
}

/** Undefined for `unknown`; a list with `unknown` among its elements is not known as a whole (section 15). */
function readValue(fact: FactDefinition, written: Tree, reading: Reading): Value | undefined {
  if (fact.shape === 'one' && written.kind === 'list') return undefined
  const scalars: readonly Scalar[] = reading.scalars(written)
  const read = scalars.filter(s => s.text !== 'unknown').map(s => reading.element(fact, s))
  if (read.length < scalars.length || !read.every(v => v !== undefined)) return undefined
  return fact.shape === 'set' ? [...new Set(read.map(String))] : read[0]
}

type Fit = {
  readonly dialect?: Connection['dialect']
  readonly baseUrl?: string
  readonly key?: string
  readonly context?: number
  readonly maxOutput?: number
  readonly can?: readonly Capability[]
  readonly price?: Price
  readonly quality?: number
  readonly timeouts?: Partial<Timeouts>
  readonly reports: Partial<Reports>
}

/** What a block says about connection and fit; only what is written, so that it can be laid over what is above it. */
function readFit(tree: Tree, reading: Reading): Fit {
  const dialect = reading.text(tree, 'dialect'), baseUrl = reading.text(tree, 'base-url'), key = reading.text(tree, 'key')
  const context = reading.count(reading.scalar(tree, 'context')), maxOutput = reading.count(reading.scalar(tree, 'max-output'))
  const can = reading.list(tree, 'can'), quality = reading.count(reading.scalar(tree, 'quality'))
  const price = valueOf(tree, 'price'), timeouts = readTimeouts(tree, reading)
  const currency = price && reading.text(price, 'currency')
  return {
    ...(dialect !== undefined && { dialect: dialect as Connection['dialect'] }), ...(baseUrl !== undefined && { baseUrl: baseUrl.replace(/\/+$/, '') }),
    ...(key !== undefined && { key }), ...(context !== undefined && { context }), ...(maxOutput !== undefined && { maxOutput }),
    ...(can && { can: can.map(c => c.text as Capability) }), ...(quality !== undefined && { quality }),
    ...(price && currency !== undefined && { price: { input: Number(reading.text(price, 'input')), output: Number(reading.text(price, 'output')), currency } }),
    ...(timeouts && { timeouts }), reports: readReports(tree, reading),
  }
}

function connect({ dialect, baseUrl, key }: Fit, rehearsal: boolean): Connection | undefined {
  const address = rehearsal ? '' : baseUrl
  return dialect === undefined || address === undefined ? undefined : { dialect, baseUrl: address, key }
}

type Described = Pick<Deployment, 'name' | 'model' | 'provider' | 'upstreamModel' | 'connection' | 'localHosts' | 'rehearsal' | 'discovered' | 'pull'>
  & { readonly facts: Facts; readonly fit: Fit; readonly operations?: readonly Operation[] }

/** A deployment as the gateway needs it. Facts are repeated for answers and records whatever their date. */
export function deploymentOf({ facts, fit, operations, ...named }: Described): Deployment {
  const known = (fact: string): Value | undefined => facts[fact]?.value
  return {
    ...named,
    operations: operations ?? known('operations') as readonly Operation[] | undefined ?? OPERATIONS_UNSTATED,
    context: fit.context, maxOutput: fit.maxOutput, can: fit.can ?? [], price: fit.price, quality: fit.quality,
    embeddingSpace: known('embedding-space') as string | undefined,
    timeouts: { ...DEFAULT_TIMEOUTS, ...fit.timeouts },
    processedIn: known('processed-in') as readonly string[] | undefined,
    hosting: known('hosting') as string | undefined,
    reports: reportsOf(fit.reports),
  }
}

/** The defaults of a provider as what may be laid under a discovered model. */
export const fitOf = (defaults: ProviderDefaults): Fit => ({
  can: defaults.can, timeouts: defaults.timeouts, reports: defaults.reports ?? {},
  ...(defaults.context !== undefined && { context: defaults.context }), ...(defaults.maxOutput !== undefined && { maxOutput: defaults.maxOutput }),
  ...(defaults.price !== undefined && { price: defaults.price }), ...(defaults.quality !== undefined && { quality: defaults.quality }),
})
