import { STALE_AFTER_LEAST_MS } from '../../../schemas/conditions.ts'

/** How often something is read, as seen from its last readings. */
export interface Cadence {
  /** Distances between the last readings, oldest first, in ms. */
  readonly gapsMs: readonly number[]
}

const GAPS_KEPT = 8

export const UNKNOWN_CADENCE: Cadence = { gapsMs: [] }

export function withReading(cadence: Cadence, gapMs: number): Cadence {
  if (gapMs <= 0) return cadence
  return { gapsMs: [...cadence.gapsMs, gapMs].slice(-GAPS_KEPT) }
}

/** Age from which a value counts as stale: 3 intervals, but at least 30 s. The median forgets an outage at once. */
export function staleAfterMs(cadence: Cadence): number {
  const sorted = cadence.gapsMs.toSorted((a, b) => a - b)
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  return Math.max(STALE_AFTER_LEAST_MS, 3 * median)
}
