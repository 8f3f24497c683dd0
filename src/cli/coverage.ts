/** `bailiwick coverage`: how many deployments every app has for every kind of data, and how many it can afford to lose. */
import { coverage } from '../policy/coverage.ts'
import { inUtc } from '../policy/time.ts'
import { classInWords, isFitIn } from './class-text.ts'
import { oneOf, type Command } from './command.ts'
import { bundleOf, short } from './compiled.ts'
import { coverageInJson, coverageTable, withNone } from './coverage-text.ts'
import { EXIT } from './exit.ts'
import { instantOrNow } from './instant.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json'] as const

export const coverageCommand: Command = {
  name: 'coverage',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Counts for every app and kind of data the deployments there are, and those left when one provider, one country or the clouds go.',
  options: {
    at: { value: 'TIME', says: 'Count at this time instead of now' },
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run({ options, words }, host) {
    const at = instantOrNow(options['at'], host.now)
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    const bundle = await bundleOf(words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES, host)
    if (bundle === undefined) return EXIT.doesNotCompile
    const rows = coverage(bundle.rulebook, at, isFitIn(bundle)), none = withNone(rows)
    if (format === 'json') {
      host.out(`${JSON.stringify({ at: inUtc(at), bundle: bundle.digest, profiles: coverageInJson(rows), none: none.map(({ app, data }) => ({ app, data })) }, undefined, 2)}\n`)
    } else {
      host.out(`coverage at ${inUtc(at)}, bundle ${short(bundle.digest)}\n\n${coverageTable(rows)}\n`)
      host.out(none.length === 0 ? 'Every profile has a deployment.\n' : `${none.length} of ${rows.length} profiles have none:\n${none.map(row => `  ${classInWords(row)}\n`).join('')}`)
    }
    return EXIT.fine
  },
}
