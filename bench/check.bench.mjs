/**
 * How long `check` takes on a large folder, and a decision on a large rulebook.
 *
 *   node_modules/.bin/node bench/check.bench.mjs
 *
 * Prints time and memory of `check` on 2,000 rules and 500 deployments, then microseconds of one decision on 300 rules and
 * 500 deployments, cached and uncached, beside the oracle of the tests on the same requests. To compare two revisions, run
 * it on both, one after the other, on an idle machine. It ends by itself and is no part of the tests.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from '../src/bundle/compile.ts'
import { analyse } from '../src/policy/analysis.ts'
import { decide } from '../src/policy/decide.ts'
import { reference } from '../test/policy/reference.ts'

const AT = Date.parse('2026-11-22T11:00:00Z')
const DECISIONS = 20_000
const UNCACHED = 2_000
const ROUNDS = 9
const ORACLE = 20
const COUNTRIES = ['AT', 'BE', 'CH', 'DE', 'ES', 'FR', 'GB', 'IE', 'IT', 'JP', 'NL', 'SE', 'US']
const LABELS = ['personal', 'special-category', 'phi', 'child', 'source-code', 'trade-secret', 'payment-card']

/** The same folder on every run: numbers choose, nothing is random. */
function folderOf({ rules, deployments, apps }) {
  const pick = (list, n) => list[n % list.length]
  const some = (list, n, count) => Array.from({ length: count }, (_, i) => pick(list, n * 7 + i * 3)).filter((x, i, all) => all.indexOf(x) === i)
  const files = {}
  const head = 'language: bailiwick/v1\n'
  for (let at = 0; at < deployments; at += 50) {
    files[`catalog/vendor-${at / 50}.yaml`] = `${head}provider: vendor-${at / 50}\nsource: a benchmark\nfacts-as-of: 2026-11-01\ngood-until: 2030-01-01\ntimezone: UTC\nentity-in: IE\ncontracts: [dpa]\ndeployments:\n${
      Array.from({ length: Math.min(50, deployments - at) }, (_, i) => {
        const n = at + i
        return `  - deployment: d${n}\n    model: vendor-${at / 50}/m${n}\n    hosting: ${pick(['local', 'sovereign', 'cloud'], n)}\n    processed-in: [${some(COUNTRIES, n, 3)}]\n    controlled-from: [${pick(COUNTRIES, n)}]\n    retention: ${n % 4 === 0 ? 'unknown' : `${n % 40}d`}\n    trains-on-data: ${pick(['yes', 'no', 'no', 'no'], n)}\n    price: { input: ${n % 9}, output: 3, currency: USD }\n`
      }).join('')}`
  }
  for (let at = 0; at < rules; at += 100) {
    files[`rules/policy-${at / 100}.policy.yaml`] = `${head}policy: policy-${at / 100}\ntitle: A benchmark\nowner: dpo@example.eu\neffective: { from: 2026-01-01, timezone: UTC }\nreview-by: 2030-01-01\nrules:\n${
      Array.from({ length: Math.min(100, rules - at) }, (_, i) => {
        const n = at + i
        const when = pick([`data: [${pick(LABELS, n)}]`, `app: [a${n % apps}]`, `classification: { at-least: ${pick(['internal', 'confidential', 'restricted'], n)} }`, `user-in: [${some(COUNTRIES, n, 2)}]`], n)
        const block = pick([`hosting: [${pick(['local', 'sovereign', 'cloud'], n)}]\n      retention: { at-least: 39d }`, `processed-in: { any: [${pick(COUNTRIES, n)}] }\n      controlled-from: [${pick(COUNTRIES, n + 5)}]`, `trains-on-data: yes\n      processed-in: { any: [${some(COUNTRIES, n, 2)}] }`], n)
        return `  - id: r${n}\n    title: Rule ${n} of the benchmark\n    when: { ${when} }\n    forbid:\n      ${block}\n    because: The benchmark says so\n`
      }).join('')}`
  }
  for (let n = 0; n < apps; n++) {
    files[`apps/a${n}.yaml`] = `${head}app: a${n}\nowner: lead@example.eu\ntimezone: UTC\ngrants: all\nteam: t${n % 5}\nmay-carry: [${some(LABELS, n, 3)}]\nmay-assert: [user-in, classification]\n`
  }
  return files
}

