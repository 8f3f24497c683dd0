import type { Deployment } from '../catalog/catalog.ts'
import type { Profile } from '../pool/epochs.ts'

/** Of which app, kind of data and kind of work, and who would be asked in turn, of those that are there. Where nobody is, nothing stands. */
export type Choice = { readonly of: string; readonly deployments: readonly [Deployment, ...Deployment[]] }

/** `isThere` says who can be counted on; by default those that the pool has. */
export function choicesIn(profiles: readonly Profile[], isThere?: (deployment: Deployment) => boolean): readonly Choice[] {
  return profiles.flatMap(({ app, data, permitted, available }) => {
    const pool = new Set(available), profile = JSON.stringify([app, data])
    const there = permitted.filter(isThere ?? (d => pool.has(d.name)))
    return [...new Set(there.flatMap(d => d.operations))].map((operation): Choice => {
      const [first, ...others] = there.filter(d => d.operations.includes(operation))
      return { of: `${operation} ${profile}`, deployments: [first!, ...others] }
    })
  })
}
