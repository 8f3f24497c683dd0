/** `bailiwick rehearse`: one pretended provider as a process of its own, to be stopped and started while a gateway looks on. */
import { oneOf, UsageError, wholeNumber, type Command } from './command.ts'
import { PRETENDS } from './host.ts'
import { PORT_MOST } from './serve.ts'

export const rehearse: Command = {
  name: 'rehearse',
  words: '',
  wordsMax: 0,
  says: 'Runs one pretended provider, for trying out what happens when it fails.',
  options: {
    pretend: { value: 'WHAT', says: `What it pretends to be: ${PRETENDS.join(', ')}` },
    host: { value: 'ADDRESS', says: 'Address to listen on; 127.0.0.1 unless given' },
    port: { value: 'PORT', says: 'Port to listen on; 0, which picks one, unless given' },
    models: { value: 'A,B', says: 'The models it answers for; "rehearsal" unless given' },
  },
  async run({ options }, host) {
    const pretend = options['pretend']
    if (pretend === undefined) throw new UsageError(`--pretend is missing: one of ${PRETENDS.join(', ')}.`)
    const models = (options['models'] ?? 'rehearsal').split(',').map(m => m.trim()).filter(m => m !== '')
    if (models.length === 0) throw new UsageError('--models names no model.')
    return host.rehearse({
      pretends: oneOf('pretend', pretend, PRETENDS),
      hostname: options['host'] ?? '127.0.0.1',
      port: wholeNumber('port', options['port'] ?? '0', { least: 0, most: PORT_MOST }),
      models,
    })
  },
}
