/** What a drill takes away, as somebody writes it: `controlled-from=US`. */
import { isCountry, nearestCountry } from '../policy/countries.ts'
import { REVOCABLE, type Revocation } from '../policy/coverage.ts'
import { deploymentFacts } from '../policy/facts.ts'
import type { Rulebook } from '../policy/rule.ts'
import { nearest } from './nearest.ts'

export type ReadRevocation = { readonly ok: true; readonly revocation: Revocation } | { readonly ok: false; readonly wrong: string }

/** Refuses a fact that no drill takes away, and a value that nothing in the catalog could have. */
export function readRevocation(written: string, { deployments }: Rulebook): ReadRevocation {
  const refuse = (wrong: string, meant: string | undefined): ReadRevocation => ({ ok: false, wrong: `${wrong}${meant === undefined ? '' : ` Did you mean ${meant}?`}` })
  const known = {
    provider: deployments.map(d => d.provider), model: deployments.map(d => d.model),
    deployment: deployments.map(d => d.name), hosting: deploymentFacts.get('hosting')!.words!,
  }
  const [name = '', ...rest] = written.trim().split('='), value = rest.join('=')
  const fact = REVOCABLE.find(f => f === name)
  if (fact === undefined || value === '') return refuse(`What is revoked is FACT=VALUE, with one of ${REVOCABLE.join(', ')}, not '${written}'.`, nearest(name, REVOCABLE))
  if (fact === 'controlled-from' || fact === 'developer-in') {
    if (!isCountry(value)) return refuse(`'${value}' is no ISO country code.`, nearestCountry(value))
  } else if (!known[fact].some(v => v === value || (fact === 'model' && value.endsWith('/*') && v.startsWith(value.slice(0, -1))))) {
    return refuse(`No deployment of the catalog has ${fact} ${value}.`, nearest(value, known[fact]))
  }
  return { ok: true, revocation: { fact, value } }
}
