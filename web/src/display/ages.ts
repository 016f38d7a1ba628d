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

const UNITS = [
  { unit: 'd', seconds: 86_400 },
  { unit: 'h', seconds: 3600 },
  { unit: 'min', seconds: 60 },
  { unit: 's', seconds: 1 },
] as const

/** A length of time in the largest unit that it fills and the next one: 3 d 4 h, 20 min. Below a minute in seconds alone. */
export function partsOf(ms: number): { unit: 'd' | 'h' | 'min' | 's'; count: number }[] {
  const total = Math.max(0, Math.floor(ms / 1000))
  const index = UNITS.findIndex(({ seconds }) => Math.max(1, total) >= seconds)
  const [large, small] = [UNITS[index]!, UNITS[index + 1]]
  const rest = small && small.unit !== 's' ? Math.floor((total % large.seconds) / small.seconds) : 0
  return [
    { unit: large.unit, count: Math.floor(total / large.seconds) },
    ...(small && rest > 0 ? [{ unit: small.unit, count: rest }] : []),
  ]
}
