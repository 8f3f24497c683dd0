/**
 * Where a request may lead that must stay nearby. The name is resolved once, what it resolves to is checked, and only what
 * passed is connected to: a name that means something else a moment later (DNS rebinding) is checked again by the next
 * connection, and never between the check and the connection.
 */
import { lookup as lookupBySystem } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { canonicalHost, isAddress, isLocalAddress } from '../catalog/local.ts'
import type { TransportRequest } from '../ports.ts'

/** Resolves a name with `dns.lookup`, as Node itself would. */
export const bySystem: LookupFunction = (hostname, options, callback) => { lookupBySystem(hostname, options, callback) }

type OnlyLocal = NonNullable<TransportRequest['onlyLocal']>

/**
 * How names are resolved for a host that must be nearby. Throws ENOTLOCAL for an address that is not: no name, so nothing
 * would be looked up. Of several addresses those that are nearby are left; with none, the lookup fails with ENOTLOCAL.
 */
export function lookupNearby(host: string, { hosts }: OnlyLocal, lookup: LookupFunction): LookupFunction {
  const isListed = (one: string): boolean => hosts.includes(canonicalHost(one) ?? '')
  const isNearby = (address: string): boolean => isLocalAddress(address) || isListed(address)
  if (isListed(host)) return lookup
  if (isAddress(host) && !isNearby(host)) throw notLocal()
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      const addresses = typeof found === 'string' ? [{ address: found, family: found.includes(':') ? 6 : 4 }] : found
      if (error !== null) return callback(error, [])
      const nearby = addresses.filter(({ address }) => isNearby(address))
      const [first] = nearby
      if (first === undefined) return callback(notLocal(), [])
      if (options.all === true) callback(null, nearby)
      else callback(null, first.address, first.family)
    })
  }
}

/** Says nothing of where the name led: that is nobody's business who reads a log. */
const notLocal = (): NodeJS.ErrnoException => Object.assign(new Error('the address is not local'), { code: 'ENOTLOCAL' })
