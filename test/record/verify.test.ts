import { describe, expect, it } from 'vitest'
import { canonical } from '../../src/record/canonical.ts'
import { makeCheckpoint, makeSeal } from '../../src/record/checkpoint.ts'
import { BEFORE_ALL, lineOf, readLine } from '../../src/record/line.ts'
import type { Entry } from '../../src/record/record.ts'
import { verifyRecords, type Asked, type Verified } from '../../src/record/verify.ts'
import { chance } from '../simulation/chance.ts'
import { answered, BEGIN, hexOf, keyFrom, makeLog, sha256, start, type MadeLog } from '../tamper/log.ts'

const key = await keyFrom('the gateway'), stranger = await keyFrom('a stranger')
const log = await makeLog({ chance: chance(3), requests: 30, every: 12, key, log: 'log-one' })
const retired = await makeLog({ chance: chance(4), requests: 30, every: 12, key, log: 'log-two', isRetired: true })
const last = log.all.length

const verify = (texts: readonly string[], asked: Partial<Asked> = {}): Promise<Verified> =>
  verifyRecords(texts.map((text, i) => ({ text, where: `x:${i + 1}` })), { knownKey: key.publicJwk, ends: { by: 'seal' }, ...asked }, sha256)
const textsOf = ({ all, deleted }: MadeLog): readonly string[] => all.slice(deleted).map(({ text }) => text)
const headOf = ({ all }: MadeLog, seq = all.length): Asked['ends'] => ({ by: 'head', head: { seq, digest: all[seq - 1]!.digest } })
const wrongs = ({ findings }: Verified): readonly (readonly [string, string])[] => findings.map(({ where, wrong }) => [where, wrong])
const checkpointsIn = ({ all }: MadeLog): readonly number[] => all.flatMap(({ line }) => (line.open.kind === 'checkpoint' ? [line.seq] : []))

/** Lines of entries, each after the one before, with nothing else. */
function chained(entries: readonly Entry[]): { readonly texts: string[]; readonly digests: string[] } {
  const texts: string[] = [], digests: string[] = []
  for (const entry of entries) {
    const { text, digest } = lineOf(entry, { seq: texts.length + 1, prev: digests.at(-1) ?? BEFORE_ALL, salt: '00'.repeat(16) }, sha256)
    texts.push(text)
    digests.push(digest)
  }
  return { texts, digests }
}
const begin: Entry = { kind: 'log', id: 'l-log', at: BEGIN, log: 'log', key: key.publicJwk }
async function sealed(entries: readonly Entry[]): Promise<readonly string[]> {
  const { texts, digests } = chained(entries)
  return [...texts, canonical(await makeSeal({ log: 'log', at: BEGIN, first: 1, last: texts.length, head: digests.at(-1)! }, key))]
}

describe('what is right', () => {
  it('is an export with its seal, all of it signed', async () => {
    const times = log.all.map(({ line }) => line.open.at)
    expect(await verify(log.texts)).toMatchObject({
      wrong: 0, findings: [], log: 'log-one', key: { name: key.name, isKnown: true }, read: last + 1, lines: { first: 1, last },
      checkpoints: checkpointsIn(log).length, signedTo: last, isSealed: true, unended: 0, times: { earliest: Math.min(...times), latest: Math.max(...times) },
    })
  })

  it('is a database, of which the last lines are not signed yet', async () => {
    const signedTo = (log.all[checkpointsIn(log).at(-1)! - 1]!.line.open as unknown as { readonly to: number }).to
    expect(signedTo).toBeLessThan(last)
    expect(await verify(textsOf(log), { ends: headOf(log) })).toMatchObject({ wrong: 0, signedTo, isSealed: false })
  })

  it('is one of which the first lines were deleted, and a signed line says so', async () => {
    expect(await verify(textsOf(retired), { ends: headOf(retired) })).toMatchObject({ wrong: 0, lines: { first: retired.deleted + 1 }, retired: [{ first: 1, last: retired.deleted }], log: 'log-two' })
    expect(await verify(retired.texts)).toMatchObject({ wrong: 0, isSealed: true })
  })

  it('is a log with one line, and clocks that are put back', async () => {
    expect(await verify(await sealed([begin]))).toMatchObject({ wrong: 0, lines: { first: 1, last: 1 } })
    expect(await verify(await sealed([begin, start(BEGIN - 9e9, hexOf('bundle'))]))).toMatchObject({ wrong: 0, times: { earliest: BEGIN - 9e9, latest: BEGIN } })
  })

  it('is no less right without many checkpoints', async () => {
    const entries = Array.from({ length: 3_000 }, (_, i) => start(BEGIN + i, hexOf('bundle')))
    expect(await verify(await sealed([begin, ...entries]))).toMatchObject({ wrong: 0, checkpoints: 0, signedTo: 3_001 })
  })
})

