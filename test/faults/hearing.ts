/**
 * One request to a gateway as two callers see it at once: OpenAI's own client, and somebody who reads the bytes. The client is
 * given exactly the bytes that came, to the last of them, even where it would have stopped reading.
 */
import { APIError, OpenAI } from 'openai'
import { PROMPT } from './wall.ts'

export type Wish = {
  readonly url: string
  readonly key: string
  readonly model: string
  readonly stream: boolean
  readonly usage: boolean
  /** Nobody listens for longer than this. */
  readonly listenMs: number
}

/** What the client of OpenAI makes of it. */
export type ClientView = {
  readonly text: string
  readonly finish: string | undefined
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | undefined
  /** Undefined: it raised nothing. */
  readonly raised: { readonly isApiError: boolean; readonly status: number | undefined; readonly code: string | undefined } | undefined
}

export type Heard = {
  readonly stream: boolean
  /** 0: no answer at all. */
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** complete: the HTTP answer ended as it should. broken: the connection did. endless: it was not over when we stopped listening. */
  readonly how: 'complete' | 'broken' | 'endless'
  readonly ms: number
  readonly client: ClientView
}

export async function hear(wish: Wish): Promise<Heard> {
  const began = performance.now()
  const heard = { status: 0, headers: new Headers(), body: '', how: 'complete' as Heard['how'], ms: 0 }
  const limit = AbortSignal.timeout(wish.listenMs)
  const recording: typeof fetch = async (input, init) => {
    try {
      const response = await fetch(input, { ...init, signal: limit })
      heard.status = response.status
      heard.headers = response.headers
      const decoder = new TextDecoder()
      for await (const bytes of response.body ?? []) heard.body += decoder.decode(bytes, { stream: true })
    } catch {
      heard.how = limit.aborted ? 'endless' : 'broken'
    }
    heard.ms = performance.now() - began
    if (heard.status === 0) throw new TypeError('no answer came')
    return new Response(replay(heard), { status: heard.status, headers: heard.headers })
  }
  const client = await ask(new OpenAI({ baseURL: `${wish.url}/v1`, apiKey: wish.key, maxRetries: 0, fetch: recording }), wish)
  return { stream: wish.stream, ...heard, client }
}

/** The same bytes, with the same end. */
const replay = ({ body, how }: { readonly body: string; readonly how: Heard['how'] }): ReadableStream<Uint8Array> => new ReadableStream({
  start(controller) {
    if (body !== '') controller.enqueue(new TextEncoder().encode(body))
    if (how === 'complete') controller.close()
  },
  pull(controller) {
    controller.error(new TypeError('the connection broke'))
  },
})

async function ask(client: OpenAI, { model, stream, usage }: Wish): Promise<ClientView> {
  const view = { text: '', finish: undefined as string | undefined, usage: undefined as ClientView['usage'], raised: undefined as ClientView['raised'] }
  const request = { model, messages: [{ role: 'user' as const, content: PROMPT }] }
  try {
    if (stream) {
      for await (const chunk of await client.chat.completions.create({ ...request, stream, ...(usage && { stream_options: { include_usage: true } }) })) {
        view.text += chunk.choices[0]?.delta.content ?? ''
        view.finish = chunk.choices[0]?.finish_reason ?? view.finish
        view.usage = chunk.usage ?? view.usage
      }
    } else {
      const { choices: [choice], usage } = await client.chat.completions.create(request)
      view.text = choice?.message.content ?? ''
      view.finish = choice?.finish_reason
      view.usage = usage
    }
  } catch (error) {
    const isApiError = error instanceof APIError
    view.raised = { isApiError, status: isApiError ? error.status as number | undefined : undefined, code: isApiError ? error.code ?? undefined : undefined }
  }
  return view
}
