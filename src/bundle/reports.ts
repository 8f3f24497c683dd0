/** What a catalog file says of the reports of a server, with which its facts are compared (resilience, section 3). */
import type { Reports } from '../catalog/catalog.ts'
import { valueOf, type Tree } from './parse.ts'
import type { Reading } from './reading.ts'

/** The parts that are written under `reports`, so that those of a deployment can be laid over those of its provider. */
export function readReports(tree: Tree, reading: Reading): Partial<Reports> {
  const reports = valueOf(tree, 'reports')
  if (reports === undefined) return {}
  const models = reading.list(reports, 'model')?.map(m => m.text)
  const region = valueOf(reports, 'region'), header = region && reading.text(region, 'header'), means = region && valueOf(region, 'means')
  const countries = new Map<string, string>()
  for (const { key, value } of means?.kind === 'mapping' ? means.entries : []) {
    const country = value.kind === 'scalar' ? reading.country(value, false) : undefined
    if (country !== undefined) countries.set(key, country)
  }
  return { ...(models && { models }), ...(header !== undefined && { region: { header: header.toLowerCase(), countries } }) }
}

/** Undefined where nothing is written at all. */
export const reportsOf = ({ models, region }: Partial<Reports>): Reports | undefined => (models === undefined && region === undefined ? undefined : { models, region })
