/**
 * How long `bailiwick impact` takes between two revisions of the starter policies over 100,000 recorded decisions, each with
 * facts that no other has. Records and the changed copy of the policies are made in a temporary folder, which goes afterwards;
 * making them is not part of the time. Run: node bench/impact.bench.mjs [DECISIONS]. Compare medians of runs on one machine.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { BEFORE_ALL, lineOf } from '../src/record/line.ts'
import { sha256 } from '../src/runtime/node-key.ts'

const RUNS = 5
const DECISIONS = Number(process.argv[2] ?? 100_000)
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'bailiwick-impact-'))
const starter = join(root, 'policies'), changed = join(folder, 'policies'), records = join(folder, 'records.sqlite')

const COUNTRIES = ['FR', 'DE', 'US', 'CN', 'IR', 'CA', 'GB', 'JP', 'BR', 'IN']
const LABELS = ['personal', 'pseudonymous', 'child', 'special-category', 'payment-card', 'source-code', 'trade-secret']
const CLASSIFICATIONS = ['public', 'internal', 'confidential', 'restricted']
const pick = (list, n) => list[n % list.length]

/** Decision n as the gateway writes it: its facts differ from those of every other n. */
function decision(n, at) {
  const stated = {
    'data': n % 7 === 6 ? [pick(LABELS, n), pick(LABELS, n + 3)] : [pick(LABELS, n)], 'classification': pick(CLASSIFICATIONS, n >> 3), 'user-in': pick(COUNTRIES, n >> 5),
    'user-nationality': [...new Set([pick(COUNTRIES, n >> 8), pick(COUNTRIES, n >> 11)])], 'user-us-person': n % 2 === 0 ? 'yes' : 'no', 'purpose': `purpose-${n}`,
  }
  const asked = { app: pick(['playground', 'ministry-desk', 'assistant'], n), operation: 'chat', 'model-asked': 'auto', 'agent-depth': n % 3, ...stated }
  const request = Object.fromEntries(Object.entries(asked).map(([fact, value]) => [fact, { value, source: 'request' }]))
  return {
    kind: 'decision', id: `d-${n}`, at, requestId: `r-${n}`, bundle: 'b'.repeat(64), catalog: 'c'.repeat(64), epoch: 1, outcome: 'permit',
    request: { ...request, team: { value: 'playground', source: 'registration' } }, stated, permitted: ['one', 'two'], activeRules: ['a/b', 'c/d'], exceptions: [], assumptions: [], duties: {},
  }
}

try {
  cpSync(starter, changed, { recursive: true })
  const rule = join(changed, 'rules', 'gdpr.policy.yaml'), text = readFileSync(rule, 'utf8')
  const other = text.replace('certificates: [eu-us-dpf]', 'certificates: [fedramp-high]')
  if (other === text) throw new Error('the starter rule that this bench changes is not there any more')
  writeFileSync(rule, other)

  const database = new DatabaseSync(records)
  database.exec('CREATE TABLE lines (seq INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT; BEGIN')
  const insert = database.prepare('INSERT INTO lines (text) VALUES (?)')
  const now = Date.now()
  for (let n = 0; n < DECISIONS; n++) {
    const entry = decision(n, now - n)
    insert.run(lineOf(entry, { seq: n + 1, prev: BEFORE_ALL, salt: '0'.repeat(32) }, sha256).text)
  }
  database.exec('COMMIT')
  database.close()

  const times = []
  let said = ''
  for (let run = 0; run < RUNS; run++) {
    const began = performance.now()
    said = execFileSync(process.execPath, [join(root, 'src/runtime/node.ts'), 'impact', starter, changed, '--records', records, '--accept-wider'], { encoding: 'utf8' })
    times.push(performance.now() - began)
  }
  times.sort((a, b) => a - b)
  console.log(said)
  console.log(`impact: ${DECISIONS} recorded classes, whole process: median ${times[RUNS >> 1].toFixed(0)} ms, slowest ${times.at(-1).toFixed(0)} ms of ${RUNS}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
