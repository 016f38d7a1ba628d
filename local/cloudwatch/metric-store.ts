/** The data points of all metrics of the last hours, as CloudWatch would have them: by metric, dimensions and time. */
import type { DataPoint } from './emf.ts'

export interface MetricId {
  namespace: string
  name: string
  dimensions: Record<string, string>
}

export type Statistic = 'Sum' | 'Average' | 'Minimum' | 'Maximum' | 'SampleCount'

/** What an hourly alarm of several periods looks back to. */
const KEEP_MS = 6 * 3_600_000
const MINUTE_MS = 60_000

/** Of one minute, which is as fine as CloudWatch keeps what is no high resolution metric. */
interface Minute {
  sum: number
  count: number
  least: number
  most: number
  last: number
}

export class MetricStore {
  /** Key of the metric -> start of a minute -> what came in it. */
  readonly #series = new Map<string, { id: MetricId; minutes: Map<number, Minute> }>()

  add({ at, values, ...id }: DataPoint): void {
    const key = keyOf(id)
    let series = this.#series.get(key)
    if (!series) this.#series.set(key, (series = { id, minutes: new Map<number, Minute>() }))
    const start = Math.floor(at / MINUTE_MS) * MINUTE_MS
    let minute = series.minutes.get(start)
    if (!minute) {
      for (const old of series.minutes.keys()) if (old < at - KEEP_MS) series.minutes.delete(old)
      series.minutes.set(start, (minute = { sum: 0, count: 0, least: Infinity, most: -Infinity, last: 0 }))
    }
    for (const value of values) {
      minute.sum += value
      minute.count += 1
      minute.least = Math.min(minute.least, value)
      minute.most = Math.max(minute.most, value)
      minute.last = value
    }
  }

  /** Over the minutes that begin in `[from, to)`, epoch ms; `undefined` where nothing came. */
  statistic(id: MetricId, statistic: Statistic, from: number, to: number): number | undefined {
    const minutes: Minute[] = []
    const ofMetric = this.#series.get(keyOf(id))?.minutes
    for (let at = Math.ceil(from / MINUTE_MS) * MINUTE_MS; ofMetric && at < to; at += MINUTE_MS) {
      const minute = ofMetric.get(at)
      if (minute) minutes.push(minute)
    }
    return minutes.length === 0 ? undefined : STATISTICS[statistic](minutes)
  }

  /** Every combination of dimensions with which the metric has come. */
  idsOf(namespace: string, name: string): MetricId[] {
    return [...this.#series.values()].map(({ id }) => id).filter((id) => id.namespace === namespace && id.name === name)
  }

  /** Each metric with its newest value, however old. */
  newest(): (MetricId & { last: number })[] {
    return [...this.#series.values()].map(({ id, minutes }) => ({ ...id, last: [...minutes.values()].at(-1)!.last }))
  }
}

const sum = (minutes: Minute[], pick: (minute: Minute) => number) =>
  minutes.reduce((total, minute) => total + pick(minute), 0)

const STATISTICS: Record<Statistic, (minutes: Minute[]) => number> = {
  Sum: (minutes) => sum(minutes, (minute) => minute.sum),
  SampleCount: (minutes) => sum(minutes, (minute) => minute.count),
  Average: (minutes) => sum(minutes, (minute) => minute.sum) / sum(minutes, (minute) => minute.count),
  Minimum: (minutes) => Math.min(...minutes.map((minute) => minute.least)),
  Maximum: (minutes) => Math.max(...minutes.map((minute) => minute.most)),
}

/** CloudWatch knows a metric by its name and the set of its dimensions. */
const keyOf = ({ namespace, name, dimensions }: MetricId) =>
  JSON.stringify([namespace, name, ...Object.entries(dimensions).toSorted(([a], [b]) => (a < b ? -1 : 1))])
