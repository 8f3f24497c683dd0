/** What every change that a person makes at a running gateway has in common: who does it, and how it is refused. */
import { failure, type Failure } from '../failure.ts'

export type Refused = { readonly ok: false; readonly failure: Failure }
export type Outcome = { readonly ok: true; readonly value: unknown } | Refused

export const refuse = (message: string, param?: string, status?: number): Refused =>
  ({ ok: false, failure: failure('invalid_request', message, { ...(param !== undefined && { param }), ...(status !== undefined && { status }) }) })

const AUTHOR = /^[^\p{C}\p{Z}](?:[^\p{C}]{0,198}[^\p{C}\p{Z}])?$/u

/** Who does it. INVARIANT: read before anything is done. */
export const readAuthor = (author: unknown): { readonly ok: true; readonly author: string } | Refused =>
  (typeof author === 'string' && AUTHOR.test(author) ? { ok: true, author } : refuse("'author' must say who does this, in one line of at most 200 letters.", 'author'))

/** The author in a body that says nothing else. */
export function readSigned({ author, ...others }: Readonly<Record<string, unknown>>): ReturnType<typeof readAuthor> {
  const strange = Object.keys(others)[0]
  return strange === undefined ? readAuthor(author) : refuse("The body takes 'author' and nothing else.", strange.slice(0, 64))
}
