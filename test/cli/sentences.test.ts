import { afterEach, describe, expect, it } from 'vitest'
import { decide } from '../../src/policy/decide.ts'
import { readSentences } from '../policy/read-sentences.ts'
import { withEdges } from '../policy/worlds.ts'
import { cleanUp, folderOf } from '../support/processes.ts'
import { app, bundleOf, policy, provider, rule } from '../support/tree.ts'
import { run, WORKED } from './stand-in.ts'

const STAYS = rule('stays', 'when: { data: [personal], governed-by: [gdpr] }\nrequire:\n  processed-in: { only: [FR, DE] }\n  hosting: local\nthen: { redact: [iban, email], log: metadata }')
const LAST = rule('last', 'forbid: { hosting: cloud }')
const FOLDER = {
  'apps/desk.yaml': app('desk'),
  'catalog/own.yaml': provider('own', 'hosting: local\nprocessed-in: [FR]', ['{ deployment: ours, model: own/small }', '{ deployment: far, model: own/large, processed-in: [US] }']),
  'rules/place.policy.yaml': policy('place', `${STAYS}\n${LAST}`),
}
/** Without what names the bundle. */
const sentencesIn = (text: string): string => text.slice(text.indexOf('RULES\n'))

describe('sentences', () => {
  afterEach(cleanUp)

  it('opens with the digest of the bundle, the date and the counts', async () => {
    const said = await run(['sentences', folderOf(FOLDER)])
    const { digest } = await bundleOf(FOLDER)
    expect(said).toMatchObject({ code: 0, err: '' })
    expect(said.out).toContain(`Bundle ${digest}\nPrinted 2026-11-22\n2 rules, 0 exceptions, 0 groups, 12 labels, 1 app, 2 deployments\n`)
  })

  it('says each rule in sentences, and what counts when it is not known', async () => {
    const { out } = await run(['sentences', folderOf(FOLDER)])
    expect(out).toContain(`Rule place/stays
  Title: "The rule stays"
  It is in force from 2026-01-01T00:00:00Z.
  It applies to every request for which this holds or is not known:
    - all of these:
      - data includes personal
      - governed-by includes gdpr
  It forbids every deployment but those for which this is known to hold:
    - all of these:
      - hosting is local
      - processed-in includes nothing but DE (Germany) or FR (France)
  It is enforced.
  It redacts email and iban.
  It lets only metadata be logged.
  It allows no exception.
  Because: "A test wants it"
`)
  })

  it('gives the facts of deployments when asked, and not otherwise', async () => {
    const folder = folderOf(FOLDER)
    expect((await run(['sentences', folder])).out).not.toContain('Deployment ours')
    expect((await run(['sentences', folder, '--catalog'])).out).toContain(`Deployment far
  It is the model own/large at the provider own.
  Its price is not stated, which counts as dearest.
  This is known of it until 2040-01-02T00:00:00Z:
    - hosting is local
    - processed-in is exactly US (United States)
`)
  })

  it('says the same of the same law in other files, in another order', async () => {
    const { 'rules/place.policy.yaml': _, ...rest } = FOLDER
    const turned = STAYS.replace('{ data: [personal], governed-by: [gdpr] }', '{ governed-by: { any: [gdpr] }, data: [personal, personal] }').replace('[FR, DE]', '[DE, FR]').replace('[iban, email]', '[email, iban]')
    const other = folderOf({ ...rest, 'rules/a.policy.yaml': policy('place', `${LAST}\n${turned}`) })
    const different = folderOf({ ...rest, 'rules/a.policy.yaml': policy('place', `${LAST}\n${turned.replace('[DE, FR]', '[DE]')}`) })
    const first = sentencesIn((await run(['sentences', folderOf(FOLDER), '--catalog'])).out)
    expect(sentencesIn((await run(['sentences', other, '--catalog'])).out)).toBe(first)
    expect(sentencesIn((await run(['sentences', different, '--catalog'])).out)).not.toBe(first)
  })

  it('prints the worked example so that it can be read back and decides the same', async () => {
    const said = await run(['sentences', WORKED, '--catalog'])
    const read = withEdges(readSentences(said.out))
    const at = Date.parse('2026-11-22T11:00:00Z')
    const request = { app: 'crm', team: 'sales', data: ['personal'], 'governed-by': ['gdpr'], classification: 'internal', 'user-in': 'FR', 'user-nationality': ['FR'], 'user-us-person': 'no' }
    const decision = decide(read, { trusted: request }, at)
    expect(decision.permitted).toContain('us-global')
    expect(decision.exceptions).toEqual(['EX-2026-014'])
    expect(decision.permitted).not.toContain('cn-api')
    expect(decide(read, { trusted: { ...request, data: ['special-category'] } }, at).duties).toMatchObject({ redact: ['iban', 'national-id'], cache: [] })
  })

  it('gives Markdown, in which no sign of a title means anything, and JSON', async () => {
    const folder = folderOf({ ...FOLDER, 'rules/place.policy.yaml': policy('place', STAYS).replace('The rule stays', '"Only *ours* [see](x) <b>"') })
    const markdown = (await run(['sentences', folder, '--format', 'markdown'])).out
    expect(markdown).toMatch(/^# Policies in sentences\n/)
    expect(markdown).toContain('### Rule place/stays\n\n- Title: "Only \\*ours\\* \\[see\\](x) \\<b\\>"\n')
    expect(markdown).toContain('\n- It applies to every request for which this holds or is not known:\n  - all of these:\n    - data includes personal\n')
    const json: unknown = JSON.parse((await run(['sentences', folder, '--format', 'json'])).out)
    expect(json).toMatchObject({ bundle: expect.stringMatching(/^[0-9a-f]{64}$/) as string, date: '2026-11-22', counts: { rules: 1, deployments: 2 }, sections: [{ title: 'Rules', entries: [{ name: 'place/stays' }] }, {}, {}, {}, {}, {}] })
  })

  it('ends with 3 when the policies do not compile, and prints nothing that could be signed', async () => {
    const said = await run(['sentences', folderOf({ ...FOLDER, 'apps/desk.yaml': app('desk', 'grant: all') })])
    expect(said).toMatchObject({ code: 3, out: '' })
    expect(said.err).toContain('apps/desk.yaml:')
  })

  it('ends with 2 for a form that it does not have', async () => {
    expect(await run(['sentences', folderOf(FOLDER), '--format', 'word'])).toMatchObject({ code: 2, out: '' })
  })
})
