/**
 * What this is for: content (a request as it left, an answer as it was given) sealed to an officer, where a duty lets it be kept at all.
 *
 * One item is one JWE in compact form (RFC 7516): ECDH-ES+A256KW (RFC 7518, section 4.6) to a key on X25519 (RFC 8037) or P-256, A256GCM for
 * the text. The protected header says in clear which decision it belongs to.
 *
 * What it assumes: `jose` for the cryptography; Web Crypto, which Node and Workers have alike.
 * What it promises: who seals holds a public key and can open nothing, not even what it sealed itself; an item of which any byte was
 * changed does not open. Sealed is not signed: whoever has the public key can make an item.
 */
import { calculateJwkThumbprint, CompactEncrypt, compactDecrypt, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK } from 'jose'

const ALG = 'ECDH-ES+A256KW', ENC = 'A256GCM', TYPE = 'bailiwick-content'
export const CURVES = ['X25519', 'P-256'] as const
export type Curve = (typeof CURVES)[number]

export type ContentJwk = { readonly kty: 'OKP'; readonly crv: 'X25519'; readonly x: string } | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string }
export type PrivateContentJwk = ContentJwk & { readonly d: string }

/** What an item says of itself in clear; whoever changes a word of it makes an item that does not open. */
export type ContentHead = {
  readonly decision: string
  readonly part: 'request' | 'answer'
  /** Milliseconds since 1970. */
  readonly at: number
  /** How long the whole was; more than what is sealed where it was cut. */
  readonly bytes: number
  /** The rest was more than is kept of one item. */
  readonly cut?: true
}
export type Content = ContentHead & { readonly content: Uint8Array }

export type Sealer = {
  /** The thumbprint of the officer's key (RFC 7638). */
  readonly key: string
  /** One line without its end. */
  seal(content: Content): Promise<string>
}

/** A key as it stands in a file, read; `wrong` completes "... is no key for content: ". */
export type ReadKey<Jwk> = { readonly ok: true; readonly jwk: Jwk } | { readonly ok: false; readonly wrong: string }

/** The officer's public key, for a gateway. A private one is refused: a gateway that had it could open what it sealed. */
export function readContentKey(text: string): ReadKey<ContentJwk> {
  const read = readJwk(text)
  if (!read.ok) return read
  if (read.jwk.d !== undefined) return { ok: false, wrong: 'it is a private key, which the officer keeps; the gateway gets the public one' }
  return { ok: true, jwk: read.jwk.required }
}

/** The officer's private key, for reading. */
export function readPrivateContentKey(text: string): ReadKey<PrivateContentJwk> {
  const read = readJwk(text)
  if (!read.ok) return read
  if (read.jwk.d === undefined) return { ok: false, wrong: 'it is a public key, which seals and does not open' }
  return { ok: true, jwk: { ...read.jwk.required, d: read.jwk.d } }
}

function readJwk(text: string): ReadKey<{ readonly required: ContentJwk; readonly d: string | undefined }> {
  const none = { ok: false, wrong: 'it is not a JWK on X25519 or P-256' } as const
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return none
  }
  if (typeof value !== 'object' || value === null) return none
  const { kty, crv, x, y, d } = value as Readonly<Record<string, unknown>>
  if (typeof x !== 'string' || (d !== undefined && typeof d !== 'string')) return none
  if (kty === 'OKP' && crv === 'X25519') return { ok: true, jwk: { required: { kty, crv, x }, d } }
  return kty === 'EC' && crv === 'P-256' && typeof y === 'string' ? { ok: true, jwk: { required: { kty, crv, x, y }, d } } : none
}

/** A new pair. The private part leaves this process only with whoever asked. */
export async function newContentKey(crv: Curve): Promise<{ readonly privateJwk: PrivateContentJwk; readonly publicJwk: ContentJwk; readonly key: string }> {
  const pair = await generateKeyPair(ALG, { crv, extractable: true })
  const read = readJwk(JSON.stringify(await exportJWK(pair.privateKey)))
  if (!read.ok || read.jwk.d === undefined) throw new Error('a new key that is none')
  const { required, d } = read.jwk
  return { privateJwk: { ...required, d }, publicJwk: required, key: await calculateJwkThumbprint(required) }
}

/** Rejects where the key is no point of its curve. */
export async function sealerFor(jwk: ContentJwk): Promise<Sealer> {
  const [publicKey, key] = await Promise.all([importJWK({ ...jwk }, ALG), calculateJwkThumbprint({ ...jwk })])
  // A key that seals nothing is found out now, and not with the first request.
  await new CompactEncrypt(new Uint8Array()).setProtectedHeader({ alg: ALG, enc: ENC }).encrypt(publicKey)
  return {
    key,
    seal: ({ content, ...head }) => new CompactEncrypt(content).setProtectedHeader({ alg: ALG, enc: ENC, typ: TYPE, kid: key, ...head }).encrypt(publicKey),
  }
}

/** What a line is, as far as that can be seen without a key. */
export type Sealed = { readonly ok: true; readonly key: string; readonly head: ContentHead } | { readonly ok: false }

export function headOf(line: string): Sealed {
  try {
    if (line.split('.').length !== 5) return { ok: false }
    const { typ, kid, decision, part, at, bytes, cut } = decodeProtectedHeader(line) as Readonly<Record<string, unknown>>
    if (typ !== TYPE || typeof kid !== 'string' || typeof decision !== 'string' || typeof at !== 'number' || Number.isNaN(new Date(at).getTime()) || typeof bytes !== 'number') return { ok: false }
    if (part !== 'request' && part !== 'answer') return { ok: false }
    return { ok: true, key: kid, head: { decision, part, at, bytes, ...(cut === true && { cut }) } }
  } catch {
    return { ok: false }
  }
}

export type Opener = { readonly key: string; open(line: string): Promise<Uint8Array | undefined> }

/** `open` gives undefined where the item was sealed for another key, or changed since. Rejects where the key is none. */
export async function openerFor({ d, ...required }: PrivateContentJwk): Promise<Opener> {
  const [privateKey, key] = await Promise.all([importJWK({ ...required, d }, ALG), calculateJwkThumbprint({ ...required })])
  return {
    key,
    async open(line) {
      try {
        return (await compactDecrypt(line, privateKey, { keyManagementAlgorithms: [ALG], contentEncryptionAlgorithms: [ENC] })).plaintext
      } catch {
        return undefined
      }
    },
  }
}
