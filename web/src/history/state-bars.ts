import type { History, HistoryPoint } from '../../../schemas/api.ts'
import { GAPS_OF_MEDIAN, medianDistance } from './number-series.ts'

/** A stretch of time in which a boolean or a text did not change. Between two of them nothing is known. */
export interface StateBar {
  readonly from: number
  readonly to: number
  /** `true`, `false`, or the text; null for a bucket in which a boolean was both. */
  readonly value: string | null
  /** Of a boolean: the share of the time that it was true. */
  readonly share: number | undefined
}

/** As in number-series.ts. */
const GAP_LEAST_MS = 30_000

/** Bars of what is a state and no measure, up to `now`: what holds does so until the next change, or until nothing is known. */
export function stateBars(history: History, now: number): StateBar[] {
  if (history.kind === 'number') return codeBars(history.points, history.bucketMs, Math.min(now, history.to))
  if (history.kind === 'boolean') return booleanBars(history.points, history.bucketMs, Math.min(now, history.to))
  if (history.kind !== 'string') return []
  const end = Math.min(now, history.to)
  return history.points.flatMap(([from, value], index) => {
    const to = history.points[index + 1]?.[0] ?? end
    return value === null || to <= from ? [] : [{ from, to, value, share: undefined }]
  })
}

function booleanBars(points: readonly HistoryPoint[], bucketMs: number, end: number): StateBar[] {
  return joined(points, bucketMs, end, ([, least, share, greatest]) =>
    least === greatest ? { value: String(least === 1), share: undefined } : { value: null, share },
  )
}

/** A state that is told by a number: of a bucket in which there were several, from which to which. */
function codeBars(points: readonly HistoryPoint[], bucketMs: number, end: number): StateBar[] {
  return joined(points, bucketMs, end, ([, least, , greatest]) => ({
    value: least === greatest ? String(least) : `${least} … ${greatest}`,
    share: undefined,
  }))
}

function joined(
  points: readonly HistoryPoint[],
  bucketMs: number,
  end: number,
  stateOf: (point: HistoryPoint) => Pick<StateBar, 'value' | 'share'>,
): StateBar[] {
  const holdsMs = Math.max(GAP_LEAST_MS, bucketMs * 1.5, GAPS_OF_MEDIAN * medianDistance(points))
  const bars: StateBar[] = []
  for (const [index, point] of points.entries()) {
    const from = point[0]
    const next = points[index + 1]?.[0] ?? end
    const to = next - from > holdsMs ? Math.min(next, from + Math.max(bucketMs, GAP_LEAST_MS / 3)) : next
    if (to <= from) continue
    const state = stateOf(point)
    const before = bars.at(-1)
    if (before?.to === from && before.value === state.value && before.share === state.share) {
      bars[bars.length - 1] = { ...before, to }
    } else {
      bars.push({ from, to, ...state })
    }
  }
  return bars
}

export function barAt(bars: readonly StateBar[], time: number): StateBar | undefined {
  return bars.find(({ from, to }) => from <= time && time < to)
}
