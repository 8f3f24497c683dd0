/**
 * A gateway of one page, to try the judge on: honest, or with one sin. It reads an answer to its end before it says anything,
 * falls back, asks again after a 500, and gives up a place that failed three times; it rescues nothing.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TIMEOUTS } from './cases.ts'
import type { Gateway, Kept, Names } from './trial.ts'

export type Sin =
  /** A broken answer is given a proper end. */
  | 'shows-truncated'
  /** A broken stream just ends. */
  | 'ends-quietly'
  /** After a broken stream comes what the next place says, whatever it says. */
  | 'splices'
  /** The same place again and again before the next one. */
  | 'insists'
  /** No place is ever given up. */
  | 'hammers'
  /** The asked model and the first deployment are named, whoever answered. */
  | 'hides-who-served'
  | 'invents-usage'
  | 'records-nothing'
  /** A provider's error body is handed on. */
  | 'repeats-words'
  /** Nothing is bounded in time. */
  | 'waits'
  /** A failure becomes a 200 without an answer. */
  | 'absolves'

const FAILURES_MOST = 3
const INSISTS = 12

type Read = { readonly status: number; readonly body: string; readonly isWhole: boolean }

export async function smallGateway({ wall, names, places, sin }: { readonly wall: string; readonly names: Names; readonly places: number; readonly sin?: Sin | undefined }): Promise<Gateway & { close(): Promise<void> }> {
  const failures = Array.from({ length: places }, () => 0)
  const kept = new Map<string, Kept>()

  const read = async (place: number, request: object): Promise<Read> => {
    const seen = { status: 502, body: '' }
    const controller = new AbortController()
    const timer = sin === 'waits' ? undefined : setTimeout(() => controller.abort(), TIMEOUTS['first-token'])
    try {
      const response = await fetch(`${wall}/${['first', 'second', 'third'][place]}/v1/chat/completions`, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...request, model: names.served(place) }), signal: controller.signal,
      })
      seen.status = response.status
      for await (const bytes of response.body ?? []) {
        seen.body += new TextDecoder().decode(bytes)
        timer?.refresh()
      }
    } catch {
      return { ...seen, isWhole: false }
    } finally {
      clearTimeout(timer)
    }
    return { ...seen, isWhole: seen.status === 200 && (seen.body.includes('[DONE]') || seen.body.startsWith('{') && seen.body.endsWith('}')) }
  }

  const answerTo = async (request: { readonly stream?: boolean }, response: ServerResponse): Promise<void> => {
    const attempts: { readonly deployment: string; readonly code: string }[] = []
    const decision = `d-${kept.size}`
    let broken = ''
    let last: Read = { status: 503, body: '', isWhole: false }
    for (let place = 0; place < places; place++) {
      if (failures[place]! >= FAILURES_MOST && sin !== 'hammers') continue
      for (let time = 1; ; time++) {
        last = await read(place, request)
        attempts.push({ deployment: names.deployment(place), code: last.isWhole ? 'ok' : 'upstream_error' })
        if (last.isWhole || time >= (sin === 'insists' ? INSISTS : last.status === 500 ? 2 : 1)) break
      }
      failures[place] = last.isWhole ? 0 : failures[place]! + 1
      if (!last.isWhole && last.status === 200 && request.stream === true) broken = last.body.slice(0, last.body.lastIndexOf('\n\n') + 2)
      const isBegun = broken.includes('"content":"') && !last.isWhole
      if (!last.isWhole && !(isBegun && sin !== 'splices')) continue
      const isHiding = sin === 'hides-who-served'
      const named = isHiding ? last.body.replaceAll(names.served(place), names.model) : last.body
      const body = sin === 'invents-usage' ? named.replaceAll('"prompt_tokens":', '"prompt_tokens":9') : named
      const usage = /"prompt_tokens":(\d+),"completion_tokens":(\d+)/.exec(last.body)
      if (sin !== 'records-nothing') {
        kept.set(decision, {
          outcome: 'answered', deployment: names.deployment(place), servedModel: names.served(place), attempts,
          ...(usage !== null && { usage: { input: Number(usage[1]), output: Number(usage[2]) } }),
        })
      }
      response.writeHead(200, {
        'content-type': request.stream === true ? 'text/event-stream' : 'application/json', 'x-bailiwick-decision': decision,
        'x-bailiwick-deployment': names.deployment(isHiding ? 0 : place), 'x-bailiwick-attempts': attempts.length, ...(place > 0 && { 'x-bailiwick-degraded': 'a place failed' }),
      })
      if (last.isWhole) return void response.end(sin === 'splices' ? broken + body : body)
      if (sin === 'shows-truncated') return void response.end(`${broken}data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`)
      return void response.end(sin === 'ends-quietly' ? broken : `${broken}event: error\ndata: ${JSON.stringify(FAILED)}\n\n`)
    }
    const half = /"content":"([^"]*)/.exec(last.body)?.[1]
    if (sin === 'shows-truncated' && half !== undefined) return send(response, 200, { model: names.served(0), choices: [{ index: 0, message: { role: 'assistant', content: half }, finish_reason: 'stop' }] })
    if (sin === 'absolves') return send(response, 200, { model: names.model, choices: [{ index: 0, message: { role: 'assistant', content: '' }, finish_reason: 'stop' }] })
    if (sin === 'repeats-words') return send(response, last.status, { error: { ...(JSON.parse(last.body) as { error: object }).error } })
    send(response, 503, { error: { ...FAILED.error, message: `Nobody answered: ${attempts.map(a => a.deployment).join(', ')}.` } })
  }

  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => { void answerTo(JSON.parse(Buffer.concat(parts).toString()) as object, response) })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys: { plain: 'any', asksNextWhenFiltered: 'any' },
    kept: decision => Promise.resolve(kept.get(decision)),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const FAILED = { error: { message: 'Nobody answered.', type: 'api_error', param: null, code: 'permitted_models_unavailable' } }

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', ...(status === 503 && { 'retry-after': '5' }) })
  response.end(JSON.stringify(body))
}
