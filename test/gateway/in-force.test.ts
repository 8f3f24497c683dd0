import { afterEach, describe, expect, it } from 'vitest'
import { failure } from '../../src/failure.ts'
import { putInForce } from '../../src/gateway/in-force.ts'
import { noticed } from '../../src/gateway/noticing.ts'
import { setAside } from '../../src/gateway/quarantining.ts'
import { app, bundleOf, provider } from '../support/tree.ts'
import { host, running, type Running } from './running.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

const listing = (...names: readonly string[]): ReturnType<typeof bundleOf> => bundleOf({
  'apps/desk.yaml': app('desk'),
  'catalog/lab.yaml': provider('lab', 'dialect: openai\nbase-url: http://127.0.0.1:9', names.map(name => `{ deployment: ${name}, model: lab/${name} }`)),
})
async function world(): Promise<Running> {
  const started = running(host(), await listing('goes', 'stays'))
  closing.push(started.close)
  return started
}
const nextBundle = async ({ gateway, settled }: Running): Promise<void> => {
  putInForce(gateway, await listing('stays'), 'policies changed')
  await settled()
}
const gauges = ({ gateway }: Running): readonly string[] => gateway.metrics.text().split('\n').filter(line => line.startsWith('bailiwick_breaker_open{')).toSorted()
const alarms = ({ gateway }: Running): readonly string[] => gateway.alarms().map(a => a.name).toSorted()

describe('with a deployment that the catalog no longer holds', () => {
  it('the gauge of its breaker goes, and that of another stays as it is', async () => {
    const w = await world()
    w.breakers.set('goes', 'open')
    w.breakers.set('stays', 'open')
    expect(gauges(w)).toEqual(['bailiwick_breaker_open{deployment="goes"} 1', 'bailiwick_breaker_open{deployment="stays"} 1'])
    await nextBundle(w)
    expect(gauges(w)).toEqual(['bailiwick_breaker_open{deployment="stays"} 1'])
  })

  it('the alarm about its key goes, and that about the key of another stays', async () => {
    const w = await world()
    const { catalog } = w.gateway.epochs.current().bundle
    for (const deployment of catalog.deployments) noticed(w.gateway, deployment, failure('misconfigured', 'A test.', { upstream: { status: 403 } }))
    expect(alarms(w)).toEqual(['key:goes', 'key:stays'])
    await nextBundle(w)
    expect(alarms(w)).toEqual(['key:stays'])
  })

  it.each(['withdrawn', 'key-refused'] as const)('what set it aside as %s is over, on record, and that of another is not', async reason => {
    const w = await world()
    for (const name of ['goes', 'stays']) setAside(w.gateway, name, reason, 'a test')
    await nextBundle(w)
    expect(w.gateway.quarantine.all().map(q => q.deployment)).toEqual(['stays'])
    expect(alarms(w)).toEqual(['quarantine:stays'])
    expect(w.entries.filter(e => e.kind === 'quarantine' && e.action === 'released')).toMatchObject([{ deployment: 'goes', reason }])
  })

  it('a compliance mismatch stays: it may come back, and only a person releases it', async () => {
    const w = await world()
    setAside(w.gateway, 'goes', 'compliance-mismatch', 'it was processed elsewhere')
    await nextBundle(w)
    expect(alarms(w)).toEqual(['quarantine:goes'])
    putInForce(w.gateway, await listing('goes', 'stays'), 'policies changed')
    await w.settled()
    expect(w.gateway.epochs.profiles()[0]!.available).toEqual(['stays'])
    expect(w.entries.filter(e => e.kind === 'quarantine')).toMatchObject([{ action: 'set' }])
  })
})
