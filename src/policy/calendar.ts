/** What starts and ends at an edge: every window of the rulebook, read once more for people. */
import type { Instant, Place, Rulebook, Window } from './rule.ts'

export type Turn = {
  readonly kind: 'rule' | 'exception' | 'group' | 'assumption' | 'fact'
  /** `gdpr-transfers/no-transfer`, `member PL of group eea`, `user-in of app desk`, `retention of deployment far-us`. */
  readonly what: string
  readonly turn: 'starts' | 'ends' | 'enforces'
  /** Undefined for facts, of which a rulebook keeps no place. */
  readonly place: Place | undefined
}

/** Everything that starts, ends or begins to enforce at exactly this instant. */
export function turnsAt(rulebook: Rulebook, at: Instant): readonly Turn[] {
  const turns = (window: Window, turn: Omit<Turn, 'turn'>): readonly Turn[] => [
    ...(window.from === at ? [{ ...turn, turn: 'starts' as const }] : []),
    ...(window.until === at ? [{ ...turn, turn: 'ends' as const }] : []),
  ]
  return [
    ...rulebook.rules.flatMap(rule => {
      const turn = { kind: 'rule' as const, what: rule.name, place: rule.place }
      return [...turns(rule.window, turn), ...(rule.modeUntil === at && rule.window.until > at ? [{ ...turn, turn: 'enforces' as const }] : [])]
    }),
    ...rulebook.exceptions.flatMap(e => turns(e.window, { kind: 'exception', what: `${e.name} from ${e.rule}`, place: e.place })),
    ...[...rulebook.groups.values()].flatMap(g => g.members.flatMap(m => turns(m.window, { kind: 'group', what: `member ${m.value} of group ${g.name}`, place: g.place }))),
    ...[...rulebook.apps.values()].flatMap(app => app.assumptions.filter(a => a.until === at)
      .map<Turn>(a => ({ kind: 'assumption', what: `${a.fact} of app ${app.name}`, turn: 'ends', place: a.place }))),
    ...rulebook.deployments.flatMap(d => {
      const facts = Object.entries(d.facts).filter(([, fact]) => fact?.goodUntil === at).map(([name]) => name)
      return facts.length === 0 ? [] : [{ kind: 'fact' as const, what: `${facts.join(', ')} of deployment ${d.name}`, turn: 'ends' as const, place: undefined }]
    }),
  ]
}
