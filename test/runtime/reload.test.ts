import { rmSync, writeFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp, folderOf, serve } from '../support/processes.ts'
import { chat, onlyIn, PLACE_RULE, readiness, REHEARSAL } from './places.ts'
import { policy, rule } from '../support/tree.ts'

const WITHIN_MS = 1_000
const reloaded = (line: { readonly event: string; readonly cause?: unknown }): boolean => line.event === 'pool-rebuilt' && line.cause === 'policies changed'

describe('policies that change under a running gateway', () => {
  afterEach(cleanUp)

  it('are in force within a second, and what they forbid is refused', async () => {
    const folder = folderOf({ ...REHEARSAL, [PLACE_RULE]: onlyIn('FR') })
    const gateway = await serve(folder)
    expect((await chat(gateway, { model: 'eu/one' })).headers.get('x-bailiwick-deployment')).toBe('eu-one')
    const changedAt = Date.now()
    writeFileSync(join(folder, PLACE_RULE), onlyIn('US'))
    const line = await gateway.logged(reloaded)
    expect(Date.parse(String(line['at'])) - changedAt).toBeLessThan(WITHIN_MS)
    expect((await readiness(gateway)).bundle).not.toMatch(new RegExp(`^${gateway.bundle}`))
    expect((await chat(gateway, { model: 'us/one' })).headers.get('x-bailiwick-deployment')).toBe('us-one')
    writeFileSync(join(folder, 'rules/none.policy.yaml'), policy('none', rule('nobody', 'forbid: all')))
    await gateway.logged(l => reloaded(l) && l !== line && l['epoch'] !== line['epoch'])
    expect((await chat(gateway)).status).toBe(403)
  })

  it('leave the earlier ones in force when they do not compile, loudly, until they are mended', async () => {
    const folder = folderOf({ ...REHEARSAL, [PLACE_RULE]: onlyIn('FR') })
    const gateway = await serve(folder)
    const before = await readiness(gateway)
    expect(before).toMatchObject({ status: 'ready', alarms: [] })

    // A good change in one file and a mistake in another: nothing of either may act.
    writeFileSync(join(folder, PLACE_RULE), onlyIn('FRA'))
    writeFileSync(join(folder, 'rules/none.policy.yaml'), policy('none', rule('nobody', 'forbid: all')))
    await gateway.logged(line => line.event === 'alarm')
    const degraded = await readiness(gateway)
    expect(degraded).toMatchObject({ status: 'degraded', bundle: before.bundle, alarms: [{ name: 'policies' }] })
    expect(degraded.alarms[0]?.message).toContain(`${PLACE_RULE}:12:30: `)
    expect((await chat(gateway)).status).toBe(200)
    expect(gateway.log().find(line => line.event === 'policy-problem')).toMatchObject({ file: PLACE_RULE, line: 12, column: 30 })
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain('bailiwick_bundle_reload_failed_total 1')

    writeFileSync(join(folder, PLACE_RULE), onlyIn('FR'))
    await gateway.logged(line => line.event === 'alarm-over')
    expect(await readiness(gateway)).toMatchObject({ status: 'ready', alarms: [] })
    expect((await chat(gateway)).status).toBe(403)
  })

  it('come back without a new epoch when a mistake is undone', async () => {
    const folder = folderOf({ ...REHEARSAL, [PLACE_RULE]: onlyIn('FR') })
    const gateway = await serve(folder)
    const { epoch } = await readiness(gateway)
    writeFileSync(join(folder, PLACE_RULE), '- nonsense')
    await gateway.logged(line => line.event === 'alarm')
    writeFileSync(join(folder, PLACE_RULE), onlyIn('FR'))
    await gateway.logged(line => line.event === 'alarm-over')
    expect((await readiness(gateway)).epoch).toBe(epoch)
  })

  it('leave the earlier ones in force when the folder goes, and act when it is there again', async () => {
    const folder = folderOf({ ...REHEARSAL, [PLACE_RULE]: onlyIn('FR') })
    const gateway = await serve(folder)
    renameSync(folder, `${folder}-away`)
    await gateway.logged(line => line.event === 'alarm')
    expect((await readiness(gateway)).alarms[0]?.message).toContain('does not exist')
    expect((await chat(gateway)).status).toBe(200)
    renameSync(`${folder}-away`, folder)
    await gateway.logged(line => line.event === 'alarm-over')
    rmSync(join(folder, PLACE_RULE))
    await gateway.logged(reloaded)
    expect((await chat(gateway, { model: 'us/one' })).headers.get('x-bailiwick-deployment')).toBe('us-one')
  })

  it('begin to act at their second, without a request to remind them', async () => {
    const beginsAt = new Date(Date.now() + 5_000).toISOString().slice(0, 19)
    const folder = folderOf({ ...REHEARSAL, [PLACE_RULE]: policy('place', rule('nobody', 'forbid: all'), `{ from: ${beginsAt}, timezone: UTC }`) })
    const gateway = await serve(folder)
    expect((await chat(gateway)).status).toBe(200)
    const line = await gateway.logged(l => l.event === 'pool-rebuilt' && String(l['cause']).startsWith('time: '))
    const lateMs = Date.parse(String(line['at'])) - Date.parse(`${beginsAt}Z`)
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect(lateMs).toBeLessThan(WITHIN_MS)
    expect((await chat(gateway)).status).toBe(403)
  })
})
