import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { setAside } from '../../src/gateway/quarantining.ts'
import { cleanUp, folderOf } from '../support/processes.ts'
import { provider } from '../support/tree.ts'
import { inHand, type InHand } from './gateway-in-hand.ts'
import { REHEARSAL } from './places.ts'

const SOON_MS = 5_000

let policies: string
let hand: InHand
beforeEach(async () => {
  policies = folderOf(REHEARSAL)
  hand = await inHand(policies)
})
afterEach(async () => {
  await hand.stop()
  await cleanUp()
})

it('what is known of a deployment goes with its line in the policies folder, but for a compliance mismatch', async () => {
  const { gateway } = hand
  setAside(gateway, 'us-one', 'withdrawn', 'it answered 410')
  setAside(gateway, 'eu-one', 'compliance-mismatch', 'it was processed elsewhere')
  gateway.raise('key:us-one', 'A test.')
  gateway.metrics.set('bailiwick_breaker_open', 1, { deployment: 'us-one' })
  for (const [file, place] of [['pretend-us', 'us-cloud'], ['pretend-eu', 'eu-cloud']]) {
    const top = `rehearsal: ${place}\ndialect: openai\nprocessed-in: [FR]`
    writeFileSync(join(policies, `catalog/${file}.yaml`), provider(file!, top, [`{ deployment: new-${place}, model: new/${place} }`]))
  }
  await vi.waitFor(() => expect(gateway.alarms().map(a => a.name)).toEqual(['quarantine:eu-one']), { timeout: SOON_MS, interval: 20 })
  expect(gateway.epochs.current().bundle.catalog.byName.has('us-one')).toBe(false)
  expect(gateway.metrics.text()).not.toContain('bailiwick_breaker_open{deployment="us-one"}')
})
