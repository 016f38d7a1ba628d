/** An age in the largest unit that it fills, as people say it: 12 s, 4 min, 3 h, 2 d. */
export interface Age {
  readonly unit: 'now' | 's' | 'min' | 'h' | 'd'
  readonly count: number
}

/** Below this, "now": a value that comes each second must not count 0, 1, 0, 1. */
const NOW_BELOW_MS = 3_000

export function ageOf(ms: number): Age {
  if (ms < NOW_BELOW_MS) return { unit: 'now', count: 0 }
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return { unit: 's', count: seconds }
  if (seconds < 3600) return { unit: 'min', count: Math.floor(seconds / 60) }
  if (seconds < 86_400) return { unit: 'h', count: Math.floor(seconds / 3600) }
  return { unit: 'd', count: Math.floor(seconds / 86_400) }
}
