/**
 * What this is for: settings that silently widen the place of a deployment. A catalog that states a place for an address
 * or a model name that does not hold it is warned of, and refused where a rule relies on what is stated.
 *
 * What it assumes: what providers publish, as of the dates in the table. What it promises: nothing about what is not in
 * the table; a fact that is not stated, or stated as unknown, is never a trap.
 */
import { canonicalHost, isAddress, isLocalAddress } from '../catalog/local.ts'
import type { Facts } from '../policy/facts.ts'
import { evaluate, resolve, type Condition, type Members } from '../policy/match.ts'
import type { Group, Rule, RuledDeployment } from '../policy/rule.ts'
import { FALSE, TRUE } from '../policy/truth.ts'
import type { Spot } from './parse.ts'
import type { Problem } from './problem.ts'

/** A deployment, or a provider that is asked for its models, as far as a trap looks at it. */
export type Connected = {
  readonly file: string
  readonly facts: RuledDeployment['facts']
  readonly named: { readonly deployment: string; readonly model: string; readonly provider: string }
  readonly dialect: string
  readonly baseUrl: string
  /** Hosts that the catalog says are local. */
  readonly localHosts: readonly string[]
  /** Empty for a provider whose models are not listed. */
  readonly upstreamModel: string
  /** Where facts are written, on the deployment or above it. */
  readonly at: { readonly [fact: string]: Spot | undefined }
}

/** What a trap looks at: the address in parts, and what is stated. */
type Sight = { readonly host: string; readonly path: string; readonly model: string; readonly dialect: string; readonly names: string; readonly places: readonly string[]; readonly isListed: boolean }

type Trap = {
  readonly isSet: (sight: Sight) => boolean
  /** Facts that it belies; the first that is stated is where it is told. */
  readonly belies: readonly ('processed-in' | 'hosting')[]
  /** Why the stated fact is not held, after "... but ". */
  readonly but: (sight: Sight) => string
  readonly write: string
  readonly source: string
  readonly asOf: string
}

const isBelow = (host: string, ...domains: readonly string[]): boolean => domains.some(d => host === d || host.endsWith(`.${d}`))
const BEDROCK_GEOGRAPHY = /^(?:us|us-gov|eu|apac|jp|au|ca|sa|me|af)\./

export const TRAPS: readonly Trap[] = [
  {
    isSet: s => isBelow(s.host, 'openai.azure.com', 'cognitiveservices.azure.com', 'services.ai.azure.com') && /(?:^|[^a-z])global/i.test(s.names),
    belies: ['processed-in'], but: () => 'a Global deployment of Azure may process anywhere',
    write: 'deploy it as Standard or Data Zone, or write processed-in: unknown',
    source: 'learn.microsoft.com/azure, Foundry Models, deployment types', asOf: '2026-11-22',
  },
  {
    isSet: s => /^(?:bedrock\/)?global\.[a-z0-9-]+\./.test(s.model),
    belies: ['processed-in'], but: s => `the Bedrock profile ${s.model} may run in any commercial region`,
    write: 'use a profile of one geography, such as eu., or write processed-in: unknown',
    source: 'docs.aws.amazon.com/bedrock/latest/userguide/cross-region-inference.html', asOf: '2026-11-22',
  },
  {
    isSet: s => /^bedrock[\w-]*\./.test(s.host) && isBelow(s.host, 'amazonaws.com', 'amazonaws.eu', 'api.aws') && /^[a-z0-9-]+\./.test(s.model)
      && !s.model.startsWith('global.') && !BEDROCK_GEOGRAPHY.test(s.model) && s.places.length > 1,
    belies: ['processed-in'], but: s => `the Bedrock model ${s.model} has no geography before its name, so nothing holds it to these countries`,
    write: 'write the profile with its geography, such as eu., as upstream-model; or the one country of the region as processed-in',
    source: 'docs.aws.amazon.com/bedrock/latest/userguide/cross-region-inference.html', asOf: '2026-11-22',
  },
  {
    isSet: s => s.host === 'aiplatform.googleapis.com' || (isBelow(s.host, 'googleapis.com') && s.path.includes('/locations/global')),
    belies: ['processed-in'], but: () => 'the global address of Vertex AI may process anywhere',
    write: 'use the address of a region, or the multi-region one of rep.googleapis.com, or write processed-in: unknown',
    source: 'docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/data-residency', asOf: '2026-11-22',
  },
  {
    isSet: s => s.host === 'api.mistral.ai',
    belies: ['processed-in'], but: () => "Mistral's default address api.mistral.ai is global",
    write: 'use https://api.eu.mistral.ai/v1 for the Union and EFTA, or write processed-in: unknown',
    source: 'docs.mistral.ai/studio/regional-inference', asOf: '2026-11-22',
  },
  {
    // It can hold the United States, and no other place.
    isSet: s => isBelow(s.host, 'api.anthropic.com') && s.places.some(place => place !== 'US' && !place.startsWith('US-')),
    belies: ['processed-in'], but: () => "Anthropic's own address knows only global and the United States",
    write: 'use a cloud that holds the place, or write processed-in: unknown',
    source: 'platform.claude.com/docs/en/manage-claude/data-residency', asOf: '2026-11-22',
  },
  {
    isSet: s => s.host === 'api.openai.com',
    belies: ['processed-in'], but: () => "OpenAI's default address api.openai.com may process anywhere",
    write: 'use the address of the residency project, such as https://eu.api.openai.com/v1, or write processed-in: unknown',
    source: 'developers.openai.com/api/docs/guides/data-residency', asOf: '2026-11-22',
  },
  {
    isSet: s => s.host === 'api.tokenfactory.nebius.com' || isBelow(s.host, 'api.studio.nebius.ai', 'api.studio.nebius.com'),
    belies: ['processed-in'], but: () => 'public serverless models of Nebius may be placed anywhere and move',
    write: 'use a dedicated deployment in one region, with the address of that region, or write processed-in: unknown',
    source: 'bolna.ai/docs/custom-llm-inference/nebius, a secondary source', asOf: '2026-11-22',
  },
  {
    isSet: s => isBelow(s.host, 'ollama.com') || (s.dialect === 'ollama' && /[:-]cloud$/.test(s.model)),
    belies: ['hosting', 'processed-in'], but: s => `${s.model === '' ? 'what ollama.com serves' : `the model ${s.model}`} runs in the cloud of Ollama, whatever address answers`,
    write: 'list a model whose weights are on the disk, or write hosting: cloud and processed-in: unknown',
    source: 'docs.ollama.com, Cloud', asOf: '2026-11-22',
  },
  {
    isSet: s => !isNear(s.host) && !s.isListed,
    belies: ['hosting'], but: s => `${s.host} is no loopback, private or link-local address`,
    write: 'use the address of the machine in your own network, list it under local-hosts if it is in your hands, or write hosting: cloud or hosting: sovereign',
    source: 'RFC 1918, RFC 3927, RFC 4193, RFC 4291; names of RFC 6761, RFC 6762, RFC 8375 and .internal', asOf: '2026-11-22',
  },
]

