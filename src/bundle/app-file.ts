/** App files: what the law needs of an application, and what its connection needs. */
import { NOT_COLLECTED, REGISTERED_FACTS, requestFacts, type Value } from '../policy/facts.ts'
import { closeUpward } from '../policy/request.ts'
import type { App, Assumption, Grant } from '../policy/rule.ts'
import type { AppConnection } from './bundle.ts'
import { entryOf, isPartial, valueOf, type Scalar, type Tree } from './parse.ts'
import type { Reading } from './reading.ts'
import { readTimeouts } from './timeouts.ts'

export type AppFile = { readonly app: App; readonly connection: AppConnection; readonly zone: string | undefined }

export function readAppFile(tree: Tree, reading: Reading): AppFile | undefined {
  const name = reading.scalar(tree, 'app'), owner = reading.text(tree, 'owner')
  if (name?.text === 'unknown') reading.refuse(name, 'reserved-name', 'unknown has a meaning of its own', 'choose another name')
  const zone = reading.zone(tree)
  const assume = entryOf(tree, 'assume')
  if (assume !== undefined && entryOf(tree, 'timezone') === undefined && !isPartial(tree)) {
    reading.refuse(assume.at, 'zone-missing', 'An assumption ends on a day, and a day needs a timezone', 'add "timezone: ..." at the top of the file')
  }
  const grants = readGrants(tree, reading)
  const registered: Record<string, Value> = {}
  for (const fact of REGISTERED_FACTS) {
    const value = readFact(fact, tree, reading)
    if (value !== undefined) registered[fact] = value
  }
  const carried = reading.list(tree, 'may-carry')
  const labels = carried?.some(l => l.text === 'unknown') ? undefined : carried?.map(l => reading.label(l)).filter(l => l !== undefined)
  const assumptions = reading.blocks(tree, 'assume').map(item => readAssumption(item, tree, zone, reading)).filter(a => a !== undefined)
  const limits = readLimits(tree, reading), timeouts = readTimeouts(tree, reading) ?? {}
  const ladder = reading.list(tree, 'ladder')?.map(m => reading.modelOrVendor(m)).filter(m => m !== undefined)
  if (name === undefined || owner === undefined || grants === undefined) return undefined
  return {
    zone,
    app: {
      name: name.text, title: reading.text(tree, 'title'), owner, grants, registered,
      mayCarry: labels && closeUpward(labels, reading.names.labels).filter(l => l !== 'none'),
      mayAssert: (reading.list(tree, 'may-assert') ?? []).map(f => f.text),
      assumptions, place: { file: reading.file, line: tree.line, column: tree.column },
    },
    connection: {
      app: name.text,
      keyHashes: (reading.list(tree, 'key-hashes') ?? []).map(h => h.text),
      substitutes: (reading.text(tree, 'substitutes') ?? 'yes') as AppConnection['substitutes'],
      ladder, limits, loopbackOnly: reading.text(tree, 'loopback-only') === 'yes',
      streamRescue: reading.text(tree, 'stream-rescue') !== 'no',
      onContentFilter: reading.text(tree, 'on-content-filter') === 'next' ? 'next' : 'return',
      timeouts,
    },
  }
}

function readGrants(tree: Tree, reading: Reading): App['grants'] | undefined {
  const value = valueOf(tree, 'grants')
  if (value === undefined) return undefined
  if (value.kind === 'scalar') return value.text === 'all' ? 'all' : undefined
  const grants = (value.kind === 'list' ? value.items : [value]).map((item): Grant | undefined => {
    const all = <T>(read: readonly (T | undefined)[] | undefined): readonly T[] | undefined => (read?.every(r => r !== undefined) ? read : undefined)
    const model = all(reading.list(item, 'model')?.map(m => reading.modelOrVendor(m)))
    const deployment = all(reading.list(item, 'deployment')?.map(d => reading.deployment(d)))
    return model !== undefined ? { model } : deployment !== undefined ? { deployment } : undefined
  })
  return grants.every(g => g !== undefined) ? grants : undefined
}

/** A request fact as the file states it; undefined when it is absent or stated as unknown. */
function readFact(name: string, tree: Tree, reading: Reading): Value | undefined {
  const fact = requestFacts.get(name)!
  const written = reading.list(tree, name)
  if (fact.shape === 'one' && valueOf(tree, name)?.kind === 'list') return undefined
  if (written === undefined || written.some(s => s.text === 'unknown')) return undefined
  const read = written.map(s => reading.element(fact, s))
  if (!read.every(v => v !== undefined)) return undefined
  return fact.shape === 'set' ? [...new Set(read.map(String))].sort() : read[0]
}

function readAssumption(item: Tree, file: Tree, zone: string | undefined, reading: Reading): Assumption | undefined {
  if (item.kind !== 'mapping') return undefined
  const stated = item.entries.filter(e => requestFacts.has(e.key))
  const entry = stated[0]
  if (entry === undefined && item.partial) return undefined
  if (entry === undefined || stated.length > 1) {
    return reading.refuse(stated[1]?.at ?? item, 'one-fact', 'An assumption is about exactly one request fact', 'make an item of each')
  }
  const fact = requestFacts.get(entry.key)!
  if (fact.name === 'app' || fact.name === 'data') {
    return reading.refuse(entry.at, 'not-assumable', `${fact.name} cannot be assumed`, fact.name === 'data' ? 'say what the application may-carry' : 'delete the item')
  }
  if (entryOf(file, fact.name) !== undefined) {
    return reading.refuse(entry.at, 'registered-and-assumed', `${fact.name} is registered in this file already`, 'delete one of the two')
  }
  const written: readonly Scalar[] = reading.scalars(entry.value)
  const unknown = written.find(s => s.text === 'unknown'), uncollected = written.find(s => s.text === NOT_COLLECTED)
  if (unknown !== undefined) return reading.refuse(unknown, 'unknown-assumed', 'unknown is what an assumption replaces', 'write the value that is assumed')
  if (uncollected !== undefined && fact.ordered) {
    return reading.refuse(uncollected, 'not-collected', `${fact.name} is ordered, and not-collected has no place in an order`, 'write the value that is assumed')
  }
  if (uncollected !== undefined && written.length > 1) return reading.refuse(uncollected, 'not-collected', 'not-collected stands alone', 'write it without the others')
  const value = uncollected === undefined ? readFact(fact.name, item, reading) : fact.shape === 'set' ? [NOT_COLLECTED] : NOT_COLLECTED
  const basis = reading.text(item, 'basis'), owner = reading.text(item, 'owner'), until = reading.over(item, 'until', zone)
  if (value === undefined || basis === undefined || owner === undefined || until === undefined) return undefined
  return { fact: fact.name, value, basis, owner, until, place: { file: reading.file, line: item.line, column: item.column } }
}

function readLimits(tree: Tree, reading: Reading): AppConnection['limits'] {
  const limits = valueOf(tree, 'limits')
  if (limits === undefined) return {}
  const requestsPerMinute = reading.count(reading.scalar(limits, 'requests-per-minute'))
  const tokensPerMinute = reading.count(reading.scalar(limits, 'tokens-per-minute'))
  const [amount, currency] = (reading.text(limits, 'spend-per-day') ?? '').split(' ')
  return {
    ...(requestsPerMinute !== undefined && { requestsPerMinute }), ...(tokensPerMinute !== undefined && { tokensPerMinute }),
    ...(currency !== undefined && { spendPerDay: { amount: Number(amount), currency } }),
  }
}
