/** A request at a gateway in this process, by the app that these tests register. */
import type { Gateway } from '../../src/gateway/gateway.ts'
import { createApp } from '../../src/http/app.ts'
import { app, keyHash } from '../support/tree.ts'

const KEY = 'key-of-the-desk'

/** The file of an app that may use everything; `more` is YAML. */
export const desk = async (more = ''): Promise<Record<string, string>> =>
  ({ 'apps/desk.yaml': app('desk', `grants: all\nmay-carry: []\nkey-hashes: ["${await keyHash(KEY)}"]\n${more}`) })

export const ask = async (gateway: Gateway, { model = 'auto', stream = false } = {}): Promise<Response> =>
  createApp(gateway).fetch(new Request('http://gateway/v1/chat/completions', {
    method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Good day?' }] }),
  }))
