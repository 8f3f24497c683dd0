/** A host that keeps what was said, so that a command runs inside the test; folders and files are real. */
import { fileURLToPath } from 'node:url'
import type { Host, RehearseOptions, ServeOptions } from '../../src/cli/host.ts'
import { main } from '../../src/cli/main.ts'
import { readAsked } from '../../src/runtime/node-asked.ts'
import { readBundle } from '../../src/runtime/node-bundles.ts'
import { readSigningKey, sha256 } from '../../src/runtime/node-key.ts'
import { readPolicies } from '../../src/runtime/node-policies.ts'
import { readRecords } from '../../src/runtime/node-records.ts'
import { readRevision } from '../../src/runtime/node-revision.ts'

export const WORKED = fileURLToPath(new URL('../fixtures/worked', import.meta.url))
export const NOW = Date.parse('2026-11-22T11:00:00Z')

export type Said = { readonly code: number; readonly out: string; readonly err: string; readonly served: readonly (ServeOptions | RehearseOptions)[] }

export async function run(args: readonly string[], { input = '', environment = {}, user, starter = WORKED }: { readonly input?: string; readonly environment?: Readonly<Record<string, string>>; readonly user?: string; readonly starter?: string } = {}): Promise<Said> {
  let out = '', err = ''
  const served: (ServeOptions | RehearseOptions)[] = []
  const serves = (options: ServeOptions | RehearseOptions): Promise<number> => {
    served.push(options)
    return Promise.resolve(0)
  }
  const host: Host = {
    version: '9.9.9', environment, now: () => NOW, userName: () => user,
    out: text => { out += text }, err: text => { err += text },
    readInput: () => Promise.resolve(input),
    randomBytes: length => new Uint8Array(length).fill(7),
    readFolder: readPolicies, readRevision, readRecorded: readAsked, readRecords, readSigningKey, sha256, readBundle, starterFolder: starter, serve: serves, rehearse: serves,
  }
  const code = await main(args, host)
  return { code, out, err, served }
}
