/**
 * Counters and gauges in Prometheus' text format (OpenMetrics 1.0 subset), small enough to run on both runtimes.
 * What it promises: labels are names of ours (deployment, code, app), never content.
 */
export type Labels = Readonly<Record<string, string>>

export type Metrics = {
  count(name: string, labels?: Labels, by?: number): void
  set(name: string, value: number, labels?: Labels): void
  /** Sets a gauge to these values and no others: series of labels that are not among them go. */
  replace(name: string, values: readonly { readonly labels: Labels; readonly value: number }[]): void
  /** The text for /metrics. */
  text(): string
}

const escape = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')

export function createMetrics(): Metrics {
  const series = new Map<string, { readonly kind: 'counter' | 'gauge'; readonly values: Map<string, number> }>()
  const keyOf = (labels: Labels): string => {
    const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => `${k}="${escape(v)}"`)
    return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
  }
  const valuesOf = (name: string, kind: 'counter' | 'gauge'): Map<string, number> => {
    let known = series.get(name)
    if (known === undefined) series.set(name, known = { kind, values: new Map() })
    return known.values
  }
  return {
    count(name, labels = {}, by = 1) {
      const values = valuesOf(name, 'counter'), key = keyOf(labels)
      values.set(key, (values.get(key) ?? 0) + by)
    },
    set(name, value, labels = {}) {
      valuesOf(name, 'gauge').set(keyOf(labels), value)
    },
    replace(name, values) {
      series.set(name, { kind: 'gauge', values: new Map(values.map(({ labels, value }) => [keyOf(labels), value])) })
    },
    text: () => [...series].map(([name, { kind, values }]) =>
      `# TYPE ${name} ${kind}\n${[...values].map(([labels, value]) => `${name}${labels} ${value}\n`).join('')}`).join(''),
  }
}
