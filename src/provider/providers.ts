/** The provider port for every dialect there is: the deployment's connection says which one speaks. */
import { failure } from '../failure.ts'
import type { Ports } from '../ports.ts'
import { ollama } from './ollama.ts'
import { openaiCompatible } from './openai-compatible.ts'
import type { ProviderPort } from './provider.ts'

export function providers(ports: Pick<Ports, 'transport' | 'secrets' | 'clock' | 'random'>): ProviderPort {
  const byDialect = { openai: openaiCompatible(ports), ollama: ollama(ports) }
  return {
    async send(deployment, call, signal) {
      if (deployment.connection === undefined) return { ok: false, failure: failure('misconfigured', `${deployment.name} has no connection.`) }
      return byDialect[deployment.connection.dialect].send(deployment, call, signal)
    },
  }
}
