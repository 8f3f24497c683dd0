/**
 * One text for one value: the JSON Canonicalization Scheme (RFC 8785), so that a digest of a value is the same whoever made it.
 * Numbers and strings are written as ECMAScript writes them, which the scheme asks for; members are in the order of their UTF-16
 * code units. A member that is undefined is no member.
 */
export function canonical(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('a number that JSON does not have')
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') throw new Error('a value that JSON does not have')
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const members = value as Readonly<Record<string, unknown>>
  const names = Object.keys(members).filter(name => members[name] !== undefined).sort()
  return `{${names.map(name => `${JSON.stringify(name)}:${canonical(members[name])}`).join(',')}}`
}
