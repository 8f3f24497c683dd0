/** `bailiwick serve`: the gateway, until it is told to stop. */
import { wholeNumber, UsageError, type Command } from './command.ts'
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
    'body-limit': { value: 'BYTES', variable: 'BAILIWICK_BODY_LIMIT', says: 'The largest request body' },
  },
  async run({ options }, host) {
    const place = options['place']
    if (place !== undefined && !isCountry(place)) throw new UsageError(`--place is an ISO country code such as FR, not '${place}'.`)
    const state = options['state']
    if (state?.includes('://') === true) throw new UsageError(`--state is a file on this machine, not '${state}'.`)
    const bodyLimit = options['body-limit']
    return host.serve({
      hostname: options['host'] ?? '127.0.0.1',
      port: wholeNumber('port', options['port'] ?? '8787', { least: 0, most: PORT_MOST }),
      policies: options['policies'] ?? POLICIES,
      data: options['data'] ?? '.bailiwick',
      place,
      state,
      adminToken: host.environment['BAILIWICK_ADMIN_TOKEN'] || undefined,
      bodyBytesMax: bodyLimit === undefined ? undefined : wholeNumber('body-limit', bodyLimit, { least: BODY_BYTES_LEAST, most: BODY_BYTES_MOST }),
    })
  },
}
