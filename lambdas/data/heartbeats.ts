/** What a gateway's newest heartbeats tell together: how wrong its clock is, when its buffer is empty, whether it restarted. */

/** How often a gateway tells of itself. */
export const HEARTBEAT_MS = 10_000

/** Three heartbeats in a row are missing when the last one is older than this. */
export const SILENT_AFTER_MS = 3 * HEARTBEAT_MS

const KEPT = 10

export interface Heartbeat {
  /** Broker's clock. */
  receivedAt: number
  /** `receivedAt - timestamp`: positive when the gateway's clock is behind. */
  clockSkewMs: number
  queuedMessages: number
  uptimeSec: number
}

/** The newest ten, oldest first. A heartbeat that is delivered twice is kept once. */
export function withHeartbeat(heartbeats: readonly Heartbeat[], next: Heartbeat): Heartbeat[] {
  return [...heartbeats.filter(({ receivedAt }) => receivedAt !== next.receivedAt), next].slice(-KEPT)
}

/** Median, so that a few heartbeats that were long under way do not look like a wrong clock. Null without heartbeats. */
export function clockSkewMs(heartbeats: readonly Heartbeat[]): number | null {
  return heartbeats.length === 0 ? null : Math.round(median(heartbeats.map((heartbeat) => heartbeat.clockSkewMs)))
}

/** Two points make a line through any noise; three are the least that agree. */
const LEAST_FOR_A_TREND = 3

/**
 * Seconds until the buffer is empty if it goes on as in the heartbeats since the last silence: the median of the slopes
 * between any two of them (Theil–Sen), which one odd heartbeat does not move. Null when the buffer is empty, does not
 * shrink, or when too little is known.
 */
export function drainEtaSec(heartbeats: readonly Heartbeat[]): number | null {
  const trend = sinceLastSilence(heartbeats)
  const queued = trend.at(-1)?.queuedMessages ?? 0
  if (queued === 0 || trend.length < LEAST_FOR_A_TREND) return null
  const perMs = median(
    trend.flatMap((from, index) =>
      trend.slice(index + 1).map((to) => (to.queuedMessages - from.queuedMessages) / (to.receivedAt - from.receivedAt)),
    ),
  )
  return perMs < 0 ? Math.ceil(queued / -perMs / 1000) : null
}

/** What a heartbeat may be late, or a clock set right, without looking like a restart. */
const START_TOLERANCE_MS = 10_000

/**
 * Whether the gateway's program began anew between two heartbeats: its uptime fell, or it began later by the broker's
 * clock and by its own. One clock would not do: a late heartbeat moves the start by the broker's, NTP by the gateway's.
 */
export function hasRestarted(before: Heartbeat | undefined, after: Heartbeat): boolean {
  if (before === undefined) return false
  if (after.uptimeSec < before.uptimeSec) return true
  const startedAt = ({ receivedAt, uptimeSec }: Heartbeat) => receivedAt - uptimeSec * 1000
  const laterMs = startedAt(after) - startedAt(before)
  const laterByItsClockMs = laterMs - (after.clockSkewMs - before.clockSkewMs)
  return Math.min(laterMs, laterByItsClockMs) > START_TOLERANCE_MS
}

function sinceLastSilence(heartbeats: readonly Heartbeat[]): readonly Heartbeat[] {
  const resumed = heartbeats.findLastIndex(
    ({ receivedAt }, index) => index > 0 && receivedAt - heartbeats[index - 1]!.receivedAt > SILENT_AFTER_MS,
  )
  return heartbeats.slice(Math.max(0, resumed))
}

/** Of at least one number. */
function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}
