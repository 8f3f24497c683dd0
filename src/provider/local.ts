/**
 * The catalog's word that a server is local is held where a connection is made (resilience, section 2). The fact is taken
 * as it is written, whatever its date: out of date it permits nothing any more, and a server that was said to be local is
 * still reached as one.
 */
import type { Deployment, Provider } from '../catalog/catalog.ts'
import type { Transport, TransportRequest } from '../ports.ts'
import type { ProviderCall } from './provider.ts'

type OnlyLocal = TransportRequest['onlyLocal']

const onlyLocalFor = (hosting: unknown, hosts: readonly string[] = []): OnlyLocal => (hosting === 'local' ? { hosts } : undefined)

/** What a request to a provider that is about none of its deployments must keep to; undefined where it may go anywhere. */
export const onlyLocalOf = ({ defaults, localHosts }: Pick<Provider, 'defaults' | 'localHosts'>): OnlyLocal =>
  onlyLocalFor(defaults?.facts['hosting']?.value, localHosts)

/** The transport for a call to a deployment: to nearby addresses where it is local, and while the law stands under which the call was made. */
export function transportFor({ hosting, localHosts }: Pick<Deployment, 'hosting' | 'localHosts'>, { mayLeave }: Pick<ProviderCall, 'mayLeave'>, transport: Transport): Transport {
  return bound(transport, { onlyLocal: onlyLocalFor(hosting, localHosts), mayLeave })
}

/** The transport for what the gateway itself asks of a provider: what it holds, and to fetch a model. */
export const ownTransport = (provider: Provider, transport: Transport): Transport => bound(transport, { onlyLocal: onlyLocalOf(provider), mayLeave: undefined })

function bound(transport: Transport, { onlyLocal, mayLeave }: { readonly onlyLocal: OnlyLocal; readonly mayLeave: TransportRequest['mayLeave'] | undefined }): Transport {
  if (onlyLocal === undefined && mayLeave === undefined) return transport
  return { send: (request, signal) => transport.send({ ...request, ...(onlyLocal && { onlyLocal }), ...(mayLeave && { mayLeave }) }, signal) }
}
