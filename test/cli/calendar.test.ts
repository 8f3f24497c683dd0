import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp, folderOf } from '../support/processes.ts'
import { policy, provider, rule } from '../support/tree.ts'
import { AT, exception, FOLDER, RULES, STAYS } from './officer-folder.ts'
import { run } from './stand-in.ts'

const DATED = {
  ...FOLDER,
  [RULES]: policy('home', [STAYS, rule('watched', 'forbid: { deployment: odd }\nmode: shadow\nmode-until: 2026-12-31')].join('\n'), '{ from: 2026-01-01, timezone: Europe/Paris }'),
  'rules/winter.policy.yaml': policy('winter', rule('holiday', 'forbid: { deployment: us }'), '{ from: 2026-12-24, until: 2026-12-26, timezone: Europe/Paris }'),
  'exceptions/2026.yaml': exception('EX-1', '2026-11-01', '2026-11-30'),
  'catalog/home.yaml': provider('home', 'dialect: openai\nbase-url: http://127.0.0.1:9\nhosting: local\ncontrolled-from: [FR]\nprocessed-in: [FR]', ['{ deployment: fr, model: lab/small }']).replace('2040-01-01', '2027-01-15'),
}

describe('calendar', () => {
  afterEach(cleanUp)

  it('lists every edge in its zone, what starts or ends and where that is written, and who gains or loses', async () => {
    const said = await run(['calendar', folderOf(DATED), '--at', AT])
    expect(said.code).toBe(0)
    expect(said.out).toContain('2026-12-01T00:00:00.000+00:00 UTC  in 9 days\n  ends      exception EX-1 from home/stays  exceptions/2026.yaml:1\n  coverage  app=desk data=[personal]  loses us, 2 left\n')
    expect(said.out).toContain('2026-12-24T00:00:00.000+01:00 Europe/Paris  in 32 days\n  starts    rule winter/holiday  rules/winter.policy.yaml:8\n  coverage  app=desk data=[none]  loses us, 2 left\n  coverage  app=desk data=[source-code]  loses us, 2 left\n')
    expect(said.out).toContain('2026-12-27T00:00:00.000+01:00 Europe/Paris  in 35 days\n  ends      rule winter/holiday')
    expect(said.out).toMatch(/enforces {2}rule home\/watched {2}rules\/home\.policy\.yaml:\d+\n {2}coverage {2}app=desk data=\[none\] {2}loses odd, 2 left\n {2}coverage {2}app=desk data=\[personal\] {2}loses odd, 1 left/)
    expect(said.out).toContain('  ends      fact hosting, processed-in, controlled-from of deployment fr  catalog/home.yaml:5\n  coverage  app=desk data=[personal]  loses fr, NONE left\n')
  })

  it('looks no further than it is told, and says when nothing comes', async () => {
    expect((await run(['calendar', folderOf(DATED), '--at', AT, '--days', '20'])).out).not.toContain('2026-12-24')
    expect((await run(['calendar', folderOf(FOLDER), '--at', AT])).out).toContain('Nothing starts or ends.\n')
  })

  it('gives the same as JSON', async () => {
    const said = await run(['calendar', folderOf(DATED), '--at', AT, '--days', '10', '--format', 'json'])
    expect(JSON.parse(said.out)).toMatchObject({ dates: [{
      at: '2026-12-01T00:00:00.000+00:00', zone: 'UTC', turns: [{ turn: 'ends', kind: 'exception', where: ['exceptions/2026.yaml:1'] }],
      changes: [{ app: 'desk', data: ['personal'], lost: ['us'], gained: [] }],
    }] })
  })

  it.each([['no number', 'soon'], ['no day', '0'], ['too many', '99999']])('refuses --days with %s', async (_, days) => {
    expect((await run(['calendar', folderOf(FOLDER), '--days', days])).code).toBe(2)
  })
})
