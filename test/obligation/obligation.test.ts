import { describe, expect, it } from 'vitest'
import { carryOut, mayRecord, type CarriedOut, type Host } from '../../src/obligation/obligation.ts'
import { readBody } from '../../src/openai/body.ts'
import type { CombinedDuties } from '../../src/policy/frame.ts'
import type { Operation } from '../../src/policy/facts.ts'

const EEA = ['DE', 'FR']
const host = (place: string | undefined): Host => ({ place, members: group => (group === 'eea' ? EEA : []) })
const chat = { model: 'auto', messages: [{ role: 'user', content: 'Pay DE89 3704 0044 0532 0130 00 today' }] }

const carry = (duties: CombinedDuties, body: Readonly<Record<string, unknown>> = chat, operation: Operation = 'chat', place: string | undefined = 'FR'): CarriedOut =>
  carryOut(duties, operation, body, host(place))

function done(result: CarriedOut): Extract<CarriedOut, { ok: true }> {
  if (!result.ok) throw new Error(`refused: ${result.failure.message}`)
  return result
}

function refusal(result: CarriedOut): string {
  if (result.ok) throw new Error('it was carried out')
  expect(result.failure.code).toBe('no_permitted_model')
  return result.failure.message
}

describe('no duty', () => {
  it('leaves the body as it came', () => {
    expect(done(carry({}))).toEqual({ ok: true, edit: undefined, headers: {}, done: [] })
  })
})

describe('redact', () => {
  it('replaces what it finds, keeps the rest, and says how often', () => {
    const result = done(carry({ redact: ['email', 'iban'] }))
    expect(result.edit).toEqual({ set: { messages: [{ role: 'user', content: 'Pay [redacted iban] today' }] } })
    expect(result.done).toEqual(['redact email: 0', 'redact iban: 1'])
  })

  it('writes what it read anew even where nothing is found: what it could not see must not leave in its stead', () => {
    const twice = '{"model":"auto","messages":[{"role":"user","content":"Pay DE89 3704 0044 0532 0130 00","content":"hi"}],"temperature":1.0}'
    const read = readBody(new TextEncoder().encode(twice))
    if (!read.ok) throw new Error(read.wrong)
    const { edit } = done(carry({ redact: ['iban'] }, read.body.value))
    expect(new TextDecoder().decode(read.body.edit(edit!))).toBe('{"model":"auto","messages":[{"role":"user","content":"hi"}],"temperature":1.0}')
  })

  it('reads a member of any name, __proto__ too', () => {
    const read = readBody(new TextEncoder().encode('{"model":"auto","messages":[{"role":"user","content":"hi"}],"__proto__":{"x":"DE89370400440532013000"}}'))
    if (!read.ok) throw new Error(read.wrong)
    const { edit } = done(carry({ redact: ['iban'] }, read.body.value))
    expect(new TextDecoder().decode(read.body.edit(edit!))).not.toContain('DE89')
  })

  it('replaces overlapping finds once, with nothing left of either', () => {
    const text = 'call +4111111111111111 now'
    const result = done(carry({ redact: ['payment-card', 'phone'] }, { model: 'auto', messages: [{ role: 'user', content: text }] }))
    expect(result.edit).toEqual({ set: { messages: [{ role: 'user', content: expect.stringMatching(/^call \+?\[redacted (?:phone|payment-card)\] now$/) as string }] } })
  })

  it('changes only the values of a JSON text, and keeps the other numbers as they are written', () => {
    const args = '{"to": "DE89370400440532013000", "card": 4111111111111111, "amount": 12.50, "snowflake": 1234567890123456789}'
    const body = { model: 'auto', messages: [{ role: 'assistant', tool_calls: [{ id: 'c1', type: 'function', function: { name: 'pay', arguments: args } }] }] }
    const result = done(carry({ redact: ['iban', 'payment-card'] }, body))
    const messages = result.edit!.set['messages'] as typeof body.messages
    expect(messages[0]!.tool_calls[0]!.function.arguments)
      .toBe('{"to": "[redacted iban]", "card": "[redacted payment-card]", "amount": 12.50, "snowflake": 1234567890123456789}')
  })

  it('refuses a kind that it does not know, by name', () => {
    expect(refusal(carry({ redact: ['iban', 'shoe-size'] }))).toBe('The policies ask to redact shoe-size, which this gateway cannot do for this request.')
  })

  it('refuses an operation whose requests are not text', () => {
    expect(refusal(carry({ redact: ['email'] }, { model: 'auto', file: 'x' }, 'transcription'))).toContain('redact email')
    expect(done(carry({ redact: ['email'] }, { model: 'auto', input: 'a@example.eu' }, 'embedding')).edit).toEqual({ set: { input: '[redacted email]' } })
  })
})

