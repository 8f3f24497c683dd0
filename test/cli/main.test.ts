import { describe, expect, it } from 'vitest'
import { run } from './stand-in.ts'

describe('the command line', () => {
  it('says what there is', async () => {
    const said = await run(['--help'])
    expect(said.code).toBe(0)
    for (const name of ['serve', 'check', 'explain', 'keys', 'init', 'rehearse']) expect(said.out).toContain(`  ${name} `)
  })

  it.each(['serve', 'check', 'explain', 'keys', 'init', 'rehearse'])('explains %s alike by --help and by help', async name => {
    const said = await run([name, '--help'])
    expect(said.code).toBe(0)
    expect(said.out).toContain(`bailiwick ${name}`)
    expect((await run(['help', name])).out).toBe(said.out)
  })

  it('says its version', async () => {
    expect(await run(['--version'])).toMatchObject({ code: 0, out: 'bailiwick 9.9.9\n' })
  })

  it.each([
    [['chekc'], "'chekc' is not a command. Did you mean check?"],
    [['help', 'sevre'], "'sevre' is not a command. Did you mean serve?"],
    [['serve', '--prot', '1'], '--prot is not an option of serve. Did you mean --port?'],
    [['serve', '--unlike-anything', '1'], '--unlike-anything is not an option of serve.'],
    [['serve', '--port'], '--port needs a value: --port PORT'],
    [['serve', '--port', '--host'], '--port needs a value: --port PORT'],
    [['serve', '--port', '70000'], '--port is a whole number from 0 to 65535'],
    [['serve', '--port', '80x'], '--port is a whole number from 0 to 65535'],
    [['serve', '--port', '1', '--port', '2'], '--port was given twice.'],
    [['serve', 'now'], "serve does not know what to do with 'now'."],
    [['serve', '--place', 'UK'], '--place is an ISO country code'],
    [['check', '--strict=yes'], '--strict takes no value.'],
    [['explain', '--request', '-', '--format', 'jsn'], "--format is one of text, json, not 'jsn'. Did you mean json?"],
    [['rehearse'], '--pretend is missing'],
    [['rehearse', '--pretend', 'us-clod'], 'Did you mean us-cloud?'],
    [['keys', 'old', 'crm'], "keys does not know 'old'"],
    [['keys', 'new'], 'keys new needs the name of an app'],
    [['init'], 'init needs the folder to write'],
  ])('refuses %j', async (args, wrong) => {
    const said = await run(args)
    expect(said).toMatchObject({ code: 2, out: '', served: [] })
    expect(said.err).toContain(wrong)
  })

  it('ends with 2 when it is asked for nothing', async () => {
    expect((await run([])).code).toBe(2)
  })
})

describe('serve', () => {
  it('listens where the architecture says unless told otherwise', async () => {
    expect((await run(['serve'])).served).toEqual([{
      hostname: '127.0.0.1', port: 8787, policies: 'policies', data: '.bailiwick', place: undefined, state: undefined, adminToken: undefined, bodyBytesMax: undefined, retainMs: undefined,
    }])
  })

  it('takes its settings from the environment, and an option before the environment', async () => {
    const environment = { HOST: '::1', PORT: '9', BAILIWICK_POLICIES: 'p', BAILIWICK_DATA: 'd', BAILIWICK_PLACE: 'FR', BAILIWICK_STATE: 's', BAILIWICK_ADMIN_TOKEN: 't', BAILIWICK_RETAIN: '2y' }
    expect((await run(['serve', '--port', '10', '--body-limit', '2048'], { environment })).served).toEqual([{
      hostname: '::1', port: 10, policies: 'p', data: 'd', place: 'FR', state: 's', adminToken: 't', bodyBytesMax: 2048, retainMs: 2 * 366 * 86_400_000,
    }])
  })

  it('takes no address for the file in which gateways share their state', async () => {
    const ran = await run(['serve', '--state', 'redis://localhost:6379'])
    expect([ran.code, ran.served]).toEqual([2, []])
    expect(ran.err).toContain('--state is a file')
  })

  it.each([['400d', 400 * 86_400_000], ['12h', 12 * 3_600_000], ['6', undefined], ['0d', undefined], ['-1d', undefined], ['1.5y', undefined], ['6 y', undefined], ['6m', undefined]])('takes %s for how long records are kept, or says how that is written', async (retain, ms) => {
    const ran = await run(['serve', `--retain=${retain}`])
    if (ms !== undefined) return expect(ran.served).toMatchObject([{ retainMs: ms }])
    expect([ran.code, ran.served]).toEqual([2, []])
    expect(ran.err).toContain('--retain is a whole number and y, d or h')
  })

  it('takes an empty variable for none', async () => {
    expect((await run(['serve'], { environment: { PORT: '', BAILIWICK_ADMIN_TOKEN: '' } })).served).toMatchObject([{ port: 8787, adminToken: undefined }])
  })
})
