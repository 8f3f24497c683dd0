/**
 * Whether a hundred thousand recorded decisions are decided the same again, and how long that takes.
 *
 *   node_modules/.bin/node bench/replay.bench.mjs [DECISIONS]
 *
 * The decisions are made over a week by the gateway's own code and kept by its own recorder, in a temporary folder that goes
 * afterwards; in that week a notice is enacted, a server is found to hold models, and a drill runs. Making them is not part of the
 * time. Then `bailiwick replay` runs as a process of its own. Ends with `replayed N, agree N (100 %), N s`, and with 1 where that is
 * not so. BAILIWICK_SEED chooses another week.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createBreakers } from '../src/breaker/opossum.ts'
import { compile, withDiscovered } from '../src/bundle/compile.ts'
import { rulesOfDrill, withDrills } from '../src/bundle/drilled.ts'
import { classify } from '../src/classify/classify.ts'
import { createGateway } from '../src/gateway/gateway.ts'
import { putInForce } from '../src/gateway/in-force.ts'
import { createMetrics } from '../src/gateway/metrics.ts'
import { openRecord } from '../src/gateway/recording.ts'
import { decideUnderstood } from '../src/policy/decide.ts'
import { understand } from '../src/policy/request.ts'
import { createBundles } from '../src/runtime/node-bundles.ts'
import { createClasses } from '../src/runtime/node-classes.ts'
import { readPolicies } from '../src/runtime/node-policies.ts'
import { openRecorder } from '../src/runtime/node-recorder.ts'

const DECISIONS = Number(process.argv[2] ?? 100_000)
const SEED = Number(process.env['BAILIWICK_SEED'] ?? 20261122)
const WEEK_MS = 7 * 86_400_000
/** Appends that wait for one commit, as those of a busy gateway do. */
const AT_ONCE = 500
const PROGRESS_EVERY = 20_000

const root = fileURLToPath(new URL('..', import.meta.url))
const say = text => process.stdout.write(`${text}\n`)

const COUNTRIES = ['FR', 'DE', 'US', 'CN', 'IR', 'CA', 'GB', 'JP', 'BR', 'IN']
const LABELS = ['none', 'personal', 'pseudonymous', 'child', 'special-category', 'payment-card', 'source-code', 'ear-controlled']
const CLASSIFICATIONS = ['public', 'internal', 'confidential', 'restricted']
const MODELS = ['auto', 'mistral/mistral-large', 'openai/gpt', 'unknown', 'somebody/elses']
const PURPOSES = ['care', 'research', 'support', 'drafting']

/** A week of law by how much of it has passed. */
const NOTICE = `language: bailiwick/v1
policy: notice-of-the-week
title: Nothing that is controlled from the United States for personal data
owner: dpo@example.eu
effective: { from: FROM, until: UNTIL, timezone: Europe/Brussels }
review-by: FROM
rules:
  - id: gone
    title: No provider that is controlled from the United States
    when: { data: [personal] }
    forbid: { controlled-from: { any: [US] } }
    because: A notice of the week says so
`
const FOUND = [{ provider: 'ollama', upstreamModel: 'Qwen3:8b', context: 32_768, can: ['tools'] }, { provider: 'ollama', upstreamModel: 'mistral-small:24b', operations: ['chat'] }]

/** Numbers from 0 to `below`, the same ones for the same seed. */
function chance(seed) {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6D2B79F5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4_294_967_296 * below)
  }
}

async function bundleOf(sources) {
  const compiled = await compile(sources, { tests: 'left-out' })
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems.filter(p => p.severity === 'error').slice(0, 3)))
  return compiled.bundle
}

/** What a caller asks, as the border reads it. */
function callOf(n, apps, draw) {
  const pick = list => list[draw(list.length)]
  const stated = {
    ...(draw(3) > 0 && { data: draw(7) === 0 ? [...new Set([pick(LABELS.slice(1)), pick(LABELS.slice(1))])] : [pick(LABELS)] }),
    ...(draw(2) > 0 && { classification: pick(CLASSIFICATIONS) }), ...(draw(2) > 0 && { 'user-in': pick(COUNTRIES) }),
    ...(draw(3) === 0 && { 'user-nationality': [...new Set([pick(COUNTRIES), pick(COUNTRIES)])] }), ...(draw(4) === 0 && { 'user-us-person': pick(['yes', 'no']) }),
    ...(draw(4) === 0 && { purpose: pick(PURPOSES) }), ...(draw(5) === 0 && { 'governed-by': ['gdpr'] }),
  }
  return { requestId: `r-${n}`, app: pick(apps), operation: draw(9) === 0 ? 'embedding' : 'chat', modelAsked: pick(MODELS), agentDepth: draw(3), stated, receivedAt: 0 }
}

