import type { HistoryPoint } from '../../../schemas/api.ts'

/** Columns of one tag for a chart, in order of time. A null is a gap: the line is broken there. */
export interface NumberSeries {
  readonly times: readonly number[]
  readonly least: readonly (number | null)[]
  readonly mean: readonly (number | null)[]
  readonly greatest: readonly (number | null)[]
  /** Two points that are farther apart than this are not joined. */
  readonly gapMs: number
}

/** A machine that is steady sends every 10 s, so three of those without a value are a gap; see cadence.ts. */
const GAP_LEAST_MS = 30_000
export const GAPS_OF_MEDIAN = 3

/**
 * The line of a tag: each bucket at its middle, readings where they are, and a gap where values were missing for longer than
 * three times their usual distance, or could not be read (`bad`).
 */
export function numberSeries(
  points: readonly HistoryPoint[],
  bucketMs: number,
  bad: readonly (readonly [from: number, to: number])[] = [],
): NumberSeries {
  const at = ([start]: HistoryPoint) => start + bucketMs / 2
  const gapMs = Math.max(GAP_LEAST_MS, bucketMs * 1.5, GAPS_OF_MEDIAN * medianDistance(points))
  const times: number[] = []
  const least: (number | null)[] = []
  const mean: (number | null)[] = []
  const greatest: (number | null)[] = []
  const push = (time: number, low: number | null, middle: number | null, high: number | null) => {
    times.push(time)
    least.push(low)
    mean.push(middle)
    greatest.push(high)
  }
  for (const [index, point] of points.entries()) {
    const before = points[index - 1]
    const isBroken = (since: number) => bad.some(([from]) => from > since && from < point[0])
    if (before && (at(point) - at(before) > gapMs || isBroken(before[0])))
      push((at(before) + at(point)) / 2, null, null, null)
    push(at(point), point[1], point[2], point[3])
  }
  return { times, least, mean, greatest, gapMs }
}

/** Of readings or buckets, in ms. */
export function medianDistance(points: readonly HistoryPoint[]): number {
  const distances = points
    .slice(1)
    .map(([start], index) => start - points[index]![0])
    .toSorted((a, b) => a - b)
  return distances[Math.floor(distances.length / 2)] ?? 0
}

/** The point to read at a time: the nearest one, unless that lies beyond a gap. Undefined in a gap. */
export function pointAt(
  series: NumberSeries,
  time: number,
): { time: number; least: number; mean: number; greatest: number } | undefined {
  const index = nearestIndex(series.times, time)
  const [at, low, middle, high] = [series.times[index], series.least[index], series.mean[index], series.greatest[index]]
  if (at === undefined || low == null || middle == null || high == null) return undefined
  return Math.abs(at - time) > series.gapMs ? undefined : { time: at, least: low, mean: middle, greatest: high }
}

/** -1 when there is none. */
function nearestIndex(times: readonly number[], time: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! < time) low = middle + 1
    else high = middle
  }
  if (low === times.length || (low > 0 && time - times[low - 1]! < times[low]! - time)) return low - 1
  return low
}

/** History with the readings that came after it was asked for; none is there twice. */
export function withTail(
  points: readonly HistoryPoint[],
  bucketMs: number,
  tail: readonly HistoryPoint[],
): HistoryPoint[] {
  const last = points.at(-1)
  const until = last ? last[0] + bucketMs : -Infinity
  // A reading stands at its time, a bucket at its middle.
  return [
    ...points,
    ...tail.filter(([at]) => at > until).map(([at, ...values]): HistoryPoint => [at - bucketMs / 2, ...values]),
  ]
}

/** Where values are that were not there before, and are older than the newest of before: data that came late. */
export function lateSpan(before: NumberSeries, after: NumberSeries): { from: number; to: number } | undefined {
  const newest = before.times.at(-1)
  if (newest === undefined) return undefined
  const oldest = before.times[0]!
  const known = new Set(before.times.filter((_, index) => before.mean[index] !== null))
  const late = after.times.filter(
    (time, index) => after.mean[index] !== null && time > oldest && time < newest && !known.has(time),
  )
  return late.length === 0 ? undefined : { from: late[0]!, to: late.at(-1)! }
}
