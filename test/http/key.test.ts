import { beforeAll, describe, expect, test } from 'vitest'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { appOf, refuseAdmin } from '../../src/http/key.ts'
import { app, bundleOf, keyHash, provider } from '../support/tree.ts'

const KEY = 'bw:key/with=every.sort~of_sign'
let bundle: Bundle
beforeAll(async () => {
  bundle = await bundleOf({
    'catalog/p.yaml': provider('p', 'processed-in: [FR]', ['{ deployment: d, model: p/m }']),
    'apps/a.yaml': app('a', `grants: all\nkey-hashes: ['${await keyHash(KEY)}']`),
    'apps/home.yaml': app('home', `grants: all\nloopback-only: yes\nkey-hashes: ['${await keyHash('home')}']`),
  })
})
const who = (authorization: string | undefined, loopback = false): ReturnType<typeof appOf> => appOf(authorization, { bundle, isLoopback: () => loopback })

describe('a key', () => {
  test.each([`Bearer ${KEY}`, `bearer ${KEY}`, `BEARER   ${KEY}`])('names its app', async authorization => {
    expect(await who(authorization)).toEqual({ ok: true, app: 'a' })
  })

  test.each([undefined, '', 'Bearer', 'Bearer ', KEY, `Basic ${KEY}`, `Bearer ${KEY}x`, `Bearer ${KEY.slice(1)}`, `Bearer ${KEY} ${KEY}`, `Bearer ${KEY}, Bearer ${KEY}`, `Bearer é${KEY}`, `Bearer ${'x'.repeat(4_097)}`])(
    'that is missing, malformed or wrong names nobody and is not repeated: %j', async authorization => {
      const known = await who(authorization, true)
      expect(known).toMatchObject({ ok: false, failure: { code: 'invalid_api_key' } })
      expect(JSON.stringify(known)).not.toContain(KEY.slice(1))
    })

  test('bound to this machine works from here and not from elsewhere', async () => {
    expect(await who('Bearer home', true)).toEqual({ ok: true, app: 'home' })
    expect(await who('Bearer home', false)).toMatchObject({ ok: false, failure: { code: 'invalid_api_key' } })
  })
})

describe('the admin token', () => {
  test('admits', async () => expect(await refuseAdmin('Bearer secret-token', 'secret-token')).toBeUndefined())

  test.each([
    ['Bearer secret-tokem', 'secret-token'], ['Bearer secret-toke', 'secret-token'], [undefined, 'secret-token'], ['secret-token', 'secret-token'],
    ['Bearer secret-token', undefined], [undefined, undefined], ['Bearer ', ''], [undefined, ''],
  ])('or refuses: %j against %j', async (authorization, token) => {
    expect(await refuseAdmin(authorization, token)).toMatchObject({ code: 'invalid_api_key' })
  })
})
