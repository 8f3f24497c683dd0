/**
 * What this is for: the key with which a gateway signs its records, and what it signs. Ed25519 (RFC 8032) by Web Crypto, which Node and
 * Workers have alike; keys as JWK (RFC 8037), named by their thumbprint (RFC 7638).
 */
import { canonical } from './canonical.ts'
import { fromBase64url, inBase64url, type Sha256 } from './hash.ts'

export type PublicJwk = { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }
export type PrivateJwk = PublicJwk & { readonly d: string }

export type SigningKey = { readonly publicJwk: PublicJwk; readonly name: string; sign(text: string): Promise<string> }

/** The name of a key: base64url of the SHA-256 of its required members. */
export const nameOfKey = ({ crv, kty, x }: PublicJwk, sha256: Sha256): string => inBase64url(sha256(canonical({ crv, kty, x })))

/** Undefined where the value is no Ed25519 key. */
export function readPublicJwk(value: unknown): PublicJwk | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { kty, crv, x } = value as Partial<PublicJwk>
  return kty === 'OKP' && crv === 'Ed25519' && typeof x === 'string' && fromBase64url(x)?.length === 32 ? { kty, crv, x } : undefined
}

export async function newKey(): Promise<PrivateJwk> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']) as { readonly privateKey: CryptoKey }
  const { x, d } = await crypto.subtle.exportKey('jwk', pair.privateKey) as { readonly x: string; readonly d: string }
  return { kty: 'OKP', crv: 'Ed25519', x, d }
}

/** Rejects where the key is none. */
export async function signingKey({ kty, crv, x, d }: PrivateJwk, sha256: Sha256): Promise<SigningKey> {
  const key = await crypto.subtle.importKey('jwk', { kty, crv, x, d }, 'Ed25519', false, ['sign'])
  const publicJwk: PublicJwk = { kty, crv, x }
  return {
    publicJwk, name: nameOfKey(publicJwk, sha256),
    sign: async text => inBase64url(new Uint8Array(await crypto.subtle.sign('Ed25519', key, new TextEncoder().encode(text)))),
  }
}

/** Whether this key signed this text. Never rejects. */
export async function isSignedBy(jwk: PublicJwk, text: string, signature: string): Promise<boolean> {
  const bytes = fromBase64url(signature)
  if (bytes === undefined) return false
  try {
    const key = await crypto.subtle.importKey('jwk', { ...jwk }, 'Ed25519', false, ['verify'])
    return await crypto.subtle.verify('Ed25519', key, bytes, new TextEncoder().encode(text))
  } catch {
    return false
  }
}
