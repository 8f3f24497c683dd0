import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { setAside } from '../../src/gateway/quarantining.ts'
import { ADMIN, listening, type Listening } from '../support/listening.ts'
import { app, bundleOf, provider } from '../support/tree.ts'
import { run, type Said } from './stand-in.ts'

const NAME = 'lab/one@eu:1'
let gateway: Listening

beforeEach(async () => {
  gateway = await listening({
    bundle: await bundleOf({
      'apps/desk.yaml': app('desk'),
      'catalog/lab.yaml': provider('lab', 'dialect: openai\nbase-url: http://127.0.0.1:9', [`{ deployment: "${NAME}", model: lab/one }`, '{ deployment: two, model: lab/two }']),
    }),
  })
})
afterEach(() => gateway.close())

const quarantine = (...args: readonly string[]): Promise<Said> =>
  run(['quarantine', ...args, '--url', gateway.url], { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN, USER: 'ada' } })
const aside = (): readonly string[] => gateway.gateway.quarantine.all().map(q => q.deployment)

describe('bailiwick quarantine list', () => {
  it('says that nothing is aside', async () => {
    expect(await quarantine('list')).toMatchObject({ code: 0, out: 'No deployment is set aside.\n' })
  })

  it('says what is, why, and who may release it', async () => {
    setAside(gateway.gateway, NAME, 'compliance-mismatch', 'it was processed in US, the catalog says FR')
    setAside(gateway.gateway, 'two', 'withdrawn', 'it answered 410')
    const { code, out } = await quarantine('list')
    expect(code).toBe(0)
    expect(out).toMatch(new RegExp(`^${NAME}  compliance-mismatch, since \\S+Z\n  it was processed in US, the catalog says FR\n  released by a person\n\ntwo  withdrawn`))
    expect(out).toMatch(/released by the gateway, once it answers, or a person\n\n2 deployments set aside\.\n$/)
    const { quarantine: listed } = JSON.parse((await quarantine('list', '--format', 'json')).out) as { quarantine: readonly object[] }
    expect(listed).toMatchObject([{ deployment: NAME, reason: 'compliance-mismatch' }, { deployment: 'two', reason: 'withdrawn' }])
  })

  it('needs the admin token', async () => {
    const said = await run(['quarantine', 'list', '--url', gateway.url], { environment: { BAILIWICK_ADMIN_TOKEN: 'another' } })
    expect(said).toMatchObject({ code: 1, out: '' })
    expect(said.err).toContain('refused the admin token')
  })
})

describe('bailiwick quarantine release', () => {
  beforeEach(() => setAside(gateway.gateway, NAME, 'compliance-mismatch', 'it was processed in US, the catalog says FR'))

  it('releases it, on record with who did', async () => {
    const said = await quarantine('release', NAME, '--yes', '--author', 'Ada Adler')
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toMatch(new RegExp(`^released  ${NAME} at \\S+Z by Ada Adler; it was set aside as compliance-mismatch\n$`))
    expect(aside()).toEqual([])
    expect(gateway.entries.at(-2)).toMatchObject({ kind: 'quarantine', action: 'released', deployment: NAME, author: 'Ada Adler' })
  })

  it('names the user of the machine unless told otherwise', async () => {
    expect(JSON.parse((await quarantine('release', NAME, '--yes', '--format', 'json')).out)).toMatchObject({ deployment: NAME, released: true, author: 'ada' })
  })

  it('shows what it is about and changes nothing where nobody can be asked', async () => {
    const said = await quarantine('release', NAME)
    expect(said).toMatchObject({ code: 4, out: '' })
    expect(said.err).toContain('it was processed in US, the catalog says FR')
    expect(said.err).toContain('nothing was changed. Nobody can be asked here; add --yes to release it.')
    expect(aside()).toEqual([NAME])
  })

  it('refuses what is not aside', async () => {
    expect(await quarantine('release', 'two', '--yes')).toMatchObject({ code: 4, out: '', err: 'bailiwick: two is not set aside.\n' })
    expect((await quarantine('release', 'lab/one@eu:2', '--yes')).err).toContain(`Did you mean ${NAME}?`)
    expect(aside()).toEqual([NAME])
  })
})

it.each([
  [['quarantine'], 'quarantine needs a word'], [['quarantine', 'relese', 'x'], "quarantine does not know 'relese'. Did you mean release?"],
  [['quarantine', 'release'], 'needs the name of a deployment'], [['quarantine', 'list', 'two'], 'takes no name'],
  [['quarantine', 'list', '--yes'], '--yes is for quarantine release'], [['quarantine', 'list', '--author', 'Ada'], '--author is for quarantine release'],
])('refuses %j', async (args, wrong) => {
  const said = await run(args, { environment: { BAILIWICK_ADMIN_TOKEN: ADMIN } })
  expect(said).toMatchObject({ code: 2, out: '' })
  expect(said.err).toContain(wrong)
})
