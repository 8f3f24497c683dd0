/** What must never happen: an identifier that a policy asks to redact leaves in some corner of the request. */
import { describe, expect, it } from 'vitest'
import { carryOut } from '../../src/obligation/obligation.ts'
import { KINDS, type Kind } from '../../src/obligation/identifiers.ts'
import type { Operation } from '../../src/policy/facts.ts'

const CANARIES: { readonly [kind in Kind]: string } = {
  email: 'canary@example.eu', iban: 'DE89370400440532013000', 'payment-card': '4111111111111111', phone: '+32475123456', 'ip-address': '192.0.2.77', 'national-id': '44051401359',
}

type Body = Readonly<Record<string, unknown>>
const user = (message: Body): Body => ({ model: 'auto', messages: [{ role: 'user', content: 'hello' }, message] })

/** Every place of a request where a caller can put text. */
const PLACES: readonly (readonly [place: string, operation: Operation, body: (canary: string) => Body])[] = [
  ['content of a user message', 'chat', c => user({ role: 'user', content: `it is ${c}.` })],
  ['content of a system message', 'chat', c => user({ role: 'system', content: `it is ${c}.` })],
  ['content of a developer message', 'chat', c => user({ role: 'developer', content: c })],
  ['a text part', 'chat', c => user({ role: 'user', content: [{ type: 'text', text: 'so' }, { type: 'text', text: c }] })],
  ['a refusal part', 'chat', c => user({ role: 'assistant', content: [{ type: 'refusal', refusal: c }] })],
  ['the name of a speaker', 'chat', c => user({ role: 'user', name: c, content: 'x' })],
  ['reasoning of an earlier answer', 'chat', c => user({ role: 'assistant', content: 'x', reasoning_content: c })],
  ['arguments of a tool call', 'chat', c => user({ role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: JSON.stringify({ to: c }) } }] })],
  ['a name inside arguments of a tool call', 'chat', c => user({ role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: JSON.stringify({ [c]: 1 }) } }] })],
  ['JSON within JSON arguments', 'chat', c => user({ role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: JSON.stringify({ inner: JSON.stringify([c]) }) } }] })],
  ['arguments that are no JSON', 'chat', c => user({ role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: `{"to": "${c}` } }] })],
  ['the id of a tool call', 'chat', c => user({ role: 'tool', tool_call_id: c, content: 'x' })],
  ['an old function call', 'chat', c => user({ role: 'assistant', function_call: { name: 'f', arguments: JSON.stringify({ to: c }) } })],
  ['a tool message', 'chat', c => user({ role: 'tool', tool_call_id: 'a', content: JSON.stringify({ found: [c] }) })],
  ['a member we have never heard of', 'chat', c => user({ role: 'user', content: 'x', brand_new: { deep: [{ er: c }] } })],
  ['the description of a tool', 'chat', c => ({ ...user({ role: 'user', content: 'x' }), tools: [{ type: 'function', function: { name: 'f', description: c, parameters: {} } }] })],
  ['the schema of a tool', 'chat', c => ({ ...user({ role: 'user', content: 'x' }), tools: [{ type: 'function', function: { name: 'f', parameters: { properties: { [c]: { enum: [c] } } } } }] })],
  ['the response format', 'chat', c => ({ ...user({ role: 'user', content: 'x' }), response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { default: c } } } })],
  ['the user field', 'chat', c => ({ ...user({ role: 'user', content: 'x' }), user: c })],
  ['metadata', 'chat', c => ({ ...user({ role: 'user', content: 'x' }), metadata: { [c]: c } })],
  ['a stop sequence', 'chat', c => ({ ...user({ role: 'user', content: 'x' }), stop: [c] })],
  ['a prediction', 'chat', c => ({ ...user({ role: 'user', content: 'x' }), prediction: { type: 'content', content: [{ type: 'text', text: c }] } })],
  ['a prompt', 'completion', c => ({ model: 'auto', prompt: c })],
  ['a list of prompts', 'completion', c => ({ model: 'auto', prompt: ['x', c] })],
  ['a suffix', 'completion', c => ({ model: 'auto', prompt: 'x', suffix: c })],
  ['an embedding input', 'embedding', c => ({ model: 'auto', input: c })],
  ['a list of embedding inputs', 'embedding', c => ({ model: 'auto', input: ['x', c] })],
  ['a document to rank', 'rerank', c => ({ model: 'auto', query: c, documents: [c, { text: c }] })],
]

const host = { place: 'FR', members: () => [] }

function leaves(kinds: readonly string[], operation: Operation, body: Body): string {
  const result = carryOut({ redact: kinds }, operation, body, host)
  if (!result.ok) throw new Error(result.failure.message)
  return JSON.stringify({ ...body, ...result.edit?.set })
}

describe.each(PLACES)('in %s', (_place, operation, body) => {
  it.each(KINDS)('%s', kind => {
    const canary = CANARIES[kind]
    expect(leaves([kind], operation, body(canary))).not.toContain(canary)
    expect(leaves([kind], operation, body(canary))).toContain(`[redacted ${kind}]`)
    // The twin: without the duty, the same text is there.
    expect(leaves([], operation, body(canary))).toContain(canary)
  })
})

