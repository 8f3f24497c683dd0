/** Coverage of a running gateway: the law, the connections and the health of this moment. */
import type { Bundle } from '../bundle/bundle.ts'
import type { Deployment } from '../catalog/catalog.ts'
import { coverage, type Covered, type Loss, type StandingOf } from '../policy/coverage.ts'
import type { Epoch } from '../pool/epochs.ts'
import type { Gateway } from './gateway.ts'

export type CoverageNow = { readonly at: number; readonly epoch: Epoch; readonly rows: readonly Covered[] }

export function coverageNow(gateway: Gateway): CoverageNow {
  const epoch = gateway.epochs.current(), at = gateway.ports.clock.now()
  return { at, epoch, rows: coverage(epoch.bundle.rulebook, at, standingsNow(gateway, epoch.bundle)) }
}

/** As it was set up, and no outage: it never could be asked. */
const NEVER_ASKED: readonly (string | undefined)[] = ['no-connection', 'no-key', 'rehearsal-off']

/** What the deployments of a bundle can be asked now, whatever the law says; or, told so, without regard to their health. */
export function standingsNow({ epochs }: Gateway, { catalog }: Bundle, whyNot: (deployment: Deployment) => string | undefined = epochs.unavailable): StandingOf {
  return name => {
    const listed = catalog.byName.get(name)
    if (listed === undefined) return { operations: [], isSetUp: false, isFit: false }
    return { operations: listed.operations, isSetUp: !NEVER_ASKED.includes(epochs.connected(listed)), isFit: whyNot(listed) === undefined }
  }
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
