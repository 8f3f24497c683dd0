/**
 * Who is asking. A key is hashed at once and compared by its digest; its text is kept nowhere and repeated nowhere.
 */
import type { Bundle } from '../bundle/bundle.ts'
import { failure, type Failure } from '../failure.ts'

export type Known = { readonly ok: true; readonly app: string } | { readonly ok: false; readonly failure: Failure }

/** One word of visible ASCII (RFC 6750, section 2.1, and wider: other gateways' keys hold colons). */
const BEARER = /^Bearer +([\x21-\x7e]{1,4096})$/i
const encoder = new TextEncoder()

const refuse = (message: string): { readonly ok: false; readonly failure: Failure } => ({ ok: false, failure: failure('invalid_api_key', message) })

/** The app whose key this is. A key that is bound to this machine is refused from elsewhere. */
export async function appOf(authorization: string | undefined, { bundle, isLoopback }: { readonly bundle: Bundle; readonly isLoopback: () => boolean }): Promise<Known> {
  if (authorization === undefined) return refuse("No API key was sent. Send it as 'Authorization: Bearer KEY'.")
  const key = BEARER.exec(authorization)?.[1]
  if (key === undefined) return refuse("The Authorization header is not of the form 'Bearer KEY'.")
  const app = bundle.appByKeyHash.get(`sha256:${await sha256InHex(key)}`)
  if (app === undefined) return refuse('The API key is not known.')
  if (bundle.apps.get(app)?.loopbackOnly !== false && !isLoopback()) return refuse('This API key works only from the machine that the gateway runs on.')
  return { ok: true, app }
}

/** Whether this is the admin token; undefined when it is. Without a configured token nobody is admin. */
export async function refuseAdmin(authorization: string | undefined, token: string | undefined): Promise<Failure | undefined> {
  const refused = failure('invalid_api_key', "This path needs the admin token, sent as 'Authorization: Bearer TOKEN'.")
  const given = BEARER.exec(authorization ?? '')?.[1]
  if (given === undefined || token === undefined) return refused
  const [a, b] = await Promise.all([sha256(given), sha256(token)])
  // Digests are compared to their last byte, so that time tells nothing about where they differ.
  let difference = 0
  a.forEach((byte, i) => { difference |= byte ^ b[i]! })
  return difference === 0 ? undefined : refused
}

const sha256 = async (text: string): Promise<Uint8Array> => new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)))
/** In lower case. */
export const sha256InHex = async (text: string): Promise<string> => hex(await sha256(text))
const hex = (bytes: Uint8Array): string => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('')
