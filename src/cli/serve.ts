/** `bailiwick serve`: the gateway, until it is told to stop. */
import { wholeNumber, UsageError, type Command, type Given } from './command.ts'
import type { ServeOptions } from './host.ts'
import { isCountry } from '../policy/countries.ts'

const BODY_BYTES_LEAST = 1_024
const BODY_BYTES_MOST = 1_073_741_824
export const PORT_MOST = 65_535
export const POLICIES = 'policies'

export const serve: Command = {
  name: 'serve',
  words: '',
  wordsMax: 0,
  says: 'Answers requests until it gets SIGTERM or SIGINT; then it finishes what it began.',
  options: {
    host: { value: 'ADDRESS', variable: 'HOST', says: 'Address to listen on; 127.0.0.1 unless given' },
    port: { value: 'PORT', variable: 'PORT', says: 'Port to listen on; 8787 unless given, 0 picks one' },
    policies: { value: 'DIR', variable: 'BAILIWICK_POLICIES', says: 'The policies; ./policies unless given' },
    data: { value: 'DIR', variable: 'BAILIWICK_DATA', says: 'Records and the admin token; ./.bailiwick unless given' },
    place: { value: 'COUNTRY', variable: 'BAILIWICK_PLACE', says: 'The country where the records are kept, such as FR' },
    state: { value: 'FILE', variable: 'BAILIWICK_STATE', says: 'Where gateways of this machine tell each other which deployments fail or are set aside' },
    retain: { value: 'DURATION', variable: 'BAILIWICK_RETAIN', says: 'Delete records older than this, such as 6y or 400d; nothing is deleted unless given' },
    'content-log': { value: 'DIR', variable: 'BAILIWICK_CONTENT_LOG', says: 'Where prompts and answers are kept, sealed, if every rule that speaks of it says log: full; nowhere unless given' },
    'content-key': { value: 'FILE', variable: 'BAILIWICK_CONTENT_KEY', says: 'The public key that they are sealed to; content key new makes one' },
    'content-place': { value: 'COUNTRY', variable: 'BAILIWICK_CONTENT_PLACE', says: 'The country where that folder is, such as FR' },
    'body-limit': { value: 'BYTES', variable: 'BAILIWICK_BODY_LIMIT', says: 'The largest request body' },
  },
  async run({ options }, host) {
    const place = options['place']
    for (const option of ['place', 'content-place']) {
      const given = options[option]
      if (given !== undefined && !isCountry(given)) throw new UsageError(`--${option} is an ISO country code such as FR, not '${given}'.`)
    }
    const state = options['state']
    if (state?.includes('://') === true) throw new UsageError(`--state is a file on this machine, not '${state}'.`)
    const bodyLimit = options['body-limit'], retain = options['retain']
    return host.serve({
      hostname: options['host'] ?? '127.0.0.1',
      port: wholeNumber('port', options['port'] ?? '8787', { least: 0, most: PORT_MOST }),
      policies: options['policies'] ?? POLICIES,
      data: options['data'] ?? '.bailiwick',
      place,
      state,
      adminToken: host.environment['BAILIWICK_ADMIN_TOKEN'] || undefined,
      bodyBytesMax: bodyLimit === undefined ? undefined : wholeNumber('body-limit', bodyLimit, { least: BODY_BYTES_LEAST, most: BODY_BYTES_MOST }),
      content: contentOf(options),
      retainMs: retain === undefined ? undefined : lengthOf(retain),
    })
  },
}

/** A folder without a key would hold nothing, and a key without a folder seals nothing: half of it is a mistake. */
function contentOf({ 'content-log': folder, 'content-key': keyFile, 'content-place': place }: Given['options']): ServeOptions['content'] {
  if (folder !== undefined && keyFile !== undefined) return { folder, keyFile, place }
  if (folder !== undefined) throw new UsageError('--content-log needs --content-key FILE, the public key that content is sealed to. bailiwick content key new FILE makes one.')
  if (keyFile !== undefined) throw new UsageError('--content-key needs --content-log DIR, the folder where content is kept.')
  if (place !== undefined) throw new UsageError('--content-place needs --content-log DIR and --content-key FILE.')
  return undefined
}

/** A year has as many days as the longest one, so that nothing is deleted a day too early. */
const UNIT_MS: { readonly [unit: string]: number } = { y: 366 * 86_400_000, d: 86_400_000, h: 3_600_000 }

function lengthOf(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,5})([ydh])$/.exec(text) ?? []
  if (count === undefined) throw new UsageError(`--retain is a whole number and y, d or h, such as 6y or 400d, not '${text}'.`)
  return Number(count) * UNIT_MS[unit!]!
}