describe('whose it is', () => {
  it('is not known where the key was found with the records', async () => {
    const { knownKey: _, ...none } = { knownKey: undefined }
    const anybody = await verifyRecords(log.texts.map((text, i) => ({ text, where: `x:${i}` })), { ...none, ends: { by: 'seal' } }, sha256)
    expect(anybody).toMatchObject({ wrong: 0, key: { name: key.name, isKnown: false } })
    const beside = await verifyRecords(textsOf(retired).map((text, i) => ({ text, where: `x:${i}` })), { foundKey: key.publicJwk, ends: headOf(retired) }, sha256)
    expect(beside).toMatchObject({ wrong: 0, key: { name: key.name, isKnown: false } })
  })

  it('cannot be said where no key is to be found', async () => {
    const found = await verifyRecords(retired.texts.map((text, i) => ({ text, where: `x:${i}` })), { ends: { by: 'seal' } }, sha256)
    expect(found).toMatchObject({ wrong: 1, key: undefined, findings: [{ wrong: expect.stringMatching(/^The key is not known, so no signature was checked/) as string }] })
  })

  it('is not the key given', async () => {
    const found = await verify(log.texts, { knownKey: stranger.publicJwk })
    expect(wrongs(found)[0]).toEqual(['x:1', `The log says that it is signed with the key ${key.name}; the key given is ${stranger.name}.`])
    expect(found).toMatchObject({ isSealed: false, signedTo: undefined })
  })
})

