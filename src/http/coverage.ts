/** Coverage as it stands now, in the words of `bailiwick coverage --format json`. */
import { coverageNow } from '../gateway/coverage.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { coverageInJson, withNone } from '../policy/coverage.ts'
import { inUtc } from '../policy/time.ts'

export function liveCoverage(gateway: Gateway): unknown {
  const { at, epoch, rows } = coverageNow(gateway)
  return {
    at: inUtc(at), bundle: epoch.bundle.digest, epoch: epoch.number, profiles: coverageInJson(rows),
    none: withNone(rows),
  }
}
