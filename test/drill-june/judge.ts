/**
 * What this is for: saying of everything that happened whether it was lawful, and of every answer whether it is missing.
 *
 * Law is judged three times over, and none of the three allows for a delay in its direction:
 * - by the record: an arrival at a provider has an attempt on record, and the epoch of that attempt began under a law that
 *   permits it. An epoch ends at the very second the law changes, so this is the law at the instant of sending;
 * - by the caller's clock: what was sent to the gateway while the notice was in force never arrives at a removed model;
 * - by the provider's clock: what arrives at a removed model later than anything can be under way is unlawful whatever the
 *   record says. This alone knows a tolerance, and it only adds to what the other two find.
 */
import type { Arrival } from './providers.ts'
import type { Records } from './records.ts'
import type { Answered } from './traffic.ts'
import { DEPLOYMENT_NAMES, permits, REMOVED, type DeploymentName, type Window } from './world.ts'

export type Evidence = {
  readonly answers: readonly Answered[]
  readonly arrivals: readonly Arrival[]
  readonly records: Records
  /** When each epoch began, by its number, as the gateway said. */
  readonly epochs: ReadonlyMap<number, number>
  readonly notice: Window
  /** When a deployment could not be used: from the end of its process until the gateway had found it again. */
  readonly down: ReadonlyMap<DeploymentName, Window>
}

/** Longer than a request can be between the gateway's socket and the provider's, on one machine that is busy. */
const UNDER_WAY_MS_MAX = 500

const isIn = (at: number, { from, until }: Window): boolean => at >= from && at < until

/** Every arrival that was not permitted, in words. */
export function unlawful({ answers, arrivals, records, epochs, notice }: Evidence): readonly string[] {
  const sent = new Map(answers.map(a => [a.nonce, a]))
  return arrivals.flatMap(arrival => {
    const { at, deployment, nonce } = arrival
    const why = nonce === null ? unlawfulSignOfLife(arrival, notice) : unlawfulPrompt()
    return why === undefined ? [] : [`${nonce ?? 'a sign of life'} reached ${deployment} at ${new Date(at).toISOString()}: ${why}`]

    function unlawfulPrompt(): string | undefined {
      const request = sent.get(nonce!)
      if (request === undefined) return 'nobody sent it'
      const attempts = records.attempts.get(nonce!)?.filter(a => a.deployment === deployment) ?? []
      if (attempts.length === 0) return 'no attempt is on record'
      for (const { epoch } of attempts) {
        const began = epochs.get(epoch)
        if (began === undefined) return `its epoch ${epoch} is not known`
        if (!permits(deployment, request, isIn(began, notice))) return `the law of epoch ${epoch} does not permit it`
      }
      if (!permits(deployment, request, isIn(request.sentAt, notice))) return 'it was sent while this was forbidden'
      return isTooLate(arrival, notice) ? 'it arrived when this had long been forbidden' : undefined
    }
  })
}

/** Nobody may use the removed models while the notice is in force, so nobody asks them how they are. */
const unlawfulSignOfLife = (arrival: Arrival, notice: Window): string | undefined =>
  isTooLate(arrival, notice) ? 'no app may use it now' : undefined

const isTooLate = ({ at, deployment }: Arrival, { from, until }: Window): boolean =>
  REMOVED.includes(deployment) && isIn(at, { from: from + UNDER_WAY_MS_MAX, until })

/** Every answer that is missing, cut, wrong or an error although a permitted and healthy deployment existed all the while, in words. */
export function lost({ answers, notice, down }: Pick<Evidence, 'answers' | 'notice' | 'down'>): readonly string[] {
  return answers.filter(a => a.wrong !== undefined && (isBrokenAnswer(a) || couldBeAnswered(a, notice, down))).map(inWords)
}

/** An answer that says it is whole and is not is lost, whatever was the matter. */
const isBrokenAnswer = ({ status, code }: Answered): boolean => status === 200 && code === undefined

/** Whether at every instant between the question and its end some deployment was permitted and there. */
function couldBeAnswered(answer: Answered, notice: Window, down: Evidence['down']): boolean {
  const edges = [notice, ...down.values()].flatMap(w => [w.from, w.until]).filter(at => at > answer.sentAt && at < answer.endedAt)
  return [answer.sentAt, ...edges].every(at =>
    DEPLOYMENT_NAMES.some(d => permits(d, answer, isIn(at, notice)) && !(down.has(d) && isIn(at, down.get(d)!))))
}

/** Refusals that name the wrong reason: forbidden is not unavailable, and nothing but the notice forbids anything here. */
export function confused({ answers, notice }: Pick<Evidence, 'answers' | 'notice'>): readonly string[] {
  return answers.filter(a => a.wrong !== undefined && a.status !== 200).filter(a => {
    const wasForbidden = a.app === 'newsroom' && isIn(a.sentAt, notice) && isIn(a.endedAt, notice)
    const wasPermitted = a.app !== 'newsroom' || a.endedAt < notice.from || a.sentAt >= notice.until
    return (wasForbidden && a.code !== 'no_permitted_model') || (wasPermitted && a.code !== 'permitted_models_unavailable')
  }).map(inWords)
}

const inWords = ({ nonce, app, data, model, stream, status, wrong, sentAt, endedAt }: Answered): string =>
  `${nonce} of ${app} (${data}, ${model}, ${stream ? 'stream' : 'whole'}) sent ${new Date(sentAt).toISOString()}: ${wrong} (${status}) after ${endedAt - sentAt} ms`