describe('what is wrong is named where it is', () => {
  const lines = textsOf(log), seal = log.seal
  const changed = (seq: number): string => canonical({ ...readLine(lines[seq - 1]!)!, salt: 'ff'.repeat(16) })
  const [c1, c2] = checkpointsIn(log) as [number, number]

  it.each<[string, readonly string[], string, RegExp]>([
    ['a changed line', lines.with(4, changed(5)), 'x:5', /^Line 5 is not the one that line 6 was chained to/],
    ['a changed last line', lines.with(last - 1, changed(last)), `x:${last}`, /not what was sealed/],
    ['a line that is missing', lines.toSpliced(4, 1), 'x:5', /^Line 5 is missing before this one/],
    ['lines that are missing', lines.toSpliced(4, 3), 'x:5', /^Lines 5 to 7 are missing before this one/],
    ['a line that stands there twice', lines.toSpliced(5, 0, lines[4]!), 'x:6', /^Line 5 stands here twice/],
    ['a line at another place', lines.toSpliced(9, 0, lines[4]!), 'x:10', /^Line 5 stands here, after line 9/],
    ['a line that was put in', lines.toSpliced(5, 0, canonical({ ...readLine(lines[5]!)!, salt: '11'.repeat(16) })), 'x:6', /^Line 6 stands here, and what follows goes on without it/],
    ['two lines that were swapped', lines.with(4, lines[6]!).with(6, lines[4]!), 'x:5', /^Line 7 stands here, after line 4/],
    ['neighbours that were swapped', lines.with(4, lines[5]!).with(5, lines[4]!), 'x:5', /^Line 6 stands here, after line 4/],
    ['a space', lines.with(4, `${lines[4]} `), 'x:5', /^This is no line of records/],
    ['an empty line', lines.toSpliced(4, 0, ''), 'x:5', /^This is no line of records/],
    ['two checkpoints that were swapped', lines.with(c1 - 1, lines[c2 - 1]!).with(c2 - 1, lines[c1 - 1]!), `x:${c1}`, new RegExp(`^Line ${c2} stands here, after line ${c1 - 1}`)],
    ['a line that another log begins with', lines.toSpliced(5, 0, lines[0]!), 'x:6', /^Line 1 stands here, after line 5/],
  ])('%s', async (_, texts, where, wrong) => {
    const [first] = wrongs(await verify([...texts, seal]))
    expect(first?.[0]).toBe(where)
    expect(first?.[1]).toMatch(wrong)
  })

  it.each<[string, readonly string[], string, RegExp]>([
    ['no seal', lines, `x:${last}`, /^No seal follows/],
    ['a seal of another log', [...lines, retired.seal], `x:${last + 1}`, /^The seal is of another log, log-two/],
    ['something after the seal', [...lines, seal, lines[0]!], `x:${last + 2}`, /^This stands after the seal/],
    ['two seals', [...lines, seal, seal], `x:${last + 2}`, /^This stands after the seal/],
    ['a seal that was changed', [...lines, seal.replace(/"at":\d/, '"at":9')], `x:${last + 1}`, /^The seal is not signed/],
    ['an end that was cut off', [...lines.slice(0, -2), seal], `x:${last - 1}`, new RegExp(`^The seal says that line ${last} is the last, and line ${last - 2} is`)],
    ['a beginning that was cut off', [...lines.slice(3), seal], 'x:1', /^The seal says that the export begins with line 1, and it begins with line 4/],
    ['nothing but a seal', [seal], 'x:1', /^The seal stands alone/],
    ['nothing', [], 'the records', /^There is no line/],
  ])('%s', async (_, texts, where, wrong) => {
    const [first] = wrongs(await verify(texts))
    expect(first?.[0]).toBe(where)
    expect(first?.[1]).toMatch(wrong)
  })

  it('one wrong line does not make the others wrong', async () => {
    for (const texts of [lines.with(4, changed(5)), lines.toSpliced(4, 1), lines.toSpliced(5, 0, lines[4]!), lines.with(4, `${lines[4]} `), lines.toSpliced(9, 0, lines[4]!)]) expect(await verify([...texts, seal])).toMatchObject({ wrong: 1 })
  })

  it('a thousand findings are counted, and the first hundred told', async () => {
    const found = await verify([...lines, ...Array.from({ length: 1_000 }, () => 'x'), seal])
    expect(found).toMatchObject({ wrong: 1_000 })
    expect(found.findings).toHaveLength(100)
  })

  it('lines that are of another log from some place on', async () => {
    const other = await makeLog({ chance: chance(9), requests: 30, every: 12, key, log: 'log-nine' })
    const found = await verify([...lines.slice(0, 8), ...textsOf(other).slice(8), other.seal])
    expect(wrongs(found)[0]).toEqual(['x:8', 'Line 8 is not the one that line 9 was chained to: it was changed, or is another one.'])
    expect(wrongs(found).map(([, wrong]) => wrong)).toContain('The seal is of another log, log-nine.')
  })
})

