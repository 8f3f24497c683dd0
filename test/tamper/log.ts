/** Real lines to be tampered with: written by the core, signed with a key that is the same every time, so that a seed says everything. */
import { createHash, createPrivateKey } from 'node:crypto'
import { canonical } from '../../src/record/canonical.ts'
import { makeCheckpoint, makeSeal } from '../../src/record/checkpoint.ts'
import { BEFORE_ALL, lineOf, readLine, type Line } from '../../src/record/line.ts'
import { pathTo } from '../../src/record/merkle.ts'
import { makeReceipt, type Proven } from '../../src/record/receipt.ts'
import type { DecisionEntry, Entry, OutcomeEntry, StartEntry } from '../../src/record/record.ts'
import { signingKey, type PrivateJwk, type SigningKey } from '../../src/record/signing.ts'
import type { Chance } from '../simulation/chance.ts'

export const sha256 = (of: string | Uint8Array): Uint8Array => createHash('sha256').update(of).digest()
export const hexOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A key from a word: for tests alone. */
export function keyFrom(word: string): Promise<SigningKey> {
  // The envelope of RFC 8410 around 32 bytes.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), sha256(word)])
  return signingKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }) as unknown as PrivateJwk, sha256)
}

export const BEGIN = Date.parse('2026-11-22T11:00:00Z')

export const start = (at: number, bundle: string): StartEntry => ({ kind: 'start', id: `s-${at}`, at, version: '9.9.9', bundle, place: 'FR', quarantined: [] })

/** Both entries of one request. Beyond ASCII and beyond the basic plane: what is sorted and escaped wrongly would show. */
export function answered(chance: Chance, number: number, at: number, bundle: string): readonly [DecisionEntry, OutcomeEntry] {
  const id = `d-${number}`, ms = chance.whole(3, 4_000)
  return [
    {
      kind: 'decision', id, at, requestId: `r-${number}`, app: chance.one(['crm', 'dépôt', 'büro-€', '翻訳']), bundle, catalog: hexOf('catalog'), epoch: 1,
      outcome: 'permit', request: { data: { value: ['personal'], source: 'registration' }, 'user-in': { value: chance.one(['FR', 'DE']), source: 'key' } },
      stated: { note: chance.one(['"quoted"', 'back\\slash', '\u{1F30D}', '\u2028', '\uFFFD', '\u0007']) }, permitted: ['fr', 'fr-two'], activeRules: ['gdpr/transfers'], exceptions: [], assumptions: [],
      duties: chance.is(0.3) ? ['redact iban'] : [],
    },
    {
      kind: 'outcome', id, at: at + ms, outcome: 'answered', deployment: 'fr', model: 'lab/large', processedIn: ['FR'],
      attempts: [{ deployment: 'fr', code: 'ok', status: 200, ms, probe: false }] as unknown as OutcomeEntry['attempts'],
      usage: { input: chance.whole(1, 9_000), output: chance.whole(0, 4_000) }, cost: chance.whole(1, 90_000) / 1e7, ms,
    },
  ]
}

export type MadeLog = {
  readonly log: string
  readonly key: SigningKey
  /** Every line that was ever written, and how many of the first were deleted. */
  readonly all: readonly { readonly line: Line; readonly text: string; readonly digest: string }[]
  readonly deleted: number
  readonly seal: string
  /** The export's texts, with the seal. */
  readonly texts: readonly string[]
  /** Of the line with this number, for whoever may know all of it. */
  receipt(seq: number): Promise<string>
}

export type LogOptions = { readonly chance: Chance; readonly requests: number; readonly every: number; readonly key: SigningKey; readonly log: string; readonly isRetired?: boolean }

/** A gateway's life: it starts, answers, its policies change once, and where it is so, its first lines are deleted. Some lines at the end are not signed yet. */
export async function makeLog({ chance, requests, every, key, log, isRetired = false }: LogOptions): Promise<MadeLog> {
  const all: { line: Line; text: string; digest: string }[] = []
  let at = BEGIN, signedTo = 0, deleted = 0, bundle = hexOf('first bundle')
  const add = (entry: Entry): void => {
    const { text, digest } = lineOf(entry, { seq: all.length + 1, prev: all.at(-1)?.digest ?? BEFORE_ALL, salt: Array.from({ length: 16 }, () => chance.whole(0, 255).toString(16).padStart(2, '0')).join('') }, sha256)
    all.push({ line: readLine(text)!, text, digest })
  }
  const sign = async (): Promise<void> => {
    const checkpoint = await makeCheckpoint({ log, at, from: signedTo + 1, digests: all.slice(signedTo).map(({ digest }) => digest) }, key, sha256)
    signedTo = checkpoint.to
    // A line may come between what is signed and the checkpoint that says so.
    if (chance.is(0.3)) add(start(at, bundle))
    add({ kind: 'checkpoint', id: `c-${checkpoint.to}`, ...checkpoint })
  }
  add({ kind: 'log', id: `l-${log}`, at, log, key: key.publicJwk })
  add(start(at, bundle))
  for (let number = 1; number <= requests; number += 1) {
    // Clocks are put back now and then.
    at += chance.is(0.02) ? -chance.whole(1, 5_000) : chance.whole(0, 900)
    for (const entry of answered(chance, number, at, bundle)) add(entry)
    if (number === Math.ceil(requests / 2)) {
      bundle = hexOf('second bundle')
      add(start(at, bundle))
      await sign()
      if (isRetired) {
        deleted = Math.floor(all.length / 3)
        add({ kind: 'retired', id: `r-${deleted}`, at, first: 1, last: deleted, head: all[deleted - 1]!.digest })
      }
    } else if (all.length - signedTo >= every && number < requests) await sign()
  }
  const left = all.slice(deleted)
  const seal = canonical(await makeSeal({ log, at, first: deleted + 1, last: all.length, head: all.at(-1)!.digest }, key))
  return {
    log, key, all, deleted, seal, texts: [...left.map(({ text }) => text), seal],
    async receipt(seq) {
      const checkpoint = all.map(({ line }) => line.open as unknown as Proven['checkpoint'] & { readonly kind: string }).find(open => open.kind === 'checkpoint' && open.from <= seq && open.to >= seq)!
      const { log: of, at: signed, from, to, head, root, key: name, signature } = checkpoint
      const path = pathTo(all.slice(from - 1, to).map(({ digest }) => digest), seq - from, sha256)
      return makeReceipt([{ line: all[seq - 1]!.line, path, checkpoint: { log: of, at: signed, from, to, head, root, key: name, signature } }], at, key)
    },
  }
}
