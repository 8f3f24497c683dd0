/**
 * A gateway in a process of its own, under load, killed at random moments and started again on the same data folder.
 *
 * What must hold after each start: the chain is whole and goes on from where it was read before; an answer that a client has received
 * to its end, a stream to its `[DONE]`, has its decision and its outcome on record; a stream of which a client has seen only a part
 * has its decision, for the kill came before its end.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { folderOf, freshFolder } from '../support/processes.ts'
import { app, keyHash, provider } from '../support/tree.ts'
import { follow, type Following } from './follow.ts'

const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const COMMAND = fileURLToPath(new URL('../../src/runtime/node.ts', import.meta.url))
const KEY = 'bw-key-for-crashes'
const CLIENTS = 12
/** A kill comes this long after the gateway was ready at the latest, or, one time in six, this long after it was started. */
const LOAD_MS = 250, START_MS = 900
const STARTS_KILLED = 1 / 6

export type Report = {
  readonly kills: number
  /** Answers of which a client saw all, and streams of which it saw the head. */
  readonly answered: number
  readonly missing: number
  readonly wrong: readonly string[]
  readonly lines: number
  readonly signed: number
  readonly duringStart: number
  /** Of those answered: streams that were cut. */
  readonly cut: number
}

/** Numbers in [0, 1) that are the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Seen = { readonly id: string; readonly isWhole: boolean }

export async function killAgainAndAgain(kills: number, seed: number, progress: (kill: number) => void = () => undefined): Promise<Report> {
  const random = seeded(seed), stand = await startStand()
  const data = freshFolder(), policies = folderOf({
    'apps/desk.yaml': app('desk', `grants: all\nmay-carry: []\nkey-hashes: [ "${await keyHash(KEY)}" ]`),
    'catalog/stand.yaml': provider('stand', `dialect: openai\nbase-url: ${stand.url}\nprocessed-in: [FR]`, ['{ deployment: one, model: stand/one }']),
  })
  const following = follow(data), wrong: string[] = []
  const tally = { answered: 0, missing: 0, duringStart: 0, cut: 0 }
  let seen: Seen[] = [], done = 0
  try {
    while (done < kills) {
      const gateway = launch(policies, data)
      const inStart = done > 0 && random() < STARTS_KILLED
      const moment = random() * (inStart ? START_MS : LOAD_MS)
      const url = await (inStart ? Promise.race([gateway.ready, rest(moment).then(() => undefined)]) : gateway.ready)
      if (url !== undefined) {
        await settle(following, seen, tally, wrong, done)
        seen = []
        const load = underLoad(url, s => seen.push(s))
        await rest(moment)
        await gateway.kill()
        await load
      } else {
        tally.duringStart++
        await gateway.kill()
      }
      progress(++done)
    }
    const gateway = launch(policies, data)
    await gateway.ready
    await settle(following, seen, tally, wrong, done)
    await gateway.kill('SIGTERM')
    await settle(following, [], tally, wrong, done)
    return { kills, ...tally, wrong, lines: following.lines, signed: following.signed }
  } finally {
    await stand.close()
  }
}

async function settle(following: Following, seen: readonly Seen[], tally: { answered: number; missing: number; cut: number }, wrong: string[], kill: number): Promise<void> {
  const read = await following.on()
  wrong.push(...read.wrong.map(what => `after kill ${kill}: ${what}`))
  const kept = { decision: new Set<string>(), outcome: new Set<string>() }
  for (const { kind, id } of read.entries) if (kind === 'decision' || kind === 'outcome') kept[kind].add(id)
  for (const { id, isWhole } of seen) {
    tally.answered++
    if (!isWhole) tally.cut++
    const lost = (['decision', ...(isWhole ? ['outcome' as const] : [])] as const).filter(kind => !kept[kind].has(id))
    if (lost.length > 0) {
      tally.missing++
      wrong.push(`after kill ${kill}: ${id} was answered and has no ${lost.join(' and no ')}`)
    }
  }
}

/** Ends when every client has found the gateway gone. */
async function underLoad(url: string, seen: (what: Seen) => void): Promise<void> {
  await Promise.all(Array.from({ length: CLIENTS }, async (_, client) => {
    for (let n = 0; ; n++) {
      const isStream = (client + n) % 3 === 0
      let id: string | null = null, text: string | undefined
      try {
        const answer = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'stand/one', stream: isStream, messages: [{ role: 'user', content: 'Good day?' }] }),
        })
        id = answer.headers.get('x-bailiwick-decision')
        if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
        text = await answer.text()
      } catch (error) {
        if (error instanceof Error && /^\d{3} /.test(error.message)) throw error
      }
      const isWhole = text !== undefined && (!isStream || text.endsWith('data: [DONE]\n\n'))
      if (id !== null && (isWhole || isStream)) seen({ id, isWhole })
      if (text === undefined) return
    }
  }))
}

type Launched = { readonly ready: Promise<string>; kill(signal?: NodeJS.Signals): Promise<void> }

function launch(policies: string, data: string): Launched {
  const child: ChildProcess = spawn(NODE, [COMMAND, 'serve', '--port', '0', '--policies', policies, '--data', data], { env: { PATH: process.env['PATH'], BAILIWICK_ADMIN_TOKEN: 'token-for-crashes' }, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = '', err = '', wasKilled = false
  const ended = new Promise<void>(resolve => { child.once('close', () => resolve()) })
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout!.on('data', (bytes: Buffer) => {
      out += bytes.toString()
      const url = /^ready (\S+) /m.exec(out)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.stderr!.on('data', (bytes: Buffer) => { err = (err + bytes.toString()).slice(-4_000) })
    void ended.then(() => reject(new Error(wasKilled ? 'it was killed' : `the gateway did not start again:\n${out}${err}`)))
  })
  // One that is killed while it starts is never ready.
  ready.catch(() => undefined)
  return {
    ready,
    kill(signal = 'SIGKILL') {
      wasKilled = true
      child.kill(signal)
      return ended
    },
  }
}

/** A provider on loopback that answers at once. */
async function startStand(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => { text += part }).on('end', () => {
      const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }, more = { id: 'c', created: 1, model: 'one' }
      if ((JSON.parse(text) as { readonly stream?: boolean }).stream !== true) {
        response.setHeader('content-type', 'application/json')
        return void response.end(JSON.stringify({ ...more, object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content: 'Good day.' }, finish_reason: 'stop' }], usage }))
      }
      const chunk = (delta: unknown, finish: string | null = null): string => `data: ${JSON.stringify({ ...more, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk({ role: 'assistant', content: 'Good' }))
      setImmediate(() => response.end(`${chunk({ content: ' day.' })}${chunk({}, 'stop')}data: [DONE]\n\n`))
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}

/** The moment of a kill is a length of time: there is no condition to wait for. */
const rest = (ms: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, ms) })
