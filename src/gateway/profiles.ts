/** What the law in force leaves to every registered app and kind of data, whether it can be reached now or not. */
import type { Deployment } from '../catalog/catalog.ts'
import { registeredClasses } from '../policy/classes.ts'
import { decide } from '../policy/decide.ts'
import type { Gateway } from './gateway.ts'

export type PermittedProfile = {
  readonly app: string
  readonly data: readonly string[] | 'unknown'
  /** In order of preference. Empty: the law leaves nothing. */
  readonly permitted: readonly Deployment[]
}

/** The returned function may be asked at every tick: it decides anew only when the law has changed, and gives the same list until then. */
export function permittedProfiles({ epochs, ports: { clock } }: Pick<Gateway, 'epochs' | 'ports'>): () => readonly PermittedProfile[] {
  let law: number | undefined
  let known: readonly PermittedProfile[] = []
  return () => {
    const { bundle: { rulebook, catalog }, law: inForce } = epochs.current()
    if (inForce === law) return known
    law = inForce
    return known = registeredClasses(rulebook).map(({ app, data, asked }) =>
      ({ app, data, permitted: decide(rulebook, asked, clock.now()).permitted.map(name => catalog.byName.get(name)!) }))
  }
}
