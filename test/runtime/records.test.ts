import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import { RECORDS_FILE } from '../../src/runtime/node-recorder.ts'
import { entriesIn } from '../support/kept.ts'
import { cleanUp, folderOf, freshFolder, serve } from '../support/processes.ts'
import { chat, onlyIn, PLACE_RULE, readiness, real, REHEARSAL } from './places.ts'
import { startProvider } from './provider-in-hand.ts'

describe('the records of a gateway', () => {
  afterEach(cleanUp)

  it('hold a decision and an outcome for each request, over a restart', async () => {
    const policies = folderOf(REHEARSAL), data = freshFolder()
    const ids: (string | null)[] = []
    for (let start = 0; start < 2; start++) {
      const gateway = await serve(policies, { data })
      const answer = await chat(gateway)
      ids.push(answer.headers.get('x-bailiwick-decision'))
      await answer.text()
      await gateway.stop()
    }
    const entries = await entriesIn(data)
    expect(entries.filter(e => e.kind === 'start')).toHaveLength(2)
    expect(entries.filter(e => e.kind === 'decision' || e.kind === 'outcome').map(e => [e.id, e.kind, e.outcome])).toEqual(ids.flatMap(id => [[id, 'decision', 'permit'], [id, 'outcome', 'answered']]))
    expect(new Set(ids).size).toBe(2)
  })

  it('hold a refusal', async () => {
    const gateway = await serve(folderOf({ ...REHEARSAL, [PLACE_RULE]: onlyIn('DE') }))
    expect((await chat(gateway)).status).toBe(403)
    expect((await entriesIn(gateway.data)).map(e => [e.kind, 'outcome' in e ? e.outcome : undefined])).toEqual([['start', undefined], ['decision', 'refuse'], ['outcome', 'refused']])
  })

  it('hold the end of a stream that ended while the gateway was stopping', async () => {
    const provider = await startProvider()
    const gateway = await serve(folderOf({ ...REHEARSAL, 'catalog/real.yaml': real(provider.url) }))
    const answer = await chat(gateway, { model: 'real/one', stream: true })
    await provider.streaming
    const ended = gateway.stop()
    await gateway.logged(line => line.event === 'stopping')
    provider.release()
    await answer.text()
    await ended
    await provider.close()
    expect((await entriesIn(gateway.data)).at(-1)).toMatchObject({ kind: 'outcome', outcome: 'answered', deployment: 'real-one' })
  })

  it('refuse requests while they cannot be written, and take them again when they can', async () => {
    const gateway = await serve(folderOf(REHEARSAL))
    const other = new DatabaseSync(join(gateway.data, RECORDS_FILE), { timeout: 5_000 })
    other.exec('BEGIN EXCLUSIVE')
    const refused = await chat(gateway)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).not.toBeNull()
    expect(await refused.json()).toMatchObject({ error: { code: 'cannot_record' } })
    expect(await readiness(gateway)).toMatchObject({ status: 'degraded', alarms: [{ name: 'records' }] })
    other.exec('ROLLBACK')
    other.close()
    expect((await chat(gateway)).status).toBe(200)
    expect(await readiness(gateway)).toMatchObject({ status: 'ready' })
  })
})
