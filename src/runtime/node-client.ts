/** Whether a request comes from this machine. */
import type { HttpBindings } from '@hono/node-server'

/** What a proxy in front of us adds: then the neighbour is the proxy, and who the caller is nobody has vouched for. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

export function clientIsLoopback({ env }: { readonly env: unknown }): boolean {
  const { incoming } = env as Partial<HttpBindings>
  if (incoming === undefined || FORWARDED.some(name => incoming.headers[name] !== undefined)) return false
  const address = incoming.socket.remoteAddress ?? ''
  return address === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address)
}
