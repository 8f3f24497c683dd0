/**
 * What counts as an address nearby: loopback (RFC 1122, RFC 4291), private (RFC 1918, RFC 4193) and link-local (RFC 3927,
 * RFC 4291). Not those that stand for any address (0.0.0.0, ::), that a network operator shares out (RFC 6598), that are
 * for documentation (RFC 5737, RFC 3849) or that carry an IPv4 address in any other way than mapped.
 */

/**
 * A host as a URL would hold it, without brackets: names and addresses in one spelling, an IPv4 address mapped into IPv6
 * as that IPv4 address. Undefined for what is neither a name nor an address.
 */
export function canonicalHost(host: string): string | undefined {
  const bare = host.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  const url = `http://${bare.includes(':') ? `[${bare}]` : bare}`
  if (bare === '' || /[/?#@\\]/.test(bare) || !URL.canParse(url)) return undefined
  const canonical = new URL(url).hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical)
  if (mapped === null) return canonical
  const [high, low] = mapped.slice(1).map(part => Number.parseInt(part, 16)) as [number, number]
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** An IPv4 address in four parts; undefined for anything else. */
const partsOf = (host: string): readonly number[] | undefined => (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(host) ? host.split('.').map(Number) : undefined)

/** Whether a host is an address rather than a name. */
export const isAddress = (host: string): boolean => {
  const canonical = canonicalHost(host) ?? ''
  return canonical.includes(':') || partsOf(canonical) !== undefined
}

/** Whether an address is nearby. A name never is: what it resolves to may be. */
export function isLocalAddress(address: string): boolean {
  const canonical = canonicalHost(address) ?? ''
  const parts = partsOf(canonical)
  if (parts === undefined) return canonical === '::1' || /^(?:f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):/.test(canonical)
  const [a, b] = parts as [number, number]
  return a === 127 || a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168) || (a === 169 && b === 254)
}