describe('in disguise', () => {
  const sends = (kind: Kind, content: string): string => leaves([kind], 'chat', user({ role: 'user', content }))
  it.each<[string, Kind, string, string]>([
    ['wide digits', 'payment-card', '４１１１１１１１１１１１１１１１', '４'],
    ['Arabic digits', 'payment-card', '٤١١١١١١١١١١١١١١١', '٤'],
    ['narrow spaces', 'iban', 'DE89\u202f3704\u202f0044\u202f0532\u202f0130\u202f00', '3704'],
    ['soft hyphens and zero-width spaces', 'iban', 'DE89\u00ad3704\u200b0044053201300\u20600', '3704'],
    ['long dashes', 'payment-card', '4111–1111–1111–1111', '1111'],
    ['lower case', 'iban', 'de89370400440532013000', '3704'],
    ['between letters of another script', 'national-id', 'это 44051401359 так', '4405'],
    ['an escape in JSON text', 'email', '{"to": "canary\\u0040example.eu"}', 'canary'],
  ])('%s', (_disguise, kind, content, rest) => {
    expect(sends(kind, content)).not.toContain(rest)
    expect(sends(kind, content)).toContain(`[redacted ${kind}]`)
  })

  it('a card written as a number in JSON text', () => {
    expect(sends('payment-card', '{"card": 4111111111111111}')).not.toContain('4111')
  })
  it('a card of nineteen digits, more than a number can hold, in JSON text', () => {
    expect(sends('payment-card', '{"card": 6304000000000000000}')).not.toContain('6304')
  })
  it('a card written as a number in metadata', () => {
    expect(leaves(['payment-card'], 'chat', { ...user({ role: 'user', content: 'x' }), metadata: { card: 4111111111111111 } })).not.toContain('4111')
  })
})

describe('what cannot be read is refused', () => {
  const refused = (operation: Operation, body: Body): void => {
    const result = carryOut({ redact: ['email'] }, operation, body, host)
    expect(result.ok ? 'carried out' : result.failure.code).toBe('no_permitted_model')
    // The twin: without the duty nothing stands in its way.
    expect(carryOut({}, operation, body, host).ok).toBe(true)
  }
  it.each<[string, Operation, Body]>([
    ['a picture by address', 'chat', user({ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.eu/a.png' } }] })],
    ['sound', 'chat', user({ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }] })],
    ['a file', 'chat', user({ role: 'user', content: [{ type: 'file', file: { file_data: 'AAAA' } }] })],
    ['a part of a kind that nobody knows yet', 'chat', user({ role: 'user', content: [{ type: 'hologram', text: 'x' }] })],
    ['a part that hides a picture behind the word text', 'chat', user({ role: 'user', content: [{ type: 'text', text: 'x', image_url: { url: 'x' } }] })],
    ['a part without a kind', 'chat', user({ role: 'user', content: [{ picture: 'x' }] })],
    ['pictures of a message', 'chat', user({ role: 'user', content: 'x', images: ['AAAA'] })],
    ['an earlier spoken answer', 'chat', user({ role: 'assistant', audio: { id: 'audio_1' } })],
    ['data in a text', 'chat', user({ role: 'user', content: 'see data:image/png;base64,AAAA' })],
    ['sealed reasoning', 'chat', user({ role: 'assistant', content: 'x', encrypted_content: 'AAAA' })],
    ['a prompt of token numbers', 'completion', { model: 'auto', prompt: [1, 2, 3] }],
    ['prompts of token numbers', 'completion', { model: 'auto', prompt: [[1, 2], [3]] }],
    ['inputs of token numbers', 'embedding', { model: 'auto', input: [[1, 2], [3]] }],
    ['a picture to moderate', 'moderation', { model: 'auto', input: [{ type: 'image_url', image_url: { url: 'x' } }] }],
    ['a number with more digits than were read', 'chat', JSON.parse('{"model": "auto", "messages": [], "metadata": {"card": 6304000000000000000}}') as Body],
    ['an identifier as the name of a member on top', 'chat', { ...user({ role: 'user', content: 'x' }), 'canary@example.eu': 1 }],
    ['two names that would become one', 'chat', { ...user({ role: 'user', content: 'x' }), metadata: { 'a@example.eu': 1, 'b@example.eu': 2 } }],
    ['nesting without end', 'chat', { ...user({ role: 'user', content: 'x' }), metadata: JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown }],
  ])('%s', (_what, operation, body) => refused(operation, body))

  it('says which duty, and nothing of the content', () => {
    const result = carryOut({ redact: ['email', 'iban'] }, 'chat', user({ role: 'user', content: [{ type: 'hologram', text: 'canary@example.eu' }] }), host)
    expect(result.ok ? '' : result.failure.message).toBe('The policies ask to redact email, iban, which this gateway can do in text only, and this request holds something else.')
    expect(JSON.stringify(result)).not.toContain('canary')
  })
})

it('reads a text of ten million characters, and refuses one that is beyond any bound', () => {
  const long = 'x '.repeat(5_000_000)
  expect(leaves(['iban'], 'chat', user({ role: 'user', content: `${long}${CANARIES.iban}` }))).not.toContain('DE89')
  expect(carryOut({ redact: ['iban'] }, 'chat', user({ role: 'user', content: long + long }), host).ok).toBe(false)
})