async function makeWeek(data) {
  const draw = chance(SEED)
  const began = Date.now() - WEEK_MS
  let now = began
  const clock = { now: () => now, after: () => () => undefined }
  const running = new Set()
  const ports = {
    clock, random: () => draw(1_000_000) / 1_000_000, secrets: () => undefined, log: () => undefined,
    transport: { send: () => Promise.reject(new Error('nothing is sent here')) },
    background(work) {
      const tracked = work.finally(() => running.delete(tracked))
      running.add(tracked)
    },
  }
  const read = await readPolicies(join(root, 'policies'))
  if (!read.ok) throw new Error(read.wrong)
  const day = at => new Date(at).toISOString().slice(0, 10)
  const plain = await bundleOf(read.sources)
  const noticed = await bundleOf(new Map([...read.sources, ['directives/notice-of-the-week.policy.yaml', NOTICE.replaceAll('FROM', day(began)).replace('UNTIL', day(began + 2 * WEEK_MS))]]))
  const drill = { id: 'd-drill', rules: rulesOfDrill({ id: 'd-drill', revocations: [{ fact: 'provider', value: 'mistral' }], notice: [], window: { from: began + WEEK_MS * 0.8, until: began + WEEK_MS * 0.9 } }) }
  const law = [
    [0, plain, 'the start'], [0.3, await withDiscovered(plain, FOUND), 'discovery'], [0.5, await withDiscovered(noticed, FOUND), 'directive enacted'],
    [0.8, await withDrills(await withDiscovered(noticed, FOUND), [drill]), 'drill'], [0.95, await withDiscovered(plain, FOUND.slice(0, 1)), 'directive lifted'],
  ]

  const recorder = await openRecorder(data, { clock })
  const classes = createClasses({ data, ports, rulebook: () => gateway.epochs.current().bundle.rulebook })
  const gateway = createGateway({
    ports, recorder: classes.counting(recorder), providers: { send: () => Promise.reject(new Error('nothing is sent here')) }, breakers: createBreakers(), metrics: createMetrics(),
    place: undefined, bundle: plain, connected: () => undefined,
  })
  const bundles = createBundles({ data, version: 'bench', gateway })
  const apps = [...plain.rulebook.apps.keys()]

  const decide = async n => {
    const call = { ...callOf(n, apps, draw), receivedAt: now }
    const epoch = gateway.epochs.current(), { rulebook } = epoch.bundle
    const understood = understand(rulebook, classify(rulebook, call), now)
    const decision = decideUnderstood(rulebook, understood, now)
    const record = await openRecord(gateway, { call, epoch, understood, decision, now })
    if (!record.ok) throw new Error(record.failure.message)
    if (!await record.close({ outcome: decision.outcome === 'permit' ? 'answered' : 'refused', attempts: [] })) throw new Error('an outcome was not kept')
    return decision.outcome
  }
  let next = 0, permits = 0, waiting = []
  for (let n = 0; n < DECISIONS; n++) {
    now = began + Math.floor(n / DECISIONS * WEEK_MS)
    if (next < law.length && n >= law[next][0] * DECISIONS) {
      const [, bundle, cause] = law[next++]
      await bundles.keep(bundle)
      if (n > 0) putInForce(gateway, bundle, cause)
    }
    waiting.push(decide(n))
    if (waiting.length < AT_ONCE && n + 1 < DECISIONS) continue
    permits += (await Promise.all(waiting)).filter(outcome => outcome === 'permit').length
    waiting = []
    if ((n + 1) % PROGRESS_EVERY === 0) say(`  ${n + 1} decisions recorded`)
  }
  while (running.size > 0) await Promise.all(running)
  await bundles.end()
  classes.end()
  await recorder.close()
  return permits
}

const data = mkdtempSync(join(tmpdir(), 'bailiwick-replay-'))
try {
  say(`a week of ${DECISIONS} decisions (seed ${SEED})`)
  const permits = await makeWeek(data)
  const bytes = readdirSync(data).reduce((sum, name) => sum + statSync(join(data, name)).size, 0)
  say(`  ${permits} permits, ${DECISIONS - permits} refusals, ${readdirSync(join(data, 'bundles')).length} bundles, ${(bytes / 1_048_576).toFixed(0)} MB of records`)
  const from = performance.now()
  const ran = spawnSync(process.execPath, [join(root, 'src/runtime/node.ts'), 'replay', '--records', data, '--format', 'json'], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const seconds = (performance.now() - from) / 1_000
  process.stderr.write(ran.stderr)
  const { decisions, agree, bundles, differences } = JSON.parse(ran.stdout)
  for (const one of differences) say(`  differs ${JSON.stringify(one)}`)
  const isWell = ran.status === 0 && decisions === DECISIONS && agree === DECISIONS && bundles === 5
  say(`replayed ${decisions}, agree ${agree} (${agree === decisions ? '100' : (Math.floor(agree / decisions * 100_000) / 1_000).toFixed(3)} %), ${seconds.toFixed(1)} s`)
  process.exitCode = isWell ? 0 : 1
} finally {
  rmSync(data, { recursive: true, force: true })
}
