/** A deployment that is said to be local is reached at a local address or not at all, whatever it speaks. */
import { afterEach, describe, expect, test } from 'vitest'
import type { Deployment, Dialect } from '../../src/catalog/catalog.ts'
import { envelopeOf } from '../../src/failure.ts'
import { onlyLocalOf } from '../../src/provider/local.ts'
import { ollama } from '../../src/provider/ollama.ts'
import { openaiCompatible } from '../../src/provider/openai-compatible.ts'
import { KEY, PROMPT, callFor, deployment, listen, testPorts, textOf, type Listening } from './support.ts'

const ports = testPorts()
const open: Listening[] = []
afterEach(async () => { await Promise.all(open.splice(0).map(server => server.close())) })

const ANSWERS = {
  openai: '{"choices":[]}',
  ollama: '{"model":"served","created_at":"2026-11-20T12:00:00Z","message":{"role":"assistant","content":"hello"},"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":1}',
} as const
const sending = { openai: openaiCompatible(ports), ollama: ollama(ports) } as const

async function ask(dialect: Dialect, host: string, more: Partial<Deployment>) {
  const server = await listen((_, response) => response.setHeader('content-type', 'application/json').end(ANSWERS[dialect]))
  open.push(server)
  const to = deployment(`http://${host}:${new URL(server.url).port}`, { dialect, key: 'env:KEY', ...more })
  const result = await sending[dialect].send(to, callFor({ model: 'asked', messages: [{ role: 'user', content: PROMPT }] }), new AbortController().signal)
  if (result.ok) await textOf(result.body)
  return { result, requests: server.requests.length, connections: server.connections() }
}

describe.each(['openai', 'ollama'] as const)('a server that speaks %s', dialect => {
  // 0.0.0.0 is no local address and leads to this machine: what was sent would arrive.
  test('at another address gets nothing, and the failure says why and no more', async () => {
    const { result, requests, connections } = await ask(dialect, '0.0.0.0', { hosting: 'local' })
    expect([requests, connections]).toEqual([0, 0])
    expect(result).toMatchObject({ ok: false, failure: { code: 'compliance_mismatch' } })
    const said = JSON.stringify(result.ok ? '' : [result.failure, envelopeOf(result.failure)])
    expect(said).toContain('test-deployment is said to be hosted locally')
    for (const secret of ['0.0.0.0', KEY, PROMPT]) expect(said).not.toContain(secret)
  })

  test.each<[why: string, host: string, more: Partial<Deployment>]>([
    ['at a local address', '127.0.0.1', { hosting: 'local' }],
    ['at a host that is listed', '0.0.0.0', { hosting: 'local', localHosts: ['0.0.0.0'] }],
    ['that nobody calls local', '0.0.0.0', { hosting: 'cloud' }],
    ['of which nothing is known', '0.0.0.0', {}],
  ])('%s is asked', async (_, host, more) => {
    const { result, requests } = await ask(dialect, host, more)
    expect([result.ok, requests]).toEqual([true, 1])
  })
})

test('a provider is asked for its models by the same rule', () => {
  const provider = (hosting: string | undefined, localHosts: readonly string[]): Parameters<typeof onlyLocalOf>[0] => ({
    localHosts,
    defaults: {
      facts: { hosting: hosting === undefined ? undefined : { value: hosting, goodUntil: 0 } }, zone: 'UTC', price: undefined, context: undefined, maxOutput: undefined,
      can: [], quality: undefined, timeouts: deployment('').timeouts, reports: undefined,
    },
  })
  expect(onlyLocalOf(provider('local', ['gpu.example.internal']))).toEqual({ hosts: ['gpu.example.internal'] })
  expect(onlyLocalOf(provider('cloud', ['gpu.example.internal']))).toBeUndefined()
  expect(onlyLocalOf(provider(undefined, []))).toBeUndefined()
})
