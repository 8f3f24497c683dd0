/** What an outcome says of those who answered, and that a step's decision leads to that of which it is one. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Ended } from '../../src/dispatch/dispatch.ts'
import type { Call } from '../../src/gateway/call.ts'
import { handle } from '../../src/gateway/handle.ts'
import { outcomeOf } from '../../src/gateway/recording.ts'
import { readBody } from '../../src/openai/body.ts'
import { readRequest } from '../../src/openai/request.ts'
import type { Entry } from '../../src/record/record.ts'
import { scripted, whole } from '../support/provider.ts'
import { bundleOf, provider } from '../support/tree.ts'
import { ask, desk } from './asking.ts'
import { host, running } from './running.ts'

const bundle = bundleOf({
  ...await desk(), 'catalog/lab.yaml': provider('lab', 'dialect: openai\nbase-url: http://127.0.0.1:9', [
    '{ deployment: paris, model: lab/a, processed-in: [FR], price: { input: 2, output: 4, currency: EUR } }',
    '{ deployment: anywhere, model: lab/b, processed-in: [FR, DE], price: { input: 10, output: 10, currency: EUR } }',
    '{ deployment: somewhere, model: lab/c }',
  ]),
})
const END: Ended = { outcome: 'answered', failure: undefined, usage: { input: 1_000_000, output: 500_000 }, pieces: 0, servedModel: undefined, reportedRegion: undefined, deployments: ['paris'], mismatch: undefined }

describe('the outcome of an answer', () => {
  const outcome = async (end: Partial<Ended>): Promise<ReturnType<typeof outcomeOf>> => {
    const made = await bundle, deployments = end.deployments ?? END.deployments
    return outcomeOf({ ...END, ...end }, { kind: 'whole', body: new Uint8Array(), attempts: [], deployment: made.catalog.byName.get(deployments[0]!)! }, made)
  }
  it('says where it was made, by the facts, and what it cost', async () => {
    expect(await outcome({})).toMatchObject({ deployment: 'paris', processedIn: ['FR'], cost: 4 })
  })
  it('says all places of all whose words are in it; the price is the last one\'s', async () => {
    expect(await outcome({ deployments: ['paris', 'anywhere'] })).toMatchObject({ deployment: 'paris', processedIn: ['FR', 'DE'], cost: 15, deployments: ['paris', 'anywhere'] })
  })
  it('says no place where that of one of them is not known, and no cost without a price or a usage', async () => {
    const unknown = await outcome({ deployments: ['paris', 'somewhere'] })
    expect(unknown).not.toHaveProperty('processedIn')
    expect(unknown).not.toHaveProperty('cost')
    expect(await outcome({ usage: undefined })).not.toHaveProperty('cost')
  })
  it('says what the server reported, where it did', async () => {
    expect(await outcome({ servedModel: 'a-2026', reportedRegion: 'fr' })).toMatchObject({ servedModel: 'a-2026', reportedRegion: 'fr' })
    expect(Object.keys(await outcome({}))).not.toContain('reportedRegion')
  })
})

describe('the decision of which a request is a step', () => {
  const closing: (() => Promise<void>)[] = []
  afterEach(async () => { await Promise.all(closing.splice(0).map(close => close())) })

  it('is on record where the gateway itself says so, and no caller can', async () => {
    const kept: Entry[] = []
    const made = running(host(), await bundle)
    closing.push(made.close)
    const gateway = { ...made.gateway, providers: scripted({ paris: whole('yes') }), keep: (entry: Entry) => Promise.resolve(kept.push(entry) > 0) }
    const text = new TextEncoder().encode(JSON.stringify({ model: 'lab/a', parent: 'd-forged-0', messages: [{ role: 'user', content: 'x' }] }))
    const body = readBody(text), wanted = readRequest('chat', { model: 'lab/a', messages: [{ role: 'user' }] }, text.length)
    if (!body.ok || !wanted.ok) throw new Error('no request')
    const call: Call = { requestId: 'r', app: 'desk', operation: 'chat', body: body.body, needs: wanted.needs, stated: {}, agentDepth: 1, dryRun: false, receivedAt: gateway.ports.clock.now(), signal: new AbortController().signal }
    await handle(gateway, { ...call, parent: 'd-parent-0' })
    await handle(gateway, call)
    await ask(gateway, { model: 'lab/a' })
    expect(kept.filter(entry => entry.kind === 'decision').map(({ parent }) => parent)).toEqual(['d-parent-0', undefined, undefined])
  })
})
