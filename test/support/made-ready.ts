/** Before any test: the generated validators are there and agree with their sources. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export default async function madeReady(): Promise<void> {
  await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url))])
}
