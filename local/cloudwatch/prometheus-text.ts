/**
 * The metrics of all functions as Prometheus text. For each metric: `_total` is the sum of all values since the start,
 * `_samples_total` their number, `_last` the newest one.
 */
import type { DataPoint } from './emf.ts'

interface Series {
  total: number
  samples: number
  last: number
}

export class PrometheusText {
  /** Metric name -> labels -> series. */
  readonly #series = new Map<string, Map<string, Series>>()

  add({ namespace, name, dimensions, values }: DataPoint): void {
    const metric = metricName(namespace, name)
    const labelText = labels(dimensions)
    let byLabels = this.#series.get(metric)
    if (!byLabels) this.#series.set(metric, (byLabels = new Map<string, Series>()))
    let series = byLabels.get(labelText)
    if (!series) byLabels.set(labelText, (series = { total: 0, samples: 0, last: 0 }))
    for (const value of values) {
      series.total += value
      series.samples += 1
      series.last = value
    }
  }

  toString(): string {
    const lines: string[] = []
    for (const [name, byLabels] of this.#series) {
      for (const [suffix, type, pick] of [
        ['_total', 'counter', (s: Series) => s.total],
        ['_samples_total', 'counter', (s: Series) => s.samples],
        ['_last', 'gauge', (s: Series) => s.last],
      ] as const) {
        lines.push(`# TYPE ${name}${suffix} ${type}`)
        for (const [text, series] of byLabels) lines.push(`${name}${suffix}${text} ${pick(series)}`)
      }
    }
    return `${lines.join('\n')}\n`
  }
}

/** `IotTelemetry/dev`, `MessagesStored` -> `iot_telemetry_messages_stored`: there is one stage here. */
function metricName(namespace: string, name: string): string {
  const snake = (text: string) =>
    text
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replace(/\W+/g, '_')
      .toLowerCase()
  return `${snake(namespace.split('/')[0]!)}_${snake(name)}`
}

function labels(dimensions: Record<string, string>): string {
  const entries = Object.entries(dimensions)
  if (entries.length === 0) return ''
  const escape = (value: string) => value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')
  return `{${entries.map(([name, value]) => `${name.replace(/\W/g, '_')}="${escape(value)}"`).join(',')}}`
}
