/** Coverage of a running gateway: the law, the connections and the health of this moment. */
import type { Bundle } from '../bundle/bundle.ts'
import { coverage, type Covered, type IsFit, type Loss } from '../policy/coverage.ts'
import type { Epoch } from '../pool/epochs.ts'
import type { Gateway } from './gateway.ts'

export type CoverageNow = { readonly at: number; readonly epoch: Epoch; readonly rows: readonly Covered[] }

export function coverageNow(gateway: Gateway): CoverageNow {
  const epoch = gateway.epochs.current(), at = gateway.ports.clock.now()
  return { at, epoch, rows: coverage(epoch.bundle.rulebook, at, isAvailable(gateway, epoch.bundle)) }
}

/** Whether a deployment of a bundle can be used now, whatever the law says. */
export const isAvailable = ({ epochs }: Gateway, { catalog }: Bundle): IsFit => name => {
  const listed = catalog.byName.get(name)
  return listed !== undefined && epochs.unavailable(listed) === undefined
}

/** Sets the gauges of coverage, where the pool was rebuilt since they were set; profiles that are gone go. */
export function coverageMeter(gateway: Gateway): () => void {
  let measured: number | undefined
  return () => {
    if (gateway.epochs.current().number === measured) return
    const { epoch, rows } = coverageNow(gateway)
    measured = epoch.number
    const gauge = (name: string, valueOf: (row: Covered) => number): void => gateway.metrics.replace(name, rows.map(row => (
      { labels: { app: row.app, data: row.data === 'unknown' ? row.data : row.data.join(',') }, value: valueOf(row) })))
    const left = (loss: Loss | undefined): number => loss?.left ?? 0
    gauge('bailiwick_coverage', row => row.fit.length)
    gauge('bailiwick_coverage_without_provider', row => left(row.withoutProvider))
    gauge('bailiwick_coverage_without_country', row => left(row.withoutCountry))
    gauge('bailiwick_coverage_without_cloud', row => left(row.withoutCloud))
  }
}