describe('checkpoints', () => {
  const at = { log: 'log', at: BEGIN }
  const some = Array.from({ length: 4 }, (_, i) => start(BEGIN + i, hexOf('bundle')))
  const with_ = async (from: number, digestsOf: (digests: readonly string[]) => readonly string[], signer = key, name = 'log'): Promise<Verified> => {
    const { digests } = chained([begin, ...some])
    const checkpoint = await makeCheckpoint({ ...at, log: name, from, digests: digestsOf(digests) }, signer, sha256)
    return verify(await sealed([begin, ...some, { kind: 'checkpoint', id: 'c-1', ...checkpoint }]))
  }

  it('sign what is there', async () => {
    expect(await with_(1, digests => digests)).toMatchObject({ wrong: 0, checkpoints: 1 })
  })

  it.each<[string, RegExp, () => Promise<Verified>]>([
    ['other lines', /^Lines 1 to 5 are not what the checkpoint in line 6 signed/, () => with_(1, digests => digests.with(2, hexOf('other')))],
    ['another last line', /^Lines 1 to 5 are not what/, () => with_(1, digests => digests.with(4, hexOf('other')))],
    ['lines from a later one on', /^The checkpoint in line 6 signs lines from 3, and the first that was not signed is 1: a checkpoint is missing/, () => with_(3, digests => digests.slice(2))],
    ['a line that came after them', /^The checkpoint in line 6 signs lines up to 6/, () => with_(1, digests => [...digests, hexOf('other')])],
    ['with another key', /^The checkpoint in line 6 is not signed with the key/, () => with_(1, digests => digests, stranger)],
    ['with another key under the name of ours', /^The checkpoint in line 6 is not signed with the key/, () => with_(1, digests => digests, { ...stranger, name: key.name })],
    ['another log', /^The checkpoint in line 6 is of another log, other/, () => with_(1, digests => digests, key, 'other')],
  ])('are refused when they sign %s', async (_, wrong, found) => {
    const { findings } = await found()
    expect(findings[0]?.where).toBe('x:6')
    expect(findings[0]?.wrong).toMatch(wrong)
  })

  it('follow each other: one that is left out, or stands there again, is found', async () => {
    const { digests: one } = chained([begin, ...some])
    const first: Entry = { kind: 'checkpoint', id: 'c-3', ...await makeCheckpoint({ ...at, from: 1, digests: one.slice(0, 3) }, key, sha256) }
    const { digests: two } = chained([begin, ...some, first])
    const later = async (from: number): Promise<Entry> => ({ kind: 'checkpoint', id: 'c-6', ...await makeCheckpoint({ ...at, from, digests: two.slice(from - 1) }, key, sha256) })
    expect(await verify(await sealed([begin, ...some, first, await later(4)]))).toMatchObject({ wrong: 0, checkpoints: 2 })
    for (const from of [3, 5]) expect((await verify(await sealed([begin, ...some, first, await later(from)]))).findings[0]?.wrong).toMatch(/the first that was not signed is 4/)
  })
})

describe('decisions and outcomes', () => {
  const [decision, outcome] = answered(chance(1), 1, BEGIN, hexOf('bundle'))

  it('come in pairs, or the answer has not ended', async () => {
    expect(await verify(await sealed([begin, decision, outcome]))).toMatchObject({ wrong: 0, unended: 0 })
    expect(await verify(await sealed([begin, decision]))).toMatchObject({ wrong: 0, unended: 1 })
  })

  it.each<[string, readonly Entry[], string]>([
    ['an outcome without a decision', [begin, outcome], 'This is the outcome of d-1, of which there is no decision.'],
    ['an outcome before its decision', [begin, outcome, decision], 'This is the outcome of d-1, of which there is no decision.'],
    ['two outcomes', [begin, decision, outcome, outcome], 'The decision d-1 had its outcome before.'],
    ['two decisions', [begin, decision, decision], 'The decision d-1 was there before.'],
  ])('are found to be wrong: %s', async (_, entries, wrong) => {
    expect((await verify(await sealed(entries))).findings[0]?.wrong).toBe(wrong)
  })

  it('may have lost their decision with the lines that were deleted', async () => {
    const isCut = retired.all[retired.deleted]!.line.open.kind === 'outcome'
    const first = retired.all.findIndex(({ line }, i) => i >= retired.deleted && line.open.kind === 'outcome')
    expect(isCut || first > 0).toBe(true)
    const { texts, digests } = chained([begin, decision, outcome])
    const seal = canonical(await makeSeal({ log: 'log', at: BEGIN, first: 3, last: 3, head: digests[2]! }, key))
    expect(await verify([texts[2]!, seal])).toMatchObject({ wrong: 0, lines: { first: 3, last: 3 } })
  })
})

