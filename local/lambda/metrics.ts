/**
 * EMF metrics (log lines that CloudWatch turns into metrics) of all functions as Prometheus text. For each metric:
 * `_total` is the sum of all values since the start, `_samples_total` their number, `_last` the newest one.
 */
import * as v from 'valibot'

const EmfLine = v.looseObject({
  _aws: v.object({
    CloudWatchMetrics: v.array(
      v.object({
        Namespace: v.string(),
        Dimensions: v.array(v.array(v.string())),
        Metrics: v.array(v.object({ Name: v.string(), Unit: v.optional(v.string()) })),
      }),
    ),
  }),
})
const Values = v.union([v.number(), v.array(v.number())])

interface Series {
  total: number
  samples: number
  last: number
}

export class Metrics {
  /** Metric name -> labels -> series. */
  readonly #series = new Map<string, Map<string, Series>>()

  /** Takes a log line when it is an EMF document, and says whether it was one. Throws for one that CloudWatch would not take. */
  record(line: string): boolean {
    if (!line.startsWith('{') || !line.includes('"_aws"')) return false
    this.#addAll(v.parse(EmfLine, JSON.parse(line)))
    return true
  }

  #addAll(document: v.InferOutput<typeof EmfLine>): void {
    for (const { Namespace, Dimensions, Metrics: metrics } of document._aws.CloudWatchMetrics) {
      for (const { Name } of metrics) {
        const values = [v.parse(Values, document[Name])].flat()
        for (const names of Dimensions) this.#add(metricName(Namespace, Name), labels(names, document), values)
      }
    }
  }

  toPrometheusText(): string {
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

  #add(name: string, labelText: string, values: number[]): void {
    let byLabels = this.#series.get(name)
    if (!byLabels) this.#series.set(name, (byLabels = new Map<string, Series>()))
    let series = byLabels.get(labelText)
    if (!series) byLabels.set(labelText, (series = { total: 0, samples: 0, last: 0 }))
    for (const value of values) {
      series.total += value
      series.samples += 1
      series.last = value
    }
  }
}

/** `IotTelemetry`, `MessagesStored` -> `iot_telemetry_messages_stored`. */
function metricName(namespace: string, name: string): string {
  const snake = (text: string) =>
    text
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replace(/\W+/g, '_')
      .toLowerCase()
  return `${snake(namespace)}_${snake(name)}`
}

function labels(names: string[], document: Record<string, unknown>): string {
  if (names.length === 0) return ''
  const escape = (value: unknown) => String(value).replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')
  return `{${names.map((name) => `${name.replace(/\W/g, '_')}="${escape(document[name])}"`).join(',')}}`
}
