/** `bailiwick coverage`: how many deployments every app has for every kind of data, and how many it can afford to lose. */
import { coverage, coverageInJson, withNone, type CoveredRow } from '../policy/coverage.ts'
import { inUtc } from '../policy/time.ts'
import { standingsIn } from './class-text.ts'
import { oneOf, UsageError, type Command, type Given } from './command.ts'
import { bundleOf, short } from './compiled.ts'
import { coverageTable, rowInWords } from './coverage-text.ts'
import { EXIT, type Exit } from './exit.ts'
import { complain, GATEWAY_OPTIONS, gatewayOf, inJson } from './gateway.ts'
import type { Host } from './host.ts'
import { instantOrNow } from './instant.ts'
import { POLICIES } from './serve.ts'

const FORMATS = ['text', 'json'] as const
type Format = (typeof FORMATS)[number]

/** As it is given to tools; `epoch` where a running gateway says it. */
type Report = {
  readonly at: string
  readonly bundle: string
  readonly epoch?: number
  readonly profiles: readonly CoveredRow[]
  readonly none: readonly Pick<CoveredRow, 'app' | 'data' | 'operation'>[]
}

export const coverageCommand: Command = {
  name: 'coverage',
  words: '[DIR]',
  wordsMax: 1,
  says: 'Counts for every app and kind of data the deployments there are, and those left when one provider, one country or the clouds go.',
  options: {
    at: { value: 'TIME', says: 'Count at this time instead of now' },
    live: { says: 'Ask a running gateway, which knows what is connected and well' },
    ...GATEWAY_OPTIONS,
    format: { value: 'text|json', says: 'text unless given' },
  },
  async run(given, host) {
    const { options, words } = given
    const format = oneOf('format', options['format'] ?? 'text', FORMATS)
    if (options['live'] !== undefined) return live(given, format, host)
    if (options['url'] !== undefined) throw new UsageError('--url is for coverage --live.')
    const at = instantOrNow(options['at'], host.now)
    const bundle = await bundleOf(words[0] ?? host.environment['BAILIWICK_POLICIES'] ?? POLICIES, host)
    if (bundle === undefined) return EXIT.doesNotCompile
    const profiles = coverageInJson(coverage(bundle.rulebook, at, standingsIn(bundle)))
    return show({ at: inUtc(at), bundle: bundle.digest, profiles, none: withNone(profiles) }, format, host)
  },
}

async function live(given: Given, format: Format, host: Host): Promise<Exit> {
  if (given.words.length > 0 || given.options['at'] !== undefined) throw new UsageError('coverage --live asks the running gateway as it is now: it takes no folder and no --at.')
  const gateway = await gatewayOf(given, host)
  const answered = await gateway<Report>('GET', '/admin/coverage')
  return answered.ok ? show(answered.value, format, host) : complain(answered, host)
}

function show(report: Report, format: Format, host: Host): Exit {
  const { at, bundle, epoch, profiles, none } = report
  host.out(format === 'json' ? inJson(report) : [
    `coverage at ${at}, bundle ${short(bundle)}${epoch === undefined ? '' : `, epoch ${epoch} of the running gateway`}\n\n${coverageTable(profiles)}\n`,
    none.length === 0 ? 'Every profile has a deployment.\n' : `${none.length} of ${profiles.length} profiles have none:\n${none.map(row => `  ${rowInWords(row)}\n`).join('')}`,
  ].join(''))
  return EXIT.fine
}
