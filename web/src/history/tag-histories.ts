import { computed } from 'vue'
import type { History } from '../../../schemas/api.ts'
import { useRefreshed } from '../api/refreshed.ts'
import { useTelemetryApi } from '../api/telemetry-api.ts'
import { spanOf, type ChartRange } from './chart-range.ts'

export interface HistoriesAsked {
  readonly machineId: string
  readonly tags: readonly string[]
  readonly range: ChartRange
  /** How many points can be told apart on the screen. */
  readonly buckets: number
  /** Into the past: a day, to compare with yesterday. */
  readonly shiftMs: number
}

const REFRESH_LEAST_MS = 5_000
const REFRESH_MOST_MS = 60_000

/**
 * The histories of the tags asked for. A range that ends now is asked for anew as often as it moves by a point, which
 * also brings in what arrived late.
 */
export function useTagHistories(asked: () => HistoriesAsked, now: () => number) {
  const api = useTelemetryApi()

  async function fetch(): Promise<ReadonlyMap<string, History>> {
    const { machineId, tags, range, buckets, shiftMs } = asked()
    const { from, to } = spanOf(range, now())
    const times = { from: Math.floor(from - shiftMs), to: Math.ceil(to - shiftMs) + 1, buckets }
    const answers = await Promise.all(tags.map((tag) => api.history(machineId, { tag, ...times })))
    return new Map(tags.map((tag, index) => [tag, answers[index]!]))
  }

  const { value, ...state } = useRefreshed(asked, fetch, () => {
    const { range, buckets } = asked()
    const everyMs = range.live ? range.lengthMs / buckets : REFRESH_MOST_MS
    return Math.min(REFRESH_MOST_MS, Math.max(REFRESH_LEAST_MS, everyMs))
  })
  return {
    histories: computed<ReadonlyMap<string, History>>(() => value.value ?? new Map<string, History>()),
    ...state,
  }
}
