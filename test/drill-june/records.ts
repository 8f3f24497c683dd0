/** What the gateway kept of each request: where it tried, and under which epoch. Read when it has stopped. */
import { entriesIn } from '../support/kept.ts'

export type Tried = { readonly deployment: string; readonly epoch: number }

export type Records = {
  /** Attempts by the id that the caller gave its request. */
  readonly attempts: ReadonlyMap<string, readonly Tried[]>
  /** Requests whose stream was begun by one deployment and completed by another. */
  readonly rescued: number
}

export async function recordsIn(data: string): Promise<Records> {
  const entries = await entriesIn(data)
  const requests = new Map(entries.filter(e => e.kind === 'decision').map(d => [d.id, d.requestId]))
  const outcomes = entries.filter(e => e.kind === 'outcome')
  const attempts = new Map<string, Tried[]>()
  for (const { id, attempts: tried } of outcomes) {
    const request = requests.get(id)
    if (request !== undefined) attempts.set(request, [...attempts.get(request) ?? [], ...tried])
  }
  return { attempts, rescued: outcomes.filter(o => o.outcome === 'answered' && (o.deployments?.length ?? 0) > 1).length }
}
