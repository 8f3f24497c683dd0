/** The instants at which decisions may change. */
import type { Edge, Instant, Rulebook, Window } from '../policy/rule.ts'

/** Gathers instants with the zone they are written in; each instant once, the ends of time left out. */
export class Edges {
  readonly #zones = new Map<Instant, string>()

  add(at: Instant, zone: string): void {
    if (Number.isFinite(at) && !this.#zones.has(at)) this.#zones.set(at, zone)
  }

  addWindow(window: Window, zone: string): void {
    this.add(window.from, zone)
    this.add(window.until, zone)
  }

  addFacts(facts: Rulebook['deployments'][number]['facts'], zone: string): void {
    for (const fact of Object.values(facts)) if (fact !== undefined) this.add(fact.goodUntil, zone)
  }

  inOrder(): readonly Edge[] {
    return [...this.#zones].map(([at, zone]) => ({ at, zone })).sort((a, b) => a.at - b.at)
  }
}
