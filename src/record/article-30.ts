/**
 * The record of processing activities that Article 30 of the GDPR asks for, as far as a gateway knows it, for a person to read and to
 * complete.
 *
 * What it promises: every point of Article 30(1) has its place for every app; where the gateway does not know, it says so.
 */
import { inUtc } from '../policy/time.ts'
import { NONE, NOT_KNOWN, type AppSum, type Recipient, type Summed } from './recipients.ts'

export type Heading = {
  readonly version: string
  readonly at: number
  readonly records: string
  /** The period that was asked for, in words. */
  readonly period: string
  /** What the reader must know of the records themselves, in sentences. */
  readonly notes: readonly string[]
  /** Art. 30(1)(a), in the words of whoever asks; undefined where they said nothing. */
  readonly controller?: string | undefined
  readonly dataProtectionOfficer?: string | undefined
}

export function article30({ decisions, apps, recipients }: Summed, heading: Heading): string {
  const { version, at, records, period, notes } = heading
  return [
    '# Record of processing activities\n\n',
    'What Regulation (EU) 2016/679 (GDPR) asks for in Article 30(1), as far as the gateway knows it. The letters are those of Article 30(1). '
    + `What stands here as "${NOT_KNOWN}" is for whoever keeps the record to add. This is no legal advice.\n\n`,
    list([
      `made ${inUtc(at)} by Bailiwick ${version} from ${records}`, `period: ${period}`, `decisions: ${decisions}, of ${apps.length === 1 ? 'one app' : `${apps.length} apps`}`, ...notes,
      'data is told by its labels, parents included; a request that stated none is taken to carry all that its app may carry',
    ]),
    ...apps.map(app => appInText(app, recipients.filter(r => r.app === app.app), heading)),
    ...apps.length === 0 ? [] : ['\n## Where you act as a processor\n\n',
      `Article 30(2) asks for the processing carried out on behalf of each controller. On whose behalf an app asks is ${NOT_KNOWN} here.\n\n`,
      table(['App', 'Controllers (a)', 'Categories of processing (b)', 'Transfers (c)', 'Security (d)'], apps.map(app => [app.app, NOT_KNOWN, operationsOf(app), 'as under (e) above', 'as under (g) above']))],
  ].join('')
}

function appInText(app: AppSum, recipients: readonly Recipient[], { controller, dataProtectionOfficer }: Heading): string {
  // Whatever was said to carry none of the labels is no personal data by what was said.
  const carrying = recipients.filter(r => r.data !== NONE), carryingNothing = app.data.get(NONE) ?? 0
  const outside = carrying.filter(r => r.described.outsideEea !== NONE)
  return [
    `\n## ${line(app.app)}${app.titles.size === 0 ? '' : `: ${line([...app.titles].join(' / '))}`}\n\n`,
    list([
      `decisions: ${app.decisions}`, `refused by policy: ${app.refused}`, `sent to somebody: ${app.sent}`,
      ...app.withoutOutcome === 0 ? [] : [`no outcome is on record, so that to whom they were sent is ${NOT_KNOWN}: ${app.withoutOutcome}`],
    ]),
    '\n### (a) Controller and contacts\n\n',
    list([
      `controller: ${controller ?? `${NOT_KNOWN} (--controller)`}`, `data protection officer: ${dataProtectionOfficer ?? `${NOT_KNOWN} (--dpo)`}`,
      `joint controller, representative: ${NOT_KNOWN}`, `owner of the app as registered: ${said(app.owners)}`,
    ]),
    '\n### (b) Purposes\n\n',
    list([`purpose: ${app.purposes.size === 0 ? `${NOT_KNOWN}: none is registered, and no caller stated one (x-bailiwick-purpose)` : said(app.purposes)}`, `what was asked of models: ${operationsOf(app)}`]),
    '\n### (c) Categories of data subjects and of personal data\n\n',
    list([
      `categories of data subjects: ${NOT_KNOWN}`, `countries where they are, as registered: ${said(app.peopleIn)}`,
    ]),
    '\n', table(['Data, by its labels', 'Requests of which something was sent'], byLabel(app.data).map(([data, count]) => [data, String(count)])),
    ...carryingNothing === 0 ? [] : [`\nOf ${carryingNothing} more ${carryingNothing === 1 ? 'request' : 'requests'} something was sent, and what was said of the data in ${carryingNothing === 1 ? 'it' : 'them'} was that it has none of the labels. So ${carryingNothing === 1 ? 'it is' : 'they are'} not in the tables of (c), (d) and (e).\n`],
    ...app.refused === 0 ? [] : [`\nNothing was sent of ${counted(app.refused)} that the policies refused, which ${app.refused === 1 ? 'is' : 'are'} not counted above: ${[...app.refusedData].sort(byName).map(([data, count]) => `${count} with data ${line(data)}`).join(', ')}.\n`],
    '\n### (d) Recipients\n\n',
    'A country stands under what it is to the provider: where the company is that the contract is with, which countries control that company, where data is processed, and where sub-processors are.\n\n',
    table(['Provider', 'Deployment', 'Role', 'Entity in', 'Controlled from', 'Processed in', 'Sub-processors in', 'Data', 'Requests', 'Maybe received', 'First', 'Last'],
      merged(carrying, r => [
        providerOf(r), r.deployment, roleOf(r), r.described.facts['entity-in'], r.described.facts['controlled-from'], r.described.facts['processed-in'], r.described.facts['subprocessors-in'], r.data,
      ])),
    '\n### (e) Transfers to third countries\n\n',
    ...carrying.length > 0 && outside.length === 0 ? ['None: everybody above processes, stores, logs, contracts and sub-contracts in the EEA, by the facts.\n'] : [
      table(['Deployment', 'Data', 'Governed by', 'Outside the EEA, as what', 'Controlled from', 'Basis: certificates', 'Basis: contracts', 'Basis: evidence', 'Rules applied, with their law', 'Exceptions', 'Requests', 'Maybe received', 'First', 'Last'],
        merged(outside, r => [
          r.deployment, r.data, r.governedBy, r.described.outsideAs, r.described.facts['controlled-from'], r.described.facts['certificates'], r.described.facts['contracts'], r.described.facts['evidence'],
          r.rules.length === 0 ? NONE : r.rules.join('; '), r.exceptions.length === 0 ? NONE : r.exceptions.join('; '),
        ])),
      '\nWhat a transfer rests on (GDPR Art. 45 to 49), the three columns of its basis name as far as the catalog states it: certificates (such as one under an adequacy decision), contracts (such as standard '
      + 'contractual clauses) and evidence (such as an assessment of the transfer). Rules and exceptions are those of the policies. A foreign owner (controlled from) is no transfer by itself: it is shown here and makes no row.\n',
    ],
    '\n### (f) Envisaged time limits for erasure\n\n',
    list([
      ...unique(carrying.map(r => `${r.deployment} keeps prompts or answers: ${r.described.facts['retention']} (retention in the catalog)`)),
      `evidence that rules ask to be kept at least: ${app.retain.size === 0 ? NONE : [...app.retain].join(', ')} (retain-evidence in a rule)`,
      ...[...app.duties.keys()].some(what => what.startsWith('log full')) ? [`prompts and answers that rules had kept, sealed (log: full): ${NOT_KNOWN} here`] : [],
      `how long the gateway keeps its records, which hold no prompt and no answer: ${NOT_KNOWN} here; 'bailiwick serve --retain DURATION' (BAILIWICK_RETAIN) sets it, and unless it is set they are kept for ever`,
    ]),
    '\n### (g) Technical and organisational security measures\n\n',
    list([
      ...[...app.duties].filter(([what]) => !what.startsWith('notify ')).sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, { requests, values }]) => `${what}: in ${counted(requests)}${values === undefined ? '' : `, ${values} ${values === 1 ? 'value' : 'values'}`}`),
      ...app.refused === 0 ? [] : [`refused by policy: ${counted(app.refused)}`],
      `measures outside of the gateway: ${NOT_KNOWN}`,
    ]),
  ].join('')
}