const ms = from => (performance.now() - from).toFixed(0).padStart(6)
const say = text => process.stdout.write(`${text}\n`)

async function bundleOf(files) {
  const compiled = await compile(new Map(Object.entries(files)))
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems.slice(0, 3)))
  return compiled.bundle
}

async function checkLarge() {
  const files = folderOf({ rules: 2_000, deployments: 500, apps: 20 })
  say('check, 2,000 rules x 500 deployments')
  let from = performance.now()
  const bundle = await bundleOf(files)
  say(`  compile        ${ms(from)} ms`)
  from = performance.now()
  const findings = analyse(bundle.rulebook, AT)
  say(`  static answers ${ms(from)} ms   ${findings.length} findings`)
  const folder = mkdtempSync(join(tmpdir(), 'bailiwick-bench-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    from = performance.now()
    const command = fileURLToPath(new URL('../src/runtime/node.ts', import.meta.url))
    const ran = spawnSync(process.execPath, [command, 'check', folder, '--at', '2026-11-22T11:00:00Z'], { encoding: 'utf8', maxBuffer: 1 << 28 })
    say(`  the command    ${ms(from)} ms   exit ${ran.status}, ${ran.stdout.trimEnd().split('\n').at(-1)}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
  say(`  memory         ${(process.resourceUsage().maxRSS / 1024).toFixed(0).padStart(6)} MB at most in this process`)
}

async function decideLarge() {
  const { rulebook } = await bundleOf(folderOf({ rules: 300, deployments: 500, apps: 20 }))
  // One class for the cache, and then as many as there are: each differs in the country, the level or the purpose.
  const one = { trusted: { app: 'a3', data: ['personal'], 'user-in': 'FR', classification: 'internal' } }
  const many = Array.from({ length: UNCACHED }, (_, n) => ({ trusted: {
    app: `a${n % 20}`, data: n % 3 === 0 ? undefined : ['none'], 'user-in': COUNTRIES[n % 13], classification: ['public', 'internal', 'confidential', 'restricted'][n % 4],
  } }))
  const timed = (count, run) => {
    const from = performance.now()
    for (let n = 0; n < count; n++) run(n)
    return (performance.now() - from) * 1_000 / count
  }
  timed(2_000, () => decide(rulebook, one, AT))
  const cached = timed(DECISIONS, () => decide(rulebook, one, AT))
  // A rulebook that is not the same object has a frame and a cache of its own; the frame is built before the clock starts.
  // The median of some rounds: the first ones also compile the code.
  const fresh = () => {
    const copy = { ...rulebook }
    decide(copy, { trusted: {} }, AT)
    return copy
  }
  const classes = [...new Map(many.map(asked => [JSON.stringify(asked), asked])).values()]
  const rounds = Array.from({ length: ROUNDS }, () => {
    const cold = fresh()
    return timed(classes.length, n => decide(cold, classes[n], AT))
  })
  const uncached = rounds.sort((a, b) => a - b)[ROUNDS >> 1]
  const oracle = timed(ORACLE, n => reference(rulebook, classes[n * 7 % classes.length], AT))
  for (let n = 0; n < ORACLE; n++) {
    const asked = classes[n * 7 % classes.length]
    if (String(decide(rulebook, asked, AT).permitted) !== String(reference(rulebook, asked, AT).permitted)) throw new Error('The decision and the oracle differ')
  }
  const row = (what, microseconds, bound) => say(`  ${what.padEnd(10)} ${microseconds.toFixed(2).padStart(12)} us   ${bound ?? ''}`)
  say('decide, 300 rules x 500 deployments')
  row('cached', cached, `${(oracle / cached).toFixed(0)} times as fast as the oracle; aim: 5 us`)
  row('uncached', uncached, `${(oracle / uncached).toFixed(0)} times as fast as the oracle; aim: 50 us (${classes.length} classes)`)
  row('oracle', oracle)
}

await checkLarge()
await decideLarge()
