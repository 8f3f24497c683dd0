/** `bailiwick keys new APP`: a key, shown once, and the line that lets it in. Nothing is written anywhere. */
import { createHash } from 'node:crypto'
import { maybe, UsageError, type Command } from './command.ts'
import { bundleOf } from './compiled.ts'
import { EXIT } from './exit.ts'
import { POLICIES } from './serve.ts'

const KEY_BYTES = 32

export const keys: Command = {
  name: 'keys',
  words: 'new APP',
  wordsMax: 2,
  says: 'Makes a key for an app and says which line lets it in.',
  options: { policies: { value: 'DIR', variable: 'BAILIWICK_POLICIES', says: 'The policies; ./policies unless given' } },
  async run({ options, words: [what, name] }, host) {
    if (what !== 'new') throw new UsageError(what === undefined ? 'keys needs a word: keys new APP' : `keys does not know '${what}': keys new APP`)
    if (name === undefined) throw new UsageError('keys new needs the name of an app: keys new APP')
    const folder = options['policies'] ?? POLICIES
    const bundle = await bundleOf(folder, host)
    if (bundle === undefined) return EXIT.doesNotCompile
    const app = bundle.rulebook.apps.get(name)
    if (app === undefined) throw new UsageError(`No app is called '${name}' in ${folder}.${maybe(name, [...bundle.rulebook.apps.keys()])}`)
    const key = `bw-${Buffer.from(host.randomBytes(KEY_BYTES)).toString('base64url')}`
    host.out([
      `Key for ${name}, shown this once:`, '', `  ${key}`, '',
      `Put its hash into the list key-hashes of ${folder}/${app.place.file} (if the list is there as [], write it like this instead):`, '',
      'key-hashes:', `  - ${hashOf(key)}`, '',
    ].join('\n'))
    return EXIT.fine
  },
}

/** How an app file knows a key: the SHA-256 of its text. */
const hashOf = (key: string): string => `sha256:${createHash('sha256').update(key).digest('hex')}`
