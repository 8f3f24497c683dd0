/** The wall, and a gateway process before it whose catalog holds a model for every case: no case knows of another's breakers. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { entryOf, type Line } from '../../src/record/line.ts'
import { RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { folderOf, serve } from '../support/processes.ts'
import { app, keyHash, provider } from '../support/tree.ts'
import { FAULTS, TIMEOUTS, type Fault } from './cases.ts'
import { becomesTrue, runCase, type Case, type Gateway, type Kept, type Mode, type Names, type Result } from './trial.ts'
import { openWall, type Wall } from './wall.ts'

export type Bench = {
  readonly wall: Wall
  readonly gateway: Gateway
  close(): Promise<void>
}

export type Verdict = { readonly fault: Fault; readonly mode: Mode; readonly wrong: readonly string[]; readonly attemptsMost: number; readonly msMost: number }

const KEYS = { plain: 'bw-wall-plain', asksNextWhenFiltered: 'bw-wall-next' } as const
const PROVIDERS = ['first', 'second', 'third'] as const
const KEPT_WITHIN_MS = 2_000

export function namesOf(fault: Fault, { name, mode }: Case): Names {
  const id = `${fault.id.toLowerCase()}-${mode}-${name}`
  const deployment = (index: number): string => `${id}-${index + 1}`
  return { model: `wall/${id}`, deployment, served: index => `served-${deployment(index)}` }
}

export async function openBench(): Promise<Bench> {
  const wall = await openWall()
  const serving = await serve(folderOf(await policiesFor(wall.url)))
  return {
    wall,
    gateway: { url: serving.url, keys: KEYS, kept: decision => keptIn(join(serving.data, RECORDS_FILE), decision) },
    async close() {
      await serving.stop()
      await wall.close()
    },
  }
}

/** All cases of a fault in one mode, one after the other. */
export async function tryFault(fault: Fault, mode: Mode, { wall, gateway }: Pick<Bench, 'wall' | 'gateway'>): Promise<Verdict> {
  const results: (Result & { readonly name: string })[] = []
  for (const one of fault.cases.filter(c => c.mode === mode)) results.push({ name: one.name, ...await runCase(one, { names: namesOf(fault, one), gateway, wall }) })
  return {
    fault, mode,
    wrong: results.flatMap(({ name, wrong }) => wrong.map(what => `${name}: ${what}`)),
    attemptsMost: Math.max(...results.map(r => r.attemptsMost)), msMost: Math.max(...results.map(r => r.msMost)),
  }
}

async function policiesFor(url: string): Promise<Record<string, string>> {
  const timeouts = Object.entries(TIMEOUTS).map(([phase, ms]) => `${phase}: ${ms}ms`).join(', ')
  const all = FAULTS.flatMap(fault => fault.cases.map(one => ({ one, names: namesOf(fault, one) })))
  const deployments = (index: number): readonly string[] => all.flatMap(({ one, names }) => {
    const place = one.places[index]
    if (place === undefined) return []
    const more = [place.prefill && 'can: [prefill]', place.context && `context: ${place.context}`, place.timeouts && `timeouts: ${place.timeouts}`].filter(Boolean)
    return [`{ ${[`deployment: ${names.deployment(index)}`, `model: ${names.model}`, `upstream-model: ${names.served(index)}`, ...more].join(', ')} }`]
  })
  const files: Record<string, string> = {
    'apps/plain.yaml': app('plain', `grants: all\nsubstitutes: no\nkey-hashes: [ "${await keyHash(KEYS.plain)}" ]`),
    'apps/next.yaml': app('next', `grants: all\nsubstitutes: no\non-content-filter: next\nkey-hashes: [ "${await keyHash(KEYS.asksNextWhenFiltered)}" ]`),
  }
  for (const [index, name] of PROVIDERS.entries()) {
    files[`catalog/${name}.yaml`] = provider(name, `dialect: openai\nbase-url: ${url}/${name}/v1\nprocessed-in: [FR]\noperations: [chat]\ntimeouts: { ${timeouts} }\nprice: { input: ${index}, output: ${index}, currency: EUR }`, deployments(index))
  }
  return files
}

/** Reads beside the gateway that writes: an entry is there shortly after the last byte of its answer. */
async function keptIn(file: string, decision: string): Promise<Kept | undefined> {
  const records = new DatabaseSync(file, { readOnly: true })
  try {
    const find = records.prepare("SELECT text FROM lines WHERE json_extract(text, '$.open.id') = ? AND json_extract(text, '$.open.kind') = 'outcome'")
    let row: Record<string, unknown> | undefined
    await becomesTrue(() => (row = find.get(decision)) !== undefined, KEPT_WITHIN_MS)
    return row === undefined ? undefined : entryOf(JSON.parse(String(row['text'])) as Line) as Kept
  } finally {
    records.close()
  }
}
