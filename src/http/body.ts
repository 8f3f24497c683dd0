/**
 * Request bodies: bounded while they arrive, complete or refused.
 *
 * What it promises: never more than the limit in memory; a body that ended early is never read as if it were whole; a
 * complaint says where the mistake is and quotes nothing.
 */
import { failure, type Failure } from '../failure.ts'
import { concat } from '../openai/bytes.ts'
import { readBody, type RequestBody } from '../openai/body.ts'
import { faultInJson, faultInUtf8 } from './fault.ts'

export type ReadJson = { readonly ok: true; readonly body: RequestBody } | { readonly ok: false; readonly failure: Failure }
type ReadBytes = { readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly failure: Failure }

const refuse = (f: Failure): { readonly ok: false; readonly failure: Failure } => ({ ok: false, failure: f })
const invalid = (message: string, param?: string): { readonly ok: false; readonly failure: Failure } =>
  refuse(failure('invalid_request', message, param === undefined ? {} : { param }))

/** The JSON object in a request's body. */
export async function readJson(request: Request, bodyBytesMax: number): Promise<ReadJson> {
  const { headers } = request
  if (!/^application\/json[ \t]*(;|$)/i.test(headers.get('content-type') ?? '')) return invalid('The content type must be application/json.', 'content-type')
  if (!/^(identity)?$/i.test(headers.get('content-encoding') ?? '')) return invalid('The body must be sent without compression.', 'content-encoding')
  const read = await readBytes(request, bodyBytesMax)
  if (!read.ok) return read
  const parsed = readBody(read.bytes)
  return parsed.ok ? { ok: true, body: parsed.body } : invalid(parsed.param === undefined ? locate(read.bytes) ?? parsed.wrong : parsed.wrong, parsed.param)
}

async function readBytes(request: Request, bodyBytesMax: number): Promise<ReadBytes> {
  const tooLarge = refuse(failure('request_too_large', `The body is larger than ${bodyBytesMax} bytes, the most that this gateway takes.`))
  const endedEarly = invalid('The body ended before it was complete.')
  const stated = request.headers.get('content-length')
  try {
    if (stated === null) {
      const bytes = await readCounting(request, bodyBytesMax)
      return bytes === undefined ? tooLarge : { ok: true, bytes }
    }
    if (!/^\d{1,15}$/.test(stated)) return invalid('The content length is not a number.', 'content-length')
    if (Number(stated) > bodyBytesMax) return tooLarge
    // The host ends a body at its stated length, so that this cannot grow past the limit.
    const bytes = new Uint8Array(await request.arrayBuffer())
    return bytes.length === Number(stated) ? { ok: true, bytes } : endedEarly
  } catch {
    return endedEarly
  }
}

/** Undefined as soon as there is more than the limit; the rest is not read. Rejects when the connection is lost. */
async function readCounting({ body }: Request, bodyBytesMax: number): Promise<Uint8Array | undefined> {
  if (body === null) return new Uint8Array()
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    length += next.value.length
    if (length > bodyBytesMax) {
      // What the cancelling says is of no interest: the answer is already known.
      reader.cancel().catch(() => undefined)
      return undefined
    }
    chunks.push(next.value)
  }
  return concat(chunks)
}

/** Where a body stops being UTF-8 or JSON; undefined when it is both. */
function locate(bytes: Uint8Array): string | undefined {
  const byte = faultInUtf8(bytes)
  if (byte !== undefined) return `The body is not valid UTF-8 at byte ${byte + 1}.`
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  if (text.startsWith('\ufeff')) return undefined
  const at = faultInJson(text)
  if (at === undefined) return undefined
  if (at >= text.length) return 'The body is not valid JSON: it ends too early.'
  const lines = text.slice(0, at).split('\n')
  return `The body is not valid JSON at line ${lines.length}, column ${lines.at(-1)!.length + 1}.`
}
