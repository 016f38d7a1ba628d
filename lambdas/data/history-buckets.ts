import type { HistoryPoint } from '../../schemas/api.ts'
import { DAY_MS } from './partitions.ts'
import { averageOf, type Cell, type Change, SILENCE_MS } from './tag-series.ts'

const SEC = 1000
const MIN = 60 * SEC
const HOUR = 60 * MIN

/** Each divides a minute, an hour or a day, so that rolled up minutes and hours fit into buckets as wholes. */
const STEPS_MS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SEC),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MIN),
  ...[1, 2, 3, 4, 6, 8, 12, 24].map((n) => n * HOUR),
]

export interface Range {
  /** Epoch ms; `to` is not included. */
  from: number
  to: number
}

/**
 * The shortest step, of at least `leastMs`, with which at most `buckets` (2 or more) cover the range when they begin at
 * its multiples since 1970 (UTC). Above a day: whole days.
 */
export function chooseBucketMs({ from, to }: Range, buckets: number, leastMs = 0): number {
  const fits = (stepMs: number) => Math.ceil(to / stepMs) - Math.floor(from / stepMs) <= buckets
  const step = STEPS_MS.find((stepMs) => stepMs >= leastMs && fits(stepMs))
  // One bucket fewer, because the first one may begin before `from`.
  return step ?? Math.ceil((to - from) / (buckets - 1) / DAY_MS) * DAY_MS
}

export const bucketOf = (at: number, bucketMs: number): number => at - (at % bucketMs)

/** The buckets that touch the range, as wholes. */
export const widened = ({ from, to }: Range, bucketMs: number): Range => ({
  from: bucketOf(from, bucketMs),
  to: Math.ceil(to / bucketMs) * bucketMs,
})

/** Cells by the epoch ms of their begin. */
export const pointsOf = (cells: Map<number, Cell>): HistoryPoint[] =>
  [...cells]
    .toSorted(([one], [two]) => one - two)
    .map(([start, cell]) => [start, cell.min, averageOf(cell), cell.max, cell.count])

/**
 * When there was no value: from each bucket with a reading that was none up to the next one with a value, or for SILENCE_MS. Of a bucket
 * with both, itself alone.
 */
export function badSpans(
  bad: Iterable<number>,
  good: Iterable<number>,
  bucketMs: number,
  end: number,
): [number, number][] {
  const values = [...good].toSorted((one, two) => one - two)
  const spans: [number, number][] = []
  let next = 0
  for (const start of [...new Set(bad)].toSorted((one, two) => one - two)) {
    while (values[next] !== undefined && values[next]! < start) next += 1
    const silentAt = start + Math.max(bucketMs, SILENCE_MS)
    const until = values[next] === start ? start + bucketMs : Math.min(values[next] ?? Infinity, silentAt)
    const to = Math.min(until, Math.max(end, start + 1))
    const last = spans.at(-1)
    if (last && last[1] >= start) last[1] = Math.max(last[1], to)
    else spans.push([start, to])
  }
  return spans
}

/** Changes within the range; what was true before it begins is true from its begin on. */
export function cutToRange(changes: Change[], { from, to }: Range): Change[] {
  const inside = changes.filter(([at]) => at > from && at < to)
  const before = changes.findLast(([at]) => at <= from)
  const all: Change[] = before ? [[from, before[1]], ...inside] : inside
  return all[0]?.[1] === null ? all.slice(1) : all
}

/** The last change of each bucket, and it only where it is one. */
export function thinned(changes: Change[], bucketMs: number): Change[] {
  const last = new Map(changes.map((change) => [bucketOf(change[0], bucketMs), change]))
  const kept = [...last.values()]
  return kept.filter(([, value], index) => index === 0 || value !== kept[index - 1]![1])
}
