/**
 * Installs the engine at first use, into this folder alone: the library and the one build for this machine, 85 MB of the
 * 725 MB that it would take with all of them. No script of a package is run. The lock file holds the digests, of the builds for
 * Linux too; a build for another system is taken in the same version.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const BUILDS: Readonly<Record<string, string>> = {
  'linux-x64': 'linux-x64', 'linux-arm64': 'linux-arm64', 'darwin-x64': 'mac-x64', 'darwin-arm64': 'mac-arm64-metal', 'win32-x64': 'win-x64', 'win32-arm64': 'win-arm64',
}

/** Resolves when the engine can be loaded. Throws where there is no build for this machine, or npm cannot fetch it. */
export async function installEngine(): Promise<void> {
  const build = BUILDS[`${process.platform}-${process.arch}`]
  if (build === undefined) throw new Error(`the engine has no build for ${process.platform} on ${process.arch}`)
  const { dependencies } = JSON.parse(readFileSync(`${FOLDER}package.json`, 'utf8')) as { readonly dependencies: Readonly<Record<string, string>> }
  if (existsSync(`${FOLDER}node_modules/@node-llama-cpp/${build}`)) return
  const version = dependencies['node-llama-cpp']!
  console.log(`installing node-llama-cpp ${version} for ${build} into test/engine`)
  const npm = spawn('npm', ['install', '--no-save', '--omit=optional', '--ignore-scripts', `@node-llama-cpp/${build}@${version}`], { cwd: FOLDER, stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' })
  const [code] = await once(npm, 'exit') as [number | null]
  if (code !== 0) throw new Error(`npm ended with ${code}; the engine is not installed`)
}
