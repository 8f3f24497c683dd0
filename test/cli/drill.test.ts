import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { cleanUp, folderOf, freshFolder } from '../support/processes.ts'
import { policy, provider, rule } from '../support/tree.ts'
import { AT, FOLDER, withRules, STAYS, NOT_KEPT } from './officer-folder.ts'
import { run } from './stand-in.ts'

const directiveFile = (body: string, name = 'notice.policy.yaml', effective = '{ from: 2026-11-20, until: 2026-12-01, timezone: UTC }'): string => {
  const file = join(freshFolder(), name)
  writeFileSync(file, policy('notice', rule('gone', body), effective))
  return file
}

describe('drill', () => {
  afterEach(cleanUp)

  it('shows coverage before and after, and is fine while every profile keeps a deployment', async () => {
    const said = await run(['drill', folderOf(FOLDER), '--revoke', 'controlled-from=US', '--at', AT])
    expect(said.code).toBe(0)
    expect(said.out).toMatch(/before\n[\s\S]*\[source-code\] +3 +3 [\s\S]*after\n[\s\S]*\[source-code\] +1 +1 /)
    expect(said.out).toContain('app=desk data=[source-code]  loses us, odd, 1 left\n')
    expect(said.out).toContain('Every profile that had a deployment still has one.\n')
  })

  it('ends with 4 and names the profiles that would have none', async () => {
    const said = await run(['drill', folderOf(withRules(STAYS, NOT_KEPT)), '--revoke', 'provider=home', '--at', AT])
    expect(said.code).toBe(4)
    expect(said.out).toContain('app=desk data=[personal]  loses fr, NONE left\n')
    expect(said.out).toContain('2 of 4 profiles would have none: app=desk data=[personal]; app=desk data=unknown\n')
  })

  it('judges chat by itself: a model that embeds does not stand in for it, nor the other way round', async () => {
    const vectors = provider('own', 'dialect: openai\nbase-url: http://127.0.0.1:9\nhosting: local\nprocessed-in: [FR]', ['{ deployment: vectors, model: own/v, operations: [embedding] }'])
    const folder = folderOf({ ...withRules(STAYS, NOT_KEPT), 'catalog/own.yaml': vectors })
    const chat = await run(['drill', folder, '--revoke', 'provider=home', '--at', AT])
    expect(chat.code).toBe(4)
    expect(chat.out).toContain('app=desk data=[personal]  loses fr, 1 left, NONE for text\n')
    expect(chat.out).toContain('2 of 4 profiles would have none: app=desk data=[personal] (text); app=desk data=unknown (text)\n')
    expect(chat.out).toMatch(/after\n[\s\S]*\[personal\] +0 +1 +4 +- +- +-\n/)
    const embedding = await run(['drill', folder, '--revoke', 'provider=own', '--at', AT])
    expect(embedding.code).toBe(4)
    expect(embedding.out).toContain('app=desk data=[source-code]  loses vectors, 2 left, NONE for embedding\n')
    expect(embedding.out).toMatch(/after\n[\s\S]*\[source-code\] +0 +2 +4 +- +- +- +embedding\n/)
    expect(JSON.parse((await run(['drill', folder, '--revoke', 'provider=home,provider=own', '--at', AT, '--format', 'json'])).out)).toMatchObject({
      emptied: [{ data: ['none'], operations: ['embedding'] }, { data: ['personal'], operations: ['text', 'embedding'] }, { data: ['source-code'], operations: ['embedding'] }, { data: 'unknown', operations: ['text', 'embedding'] }],
    })
  })

  it.each([['given twice', ['--revoke', 'hosting=cloud', '--revoke', 'model=lab/small']], ['with a comma', ['--revoke', 'hosting=cloud,model=lab/*']]])('takes several, %s', async (_, args) => {
    const said = await run(['drill', folderOf(FOLDER), ...args, '--at', AT, '--format', 'json'])
    expect(said.code).toBe(4)
    expect(JSON.parse(said.out)).toMatchObject({ emptied: [{ data: ['none'] }, { app: 'desk', data: ['personal'], operations: ['text'] }, { data: ['source-code'] }, { data: 'unknown' }] })
  })

  it('pretends a directive from a file, at its first second when that is to come', async () => {
    const folder = folderOf(FOLDER)
    const now = await run(['drill', folder, '--from-directive', directiveFile('forbid: { deployment: us }'), '--at', AT, '--format', 'json'])
    expect(now.code).toBe(0)
    expect(JSON.parse(now.out)).toMatchObject({ at: '2026-11-22T11:00:00.000Z', changes: [{ data: ['none'], lost: ['us'] }, { data: ['source-code'], lost: ['us'] }], emptied: [] })
    const later = await run(['drill', folder, '--from-directive', directiveFile('forbid: all', undefined, '{ from: 2026-12-24, until: 2026-12-31, timezone: UTC }'), '--at', AT, '--format', 'json'])
    expect(later.code).toBe(4)
    expect(JSON.parse(later.out)).toMatchObject({ at: '2026-12-24T00:00:00.000Z' })
  })

  it('says where a directive does not compile, in the file that was given', async () => {
    const file = directiveFile('forbid: { deployment: nowhere }')
    const said = await run(['drill', folderOf(FOLDER), '--from-directive', file])
    expect(said.code).toBe(3)
    expect(said.err).toMatch(/^\S+notice\.policy\.yaml:11:27: There is no deployment nowhere\..*\n +forbid: \{ deployment: nowhere \}\n/)
    expect(said.err.startsWith(`${file}:11:27: `)).toBe(true)
    expect(said.err).not.toContain('directives/')
    const same = { ...FOLDER, 'rules/z.policy.yaml': policy('notice', rule('other', 'forbid: { deployment: us }')) }
    expect((await run(['drill', folderOf(same), '--from-directive', file])).err).toContain(`The policy notice is defined already, at ${file}:2:9`)
  })

  it.each([
    ['nothing to revoke', [], 'needs what goes away'],
    ['a fact that no drill takes away', ['--revoke', 'contrlled-from=US'], 'Did you mean controlled-from?'],
    ['a fact without a value', ['--revoke', 'provider='], 'FACT=VALUE'],
    ['a country that is none', ['--revoke', 'controlled-from=USA'], 'Did you mean US?'],
    ['a provider that is not there', ['--revoke', 'provider=hom'], 'Did you mean home?'],
    ['a directive that is not there', ['--from-directive', 'nowhere.policy.yaml'], 'cannot be read'],
  ])('refuses %s', async (_, args, sentence) => {
    const said = await run(['drill', folderOf(FOLDER), ...args])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(sentence)
  })

  it('refuses a directive that is over, and one that is no policy file', async () => {
    expect((await run(['drill', folderOf(FOLDER), '--from-directive', directiveFile('forbid: all', undefined, '{ from: 2026-01-01, until: 2026-01-08, timezone: UTC }'), '--at', AT])).err).toContain('is over')
    expect((await run(['drill', folderOf(FOLDER), '--from-directive', directiveFile('forbid: all', 'notice.yaml')])).err).toContain('ends in .policy.yaml')
  })
})

describe('a live drill', () => {
  it.each(['0s', '25h', '86401s'])('does not last %s', async time => {
    const said = await run(['drill', '--live', '--revoke', 'provider=x', '--for', time, '--author', 'Ada Adler'])
    expect(said).toMatchObject({ code: 2, out: '' })
    expect(said.err).toContain(`--for lasts from 1s to 24h, not '${time}'.`)
  })
})
