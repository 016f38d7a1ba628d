import { TREND } from '../../../schemas/api.ts'

/** One point: [epoch ms, value]. */
export type TrendPoint = readonly [number, number]

const SPAN_MS = TREND.stepMs * TREND.steps

const stepOf = (at: number) => Math.floor(at / TREND.stepMs)

/** The trend with one more value: of each step the first one, over the last 10 minutes. In between it stays the same array. */
export function withPoint(trend: readonly TrendPoint[], at: number, value: number): readonly TrendPoint[] {
  const last = trend.at(-1)
  if (last && stepOf(at) <= stepOf(last[0])) return trend
  return [...withoutOld(trend, at), [at, value]]
}

/**
 * The trend with what the API knows of the time before it, and of the holes in it: a value for each step from `from` on. What was heard
 * live stays, and nothing is put behind it.
 */
export function withPast(
  trend: readonly TrendPoint[],
  from: number,
  values: readonly (number | null)[],
): readonly TrendPoint[] {
  const live = new Map(trend.map((point) => [stepOf(point[0]), point]))
  const until = trend.at(-1)?.[0] ?? Infinity
  const past = values.flatMap((value, index): TrendPoint[] => {
    const at = from + index * TREND.stepMs
    return value === null || at >= until || live.has(stepOf(at)) ? [] : [[at, value]]
  })
  const all = [...past, ...trend].toSorted((a, b) => a[0] - b[0])
  return withoutOld(all, all.at(-1)?.[0] ?? 0)
}

function withoutOld(trend: readonly TrendPoint[], at: number): readonly TrendPoint[] {
  const first = trend.findIndex(([time]) => time > at - SPAN_MS)
  return first === 0 ? trend : trend.slice(first === -1 ? trend.length : first)
}