/** Rows whose cells are the same become one: `cells`, and how often, first and last. */
function merged(recipients: readonly Recipient[], cells: (row: Recipient) => readonly string[]): readonly (readonly string[])[] {
  const rows = new Map<string, { readonly cells: readonly string[]; received: number; mayHave: number; first: number; last: number }>()
  for (const recipient of recipients) {
    const own = cells(recipient), key = JSON.stringify(own), { received, mayHave, first, last } = recipient
    const known = rows.get(key)
    if (known === undefined) rows.set(key, { cells: own, received, mayHave, first, last })
    else {
      known.received += received
      known.mayHave += mayHave
      known.first = Math.min(known.first, first)
      known.last = Math.max(known.last, last)
    }
  }
  return [...rows.values()].map(row => [...row.cells, String(row.received), String(row.mayHave), inUtc(row.first), inUtc(row.last)])
}

const providerOf = ({ described: { provider, title } }: Recipient): string => (title === NOT_KNOWN ? provider : `${provider} (${title})`)

function roleOf({ described: { facts, pretended } }: Recipient): string {
  if (pretended === 'yes') return 'pretended, for a rehearsal'
  if (facts.hosting === 'local') return 'own machines'
  return facts.contracts.split(' ').includes('dpa') ? 'processor (dpa)' : NOT_KNOWN
}

const byName = ([a]: readonly [string, number], [b]: readonly [string, number]): number => (a < b ? -1 : 1)
const byLabel = (counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] => [...counts].filter(([data]) => data !== NONE).sort(byName)
const operationsOf = ({ operations }: AppSum): string => (operations.size === 0 ? NOT_KNOWN : [...operations].sort().join(', '))
const said = (what: ReadonlySet<string>): string => (what.size === 0 ? NOT_KNOWN : [...what].join(' / '))
const counted = (count: number): string => `${count} ${count === 1 ? 'request' : 'requests'}`
const unique = (items: readonly string[]): readonly string[] => [...new Set(items)]
const list = (items: readonly string[]): string => items.map(item => `- ${line(item)}\n`).join('')
/** Words of policies and of callers in Markdown: no markup of theirs has an effect. */
const line = (text: string): string => text.replace(/\s+/g, ' ').replace(/[\\`*[\]<>|&#]/g, found => (found === '<' ? '&lt;' : found === '&' ? '&amp;' : `\\${found}`))

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return 'None.\n'
  return [header, header.map(() => '---'), ...rows.map(cells => cells.map(line))].map(cells => `| ${cells.join(' | ')} |\n`).join('')
}
