/** Freezes a value to its last part. Maps refuse to be written to as well. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (value instanceof Map) {
    for (const [key, part] of value) {
      deepFreeze(key)
      deepFreeze(part)
    }
    const refuse = { value: (): never => { throw new TypeError('A bundle is never written to') } }
    Object.defineProperties(value, { set: refuse, delete: refuse, clear: refuse })
  } else for (const part of Object.values(value)) deepFreeze(part)
  return Object.freeze(value)
}
