/**
 * Breakers that outlive requests, on any runtime that answers a Request: made with the module, as a gateway's are on Workers,
 * each used for the first time within a request, over the real clock.
 */
import { createBreakers } from '../../src/breaker/opossum.ts'
import { failure } from '../../src/failure.ts'
import { breakerCases, REAL_RESET_MS } from './breaker.ts'

const clock = { now: () => Date.now(), after: () => () => undefined }
const changes: string[] = []
const breakers = createBreakers({ resetMs: REAL_RESET_MS })({ clock, changed: ({ deployment, from, to }) => { changes.push(`${deployment}: ${from} → ${to}`) } })
const unhandled: string[] = []
process.on('unhandledRejection', reason => { unhandled.push(String(reason)) })

export default {
  /** `/case?name=`: one case of the contract, null or what is wrong. `/try?deployment=&well=`: one trial. `/state?deployment=`: looking on. `/unhandled`: promises that nobody waited for. */
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/case') return Response.json(wrongWith(searchParams.get('name')))
    if (pathname === '/unhandled') return Response.json(unhandled)
    const deployment = searchParams.get('deployment') ?? ''
    if (pathname === '/try') {
      const trial = breakers.begin(deployment)
      // The outcome comes a turn later, as an answer's does.
      await Promise.resolve()
      trial?.report(searchParams.get('well') === 'yes' ? undefined : failure('unreachable', 'The connection was reset.'))
      return Response.json({ tried: trial !== undefined, state: breakers.state(deployment) })
    }
    return Response.json({ state: breakers.state(deployment), mayTry: breakers.mayTry(deployment), changes: changes.filter(change => change.startsWith(`${deployment}:`)) })
  },
}

function wrongWith(name: string | null): string | null {
  try {
    const asked = breakerCases.find(one => one.name === name)
    if (asked === undefined) throw new Error(`There is no case named ${name}`)
    asked.run(createBreakers())
    return null
  } catch (thrown) {
    return String(thrown)
  }
}
