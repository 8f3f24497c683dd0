/** From a web request of a known app to a call of the gateway, and back. */
import { failure } from '../failure.ts'
import type { Call } from '../gateway/call.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { handle } from '../gateway/handle.ts'
import { readRequest } from '../openai/request.ts'
import type { Operation } from '../policy/facts.ts'
import type { RawFacts } from '../policy/request.ts'
import { readJson } from './body.ts'
import { forItsApp, withLiveState } from './explain.ts'
import { failed, json, type Reply } from './respond.ts'

export type Asking = {
  readonly operation: Operation
  readonly requestId: string
  readonly app: string
  readonly request: Request
  readonly stated: RawFacts
  readonly dryRun: boolean
  readonly bodyBytesMax: number
  readonly receivedAt: number
  readonly signal: AbortSignal
}

export async function ask(gateway: Gateway, asking: Asking): Promise<Reply> {
  const { operation, requestId, app, stated, dryRun, receivedAt, signal } = asking
  const read = await readJson(asking.request, asking.bodyBytesMax)
  if (!read.ok) return failed(read.failure)
  const { body } = read
  const wanted = readRequest(operation, body.value, body.bytes.length)
  if (!wanted.ok) return failed(failure('invalid_request', wanted.wrong, { param: wanted.param }))
  const { needs } = wanted

  const call: Call = { requestId, app, operation, body, needs, stated, agentDepth: 0, dryRun, receivedAt, signal }
  const epoch = gateway.epochs.current()
  const answer = await handle(gateway, call)
  if (answer.kind !== 'dry-run') return answer
  return json(forItsApp(withLiveState(gateway, epoch, answer.explanation, { operation, needs })), answer.headers)
}
