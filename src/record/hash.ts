/** SHA-256 (FIPS 180-4), from the host: the records are made of it, and one that had to be waited for would be in the way of every request. Text is taken as UTF-8. */
export type Sha256 = (of: string | Uint8Array) => Uint8Array

/** Lower-case hex. */
export const inHex = (bytes: Uint8Array): string => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')

/** Of lower-case hex that was checked to be that. */
export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1)
  for (let i = 0; i < bytes.length; i++) bytes[i] = nibble(hex.charCodeAt(2 * i)) << 4 | nibble(hex.charCodeAt(2 * i + 1))
  return bytes
}
const nibble = (code: number): number => (code > 57 ? code - 87 : code - 48)

/** 32 bytes in lower-case hex. */
export const isDigest = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)

/** base64url without padding (RFC 4648, section 5). */
export function inBase64url(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Undefined where the text is none. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined
  const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), character => character.charCodeAt(0))
  // Spare bits at the end would let two texts stand for one value.
  return inBase64url(bytes) === text ? bytes : undefined
}

/** What a host gives for digests that nobody can try out: SHA-256, and bytes that nobody can guess. */
export type Salting = { readonly sha256: Sha256; readonly randomBytes: (length: number) => Uint8Array }

const SALT_BYTES = 16

/** SHA-256 over 16 random bytes followed by these, and those bytes; both in lower-case hex. */
export function saltedDigest(bytes: Uint8Array, { sha256, randomBytes }: Salting): { readonly salt: string; readonly digest: string } {
  const salt = randomBytes(SALT_BYTES)
  const whole = new Uint8Array(salt.length + bytes.length)
  whole.set(salt)
  whole.set(bytes, salt.length)
  return { salt: inHex(salt), digest: inHex(sha256(whole)) }
}
