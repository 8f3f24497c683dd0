/** `bailiwick content`: for the officer who may read what `log: full` let a gateway keep: a pair of keys, and what was sealed to it. */
import { createReadStream } from 'node:fs'
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Curve, Opener } from '../record/content.ts'
import { printable } from '../record/printable.ts'
import { counted } from './class-text.ts'
import { maybe, oneOf, UsageError, type Command, type Given } from './command.ts'
import { EXIT, type Exit } from './exit.ts'
import { textOf } from './gateway.ts'
import type { Host } from './host.ts'

const DOES = ['key', 'read'] as const
const SUFFIX = '.jwe'
const CURVES: readonly [Curve, Curve] = ['X25519', 'P-256']
const ONLY_FOR = { curve: 'key', key: 'read', decision: 'read' } as const

export const contentCommand: Command = {
  name: 'content',
  words: 'key new FILE | read DIR|FILE',
  wordsMax: 3,
  says: 'Makes the keys for content that a duty lets a gateway keep, or reads what was sealed to one.',
  options: {
    curve: { value: CURVES.join('|'), says: 'of the new keys; X25519 unless given' },
    key: { value: 'PRIVATE.jwk', says: 'the private key to read with' },
    decision: { value: 'ID', says: 'read what belongs to this decision only' },
  },
  async run(given, host) {
    const [does, ...words] = given.words
    if (does === undefined) throw new UsageError('content needs a word: content key new FILE, content read DIR|FILE.')
    if (!(DOES as readonly string[]).includes(does)) throw new UsageError(`content does not know '${does}'.${maybe(does, DOES)}`)
    for (const [option, its] of Object.entries(ONLY_FOR)) if (given.options[option] !== undefined && does !== its) throw new UsageError(`--${option} is for content ${its}.`)
    return does === 'key' ? newKey(words, given, host) : read(words, given, host)
  },
}

/** The private key goes to FILE and the public one beside it; neither is ever written over another. */
async function newKey([what, file]: readonly string[], { options }: Given, host: Host): Promise<Exit> {
  if (what !== 'new' || file === undefined) throw new UsageError('content key needs the name of a file that is not there yet: content key new officer.jwk')
  const curve = oneOf('curve', options['curve'] ?? CURVES[0], CURVES)
  const publicFile = `${file.replace(/\.jwk$/, '')}.pub.jwk`
  const { newContentKey } = await import('../record/content.ts')
  const { privateJwk, publicJwk, key } = await newContentKey(curve)
  try {
    await writeFile(file, `${JSON.stringify(privateJwk)}\n`, { flag: 'wx', mode: 0o600 })
    await writeFile(publicFile, `${JSON.stringify(publicJwk)}\n`, { flag: 'wx', mode: 0o644 }).catch(async (error: unknown) => {
      await rm(file)
      throw error
    })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    host.err(`bailiwick: ${code === 'EEXIST' ? `${file} or ${publicFile} is there already; a key is never written over another` : `the keys cannot be written (${code})`}.\n`)
    return EXIT.other
  }
  host.out([
    `Key ${key}`, '',
    `  ${file}  private: it opens the content. Keep it where no gateway runs; without it nothing can be read.`,
    `  ${publicFile}  public: for the gateway.`, '',
    `bailiwick serve --content-log DIR --content-key ${publicFile} --content-place COUNTRY`, '',
  ].join('\n'))
  return EXIT.fine
}

type Told = { opened: number; readonly otherKeys: Map<string, number>; readonly broken: string[] }

async function read([path, ...more]: readonly string[], { options }: Given, host: Host): Promise<Exit> {
  if (path === undefined) throw new UsageError('content read needs a folder or a file: content read DIR --key PRIVATE.jwk')
  if (more.length > 0) throw new UsageError(`content read does not know what to do with '${more[0]}'.`)
  const keyFile = options['key']
  if (keyFile === undefined) throw new UsageError('content read needs --key PRIVATE.jwk.')
  const { openerFor, readPrivateContentKey } = await import('../record/content.ts')
  const jwk = readPrivateContentKey(await textOf(keyFile))
  const opener = jwk.ok ? await openerFor(jwk.jwk).catch(() => undefined) : undefined
  if (!jwk.ok || opener === undefined) {
    host.err(`bailiwick: ${keyFile} is no key to read content with: ${jwk.ok ? 'it is not a point of its curve' : jwk.wrong}.\n`)
    return EXIT.usage
  }
  const told: Told = { opened: 0, otherKeys: new Map(), broken: [] }
  for (const file of await filesOf(path)) await readFileOf(file, { opener, decision: options['decision'], told, host })
  return conclude(told, { opener, keyFile, decision: options['decision'] }, host)
}

/** The files of a folder, a day each, in the order of the days. */
async function filesOf(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    return (await readdir(path)).filter(name => name.endsWith(SUFFIX)).sort().map(name => join(path, name))
  } catch (error) {
    throw new UsageError(`${path} cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}).`)
  }
}

type Reading = { readonly opener: Opener; readonly decision: string | undefined; readonly told: Told; readonly host: Host }

async function readFileOf(file: string, { opener, decision, told, host }: Reading): Promise<void> {
  const { headOf } = await import('../record/content.ts')
  let number = 0
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    number++
    if (line === '') continue
    const seen = headOf(line)
    if (!seen.ok) {
      told.broken.push(`${file}:${number} is not whole, or no sealed content.`)
      continue
    }
    const { head, key } = seen
    if (decision !== undefined && head.decision !== decision) continue
    if (key !== opener.key) {
      told.otherKeys.set(key, (told.otherKeys.get(key) ?? 0) + 1)
      continue
    }
    const content = await opener.open(line)
    if (content === undefined) {
      told.broken.push(`${file}:${number} does not open: it was changed after it was sealed.`)
      continue
    }
    told.opened++
    // A cut may go through a character; what is left of it is no text.
    const text = new TextDecoder().decode(content, { stream: head.cut === true })
    host.out(`${JSON.stringify({ decision: head.decision, part: head.part, at: new Date(head.at).toISOString(), bytes: head.bytes, cut: head.cut === true, text })}\n`)
  }
}

function conclude({ opened, otherKeys, broken }: Told, { opener, keyFile, decision }: { readonly opener: Opener; readonly keyFile: string; readonly decision: string | undefined }, host: Host): Exit {
  for (const what of broken) host.err(`bailiwick: ${what}\n`)
  for (const [key, count] of otherKeys) host.err(`bailiwick: ${counted(count, 'item')} sealed to another key, ${printable(key)}; ${keyFile} is ${opener.key}.\n`)
  if (opened === 0 && broken.length === 0 && otherKeys.size === 0) host.err(`bailiwick: there is no content${decision === undefined ? '' : ` of decision ${decision}`} here.\n`)
  return broken.length > 0 || (opened === 0 && otherKeys.size > 0) ? EXIT.other : EXIT.fine
}