/** An address nearby; for a name: one that only a local network resolves. What it resolves to is checked at connect. */
const isNear = (host: string): boolean =>
  (isAddress(host) ? isLocalAddress(host) : !host.includes('.') || isBelow(host, 'localhost', 'local', 'internal', 'home.arpa'))

/** A problem for every stated fact that an address or a model name belies. */
export function findTraps(connected: readonly Connected[], rules: readonly Rule[], groups: readonly Group[]): readonly Problem[] {
  // Every member, whatever its dates: a rule that relies on the place on any day relies on it.
  const members: Members = new Map(groups.map(g => [g.name, g.members.map(m => m.value)]))
  const blocks = new Map<Rule, Condition>()
  const blockOf = (rule: Rule): Condition => {
    const known = blocks.get(rule) ?? resolve(rule.blocks[0]!, members)
    blocks.set(rule, known)
    return known
  }
  return connected.flatMap(one => {
    const sight = sightOf(one)
    const hosting = one.facts['hosting']?.value
    return sight === undefined ? [] : TRAPS.flatMap<Problem>(trap => {
      const belied = trap.belies.filter(fact => (fact === 'hosting' ? hosting === 'local' : one.facts[fact] !== undefined))
      const at = belied.map(fact => one.at[fact]).find(spot => spot !== undefined)
      if (at === undefined || !trap.isSet(sight)) return []
      const relying = rules.find(rule => rule.effect !== 'prefer' && relies(rule.effect, blockOf(rule), one, belied))
      const what = belied[0] === 'hosting' ? 'hosting says local' : 'processed-in states a place'
      return [{
        file: one.file, line: at.line, column: at.column, severity: relying === undefined ? 'warning' : 'error', rule: 'place-not-held',
        wrong: `${what}, but ${trap.but(sight)}${relying === undefined ? '' : `; the rule ${relying.name} relies on it`}`, write: trap.write,
      }]
    }).slice(0, 1)
  })
}

function sightOf({ baseUrl, localHosts, upstreamModel, dialect, named, facts }: Connected): Sight | undefined {
  if (!URL.canParse(baseUrl)) return undefined
  const { hostname, pathname } = new URL(baseUrl)
  const places = facts['processed-in']?.value
  return {
    host: hostname.toLowerCase().replace(/\.$/, ''), path: pathname.toLowerCase(), model: upstreamModel, dialect,
    names: `${named.deployment} ${upstreamModel}`, places: typeof places === 'object' ? places : [],
    isListed: localHosts.includes(canonicalHost(hostname) ?? ''),
  }
}

/** Whether the rule lets the deployment pass for what is stated, and would not if it were unknown. */
function relies(effect: 'forbid' | 'require', block: Condition, { facts, named }: Connected, belied: readonly string[]): boolean {
  const passes = (known: Facts): boolean => (effect === 'forbid' ? evaluate(block, known) === FALSE : evaluate(block, known) === TRUE)
  const stated: Facts = { ...named, ...Object.fromEntries(Object.entries(facts).map(([name, fact]) => [name, fact?.value])) }
  return passes(stated) && !passes({ ...stated, ...Object.fromEntries(belied.map(fact => [fact, undefined])) })
}
