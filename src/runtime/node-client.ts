/** Whose connection a request came on: whether it is from this machine, and how it is closed. */
import type { HttpBindings } from '@hono/node-server'

/** What proxies in front of us add: then the neighbour is the proxy, and who the caller is nobody has vouched for. */
const FORWARDED = /^(?:forwarded|via|x-forwarded(?:-.+)?|x-real-ip|(?:.+-)?client-ip|(?:.+-)?connecting-ip|x-original-.+|x-envoy-.+|cdn-loop)$/

export function clientIsLoopback({ env }: { readonly env: unknown }): boolean {
  const { incoming } = env as Partial<HttpBindings>
  if (incoming === undefined || Object.keys(incoming.headers).some(name => FORWARDED.test(name))) return false
  const address = incoming.socket.remoteAddress ?? ''
  return address === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address)
}

/** Closes the connection of a request at once. */
export function cutConnection({ env }: { readonly env: unknown }): void {
  (env as Partial<HttpBindings>).outgoing?.destroy()
}