describe('log-in', () => {
  const refusalOf = (logIn: readonly string[], place: string | undefined): string => {
    const refused = mayRecord({ logIn }, host(place))
    if (refused === undefined) throw new Error('the record may be kept')
    expect(refused.code).toBe('no_permitted_model')
    return refused.message
  }
  it.each([['FR', ['eea']], ['FR', ['FR']], ['CA-QC', ['CA']], ['CA-QC', ['CA-QC']]])('records in %s may stay in %s', (place, logIn) => {
    expect(mayRecord({ logIn }, host(place))).toBeUndefined()
    expect(done(carry({ logIn }, chat, 'chat', place)).done).toEqual([`log-in ${place}`])
  })
  it.each([['US', ['eea']], ['US', ['FR']], ['CA', ['CA-QC']], ['FR', ['atlantis']]])('records in %s may not stay in %s', (place, logIn) => {
    const message = refusalOf(logIn, place)
    expect(message).toContain(logIn[0])
    expect(message).toContain(place)
  })
  it('refuses when nobody said where the records are kept, and says what to say', () => {
    expect(refusalOf(['eea'], undefined)).toMatch(/eea.*--place/)
  })
  it('refuses when no place is left', () => {
    expect(refusalOf([], 'FR')).toContain('no place')
  })
  it('asks nothing where no rule does', () => {
    expect(mayRecord({}, host(undefined))).toBeUndefined()
  })
})

describe('header', () => {
  it('goes on the answer in lower case', () => {
    expect(done(carry({ header: { 'X-Notice': 'machine made' } })).headers).toEqual({ 'x-notice': 'machine made' })
  })
  it.each([
    ['x-bailiwick-deployment', 'x'], ['X-Request-Id', 'x'], ['transfer-encoding', 'chunked'], ['Content-Type', 'text/html'], ['set-cookie', 'a=b'], ['bad name', 'x'], ['x-split', 'a\r\nb: c'], ['x-empty', ''],
  ])('refuses %s', (name, value) => {
    expect(refusal(carry({ header: { [name]: value } }))).toContain(name.toLowerCase())
  })
})

describe('the other duties', () => {
  it('are done by what the gateway always does, and are said', () => {
    const result = done(carry({ log: 'metadata', cache: [], notify: ['dpo'], retainEvidence: 48, rescue: 'no', requestDigest: 'yes' }))
    expect(result.done).toEqual(['log metadata', 'cache: nothing is kept', 'notify dpo', 'retain-evidence 2d: kept at least so long', 'rescue no', 'request-digest: on record'])
    expect(result.edit).toBeUndefined()
  })
})

it('gives an edit that a body takes', () => {
  const read = readBody(new TextEncoder().encode(JSON.stringify(chat)))
  if (!read.ok) throw new Error(read.wrong)
  const { edit } = done(carry({ redact: ['iban'] }, read.body.value))
  expect(new TextDecoder().decode(read.body.edit(edit!))).toBe(JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'Pay [redacted iban] today' }] }))
})
