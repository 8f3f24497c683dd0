/**
 * Whether the gateway's memory stays flat while a fifth of what its providers answer is a fault: a `serve` process, a provider
 * process, requests on loopback, half of them streams. Every fault comes from a seeded series. The resident memory of the gateway
 * is read after the warm-up and then ten times; flat means that the mean of the last half is within 10 % of that of the first.
 * Run: node bench/memory.bench.mjs [REQUESTS]. Ends with 1 when it is not flat.
 */
import { fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FAULTS = 0.2
const AT_ONCE = 16
const WARM_UP = 0.2
const SAMPLES = 10
const KEY = 'bw-bench'
const WORDS = ['The ', 'answer ', 'is ', 'the ', 'same ', 'wherever ', 'it ', 'comes ', 'from.']

if (process.argv[2] === 'provider') provide()
else await measure(Number(process.argv[2] ?? 200_000))

/** Answers with nine words; a fifth of the time with one of six faults instead. The path says whether it is the faulty one. */
function provide() {
  let state = 12_345
  const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
  const server = createServer((incoming, response) => {
    const parts = []
    incoming.on('data', part => parts.push(part))
    incoming.on('end', () => {
      const { model, stream } = JSON.parse(Buffer.concat(parts).toString())
      const fault = incoming.url.startsWith('/faulty') && random() < FAULTS ? Math.floor(random() * 6) : undefined
      const fail = (status, headers = {}) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers })
        response.end('{"error":{"message":"a fault","type":"server_error","code":null}}')
      }
      if (fault === 0) return fail(500)
      if (fault === 1) return fail(503)
      if (fault === 2) return fail(429, { 'retry-after': '1' })
      if (fault === 3) return incoming.socket.resetAndDestroy()
      const usage = { prompt_tokens: 5, completion_tokens: WORDS.length, total_tokens: 5 + WORDS.length }
      if (stream !== true) {
        const body = JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, model, choices: [{ index: 0, message: { role: 'assistant', content: WORDS.join('') }, finish_reason: 'stop' }], usage })
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
        if (fault === undefined) return response.end(body)
        return response.write(body.slice(0, body.length / 2), () => incoming.socket.destroy())
      }
      const event = (delta, reason = null) => `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      WORDS.forEach((word, at) => {
        if (fault === undefined || at < 4) response.write(event({ content: word }))
        else if (fault === 5 && at === 5) response.write('data: {"cho\n\n')
      })
      if (fault === undefined) return response.end(`${event({}, 'stop')}data: [DONE]\n\n`)
      response.write(': cut\n\n', () => incoming.socket.destroy())
    })
  })
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
  process.on('disconnect', () => process.exit())
}

async function measure(requests) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'bailiwick-memory-'))
  const provider = fork(fileURLToPath(import.meta.url), ['provider'])
  const [port] = await once(provider, 'message')
  const write = (name, text) => {
    mkdirSync(dirname(join(folder, 'policies', name)), { recursive: true })
    writeFileSync(join(folder, 'policies', name), text)
  }
  const file = name => `language: bailiwick/v1\nprovider: ${name}\nsource: a benchmark\nfacts-as-of: 2026-01-01\ngood-until: 2040-01-01\ntimezone: UTC\ndialect: openai\nbase-url: http://127.0.0.1:${port}/${name}\ndeployments:\n  - { deployment: ${name}-one, model: lab/one }\n`
  write('apps/desk.yaml', `language: bailiwick/v1\napp: desk\nowner: owner@example.com\ngrants: all\nkey-hashes: [ "sha256:${createHash('sha256').update(KEY).digest('hex')}" ]\n`)
  write('catalog/faulty.yaml', file('faulty'))
  write('catalog/steady.yaml', file('steady'))
  const gateway = spawn(process.execPath, [join(root, 'src/runtime/node.ts'), 'serve', '--port', '0', '--policies', join(folder, 'policies'), '--data', join(folder, 'data')], {
    stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, BAILIWICK_ADMIN_TOKEN: 'bench' },
  })
  try {
    const [line] = await once(gateway.stdout, 'data')
    const url = new URL(/ready (\S+)/.exec(line.toString())[1])
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
    const counts = new Map()
    const ask = stream => new Promise((resolve, reject) => {
      const asking = request({ agent, hostname: url.hostname, port: url.port, method: 'POST', path: '/v1/chat/completions', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' } }, answer => {
        let text = ''
        answer.on('data', part => { text += part })
        answer.on('error', reject)
        answer.on('end', () => resolve(answer.statusCode !== 200 ? String(answer.statusCode) : stream && !text.endsWith('data: [DONE]\n\n') ? 'ended with an error' : 'complete'))
      })
      asking.on('error', reject)
      asking.end(JSON.stringify({ model: 'lab/one', stream, messages: [{ role: 'user', content: 'What is the answer?' }] }))
    })
    const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))[1]) / 1024
    const samples = []
    const warmUp = Math.round(requests * WARM_UP), every = Math.floor((requests - warmUp) / SAMPLES)
    let begun = 0, done = 0
    const began = performance.now()
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (begun < requests) {
        const how = await ask(begun++ % 2 === 0)
        counts.set(how, (counts.get(how) ?? 0) + 1)
        done++
        if (done >= warmUp && (done - warmUp) % every === 0 && samples.length < SAMPLES) {
          samples.push(rss())
          console.log(`${done} requests, ${Math.round((performance.now() - began) / 1000)} s: ${samples.at(-1).toFixed(1)} MiB`)
        }
      }
    }))
    const mean = list => list.reduce((sum, n) => sum + n, 0) / list.length
    const first = mean(samples.slice(0, SAMPLES / 2)), last = mean(samples.slice(SAMPLES / 2))
    const change = (last / first - 1) * 100
    console.log([...counts].map(([how, count]) => `${how}: ${count}`).join(', '))
    console.log(`memory: ${requests} requests, ${FAULTS * 100} % faults: first half ${first.toFixed(1)} MiB, second half ${last.toFixed(1)} MiB, ${change >= 0 ? '+' : ''}${change.toFixed(1)} %`)
    if (Math.abs(change) > 10) process.exitCode = 1
    agent.destroy()
  } finally {
    gateway.kill()
    await once(gateway, 'exit')
    provider.disconnect()
    rmSync(folder, { recursive: true, force: true })
  }
}
