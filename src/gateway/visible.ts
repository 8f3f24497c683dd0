/** What a key may use now, for GET /v1/models: permitted by what is registered and stated, and reachable. */
import type { Deployment } from '../catalog/catalog.ts'
import { trustedAndStated } from '../classify/classify.ts'
import { decide } from '../policy/decide.ts'
import type { RawFacts } from '../policy/request.ts'
import type { Gateway } from './gateway.ts'

export function visibleModels(gateway: Gateway, app: string, stated: RawFacts = {}): readonly Deployment[] {
  const { bundle } = gateway.epochs.current()
  return decide(bundle.rulebook, trustedAndStated(bundle.rulebook, app, stated), gateway.ports.clock.now()).permitted
    .map(name => bundle.catalog.byName.get(name)!)
    .filter(d => gateway.epochs.connected(d) === undefined)
}
