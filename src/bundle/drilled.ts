/**
 * Drills laid over a bundle: what is in force while somebody pretends that deployments are gone.
 *
 * What it promises: nothing but rules is added, so that a drill can take away and reorder and never permit; each of them
 * ends with the drill's window, whoever forgets to take it out.
 */
import { revoking, type Revocation } from '../policy/coverage.ts'
import type { Rule, Rulebook, Window } from '../policy/rule.ts'
import type { Bundle } from './bundle.ts'
import { digestOf } from './digest.ts'
import { Edges } from './edges.ts'
import { deepFreeze } from './freeze.ts'

export type Drill = {
  readonly id: string
  /** What is pretended, in short words: `provider=openai`, `notice NAME`. */
  readonly what: readonly string[]
  readonly author: string
  readonly window: Window
  readonly rules: readonly Rule[]
  /** SHA-256 of the text of the notice that is pretended, in lower-case hex. */
  readonly digest?: string
}

/** No name of a policy holds a colon, so that no rule and no exception can speak of a drill. */
const MARK = 'drill:'

/** The rules of a drill. Those of a notice act as they would in its first second, or now where that has passed; those that are over do not. */
export function rulesOfDrill({ id, revocations, notice, window }: { readonly id: string; readonly revocations: readonly Revocation[]; readonly notice: readonly Rule[]; readonly window: Window }): readonly Rule[] {
  const policy = `${MARK}${id}`
  return [
    ...revoking(revocations, { policy, window }),
    ...notice.filter(rule => rule.window.until > window.from).map<Rule>(rule => ({
      ...rule, name: `${policy}/${rule.name}`, policy, window,
      mode: Math.max(window.from, rule.window.from) < rule.modeUntil ? rule.mode : 'enforce', modeUntil: Infinity,
    })),
  ]
}

/** The rulebook with these rules too, and with the moments at which they begin and end. */
export function layOver(rulebook: Rulebook, rules: readonly Rule[]): Rulebook {
  const edges = new Edges()
  for (const { at, zone } of rulebook.edges) edges.add(at, zone)
  for (const { window } of rules) edges.addWindow(window, 'UTC')
  return { ...rulebook, rules: [...rulebook.rules, ...rules], edges: edges.inOrder() }
}

/** The rules of drills that lie over a rulebook. */
export const laidOver = ({ rules }: Rulebook): readonly Rule[] => rules.filter(rule => rule.policy.startsWith(MARK))

/** The bundle itself where there is no drill, else one with a digest of its own. The catalog is the same. */
export async function withDrills(bundle: Bundle, drills: readonly (Pick<Drill, 'id' | 'rules'> & Partial<Drill>)[]): Promise<Bundle> {
  if (drills.length === 0) return bundle
  const texts = drills.map(({ id, rules }) => ({ id, rules: JSON.stringify(rules) }))
  return deepFreeze<Bundle>({
    ...bundle,
    digest: await digestOf([['bundle', bundle.digest], ...texts.map(({ id, rules }) => [id, rules] as const)]),
    rulebook: layOver(bundle.rulebook, drills.flatMap(drill => drill.rules)),
    madeOf: { ...bundle.madeOf, drills: texts },
  })
}

/** The rules of a drill from the text that was digested: in JSON a window without an end is null there. Throws when it is no JSON. */
export const rulesIn = (text: string): readonly Rule[] => JSON.parse(text, (name, value: unknown) => {
  if (value !== null) return value
  return name === 'from' ? -Infinity : Infinity
}) as readonly Rule[]
