/**
 * What recording costs a request: `handle` with a provider that answers in this process, with the recorder on a disk and with one that keeps
 * nothing, in turns, so that what slows the machine slows both. One request at a time, where each pays for its own two commits, and many
 * at once, where those of one turn share them. Then what the chain and the checkpoints cost without any disk.
 * Run: node bench/record.bench.mjs [PAIRS]. The folder is in the system's folder for temporary files: what a commit costs is that disk's.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBreakers } from '../src/breaker/opossum.ts'
import { createGateway } from '../src/gateway/gateway.ts'
import { handle } from '../src/gateway/handle.ts'
import { createMetrics } from '../src/gateway/metrics.ts'
import { readBody } from '../src/openai/body.ts'
import { readRequest } from '../src/openai/request.ts'
import { makeCheckpoint } from '../src/record/checkpoint.ts'
import { BEFORE_ALL, lineOf } from '../src/record/line.ts'
import { newKey, signingKey } from '../src/record/signing.ts'
import { sha256 } from '../src/runtime/node-key.ts'
import { openRecorder } from '../src/runtime/node-recorder.ts'
import { nodeClock } from '../src/runtime/node-ports.ts'
import { app, bundleOf, policy, provider, rule } from '../test/support/tree.ts'

const PAIRS = Number(process.argv[2] ?? 30)
const REQUESTS = 160, WARM_UP = 3
const LINES = 20_000, PER_CHECKPOINT = 1_000

const ANSWER = new TextEncoder().encode(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'one', choices: [{ index: 0, message: { role: 'assistant', content: 'Good day.' }, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }))
const read = readBody(new TextEncoder().encode(JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'Good day?' }] })))
const { needs } = readRequest('chat', read.body.value, read.body.bytes.length)

const bundle = await bundleOf({
  'apps/desk.yaml': app('desk', 'grants: all\nmay-carry: [personal]'),
  'catalog/home.yaml': provider('home', 'dialect: openai\nbase-url: http://127.0.0.1:1/v1\nprocessed-in: [FR]', ['{ deployment: one, model: home/one }']),
  'rules/place.policy.yaml': policy('place', rule('stays', 'require:\n  processed-in: { only: [FR] }')),
})
const idle = { send: () => Promise.reject(new Error('no network here')), close: () => Promise.resolve() }
const gatewayWith = recorder => createGateway({
  ports: { clock: nodeClock, random: Math.random, transport: idle, secrets: () => undefined, background: work => { work.catch(() => undefined) }, log: () => undefined },
  bundle, recorder, place: undefined, breakers: createBreakers(), metrics: createMetrics(), connected: () => undefined,
  providers: { send: async () => ({ ok: true, contentType: 'application/json', headers: {}, body: (async function* body() { yield ANSWER })() }) },
})
const request = async gateway => {
  const answer = await handle(gateway, {
    requestId: 'r', app: 'desk', operation: 'chat', body: read.body, needs, stated: {}, agentDepth: 0, dryRun: false, receivedAt: Date.now(), signal: new AbortController().signal,
  })
  if (answer.kind !== 'whole') throw new Error(JSON.stringify(answer))
}
/** Microseconds a request. */
async function microseconds(gateway, atOnce) {
  const began = performance.now()
  let left = REQUESTS
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) await request(gateway)
  }))
  return (performance.now() - began) * 1_000 / REQUESTS
}
const median = list => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]
const row = (...cells) => console.log(cells.map((cell, i) => (i === 0 ? String(cell).padEnd(34) : String(cell).padStart(13))).join(''))

const data = mkdtempSync(join(tmpdir(), 'bailiwick-record-'))
try {
  const recorder = await openRecorder(data)
  const kept = gatewayWith(recorder), notKept = gatewayWith({ append: () => Promise.resolve() })
  console.log(`${PAIRS} pairs of ${REQUESTS} requests, two entries each; medians`)
  row('at once', 'not kept', 'kept', 'ratio', 'cost')
  for (const atOnce of [1, 32]) {
    const with_ = [], without = [], costs = [], ratios = []
    for (let pair = -WARM_UP; pair < PAIRS; pair++) {
      const first = pair % 2 === 0
      const before = first ? await microseconds(notKept, atOnce) : undefined
      const a = await microseconds(kept, atOnce), b = before ?? await microseconds(notKept, atOnce)
      if (pair < 0) continue
      with_.push(a)
      without.push(b)
      costs.push(a - b)
      ratios.push(a / b)
    }
    row(atOnce, `${median(without).toFixed(0)} us`, `${median(with_).toFixed(0)} us`, median(ratios).toFixed(2), `${median(costs).toFixed(0)} us`)
  }
  await recorder.close()

  // The same entries as lines and signatures, without a disk.
  const entries = []
  await request(gatewayWith({ append: entry => { entries.push(entry) } }))
  const requests = entries.filter(entry => entry.kind === 'decision' || entry.kind === 'outcome')
  const key = await signingKey(await newKey(), sha256)
  const lines = [], signatures = [], bytes = []
  for (let round = 0; round < LINES / PER_CHECKPOINT; round++) {
    const digests = []
    let began = performance.now(), digest = BEFORE_ALL
    for (let n = 0; n < PER_CHECKPOINT; n++) {
      const line = lineOf(requests[n % requests.length], { seq: n + 1, prev: digest, salt: randomBytes(16).toString('hex') }, sha256)
      digest = line.digest
      digests.push(digest)
      bytes.push(line.text.length)
    }
    lines.push((performance.now() - began) * 1_000 / PER_CHECKPOINT)
    began = performance.now()
    await makeCheckpoint({ log: 'bench', at: began, from: 1, digests }, key, sha256)
    signatures.push(performance.now() - began)
  }
  row('a line (text, digest, salt)', `${median(lines).toFixed(1)} us`, `${median(bytes)} bytes`)
  row(`a checkpoint of ${PER_CHECKPOINT} lines`, `${median(signatures).toFixed(1)} ms`, `${(median(signatures) * 1_000 / PER_CHECKPOINT).toFixed(1)} us/line`)
  console.log(`of the cost of a request, chain and checkpoint are ${(2 * (median(lines) + median(signatures) * 1_000 / PER_CHECKPOINT)).toFixed(0)} us; the rest is the commit`)
} finally {
  rmSync(data, { recursive: true })
}