describe('the end and the beginning of a database', () => {
  const lines = textsOf(log)

  it.each<[string, readonly string[], Asked['ends'], RegExp]>([
    ['the end was cut off', lines.slice(0, -3), headOf(log), new RegExp(`^Lines ${last - 2} to ${last} are missing at the end`)],
    ['lines were added', lines, headOf(log, last - 1), new RegExp(`^Line ${last} is there although the head`)],
    ['the last line was changed', lines.with(last - 1, canonical({ ...readLine(lines.at(-1)!)!, salt: 'ff'.repeat(16) })), headOf(log), new RegExp(`^Line ${last} is not the one that the head`)],
    ['the head is gone', lines, { by: 'head', head: undefined }, /^Nothing says where the records end/],
    ['a seal stands in it', [...lines, log.seal], headOf(log), /^This is no line of records/],
    ['the beginning was cut off', lines.slice(10), headOf(log), /^Lines 1 to 10 are missing, and no line says that they were deleted/],
  ])('%s', async (_, texts, ends, wrong) => {
    expect((await verify(texts, { ends })).findings[0]?.wrong).toMatch(wrong)
  })

  it('more was deleted than a line says', async () => {
    expect((await verify(textsOf(retired).slice(4), { ends: headOf(retired) })).findings[0]?.wrong).toMatch(new RegExp(`^Lines 1 to ${retired.deleted + 4} are missing`))
  })

  it('the line that says so is not signed', async () => {
    const { texts, digests } = chained([begin, start(BEGIN, hexOf('bundle'))])
    const made = lineOf({ kind: 'retired', id: 'r-1', at: BEGIN, first: 1, last: 1, head: digests[0]! }, { seq: 3, prev: digests[1]!, salt: '00'.repeat(16) }, sha256)
    const found = await verify([texts[1]!, made.text], { ends: { by: 'head', head: { seq: 3, digest: made.digest } } })
    expect(found.findings[0]?.wrong).toBe('Line 1 is missing, and the line that says they were deleted is not signed.')
  })
})

describe('a receipt in other hands', () => {
  const held = async (from: MadeLog, seq: number): Promise<NonNullable<Asked['receipts']>> => [{ name: 'r.jws', text: await from.receipt(seq) }]

  it('agrees with what it is of', async () => {
    expect(await verify(log.texts, { receipts: await held(log, 5) })).toMatchObject({ wrong: 0, receipts: [{ name: 'r.jws', agreed: 2, deleted: 0 }] })
  })

  it('shows that the end was cut off, where nothing else does', async () => {
    const lastSigned = checkpointsIn(log).at(-1)!, cut = checkpointsIn(log).at(-2)!
    const texts = textsOf(log).slice(0, cut), ends = headOf(log, cut)
    expect(await verify(texts, { ends })).toMatchObject({ wrong: 0 })
    const found = await verify(texts, { ends, receipts: await held(log, lastSigned - 2) })
    expect(found.findings[0]).toMatchObject({ where: 'r.jws', wrong: expect.stringMatching(/their end was cut off/) as string })
  })

  it('shows that whoever holds the key wrote another history', async () => {
    const again = await makeLog({ chance: chance(77), requests: 30, every: 12, key, log: 'log-one' })
    expect(await verify(again.texts)).toMatchObject({ wrong: 0 })
    expect((await verify(again.texts, { receipts: await held(log, 5) })).findings[0]?.wrong).toMatch(/^The receipt r.jws proves another line 5/)
  })

  it('of another log, of another key, or none, is said to be so', async () => {
    expect(wrongs(await verify(log.texts, { receipts: await held(retired, retired.all.length - 20) })).map(([, wrong]) => wrong)).toContain('The receipt is of another log, log-two.')
    const foreign = await makeLog({ chance: chance(3), requests: 30, every: 12, key: stranger, log: 'log-one' })
    expect((await verify(log.texts, { receipts: await held(foreign, 5) })).findings[0]).toMatchObject({ where: 'r.jws', wrong: expect.stringMatching(/^It was signed with the key/) as string })
    expect((await verify(log.texts, { receipts: [{ name: 'r.jws', text: 'x' }] })).findings[0]?.wrong).toMatch(/^This is no receipt/)
  })

  it('of lines that were deleted says nothing for them', async () => {
    const found = await verify(retired.texts, { receipts: await held(retired, 3) })
    expect(found).toMatchObject({ wrong: 0, receipts: [{ agreed: expect.any(Number) as number, deleted: expect.any(Number) as number }] })
    expect(found.receipts[0]!.deleted).toBeGreaterThan(0)
  })
})
