/**
 * Requests at an even pace, whatever becomes of those before: the pace does not slow down for a gateway that does. Half are
 * streams; apps, data and models are mixed by number, so every run sends the same.
 */
import { DEPLOYMENTS, isDeployment, KEYS, sayingOf, type AppName, type Data, type DeploymentName } from './world.ts'

export type Sent = { readonly nonce: string; readonly app: AppName; readonly data: Data; readonly model: string; readonly stream: boolean; readonly sentAt: number }

/** A request and what came of it. */
export type Answered = Sent & {
  readonly endedAt: number
  readonly status: number
  readonly deployment: DeploymentName | undefined
  /** The code of the error, in the body or in the stream. */
  readonly code: string | undefined
  /** Undefined: the whole answer, word for word, and said who gave it. Otherwise what was wrong. */
  readonly wrong: string | undefined
}

export type Traffic = {
  readonly answers: readonly Answered[]
  /** Sends nothing more, and resolves when the last answer has ended. */
  stop(): Promise<void>
}

const ANSWER_WITHIN_MS = 30_000
/** Ten requests of which five carry nothing, two speak of people, one holds a paper, one does not say, and one is the newsroom's. */
const MIX: readonly (readonly [app: AppName, data: Data, model: string])[] = [
  ['desk', 'none', 'frontier/large'], ['clinic', 'personal', 'auto'], ['desk', 'none', 'frontier/swift'], ['clinic', 'trade-secret', 'auto'], ['desk', 'none', 'auto'],
  ['newsroom', 'none', 'frontier/large'], ['desk', 'none', 'frontier/large'], ['clinic', 'personal', 'europa/one'], ['desk', 'none', 'classic/steady'], ['clinic', 'unstated', 'auto'],
]

export function startTraffic(url: string, { perSecond }: { readonly perSecond: number }): Traffic {
  const answers: Answered[] = []
  const open = new Set<Promise<void>>()
  const begunAt = Date.now()
  let count = 0
  const timer = setInterval(() => {
    while (begunAt + (count * 1_000) / perSecond <= Date.now()) {
      const asking: Promise<void> = ask(url, count++).then(answer => { answers.push(answer) }).finally(() => open.delete(asking))
      open.add(asking)
    }
  }, 1_000 / perSecond / 2)
  return {
    answers,
    async stop() {
      clearInterval(timer)
      await Promise.all(open)
    },
  }
}

async function ask(url: string, number: number): Promise<Answered> {
  const [app, data, model] = MIX[number % MIX.length]!
  const stream = (number + Math.floor(number / MIX.length)) % 2 === 0
  const nonce = `r-${String(number).padStart(6, '0')}`
  const sent: Sent = { nonce, app, data, model, stream, sentAt: Date.now() }
  const ended = (status: number, more: Partial<Pick<Answered, 'deployment' | 'code' | 'wrong'>>): Answered =>
    ({ ...sent, endedAt: Date.now(), status, deployment: undefined, code: undefined, wrong: undefined, ...more })
  let status = 0
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST', signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      headers: { authorization: `Bearer ${KEYS[app]}`, 'content-type': 'application/json', 'x-request-id': nonce, ...(data !== 'unstated' && { 'x-bailiwick-data': data }) },
      body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: `Say the words of ${nonce}.` }] }),
    })
    status = response.status
    const text = await response.text()
    if (status !== 200) {
      const { code } = (JSON.parse(text) as { readonly error: { readonly code: string } }).error
      return ended(status, { code, wrong: `${status} ${code}` })
    }
    const named = response.headers.get('x-bailiwick-deployment')
    if (!isDeployment(named)) return ended(status, { wrong: 'an answer from nobody' })
    const { content, code, isComplete } = stream ? readStream(text) : readWhole(text)
    const isSubstitute = model !== 'auto' && DEPLOYMENTS[named].model !== model
    const wrong = code !== undefined ? `an error in the stream: ${code}`
      : !isComplete ? 'an answer without an end'
      : content !== sayingOf(nonce) ? 'other words than were to be said'
      : isSubstitute && response.headers.get('x-bailiwick-degraded') === null ? 'a substitute that did not say so'
      : undefined
    return ended(status, { deployment: named, code, wrong })
  } catch (error) {
    return ended(status, { wrong: error instanceof Error ? error.name : typeof error })
  }
}

type Read = { readonly content: string; readonly code?: string | undefined; readonly isComplete: boolean }

function readWhole(text: string): Read {
  const [choice] = (JSON.parse(text) as { readonly choices: readonly { readonly message: { readonly content: string }; readonly finish_reason: string }[] }).choices
  return { content: choice?.message.content ?? '', isComplete: choice?.finish_reason === 'stop' }
}

function readStream(text: string): Read {
  let content = '', code: string | undefined, isFinished = false, isDone = false
  for (const [, data] of text.matchAll(/^data: (.+)$/gm)) {
    if (data === '[DONE]') {
      isDone = true
      continue
    }
    const event = JSON.parse(data!) as { readonly error?: { readonly code: string }; readonly choices?: readonly { readonly delta: { readonly content?: string }; readonly finish_reason: string | null }[] }
    code ??= event.error?.code
    content += event.choices?.[0]?.delta.content ?? ''
    isFinished ||= event.choices?.[0]?.finish_reason === 'stop'
  }
  return { content, code, isComplete: isFinished && isDone }
}
