/** One point: [epoch ms, value]. */
export type TrendPoint = readonly [number, number]

export const TREND_SPAN_MS = 10 * 60_000
/** One point in this time, so that ten minutes of a fast tag stay small. */
const POINT_EVERY_MS = 5_000

/** The trend with one more value: the last 10 minutes of what came while the page was open. */
export function withPoint(trend: readonly TrendPoint[], at: number, value: number): readonly TrendPoint[] {
  const last = trend.at(-1)
  if (last && at <= last[0]) return trend
  const sameSlot = last && Math.floor(last[0] / POINT_EVERY_MS) === Math.floor(at / POINT_EVERY_MS)
  const before = sameSlot && trend.length > 1 ? trend.slice(0, -1) : trend
  return [...before.filter(([time]) => time > at - TREND_SPAN_MS), [at, value]]
}
