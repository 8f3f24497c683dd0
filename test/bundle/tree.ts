/** A small tree that compiles, and the means to change one file of it. */
import { compile } from '../../src/bundle/compile.ts'
import type { Bundle, Compiled } from '../../src/bundle/bundle.ts'

export const GOOD: Readonly<Record<string, string>> = {
  'rules/gdpr.policy.yaml': `language: bailiwick/v1
policy: gdpr
title: Personal data stays near
owner: dpo@example.eu
effective: { from: 2026-11-01, timezone: Europe/Brussels }
review-by: 2027-01-31
rules:
  - id: home
    title: Personal data stays in the EEA
    when: { data: [personal] }
    require: { processed-in: { only: [eea] } }
    because: It is the rule
    exceptions: { allowed: yes, at-most: 30d, approver: [dpo] }
`,
  'directives/notice.policy.yaml': `language: bailiwick/v1
policy: notice
title: A notice
owner: counsel@example.eu
effective: { from: 2026-06-12T17:21:00, timezone: America/New_York }
review-by: 2026-06-19
rules:
  - id: stop
    title: Stop one model
    forbid: { model: vendor/large }
    because: We were told to
`,
  'groups/eea.yaml': `language: bailiwick/v1
group: eea
members: [DE, FR, NO]
source: The agreement
as-of: 2026-11-01
review-by: 2027-05-01
`,
  'labels.yaml': `language: bailiwick/v1
labels:
  - label: survey
    parent: special-category
`,
  'catalog/vendor.yaml': `language: bailiwick/v1
provider: vendor
source: The contract
facts-as-of: 2026-10-30
good-until: 2027-01-31
timezone: Europe/Brussels
hosting: cloud
deployments:
  - deployment: cloud-eu
    model: vendor/large
    processed-in: [DE, FR]
    retention: 0d
  - deployment: cloud-us
    model: vendor/small
    processed-in: US
`,
  'apps/crm.yaml': `language: bailiwick/v1
app: crm
owner: lead@example.eu
timezone: Europe/Brussels
grants:
  - model: vendor/*
may-carry: [personal]
assume:
  - user-us-person: no
    basis: Only the Brussels office
    owner: hr@example.eu
    until: 2027-03-31
`,
  'exceptions/2026.yaml': `- exception: EX-1
  rule: gdpr/home
  for: { app: [crm] }
  models: { deployment: [cloud-us] }
  category: waiver
  reason: A move
  ticket: T-1
  requested-by: lead@example.eu
  approved-by: dpo@example.eu
  from: 2026-11-01
  until: 2026-11-30
  timezone: Europe/Brussels
`,
}

export type Change = { readonly file: string; readonly from?: string; readonly to: string }

/** The tree with one text replaced; with no `from`, a file of its own or in place of another. */
export function changed(...changes: readonly Change[]): Map<string, string> {
  const files = new Map(Object.entries(GOOD))
  for (const { file, from, to } of changes) {
    const text = files.get(file)
    if (from !== undefined && text?.includes(from) !== true) throw new Error(`${file} does not contain ${from}`)
    files.set(file, from === undefined ? to : text!.replace(from, () => to))
  }
  return files
}

export const compileChanged = (...changes: readonly Change[]): Promise<Compiled> => compile(changed(...changes))

export async function bundleChanged(...changes: readonly Change[]): Promise<Bundle> {
  const compiled = await compileChanged(...changes)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems, null, 1))
  return compiled.bundle
}
