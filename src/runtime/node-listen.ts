/** A web-standard server function behind a port on Node, with an end that lets what began finish. */
import { randomUUID } from 'node:crypto'
import { createServer, STATUS_CODES, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { notHttp } from '../http/respond.ts'

/** What node-server hands on beside the request. */
type Fetch = (request: Request, environment: object) => Response | Promise<Response>

export type Listening = {
  /** Without a slash at the end; the port is the one that was picked. */
  readonly url: string
  /** Accepts nothing more and resolves when every answer that began has ended. */
  close(): Promise<void>
  /** Cuts every connection. */
  cut(): void
}

const IDLE_CHECK_MS = 50

/** Rejects with the system's error when the port cannot be had. */
export function listen(fetch: Fetch, { hostname, port }: { readonly hostname: string; readonly port: number }): Promise<Listening> {
  const refuse = (): Response => {
    const { body, ...rest } = notHttp(randomUUID())
    return new Response(body, rest)
  }
  // The listener's promise ends with the answer; it is node-server's own business that it does.
  const listener = getRequestListener((request, environment) => fetch(request, environment), { errorHandler: refuse })
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing))
  // An expectation that nobody knows is no reason to answer outside the one way out.
  server.on('checkExpectation', (incoming, outgoing) => void listener(incoming, outgoing))
  answerWhatIsNotHttp(server)
  const { promise, resolve, reject } = Promise.withResolvers<Listening>()
  server.once('error', reject)
  server.listen(port, hostname, () => {
    server.off('error', reject)
    const { port: picked } = server.address() as AddressInfo
    resolve({
      url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${picked}`,
      close: () => closed(server),
      cut: () => server.closeAllConnections(),
    })
  })
  return promise
}

/** Without this Node answers a cut or broken request with a bare line, and appends it to an answer that was already given. */
function answerWhatIsNotHttp(server: Server): void {
  const latest = new WeakMap<Duplex, ServerResponse>()
  server.on('request', (request, response) => latest.set(request.socket, response))
  const say = (socket: Duplex): void => {
    const { status, headers, body } = notHttp(randomUUID())
    const lines = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)) }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
  }
  server.on('connect', (_request, socket) => say(socket))
  server.on('clientError', (_error, socket: Duplex & { readonly bytesWritten?: number }) => {
    const answering = latest.get(socket)
    const isUnanswered = answering === undefined ? socket.bytesWritten === 0 : !answering.headersSent
    if (socket.writable && isUnanswered) say(socket)
    else socket.destroy()
  })
}

/** A connection kept alive counts as open until it is idle, and it turns idle only when its last answer has ended. */
function closed(server: Server): Promise<void> {
  return new Promise(resolve => {
    const check = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS)
    server.close(() => {
      clearInterval(check)
      resolve()
    })
    server.closeIdleConnections()
  })
}
