import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp, folderOf } from '../support/processes.ts'
import { AT, exception, FOLDER } from './officer-folder.ts'
import { run } from './stand-in.ts'

const LISTED = {
  ...FOLDER,
  'exceptions/2026.yaml': [
    exception('EX-soon', '2026-11-01', '2026-11-30'), exception('EX-over', '2026-10-01', '2026-10-31'), exception('EX-next', '2026-12-15', '2026-12-31'),
    exception('EX-idle', '2026-11-01', '2026-12-31', '{ deployment: fr }'), exception('EX-far', '2026-11-01', '2026-12-31', '{ deployment: us }', '{ app: desk, user-in: CH }'),
  ].join(''),
}

describe('exceptions', () => {
  afterEach(cleanUp)

  it('says of each whether it is in force, ends soon, has ended or is to come', async () => {
    const said = await run(['exceptions', folderOf(LISTED), '--at', AT])
    expect(said.code).toBe(0)
    expect(said.out).toMatch(/^ends-soon +EX-soon +from home\/stays +ends 2026-12-01T00:00:00\.000Z \(in 9 days\) .*exceptions\/2026\.yaml:1$/m)
    expect(said.out).toMatch(/^ended +EX-over .*ended 2026-11-01T00:00:00\.000Z/m)
    expect(said.out).toMatch(/^to-come +EX-next .*begins 2026-12-15T00:00:00\.000Z \(in 23 days\)/m)
    expect(said.out).toContain('1 ends-soon, 2 live, 1 to-come, 1 ended, 1 unused\n')
  })

  it('names those that change nothing, and what it cannot know of the others', async () => {
    const said = await run(['exceptions', folderOf(LISTED), '--at', AT])
    expect(said.out).toMatch(/^live +EX-idle .*unused: changes nothing for any registered class/m)
    expect(said.out).toMatch(/^live +EX-far .*not known to be used: hangs on user-in/m)
    expect(said.out).not.toMatch(/^ends-soon +EX-soon .*unused/m)
  })

  it('gives the same as JSON', async () => {
    const said = await run(['exceptions', folderOf(LISTED), '--at', AT, '--format', 'json'])
    const { exceptions } = JSON.parse(said.out) as { exceptions: { exception: string; state: string; used: string | null }[] }
    expect(exceptions.map(e => [e.exception, e.state, e.used])).toEqual([
      ['EX-soon', 'ends-soon', 'yes'], ['EX-idle', 'live', 'no'], ['EX-far', 'live', 'not-known'], ['EX-next', 'to-come', null], ['EX-over', 'ended', null],
    ])
  })

  it('says when there are none', async () => {
    expect((await run(['exceptions', folderOf(FOLDER)])).out).toBe('There are no exceptions.\n')
  })
})
