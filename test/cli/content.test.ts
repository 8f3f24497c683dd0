import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readContentKey, sealerFor, type ContentHead } from '../../src/record/content.ts'
import { cleanUp, freshFolder } from '../support/processes.ts'
import { run, type Said } from './stand-in.ts'

let folder: string
beforeEach(() => { folder = freshFolder() })
afterEach(cleanUp)

const content = (...args: readonly string[]): Promise<Said> => run(['content', ...args])
const at = (name: string): string => join(folder, name)

/** Seals texts to the key of a file, as a gateway would. */
async function sealed(keyFile: string, file: string, texts: readonly (readonly [decision: string, part: ContentHead['part'], text: string])[]): Promise<void> {
  const read = readContentKey(readFileSync(at(keyFile), 'utf8'))
  if (!read.ok) throw new Error(read.wrong)
  const sealer = await sealerFor(read.jwk)
  for (const [decision, part, text] of texts) {
    const bytes = new TextEncoder().encode(text)
    appendFileSync(file, `${await sealer.seal({ decision, part, at: Date.parse('2026-11-23T10:00:00Z'), bytes: bytes.length, content: bytes })}\n`)
  }
}
const lines = (said: Said): readonly Record<string, unknown>[] => said.out.split('\n').slice(0, -1).map(line => JSON.parse(line) as Record<string, unknown>)

describe('content key new', () => {
  it.each([[], ['--curve', 'P-256']])('writes a pair that fits, and says which is whose %j', async (...more) => {
    const said = await content('key', 'new', at('officer.jwk'), ...more)
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toContain('officer.pub.jwk  public')
    expect(statSync(at('officer.jwk')).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(at('officer.pub.jwk'), 'utf8'))).not.toHaveProperty('d')
    // What opens it is nowhere but in its file.
    expect(said.out).not.toContain((JSON.parse(readFileSync(at('officer.jwk'), 'utf8')) as { d: string }).d)
    await sealed('officer.pub.jwk', at('a.jwe'), [['d-1', 'request', 'hello']])
    expect(lines(await content('read', at('a.jwe'), '--key', at('officer.jwk')))).toMatchObject([{ text: 'hello' }])
  })

  it.each(['officer.jwk', 'officer.pub.jwk'])('writes over nothing: %s is there already', async there => {
    writeFileSync(at(there), 'kept')
    const said = await content('key', 'new', at('officer.jwk'))
    expect(said).toMatchObject({ code: 1, out: '' })
    expect(said.err).toContain('is there already')
    expect(readFileSync(at(there), 'utf8')).toBe('kept')
    expect(() => statSync(at(there === 'officer.jwk' ? 'officer.pub.jwk' : 'officer.jwk'))).toThrow('ENOENT')
  })

  it.each([[['key'], 'content key new'], [['key', 'old', 'a'], 'content key new'], [['key', 'new', 'a', '--curve', 'P-521'], '--curve is one of X25519, P-256'], [['key', 'new', 'a', '--key', 'b'], '--key is for content read'],
    [[], 'content needs a word'], [['raed'], 'Did you mean read?'], [['read', 'a'], 'needs --key'], [['read', '--key', 'b'], 'needs a folder or a file']])('%j is not understood', async (args, why) => {
    const said = await content(...args)
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(why)
  })
})

