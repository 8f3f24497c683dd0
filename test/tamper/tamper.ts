/**
 * `npm run tamper`: 1,000 tamperings with exports and 100 with databases, under a seed that is printed (or given: `npm run tamper -- 7`).
 * Both verifiers must notice each tampering with an export. It ends with 1 unless they do.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tamperWithDatabases } from './databases.ts'
import { tamperWith, type Named } from './judge.ts'

const COUNT = 1_000, DATABASES = 100
const seed = Number(process.argv[2] ?? Math.floor(Math.random() * 0x1_0000_0000))
const folder = mkdtempSync(join(tmpdir(), 'bailiwick-tamper-'))
const cell = (text: string | number, width: number): string => String(text).padEnd(width)
try {
  console.log(`seed ${seed}`)
  const { rows, noticed, untouched } = await tamperWith(folder, { seed, count: COUNT, requests: 60, told: done => { if (done % 200 === 0) console.log(`${done} of ${COUNT}`) } })
  for (const what of untouched) console.log(`an export that nobody touched was refused by ${what}`)
  const named = (of: Record<Named, number>): string => cell(of.line, 7) + cell(of.range, 10) + cell(of.elsewhere, 8) + cell(of.unnoticed, 12)
  console.log(`\n${cell('', 44)}${cell('ours, first finding', 37)}the second, first fault`)
  console.log(cell('exports', 38) + cell('', 6) + (cell('line', 7) + cell('among', 10) + cell('after', 8) + cell('unnoticed', 12)).repeat(2))
  for (const row of rows) {
    console.log(cell(row.kind, 38) + cell(row.count, 6) + named(row.ours) + named(row.theirs))
    if (process.env['TAMPER_TELL']) for (const example of row.examples) console.log(`    ${example}`)
  }
  console.log('line: it names the first wrong line; among: lines among which it is; after: a later place\n')

  const databases = await tamperWithDatabases(folder, { seed, count: DATABASES })
  console.log(cell('databases', 44) + cell('', 6) + cell('noticed', 10) + 'with a receipt')
  for (const row of databases.rows) console.log(cell(row.kind, 44) + cell(row.count, 6) + cell(row.noticed, 10) + row.withReceipt)
  for (const what of databases.wrong) console.log(`  ${what}`)
  console.log(`databases ${DATABASES}, noticed ${databases.noticed} without anything else at hand, ${databases.withReceipt} with a receipt; untouched ones accepted: ${databases.wrong.length === 0 ? 'yes' : 'NO'}\n`)
  process.exitCode = noticed === COUNT && untouched.length === 0 && databases.withReceipt === DATABASES && databases.wrong.length === 0 ? 0 : 1
  console.log(`tamperings ${COUNT}, noticed ${noticed}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