describe('content read', () => {
  beforeEach(async () => {
    await content('key', 'new', at('officer.jwk'))
    await content('key', 'new', at('other.jwk'))
    mkdirSync(at('log'))
    await sealed('officer.pub.jwk', at('log/2026-11-24.jwe'), [['d-2', 'request', 'later']])
    await sealed('officer.pub.jwk', at('log/2026-11-23.jwe'), [['d-1', 'request', 'what\nwas asked'], ['d-1', 'answer', 'what was said']])
  })

  it('gives the items of a folder as JSON lines, day by day', async () => {
    const said = await content('read', at('log'), '--key', at('officer.jwk'))
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(lines(said)).toEqual([
      { decision: 'd-1', part: 'request', at: '2026-11-23T10:00:00.000Z', bytes: 14, cut: false, text: 'what\nwas asked' },
      { decision: 'd-1', part: 'answer', at: '2026-11-23T10:00:00.000Z', bytes: 13, cut: false, text: 'what was said' },
      { decision: 'd-2', part: 'request', at: '2026-11-23T10:00:00.000Z', bytes: 5, cut: false, text: 'later' },
    ])
  })

  it('gives those of one decision, and says when there are none', async () => {
    expect(lines(await content('read', at('log'), '--key', at('officer.jwk'), '--decision', 'd-2')).map(l => l['text'])).toEqual(['later'])
    expect(await content('read', at('log'), '--key', at('officer.jwk'), '--decision', 'd-3')).toMatchObject({ code: 0, out: '', err: 'bailiwick: there is no content of decision d-3 here.\n' })
  })

  it('opens nothing with another key, and says which key it takes', async () => {
    const said = await content('read', at('log'), '--key', at('other.jwk'))
    expect(said).toMatchObject({ code: 1, out: '' })
    expect(said.err).toMatch(/^bailiwick: 3 items sealed to another key, \S{43}; \S+other\.jwk is \S{43}\.\n$/)
  })

  it('reads what is its own beside what is not', async () => {
    await sealed('other.pub.jwk', at('log/2026-11-24.jwe'), [['d-9', 'request', 'not ours']])
    const said = await content('read', at('log'), '--key', at('officer.jwk'))
    expect(said.code).toBe(0)
    expect(lines(said)).toHaveLength(3)
    expect(said.err).toContain('1 item sealed to another key')
  })

  it('names what is not whole, and what was changed, and reads the rest', async () => {
    const file = at('log/2026-11-23.jwe'), [one, two] = readFileSync(file, 'utf8').split('\n')
    const changed = `${two!.slice(0, -30)}${two!.at(-30) === 'A' ? 'B' : 'A'}${two!.slice(-29)}`
    writeFileSync(file, `${one!.slice(0, 200)}\n${one}\n\n${changed}\n`)
    const said = await content('read', file, '--key', at('officer.jwk'))
    expect(said.code).toBe(1)
    expect(lines(said).map(l => l['text'])).toEqual(['what\nwas asked'])
    expect(said.err).toBe(`bailiwick: ${file}:1 is not whole, or no sealed content.\nbailiwick: ${file}:4 does not open: it was changed after it was sealed.\n`)
  })

  it.each([['officer.pub.jwk', 'it is a public key'], ['log/2026-11-23.jwe', 'not a JWK'], ['nowhere', 'cannot be read (ENOENT)']])('%s is no key to read with', async (file, why) => {
    const said = await content('read', at('log'), '--key', at(file))
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(why)
  })

  it('says that a folder is not there', async () => {
    expect(await content('read', at('nowhere'), '--key', at('officer.jwk'))).toMatchObject({ code: 2, out: '' })
  })
})

describe('serve', () => {
  it('takes the folder, the key and the place together, as flags or variables', async () => {
    const wish = { content: { folder: 'c', keyFile: 'k', place: 'FR' } }
    expect((await run(['serve', '--content-log', 'c', '--content-key', 'k', '--content-place', 'FR'])).served).toMatchObject([wish])
    expect((await run(['serve'], { environment: { BAILIWICK_CONTENT_LOG: 'c', BAILIWICK_CONTENT_KEY: 'k', BAILIWICK_CONTENT_PLACE: 'FR' } })).served).toMatchObject([wish])
    expect((await run(['serve', '--content-log', 'c', '--content-key', 'k'])).served).toMatchObject([{ content: { place: undefined } }])
    expect((await run(['serve'])).served).toMatchObject([{ content: undefined }])
  })

  it.each([[['--content-log', 'c'], '--content-log needs --content-key'], [['--content-key', 'k'], '--content-key needs --content-log'], [['--content-place', 'FR'], '--content-place needs'],
    [['--content-log', 'c', '--content-key', 'k', '--content-place', 'EU'], "not 'EU'"]])('refuses %j', async (args, why) => {
    const said = await run(['serve', ...args])
    expect(said).toMatchObject({ code: 2, served: [] })
    expect(said.err).toContain(why)
  })
})
